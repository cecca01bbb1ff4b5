//! Time stamps that wrap: unwrapping, and the steps between them.

use crate::ts::ticks_to_ms;

/// Unwraps a cyclic counter: every value is taken as the one nearest to the value before.
#[derive(Debug, Clone)]
pub struct Unwrap {
    modulus: i64,
    last: Option<i64>,
}

impl Unwrap {
    /// PTS and DTS: 33 bits.
    pub fn stamps() -> Self {
        Self {
            modulus: 1 << 33,
            last: None,
        }
    }

    /// PCR: 33 bits of 90 kHz times 300.
    pub fn pcr() -> Self {
        Self {
            modulus: (1 << 33) * 300,
            last: None,
        }
    }

    pub fn next(&mut self, raw: i64) -> i64 {
        let value = self.last.map_or(raw, |last| {
            let half = self.modulus / 2;
            last + (raw - last + half).rem_euclid(self.modulus) - half
        });
        self.last = Some(value);
        value
    }
}

/// The largest and smallest step of a sequence of stamps, in 90 kHz ticks.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Steps {
    pub count: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub largest_step_ms: f64,
    pub smallest_step_ms: f64,
    /// Steps that did not go forward.
    pub back_steps: u64,
    /// Steps forward that were too large.
    pub gaps: u64,
    /// The stamp that the next step is counted from.
    #[serde(skip)]
    previous: Option<i64>,
}

impl Steps {
    /// Takes the next stamp and gives the step from the one before.
    pub fn add(&mut self, stamp: i64) -> Option<i64> {
        let step = self
            .previous
            .replace(stamp)
            .map(|previous| stamp - previous);
        self.last = Some(stamp);
        self.first.get_or_insert(stamp);
        if let Some(step) = step {
            let ms = ticks_to_ms(step);
            self.largest_step_ms = if self.count == 0 {
                ms
            } else {
                self.largest_step_ms.max(ms)
            };
            self.smallest_step_ms = if self.count == 0 {
                ms
            } else {
                self.smallest_step_ms.min(ms)
            };
            self.count += 1;
        }
        step
    }

    /// A new connection: its first stamp is no step.
    pub fn restart(&mut self) {
        self.previous = None;
    }
}

/// The usual step: the median of the last ones.
#[derive(Debug, Default)]
pub struct UsualStep {
    recent: std::collections::VecDeque<i64>,
}

impl UsualStep {
    const WINDOW: usize = 31;

    pub fn add(&mut self, step: i64) {
        if self.recent.len() == Self::WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(step);
    }

    /// `None` until enough steps were seen to tell.
    pub fn get(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        if sorted.len() < 5 {
            None
        } else {
            sorted.get(sorted.len() / 2).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_is_a_small_step_and_a_jump_back_stays_a_jump_back() {
        let mut unwrap = Unwrap::stamps();
        let top = (1i64 << 33) - 1000;
        let stamps: Vec<i64> = [top, 2000, 5000, 1000]
            .iter()
            .map(|&s| unwrap.next(s))
            .collect();
        assert_eq!(stamps, [top, top + 3000, top + 6000, top + 2000]);
    }
}
