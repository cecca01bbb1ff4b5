//! One decoded picture, looked at.

use super::code;
use crate::options::Options;

/// Size of the luma pictures that are looked at: enough to read the code strip.
pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 180;
/// Blocks of 20 × 20 pixels, compared one by one so that a small movement is seen in a still picture.
const BLOCK: usize = 20;

/// What one picture tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    pub mean_luma: f64,
    pub black: bool,
    /// Nothing moved since the first picture of this standing.
    pub still: bool,
    /// The band on top is all white, or all black, or neither.
    pub band: Option<bool>,
    /// Id and counter.
    pub code: Option<(u8, u16)>,
}

/// Looks at pictures one after the other.
#[derive(Debug)]
pub struct Looker {
    reference: Vec<u8>,
    noise: u32,
    black_luma: u8,
}

impl Looker {
    pub fn new(options: &Options) -> Self {
        let area = (BLOCK * BLOCK) as f64;
        Self {
            reference: Vec::new(),
            noise: (options.frozen_noise.max(0.0) * area) as u32,
            black_luma: options.black_luma,
        }
    }

    /// `luma` has [`WIDTH`] × [`HEIGHT`] bytes.
    pub fn look(&mut self, luma: &[u8]) -> Look {
        let total = luma.len().max(1);
        let sum: u64 = luma.iter().map(|&p| u64::from(p)).sum();
        let dark = luma.iter().filter(|&&p| p < self.black_luma).count();
        let still = self.is_still(luma);
        if !still {
            self.reference.clear();
            self.reference.extend_from_slice(luma);
        }
        Look {
            mean_luma: sum as f64 / total as f64,
            black: dark * 1000 >= total * 998,
            still,
            band: band(luma),
            code: code::read(luma, WIDTH, HEIGHT),
        }
    }

    fn is_still(&self, luma: &[u8]) -> bool {
        if self.reference.len() != luma.len() {
            return false;
        }
        let across = WIDTH / BLOCK;
        for (rows, old_rows) in luma
            .chunks(WIDTH * BLOCK)
            .zip(self.reference.chunks(WIDTH * BLOCK))
        {
            let mut differences = [0u32; WIDTH / BLOCK];
            for (row, old) in rows.chunks(WIDTH).zip(old_rows.chunks(WIDTH)) {
                let blocks = row.chunks(BLOCK).zip(old.chunks(BLOCK));
                for (difference, (new, old)) in differences.iter_mut().zip(blocks) {
                    *difference += new
                        .iter()
                        .zip(old)
                        .map(|(&a, &b)| u32::from(a.abs_diff(b)))
                        .sum::<u32>();
                }
            }
            if differences.iter().take(across).any(|&d| d > self.noise) {
                return false;
            }
        }
        true
    }
}

/// The flash band is the top 15 % of the picture; its lower edge is left out.
fn band(luma: &[u8]) -> Option<bool> {
    let part = luma.get(WIDTH..WIDTH * (HEIGHT * 13 / 100))?;
    let bright = part.iter().filter(|&&p| p > 160).count();
    let dark = part.iter().filter(|&&p| p < 80).count();
    if bright * 100 >= part.len() * 95 {
        Some(true)
    } else if dark * 100 >= part.len() * 95 {
        Some(false)
    } else {
        None
    }
}
