//! Channels as the wire shows them: never a key.

mod settings;

use booth_core::{
    Channel, ChannelAlert, ChannelShowing, Denied, Force, LiveFormat, LiveState, Prepared,
    PublishProtocol, Publisher, SwitchCause, WorkerState,
};

pub use settings::{Made, backup_files, check_files, patched, slate_path};

use super::{destination, invalid, names, time};
use crate::v1;

pub fn channel(channel: &Channel) -> v1::Channel {
    v1::Channel {
        name: names::channel(&channel.id),
        settings: Some(settings::settings(&channel.settings)),
        running: channel.running,
        force: force(channel.force).into(),
        showing: showing(channel.showing).into(),
        showing_time: Some(time(channel.showing_since)),
        cause: cause(channel.cause).to_owned(),
        live: match &channel.live {
            LiveState::Absent => v1::channel::LiveState::Absent,
            LiveState::Settling => v1::channel::LiveState::Settling,
            LiveState::Stable => v1::channel::LiveState::Stable,
            LiveState::Lost { .. } => v1::channel::LiveState::Lost,
        }
        .into(),
        live_time: Some(time(channel.live_since)),
        publisher: channel.publisher.as_ref().map(publisher),
        live_format: channel.live_format.as_ref().map(live_format),
        prepared: Some(prepared(channel)),
        alerts: channel.alerts.iter().map(alert_text).collect(),
        destinations: channel
            .destinations
            .values()
            .map(|found| destination::destination(&channel.id, found))
            .collect(),
        online: channel.worker == WorkerState::Up,
        create_time: Some(time(channel.created_at)),
        revision: channel.revision,
        live_cause: match &channel.live {
            LiveState::Lost { cause: why } => cause(*why).to_owned(),
            _ => String::new(),
        },
    }
}

fn publisher(publisher: &Publisher) -> v1::Publisher {
    v1::Publisher {
        protocol: protocol(publisher.protocol).to_owned(),
        peer: publisher.peer.to_string(),
        agent: publisher.agent.to_string(),
        connect_time: Some(time(publisher.since)),
    }
}

pub fn protocol(protocol: PublishProtocol) -> &'static str {
    match protocol {
        PublishProtocol::Rtmp => "rtmp",
        PublishProtocol::Rtmps => "rtmps",
        PublishProtocol::Srt => "srt",
        PublishProtocol::Whip => "whip",
    }
}

fn live_format(format: &LiveFormat) -> v1::LiveFormat {
    v1::LiveFormat {
        video: format.video.to_string(),
        width: format.width,
        height: format.height,
        fps: f64::from(format.fps_milli) / 1_000.0,
        audio: format.audio.to_string(),
        differs: format.differs.to_string(),
    }
}

fn prepared(channel: &Channel) -> v1::Prepared {
    match &channel.prepared {
        Some(Prepared::Ready {
            duration_ms, note, ..
        }) => v1::Prepared {
            state: v1::prepared::State::Ready.into(),
            #[allow(clippy::cast_precision_loss, reason = "exact for 285 thousand years")]
            duration_s: *duration_ms as f64 / 1_000.0,
            note: note.to_string(),
        },
        Some(Prepared::Failed { reason, .. }) => v1::Prepared {
            state: v1::prepared::State::Failed.into(),
            duration_s: 0.0,
            note: reason.to_string(),
        },
        None => v1::Prepared {
            state: v1::prepared::State::Preparing.into(),
            ..Default::default()
        },
    }
}

pub fn alert_text(alert: &ChannelAlert) -> String {
    match alert {
        ChannelAlert::OnBackup => "without its live input for a long time".to_owned(),
        ChannelAlert::DestinationDown(id) => format!("destination {id} is down"),
    }
}

fn force(force: Force) -> v1::channel::Force {
    match force {
        Force::Auto => v1::channel::Force::Auto,
        Force::Live => v1::channel::Force::Live,
        Force::Backup => v1::channel::Force::Backup,
    }
}

fn showing(showing: ChannelShowing) -> v1::channel::Showing {
    match showing {
        ChannelShowing::Off => v1::channel::Showing::Off,
        ChannelShowing::Live => v1::channel::Showing::Live,
        ChannelShowing::Backup => v1::channel::Showing::Backup,
        ChannelShowing::Slate => v1::channel::Showing::Slate,
    }
}

/// The name of a cause, stable for programs.
pub fn cause(cause: SwitchCause) -> &'static str {
    match cause {
        SwitchCause::Started => "STARTED",
        SwitchCause::Stopped => "STOPPED",
        SwitchCause::WorkerLost => "WORKER_LOST",
        SwitchCause::LiveStable => "LIVE_STABLE",
        SwitchCause::LiveEnded => "LIVE_ENDED",
        SwitchCause::LiveStalled => "LIVE_STALLED",
        SwitchCause::LiveFrozen => "LIVE_FROZEN",
        SwitchCause::LiveBlack => "LIVE_BLACK",
        SwitchCause::LiveSilent => "LIVE_SILENT",
        SwitchCause::LiveUnusable => "LIVE_UNUSABLE",
        SwitchCause::Forced => "FORCED",
        SwitchCause::BackupChanged => "BACKUP_CHANGED",
    }
}

/// The same for people, as the end of a sentence.
pub fn cause_text(cause: SwitchCause) -> &'static str {
    match cause {
        SwitchCause::Started => "the output began",
        SwitchCause::Stopped => "it was stopped",
        SwitchCause::WorkerLost => "its worker was lost",
        SwitchCause::LiveStable => "the live input is stable",
        SwitchCause::LiveEnded => "the publisher is gone",
        SwitchCause::LiveStalled => "the publisher stalled",
        SwitchCause::LiveFrozen => "the live picture stands still",
        SwitchCause::LiveBlack => "the live picture is black",
        SwitchCause::LiveSilent => "the live sound is silent",
        SwitchCause::LiveUnusable => "what the publisher sends cannot be used",
        SwitchCause::Forced => "it was asked for",
        SwitchCause::BackupChanged => "the backup changed",
    }
}

pub fn parse_force(field: &str, wire: i32) -> Result<Force, Denied> {
    match v1::channel::Force::try_from(wire) {
        Ok(v1::channel::Force::Auto) => Ok(Force::Auto),
        Ok(v1::channel::Force::Live) => Ok(Force::Live),
        Ok(v1::channel::Force::Backup) => Ok(Force::Backup),
        Ok(v1::channel::Force::Unspecified) | Err(_) => {
            Err(invalid(field, "FORCE_AUTO, FORCE_LIVE or FORCE_BACKUP"))
        }
    }
}
