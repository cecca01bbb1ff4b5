//! The playout buffer of one live source: bursts with jitter in, blocks on the output's clock out.
//!
//! ```text
//!   push (20 ms packets, jittered, another clock) ──▶ [ queue ] ──▶ resample ±0.5 % ──▶ pull (10 ms, exact)
//!
//!   Filling ──queue ≥ target──▶ Playing ──queue ran dry: fade out, margin grows──▶ Filling
//! ```
//!
//! What is steered is the smallest fill seen right after a pull, over windows of a second: that is the part of the
//! queue that only costs latency. Above the margin the source is played a little faster, below it a little slower;
//! far above it the surplus is cut out under a crossfade. The margin grows with each underrun and shrinks slowly.

use std::collections::VecDeque;

use crate::{CHANNELS, RATE};

const fn ms(value: usize) -> usize {
    value * RATE / 1000
}

/// Ramp at the edges of sound: no clicks.
const RAMP: usize = ms(5);
/// Smallest and largest margin kept under the smallest fill.
const MARGIN_MIN: f64 = ms(6) as f64;
const MARGIN_MAX: f64 = ms(120) as f64;
/// What an underrun adds to the margin, and what a second without one takes off.
const MARGIN_GROWTH: f64 = ms(10) as f64;
const MARGIN_DECAY_PER_WINDOW: f64 = 48.0;
/// Past this over the margin the surplus is cut instead of played faster.
const SURPLUS_CUT: f64 = ms(60) as f64;
/// The fill is looked at over this many output frames.
const WINDOW: usize = RATE;
/// Largest change of speed: 0.5 % (8 cents) is not heard.
const SPEED_MAX: f64 = 0.005;
/// The fill is corrected over about this many seconds.
const CORRECTION_SECONDS: f64 = 4.0;
/// How much of each correction is taken as the two clocks' lasting difference, and how little of it is ignored.
const DRIFT_LEARNING: f64 = 0.25;
const DRIFT_IGNORED: f64 = 2e-5;
/// A packet's worth of sound that arrives at once (Opus in WebRTC: 20 ms).
const BURST: f64 = ms(20) as f64;
/// Upper bound of the queue: 1 s; a sender that bursts more loses its oldest sound.
const QUEUE_MAX: usize = RATE;

/// What a pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// Sound of the source, perhaps ramped at its edges.
    Sound,
    /// Nothing but silence.
    Silence,
}

/// A playout buffer. See the module.
#[derive(Debug)]
pub struct Playout {
    queue: VecDeque<[f32; CHANNELS]>,
    /// Position of the next output frame after the front of the queue, 0 to 1.
    phase: f64,
    /// Last frame before the queue's front, for the interpolation.
    before: [f32; CHANNELS],
    playing: bool,
    /// Frames left of the fade in.
    fade_in: usize,
    margin: f64,
    speed: f64,
    /// What is known of the source's clock against the output's.
    drift: f64,
    window_left: usize,
    window_min: f64,
    /// Difference that a cut left between what was played and what follows; faded out over [`RAMP`].
    seam: [f32; CHANNELS],
    seam_left: usize,
    last_out: [f32; CHANNELS],
    underruns: u64,
}

impl Default for Playout {
    fn default() -> Self {
        Self::new()
    }
}

