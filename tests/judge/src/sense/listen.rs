//! Decoded sound, listened to: windows of 40 ms every 20 ms, and beeps, each with the stamp of its samples.

use std::collections::VecDeque;

use super::{
    beep::BeepFinder,
    tone::{self, WINDOW_MS},
};
use crate::{options::Options, report::Beep, timeline::Stamp};

/// Parts of a window whose levels are compared to find an edge.
const PARTS: usize = 8;

/// One window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The first sample's.
    pub since: Stamp,
    pub duration_ms: f64,
    pub mean_square: f64,
    pub peak: f64,
    /// The level is about the same throughout: tones can be told.
    pub settled: bool,
    /// Where the level changes most, in a window that is not settled.
    pub edge: Option<Stamp>,
    /// Loudest first; only when settled.
    pub tones: Vec<u8>,
    /// One tone is most of the sound: two callers at once are none.
    pub dominant: Option<u8>,
}

/// What came out of some samples.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Window(Window),
    Beep(Beep),
    /// Samples are missing here: what was before has ended.
    Break,
}

/// Listens to one stream of samples. Holds a window of sound and a beep's length of stamps.
#[derive(Debug)]
pub struct Listener {
    samples: Vec<f32>,
    /// Index of the first sample held, since the last break.
    first: u64,
    next_window: u64,
    next_block: u64,
    received: u64,
    marks: VecDeque<(u64, Stamp)>,
    rate: u32,
    expected_pts: Option<f64>,
    beeps: BeepFinder,
    last_dominant: Option<u8>,
    tone_above: f64,
}

impl Listener {
    pub fn new(options: &Options) -> Self {
        Self {
            samples: Vec::new(),
            first: 0,
            next_window: 0,
            next_block: 0,
            received: 0,
            marks: VecDeque::new(),
            rate: 0,
            expected_pts: None,
            beeps: BeepFinder::default(),
            last_dominant: None,
            tone_above: 10f64.powf(options.tone_above_dbfs / 20.0),
        }
    }

    /// One decoded frame: interleaved samples.
    pub fn hear(
        &mut self,
        samples: &[i16],
        channels: usize,
        rate: u32,
        stamp: Stamp,
    ) -> Vec<Heard> {
        let mut heard = Vec::new();
        if channels == 0 || rate < 8000 {
            return heard;
        }
        // 2 ms off its place: something is missing or doubled, and phases mean nothing across it.
        let broken = self
            .expected_pts
            .is_some_and(|e| (stamp.pts as f64 - e).abs() > 180.0);
        if broken
            || rate != self.rate
            || self.marks.back().is_some_and(|m| m.1.epoch != stamp.epoch)
        {
            if self.rate != 0 {
                heard.push(Heard::Break);
            }
            self.restart(rate);
        }
        self.marks.push_back((self.received, stamp));
        let scale = 1.0 / (32_768.0 * channels as f32);
        self.samples.extend(
            samples
                .chunks_exact(channels)
                .map(|c| c.iter().map(|&s| f32::from(s)).sum::<f32>() * scale),
        );
        let count = (samples.len() / channels) as u64;
        self.received += count;
        self.expected_pts = Some(stamp.pts as f64 + count as f64 * 90_000.0 / f64::from(rate));
        self.run(&mut heard);
        heard
    }

    fn restart(&mut self, rate: u32) {
        self.samples.clear();
        self.marks.clear();
        (self.first, self.next_window, self.next_block, self.received) = (0, 0, 0, 0);
        self.rate = rate;
        self.beeps = BeepFinder::default();
        self.last_dominant = None;
    }

