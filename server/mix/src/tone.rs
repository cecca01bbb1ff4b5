//! A sine whose phase goes on from block to block.

use std::f64::consts::TAU;

use crate::{CHANNELS, RATE};

/// A sine oscillator, the same on both channels.
#[derive(Debug, Clone)]
pub struct Tone {
    step: f64,
    phase: f64,
}

impl Tone {
    /// A sine of `hz`, beginning at a rising zero.
    #[must_use]
    pub fn new(hz: f64) -> Self {
        Self {
            step: hz / RATE as f64,
            phase: 0.0,
        }
    }

    /// Overwrites `block` with the next samples at `amplitude`.
    pub fn fill(&mut self, block: &mut [f32], amplitude: f32) {
        for frame in block.chunks_exact_mut(CHANNELS) {
            frame.fill((self.phase * TAU).sin() as f32 * amplitude);
            self.phase = (self.phase + self.step).fract();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_join_without_a_seam() {
        let mut whole = [0.0; 1920];
        Tone::new(997.0).fill(&mut whole, 0.1);
        let mut tone = Tone::new(997.0);
        let mut parts = [0.0; 1920];
        let (first, second) = parts.split_at_mut(700);
        tone.fill(first, 0.1);
        tone.fill(second, 0.1);
        assert_eq!(whole, parts);
    }
}
