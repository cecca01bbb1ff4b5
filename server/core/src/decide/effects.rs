//! Who needs a look after a change: found by comparing the state before and after, so that no rule can forget one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    Assignment, Caller, CallerId, CallerState, Effect, Key, Link, SessionId, SlotId, SlotSettings,
    State, Transition,
};

/// Slots first: they are on air.
pub(super) fn between(before: &State, after: &State, touched: &BTreeSet<Key>) -> Vec<Effect> {
    let mut slots = Vec::new();
    for id in before.slots.keys() {
        if !after.slots.contains_key(id) {
            slots.push(Effect::RetireSlot(id.clone()));
        }
    }
    let mut callers: BTreeSet<CallerId> = touched
        .iter()
        .filter_map(|key| match key {
            Key::Caller(id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    for id in after.slots.keys() {
        let (old, new) = (SlotWants::of(before, id), SlotWants::of(after, id));
        let armed = |wants: &Option<SlotWants<'_>>| wants.as_ref().and_then(|w| w.armed.cloned());
        if armed(&old) != armed(&new) {
            callers.extend(armed(&old).into_iter().chain(armed(&new)));
        }
        if old != new {
            slots.push(Effect::ReconcileSlot(id.clone()));
        }
    }
    // Once for all callers: a start touches every one of them.
    let (armed_before, armed_after) = (armed_in(before), armed_in(after));
    let ended = |state: &State, id| state.callers.get(id).is_none_or(|c| c.state.is_ended());
    let calls = callers.iter().filter_map(|id| {
        if ended(after, id) {
            (!ended(before, id)).then(|| Effect::CloseCaller(id.clone()))
        } else {
            let old = CallerWants::of(before, id, &armed_before);
            let new = CallerWants::of(after, id, &armed_after);
            (old != new).then(|| Effect::ReconcileCaller(id.clone()))
        }
    });
    slots.extend(calls.collect::<Vec<_>>());
    slots
}

/// What a worker is told about, or tells.
#[derive(PartialEq)]
struct SlotWants<'a> {
    assigned: Option<&'a Assignment>,
    on_air: Option<(bool, Media)>,
    armed: Option<&'a CallerId>,
    armed_media: Media,
    settings: &'a SlotSettings,
    release: Transition,
    observed: (&'a crate::Showing, crate::WorkerState),
}

/// The session that media comes from, and its kinds.
type Media = Option<(SessionId, bool, bool)>;

fn media(caller: &Caller) -> Media {
    match caller.link {
        Link::Up {
            session,
            audio,
            video,
            ..
        } => Some((session, audio, video)),
        Link::Down { .. } => None,
    }
}

impl<'a> SlotWants<'a> {
    fn of(state: &'a State, id: &SlotId) -> Option<Self> {
        let slot = state.slots.get(id)?;
        let caller = |id: &CallerId| state.callers.get(id).map(Arc::as_ref);
        let assigned = slot.assigned.as_ref();
        let armed = state.armed_for(id);
        Some(Self {
            assigned,
            on_air: assigned
                .and_then(|a| caller(&a.caller))
                .map(|c| (c.muted, media(c))),
            armed,
            armed_media: armed.and_then(caller).and_then(media),
            settings: &slot.settings,
            release: slot.release_transition,
            observed: (&slot.showing, slot.worker),
        })
    }
}

/// Everybody whom some slot arms.
fn armed_in(state: &State) -> BTreeSet<&CallerId> {
    let slots = state.slots.keys();
    slots.filter_map(|slot| state.armed_for(slot)).collect()
}

#[derive(PartialEq)]
struct CallerWants<'a> {
    state: CallerState,
    slot: Option<&'a SlotId>,
    muted: bool,
    media: Media,
    armed: bool,
}

impl<'a> CallerWants<'a> {
    fn of(state: &'a State, id: &CallerId, armed: &BTreeSet<&CallerId>) -> Option<Self> {
        let caller = state.callers.get(id)?;
        Some(Self {
            state: caller.state,
            slot: caller.slot.as_ref(),
            muted: caller.muted,
            media: media(caller),
            armed: armed.contains(id),
        })
    }
}
