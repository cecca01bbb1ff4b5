//! RMS and sample peak per channel.

use crate::CHANNELS;

/// What silence reads, so that a level is always a number.
pub const FLOOR_DBFS: f32 = -100.0;

/// A linear amplitude as dBFS, at least [`FLOOR_DBFS`].
#[must_use]
pub fn dbfs(amplitude: f32) -> f32 {
    if amplitude > 0.0 {
        (20.0 * amplitude.log10()).max(FLOOR_DBFS)
    } else {
        FLOOR_DBFS
    }
}

/// Levels of one measuring interval, left and right, in dBFS.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Root mean square: a full-scale sine reads −3.
    pub rms_dbfs: [f32; CHANNELS],
    /// Largest sample.
    pub peak_dbfs: [f32; CHANNELS],
}

/// Collects blocks until the levels are taken.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    sums: [f64; CHANNELS],
    peaks: [f32; CHANNELS],
    frames: usize,
}

impl Meter {
    /// Takes in a block.
    pub fn add(&mut self, block: &[f32]) {
        for frame in block.chunks_exact(CHANNELS) {
            for (channel, sample) in frame.iter().enumerate() {
                self.sums[channel] += f64::from(sample * sample);
                self.peaks[channel] = self.peaks[channel].max(sample.abs());
            }
        }
        self.frames += block.len() / CHANNELS;
    }

    /// Frames since the last [`Meter::take`].
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The levels since the last call; a new interval begins.
    pub fn take(&mut self) -> Levels {
        let frames = self.frames.max(1) as f64;
        let levels = Levels {
            rms_dbfs: self.sums.map(|sum| dbfs((sum / frames).sqrt() as f32)),
            peak_dbfs: self.peaks.map(dbfs),
        };
        *self = Self::default();
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    #[test]
    fn a_full_scale_sine_reads_zero_peak_and_minus_three_rms() {
        let mut meter = Meter::default();
        let mut block = [0.0; 96_000];
        Tone::new(1000.0).fill(&mut block, 1.0);
        meter.add(&block);
        let levels = meter.take();
        assert!(levels.peak_dbfs[0].abs() < 0.01, "{levels:?}");
        assert!((levels.rms_dbfs[1] + 3.01).abs() < 0.01, "{levels:?}");
    }

    #[test]
    fn silence_reads_the_floor_and_channels_are_kept_apart() {
        let mut meter = Meter::default();
        meter.add(&[0.5, 0.0, -0.5, 0.0]);
        let levels = meter.take();
        assert!((levels.peak_dbfs[0] + 6.02).abs() < 0.01);
        assert_eq!(levels.peak_dbfs[1], FLOOR_DBFS);
        assert_eq!(meter.take().rms_dbfs, [FLOOR_DBFS; 2]);
    }
}
