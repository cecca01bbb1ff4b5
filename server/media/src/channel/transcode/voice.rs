//! The live sound on the output's clock: each sample is heard when the line says, at a speed that is changed by so little
//! that nobody hears it. Pure.

use std::collections::VecDeque;

use booth_mix::{CHANNELS, RATE};
use booth_stream::{Nanos, SECOND};

/// Sound that is further off than this is a hole, or has to be left out.
const BREAK: i64 = RATE as i64 * 60 / 1000;
/// Off by less than this, the speed is left alone; once changed, it is until this is reached.
const CLOSE: f64 = RATE as f64 * 0.004;
const THERE: f64 = RATE as f64 * 0.0005;
/// Change of speed: 0.2 %, 3.5 cents.
const SPEED: f64 = 0.002;
/// Most that waits: the longest delay and a burst.
const MOST: usize = RATE * 3;

/// See the module.
#[derive(Debug, Default)]
pub struct LiveVoice {
    samples: VecDeque<[f32; CHANNELS]>,
    /// Line time of the next sample, in samples of the line.
    head: i64,
    phase: f64,
    speed: f64,
}

impl LiveVoice {
    /// Decoded sound that begins at `at` on the line.
    pub fn push(&mut self, at: Nanos, samples: &[f32]) {
        let at = frames(at);
        if self.samples.is_empty() {
            self.head = at;
        }
        let end = self.head + self.samples.len() as i64;
        let hole = at - end;
        let mut skip = 0;
        if hole > BREAK {
            if hole > MOST as i64 {
                self.samples.clear();
                self.head = at;
            } else {
                self.samples
                    .extend(std::iter::repeat_n([0.0; CHANNELS], hole as usize));
            }
        } else if hole < -BREAK {
            skip = (-hole) as usize;
        }
        let (pairs, _) = samples.as_chunks::<CHANNELS>();
        self.samples.extend(pairs.iter().skip(skip));
        let surplus = self.samples.len().saturating_sub(MOST);
        self.drop_front(surplus);
    }

    /// The next samples, of which the first is to be heard at line time `at`. Silence where there is nothing.
    pub fn pull(&mut self, at: Nanos, out: &mut [f32]) {
        out.fill(0.0);
        let wanted = frames(at);
        let off = (wanted - self.head) as f64 - self.phase;
        if off > BREAK as f64 {
            // Too late for these.
            let late = (wanted - self.head).max(0) as usize;
            self.drop_front(late.min(self.samples.len()));
            self.phase = 0.0;
        }
        let mut start = 0;
        let count = out.len() / CHANNELS;
        if off < -(BREAK as f64) || (off < 0.0 && self.speed == 0.0) {
            // Not yet time for these.
            start = ((-off) as usize).min(count);
        }
        if start == count || self.samples.len() < 2 {
            // Begins on its very sample.
            self.speed = 0.0;
            return;
        }
        self.steer((wanted - self.head) as f64 - self.phase + start as f64);
        for frame in out.chunks_exact_mut(CHANNELS).skip(start) {
            let (Some(a), Some(b)) = (self.samples.front(), self.samples.get(1)) else {
                break;
            };
            let share = self.phase as f32;
            for (channel, value) in frame.iter_mut().enumerate() {
                *value = a[channel] + (b[channel] - a[channel]) * share;
            }
            self.phase += self.speed;
            while self.phase >= 1.0 && !self.samples.is_empty() {
                self.phase -= 1.0;
                self.drop_front(1);
            }
        }
    }

    fn steer(&mut self, off: f64) {
        if self.speed == 0.0 {
            self.speed = 1.0;
        }
        if off.abs() > CLOSE {
            self.speed = 1.0 + SPEED * off.signum();
        } else if off.abs() < THERE || (self.speed > 1.0) != (off > 0.0) {
            self.speed = 1.0;
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.samples.drain(..count);
        self.head += count as i64;
    }
}

fn frames(at: Nanos) -> i64 {
    (i128::from(at) * RATE as i128 / i128::from(SECOND)) as i64
}

#[cfg(test)]
mod tests {
    use booth_stream::MILLISECOND;

    use super::*;

    fn ramp(from: usize, count: usize) -> Vec<f32> {
        (from..from + count)
            .flat_map(|n| [n as f32; CHANNELS])
            .collect()
    }

    #[test]
    fn sound_is_heard_at_its_time_and_not_a_sample_off() {
        let mut voice = LiveVoice::default();
        for n in 0..10 {
            voice.push(n as Nanos * 10 * MILLISECOND, &ramp(n * 480, 480));
        }
        let mut out = vec![0.0; 480 * CHANNELS];
        voice.pull(0, &mut out);
        assert_eq!(out, ramp(0, 480));
        voice.pull(10 * MILLISECOND, &mut out);
        assert_eq!(out, ramp(480, 480));
    }

    #[test]
    fn sound_whose_time_has_not_come_waits() {
        let mut voice = LiveVoice::default();
        voice.push(5 * MILLISECOND, &ramp(1, 4800));
        let mut out = vec![9.0; 480 * CHANNELS];
        voice.pull(0, &mut out);
        assert_eq!(out[..240 * CHANNELS], vec![0.0; 240 * CHANNELS]);
        assert_eq!(out[240 * CHANNELS], 1.0);
    }

    #[test]
    fn sound_that_is_there_long_before_its_time_is_not_a_block_early() {
        let mut voice = LiveVoice::default();
        voice.push(400 * MILLISECOND, &ramp(1, 48_000));
        let mut out = vec![0.0; 480 * CHANNELS];
        for n in 0..40 {
            voice.pull(n * 10 * MILLISECOND, &mut out);
            assert_eq!(out, vec![0.0; 480 * CHANNELS], "block {n}");
        }
        voice.pull(400 * MILLISECOND, &mut out);
        assert_eq!(out, ramp(1, 480));
    }

    #[test]
    fn a_line_that_moves_is_followed_without_a_step() {
        let mut voice = LiveVoice::default();
        voice.push(0, &ramp(0, 120_000));
        let (mut out, mut last) = (vec![0.0; 480 * CHANNELS], -1.0);
        for n in 0..200i64 {
            // From the second on, everything is due 10 ms later than before.
            let moved = if n > 0 { 10 * MILLISECOND } else { 0 };
            voice.pull(n * 10 * MILLISECOND - moved, &mut out);
            for frame in out.chunks(CHANNELS) {
                let step = frame[0] - last;
                assert!(
                    (0.99..1.01).contains(&step),
                    "a step of {step} in block {n}"
                );
                last = frame[0];
            }
        }
        // The last block is heard where it belongs.
        assert!(
            (last - (1990.0 * 48.0)).abs() < 0.005 * 48_000.0 + 480.0,
            "{last}"
        );
    }

    #[test]
    fn late_sound_is_left_out_and_a_hole_is_silent() {
        let mut voice = LiveVoice::default();
        voice.push(0, &ramp(0, 480));
        let mut out = vec![1.0; 480 * CHANNELS];
        voice.pull(SECOND, &mut out);
        assert_eq!(out, vec![0.0; 480 * CHANNELS]);
        voice.push(SECOND + 10 * MILLISECOND, &ramp(7, 480));
        voice.pull(SECOND + 10 * MILLISECOND, &mut out);
        assert_eq!(out[0], 7.0);
    }
}
