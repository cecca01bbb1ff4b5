//! Whom the channel takes live media from now. One at a time; the order from boothd says who.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A publisher's number, as boothd gave it. 0 is nobody.
pub type PublisherNumber = u64;

/// Connections at the media socket that may become or are the live input.
#[derive(Debug, Default)]
pub struct Live {
    /// Whom the last order named.
    ordered: PublisherNumber,
    /// The same, or who was let in here since.
    wanted: PublisherNumber,
    /// Greeted, and not wanted yet; each gives up by itself after a while.
    waiting: BTreeMap<u64, (PublisherNumber, Take)>,
    current: Option<Current>,
    claim: Option<Claim>,
}

/// A publisher that this worker let in by itself, and that orders do not name yet.
#[derive(Debug)]
struct Claim {
    /// Whom orders named until then.
    before: PublisherNumber,
    until: Instant,
}

/// For so long an order may still be from before boothd heard of a publisher that was let in here.
const CLAIM_HOLDS: Duration = Duration::from_secs(5);

/// Lets a connection send until the token is cancelled.
pub type Take = oneshot::Sender<CancellationToken>;

#[derive(Debug)]
struct Current {
    connection: u64,
    publisher: PublisherNumber,
    /// Hangs up when dropped.
    _hold: Option<DropGuard>,
}

/// What a change means to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveChange {
    None,
    Begin,
    End,
}

impl Live {
    /// Whom the program gets media from; 0 for nobody.
    pub fn publisher(&self) -> PublisherNumber {
        self.current.as_ref().map_or(0, |current| current.publisher)
    }

    /// Whom the input is for: the ordered one, or who was let in here since.
    pub fn wanted(&self) -> PublisherNumber {
        self.wanted
    }

