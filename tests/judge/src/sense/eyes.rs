//! What the pictures showed over time.

use std::collections::VecDeque;

use super::{Look, Showing};
use crate::{
    options::Options,
    report::{PictureReport, SeenFrame},
    timeline::{Stamp, Stretches, Timeline},
    ts::ticks_to_ms,
};

/// Frames kept with their arrivals: 40 s at 30 fps.
const RECENT: usize = 1_200;

/// Collects looks.
#[derive(Debug)]
pub struct Eyes {
    timeline: Timeline<Showing>,
    frozen: Stretches,
    black: Stretches,
    flashes: VecDeque<Stamp>,
    flashes_total: u64,
    flash_since: Option<Stamp>,
    last: Option<(Look, u32)>,
    recent: VecDeque<SeenFrame>,
    decoded: u64,
    undecoded: u64,
    counter_repeats: u64,
    counter_skips: u64,
    counter_back: u64,
    keep: usize,
}

impl Eyes {
    pub fn new(options: &Options) -> Self {
        Self {
            timeline: Timeline::new(options.keep),
            frozen: Stretches::new(options.frozen_after_ms, options.keep),
            black: Stretches::new(options.black_after_ms, options.keep),
            flashes: VecDeque::new(),
            flashes_total: 0,
            flash_since: None,
            last: None,
            recent: VecDeque::new(),
            decoded: 0,
            undecoded: 0,
            counter_repeats: 0,
            counter_skips: 0,
            counter_back: 0,
            keep: options.keep.max(1),
        }
    }

    /// Access units that gave no picture.
    pub fn lost(&mut self, count: u64) {
        self.undecoded += count;
    }

    pub fn see(&mut self, look: Look, stamp: Stamp) {
        self.decoded += 1;
        // Across connections nothing is compared.
        let last = self.last.filter(|l| l.1 == stamp.epoch).map(|l| l.0);
        let (what, confirm) = match look.code {
            Some((id, _)) => (Showing::Caller { id }, 2),
            None if look.black => (Showing::Black, 3),
            None => (Showing::Other, 3),
        };
        self.timeline.see(what, stamp, confirm);
        if !look.still || last.is_none() {
            self.frozen.end(Some(stamp));
        }
        self.frozen.hold(stamp);
        if look.black {
            self.black.hold(stamp);
        } else {
            self.black.end(Some(stamp));
        }
        self.watch_flash(&look, last.as_ref(), stamp);
        if let Some(last) = last {
            self.count_frames(&look, &last);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(SeenFrame {
            stamp,
            code: look.code,
            mean_luma: look.mean_luma,
        });
        self.last = Some((look, stamp.epoch));
    }

    /// A flash is a band that turns white and back while the same thing is shown: a take in mid-flash is none.
    fn watch_flash(&mut self, look: &Look, last: Option<&Look>, stamp: Stamp) {
        let same = last.is_some_and(|l| l.code.map(|c| c.0) == look.code.map(|c| c.0));
        if !same {
            self.flash_since = None;
            return;
        }
        match (last.and_then(|l| l.band), look.band) {
            (Some(false), Some(true)) => self.flash_since = Some(stamp),
            (Some(true), Some(true)) => {}
            (Some(true), Some(false)) => {
                if let Some(since) = self.flash_since.take()
                    && (20.0..=250.0).contains(&ticks_to_ms(stamp.pts - since.pts))
                {
                    if self.flashes.len() == self.keep {
                        self.flashes.pop_front();
                    }
                    self.flashes.push_back(since);
                    self.flashes_total += 1;
                }
            }
            _ => self.flash_since = None,
        }
    }

    fn count_frames(&mut self, look: &Look, last: &Look) {
        let (Some((id, counter)), Some((old_id, old))) = (look.code, last.code) else {
            return;
        };
        if id != old_id {
            return;
        }
        match counter.wrapping_sub(old) & 1023 {
            0 => self.counter_repeats += 1,
            step @ 1..=512 => self.counter_skips += u64::from(step) - 1,
            _ => self.counter_back += 1,
        }
    }

    /// Whose picture was shown then, if it was a caller's.
    pub fn caller_at(&self, stamp: &Stamp) -> Option<u8> {
        let place = |at: &Stamp| (at.epoch, at.pts);
        let spans = self.timeline.spans();
        let after = spans.partition_point(|span| place(&span.since) <= place(stamp));
        match spans.get(after.checked_sub(1)?)?.what {
            Showing::Caller { id } => Some(id),
            _ => None,
        }
    }

    pub fn flashes(&self) -> &VecDeque<Stamp> {
        &self.flashes
    }

    pub fn report(&self) -> PictureReport {
        PictureReport {
            decoded: self.decoded,
            undecoded: self.undecoded,
            now: self.timeline.now().cloned(),
            timeline: self.timeline.spans().clone(),
            changes: self.timeline.total().saturating_sub(1),
            frozen: self.frozen.report(),
            black: self.black.report(),
            flashes: self.flashes.clone(),
            flashes_total: self.flashes_total,
            counter_repeats: self.counter_repeats,
            counter_skips: self.counter_skips,
            counter_back: self.counter_back,
            mean_luma: self.last.map_or(0.0, |l| l.0.mean_luma),
            recent: self.recent.clone(),
        }
    }
}
