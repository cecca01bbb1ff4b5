//! Finds beeps: a level at least 7 dB over what was before, for 40 to 250 ms. Onsets are good to about a millisecond.

use std::collections::VecDeque;

/// Power ratio between beep and before. The contract's beep is 14 dB over its tone: half way, in amplitude decibels.
const RATIO: f64 = 5.0;
/// Nothing softer is a beep (mean square; −33 dBFS).
const FLOOR: f64 = 5e-4;
/// Blocks of 1 ms in the sliding window: whole periods of every tone's power from 400 Hz on.
const WINDOW: usize = 5;
/// The level before is taken from 60 to 20 ms before the onset.
const BEFORE: std::ops::Range<usize> = 20..60;
/// How deep the step reaches into the window when its mean crosses the threshold: one sixth of it.
const ONSET_LAG: f64 = 0.17 * WINDOW as f64;
/// The same at the end of the beep.
const END_LAG: f64 = WINDOW as f64 - ONSET_LAG;

/// A found beep, in milliseconds of the block count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub onset_ms: f64,
    pub duration_ms: f64,
    /// Largest mean square.
    pub power: f64,
}

#[derive(Debug)]
struct Open {
    onset_ms: f64,
    threshold: f64,
    power: f64,
}

/// Takes the mean square of one millisecond after the other.
#[derive(Debug, Default)]
pub struct BeepFinder {
    blocks: VecDeque<f64>,
    /// Newest first.
    levels: VecDeque<f64>,
    open: Option<Open>,
    count: u64,
}

impl BeepFinder {
    pub fn block(&mut self, mean_square: f64) -> Option<Found> {
        self.count += 1;
        if self.blocks.len() == WINDOW {
            self.blocks.pop_front();
        }
        self.blocks.push_back(mean_square);
        let level = self.blocks.iter().sum::<f64>() / WINDOW as f64;
        let now_ms = self.count as f64;
        let found = self.step(level, now_ms);
        self.levels.push_front(level);
        self.levels.truncate(BEFORE.end);
        found
    }

    fn step(&mut self, level: f64, now_ms: f64) -> Option<Found> {
        if let Some(open) = &mut self.open {
            open.power = open.power.max(level);
            let duration_ms = now_ms - END_LAG - open.onset_ms;
            let found = Found {
                onset_ms: open.onset_ms,
                duration_ms,
                power: open.power,
            };
            if level < open.threshold {
                self.open = None;
                return (40.0..=250.0).contains(&duration_ms).then_some(found);
            }
            if duration_ms > 250.0 {
                self.open = None;
                // What is loud now is the level before whatever comes.
                self.levels.clear();
            }
            return None;
        }
        if self.levels.len() < BEFORE.end {
            return None;
        }
        let before = self.levels.range(BEFORE).sum::<f64>() / BEFORE.len() as f64;
        let threshold = (before * RATIO).max(FLOOR);
        if level >= threshold {
            self.open = Some(Open {
                onset_ms: now_ms - ONSET_LAG,
                threshold,
                power: level,
            });
        }
        None
    }
}
