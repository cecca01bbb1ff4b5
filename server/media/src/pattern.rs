//! The test pattern: SMPTE bars, a mark that moves with every frame, and a tone at −20 dBFS.

use booth_mix::{CHANNELS, Tone};

use crate::pacer::BLOCK_FRAMES;
use crate::picture::{Format, Frame};

/// EBU R 68 / SMPTE RP 155 line-up: −20 dBFS, about 1 kHz.
const TONE_HZ: f64 = 1000.0;
const TONE_AMPLITUDE: f32 = 0.1;
/// 75 % bars, limited range (SMPTE EG 1, BT.601 figures): grey, yellow, cyan, green, magenta, red, blue.
const BARS: [[u8; 3]; 7] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
];
const DARK: [u8; 3] = [16, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];
/// The mark crosses the picture in this many frames.
const SWEEP_FRAMES: u64 = 120;

/// A running pattern.
#[derive(Debug)]
pub struct Pattern {
    tone: Tone,
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            tone: Tone::new(TONE_HZ),
        }
    }
}

impl Pattern {
    /// The picture of frame `n`.
    #[must_use]
    pub fn picture(&self, format: &Format, n: u64) -> Option<Frame> {
        let (width, height) = (format.width(), format.height());
        let swept = (n % SWEEP_FRAMES) as usize;
        format.draw(|plane, row, pixels| {
            let scale = if plane == 0 { 1 } else { 2 };
            let (row, columns) = (row * scale, pixels.len());
            if row * 4 < height * 3 {
                for (bar, colour) in BARS.iter().enumerate() {
                    let (from, to) = (bar * columns / 7, (bar + 1) * columns / 7);
                    pixels[from..to].fill(colour[plane]);
                }
                return;
            }
            // Below: a white mark on black, so that a live picture is told from a frozen one.
            pixels.fill(DARK[plane]);
            let mark = (width / 16).max(2) / scale;
            let from = swept * (columns - mark) / SWEEP_FRAMES as usize;
            pixels[from..from + mark].fill(WHITE[plane]);
        })
    }

    /// The next 10 ms of tone.
    pub fn sound(&mut self) -> [f32; BLOCK_FRAMES * CHANNELS] {
        let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
        self.tone.fill(&mut block, TONE_AMPLITUDE);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_differs_from_the_one_before() {
        gst::init().unwrap();
        let format = Format::new(320, 180, 30).unwrap();
        let pattern = Pattern::default();
        let bytes = |n| {
            let frame = pattern.picture(&format, n).unwrap();
            format.read(&frame, |planes| planes[0].0.to_vec()).unwrap()
        };
        assert_ne!(bytes(0), bytes(1));
        assert_eq!(bytes(0)[0], 180);
    }
}
