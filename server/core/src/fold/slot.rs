use std::sync::Arc;

use crate::{
    Assignment, CallerId, CallerState, Key, ShowId, Showing, Slot, SlotId, SlotSettings,
    Transition, WorkerState,
};

use super::Fold;

impl Fold<'_> {
    pub(super) fn slot_created(&mut self, id: &SlotId, show: &ShowId, settings: &SlotSettings) {
        if self.state.slots.contains_key(id) {
            return;
        }
        let slot = Slot {
            id: id.clone(),
            show: show.clone(),
            settings: settings.clone(),
            assigned: None,
            release_transition: Transition::Cut,
            armed: None,
            showing: Showing::Idle,
            worker: WorkerState::Down,
            created_at: self.at,
            revision: self.revision,
        };
        self.touched.insert(Key::Slot(id.clone()));
        self.state.slots.insert(id.clone(), Arc::new(slot));
    }

    pub(super) fn slot_deleted(&mut self, id: &SlotId) {
        self.vacate(id);
        if self.state.slots.remove(id).is_some() {
            self.touched.insert(Key::Slot(id.clone()));
        }
    }

    pub(super) fn slot_taken(&mut self, id: &SlotId, caller: &CallerId, transition: Transition) {
        let live = |c: &Arc<crate::Caller>| !c.state.is_ended();
        if !self.state.slots.contains_key(id) || !self.state.callers.get(caller).is_some_and(live) {
            return;
        }
        self.vacate(id);
        self.unassign(caller);
        self.disarm(caller);
        let at = self.at;
        let assigned = Assignment {
            caller: caller.clone(),
            since: at,
            transition,
        };
        if let Some(slot) = self.slot(id) {
            slot.assigned = Some(assigned);
        }
        let Some(taken) = self.caller(caller) else {
            return;
        };
        taken.slot = Some(id.clone());
        taken.state = CallerState::OnAir;
        taken.state_since = at;
        let show = taken.show.clone();
        self.dequeue(&show, caller);
    }

    pub(super) fn slot_released(&mut self, id: &SlotId, caller: &CallerId, transition: Transition) {
        let Some(slot) = self.slot(id) else {
            return;
        };
        slot.release_transition = transition;
        if slot.assigned.as_ref().is_some_and(|a| a.caller == *caller) {
            self.vacate(id);
        }
    }

    pub(super) fn slot_armed(&mut self, id: &SlotId, armed: Option<&CallerId>) {
        let Some(slot) = self.state.slots.get(id) else {
            return;
        };
        let can = armed.is_none_or(|id| {
            self.state.callers.get(id).is_some_and(|caller| {
                let queued = !caller.state.is_ended() && caller.state != CallerState::OnAir;
                queued && caller.show == slot.show
            })
        });
        if can && let Some(slot) = self.slot(id) {
            slot.armed = armed.cloned();
        }
    }

    /// Takes whoever is there off the slot: HELD at the end of the queue, until the next event of the record says
    /// what becomes of them.
    fn vacate(&mut self, id: &SlotId) {
        let assigned = self.state.slots.get(id).and_then(|s| s.assigned.clone());
        let Some(assigned) = assigned else {
            return;
        };
        if let Some(slot) = self.slot(id) {
            slot.assigned = None;
        }
        let at = self.at;
        if let Some(caller) = self.caller(&assigned.caller) {
            caller.slot = None;
            caller.state = CallerState::Held;
            caller.state_since = at;
            let show = caller.show.clone();
            self.enqueue(&show, &assigned.caller, usize::MAX);
        }
    }

    /// Breaks the tie between a caller and their slot; state and queue are left to who calls.
    pub(super) fn unassign(&mut self, id: &CallerId) {
        let Some(slot) = self.state.callers.get(id).and_then(|c| c.slot.clone()) else {
            return;
        };
        if let Some(caller) = self.caller(id) {
            caller.slot = None;
        }
        if let Some(slot) = self.slot(&slot) {
            slot.assigned = None;
        }
    }

    /// Who is on air, ended or forgotten is armed nowhere.
    pub(super) fn disarm(&mut self, id: &CallerId) {
        let armed = |slot: &&Arc<Slot>| slot.armed.as_ref() == Some(id);
        let slots = self.state.slots.values().filter(armed);
        let slots: Vec<SlotId> = slots.map(|slot| slot.id.clone()).collect();
        for slot in slots {
            if let Some(slot) = self.slot(&slot) {
                slot.armed = None;
            }
        }
    }
}