impl Playout {
    /// An empty buffer with the smallest margin.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queue: VecDeque::with_capacity(QUEUE_MAX),
            phase: 0.0,
            before: [0.0; CHANNELS],
            playing: false,
            fade_in: 0,
            margin: MARGIN_MIN,
            speed: 0.0,
            drift: 0.0,
            window_left: WINDOW,
            window_min: f64::INFINITY,
            seam: [0.0; CHANNELS],
            seam_left: 0,
            last_out: [0.0; CHANNELS],
            underruns: 0,
        }
    }

    /// Takes in what was decoded.
    pub fn push(&mut self, samples: &[f32]) {
        self.queue.extend(
            samples
                .chunks_exact(CHANNELS)
                .map(|frame| [frame[0], frame[1]]),
        );
        if self.queue.len() > QUEUE_MAX {
            let surplus = self.queue.len() - QUEUE_MAX;
            self.cut(surplus);
        }
    }

    /// Fills `out` with the next block.
    pub fn pull(&mut self, out: &mut [f32]) -> Pulled {
        let frames = out.len() / CHANNELS;
        if !self.playing {
            if (self.queue.len() as f64) < self.margin + BURST.max(frames as f64) {
                out.fill(0.0);
                self.last_out = [0.0; CHANNELS];
                return Pulled::Silence;
            }
            self.start();
        }
        // Frames of the queue that this block uses up, and one more pair to interpolate with.
        let needed = (self.phase + frames as f64 * (1.0 + self.speed)).ceil() as usize + 2;
        if self.queue.len() < needed {
            return self.run_dry(out);
        }
        self.resample(out);
        self.shape(out);
        self.steer(frames);
        Pulled::Sound
    }

    /// Frames that wait to be played.
    #[must_use]
    pub fn fill(&self) -> usize {
        self.queue.len()
    }

    /// What the buffer adds to the way of the sound right now, in seconds.
    #[must_use]
    pub fn delay_s(&self) -> f64 {
        self.queue.len() as f64 / RATE as f64
    }

    /// Whether sound is coming out, rather than being gathered.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// How often it ran dry since it was made.
    #[must_use]
    pub fn underruns(&self) -> u64 {
        self.underruns
    }

    /// Forgets everything that waits: the next sound starts afresh.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.playing = false;
    }

    fn start(&mut self) {
        // A source that waited long (or came in a burst) starts at its target, not with old sound.
        let target = (self.margin + BURST) as usize;
        if self.queue.len() > target + ms(10) {
            let surplus = self.queue.len() - target;
            self.queue.drain(..surplus);
        }
        self.playing = true;
        self.phase = 0.0;
        self.before = self.queue.front().copied().unwrap_or_default();
        self.fade_in = RAMP;
        self.seam_left = 0;
        self.speed = self.drift;
        self.open_window();
    }

    fn open_window(&mut self) {
        self.window_left = WINDOW;
        self.window_min = f64::INFINITY;
    }

    /// Too little for a whole block: what is there is played out under a ramp, then silence.
    fn run_dry(&mut self, out: &mut [f32]) -> Pulled {
        self.underruns += 1;
        self.margin = (self.margin + MARGIN_GROWTH).min(MARGIN_MAX);
        let frames = out.len() / CHANNELS;
        let tail = self.queue.len().saturating_sub(3).min(frames);
        let before = self.last_out;
        let (sound, silence) = out.split_at_mut(tail * CHANNELS);
        // Within a tail this short the drift does not matter, and the copy cannot overrun it.
        self.speed = 0.0;
        self.resample(sound);
        self.shape(sound);
        let ramp = tail.min(RAMP);
        for (index, frame) in sound
            .chunks_exact_mut(CHANNELS)
            .skip(tail - ramp)
            .enumerate()
        {
            let gain = 1.0 - (index + 1) as f32 / ramp as f32;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        silence.fill(0.0);
        if tail < RAMP {
            // Too short to ramp down in: the step from what was last heard is spread over the block.
            let (from, length) = (before, RAMP.min(frames));
            for (index, frame) in out.chunks_exact_mut(CHANNELS).take(length).enumerate() {
                let gain = 1.0 - (index + 1) as f32 / length as f32;
                for (sample, from) in frame.iter_mut().zip(from) {
                    *sample = from * gain;
                }
            }
        }
        self.playing = false;
        self.last_out = [0.0; CHANNELS];
        Pulled::Sound
    }

    /// Hermite interpolation along the queue; with speed and phase zero a plain copy.
    fn resample(&mut self, out: &mut [f32]) {
        let step = 1.0 + self.speed;
        for frame in out.chunks_exact_mut(CHANNELS) {
            let (Some(&here), Some(&next)) = (self.queue.front(), self.queue.get(1)) else {
                frame.fill(0.0);
                continue;
            };
            let after = self.queue.get(2).copied().unwrap_or(next);
            let t = self.phase as f32;
            for channel in 0..CHANNELS {
                frame[channel] = hermite(
                    self.before[channel],
                    here[channel],
                    next[channel],
                    after[channel],
                    t,
                );
            }
            self.phase += step;
            while self.phase >= 1.0 {
                self.phase -= 1.0;
                if let Some(passed) = self.queue.pop_front() {
                    self.before = passed;
                }
            }
        }
    }

    /// Fades in after a start, and hides the seam of a cut.
    fn shape(&mut self, out: &mut [f32]) {
        for frame in out.chunks_exact_mut(CHANNELS) {
            if self.fade_in > 0 {
                let gain = 1.0 - self.fade_in as f32 / RAMP as f32;
                frame.iter_mut().for_each(|sample| *sample *= gain);
                self.fade_in -= 1;
            }
            if self.seam_left > 0 {
                let gain = self.seam_left as f32 / RAMP as f32;
                for (sample, seam) in frame.iter_mut().zip(self.seam) {
                    *sample += seam * gain;
                }
                self.seam_left -= 1;
            }
            self.last_out = [frame[0], frame[1]];
        }
    }

    fn steer(&mut self, frames: usize) {
        self.window_min = self.window_min.min(self.queue.len() as f64);
        self.window_left = self.window_left.saturating_sub(frames);
        if self.window_left > 0 {
            return;
        }
        let surplus = self.window_min - self.margin;
        if surplus > SURPLUS_CUT {
            self.cut(surplus as usize);
            self.speed = self.drift;
        } else {
            let wanted = surplus / (CORRECTION_SECONDS * RATE as f64);
            self.drift = (self.drift + wanted * DRIFT_LEARNING).clamp(-SPEED_MAX, SPEED_MAX);
            // Small errors are left alone: without drift the samples pass untouched.
            self.speed = if surplus.abs() < ms(3) as f64 && self.drift.abs() < DRIFT_IGNORED {
                0.0
            } else {
                (self.drift + wanted).clamp(-SPEED_MAX, SPEED_MAX)
            };
        }
        self.margin = (self.margin - MARGIN_DECAY_PER_WINDOW).max(MARGIN_MIN);
        self.open_window();
    }

    /// Removes the oldest `frames` and hides the seam.
    fn cut(&mut self, frames: usize) {
        let frames = frames.min(self.queue.len());
        self.queue.drain(..frames);
        if !self.playing {
            return;
        }
        let next = self.queue.front().copied().unwrap_or_default();
        self.seam = [self.last_out[0] - next[0], self.last_out[1] - next[1]];
        self.seam_left = RAMP;
        self.before = next;
    }
}

fn hermite(before: f32, here: f32, next: f32, after: f32, t: f32) -> f32 {
    if t == 0.0 {
        return here;
    }
    let slope = 0.5 * (next - before);
    let bend = before - 2.5 * here + 2.0 * next - 0.5 * after;
    let twist = 0.5 * (after - before) + 1.5 * (here - next);
    ((twist * t + bend) * t + slope) * t + here
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;
