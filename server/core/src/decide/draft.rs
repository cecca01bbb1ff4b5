use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    Actor, Answered, Caller, CallerId, Channel, ChannelId, Decision, Denied, Destination,
    DestinationId, Effect, Event, Key, Meta, OperatorId, Record, Show, ShowId, Slot, SlotId, State,
    Timestamp,
};

use super::effects;

/// Revision of the record that the present input may become.
pub(super) fn next_revision(state: &State) -> u64 {
    state.revision.saturating_add(1)
}

/// A decision in the making: what happened so far, and the state as it will be then, so that later rules of the same
/// input see it.
pub(super) struct Draft<'a> {
    before: &'a State,
    /// Without the remembered answers, which no rule here asks for; made at the first change.
    after: Option<State>,
    events: Vec<Event>,
    touched: BTreeSet<Key>,
    effects: Vec<Effect>,
    expected: Option<u64>,
    pub(super) now: Timestamp,
    pub(super) actor: Actor,
}

impl<'a> Draft<'a> {
    pub(super) fn new(before: &'a State, now: Timestamp, meta: Option<&Meta>) -> Self {
        Self {
            before,
            after: None,
            events: Vec::new(),
            touched: BTreeSet::new(),
            effects: Vec::new(),
            expected: meta.and_then(|meta| meta.expected_revision),
            now,
            actor: meta.map_or(Actor::System, |meta| meta.actor.clone()),
        }
    }

    pub(super) fn state(&self) -> &State {
        self.after.as_ref().unwrap_or(self.before)
    }

    pub(super) fn emit(&mut self, event: Event) {
        let before = self.before;
        let after = self.after.get_or_insert_with(|| State {
            revision: before.revision,
            shows: before.shows.clone(),
            callers: before.callers.clone(),
            invites: before.invites.clone(),
            slots: before.slots.clone(),
            channels: before.channels.clone(),
            operators: before.operators.clone(),
            ..State::default()
        });
        after.apply(&event, self.now, next_revision(before), &mut self.touched);
        self.events.push(event);
    }

    /// An order that is due although nothing recorded changes.
    pub(super) fn order(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn changes(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn show(&self, id: &ShowId) -> Result<Arc<Show>, Denied> {
        let show = self.state().shows.get(id).cloned();
        show.ok_or_else(|| Denied::ShowNotFound { show: id.clone() })
    }

    pub(super) fn caller(&self, id: &CallerId) -> Result<Arc<Caller>, Denied> {
        let caller = self.state().callers.get(id).cloned();
        caller.ok_or_else(|| Denied::CallerNotFound { caller: id.clone() })
    }

    pub(super) fn slot(&self, id: &SlotId) -> Result<Arc<Slot>, Denied> {
        let slot = self.state().slots.get(id).cloned();
        slot.ok_or_else(|| Denied::SlotNotFound { slot: id.clone() })
    }

    pub(super) fn channel(&self, id: &ChannelId) -> Result<Arc<Channel>, Denied> {
        let channel = self.state().channels.get(id).cloned();
        let unknown = || Denied::ChannelNotFound {
            channel: id.clone(),
        };
        channel.ok_or_else(unknown)
    }

    pub(super) fn destination(
        &self,
        channel: &ChannelId,
        id: &DestinationId,
    ) -> Result<Destination, Denied> {
        let destination = self.channel(channel)?.destinations.get(id).cloned();
        destination.ok_or_else(|| Denied::DestinationNotFound {
            channel: channel.clone(),
            destination: id.clone(),
        })
    }

    /// Refuses when the addressed resource has changed after the revision its client saw.
    pub(super) fn fresh(&self, revision: u64) -> Result<(), Denied> {
        match self.expected {
            Some(expected) if revision > expected => Err(Denied::Stale { expected, revision }),
            _ => Ok(()),
        }
    }

    pub(super) fn by(&self) -> Option<OperatorId> {
        match &self.actor {
            Actor::Operator(id) => Some(id.clone()),
            Actor::Caller(_) | Actor::System => None,
        }
    }

    pub(super) fn finish(self) -> Decision {
        self.finish_with(None)
    }

    /// Alerts end with their cause, whatever ended it: no rule has to think of them.
    fn clear_alerts(&mut self) {
        let mut ended = Vec::new();
        for key in &self.touched {
            let Key::Channel(id) = key else {
                continue;
            };
            let before = self.before.channels.get(id);
            let after = self.state().channels.get(id);
            for alert in before.into_iter().flat_map(|channel| &channel.alerts) {
                let at = after.and_then(|channel| channel.alert_at(alert));
                if at.is_none_or(|at| at > self.now) {
                    ended.push(Event::ChannelAlertCleared {
                        id: id.clone(),
                        alert: alert.clone(),
                    });
                }
            }
        }
        for event in ended {
            self.emit(event);
        }
    }

    pub(super) fn finish_with(mut self, answered: Option<Answered>) -> Decision {
        self.clear_alerts();
        let mut wanted = match &self.after {
            Some(after) => effects::between(self.before, after, &self.touched),
            None => Vec::new(),
        };
        for effect in self.effects {
            if !wanted.contains(&effect) {
                wanted.push(effect);
            }
        }
        let recorded = !self.events.is_empty() || answered.is_some();
        let record = recorded.then(|| Record {
            revision: next_revision(self.before),
            at: self.now,
            actor: self.actor,
            answered,
            events: self.events,
        });
        Decision {
            record,
            effects: wanted,
            answer: None,
        }
    }
}

pub(super) fn invalid(field: &str, why: impl Into<String>) -> Denied {
    Denied::Invalid {
        field: field.into(),
        why: why.into(),
    }
}
