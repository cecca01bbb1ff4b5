//! What operators do with callers, and callers with themselves; on air see `air`.

use std::sync::Arc;

use crate::{
    Actor, Caller, CallerId, CallerState, ChatMessage, Denied, EndReason, Event, Note,
    ReleaseCause, Target, Text, Transition,
};

use super::draft::{Draft, invalid};

pub(super) fn screen(draft: &mut Draft<'_>, id: &CallerId) -> Result<Target, Denied> {
    let caller = queued(draft, id)?;
    match caller.state {
        CallerState::Screening => {}
        CallerState::Waiting | CallerState::Held => set(draft, id, CallerState::Screening),
        _ => return Err(not_now(&caller)),
    }
    Ok(Target::Caller(id.clone()))
}

pub(super) fn approve(draft: &mut Draft<'_>, id: &CallerId) -> Result<Target, Denied> {
    let caller = queued(draft, id)?;
    match caller.state {
        CallerState::Ready => {}
        CallerState::Waiting | CallerState::Screening | CallerState::Held => {
            set(draft, id, CallerState::Ready);
        }
        _ => return Err(not_now(&caller)),
    }
    Ok(Target::Caller(id.clone()))
}

/// From any state of the queue; the place is kept.
pub(super) fn hold(draft: &mut Draft<'_>, id: &CallerId) -> Result<Target, Denied> {
    let caller = queued(draft, id)?;
    if caller.state != CallerState::Held {
        set(draft, id, CallerState::Held);
    }
    Ok(Target::Caller(id.clone()))
}

pub(super) fn reject(
    draft: &mut Draft<'_>,
    id: &CallerId,
    reason: &Text,
) -> Result<Target, Denied> {
    if !already(draft, id, EndReason::Rejected)? {
        queued(draft, id)?;
        end(draft, id, EndReason::Rejected, reason);
    }
    Ok(Target::Caller(id.clone()))
}

/// By an operator, on air or not.
pub(super) fn drop_call(draft: &mut Draft<'_>, id: &CallerId) -> Result<Target, Denied> {
    hang_up(draft, id, EndReason::Dropped)
}

/// By the caller, on air or not.
pub(super) fn leave(draft: &mut Draft<'_>, id: &CallerId) -> Result<Target, Denied> {
    hang_up(draft, id, EndReason::Left)
}

fn hang_up(draft: &mut Draft<'_>, id: &CallerId, reason: EndReason) -> Result<Target, Denied> {
    if !already(draft, id, reason)? {
        addressed(draft, id)?;
        end(draft, id, reason, &Text::default());
    }
    Ok(Target::Caller(id.clone()))
}

pub(super) fn move_to(draft: &mut Draft<'_>, id: &CallerId, to: u32) -> Result<Target, Denied> {
    let caller = queued(draft, id)?;
    let len = draft.show(&caller.show)?.queue.len();
    let place = usize::try_from(to).unwrap_or(usize::MAX);
    if !(1..=len).contains(&place) {
        return Err(invalid("to", format!("the queue has places 1 to {len}")));
    }
    if draft.state().position(id) != Some(to) {
        let (id, to) = (id.clone(), to - 1);
        draft.emit(Event::CallerMoved { id, to });
    }
    Ok(Target::Caller(id.clone()))
}

/// Also after the call: what was learnt of a caller often comes last.
pub(super) fn note(draft: &mut Draft<'_>, id: &CallerId, text: &Text) -> Result<Target, Denied> {
    let caller = draft.caller(id)?;
    draft.fresh(caller.revision)?;
    written(text)?;
    let note = Note {
        at: draft.now,
        by: draft.by(),
        text: text.clone(),
    };
    let id = id.clone();
    draft.emit(Event::CallerNoted {
        id: id.clone(),
        note,
    });
    Ok(Target::Caller(id))
}

pub(super) fn chat(draft: &mut Draft<'_>, id: &CallerId, text: &Text) -> Result<Target, Denied> {
    addressed(draft, id)?;
    written(text)?;
    let from = match &draft.actor {
        Actor::Operator(operator) => Some(operator.clone()),
        Actor::Caller(caller) if caller == id => None,
        Actor::Caller(_) | Actor::System => {
            return Err(invalid(
                "caller",
                "only operators and the caller write here",
            ));
        }
    };
    let message = ChatMessage {
        at: draft.now,
        from,
        text: text.clone(),
    };
    let id = id.clone();
    draft.emit(Event::CallerChatted {
        id: id.clone(),
        message,
    });
    Ok(Target::Caller(id))
}

pub(super) fn set_muted(
    draft: &mut Draft<'_>,
    id: &CallerId,
    muted: bool,
) -> Result<Target, Denied> {
    let caller = addressed(draft, id)?;
    if caller.muted != muted {
        let id = id.clone();
        draft.emit(Event::CallerMuted { id, muted });
    }
    Ok(Target::Caller(id.clone()))
}

/// Ends a call that has not ended; one on air gives its slot free, back to idle by a cut.
pub(super) fn end(draft: &mut Draft<'_>, id: &CallerId, reason: EndReason, note: &Text) {
    let slot = draft.caller(id).ok().and_then(|caller| caller.slot.clone());
    if let Some(slot) = slot {
        let cause = match reason {
            EndReason::Lost => ReleaseCause::MediaLost,
            EndReason::Left | EndReason::Dropped | EndReason::Rejected | EndReason::Completed => {
                ReleaseCause::Ended
            }
        };
        draft.emit(Event::SlotReleased {
            id: slot,
            caller: id.clone(),
            transition: Transition::Cut,
            cause,
        });
    }
    draft.emit(Event::CallerStateChanged {
        id: id.clone(),
        state: CallerState::Ended(reason),
        note: note.clone(),
    });
}

pub(super) fn set(draft: &mut Draft<'_>, id: &CallerId, state: CallerState) {
    draft.emit(Event::CallerStateChanged {
        id: id.clone(),
        state,
        note: Text::default(),
    });
}

/// Whether the call has ended this way already.
fn already(draft: &Draft<'_>, id: &CallerId, reason: EndReason) -> Result<bool, Denied> {
    let caller = draft.caller(id)?;
    draft.fresh(caller.revision)?;
    Ok(caller.state == CallerState::Ended(reason))
}

/// A caller whose call goes on, as fresh as expected.
fn addressed(draft: &Draft<'_>, id: &CallerId) -> Result<Arc<Caller>, Denied> {
    let caller = draft.caller(id)?;
    draft.fresh(caller.revision)?;
    if caller.state.is_ended() {
        return Err(Denied::CallerEnded { caller: id.clone() });
    }
    Ok(caller)
}

/// The same, and not on air.
fn queued(draft: &Draft<'_>, id: &CallerId) -> Result<Arc<Caller>, Denied> {
    let caller = addressed(draft, id)?;
    match &caller.slot {
        Some(slot) => Err(Denied::CallerOnAir {
            caller: id.clone(),
            slot: slot.clone(),
        }),
        None => Ok(caller),
    }
}

/// JOINING has nobody to talk to yet; the rest are steps that the state diagram does not have.
fn not_now(caller: &Caller) -> Denied {
    let id = caller.id.clone();
    match caller.state {
        CallerState::Joining => Denied::CallerNotConnected { caller: id },
        state => Denied::CallerWrongState { caller: id, state },
    }
}

fn written(text: &Text) -> Result<(), Denied> {
    if text.is_empty() {
        return Err(invalid("text", "say something"));
    }
    Ok(())
}