    pub fn is_current(&self, connection: u64) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.connection == connection)
    }

    /// boothd named the publisher. Another one is hung up on.
    pub fn want(&mut self, publisher: PublisherNumber, now: Instant) -> LiveChange {
        self.ordered = publisher;
        if let Some(claim) = &self.claim {
            if publisher == claim.before && publisher != self.wanted && now < claim.until {
                return LiveChange::None;
            }
            self.claim = None;
        }
        self.wanted = publisher;
        let had = self.current.is_some();
        if self.publisher() != publisher {
            self.current = None;
        }
        self.waiting.retain(|_, (_, take)| !take.is_closed());
        if self.current.is_none() && self.take() {
            return LiveChange::Begin;
        }
        if had && self.current.is_none() {
            LiveChange::End
        } else {
            LiveChange::None
        }
    }

    /// A publisher came in by another way than the socket, and was let in here: whoever published before is hung up on.
    pub fn accept(&mut self, connection: u64, publisher: PublisherNumber, now: Instant) {
        self.claim = (publisher != self.ordered).then(|| Claim {
            before: self.ordered,
            until: now + CLAIM_HOLDS,
        });
        self.wanted = publisher;
        self.current = Some(Current {
            connection,
            publisher,
            _hold: None,
        });
    }

    /// boothd is here again, and will be told of a publisher that it may not know.
    pub fn claim_again(&mut self, now: Instant) {
        if let Some(claim) = &mut self.claim {
            claim.until = now + CLAIM_HOLDS;
        }
    }

    /// When [`Live::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.claim.as_ref().map(|claim| claim.until)
    }

    /// Whoever was let in here and is in no order until now was refused: the ordered one counts again.
    pub fn tick(&mut self, now: Instant) -> LiveChange {
        if self.due().is_some_and(|until| now >= until) {
            self.want(self.ordered, now)
        } else {
            LiveChange::None
        }
    }

    /// A connection says whose it is.
    pub fn hello(&mut self, connection: u64, publisher: PublisherNumber, take: Take) -> LiveChange {
        self.waiting.retain(|_, (_, take)| !take.is_closed());
        self.waiting.insert(connection, (publisher, take));
        // The same publisher over a new connection: the ingest worker lost the first one.
        if publisher == self.wanted && self.take() {
            LiveChange::Begin
        } else {
            LiveChange::None
        }
    }

    /// A connection ended.
    pub fn gone(&mut self, connection: u64) -> LiveChange {
        self.waiting.remove(&connection);
        if !self.is_current(connection) {
            return LiveChange::None;
        }
        self.current = None;
        if self.claim.take().is_some() {
            // Its end frees the input for the ordered one, who may wait already.
            self.wanted = self.ordered;
            self.waiting.retain(|_, (_, take)| !take.is_closed());
            if self.take() {
                return LiveChange::Begin;
            }
        }
        LiveChange::End
    }

    /// Lets the newest connection of the wanted publisher send.
    fn take(&mut self) -> bool {
        let wanted = |publisher: &PublisherNumber| *publisher == self.wanted && self.wanted != 0;
        let mut newest = self.waiting.iter().rev();
        let Some((&connection, _)) = newest.find(|(_, (publisher, _))| wanted(publisher)) else {
            return false;
        };
        let Some((publisher, take)) = self.waiting.remove(&connection) else {
            return false;
        };
        let token = CancellationToken::new();
        if take.send(token.clone()).is_err() {
            return false;
        }
        self.current = Some(Current {
            connection,
            publisher,
            _hold: Some(token.drop_guard()),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(
        live: &mut Live,
        connection: u64,
        publisher: u64,
    ) -> (LiveChange, oneshot::Receiver<CancellationToken>) {
        let (take, taken) = oneshot::channel();
        (live.hello(connection, publisher, take), taken)
    }

    #[test]
    fn media_that_comes_before_its_order_waits_for_it() {
        let mut live = Live::default();
        let (change, mut taken) = hello(&mut live, 1, 7);
        assert_eq!(change, LiveChange::None);
        assert!(taken.try_recv().is_err());
        assert_eq!(live.want(7, Instant::now()), LiveChange::Begin);
        taken.try_recv().unwrap();
        assert!(live.is_current(1) && live.publisher() == 7);
    }

    #[test]
    fn an_order_that_comes_before_the_media_is_kept() {
        let mut live = Live::default();
        assert_eq!(live.want(7, Instant::now()), LiveChange::None);
        let (change, _taken) = hello(&mut live, 1, 7);
        assert_eq!(change, LiveChange::Begin);
    }

    #[test]
    fn a_publisher_that_is_no_longer_wanted_ends_and_its_successor_begins() {
        let mut live = Live::default();
        let (_, mut first) = hello(&mut live, 1, 7);
        live.want(7, Instant::now());
        let first = first.try_recv().unwrap();
        let (_, _second) = hello(&mut live, 2, 8);
        assert_eq!(
            live.want(7, Instant::now()),
            LiveChange::None,
            "a repeat changes nothing"
        );
        assert_eq!(live.want(8, Instant::now()), LiveChange::Begin);
        assert!(live.is_current(2) && !live.is_current(1));
        assert!(first.is_cancelled(), "the first one is hung up on");
        assert_eq!(live.gone(1), LiveChange::None);
        assert_eq!(live.want(0, Instant::now()), LiveChange::End);
        assert_eq!(live.publisher(), 0);
    }

    #[test]
    fn the_same_publisher_over_a_new_connection_begins_anew() {
        let mut live = Live::default();
        live.want(7, Instant::now());
        let (_, _first) = hello(&mut live, 1, 7);
        let (change, _second) = hello(&mut live, 2, 7);
        assert_eq!(change, LiveChange::Begin);
        assert_eq!(live.gone(1), LiveChange::None);
        assert_eq!(live.gone(2), LiveChange::End);
    }

    #[test]
    fn a_publisher_let_in_here_outlives_orders_that_do_not_know_it_yet_and_no_others() {
        let now = Instant::now();
        let mut live = Live::default();
        live.want(7, now);
        live.accept(1, 9, now);
        assert_eq!(live.want(7, now), LiveChange::None);
        assert_eq!(live.publisher(), 9);
        assert_eq!(live.want(9, now), LiveChange::None, "boothd knows it now");
        assert_eq!(live.want(7, now), LiveChange::End);
        live.accept(2, 10, now);
        assert_eq!(live.want(0, now), LiveChange::End, "a key was rotated");
        live.accept(3, 11, now);
        assert_eq!(
            live.want(0, now + CLAIM_HOLDS),
            LiveChange::End,
            "boothd did not take it"
        );
    }

    #[test]
    fn a_publisher_let_in_here_and_refused_gives_the_input_back_once_its_claim_is_over() {
        let now = Instant::now();
        let mut live = Live::default();
        live.want(7, now);
        live.accept(1, 9, now);
        let (_, mut taken) = hello(&mut live, 2, 7);
        assert_eq!(live.want(7, now), LiveChange::None);
        let due = live.due().unwrap();
        assert_eq!(
            live.tick(due - Duration::from_millis(1)),
            LiveChange::None,
            "boothd may not have heard of it"
        );
        assert_eq!(live.tick(due), LiveChange::Begin);
        taken.try_recv().unwrap();
        assert!(live.is_current(2) && live.publisher() == 7);
        assert_eq!(live.due(), None);
    }

    #[test]
    fn a_claim_without_anybody_ordered_ends_with_nobody() {
        let now = Instant::now();
        let mut live = Live::default();
        live.accept(1, 9, now);
        assert_eq!(live.tick(now + CLAIM_HOLDS), LiveChange::End);
        assert_eq!((live.publisher(), live.wanted()), (0, 0));
    }

    #[test]
    fn the_ordered_publisher_counts_again_when_the_one_let_in_here_goes() {
        let now = Instant::now();
        let mut live = Live::default();
        live.want(7, now);
        live.accept(1, 9, now);
        let (_, mut taken) = hello(&mut live, 2, 7);
        assert_eq!(live.gone(1), LiveChange::Begin);
        taken.try_recv().unwrap();
        live.accept(3, 10, now);
        assert_eq!(live.gone(3), LiveChange::End);
        let (change, _taken) = hello(&mut live, 4, 7);
        assert_eq!(change, LiveChange::Begin);
    }
}
