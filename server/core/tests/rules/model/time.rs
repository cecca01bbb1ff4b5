//! Facts and time.

use booth_core::*;

use super::{Model, Programme};

impl Model {
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
                self.channel_fact(fact);
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
            other => self.channel_fact(other),
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
        for station in &self.stations {
            let due = station.due().into_iter();
            all.extend(due.map(|(at, next)| (at, station.id.clone(), next)));
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
                Next::Alarm(_) | Next::Gone => self.channel_due(&id, &next),
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Forget,
    Lose,
    Release,
    /// Of a channel.
    Alarm(ChannelAlert),
    /// A channel's worker has not come back.
    Gone,
}
