//! The reference model of the simulation: the same rules written a second time, the simplest way there is. People stand
//! in one line in queue order, or are on air, or have ended; everything is found by looking through a list.

mod air;
mod channel;
mod time;

use booth_core::*;

pub use channel::Station;
use time::Next;

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
    pub stations: Vec<Station>,
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
            other => self.channel_verb(stale, other)?,
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
        // Secrets do not show in Debug.
        Command::Rejoin { rejoin, .. } => format!("{:?} rejoin {}", meta.actor, secret(rejoin)),
        Command::CreateSlot { id, show, .. } => format!("{:?} create {id} {show}", meta.actor),
        Command::CreateChannel { id, settings, .. } => {
            format!("{:?} create {id} {:?}", meta.actor, unbound(settings))
        }
        Command::UpdateChannel { id, settings } => {
            format!("{:?} update {id} {:?}", meta.actor, unbound(settings))
        }
        Command::Publish {
            channel, publisher, ..
        } => {
            let (protocol, peer) = (publisher.protocol, &publisher.peer);
            format!("{:?} publish {channel} {protocol:?} {peer}", meta.actor)
        }
        other => format!("{:?} {other:?}", meta.actor),
    }
}

/// Without what the edge chooses.
fn unbound(settings: &ChannelSettings) -> ChannelSettings {
    let mut settings = settings.clone();
    if let Some(input) = &mut settings.srt_input {
        input.port = 0;
    }
    settings
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
        Command::CreateChannel { id, .. }
        | Command::UpdateChannel { id, .. }
        | Command::DeleteChannel { id }
        | Command::StartChannel { id }
        | Command::StopChannel { id }
        | Command::ForceChannel { id, .. }
        | Command::RotateChannelKey { id, .. }
        | Command::KickPublisher { id }
        | Command::Publish { channel: id, .. } => id.to_string(),
        Command::AddDestination { channel, id, .. }
        | Command::UpdateDestination { channel, id, .. }
        | Command::SetDestinationEnabled { channel, id, .. }
        | Command::RemoveDestination { channel, id } => format!("{channel}/{id}"),
        other => panic!("the model does not know {other:?}"),
    }
}
