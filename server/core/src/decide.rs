//! `decide(state, now, input)`: the only place where rules live. One module a noun; each handler reads the draft, emits
//! what happens, or names why not.
//!
//! Rights are checked at the edge. Here is everything that depends on the state, and the ranges of settings.

mod air;
mod caller;
mod channel;
mod channel_fact;
mod destination;
mod draft;
mod effects;
mod fact;
mod join;
mod operator;
mod publisher;
pub use publisher::KEY_NOT_VALID;
mod settings;
mod show;
mod slot;
mod tick;

use crate::{
    Answer, Answered, CallerId, ChannelId, Command, Denied, Input, Meta, Record, SlotId, State,
    Target, Timestamp,
};

use draft::Draft;

/// Parts of the world that may need an order now; the reconciler compares desired with observed for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Wanted or observed state of the slot changed, or that of who is on it or armed for it.
    ReconcileSlot(SlotId),
    /// The slot is gone: its worker has to end.
    RetireSlot(SlotId),
    /// What the channel's worker is told changed (settings, loops, destinations, who may publish), or its worker came or
    /// went; also for a channel that is off, whose loops may have to be prepared.
    ReconcileChannel(ChannelId),
    /// The channel is gone or off: its worker has to end.
    RetireChannel(ChannelId),
    /// Wants of the caller's session (video rate, mute, page state) may have changed: their state, slot, mute or
    /// connection did, or some slot arms them now or no longer does. Their place in the queue is the board's business.
    ReconcileCaller(CallerId),
    /// The call is over: close its media session.
    CloseCaller(CallerId),
}

/// What an accepted input amounts to. Nothing has changed yet: the record has to be made durable and folded first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// `None` when nothing changes (a repeat, a fact already known).
    pub record: Option<Record>,
    pub effects: Vec<Effect>,
    /// The answer to a command; `None` for facts and ticks.
    pub answer: Option<Answer>,
}

/// A refusal. With a request id it is remembered too, so that a repeat gets the same answer: `record` holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub denied: Denied,
    pub record: Option<Record>,
}

/// Decides one input against `state` at `now`.
///
/// Every command that asks for what is so already is accepted and changes nothing; with a request id that answer is
/// remembered as well, in a record without events.
pub fn decide(state: &State, now: Timestamp, input: &Input) -> Result<Decision, Box<Refusal>> {
    match input {
        Input::Command(meta, command) => decide_command(state, now, meta, command),
        Input::Fact(fact) => {
            let mut draft = Draft::new(state, now, None);
            fact::observe(&mut draft, fact);
            Ok(draft.finish())
        }
        Input::Tick => {
            let mut draft = Draft::new(state, now, None);
            tick::tick(&mut draft);
            Ok(draft.finish())
        }
    }
}

fn decide_command(
    state: &State,
    now: Timestamp,
    meta: &Meta,
    command: &Command,
) -> Result<Decision, Box<Refusal>> {
    let digest = command.digest(&meta.actor);
    if let Some(known) = meta
        .request_id
        .as_ref()
        .and_then(|id| state.answers.get(id))
    {
        return repeat(known, digest);
    }
    let mut draft = Draft::new(state, now, Some(meta));
    let result = handle(&mut draft, command);
    let answered = |result: Result<Answer, Denied>| {
        let request_id = meta.request_id.clone()?;
        Some(Answered {
            request_id,
            command: digest,
            revision: draft::next_revision(state),
            at: now,
            result,
        })
    };
    match result {
        Ok(target) => {
            let recorded = meta.request_id.is_some() || draft.changes();
            let revision = if recorded {
                draft::next_revision(state)
            } else {
                state.revision
            };
            let answer = Answer { target, revision };
            let answered = answered(Ok(answer.clone()));
            let mut decision = draft.finish_with(answered);
            decision.answer = Some(answer);
            Ok(decision)
        }
        Err(denied) => {
            let answered = answered(Err(denied.clone()));
            let record = Draft::new(state, now, Some(meta))
                .finish_with(answered)
                .record;
            Err(Box::new(Refusal { denied, record }))
        }
    }
}

