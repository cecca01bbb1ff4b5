//! The loop that a worker runs, on a clock of its own.

use std::sync::Arc;

use booth_stream::{EndCause, LoopSource, MediaEvent, Nanos, Output, Playout, Policy, Showing};

use crate::oracle::Oracle;

/// What is on its way to us.
pub struct Arrivals(std::iter::Peekable<Box<dyn Iterator<Item = (Nanos, MediaEvent)>>>);

impl Arrivals {
    pub fn new(events: impl Iterator<Item = (Nanos, MediaEvent)> + 'static) -> Self {
        let events: Box<dyn Iterator<Item = _>> = Box::new(events);
        Self(events.peekable())
    }

    fn until(&mut self, until: Nanos) -> impl Iterator<Item = (Nanos, MediaEvent)> {
        std::iter::from_fn(move || self.0.next_if(|(at, _)| *at <= until))
    }
}

pub struct Sim {
    pub playout: Playout,
    pub oracle: Oracle,
    pub now: Nanos,
    out: Vec<Output>,
}

impl Sim {
    pub fn new(policy: Policy) -> Self {
        Self {
            playout: Playout::new(0, policy),
            oracle: Oracle::default(),
            now: 0,
            out: Vec::new(),
        }
    }

    pub fn with_loops(
        policy: Policy,
        backup: Option<Arc<dyn LoopSource>>,
        slate: Option<Arc<dyn LoopSource>>,
    ) -> Self {
        let mut sim = Self::new(policy);
        sim.playout.set_loops(0, backup, slate);
        sim
    }

    /// Lets time pass.
    pub fn run(&mut self, until: Nanos) {
        self.feed(until, std::iter::empty());
    }

    /// Lets time pass while these arrive; what arrives after `until` does not.
    pub fn feed(&mut self, until: Nanos, arrivals: impl IntoIterator<Item = (Nanos, MediaEvent)>) {
        let mut arrivals = arrivals.into_iter().peekable();
        loop {
            let due = self.playout.next_due();
            let arrival = arrivals.peek().map(|(at, _)| *at).filter(|at| *at <= until);
            let next = [due, arrival]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some((_, event)) = arrivals.next_if(|(at, _)| *at <= self.now && *at <= until)
            {
                self.playout.live(self.now, event);
            }
            self.poll();
        }
        self.now = self.now.max(until);
        self.poll();
    }

    /// Lets time pass while these arrive, which go on arriving later.
    pub fn go(&mut self, until: Nanos, arrivals: &mut Arrivals) {
        self.feed(until, arrivals.until(until));
    }

    /// Nobody looks until then: everything that has arrived comes at once.
    pub fn late(&mut self, until: Nanos, arrivals: &mut Arrivals) {
        self.now = self.now.max(until);
        for (_, event) in arrivals.until(until) {
            self.playout.live(self.now, event);
        }
        self.poll();
    }

    pub fn begin(&mut self, publisher: u64) {
        self.playout.live_begin(self.now, publisher);
        self.poll();
    }

    pub fn end(&mut self) {
        self.playout.live_end(self.now, EndCause::Closed);
        self.poll();
    }

    pub fn set(&mut self, policy: Policy) {
        self.playout.set(self.now, policy);
        self.poll();
    }

    pub fn poll(&mut self) {
        self.playout.poll(self.now, &mut self.out);
        for output in self.out.drain(..) {
            self.oracle.take(self.now, output);
        }
    }

    #[track_caller]
    pub fn shows(&self, showing: Showing) {
        assert_eq!(
            self.playout.showing(),
            Some(showing),
            "at {} ms",
            self.now / 1_000_000
        );
    }
}
