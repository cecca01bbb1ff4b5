use std::sync::Arc;

use crate::{
    CHAT_KEPT, Caller, CallerId, CallerState, ChatMessage, Event, Key, Link, NOTES_KEPT, Note,
    SessionId, ShowId, Text,
};

use super::Fold;

impl Fold<'_> {
    pub(super) fn caller_joined(&mut self, id: &CallerId, event: &Event) {
        let Event::CallerJoined {
            show,
            invite,
            role,
            name,
            topic,
            rejoin,
            ..
        } = event
        else {
            return;
        };
        if self.state.callers.contains_key(id) || !self.state.shows.contains_key(show) {
            return;
        }
        let caller = Caller {
            id: id.clone(),
            show: show.clone(),
            invite: invite.clone(),
            role: *role,
            name: name.clone(),
            topic: topic.clone(),
            state: CallerState::Joining,
            link: Link::Down { since: self.at },
            slot: None,
            muted: false,
            end_note: Text::default(),
            notes: Vec::new(),
            chat: Vec::new(),
            joined_at: self.at,
            state_since: self.at,
            rejoin: *rejoin,
            revision: self.revision,
        };
        self.touched.insert(Key::Caller(id.clone()));
        self.state.callers.insert(id.clone(), Arc::new(caller));
        self.enqueue(show, id, usize::MAX);
    }

    /// `since` is kept when only the kinds of media of a session change.
    pub(super) fn caller_connected(
        &mut self,
        id: &CallerId,
        session: SessionId,
        audio: bool,
        video: bool,
    ) {
        let at = self.at;
        let Some(caller) = self.caller(id) else {
            return;
        };
        if caller.state.is_ended() {
            return;
        }
        let since = match caller.link {
            Link::Up {
                session: known,
                since,
                ..
            } if known == session => since,
            _ => at,
        };
        caller.link = Link::Up {
            session,
            since,
            audio,
            video,
        };
        if caller.state == CallerState::Joining {
            caller.state = CallerState::Waiting;
            caller.state_since = at;
        }
    }

    pub(super) fn caller_disconnected(&mut self, id: &CallerId) {
        let at = self.at;
        if let Some(caller) = self.caller(id)
            && caller.link.is_up()
        {
            caller.link = Link::Down { since: at };
        }
    }

    pub(super) fn caller_state(&mut self, id: &CallerId, state: CallerState, note: &Text) {
        let at = self.at;
        let Some(caller) = self.caller(id) else {
            return;
        };
        let linked = caller.link.is_up();
        match state {
            // Taken by the event before this one.
            CallerState::OnAir => return,
            // Media is arriving: joining is over.
            CallerState::Joining if linked => return,
            _ => {}
        }
        if caller.state != state {
            caller.state = state;
            caller.state_since = at;
        }
        let show = caller.show.clone();
        if state.is_ended() {
            caller.end_note = note.clone();
            if linked {
                caller.link = Link::Down { since: at };
            }
            self.unassign(id);
            self.disarm(id);
            self.dequeue(&show, id);
        } else {
            self.unassign(id);
            self.enqueue(&show, id, usize::MAX);
        }
    }

    pub(super) fn caller_moved(&mut self, id: &CallerId, to: u32) {
        let Some(caller) = self.state.callers.get(id) else {
            return;
        };
        if caller.state.is_ended() || caller.state == CallerState::OnAir {
            return;
        }
        let show = caller.show.clone();
        self.dequeue(&show, id);
        self.enqueue(&show, id, usize::try_from(to).unwrap_or(usize::MAX));
    }

    pub(super) fn caller_noted(&mut self, id: &CallerId, note: &Note) {
        if let Some(caller) = self.caller(id) {
            caller.notes.push(note.clone());
            let surplus = caller.notes.len().saturating_sub(NOTES_KEPT);
            caller.notes.drain(..surplus);
        }
    }

    pub(super) fn caller_chatted(&mut self, id: &CallerId, message: &ChatMessage) {
        if let Some(caller) = self.caller(id) {
            caller.chat.push(message.clone());
            let surplus = caller.chat.len().saturating_sub(CHAT_KEPT);
            caller.chat.drain(..surplus);
        }
    }

    pub(super) fn caller_forgotten(&mut self, id: &CallerId) {
        let Some(caller) = self.state.callers.get(id) else {
            return;
        };
        let show = caller.show.clone();
        self.unassign(id);
        self.disarm(id);
        self.dequeue(&show, id);
        self.state.callers.remove(id);
        self.touched.insert(Key::Caller(id.clone()));
    }

    /// Puts a caller at a 0-based place, or at the end; one who is queued already stays where they are.
    pub(super) fn enqueue(&mut self, show: &ShowId, id: &CallerId, place: usize) {
        let queued = |show: &Arc<crate::Show>| show.queue.contains(id);
        if self.state.shows.get(show).is_none_or(queued) {
            return;
        }
        if let Some(show) = self.show(show) {
            let place = place.min(show.queue.len());
            show.queue.insert(place, id.clone());
        }
    }

    pub(super) fn dequeue(&mut self, show: &ShowId, id: &CallerId) {
        let queued = |show: &Arc<crate::Show>| show.queue.contains(id);
        if self.state.shows.get(show).is_some_and(queued)
            && let Some(show) = self.show(show)
        {
            show.queue.retain(|queued| queued != id);
        }
    }
}
