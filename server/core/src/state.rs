//! The folded state: what all records so far amount to, whole or as rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Answered, Caller, CallerId, Channel, ChannelAlert, ChannelId, Invite, InviteId, Operator,
    OperatorId, RequestId, Show, ShowId, Slot, SlotId,
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
    pub channels: BTreeMap<ChannelId, Arc<Channel>>,
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
    Channel(ChannelId),
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
    Channel(Arc<Channel>),
    Operator(Arc<Operator>),
    Answer(Arc<Answered>),
}

impl Row {
    pub fn key(&self) -> Key {
        match self {
            Self::Show(show) => Key::Show(show.id.clone()),
            Self::Caller(caller) => Key::Caller(caller.id.clone()),
            Self::Invite(invite) => Key::Invite(invite.id.clone()),
            Self::Slot(slot) => Key::Slot(slot.id.clone()),
            Self::Channel(channel) => Key::Channel(channel.id.clone()),
            Self::Operator(operator) => Key::Operator(operator.id.clone()),
            Self::Answer(answered) => Key::Answer(answered.request_id.clone()),
        }
    }
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
    /// An invite that expired long ago can be forgotten.
    ForgetInvite(InviteId),
    /// An alert of the channel is to be raised.
    ChannelAlert(ChannelId, ChannelAlert),
    /// The channel's worker has not come back since boothd started: what it showed last is not shown any more.
    ChannelGone(ChannelId),
}

/// An ended caller stays visible for this long.
pub const ENDED_KEPT_MS: u64 = 6 * 3_600_000;
/// An expired invite is still known, as expired, for this long.
pub const EXPIRED_KEPT_MS: u64 = 7 * 24 * 3_600_000;
/// Most ended callers kept in the state, oldest forgotten first.
pub const ENDED_KEPT: usize = 1_000;

impl State {
    /// Rebuilds what [`State::rows`] took apart, whatever order the rows come in.
    pub fn from_rows(revision: u64, rows: impl IntoIterator<Item = Row>) -> Self {
        let mut state = Self {
            revision,
            ..Self::default()
        };
        for row in rows {
            state.insert_row(row);
        }
        state
    }

    /// Sets one row; leaves `revision` alone.
    pub fn insert_row(&mut self, row: Row) {
        match row {
            Row::Show(show) => {
                self.shows.insert(show.id.clone(), show);
            }
            Row::Caller(caller) => {
                self.callers.insert(caller.id.clone(), caller);
            }
            Row::Invite(invite) => {
                self.invites.insert(invite.id.clone(), invite);
            }
            Row::Slot(slot) => {
                self.slots.insert(slot.id.clone(), slot);
            }
            Row::Channel(channel) => {
                self.channels.insert(channel.id.clone(), channel);
            }
            Row::Operator(operator) => {
                self.operators.insert(operator.id.clone(), operator);
            }
            Row::Answer(answered) => self.insert_answer(answered),
        }
    }

    /// The present value of a row; `None` when it is not (or no longer) there.
    pub fn row(&self, key: &Key) -> Option<Row> {
        match key {
            Key::Show(id) => self.shows.get(id).cloned().map(Row::Show),
            Key::Caller(id) => self.callers.get(id).cloned().map(Row::Caller),
            Key::Invite(id) => self.invites.get(id).cloned().map(Row::Invite),
            Key::Slot(id) => self.slots.get(id).cloned().map(Row::Slot),
            Key::Channel(id) => self.channels.get(id).cloned().map(Row::Channel),
            Key::Operator(id) => self.operators.get(id).cloned().map(Row::Operator),
            Key::Answer(id) => self.answers.get(id).cloned().map(Row::Answer),
        }
    }

    /// Every row, in the order of its key.
    pub fn rows(&self) -> impl Iterator<Item = (Key, Row)> + '_ {
        let shows = self.shows.values().cloned().map(Row::Show);
        let callers = self.callers.values().cloned().map(Row::Caller);
        let invites = self.invites.values().cloned().map(Row::Invite);
        let slots = self.slots.values().cloned().map(Row::Slot);
        let channels = self.channels.values().cloned().map(Row::Channel);
        let operators = self.operators.values().cloned().map(Row::Operator);
        let answers = self.answers.values().cloned().map(Row::Answer);
        shows
            .chain(callers)
            .chain(invites)
            .chain(slots)
            .chain(channels)
            .chain(operators)
            .chain(answers)
            .map(|row| (row.key(), row))
    }

    /// Keeps `answer_order` sorted by revision, so that rows may come in any order.
    pub(crate) fn insert_answer(&mut self, answered: Arc<Answered>) {
        let id = answered.request_id.clone();
        let revision = answered.revision;
        if self.answers.insert(id.clone(), answered).is_some() {
            self.answer_order.retain(|known| *known != id);
        }
        let answers = &self.answers;
        let at = self.answer_order.partition_point(|known| {
            let of = answers.get(known).map_or(0, |known| known.revision);
            // The id settles what only a damaged journal can bring: two answers of one revision.
            (of, known) < (revision, &id)
        });
        self.answer_order.insert(at, id);
    }
}
