//! What a channel's workers report, as facts. Every text is scrubbed here: it comes from peers.

use booth_core::{
    Channel, ChannelId, ChannelShowing, DestinationId, DestinationState, Fact, Force, LiveFormat,
    LiveState, Prepared, PublishProtocol, Publisher, PublisherId, SwitchCause, TOPIC_MAX, Text,
    Timestamp,
};
use booth_proto::worker::{self, ChannelReport, ChannelSwitch, PrepareReport};

/// What a worker that attaches knows: all of it, since boothd may have been away. `channel` is as boothd left it.
pub(super) fn from_greeting(channel: &Channel, report: &ChannelReport) -> Vec<Fact> {
    let id = &channel.id;
    let mut facts = Vec::new();
    facts
        .extend(showing(report.showing).map(|to| shows(id, to, missed_cause(channel, to, report))));
    facts.extend(live(id, report));
    // Its own publisher went while nobody listened.
    if let Some(publisher) = &channel.publisher
        && publisher.protocol == PublishProtocol::Srt
        && publisher.id.0 != report.publisher
    {
        facts.push(Fact::PublisherDown {
            channel: id.clone(),
            id: publisher.id,
            reason: text("its connection was lost"),
        });
    }
    facts.extend(
        report
            .destinations
            .iter()
            .filter_map(|d| destination(id, d)),
    );
    facts
}

/// What has changed between two reports of one worker. Switches are told apart, with their cause and gap, and only the
/// first picture of an output that was off is taken from here.
pub(super) fn from_change(
    channel: &Channel,
    before: &ChannelReport,
    now: &ChannelReport,
) -> Vec<Fact> {
    let id = &channel.id;
    let mut facts = Vec::new();
    if channel.showing == ChannelShowing::Off {
        facts.extend(showing(now.showing).map(|to| shows(id, to, SwitchCause::Started)));
    }
    // An answer to a new order says all again: a destination that was enabled once more may have failed at once, which
    // looks the same as before.
    let anew = before.generation != now.generation;
    if anew
        || (before.live, before.live_cause, &before.live_format)
            != (now.live, now.live_cause, &now.live_format)
    {
        facts.extend(live(id, now));
    }
    let changed = now
        .destinations
        .iter()
        .filter(|d| anew || !before.destinations.contains(d));
    facts.extend(changed.filter_map(|d| destination(id, d)));
    facts
}

pub(super) fn switched(id: &ChannelId, switch: &ChannelSwitch) -> Option<Fact> {
    Some(Fact::ChannelShowing {
        channel: id.clone(),
        showing: showing(switch.showing)?,
        cause: cause(switch.cause)?,
        gap_ms: switch.gap_ms,
    })
}

pub(super) fn publisher_up(id: &ChannelId, start: &worker::PublishStart) -> Fact {
    Fact::PublisherUp {
        channel: id.clone(),
        publisher: Publisher {
            id: PublisherId(start.publisher),
            // The only one that ends in a channel's own worker.
            protocol: PublishProtocol::Srt,
            peer: text(&start.peer),
            agent: text(&start.agent),
            since: Timestamp(0),
        },
    }
}

pub(super) fn publisher_down(id: &ChannelId, end: &worker::PublishEnd) -> Fact {
    Fact::PublisherDown {
        channel: id.clone(),
        id: PublisherId(end.publisher),
        reason: text(&end.reason),
    }
}

/// `None` while it goes on.
pub(super) fn prepared(id: &ChannelId, report: &PrepareReport) -> Option<Fact> {
    let key = report.key.clone();
    let prepared = if !report.error.is_empty() {
        let reason = text(&report.error);
        Prepared::Failed { key, reason }
    } else if report.done {
        Prepared::Ready {
            key,
            duration_ms: report.duration_ms,
            note: text(&report.note),
        }
    } else {
        return None;
    };
    Some(Fact::ChannelPrepared {
        channel: id.clone(),
        prepared,
    })
}

fn shows(id: &ChannelId, showing: ChannelShowing, cause: SwitchCause) -> Fact {
    Fact::ChannelShowing {
        channel: id.clone(),
        showing,
        cause,
        gap_ms: 0,
    }
}

/// Why the output shows what it does, of a switch that nobody heard of.
fn missed_cause(channel: &Channel, to: ChannelShowing, report: &ChannelReport) -> SwitchCause {
    match (channel.showing, to) {
        (ChannelShowing::Off, _) => SwitchCause::Started,
        _ if channel.force != Force::Auto => SwitchCause::Forced,
        (_, ChannelShowing::Live) => SwitchCause::LiveStable,
        _ => cause(report.live_cause).unwrap_or(SwitchCause::LiveEnded),
    }
}

fn live(id: &ChannelId, report: &ChannelReport) -> Option<Fact> {
    use worker::LiveState as L;
    let live = match L::try_from(report.live).ok()? {
        L::Unspecified => return None,
        L::Absent => LiveState::Absent,
        L::Settling => LiveState::Settling,
        L::Stable => LiveState::Stable,
        L::Lost => LiveState::Lost {
            cause: cause(report.live_cause).unwrap_or(SwitchCause::LiveStalled),
        },
    };
    let format = report.live_format.as_ref().map(|f| LiveFormat {
        video: text(&f.video),
        width: f.width,
        height: f.height,
        fps_milli: f.fps_milli,
        audio: text(&f.audio),
        differs: text(&f.differs),
    });
    Some(Fact::ChannelLive {
        channel: id.clone(),
        live,
        format,
    })
}

fn destination(id: &ChannelId, report: &worker::DestinationReport) -> Option<Fact> {
    use worker::DestinationState as D;
    Some(Fact::DestinationState {
        channel: id.clone(),
        id: DestinationId::new(&report.id).ok()?,
        state: match D::try_from(report.state).ok()? {
            D::Unspecified => return None,
            D::Connecting => DestinationState::Connecting,
            D::Live => DestinationState::Live,
            D::Retrying => DestinationState::Retrying,
            D::Failed => DestinationState::Failed,
        },
        error: text(&report.error),
    })
}

fn showing(said: i32) -> Option<ChannelShowing> {
    use worker::ChannelShowing as S;
    match S::try_from(said).ok()? {
        S::Unspecified => None,
        S::Live => Some(ChannelShowing::Live),
        S::Backup => Some(ChannelShowing::Backup),
        S::Slate => Some(ChannelShowing::Slate),
    }
}

fn cause(said: i32) -> Option<SwitchCause> {
    use worker::SwitchCause as C;
    Some(match C::try_from(said).ok()? {
        C::Unspecified => return None,
        C::Started => SwitchCause::Started,
        C::LiveStable => SwitchCause::LiveStable,
        C::LiveEnded => SwitchCause::LiveEnded,
        C::LiveStalled => SwitchCause::LiveStalled,
        C::LiveFrozen => SwitchCause::LiveFrozen,
        C::LiveBlack => SwitchCause::LiveBlack,
        C::LiveSilent => SwitchCause::LiveSilent,
        C::LiveUnusable => SwitchCause::LiveUnusable,
        C::Forced => SwitchCause::Forced,
        C::BackupChanged => SwitchCause::BackupChanged,
    })
}

fn text(raw: &str) -> Text {
    Text::scrub(raw, TOPIC_MAX)
}