/// The first answer again, and nothing else; or the word that the id was used for something else.
fn repeat(known: &Answered, digest: u64) -> Result<Decision, Box<Refusal>> {
    let first = if known.command == digest {
        known.result.clone()
    } else {
        Err(Denied::RequestReused)
    };
    match first {
        Ok(answer) => Ok(Decision {
            record: None,
            effects: Vec::new(),
            answer: Some(answer),
        }),
        Err(denied) => Err(Box::new(Refusal {
            denied,
            record: None,
        })),
    }
}

/// `expected_revision` is checked against the resource that the command names, before its state is looked at. What is
/// only being made (create, invite, join) has no revision yet: there it is ignored.
fn handle(draft: &mut Draft<'_>, command: &Command) -> Result<Target, Denied> {
    match command {
        Command::CreateShow { id, title } => show::create(draft, id, title),
        Command::UpdateShow {
            id,
            title,
            settings,
        } => show::update(draft, id, title.as_ref(), settings.as_ref()),
        Command::StartShow { id } => show::start(draft, id),
        Command::StopShow { id } => show::stop(draft, id),
        Command::DeleteShow { id } => show::delete(draft, id),

        Command::Invite { .. } => join::invite(draft, command),
        Command::RevokeInvite { id } => join::revoke_invite(draft, id),
        Command::Join { .. } => join::join(draft, command),
        Command::Rejoin {
            rejoin,
            name,
            topic,
        } => join::rejoin(draft, rejoin, name.as_ref(), topic.as_ref()),
        Command::Leave { id } => caller::leave(draft, id),

        Command::Screen { id } => caller::screen(draft, id),
        Command::Approve { id } => caller::approve(draft, id),
        Command::Reject { id, reason } => caller::reject(draft, id, reason),
        Command::Hold { id } => caller::hold(draft, id),
        Command::Move { id, to } => caller::move_to(draft, id, *to),
        Command::Note { id, text } => caller::note(draft, id, text),
        Command::Chat { id, text } => caller::chat(draft, id, text),
        Command::Drop { id } => caller::drop_call(draft, id),
        Command::SetMuted { id, muted } => caller::set_muted(draft, id, *muted),

        Command::CreateSlot { id, show, settings } => slot::create(draft, id, show, settings),
        Command::UpdateSlot { id, settings } => slot::update(draft, id, settings),
        Command::DeleteSlot { id } => slot::delete(draft, id),
        Command::Arm { slot, caller } => slot::arm(draft, slot, caller.as_ref()),
        Command::Take {
            slot,
            pick,
            transition,
            override_checks,
        } => air::take(draft, slot, pick, *transition, *override_checks),
        Command::Release {
            slot,
            disposition,
            transition,
        } => air::release(draft, slot, *disposition, *transition),

        Command::CreateChannel { .. }
        | Command::UpdateChannel { .. }
        | Command::DeleteChannel { .. }
        | Command::StartChannel { .. }
        | Command::StopChannel { .. }
        | Command::ForceChannel { .. }
        | Command::RotateChannelKey { .. }
        | Command::Publish { .. }
        | Command::KickPublisher { .. }
        | Command::RevealKey { .. }
        | Command::AddDestination { .. }
        | Command::UpdateDestination { .. }
        | Command::SetDestinationEnabled { .. }
        | Command::RemoveDestination { .. } => channel::obey(draft, command),

        Command::CreateOperator {
            id,
            name,
            role,
            token,
        } => operator::create(draft, id, name, *role, *token),
        Command::AddOperatorToken { id, token } => operator::add_token(draft, id, *token),
        Command::RevokeOperator { id } => operator::revoke(draft, id),
    }
}