    fn run(&mut self, heard: &mut Vec<Heard>) {
        let (block, window) = (
            self.rate as usize / 1000,
            self.rate as usize * WINDOW_MS / 1000,
        );
        while let Some(part) = self.slice(self.next_block, block) {
            let mean_square = mean_square(part);
            self.next_block += block as u64;
            if let Some(found) = self.beeps.block(mean_square) {
                let stamp = self.stamp_at((found.onset_ms * block as f64).round() as u64);
                heard.push(Heard::Beep(Beep {
                    stamp,
                    duration_ms: found.duration_ms,
                    level_dbfs: 10.0 * found.power.log10(),
                    id: self.last_dominant,
                }));
            }
        }
        while let Some(part) = self.slice(self.next_window, window) {
            let seen = self.window(part);
            self.next_window += window as u64 / 2;
            if seen.settled {
                self.last_dominant = seen.dominant;
            }
            heard.push(Heard::Window(seen));
        }
        let done = self.next_window.min(self.next_block);
        self.samples
            .drain(..((done - self.first) as usize).min(self.samples.len()));
        self.first = done;
        // A beep is told up to 260 ms after its onset.
        let oldest = done.saturating_sub(u64::from(self.rate) / 2);
        while self.marks.get(1).is_some_and(|m| m.0 <= oldest) {
            self.marks.pop_front();
        }
    }

    fn slice(&self, from: u64, length: usize) -> Option<&[f32]> {
        let start = (from - self.first) as usize;
        self.samples.get(start..start + length)
    }

    fn window(&self, part: &[f32]) -> Window {
        let power = mean_square(part);
        let levels: Vec<f64> = part
            .chunks(part.len().div_ceil(PARTS))
            .map(mean_square)
            .collect();
        let mean = |parts: &[f64]| parts.iter().sum::<f64>() / parts.len().max(1) as f64;
        let middle = levels.len() / 2;
        let settled = ratio(mean(&levels[..middle]), mean(&levels[middle..])) < 2.0;
        let mut window = Window {
            since: self.stamp_at(self.next_window),
            duration_ms: WINDOW_MS as f64 / 2.0,
            mean_square: power,
            peak: part.iter().map(|s| f64::from(s.abs())).fold(0.0, f64::max),
            settled,
            edge: None,
            tones: Vec::new(),
            dominant: None,
        };
        if !settled {
            let steepest = (1..levels.len()).max_by(|&a, &b| {
                let step = |i: usize| ratio(levels[i - 1], levels[i]);
                step(a).total_cmp(&step(b))
            });
            window.edge =
                steepest.map(|i| self.stamp_at(self.next_window + (i * part.len() / PARTS) as u64));
            return window;
        }
        let grid = tone::grid(part, self.rate);
        let loudest = grid.iter().copied().fold(0.0, f64::max);
        // 20 dB below the loudest, coding noise and the skirts of a changing level begin.
        let mut tones: Vec<(f64, u8)> = grid
            .iter()
            .zip(0u8..)
            .filter(|t| *t.0 > self.tone_above && *t.0 > loudest * 0.1)
            .map(|t| (*t.0, t.1))
            .collect();
        tones.sort_by(|a, b| b.0.total_cmp(&a.0));
        window.dominant = tones
            .first()
            .filter(|t| t.0 * t.0 / 2.0 > power * 0.65)
            .map(|t| t.1);
        window.tones = tones.into_iter().map(|t| t.1).collect();
        window
    }

    fn stamp_at(&self, sample: u64) -> Stamp {
        let after = self.marks.partition_point(|m| m.0 <= sample);
        let Some(&(start, mut stamp)) = self.marks.get(after.saturating_sub(1)) else {
            return Stamp::default();
        };
        stamp.pts +=
            ((sample as f64 - start as f64) * 90_000.0 / f64::from(self.rate)).round() as i64;
        stamp
    }
}

fn mean_square(part: &[f32]) -> f64 {
    part.iter()
        .map(|&s| f64::from(s) * f64::from(s))
        .sum::<f64>()
        / part.len().max(1) as f64
}

/// The larger by the smaller; the noise floor of 16 bits is no change.
fn ratio(a: f64, b: f64) -> f64 {
    let (a, b) = (a + 1e-8, b + 1e-8);
    (a / b).max(b / a)
}
