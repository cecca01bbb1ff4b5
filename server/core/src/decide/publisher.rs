//! Who feeds a channel's live input: one at a time, and a second one only once the first is silent.

use std::time::Duration;

use crate::{
    Channel, ChannelId, Denied, Effect, Event, LiveState, PublishProtocol, Publisher, PublisherId,
    Sealed, Target, Text, WorkerState,
};

use super::draft::{Draft, invalid};

const REASON_MAX: usize = 200;

/// What whoever shows a wrong key is told.
pub const KEY_NOT_VALID: &str = "this stream key is not valid";

/// Keys are compared at the edge, before: `key` is the one that was. After a rotation it is as wrong as any other, and
/// nothing else is told.
pub(super) fn publish(
    draft: &mut Draft<'_>,
    id: &ChannelId,
    new: &Publisher,
    key: &Sealed,
) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    if channel.key != *key {
        return Err(invalid("key", KEY_NOT_VALID));
    }
    draft.fresh(channel.revision)?;
    if !channel.running {
        let channel = id.clone();
        return Err(Denied::ChannelOff { channel });
    }
    if channel.publisher.as_ref().is_none_or(|p| p.id != new.id) {
        accept(draft, &channel, new)?;
    }
    Ok(Target::Channel(id.clone()))
}

/// The same encoder may come back at once.
pub(super) fn kick(draft: &mut Draft<'_>, id: &ChannelId) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    if channel.publisher.is_none() {
        let channel = id.clone();
        return Err(Denied::NoPublisher { channel });
    }
    disconnect(draft, &channel, "disconnected by an operator");
    Ok(Target::Channel(id.clone()))
}

pub(super) fn rotate_key(
    draft: &mut Draft<'_>,
    id: &ChannelId,
    key: &Sealed,
) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    draft.emit(Event::ChannelKeyRotated {
        id: id.clone(),
        key: key.clone(),
    });
    disconnect(draft, &channel, "key rotated");
    Ok(Target::Channel(id.clone()))
}

/// A publisher that the channel's own worker took: the same rule as for [`publish`]. One who may not stay is hung up on
/// by the worker once it hears who may.
pub(super) fn up(draft: &mut Draft<'_>, id: &ChannelId, new: &Publisher) {
    let Ok(channel) = draft.channel(id) else {
        return;
    };
    match &channel.publisher {
        Some(present) if present.id == new.id => {}
        Some(present) if present.id > new.id => draft.order(Effect::ReconcileChannel(id.clone())),
        _ if channel.running && accept(draft, &channel, new).is_ok() => {}
        _ => draft.order(Effect::ReconcileChannel(id.clone())),
    }
}

/// Word about a publisher who was replaced meanwhile is late.
pub(super) fn down(draft: &mut Draft<'_>, id: &ChannelId, gone: PublisherId, reason: &Text) {
    if let Ok(channel) = draft.channel(id)
        && channel.publisher.as_ref().is_some_and(|p| p.id == gone)
    {
        draft.emit(Event::PublisherDisconnected {
            id: id.clone(),
            publisher: gone,
            reason: reason.clone(),
        });
    }
}

/// Everybody who came by one of these ways is gone with what carried them.
pub(super) fn carrier_lost(draft: &mut Draft<'_>, by: &[PublishProtocol], reason: &str) {
    let channels: Vec<_> = draft.state().channels.values().cloned().collect();
    for channel in channels {
        let publisher = channel.publisher.as_ref();
        if publisher.is_some_and(|p| by.contains(&p.protocol)) {
            disconnect(draft, &channel, reason);
        }
    }
}

/// Records that `before`'s publisher, if there is one, may not go on.
pub(super) fn disconnect(draft: &mut Draft<'_>, before: &Channel, reason: &str) {
    if let Some(publisher) = &before.publisher {
        draft.emit(Event::PublisherDisconnected {
            id: before.id.clone(),
            publisher: publisher.id,
            reason: Text::scrub(reason, REASON_MAX),
        });
    }
}

fn accept(draft: &mut Draft<'_>, channel: &Channel, new: &Publisher) -> Result<(), Denied> {
    if let Some(present) = &channel.publisher {
        if !is_stale(draft, channel, present) {
            return Err(Denied::ChannelBusy {
                channel: channel.id.clone(),
                by: format!("{} from {}", protocol(present.protocol), present.peer),
            });
        }
        disconnect(draft, channel, &format!("taken over by {}", new.peer));
    }
    draft.emit(Event::PublisherConnected {
        id: channel.id.clone(),
        publisher: new.clone(),
    });
    Ok(())
}

/// Silent for long enough that another one may take over. While no worker looks, nobody can tell.
fn is_stale(draft: &Draft<'_>, channel: &Channel, present: &Publisher) -> bool {
    let silent = matches!(channel.live, LiveState::Absent | LiveState::Lost { .. });
    // What was said before they came is about somebody else, and what a worker says first may be before it heard them.
    let since = channel.live_since.max(present.since);
    let since = since.max(channel.worker_since);
    let limit = Duration::from_millis(channel.settings.policy.takeover_ms.into());
    channel.worker == WorkerState::Up && silent && draft.now.since(since) >= limit
}

fn protocol(protocol: PublishProtocol) -> &'static str {
    match protocol {
        PublishProtocol::Rtmp => "RTMP",
        PublishProtocol::Rtmps => "RTMPS",
        PublishProtocol::Srt => "SRT",
        PublishProtocol::Whip => "WHIP",
    }
}
