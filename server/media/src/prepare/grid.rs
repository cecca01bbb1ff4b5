//! From a file's own times to the loop's: pictures at exactly 1/fps, sound without a hole. Pure; one of each per file.

use std::collections::VecDeque;

use booth_mix::{CHANNELS, RATE};
use booth_stream::{Nanos, SECOND};

/// A picture that is due this far (of a frame) into an output frame's time is still shown in it. Not a half and not
/// none: rates that are multiples of ours would have pictures just there, and the least jitter would repeat and drop.
const SAMPLED_AT: f64 = 0.3;
/// Sound that is off by less than this runs on: its stamps are rounded.
const JITTER_FRAMES: i64 = RATE as i64 / 25;

/// A hole at the end of this many frames is no silence, but what containers and demuxers lose of the last AAC frame.
const LOST_FRAMES: usize = RATE * 3 / 100;

/// Pictures at any times become pictures at a fixed rate: each output frame shows what was there at its time.
#[derive(Debug)]
pub struct PictureGrid<F> {
    fps: u32,
    /// Later pictures than this are stamped wrongly.
    latest: Option<Nanos>,
    current: Option<F>,
    at: Nanos,
    end: Nanos,
    shown: u64,
}

impl<F: Clone> PictureGrid<F> {
    pub fn new(fps: u32, latest: Option<Nanos>) -> Self {
        Self {
            fps: fps.max(1),
            latest,
            current: None,
            at: 0,
            end: 0,
            shown: 0,
        }
    }

    /// A picture shown from `at` on (0 for the first) for `duration`; gives what is complete.
    pub fn push(&mut self, at: Nanos, duration: Option<Nanos>, frame: F) -> Vec<F> {
        let mut due = Vec::new();
        let wrong = self.current.is_some()
            && (at < self.at || self.latest.is_some_and(|latest| at > latest + SECOND));
        if wrong {
            return due;
        }
        if let Some(current) = &self.current {
            while self.time(self.shown as f64 + SAMPLED_AT) < at {
                due.push(current.clone());
                self.shown += 1;
            }
        }
        // What is stated of a single picture is often that of another one, where they are reordered: the distance from
        // the one before counts. The only one of a file may stand for long.
        let usual = (self.current.is_some() && at > self.at).then(|| at - self.at);
        let stated = duration.filter(|duration| *duration > 0);
        let duration = match (stated, usual) {
            (Some(stated), Some(usual)) => stated.min(usual),
            (stated, usual) => stated.or(usual).unwrap_or(self.time(1.0)),
        };
        self.current = Some(frame);
        self.at = at;
        let longest = self
            .latest
            .map_or(SECOND, |latest| (latest - at).max(self.time(1.0)));
        self.end = at + duration.min(longest);
        due
    }

    /// The rest, when the file is over.
    pub fn finish(&mut self) -> Vec<F> {
        let total = (self.end as f64 * f64::from(self.fps) / SECOND as f64).round() as u64;
        let total = total.max(1);
        let mut due = Vec::new();
        if let Some(current) = self.current.take() {
            while self.shown < total {
                due.push(current.clone());
                self.shown += 1;
            }
        }
        due
    }

    fn time(&self, frames: f64) -> Nanos {
        (frames * SECOND as f64 / f64::from(self.fps)) as Nanos
    }
}

/// Sound in blocks at any times becomes a stream without a hole, as long as the pictures.
#[derive(Debug, Default)]
pub struct SoundGrid {
    /// Waits for the pictures of its time: interleaved.
    waiting: VecDeque<f32>,
    /// Sample frames that went in and came out.
    placed: i64,
    taken: i64,
    started: bool,
    /// The last samples.
    tail: VecDeque<f32>,
}

impl SoundGrid {
    /// A block that is heard from `at` on, on the pictures' time.
    pub fn push(&mut self, at: Nanos, samples: &[f32]) {
        let wanted = (i128::from(at) * RATE as i128 / i128::from(SECOND)) as i64;
        let hole = wanted - self.placed;
        let frames = (samples.len() / CHANNELS) as i64;
        let mut skip = 0;
        if !self.started || hole.abs() > JITTER_FRAMES {
            if hole > 0 {
                self.silence(hole);
            } else {
                skip = (-hole).min(frames);
            }
        }
        self.started |= skip < frames;
        self.waiting
            .extend(samples.iter().skip(skip as usize * CHANNELS));
        self.placed += frames - skip;
        self.tail
            .extend(samples.iter().skip(skip as usize * CHANNELS));
        let surplus = self.tail.len().saturating_sub(LOST_FRAMES * CHANNELS);
        self.tail.drain(..surplus);
    }

    /// What is to be heard until `end` (in sample frames) and is there already.
    pub fn take_until(&mut self, end: i64) -> Vec<f32> {
        let frames = (end - self.taken).clamp(0, self.placed - self.taken);
        self.taken += frames;
        self.waiting.drain(..frames as usize * CHANNELS).collect()
    }

    /// All until `end`, silence where there is nothing; what is past it is left out.
    pub fn finish(&mut self, end: i64) -> Vec<f32> {
        self.reflect(end - self.placed);
        self.silence(end - self.placed);
        self.take_until(end)
    }

    /// How much there is past `end`.
    pub fn past(&self, end: i64) -> i64 {
        (self.placed - end).max(0)
    }

    /// How much has been placed so far.
    pub fn placed(&self) -> i64 {
        self.placed
    }

    /// Fills a short hole with what came before it, backwards: no step, no click.
    fn reflect(&mut self, frames: i64) {
        let known = (self.tail.len() / CHANNELS) as i64;
        if !(1..=known).contains(&frames) {
            return;
        }
        for frame in (known - frames..known).rev() {
            let at = frame as usize * CHANNELS;
            self.waiting.extend(self.tail.range(at..at + CHANNELS));
        }
        self.placed += frames;
    }

    fn silence(&mut self, frames: i64) {
        // A stamp that is hours off must not fill the memory.
        let frames = frames.clamp(0, RATE as i64 * 600);
        self.waiting
            .extend(std::iter::repeat_n(0.0, frames as usize * CHANNELS));
        self.placed += frames;
    }
}

/// The sample frame with which output frame `n` begins.
pub fn sample_of(n: u64, fps: u32) -> i64 {
    let fps = u64::from(fps.max(1));
    i64::try_from((n * RATE as u64 + fps / 2) / fps).unwrap_or(i64::MAX)
}

/// When output frame `n` begins, exact at any length.
pub fn time_of(n: u64, rate: u64) -> Nanos {
    let rate = rate.max(1);
    let nanos = u128::from(n) * SECOND as u128 / u128::from(rate);
    Nanos::try_from(nanos).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
