//! `State::fold`: applies what happened. It never refuses and never fails: an event about something unknown changes
//! nothing, and whatever comes, the queues and slots it leaves behind agree with their callers.

mod caller;
mod channel;
mod show;
mod slot;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    ANSWERS_KEPT, Answered, Caller, CallerId, Event, Key, Operator, OperatorId, Record, Show,
    ShowId, Slot, SlotId, State, TOKENS_MAX, Timestamp,
};

impl State {
    /// Applies one record; answers the keys of the rows that changed or went away (see [`State::row`]).
    pub fn fold(&mut self, record: &Record) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        for event in &record.events {
            self.apply(event, record.at, record.revision, &mut touched);
        }
        if let Some(answered) = &record.answered {
            self.remember(answered, record.revision, &mut touched);
        }
        self.revision = record.revision;
        touched
    }

    /// One event of the record with this revision.
    pub(crate) fn apply(
        &mut self,
        event: &Event,
        at: Timestamp,
        revision: u64,
        touched: &mut BTreeSet<Key>,
    ) {
        let mut fold = Fold {
            state: self,
            at,
            revision,
            touched,
        };
        fold.event(event);
    }

    fn remember(&mut self, answered: &Answered, revision: u64, touched: &mut BTreeSet<Key>) {
        touched.insert(Key::Answer(answered.request_id.clone()));
        let mut answered = answered.clone();
        answered.revision = revision;
        self.insert_answer(Arc::new(answered));
        while self.answer_order.len() > ANSWERS_KEPT {
            if let Some(oldest) = self.answer_order.pop_front() {
                self.answers.remove(&oldest);
                touched.insert(Key::Answer(oldest));
            }
        }
    }
}

/// One event on its way into the state.
struct Fold<'a> {
    state: &'a mut State,
    at: Timestamp,
    revision: u64,
    touched: &'a mut BTreeSet<Key>,
}

impl Fold<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::ShowCreated { id, title } => self.show_created(id, title),
            Event::ShowUpdated {
                id,
                title,
                settings,
            } => self.show_updated(id, title, settings),
            Event::ShowStateChanged { id, state } => self.show_state(id, *state),
            Event::ShowDeleted { id } => self.show_deleted(id),

            Event::InviteCreated { invite } => self.invite_created(invite),
            Event::InviteUsed { id } => self.invite_used(id),
            Event::InviteRevoked { id } => {
                if self.state.invites.remove(id).is_some() {
                    self.touched.insert(Key::Invite(id.clone()));
                }
            }

            Event::CallerJoined { id, .. } => self.caller_joined(id, event),
            Event::CallerRenamed { id, name, topic } => {
                if let Some(caller) = self.caller(id) {
                    caller.name = name.clone();
                    caller.topic = topic.clone();
                }
            }
            Event::CallerConnected {
                id,
                session,
                audio,
                video,
            } => self.caller_connected(id, *session, *audio, *video),
            Event::CallerDisconnected { id } => self.caller_disconnected(id),
            Event::CallerStateChanged { id, state, note } => self.caller_state(id, *state, note),
            Event::CallerMoved { id, to } => self.caller_moved(id, *to),
            Event::CallerNoted { id, note } => self.caller_noted(id, note),
            Event::CallerChatted { id, message } => self.caller_chatted(id, message),
            Event::CallerMuted { id, muted } => {
                if let Some(caller) = self.caller(id) {
                    caller.muted = *muted;
                }
            }
            Event::CallerForgotten { id } => self.caller_forgotten(id),

            Event::SlotCreated { id, show, settings } => self.slot_created(id, show, settings),
            Event::SlotUpdated { id, settings } => {
                if let Some(slot) = self.slot(id) {
                    slot.settings = settings.clone();
                }
            }
            Event::SlotDeleted { id } => self.slot_deleted(id),
            Event::SlotTaken {
                id,
                caller,
                transition,
                overridden: _,
            } => self.slot_taken(id, caller, *transition),
            Event::SlotReleased {
                id,
                caller,
                transition,
                cause: _,
            } => self.slot_released(id, caller, *transition),
            Event::SlotArmed { id, caller } => self.slot_armed(id, caller.as_ref()),
            Event::SlotWorker { id, worker } => {
                if let Some(slot) = self.slot(id) {
                    slot.worker = *worker;
                }
            }
            Event::SlotShowing { id, showing } => {
                if let Some(slot) = self.slot(id) {
                    slot.showing = showing.clone();
                }
            }

            Event::ChannelCreated { .. }
            | Event::ChannelUpdated { .. }
            | Event::ChannelDeleted { .. }
            | Event::ChannelStarted { .. }
            | Event::ChannelStopped { .. }
            | Event::ChannelForced { .. }
            | Event::ChannelKeyRotated { .. }
            | Event::ChannelKeyRevealed { .. }
            | Event::ChannelWorker { .. }
            | Event::ChannelSwitched { .. }
            | Event::ChannelLive { .. }
            | Event::PublisherConnected { .. }
            | Event::PublisherDisconnected { .. }
            | Event::ChannelPrepared { .. }
            | Event::ChannelAlertRaised { .. }
            | Event::ChannelAlertCleared { .. }
            | Event::DestinationAdded { .. }
            | Event::DestinationUpdated { .. }
            | Event::DestinationEnabled { .. }
            | Event::DestinationRemoved { .. }
            | Event::DestinationState { .. } => self.channel_event(event),

            Event::OperatorCreated {
                id,
                name,
                role,
                token,
            } => {
                let operator = Operator {
                    id: id.clone(),
                    name: name.clone(),
                    role: *role,
                    tokens: vec![*token],
                    created_at: self.at,
                    revision: self.revision,
                };
                self.touched.insert(Key::Operator(id.clone()));
                self.state.operators.insert(id.clone(), Arc::new(operator));
            }
            Event::OperatorTokenAdded { id, token } => {
                if let Some(operator) = self.operator(id) {
                    operator.tokens.push(*token);
                    let surplus = operator.tokens.len().saturating_sub(TOKENS_MAX);
                    operator.tokens.drain(..surplus);
                }
            }
            Event::OperatorRevoked { id } => {
                if self.state.operators.remove(id).is_some() {
                    self.touched.insert(Key::Operator(id.clone()));
                }
            }
        }
    }

    /// A known caller, to be changed by this record.
    fn caller(&mut self, id: &CallerId) -> Option<&mut Caller> {
        let caller = Arc::make_mut(self.state.callers.get_mut(id)?);
        caller.revision = self.revision;
        self.touched.insert(Key::Caller(id.clone()));
        Some(caller)
    }

    fn show(&mut self, id: &ShowId) -> Option<&mut Show> {
        let show = Arc::make_mut(self.state.shows.get_mut(id)?);
        show.revision = self.revision;
        self.touched.insert(Key::Show(id.clone()));
        Some(show)
    }

    fn slot(&mut self, id: &SlotId) -> Option<&mut Slot> {
        let slot = Arc::make_mut(self.state.slots.get_mut(id)?);
        slot.revision = self.revision;
        self.touched.insert(Key::Slot(id.clone()));
        Some(slot)
    }

    fn operator(&mut self, id: &OperatorId) -> Option<&mut Operator> {
        let operator = Arc::make_mut(self.state.operators.get_mut(id)?);
        operator.revision = self.revision;
        self.touched.insert(Key::Operator(id.clone()));
        Some(operator)
    }
}
