//! What holds in every state that was folded from whole records; the store checks it when it opens.

use std::collections::BTreeSet;

use crate::{
    CallerState, Channel, ChannelAlert, ChannelShowing, DESTINATIONS_MAX, DestinationState, Link,
    LiveState, State, TOKENS_MAX,
};

impl State {
    /// Names the first rule that is broken.
    pub fn invariants(&self) -> Result<(), String> {
        self.queues_hold_who_waits()?;
        self.slots_and_callers_agree()?;
        self.answers_are_in_order()?;
        for (id, channel) in &self.channels {
            ensure(channel.id == *id, || format!("channel {id} has another id"))?;
            channel_is_sound(channel).map_err(|rule| format!("channel {id}: {rule}"))?;
        }
        for (id, operator) in &self.operators {
            ensure(operator.id == *id, || {
                format!("operator {id} has another id")
            })?;
            let bounded = operator.tokens.len() <= TOKENS_MAX;
            ensure(bounded, || format!("operator {id} has too many tokens"))?;
        }
        for (id, invite) in &self.invites {
            ensure(invite.id == *id, || format!("invite {id} has another id"))?;
        }
        Ok(())
    }

    fn queues_hold_who_waits(&self) -> Result<(), String> {
        let mut queued = BTreeSet::new();
        for (id, show) in &self.shows {
            ensure(show.id == *id, || format!("show {id} has another id"))?;
            for caller in &show.queue {
                let first = queued.insert(caller);
                ensure(first, || format!("caller {caller} is queued twice"))?;
                let here = self.callers.get(caller).is_some_and(|c| c.show == *id);
                ensure(here, || format!("{caller} is not a caller of show {id}"))?;
            }
        }
        for (id, caller) in &self.callers {
            ensure(caller.id == *id, || format!("caller {id} has another id"))?;
            let known = self.shows.contains_key(&caller.show);
            ensure(known, || format!("caller {id} is in no show"))?;
            let waits = !caller.state.is_ended() && caller.state != CallerState::OnAir;
            let right = waits == queued.contains(id);
            ensure(right, || {
                format!("caller {id} is {:?}, against the queue", caller.state)
            })?;
            let silent = matches!(caller.link, Link::Down { .. }) || !caller.state.is_ended();
            ensure(silent, || format!("caller {id} ended with media arriving"))?;
            let waited = caller.state != CallerState::Joining || !caller.link.is_up();
            ensure(waited, || format!("caller {id} is JOINING with media"))?;
        }
        Ok(())
    }

    fn slots_and_callers_agree(&self) -> Result<(), String> {
        for (id, slot) in &self.slots {
            ensure(slot.id == *id, || format!("slot {id} has another id"))?;
            if let Some(assigned) = &slot.assigned {
                let caller = self.callers.get(&assigned.caller);
                let there = caller.is_some_and(|c| c.slot.as_ref() == Some(id));
                ensure(there, || {
                    format!("slot {id} shows {}, who is not on it", assigned.caller)
                })?;
            }
            if let Some(armed) = &slot.armed {
                let caller = self.callers.get(armed);
                let can = caller.is_some_and(|c| {
                    !c.state.is_ended() && c.state != CallerState::OnAir && c.show == slot.show
                });
                ensure(can, || {
                    format!("slot {id} is armed with {armed}, who cannot be")
                })?;
            }
        }
        for (id, caller) in &self.callers {
            let on_air = caller.state == CallerState::OnAir;
            let agrees = caller.slot.is_some() == on_air;
            ensure(agrees, || {
                format!(
                    "caller {id} is {:?} with slot {:?}",
                    caller.state, caller.slot
                )
            })?;
            if let Some(slot) = &caller.slot {
                let assigned = self.slots.get(slot).and_then(|s| s.assigned.as_ref());
                let there = assigned.is_some_and(|a| a.caller == *id);
                ensure(there, || {
                    format!("caller {id} is on slot {slot}, which shows another")
                })?;
            }
        }
        Ok(())
    }

    fn answers_are_in_order(&self) -> Result<(), String> {
        let listed: BTreeSet<_> = self.answer_order.iter().collect();
        let same = listed.len() == self.answer_order.len() && listed.len() == self.answers.len();
        ensure(same, || "answers and their order differ".into())?;
        let mut last = 0;
        for id in &self.answer_order {
            let answered = self.answers.get(id);
            let revision = answered.map(|a| a.revision);
            let rises = revision.is_some_and(|r| r >= last);
            ensure(rises, || format!("answer {} is out of order", id.as_str()))?;
            last = revision.unwrap_or(last);
        }
        Ok(())
    }
}

fn channel_is_sound(channel: &Channel) -> Result<(), String> {
    let quiet = channel.showing == ChannelShowing::Off
        && channel.live == LiveState::Absent
        && channel.publisher.is_none()
        && channel.alerts.is_empty();
    ensure(channel.running || quiet, || "it is off and shows".into())?;
    ensure(channel.destinations.len() <= DESTINATIONS_MAX, || {
        "it has too many destinations".into()
    })?;
    for (id, destination) in &channel.destinations {
        ensure(destination.id == *id, || {
            format!("destination {id} has another id")
        })?;
        let wanted = channel.running && destination.enabled;
        let up = destination.state == DestinationState::Live;
        let right = destination.down_since.is_some() == (wanted && !up);
        ensure(right, || format!("destination {id} is wrongly down"))?;
        let idle = destination.state == DestinationState::Idle;
        ensure(wanted || idle, || format!("destination {id} is not idle"))?;
    }
    for alert in &channel.alerts {
        let caused = match alert {
            ChannelAlert::OnBackup => channel.off_live_since.is_some(),
            ChannelAlert::DestinationDown(id) => {
                let destination = channel.destinations.get(id);
                destination.is_some_and(|d| d.down_since.is_some())
            }
        };
        ensure(caused, || format!("alert {alert:?} has no cause"))?;
    }
    Ok(())
}

fn ensure(holds: bool, rule: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule()) }
}
