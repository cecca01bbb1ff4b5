//! The reference model of the simulation: the same rules written a second time, the simplest way there is. People stand
//! in one line in queue order, or are on air, or have ended; everything is found by looking through a list.

use booth_core::*;

pub type Said = Result<String, &'static str>;

#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub id: String,
    pub show: String,
    pub state: CallerState,
    pub since: i64,
    /// The session of arriving media, or since when there is none.
    pub media: Result<u64, i64>,
    pub muted: bool,
    pub notes: usize,
    pub lines: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub id: String,
    pub show: String,
    pub port: u16,
    pub armed: Option<String>,
    pub worker: bool,
    pub showing: Showing,
}

#[derive(Debug)]
pub struct Programme {
    pub id: String,
    pub live: bool,
    pub settings: ShowSettings,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: i64,
    pub shows: Vec<Programme>,
    pub slots: Vec<Output>,
    pub line: Vec<Person>,
    /// With the slot they are on.
    pub air: Vec<(String, Person)>,
    pub ended: Vec<Person>,
    pub answers: Vec<(String, String, Said)>,
}

impl Model {
    pub fn ask(&mut self, meta: &Meta, command: &Command) -> Said {
        let Some(id) = &meta.request_id else {
            return self.verb(meta, command);
        };
        let (id, what) = (id.as_str().to_owned(), what(meta, command));
        if let Some((_, first, said)) = self.answers.iter().find(|(known, ..)| *known == id) {
            return if *first == what {
                said.clone()
            } else {
                Err("REQUEST_ID_REUSED")
            };
        }
        let said = self.verb(meta, command);
        self.answers.push((id, what, said.clone()));
        if self.answers.len() > ANSWERS_KEPT {
            drop(self.answers.remove(0));
        }
        said
    }

    fn verb(&mut self, meta: &Meta, command: &Command) -> Said {
        // The simulation expects revision 0 (always stale) or one to come (never).
        let stale = meta.expected_revision == Some(0);
        match command {
            Command::StartShow { id } => self.show(id, stale)?.live = true,
            Command::StopShow { id } => self.show(id, stale)?.live = false,
            Command::UpdateShow { id, settings, .. } => {
                let show = self.show(id, stale)?;
                show.settings = settings.unwrap_or(show.settings);
            }
            Command::Join { id, invite, .. } => self.join(id.as_str(), invite)?,
            Command::Rejoin { rejoin, .. } => return self.rejoin(rejoin, stale),
            Command::Leave { id } => self.hang_up(id.as_str(), stale, EndReason::Left)?,
            Command::Drop { id } => self.hang_up(id.as_str(), stale, EndReason::Dropped)?,
            Command::Reject { id, .. } => {
                let ended = CallerState::Ended(EndReason::Rejected);
                if self.anybody(id.as_str(), stale)?.state != ended {
                    self.in_line(id.as_str(), stale)?;
                    self.end(id.as_str(), EndReason::Rejected);
                }
            }
            Command::Screen { id } => {
                self.turn(
                    id.as_str(),
                    stale,
                    CallerState::Screening,
                    "CALLER_WRONG_STATE",
                )?;
            }
            Command::Approve { id } => {
                self.turn(id.as_str(), stale, CallerState::Ready, "none")?;
            }
            Command::Hold { id } => {
                let at = self.in_line(id.as_str(), stale)?;
                self.become_(at, CallerState::Held);
            }
            Command::Move { id, to } => self.move_to(id.as_str(), stale, *to)?,
            Command::Note { id, .. } => self.anybody(id.as_str(), stale)?.notes += 1,
            Command::Chat { id, .. } => self.going_on(id.as_str(), stale)?.lines += 1,
            Command::SetMuted { id, muted } => self.going_on(id.as_str(), stale)?.muted = *muted,
            Command::CreateSlot { id, show, settings } => self.create_slot(id, show, settings)?,
            Command::DeleteSlot { id } => self.delete_slot(id.as_str(), stale)?,
            Command::Arm { slot, caller } => {
                self.arm(slot.as_str(), stale, caller.as_ref().map(CallerId::as_str))?;
            }
            Command::Take {
                slot,
                pick,
                override_checks,
                ..
            } => {
                self.take(slot.as_str(), stale, pick, *override_checks)?;
            }
            Command::Release {
                slot, disposition, ..
            } => {
                self.release(slot.as_str(), stale, *disposition)?;
            }
            other => panic!("the model does not know {other:?}"),
        }
        Ok(target(command))
    }

