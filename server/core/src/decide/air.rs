//! On air and off: take, release, and the way back into the queue.

use std::sync::Arc;

use crate::{
    Caller, CallerId, CallerState, Denied, Disposition, EndReason, Event, Pick, ReleaseCause, Slot,
    SlotId, Target, Text, Transition, WorkerState,
};

use super::draft::Draft;
use super::{caller, settings};

/// Puts a caller on a slot. To override passes over: not READY, no media, slot occupied, worker not running. Nothing
/// passes over: another show, an ended call, being on another slot.
///
/// The expected revision is the slot's, as the operator looks at what the slot shows. The caller's is not compared:
/// a chat line or a network hiccup must not stop a take, and what matters about them is checked by name.
pub(super) fn take(
    draft: &mut Draft<'_>,
    id: &SlotId,
    pick: &Pick,
    transition: Transition,
    override_checks: bool,
) -> Result<Target, Denied> {
    settings::transition(transition)?;
    let slot = draft.slot(id)?;
    draft.fresh(slot.revision)?;
    let target = Target::Slot(id.clone());
    let on_it = slot.assigned.as_ref().map(|assigned| &assigned.caller);
    if let Pick::Caller(caller) = pick {
        // Before the question who is on it: an unknown caller is the more useful answer, and the same one is no change.
        draft.caller(caller)?;
        if on_it == Some(caller) {
            return Ok(target);
        }
    }
    if let Some(by) = on_it
        && !override_checks
    {
        return Err(Denied::SlotOccupied {
            slot: id.clone(),
            by: by.clone(),
        });
    }
    let picked = picked(draft, &slot, pick, override_checks)?;
    if slot.worker == WorkerState::Down && !override_checks {
        return Err(Denied::SlotOffline { slot: id.clone() });
    }
    if let Some(replaced) = on_it {
        off(draft, id, replaced, transition, ReleaseCause::Replaced);
        back_to_head(draft, replaced, CallerState::Held);
    }
    draft.emit(Event::SlotTaken {
        id: id.clone(),
        caller: picked.clone(),
        transition,
        overridden: override_checks,
    });
    caller::set(draft, &picked, CallerState::OnAir);
    Ok(target)
}

fn picked(
    draft: &Draft<'_>,
    slot: &Slot,
    pick: &Pick,
    override_checks: bool,
) -> Result<CallerId, Denied> {
    let id = match pick {
        Pick::Next => {
            let next = draft.state().next_ready(&slot.show).cloned();
            let show = slot.show.clone();
            return next.ok_or(Denied::NoCallerReady { show });
        }
        Pick::Caller(id) => id,
    };
    let found = eligible(draft, slot, id)?;
    if !override_checks && found.state != CallerState::Ready {
        return Err(Denied::CallerNotReady {
            caller: id.clone(),
            state: found.state,
        });
    }
    if !override_checks && !found.link.is_up() {
        let caller = id.clone();
        return Err(Denied::CallerNotConnected { caller });
    }
    Ok(id.clone())
}

/// A caller who could be on this slot at all.
pub(super) fn eligible(
    draft: &Draft<'_>,
    slot: &Slot,
    id: &CallerId,
) -> Result<Arc<Caller>, Denied> {
    let found = draft.caller(id)?;
    let caller = id.clone();
    if found.state.is_ended() {
        return Err(Denied::CallerEnded { caller });
    }
    if found.show != slot.show {
        let show = found.show.clone();
        return Err(Denied::CallerOtherShow { caller, show });
    }
    if let Some(slot) = found.slot.clone() {
        return Err(Denied::CallerOnAir { caller, slot });
    }
    Ok(found)
}

pub(super) fn release(
    draft: &mut Draft<'_>,
    id: &SlotId,
    disposition: Disposition,
    transition: Transition,
) -> Result<Target, Denied> {
    settings::transition(transition)?;
    let slot = draft.slot(id)?;
    draft.fresh(slot.revision)?;
    let Some(assigned) = &slot.assigned else {
        return Err(Denied::SlotFree { slot: id.clone() });
    };
    let who = &assigned.caller;
    match disposition {
        Disposition::Hold | Disposition::Requeue => {
            off(draft, id, who, transition, ReleaseCause::Released);
            let state = match disposition {
                Disposition::Requeue => CallerState::Ready,
                _ => CallerState::Held,
            };
            // To the end of the queue, where the fold puts who comes back from air.
            caller::set(draft, who, state);
        }
        Disposition::Drop => {
            off(draft, id, who, transition, ReleaseCause::Released);
            caller::end(draft, who, EndReason::Completed, &Text::default());
        }
    }
    Ok(Target::Slot(id.clone()))
}

/// Takes a caller off their slot; what becomes of them is the next thing to say.
pub(super) fn off(
    draft: &mut Draft<'_>,
    slot: &SlotId,
    caller: &CallerId,
    transition: Transition,
    cause: ReleaseCause,
) {
    draft.emit(Event::SlotReleased {
        id: slot.clone(),
        caller: caller.clone(),
        transition,
        cause,
    });
}

/// Back from air to the head of the queue.
pub(super) fn back_to_head(draft: &mut Draft<'_>, id: &CallerId, state: CallerState) {
    caller::set(draft, id, state);
    let id = id.clone();
    draft.emit(Event::CallerMoved { id, to: 0 });
}
