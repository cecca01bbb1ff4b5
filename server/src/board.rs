//! The board: what everybody may read. The director publishes; doors take snapshots and follow changes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use booth_core::{Key, Record, State};
use tokio::sync::{broadcast, watch};

/// One durable change: the record, the rows it touched, and the state after it.
#[derive(Debug, Clone)]
pub struct Change {
    pub record: Arc<Record>,
    pub touched: Arc<BTreeSet<Key>>,
    pub state: Arc<State>,
}

/// A record and the rows it touched.
pub type Past = (Arc<Record>, Arc<BTreeSet<Key>>);

/// Changes kept for readers that resume; older ones get a snapshot.
pub const RING: usize = 4_096;
/// Changes a live reader may lag behind before it gets a new snapshot.
pub const LAG: usize = 1_024;

#[derive(Debug, Clone)]
pub struct Board {
    state: watch::Sender<Arc<State>>,
    changes: broadcast::Sender<Change>,
    ring: Arc<Mutex<VecDeque<Past>>>,
}

/// How a reader goes on from the revision it saw last.
#[derive(Debug)]
pub enum Resume {
    /// These changes were missed (none, if it is up to date).
    Missed(Vec<Past>),
    /// Too old, or of another ledger.
    Snapshot,
}

/// A reader's start: `state` is the snapshot that `changes` follow without a gap (drop what is not newer).
#[derive(Debug)]
pub struct Reader {
    pub state: Arc<State>,
    pub changes: broadcast::Receiver<Change>,
}

impl Board {
    /// `tail` is the end of the journal, oldest first, so that readers can resume over a restart.
    pub fn new(state: State, tail: Vec<Past>) -> Self {
        let skip = tail.len().saturating_sub(RING);
        let ring = tail.into_iter().skip(skip).collect();
        Self {
            state: watch::Sender::new(Arc::new(state)),
            changes: broadcast::Sender::new(LAG),
            ring: Arc::new(Mutex::new(ring)),
        }
    }

    /// The latest durable state.
    pub fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// Follows the state itself; intermediate states may be skipped.
    pub fn follow(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    pub fn reader(&self) -> Reader {
        // Subscribed first: a change in between is seen twice, never missed.
        let changes = self.changes.subscribe();
        Reader {
            state: self.state(),
            changes,
        }
    }

    /// What came after revision `since`, up to the state of now.
    pub fn resume(&self, since: u64) -> Resume {
        let now = self.state().revision;
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.front().map_or(now + 1, |(r, _)| r.revision);
        if since > now || since + 1 < oldest {
            return Resume::Snapshot;
        }
        Resume::Missed(
            ring.iter()
                .filter(|(r, _)| r.revision > since && r.revision <= now)
                .cloned()
                .collect(),
        )
    }

    /// Only the director calls this.
    pub(crate) fn publish(&self, change: Change) {
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.len() == RING {
                ring.pop_front();
            }
            ring.push_back((Arc::clone(&change.record), Arc::clone(&change.touched)));
        }
        self.state.send_replace(Arc::clone(&change.state));
        // Nobody listening is fine.
        let _ = self.changes.send(change);
    }

    /// State that is not durable (facts while the ledger refuses to write): readers of the state see it, the ring does not.
    pub(crate) fn publish_volatile(&self, state: Arc<State>) {
        self.state.send_replace(state);
    }
}

#[cfg(test)]
mod tests {
    use booth_core::{Actor, Timestamp};

    use super::*;

    fn record(revision: u64) -> Arc<Record> {
        Arc::new(Record {
            revision,
            at: Timestamp(0),
            actor: Actor::System,
            answered: None,
            events: Vec::new(),
        })
    }

    fn publish(board: &Board, revision: u64) {
        let state = Arc::new(State {
            revision,
            ..State::default()
        });
        board.publish(Change {
            record: record(revision),
            touched: Arc::default(),
            state,
        });
    }

    fn missed(board: &Board, since: u64) -> Option<Vec<u64>> {
        match board.resume(since) {
            Resume::Missed(all) => Some(all.iter().map(|(r, _)| r.revision).collect()),
            Resume::Snapshot => None,
        }
    }

    #[test]
    fn a_reader_resumes_without_a_gap_also_over_a_restart() {
        let tail = vec![(record(1), Arc::default()), (record(2), Arc::default())];
        let board = Board::new(
            State {
                revision: 2,
                ..State::default()
            },
            tail,
        );
        publish(&board, 3);
        assert_eq!(missed(&board, 1), Some(vec![2, 3]));
        assert_eq!(missed(&board, 3), Some(vec![]));
    }

    #[test]
    fn a_revision_too_old_or_of_the_future_gets_a_snapshot() {
        let board = Board::new(State::default(), Vec::new());
        for revision in 1..=(RING as u64 + 10) {
            publish(&board, revision);
        }
        assert_eq!(missed(&board, 5), None);
        assert_eq!(missed(&board, RING as u64 + 11), None);
        assert_eq!(missed(&board, 10).map(|m| m.len()), Some(RING));
    }

    #[tokio::test]
    async fn one_who_lags_is_told_and_others_are_not_held_up() {
        let board = Board::new(State::default(), Vec::new());
        let (mut slow, mut quick) = (board.reader(), board.reader());
        for revision in 1..=(LAG as u64 * 2) {
            publish(&board, revision);
            assert_eq!(
                quick.changes.recv().await.unwrap().record.revision,
                revision
            );
        }
        assert!(matches!(
            slow.changes.recv().await,
            Err(broadcast::error::RecvError::Lagged(_))
        ));
    }
}
