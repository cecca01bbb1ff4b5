//! Looks at the live pictures and listens to the sound: stands it still, is it black, is it silent? Pure but for pixels.

use booth_stream::{MILLISECOND, Nanos};

use crate::channel::program::Verdict;
use crate::picture::{Format, Frame};

/// Between two looks.
const EVERY: Nanos = 100 * MILLISECOND;
/// The picture is looked at on a grid of this many points.
const COLUMNS: usize = 64;
const ROWS: usize = 36;
/// A picture of which the points differ by less than this on average is the same: what an encoder makes of a still.
const STILL: f32 = 0.35;
/// Luma (16 is black): mean and brightest point.
const BLACK_MEAN: f32 = 20.0;
const BLACK_POINT: u8 = 40;
/// −60 dBFS as mean square.
const SILENT: f32 = 1e-6;

/// See the module.
#[derive(Debug, Default)]
pub struct Look {
    seen_at: Option<Nanos>,
    points: Vec<u8>,
    verdict: Verdict,
    square: f64,
    samples: u64,
}

impl Look {
    /// A decoded picture; gives the verdict if it is another one.
    pub fn picture(&mut self, at: Nanos, format: &Format, frame: &Frame) -> Option<Verdict> {
        if self
            .seen_at
            .is_some_and(|seen| (0..EVERY).contains(&(at - seen)))
        {
            return None;
        }
        let points = format.read(frame, |[(luma, stride), _, _]| {
            points(luma, stride, format.width(), format.height())
        })?;
        let mut verdict = self.verdict;
        verdict.black = is_black(&points);
        verdict.frozen = self.seen_at.is_some() && difference(&points, &self.points) < STILL;
        self.seen_at = Some(at);
        self.points = points;
        self.change(verdict)
    }

    /// Decoded sound.
    pub fn sound(&mut self, samples: &[f32]) -> Option<Verdict> {
        self.square += samples
            .iter()
            .map(|sample| f64::from(sample * sample))
            .sum::<f64>();
        self.samples += samples.len() as u64;
        // A tenth of a second of both channels.
        if self.samples < 9_600 {
            return None;
        }
        let mean = (self.square / self.samples as f64) as f32;
        (self.square, self.samples) = (0.0, 0);
        self.change(Verdict {
            silent: mean < SILENT,
            ..self.verdict
        })
    }

    fn change(&mut self, verdict: Verdict) -> Option<Verdict> {
        let news = verdict != self.verdict;
        self.verdict = verdict;
        news.then_some(verdict)
    }
}

fn points(luma: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    let place = |n: usize, of: usize, length: usize| (2 * n + 1) * length / (2 * of);
    (0..ROWS)
        .flat_map(|row| {
            let line = place(row, ROWS, height) * stride;
            (0..COLUMNS).map(move |column| line + place(column, COLUMNS, width))
        })
        .map(|at| luma.get(at).copied().unwrap_or(0))
        .collect()
}

fn difference(a: &[u8], b: &[u8]) -> f32 {
    let sum: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    sum as f32 / a.len().max(1) as f32
}

fn is_black(points: &[u8]) -> bool {
    let sum: u32 = points.iter().map(|point| u32::from(*point)).sum();
    let mean = sum as f32 / points.len().max(1) as f32;
    mean < BLACK_MEAN && points.iter().all(|point| *point < BLACK_POINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format() -> Format {
        gst::init().unwrap();
        Format::new(320, 180, 30).unwrap()
    }

    fn noise(format: &Format, seed: u32, middle: u8, spread: u32) -> Frame {
        let mut state = seed;
        format
            .draw(|_, _, pixels| {
                for pixel in pixels {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *pixel = middle + ((state >> 16) % spread.max(1)) as u8;
                }
            })
            .unwrap()
    }

    #[test]
    fn the_same_picture_again_is_frozen_and_noise_is_not() {
        let format = format();
        let mut look = Look::default();
        let still = noise(&format, 1, 60, 100);
        assert_eq!(look.picture(0, &format, &still), None);
        let verdict = look.picture(200 * MILLISECOND, &format, &still).unwrap();
        assert!(verdict.frozen && !verdict.black);
        // A camera's noise: a few levels.
        let verdict = look.picture(400 * MILLISECOND, &format, &noise(&format, 2, 60, 4));
        assert!(!verdict.unwrap().frozen);
        assert_eq!(
            look.picture(600 * MILLISECOND, &format, &noise(&format, 3, 60, 4)),
            None
        );
    }

    #[test]
    fn black_is_black_and_a_dark_picture_with_a_light_is_not() {
        let format = format();
        let mut look = Look::default();
        let verdict = look
            .picture(0, &format, &format.plain([16, 128, 128]).unwrap())
            .unwrap();
        assert!(verdict.black);
        let night = format
            .draw(|plane, row, pixels| pixels.fill(if plane == 0 && row > 170 { 90 } else { 17 }))
            .unwrap();
        let verdict = look.picture(SECOND, &format, &night).unwrap();
        assert!(!verdict.black);
    }

    #[test]
    fn silence_is_below_sixty_decibels() {
        let mut look = Look::default();
        let verdict = look.sound(&vec![0.0005; 9600]).unwrap();
        assert!(verdict.silent);
        assert!(!look.sound(&vec![0.002; 9600]).unwrap().silent);
    }

    const SECOND: Nanos = booth_stream::SECOND;
}