    fn show(&mut self, id: &ShowId, stale: bool) -> Result<&mut Programme, &'static str> {
        let mut shows = self.shows.iter_mut();
        let show = shows
            .find(|show| show.id == id.as_str())
            .ok_or("SHOW_NOT_FOUND")?;
        if stale {
            Err("REVISION_MISMATCH")
        } else {
            Ok(show)
        }
    }

    fn people(&self) -> impl Iterator<Item = &Person> {
        let air = self.air.iter().map(|(_, person)| person);
        self.line.iter().chain(air).chain(&self.ended)
    }

    fn people_mut(&mut self) -> impl Iterator<Item = &mut Person> {
        let air = self.air.iter_mut().map(|(_, person)| person);
        self.line.iter_mut().chain(air).chain(&mut self.ended)
    }

    fn anybody(&mut self, id: &str, stale: bool) -> Result<&mut Person, &'static str> {
        let person = self.people_mut().find(|person| person.id == id);
        let person = person.ok_or("CALLER_NOT_FOUND")?;
        if stale {
            Err("REVISION_MISMATCH")
        } else {
            Ok(person)
        }
    }

    fn going_on(&mut self, id: &str, stale: bool) -> Result<&mut Person, &'static str> {
        let person = self.anybody(id, stale)?;
        if person.state.is_ended() {
            Err("CALLER_ENDED")
        } else {
            Ok(person)
        }
    }

    /// Where they stand in the line.
    fn in_line(&mut self, id: &str, stale: bool) -> Result<usize, &'static str> {
        self.going_on(id, stale)?;
        let place = self.line.iter().position(|person| person.id == id);
        place.ok_or("CALLER_ON_AIR")
    }

    fn become_(&mut self, at: usize, state: CallerState) {
        let person = &mut self.line[at];
        if person.state != state {
            person.state = state;
            person.since = self.now;
        }
    }

    fn turn(
        &mut self,
        id: &str,
        stale: bool,
        to: CallerState,
        from_ready: &'static str,
    ) -> Result<(), &'static str> {
        let at = self.in_line(id, stale)?;
        match self.line[at].state {
            CallerState::Joining => return Err("CALLER_NOT_CONNECTED"),
            CallerState::Ready if to != CallerState::Ready => return Err(from_ready),
            _ => self.become_(at, to),
        }
        Ok(())
    }

    /// Invites are named after their show, secrets after who holds them.
    fn join(&mut self, id: &str, invite: &TokenHash) -> Result<(), &'static str> {
        let name = secret(invite);
        let Some(show) = self.shows.iter().find(|show| show.id == name) else {
            return Err("INVITE_UNKNOWN");
        };
        if !show.live || !show.settings.open {
            return Err("SHOW_CLOSED");
        }
        let max = usize::try_from(show.settings.max_callers).unwrap();
        if self.people().any(|person| person.id == id) {
            return Err("CALLER_EXISTS");
        }
        let inside = self
            .people()
            .filter(|p| p.show == name && !p.state.is_ended());
        if inside.count() >= max {
            return Err("SHOW_FULL");
        }
        self.line.push(Person {
            id: id.to_owned(),
            show: name,
            state: CallerState::Joining,
            since: self.now,
            media: Err(self.now),
            muted: false,
            notes: 0,
            lines: 0,
        });
        Ok(())
    }

    fn rejoin(&mut self, token: &TokenHash, stale: bool) -> Said {
        let id = secret(token);
        if !self.people().any(|person| person.id == id) {
            return Err("REJOIN_UNKNOWN");
        }
        self.going_on(&id, stale)?;
        Ok(id)
    }

    fn hang_up(&mut self, id: &str, stale: bool, reason: EndReason) -> Result<(), &'static str> {
        if self.anybody(id, stale)?.state != CallerState::Ended(reason) {
            self.going_on(id, stale)?;
            self.end(id, reason);
        }
        Ok(())
    }

    fn end(&mut self, id: &str, reason: EndReason) {
        let mut person = self.pull(id);
        person.state = CallerState::Ended(reason);
        person.since = self.now;
        if person.media.is_ok() {
            person.media = Err(self.now);
        }
        self.disarm(id);
        self.ended.push(person);
    }

    /// Out of the line or off the air.
    fn pull(&mut self, id: &str) -> Person {
        if let Some(at) = self.line.iter().position(|person| person.id == id) {
            return self.line.remove(at);
        }
        let at = self.air.iter().position(|(_, person)| person.id == id);
        self.air.remove(at.unwrap()).1
    }

    fn disarm(&mut self, id: &str) {
        for slot in &mut self.slots {
            slot.armed = slot.armed.take().filter(|armed| armed != id);
        }
    }

    /// From air into the line, at the head or the end of it.
    fn back(&mut self, id: &str, state: CallerState, head: bool) {
        let mut person = self.pull(id);
        person.state = state;
        person.since = self.now;
        let at = if head { 0 } else { self.line.len() };
        self.line.insert(at, person);
    }

    fn move_to(&mut self, id: &str, stale: bool, to: u32) -> Result<(), &'static str> {
        let at = self.in_line(id, stale)?;
        let show = self.line[at].show.clone();
        let len = self.queue(&show).len();
        let to = usize::try_from(to).unwrap();
        if to == 0 || to > len {
            return Err("INVALID_ARGUMENT");
        }
        let person = self.line.remove(at);
        let mut others = self.line.iter().enumerate().filter(|(_, p)| p.show == show);
        let before = others.nth(to - 1).map(|(at, _)| at);
        self.line.insert(before.unwrap_or(self.line.len()), person);
        Ok(())
    }

    fn create_slot(
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

    fn delete_slot(&mut self, id: &str, stale: bool) -> Result<(), &'static str> {
        let at = self.slot_at(id, stale)?;
        if let Some(on) = self.on(id) {
            self.back(&on, CallerState::Held, true);
        }
        self.slots.remove(at);
        Ok(())
    }

    fn slot_at(&self, id: &str, stale: bool) -> Result<usize, &'static str> {
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

    fn next(&self, show: &str) -> Option<String> {
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
    fn candidate(&mut self, show: &str, id: &str) -> Result<Person, &'static str> {
        if self.going_on(id, false)?.show != show {
            return Err("CALLER_OTHER_SHOW");
        }
        let at = self.in_line(id, false)?;
        Ok(self.line[at].clone())
    }

    fn arm(&mut self, slot: &str, stale: bool, caller: Option<&str>) -> Result<(), &'static str> {
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

    fn take(
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

    fn release(
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

    pub fn tell(&mut self, fact: &Fact) {
        let now = self.now;
        match fact {
            Fact::Started => {
                for person in self.people_mut() {
                    person.media = Err(person.media.map_or_else(|since| since, |_| now));
                }
                for slot in &mut self.slots {
                    (slot.worker, slot.showing) = (false, Showing::Idle);
                }
            }
            Fact::MediaUp {
                caller, session, ..
            } => {
                let Ok(person) = self.going_on(caller.as_str(), false) else {
                    return;
                };
                if person.media.is_ok_and(|current| current > session.0) {
                    return;
                }
                person.media = Ok(session.0);
                if person.state == CallerState::Joining {
                    person.state = CallerState::Waiting;
                    person.since = now;
                }
            }
            Fact::MediaDown { caller, session } => {
                if let Ok(person) = self.anybody(caller.as_str(), false)
                    && person.media == Ok(session.0)
                {
                    person.media = Err(now);
                }
            }
            Fact::WorkerUp { slot, showing } => self.worker(slot, true, showing),
            Fact::WorkerDown { slot } => self.worker(slot, false, &Showing::Idle),
            Fact::SlotShowing { slot, showing } => {
                if self.slots.iter().any(|s| s.id == slot.as_str() && s.worker) {
                    self.worker(slot, true, showing);
                }
            }
        }
    }

    fn worker(&mut self, id: &SlotId, up: bool, showing: &Showing) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id.as_str()) {
            (slot.worker, slot.showing) = (up, showing.clone());
        }
    }

    /// What time does next: when, to whom, and what.
    pub fn due(&self) -> Option<(i64, String, Next)> {
        let mut all = Vec::new();
        for person in self.people() {
            let of = |show: &&Programme| show.id == person.show;
            let settings = self.shows.iter().find(of).unwrap().settings;
            let ms = |ms: u64| i64::try_from(ms).unwrap();
            let (at, next) = match (person.state, person.media) {
                (CallerState::Ended(_), _) => (person.since + ms(ENDED_KEPT_MS), Next::Forget),
                (_, Ok(_)) => continue,
                (CallerState::OnAir, Err(since))
                    if settings.on_air_grace_ms < settings.grace_ms =>
                {
                    (since + ms(settings.on_air_grace_ms), Next::Release)
                }
                (_, Err(since)) => (since + ms(settings.grace_ms), Next::Lose),
            };
            all.push((at, person.id.clone(), next));
        }
        assert!(
            self.ended.len() <= ENDED_KEPT,
            "the model does not know this limit"
        );
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all.into_iter().next()
    }

    pub fn tick(&mut self) {
        while let Some((at, id, next)) = self.due()
            && at <= self.now
        {
            match next {
                Next::Forget => self.ended.retain(|person| person.id != id),
                Next::Lose => self.end(&id, EndReason::Lost),
                Next::Release => self.back(&id, CallerState::Ready, true),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    Forget,
    Lose,
    Release,
}

fn secret(token: &TokenHash) -> String {
    let name = token.0.iter().take_while(|byte| **byte != 0);
    name.map(|byte| char::from(*byte)).collect()
}

/// What makes two requests the same one.
fn what(meta: &Meta, command: &Command) -> String {
    match command {
        // Id and secret are made at every attempt.
        Command::Join {
            invite,
            name,
            topic,
            ..
        } => format!("join {} {name} {topic}", secret(invite)),
        Command::CreateSlot { id, show, .. } => format!("{:?} create {id} {show}", meta.actor),
        other => format!("{:?} {other:?}", meta.actor),
    }
}

fn target(command: &Command) -> String {
    match command {
        Command::StartShow { id } | Command::StopShow { id } | Command::UpdateShow { id, .. } => {
            id.to_string()
        }
        Command::CreateSlot { id, .. } | Command::DeleteSlot { id } => id.to_string(),
        Command::Arm { slot, .. } | Command::Take { slot, .. } | Command::Release { slot, .. } => {
            slot.to_string()
        }
        Command::Join { id, .. }
        | Command::Leave { id }
        | Command::Screen { id }
        | Command::Approve { id }
        | Command::Reject { id, .. }
        | Command::Hold { id }
        | Command::Move { id, .. }
        | Command::Note { id, .. }
        | Command::Chat { id, .. }
        | Command::Drop { id }
        | Command::SetMuted { id, .. } => id.to_string(),
        other => panic!("the model does not know {other:?}"),
    }
}
