//! The folded state: what all records so far amount to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Answered, Caller, CallerId, Invite, InviteId, Operator, OperatorId, RequestId, Show, ShowId,
    Slot, SlotId, Timestamp,
};

/// Cheap to clone (values are shared), so that every reader may have its own snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Revision of the last record folded.
    pub revision: u64,
    pub shows: BTreeMap<ShowId, Arc<Show>>,
    pub callers: BTreeMap<CallerId, Arc<Caller>>,
    pub invites: BTreeMap<InviteId, Arc<Invite>>,
    pub slots: BTreeMap<SlotId, Arc<Slot>>,
    pub operators: BTreeMap<OperatorId, Arc<Operator>>,
    /// First answers, newest last; at most [`ANSWERS_KEPT`].
    pub answers: BTreeMap<RequestId, Arc<Answered>>,
    pub answer_order: VecDeque<RequestId>,
}

/// How many first answers are remembered for repeats.
pub const ANSWERS_KEPT: usize = 4_096;

/// Names one row of the state, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    Show(ShowId),
    Caller(CallerId),
    Invite(InviteId),
    Slot(SlotId),
    Operator(OperatorId),
    Answer(RequestId),
}

/// The value of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    Show(Arc<Show>),
    Caller(Arc<Caller>),
    Invite(Arc<Invite>),
    Slot(Arc<Slot>),
    Operator(Arc<Operator>),
    Answer(Arc<Answered>),
}

/// Why something is due; [`State::poll_timeout`] says when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A caller's grace period ends.
    GraceOver(CallerId),
    /// A caller who is ON_AIR has been without media for too long.
    OnAirGraceOver(CallerId),
    /// An ended caller can be forgotten.
    Forget(CallerId),
}

/// An ended caller stays visible for this long.
pub const ENDED_KEPT_MS: u64 = 6 * 3_600_000;
/// Most ended callers kept in the state, oldest forgotten first.
pub const ENDED_KEPT: usize = 1_000;

impl State {
    /// When the next [`crate::Input::Tick`] is due, and why; `None` when nothing waits for time.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Due)> {
        None
    }
}
