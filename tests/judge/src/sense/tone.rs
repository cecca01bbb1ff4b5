//! The tones of synthetic callers: 400 Hz + 50 Hz × id, by Goertzel's filter over 40 ms. On that grid and with that
//! window the tones are orthogonal, so that several can be told apart at once.

/// Ids on the grid.
pub const IDS: u8 = 64;
/// Window of one look at the grid.
pub const WINDOW_MS: usize = 40;

/// The tone of a caller.
pub fn frequency(id: u8) -> f64 {
    400.0 + 50.0 * f64::from(id)
}

/// The amplitude (1.0 is full scale) of one frequency in `samples`.
pub fn amplitude(samples: &[f32], rate: u32, frequency: f64) -> f64 {
    if samples.is_empty() || frequency * 2.0 >= f64::from(rate) {
        return 0.0;
    }
    let omega = std::f64::consts::TAU * frequency / f64::from(rate);
    let coefficient = 2.0 * omega.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// The amplitude of every id's tone.
pub fn grid(samples: &[f32], rate: u32) -> Vec<f64> {
    (0..IDS)
        .map(|id| amplitude(samples, rate, frequency(id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64, level: f64) -> Vec<f32> {
        let count = rate as usize * WINDOW_MS / 1000;
        (0..count)
            .map(|i| {
                (level
                    * (std::f64::consts::TAU * frequency * i as f64 / f64::from(rate) + 0.7).sin())
                    as f32
            })
            .collect()
    }

    #[test]
    fn each_tone_is_found_at_its_level_and_its_neighbours_are_not() {
        for rate in [48_000, 44_100] {
            for id in 0..IDS {
                let levels = grid(&tone(rate, frequency(id), 0.1), rate);
                assert!((levels[usize::from(id)] - 0.1).abs() < 0.001);
                let others = (0..64)
                    .filter(|&o| o != usize::from(id))
                    .map(|o| levels[o])
                    .fold(0.0, f64::max);
                assert!(others < 0.001, "id {id} leaks {others}");
            }
        }
    }
}
