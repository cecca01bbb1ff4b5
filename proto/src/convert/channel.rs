//! Channels: what the wire shows of them (never a key), and settings of which a request sets some.

use booth_core::{
    Channel, ChannelAlert, ChannelMode, ChannelSettings, ChannelShowing, FailoverPolicy, Force,
    LiveFormat, LiveState, Prepared, PublishProtocol, Publisher, SwitchCause, WorkerState,
};

use super::{destination, names, slot, time};
use crate::v1;

pub fn channel(channel: &Channel) -> v1::Channel {
    v1::Channel {
        name: names::channel(&channel.id),
        settings: Some(settings(&channel.settings)),
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

/// Never the passphrase, only whether there is one.
fn settings(settings: &ChannelSettings) -> v1::ChannelSettings {
    let video = &settings.video;
    v1::ChannelSettings {
        title: Some(settings.title.to_string()),
        mode: Some(
            match settings.mode {
                ChannelMode::Copy => v1::channel_settings::Mode::Copy,
                ChannelMode::Transcode => v1::channel_settings::Mode::Transcode,
            }
            .into(),
        ),
        width: Some(video.width),
        height: Some(video.height),
        fps: Some(video.fps),
        video_bitrate_kbps: Some(video.bitrate_kbps),
        audio_bitrate_kbps: Some(settings.audio_bitrate_kbps),
        encoder: Some(slot::encoder(video.encoder).into()),
        preset: Some(video.preset.clone()),
        backup: Some(v1::Backup {
            files: settings
                .backup
                .as_ref()
                .map(|backup| backup.files.clone())
                .unwrap_or_default(),
        }),
        slate: Some(settings.slate.clone().unwrap_or_default()),
        policy: Some(policy(&settings.policy)),
        srt_input: settings.srt_input.as_ref().map(|input| v1::SrtInput {
            enabled: Some(true),
            port: Some(u32::from(input.port)),
            latency_ms: Some(input.latency_ms),
            stream_id: Some(input.stream_id.clone().unwrap_or_default()),
            passphrase: None,
            has_passphrase: Some(input.passphrase.is_some()),
        }),
        monitor_port: Some(settings.monitor_port.map_or(0, u32::from)),
        hls: Some(settings.hls),
    }
}

fn policy(policy: &FailoverPolicy) -> v1::FailoverPolicy {
    use booth_core::BackupStart;
    v1::FailoverPolicy {
        stable_ms: Some(policy.stable_ms),
        lost_ms: Some(policy.lost_ms),
        delay_ms: Some(policy.delay_ms),
        stable_max_ms: Some(policy.stable_max_ms),
        frozen_ms: Some(policy.frozen_ms),
        black_ms: Some(policy.black_ms),
        silent_ms: Some(policy.silent_ms),
        takeover_ms: Some(policy.takeover_ms),
        backup_start: Some(
            match policy.backup_start {
                BackupStart::Beginning => v1::failover_policy::BackupStart::Beginning,
                BackupStart::Resume => v1::failover_policy::BackupStart::Resume,
                BackupStart::Running => v1::failover_policy::BackupStart::Running,
            }
            .into(),
        ),
        fade_ms: Some(policy.fade_ms),
        alert_backup_ms: Some(policy.alert_backup_ms),
        alert_destination_ms: Some(policy.alert_destination_ms),
    }
}
