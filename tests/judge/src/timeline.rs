//! What was seen or heard from when to when: spans with confirmation, and stretches of a condition.

use std::collections::VecDeque;

use serde::Serialize;

use crate::ts::ticks_to_ms;

/// Where a frame stands: its presentation time, and when its packets arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stamp {
    /// Unwrapped, 90 kHz.
    pub pts: i64,
    /// `CLOCK_MONOTONIC` when the first packet of the frame was read.
    pub first_packet_at_ns: u64,
    /// … and the last.
    pub last_packet_at_ns: u64,
    /// The connection it came by, counted from 1.
    pub epoch: u32,
}

/// One thing shown (or heard) without interruption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span<S> {
    #[serde(flatten)]
    pub what: S,
    /// The first frame that showed it.
    pub since: Stamp,
    /// The last frame so far that showed it.
    pub until: Stamp,
    pub frames: u64,
}

impl<S> Span<S> {
    pub fn duration_ms(&self) -> f64 {
        ticks_to_ms(self.until.pts - self.since.pts)
    }
}

/// Spans after each other. A change counts when enough frames in a row say so, and is dated from the first of them.
#[derive(Debug, Clone)]
pub struct Timeline<S> {
    spans: VecDeque<Span<S>>,
    candidate: Option<Span<S>>,
    keep: usize,
    total: u64,
}

impl<S: Copy + PartialEq> Timeline<S> {
    pub fn new(keep: usize) -> Self {
        Self {
            spans: VecDeque::new(),
            candidate: None,
            keep: keep.max(2),
            total: 0,
        }
    }

    /// One frame showing `what`; `confirm` frames in a row make a change. True when a change was confirmed.
    pub fn see(&mut self, what: S, stamp: Stamp, confirm: u64) -> bool {
        if let Some(now) = self.spans.back_mut()
            && now.what == what
            && now.since.epoch == stamp.epoch
        {
            now.until = stamp;
            now.frames += 1;
            self.candidate = None;
            return false;
        }
        let candidate = match self.candidate.take() {
            Some(c) if c.what == what && c.since.epoch == stamp.epoch => Span {
                until: stamp,
                frames: c.frames + 1,
                ..c
            },
            _ => Span {
                what,
                since: stamp,
                until: stamp,
                frames: 1,
            },
        };
        if candidate.frames < confirm {
            self.candidate = Some(candidate);
            return false;
        }
        if self.spans.len() == self.keep {
            self.spans.pop_front();
        }
        self.spans.push_back(candidate);
        self.total += 1;
        true
    }

    pub fn now(&self) -> Option<&Span<S>> {
        self.spans.back()
    }

    pub fn spans(&self) -> &VecDeque<Span<S>> {
        &self.spans
    }

    /// Spans ever, those no longer kept included.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// A condition that held for long enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stretch {
    pub since: Stamp,
    pub until: Stamp,
    pub duration_ms: f64,
    /// It held when last looked.
    pub open: bool,
}

/// The stretches of one condition.
#[derive(Debug, Clone)]
pub struct Stretches {
    list: VecDeque<Stretch>,
    current: Option<Stretch>,
    after_ms: f64,
    keep: usize,
    total: u64,
    longest_ms: f64,
}

impl Stretches {
    pub fn new(after_ms: f64, keep: usize) -> Self {
        Self {
            list: VecDeque::new(),
            current: None,
            after_ms,
            keep: keep.max(1),
            total: 0,
            longest_ms: 0.0,
        }
    }

    /// The condition holds at `stamp`.
    pub fn hold(&mut self, stamp: Stamp) {
        let after_ms = self.after_ms;
        let current = self.current.get_or_insert(Stretch {
            since: stamp,
            until: stamp,
            duration_ms: 0.0,
            open: true,
        });
        let was = current.duration_ms;
        current.until = stamp;
        current.duration_ms = ticks_to_ms(stamp.pts - current.since.pts);
        if was < after_ms && current.duration_ms >= after_ms {
            self.total += 1;
        }
        if current.duration_ms >= after_ms {
            self.longest_ms = self.longest_ms.max(current.duration_ms);
        }
    }

    /// The condition ended when the frame at `stamp` came, or with the frame before when there is none.
    pub fn end(&mut self, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp
            && self
                .current
                .as_ref()
                .is_some_and(|c| c.since.epoch == stamp.epoch)
        {
            self.hold(stamp);
        }
        if let Some(current) = self.current.take()
            && current.duration_ms >= self.after_ms
        {
            if self.list.len() == self.keep {
                self.list.pop_front();
            }
            self.list.push_back(Stretch {
                open: false,
                ..current
            });
        }
    }

    pub fn report(&self) -> StretchReport {
        let open = self
            .current
            .iter()
            .filter(|c| c.duration_ms >= self.after_ms)
            .cloned();
        StretchReport {
            total: self.total,
            longest_ms: self.longest_ms,
            list: self.list.iter().cloned().chain(open).collect(),
        }
    }
}

/// Stretches as reported.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StretchReport {
    pub total: u64,
    pub longest_ms: f64,
    /// The newest.
    pub list: Vec<Stretch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(frame: i64) -> Stamp {
        Stamp {
            pts: frame * 3000,
            first_packet_at_ns: frame as u64,
            last_packet_at_ns: frame as u64,
            epoch: 1,
        }
    }

    #[test]
    fn a_change_is_dated_from_its_first_frame_and_one_odd_frame_changes_nothing() {
        let mut line = Timeline::new(10);
        for (frame, what) in [1, 1, 1, 9, 1, 2, 2, 2].into_iter().enumerate() {
            line.see(what, at(frame as i64), 2);
        }
        let seen: Vec<_> = line
            .spans()
            .iter()
            .map(|s| (s.what, s.since.pts / 3000, s.frames))
            .collect();
        assert_eq!(seen, [(1, 0, 4), (2, 5, 3)]);
    }

    #[test]
    fn a_stretch_counts_from_its_length_on_and_lasts_until_the_frame_that_ends_it() {
        let mut stretches = Stretches::new(100.0, 4);
        stretches.hold(at(0));
        stretches.end(Some(at(2)));
        assert_eq!(stretches.report().total, 0);
        (10..15).for_each(|f| stretches.hold(at(f)));
        assert!(stretches.report().list[0].open);
        stretches.end(Some(at(16)));
        let report = stretches.report();
        assert_eq!(
            (
                report.total,
                report.list[0].duration_ms,
                report.list[0].open
            ),
            (1, 200.0, false)
        );
    }
}
