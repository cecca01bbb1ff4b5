//! State against model.

use booth_core::*;

use crate::world::*;

use super::Sim;

impl Sim {
    /// Queues, slots and the next deadline: what an operator would see at once.
    #[track_caller]
    pub(super) fn compare(&self) {
        for show in self.state.shows.values() {
            let queue: Vec<_> = show.queue.iter().map(CallerId::as_str).collect();
            let expected: Vec<_> = self.model.queue(show.id.as_str());
            let expected: Vec<_> = expected.iter().map(|person| person.id.as_str()).collect();
            assert_eq!(queue, expected);
        }
        assert_eq!(self.state.slots.len(), self.model.slots.len());
        for expected in &self.model.slots {
            let slot = &self.state.slots[&slot(&expected.id)];
            let on = slot.assigned.as_ref().map(|a| a.caller.to_string());
            assert_eq!(on, self.model.on(&expected.id));
            let armed = self.state.armed_for(&slot.id).map(ToString::to_string);
            assert_eq!(armed, self.model.armed(expected));
            let worker = slot.worker == WorkerState::Up;
            assert_eq!(
                (worker, &slot.showing),
                (expected.worker, &expected.showing)
            );
        }
        self.compare_channels();
        let due = self.state.poll_timeout().map(|(at, _)| at.0);
        assert_eq!(due, self.model.due().map(|(at, ..)| at));
    }

    /// Everybody, also who has ended.
    #[track_caller]
    pub(super) fn compare_all(&self) {
        assert_eq!(self.state.invariants(), Ok(()));
        let air = self.model.air.iter().map(|(_, person)| person);
        let people: Vec<_> = self
            .model
            .line
            .iter()
            .chain(air)
            .chain(&self.model.ended)
            .collect();
        assert_eq!(self.state.callers.len(), people.len());
        for person in people {
            let found = &self.state.callers[&caller(&person.id)];
            let media = match found.link {
                Link::Up { session, .. } => Ok(session.0),
                Link::Down { since } => Err(since.0),
            };
            assert_eq!(
                (found.state, found.state_since.0, media, found.muted),
                (person.state, person.since, person.media, person.muted),
                "{}",
                person.id
            );
            assert_eq!(found.notes.len(), person.notes.min(NOTES_KEPT));
            assert_eq!(found.chat.len(), person.lines.min(CHAT_KEPT));
        }
        for show in &self.model.shows {
            let found = &self.state.shows[&crate::world::show(&show.id)];
            assert_eq!(found.state == ShowState::Live, show.live);
            assert_eq!(found.settings, show.settings);
        }
    }

    /// The whole journal, read back from its text, amounts to the same state.
    pub(super) fn replay(&self) {
        let mut state = State::default();
        for record in &self.journal {
            let json = serde_json::to_vec(record).unwrap();
            state.fold(&serde_json::from_slice(&json).unwrap());
        }
        assert!(state == self.state, "the journal holds another state");
    }
}
