//! What the workers of channels report. A channel that is off has nothing to report; a worker that is gone neither.

use std::sync::Arc;

use crate::{
    Channel, ChannelId, ChannelShowing, DestinationId, DestinationState, Effect, Event, Fact,
    LiveState, Prepared, PublishProtocol, SwitchCause, Text, WorkerState,
};

use super::draft::Draft;
use super::{channel, publisher};

pub(super) fn observe(draft: &mut Draft<'_>, fact: &Fact) {
    match fact {
        Fact::ChannelWorkerUp { channel } => up(draft, channel),
        Fact::ChannelWorkerDown { channel } => down(draft, channel),
        Fact::ChannelShowing {
            channel,
            showing,
            cause,
            gap_ms,
        } => {
            if let Some(before) = reporting(draft, channel) {
                channel::switched(draft, &before, *showing, *cause, *gap_ms);
            }
        }
        Fact::ChannelLive {
            channel,
            live,
            format,
        } => {
            if let Some(known) = reporting(draft, channel)
                && (known.live != *live || known.live_format != *format)
            {
                draft.emit(Event::ChannelLive {
                    id: channel.clone(),
                    live: live.clone(),
                    format: format.clone(),
                });
            }
        }
        Fact::PublisherUp { channel, publisher } => publisher::up(draft, channel, publisher),
        Fact::PublisherDown {
            channel,
            id,
            reason,
        } => publisher::down(draft, channel, *id, reason),
        Fact::IngestDown => {
            let by = [PublishProtocol::Rtmp, PublishProtocol::Rtmps];
            publisher::carrier_lost(draft, &by, "the ingest worker is gone");
        }
        Fact::ChannelPrepared { channel, prepared } => made(draft, channel, prepared),
        Fact::DestinationState {
            channel,
            id,
            state,
            error,
        } => destination(draft, channel, id, *state, error),
        // Those about callers and slots.
        _ => {}
    }
}

/// No worker is attached until it says so, but what the channel shows goes on without boothd: it counts as last known
/// until its worker says otherwise, or has stayed away for too long.
pub(super) fn started(draft: &mut Draft<'_>) {
    let by = [PublishProtocol::Whip];
    publisher::carrier_lost(draft, &by, "the server was restarted");
    let channels: Vec<_> = draft.state().channels.values().cloned().collect();
    for channel in channels {
        if channel.worker == WorkerState::Up || channel.is_last_known() {
            worker(draft, &channel.id, WorkerState::Down);
        }
        draft.order(Effect::ReconcileChannel(channel.id.clone()));
    }
}

/// The worker is gone, and with it all that it showed, heard and sent.
pub(super) fn gone(draft: &mut Draft<'_>, id: &ChannelId) {
    let Ok(before) = draft.channel(id) else {
        return;
    };
    let lost = SwitchCause::WorkerLost;
    channel::switched(draft, &before, ChannelShowing::Off, lost, 0);
    if before.live != LiveState::Absent {
        draft.emit(Event::ChannelLive {
            id: id.clone(),
            live: LiveState::Absent,
            format: None,
        });
    }
    let publisher = before.publisher.as_ref();
    if publisher.is_some_and(|p| p.protocol == PublishProtocol::Srt) {
        publisher::disconnect(draft, &before, "the channel's worker is gone");
    }
    for destination in before.destinations.values() {
        if destination.state != DestinationState::Idle {
            draft.emit(Event::DestinationState {
                channel: id.clone(),
                id: destination.id.clone(),
                state: DestinationState::Idle,
                error: Text::default(),
            });
        }
    }
}

/// It may be another process than the one before: it has to hear everything again.
fn up(draft: &mut Draft<'_>, id: &ChannelId) {
    match draft.channel(id) {
        Ok(channel) if channel.running => {
            if channel.worker != WorkerState::Up {
                worker(draft, id, WorkerState::Up);
            }
            draft.order(Effect::ReconcileChannel(id.clone()));
        }
        // One that nobody wants any more.
        _ => draft.order(Effect::RetireChannel(id.clone())),
    }
}

fn down(draft: &mut Draft<'_>, id: &ChannelId) {
    let Ok(channel) = draft.channel(id) else {
        return;
    };
    if channel.worker == WorkerState::Up {
        worker(draft, id, WorkerState::Down);
    }
    gone(draft, id);
}

fn worker(draft: &mut Draft<'_>, id: &ChannelId, worker: WorkerState) {
    let id = id.clone();
    draft.emit(Event::ChannelWorker { id, worker });
}

/// The channel, when it has a worker whose word counts.
fn reporting(draft: &Draft<'_>, id: &ChannelId) -> Option<Arc<Channel>> {
    let channel = draft.channel(id).ok()?;
    (channel.running && channel.worker == WorkerState::Up).then_some(channel)
}

/// Loops for settings that have changed since are nobody's.
fn made(draft: &mut Draft<'_>, id: &ChannelId, prepared: &Prepared) {
    let Ok(channel) = draft.channel(id) else {
        return;
    };
    let wanted = prepared.key() == channel.settings.loop_key();
    if wanted && channel.prepared.as_ref() != Some(prepared) {
        draft.emit(Event::ChannelPrepared {
            id: id.clone(),
            prepared: prepared.clone(),
        });
    }
}

fn destination(
    draft: &mut Draft<'_>,
    channel: &ChannelId,
    id: &DestinationId,
    state: DestinationState,
    error: &Text,
) {
    let Some(found) = reporting(draft, channel) else {
        return;
    };
    let Some(known) = found.destinations.get(id).filter(|d| d.enabled) else {
        return;
    };
    // One that is down for weeks tries for weeks: an attempt that is no success yet is not worth a record.
    if known.state == DestinationState::Retrying && state == DestinationState::Connecting {
        return;
    }
    let news = !error.is_empty() && known.last_error != *error && state != DestinationState::Live;
    if known.state != state || news {
        draft.emit(Event::DestinationState {
            channel: channel.clone(),
            id: id.clone(),
            state,
            error: error.clone(),
        });
    }
}
