//! What the sound was over time.

use std::collections::VecDeque;

use super::{Heard, Hearing, Window};
use crate::{
    options::Options,
    report::{Beep, SoundReport},
    timeline::{Stamp, Stretches, Timeline},
};

/// Windows in the short-time level: 400 ms.
const LEVEL_WINDOWS: usize = 20;

/// Collects what was heard.
#[derive(Debug)]
pub struct Ears {
    timeline: Timeline<Hearing>,
    silent: Stretches,
    beeps: VecDeque<Beep>,
    beeps_total: u64,
    tones: Vec<u8>,
    edge: Option<Stamp>,
    levels: VecDeque<f64>,
    power_sum: f64,
    windows: u64,
    peak: f64,
    undecoded: u64,
    silence_below: f64,
    keep: usize,
}

impl Ears {
    pub fn new(options: &Options) -> Self {
        Self {
            timeline: Timeline::new(options.keep),
            silent: Stretches::new(options.silent_after_ms, options.keep),
            beeps: VecDeque::new(),
            beeps_total: 0,
            tones: Vec::new(),
            edge: None,
            levels: VecDeque::new(),
            power_sum: 0.0,
            windows: 0,
            peak: 0.0,
            undecoded: 0,
            silence_below: 10f64.powf(options.silent_below_dbfs / 10.0),
            keep: options.keep.max(1),
        }
    }

    /// Frames that gave no sound.
    pub fn lost(&mut self, count: u64) {
        self.undecoded += count;
    }

    pub fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Window(window) => self.window(window),
            Heard::Break => {
                self.silent.end(None);
                self.edge = None;
            }
            Heard::Beep(beep) => {
                if self.beeps.len() == self.keep {
                    self.beeps.pop_front();
                }
                self.beeps.push_back(beep);
                self.beeps_total += 1;
            }
        }
    }

    fn window(&mut self, window: Window) {
        if self.levels.len() == LEVEL_WINDOWS {
            self.levels.pop_front();
        }
        self.levels.push_back(window.mean_square);
        self.power_sum += window.mean_square;
        self.windows += 1;
        self.peak = self.peak.max(window.peak);
        let silent = window.mean_square < self.silence_below;
        if silent {
            self.silent.hold(window.since);
        } else {
            self.silent.end(Some(window.since));
        }
        if !window.settled && !silent {
            // Between two sounds: whatever comes next began at the first edge.
            self.edge = self.edge.or(window.edge);
            return;
        }
        let (what, confirm) = match window.dominant {
            _ if silent => (Hearing::Silence, 3),
            Some(id) => (Hearing::Caller { id }, 2),
            None => (Hearing::Other, 3),
        };
        let since = self
            .edge
            .take()
            .filter(|e| e.epoch == window.since.epoch)
            .unwrap_or(window.since);
        self.timeline.see(what, since, confirm);
        self.tones = if silent { Vec::new() } else { window.tones };
    }

    pub fn beeps(&self) -> &VecDeque<Beep> {
        &self.beeps
    }

    pub fn report(&self) -> SoundReport {
        let recent = self.levels.iter().sum::<f64>() / self.levels.len().max(1) as f64;
        SoundReport {
            decoded_ms: self.windows as f64 * 20.0,
            undecoded: self.undecoded,
            now: self.timeline.now().cloned(),
            timeline: self.timeline.spans().clone(),
            changes: self.timeline.total().saturating_sub(1),
            tones: self.tones.clone(),
            silent: self.silent.report(),
            beeps: self.beeps.clone(),
            beeps_total: self.beeps_total,
            level_dbfs: decibels(recent),
            mean_dbfs: decibels(self.power_sum / self.windows.max(1) as f64),
            peak_dbfs: decibels(self.peak * self.peak),
        }
    }
}

/// Of a mean square; `None` for nothing at all.
fn decibels(mean_square: f64) -> Option<f64> {
    (mean_square > 0.0).then(|| 10.0 * mean_square.log10())
}
