//! `decide(state, now, input)`: the only place where rules live.

use crate::{Answer, CallerId, Denied, Input, Record, SlotId, State, Timestamp};

/// Parts of the world that may need an order now; the reconciler compares desired with observed for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    ReconcileSlot(SlotId),
    /// The slot is gone: its worker has to end.
    RetireSlot(SlotId),
    /// Wants of the caller's session (video rate, mute, page state) may have changed.
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
pub fn decide(_state: &State, _now: Timestamp, _input: &Input) -> Result<Decision, Box<Refusal>> {
    Ok(Decision {
        record: None,
        effects: Vec::new(),
        answer: None,
    })
}
