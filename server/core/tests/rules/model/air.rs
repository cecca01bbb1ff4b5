//! Slots, and who is on them.

use booth_core::*;

use super::{Model, Output, Person};

impl Model {
    pub(super) fn create_slot(
        &mut self,
        id: &SlotId,
        show: &ShowId,
        settings: &SlotSettings,
    ) -> Result<(), &'static str> {
        if self.slots.iter().any(|slot| slot.id == id.as_str()) {
            return Err("SLOT_EXISTS");
        }
        self.show(show, false)?;
        let SlotOutput::Listen { port } = settings.output else {
            panic!("the simulation makes listening slots only");
        };
        if self.slots.iter().any(|slot| slot.port == port) {
            return Err("SLOT_PORT_TAKEN");
        }
        if self.stations.iter().any(|s| s.ports.contains(&port)) {
            return Err("PORT_TAKEN");
        }
        self.slots.push(Output {
            id: id.as_str().to_owned(),
            show: show.as_str().to_owned(),
            port,
            armed: None,
            worker: false,
            showing: Showing::Idle,
        });
        Ok(())
    }

    pub(super) fn delete_slot(&mut self, id: &str, stale: bool) -> Result<(), &'static str> {
        let at = self.slot_at(id, stale)?;
        if let Some(on) = self.on(id) {
            self.back(&on, CallerState::Held, true);
        }
        self.slots.remove(at);
        Ok(())
    }

    pub(super) fn slot_at(&self, id: &str, stale: bool) -> Result<usize, &'static str> {
        let at = self.slots.iter().position(|slot| slot.id == id);
        let at = at.ok_or("SLOT_NOT_FOUND")?;
        if stale {
            Err("REVISION_MISMATCH")
        } else {
            Ok(at)
        }
    }

    pub fn on(&self, slot: &str) -> Option<String> {
        let mut air = self.air.iter();
        air.find(|(on, _)| on == slot)
            .map(|(_, person)| person.id.clone())
    }

    pub fn queue(&self, show: &str) -> Vec<&Person> {
        self.line
            .iter()
            .filter(|person| person.show == show)
            .collect()
    }

    pub(super) fn next(&self, show: &str) -> Option<String> {
        let mut queue = self.queue(show).into_iter();
        let next = queue.find(|p| p.state == CallerState::Ready && p.media.is_ok());
        next.map(|person| person.id.clone())
    }

    pub fn armed(&self, slot: &Output) -> Option<String> {
        let connected = |id: &String| self.line.iter().any(|p| p.id == *id && p.media.is_ok());
        let requested = slot.armed.clone().filter(connected);
        if requested.is_some() || self.on(&slot.id).is_some() {
            return requested;
        }
        self.next(&slot.show)
    }

    /// Somebody who could be on a slot of this show.
    pub(super) fn candidate(&mut self, show: &str, id: &str) -> Result<Person, &'static str> {
        if self.going_on(id, false)?.show != show {
            return Err("CALLER_OTHER_SHOW");
        }
        let at = self.in_line(id, false)?;
        Ok(self.line[at].clone())
    }

    pub(super) fn arm(
        &mut self,
        slot: &str,
        stale: bool,
        caller: Option<&str>,
    ) -> Result<(), &'static str> {
        let at = self.slot_at(slot, stale)?;
        if let Some(id) = caller {
            let show = self.slots[at].show.clone();
            let connected = self.candidate(&show, id)?.media.is_ok();
            if !connected && self.slots[at].armed.as_deref() != Some(id) {
                return Err("CALLER_NOT_CONNECTED");
            }
        }
        self.slots[at].armed = caller.map(str::to_owned);
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        id: &str,
        stale: bool,
        pick: &Pick,
        anyway: bool,
    ) -> Result<(), &'static str> {
        let at = self.slot_at(id, stale)?;
        let (show, worker) = (self.slots[at].show.clone(), self.slots[at].worker);
        let on = self.on(id);
        if let Pick::Caller(caller) = pick {
            self.anybody(caller.as_str(), false)?;
            if on.as_deref() == Some(caller.as_str()) {
                return Ok(());
            }
        }
        if on.is_some() && !anyway {
            return Err("SLOT_OCCUPIED");
        }
        let who = match pick {
            Pick::Next => self.next(&show).ok_or("NO_CALLER_READY")?,
            Pick::Caller(caller) => {
                let person = self.candidate(&show, caller.as_str())?;
                if !anyway && person.state != CallerState::Ready {
                    return Err("CALLER_NOT_READY");
                }
                if !anyway && person.media.is_err() {
                    return Err("CALLER_NOT_CONNECTED");
                }
                person.id
            }
        };
        if !worker && !anyway {
            return Err("SLOT_OFFLINE");
        }
        if let Some(on) = on {
            self.back(&on, CallerState::Held, true);
        }
        let mut person = self.pull(&who);
        person.state = CallerState::OnAir;
        person.since = self.now;
        self.disarm(&who);
        self.air.push((id.to_owned(), person));
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        id: &str,
        stale: bool,
        disposition: Disposition,
    ) -> Result<(), &'static str> {
        self.slot_at(id, stale)?;
        let on = self.on(id).ok_or("SLOT_FREE")?;
        match disposition {
            Disposition::Hold => self.back(&on, CallerState::Held, false),
            Disposition::Requeue => self.back(&on, CallerState::Ready, false),
            Disposition::Drop => self.end(&on, EndReason::Completed),
        }
        Ok(())
    }
}
