//! Who needs a look after a change: found by comparing the state before and after, so that no rule can forget one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    Assignment, Caller, CallerId, CallerState, Channel, ChannelSettings, DestinationId,
    DestinationSettings, Effect, Force, Key, Link, Prepared, PublisherId, SessionId, SlotId,
    SlotSettings, State, Transition, WorkerState,
};

/// Slots and channels first: they are on air.
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
    let calls: Vec<_> = calls.collect();
    let mut effects = slots;
    effects.extend(channels(before, after, touched));
    effects.extend(calls);
    effects
}

fn channels(before: &State, after: &State, touched: &BTreeSet<Key>) -> Vec<Effect> {
    let known = touched.iter().filter_map(|key| match key {
        Key::Channel(id) => Some(id),
        _ => None,
    });
    let wants = known.filter_map(|id| {
        let (old, new) = (before.channels.get(id), after.channels.get(id));
        let runs = |channel: Option<&Arc<Channel>>| channel.is_some_and(|c| c.running);
        if new.is_none() || (runs(old) && !runs(new)) {
            return Some(Effect::RetireChannel(id.clone()));
        }
        let wants = |channel| Option::<&Arc<Channel>>::map(channel, |c| ChannelWants::of(c));
        (wants(old) != wants(new)).then(|| Effect::ReconcileChannel(id.clone()))
    });
    wants.collect()
}

/// What a channel's worker, the ingest worker and the one that prepares loops are told, and whether the first is there.
#[derive(PartialEq)]
struct ChannelWants<'a> {
    settings: &'a ChannelSettings,
    running: bool,
    force: Force,
    worker: WorkerState,
    publisher: Option<PublisherId>,
    prepared: Option<&'a Prepared>,
    destinations: Vec<(&'a DestinationId, &'a DestinationSettings, bool, u64)>,
}

impl<'a> ChannelWants<'a> {
    fn of(channel: &'a Channel) -> Self {
        let destinations = channel.destinations.values();
        Self {
            settings: &channel.settings,
            running: channel.running,
            force: channel.force,
            worker: channel.worker,
            publisher: channel.publisher.as_ref().map(|p| p.id),
            prepared: channel.prepared.as_ref(),
            destinations: destinations
                .map(|d| (&d.id, &d.settings, d.enabled, d.attempt))
                .collect(),
        }
    }
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
