//! What the world reports. Facts are never refused: one about something unknown, or one that is known already, changes
//! nothing.

use crate::{
    CallerId, CallerState, Effect, Event, Fact, Link, SessionId, Showing, SlotId, WorkerState,
};

use super::draft::Draft;
use super::{caller, channel_fact};

pub(super) fn observe(draft: &mut Draft<'_>, fact: &Fact) {
    match fact {
        Fact::Started => started(draft),
        Fact::MediaUp {
            caller,
            session,
            audio,
            video,
        } => media_up(draft, caller, *session, *audio, *video),
        Fact::MediaDown { caller, session } => media_down(draft, caller, *session),
        Fact::WorkerUp { slot, showing } => {
            if draft.slot(slot).is_ok() {
                worker(draft, slot, WorkerState::Up);
                shows(draft, slot, showing);
                // It may be another process than the one before: it has to hear everything again.
                draft.order(Effect::ReconcileSlot(slot.clone()));
            }
        }
        Fact::WorkerDown { slot } => down(draft, slot),
        // Said by a worker that is gone by now, when no worker is up.
        Fact::SlotShowing { slot, showing } => {
            if draft.slot(slot).is_ok_and(|s| s.worker == WorkerState::Up) {
                shows(draft, slot, showing);
            }
        }
        Fact::ChannelWorkerUp { .. }
        | Fact::ChannelWorkerDown { .. }
        | Fact::ChannelShowing { .. }
        | Fact::ChannelLive { .. }
        | Fact::PublisherUp { .. }
        | Fact::PublisherDown { .. }
        | Fact::IngestDown
        | Fact::ChannelPrepared { .. }
        | Fact::DestinationState { .. } => channel_fact::observe(draft, fact),
    }
}

/// Nobody is connected and no worker attached until they say so. Grace starts now for those who were connected; who was
/// gone before keeps the time of that. What a slot shows is unknown until its worker says it, and called IDLE.
fn started(draft: &mut Draft<'_>) {
    let callers = draft.state().callers.values();
    let linked = callers.filter(|caller| caller.link.is_up());
    let linked: Vec<CallerId> = linked.map(|caller| caller.id.clone()).collect();
    for id in linked {
        draft.emit(Event::CallerDisconnected { id });
    }
    let slots: Vec<SlotId> = draft.state().slots.keys().cloned().collect();
    for slot in slots {
        down(draft, &slot);
        draft.order(Effect::ReconcileSlot(slot));
    }
    channel_fact::started(draft);
}

/// A newer session takes over from an older one; an older one can no longer say anything.
fn media_up(draft: &mut Draft<'_>, id: &CallerId, session: SessionId, audio: bool, video: bool) {
    let Ok(caller) = draft.caller(id) else {
        return;
    };
    if caller.state.is_ended() {
        draft.order(Effect::CloseCaller(id.clone()));
        return;
    }
    let known = match caller.link {
        Link::Down { .. } => false,
        Link::Up {
            session: current,
            audio: hears,
            video: sees,
            ..
        } => current > session || (current, hears, sees) == (session, audio, video),
    };
    if known {
        return;
    }
    draft.emit(Event::CallerConnected {
        id: id.clone(),
        session,
        audio,
        video,
    });
    if caller.state == CallerState::Joining {
        caller::set(draft, id, CallerState::Waiting);
    }
}

fn media_down(draft: &mut Draft<'_>, id: &CallerId, session: SessionId) {
    let link = draft.caller(id).map(|caller| caller.link);
    if matches!(link, Ok(Link::Up { session: current, .. }) if current == session) {
        draft.emit(Event::CallerDisconnected { id: id.clone() });
    }
}

fn down(draft: &mut Draft<'_>, slot: &SlotId) {
    if draft.slot(slot).is_ok() {
        worker(draft, slot, WorkerState::Down);
        shows(draft, slot, &Showing::Idle);
    }
}

fn worker(draft: &mut Draft<'_>, slot: &SlotId, worker: WorkerState) {
    if draft.slot(slot).is_ok_and(|s| s.worker != worker) {
        let id = slot.clone();
        draft.emit(Event::SlotWorker { id, worker });
    }
}

fn shows(draft: &mut Draft<'_>, slot: &SlotId, showing: &Showing) {
    if draft.slot(slot).is_ok_and(|s| s.showing != *showing) {
        draft.emit(Event::SlotShowing {
            id: slot.clone(),
            showing: showing.clone(),
        });
    }
}
