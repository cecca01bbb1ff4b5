//! Gains that never click: every change is a ramp over a whole block.

use std::f32::consts::FRAC_PI_2;

use crate::CHANNELS;

/// Gain of the incoming side of a crossfade at `progress` (0 to 1); its power and the outgoing side's add up to one.
#[must_use]
pub fn equal_power_in(progress: f32) -> f32 {
    (progress.clamp(0.0, 1.0) * FRAC_PI_2).sin()
}

/// Gain of the outgoing side of a crossfade at `progress` (0 to 1).
#[must_use]
pub fn equal_power_out(progress: f32) -> f32 {
    (progress.clamp(0.0, 1.0) * FRAC_PI_2).cos()
}

/// The gain of one source, which moves linearly within a block to where it should be at its end.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gain {
    now: f32,
}

impl Gain {
    /// A gain that starts at `level` without a ramp.
    #[must_use]
    pub fn at(level: f32) -> Self {
        Self { now: level }
    }

    /// The gain after the last block.
    #[must_use]
    pub fn now(self) -> f32 {
        self.now
    }

    /// Adds `block` to `out`, from the present gain to `target` at its last frame.
    pub fn mix_into(&mut self, out: &mut [f32], block: &[f32], target: f32) {
        let frames = (block.len().min(out.len())) / CHANNELS;
        if frames == 0 {
            return;
        }
        if self.now == 0.0 && target == 0.0 {
            return;
        }
        let step = (target - self.now) / frames as f32;
        let start = self.now;
        for (index, (into, from)) in out
            .chunks_exact_mut(CHANNELS)
            .zip(block.chunks_exact(CHANNELS))
            .enumerate()
        {
            let gain = start + step * (index + 1) as f32;
            into[0] += from[0] * gain;
            into[1] += from[1] * gain;
        }
        self.now = target;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ramp_reaches_its_target_with_the_last_frame() {
        let mut gain = Gain::at(0.0);
        let mut out = [0.0; 960];
        gain.mix_into(&mut out, &[1.0; 960], 1.0);
        assert_eq!(gain.now(), 1.0);
        assert!((out[958] - 1.0).abs() < 1e-6);
        assert!(out[0] > 0.0 && out[0] < 0.01);
    }

    #[test]
    fn a_silent_source_adds_nothing() {
        let mut out = [0.25; 8];
        Gain::default().mix_into(&mut out, &[1.0; 8], 0.0);
        assert_eq!(out, [0.25; 8]);
    }

    proptest! {
        #[test]
        fn both_sides_of_a_crossfade_keep_the_power(progress in 0.0f32..=1.0) {
            let power = equal_power_in(progress).powi(2) + equal_power_out(progress).powi(2);
            prop_assert!((power - 1.0).abs() < 1e-5);
        }

        #[test]
        fn no_step_between_two_frames_is_larger_than_the_ramp(
            targets in proptest::collection::vec(0.0f32..=1.0, 1..20),
        ) {
            let mut gain = Gain::default();
            let mut last = 0.0f32;
            for target in targets {
                let mut out = [0.0f32; 960];
                gain.mix_into(&mut out, &[1.0; 960], target);
                for frame in out.chunks_exact(2) {
                    prop_assert!((frame[0] - last).abs() <= 1.0 / 480.0 + 1e-5);
                    last = frame[0];
                }
            }
        }
    }
}
