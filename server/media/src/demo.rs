//! Synthetic callers: a picture and a sound that a machine can read back, encoded once and sent in a loop.
//!
//! # The code in picture and sound
//!
//! Picture: 16:9, any size. Luma only matters (white 235, black 16). Positions are fractions of the picture.
//!
//! - **Code strip**: y 0.80 to 0.95, x 0 to 1, 24 equal cells, white = 1, black = 0. Left to right, most significant bit
//!   first: 4 cells sync `1010`, 6 cells id (0–63), 10 cells counter, 4 cells check.
//!   The counter is the picture's time on a 30 Hz grid modulo 1024, whatever the picture rate.
//!   `check = id_hi ^ id_lo ^ c2 ^ c1 ^ c0 ^ 5` with `id_hi = id >> 4`, `id_lo = id & 15`, `c2 = counter >> 8`,
//!   `c1 = (counter >> 4) & 15`, `c0 = counter & 15`.
//! - **Flash band**: y 0.00 to 0.15, full width: white while `counter % 60 < 3` (the first 100 ms of every 2 s), else black.
//! - **Middle**: the caller's number in large digits and a moving mark, on a colour of its own; 0.78 to 0.80 and 0.95 to
//!   1.00 are mid-grey.
//!
//! Sound: a sine of `400 + 50 × id` Hz at amplitude 0.1 (−20 dBFS), 0.5 (−6 dBFS) for the 100 ms of the flash. Flash and
//! beep begin at the same instant.
//!
//! A loop lasts a multiple of 2 s, so that flash, beep and the sine's phase go on over its seam; the counter starts anew.

mod draw;
mod encode;

use bytes::Bytes;

pub use draw::{Code, check_of, draw_frame};
pub use encode::encode_loop;

/// Which video codec the caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoCodec {
    /// VP8.
    Vp8,
    /// H.264 constrained baseline, access units in byte-stream form with parameter sets at each key frame.
    H264,
}

/// What a synthetic caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoProfile {
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// Video bit rate.
    pub video_kbps: u32,
    /// Video codec.
    pub codec: DemoCodec,
    /// Length of the loop; rounded up to an even number of seconds.
    pub seconds: u32,
}

impl Default for DemoProfile {
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            fps: 30,
            video_kbps: 600,
            codec: DemoCodec::Vp8,
            seconds: 4,
        }
    }
}

/// One encoded picture.
#[derive(Debug, Clone)]
pub struct EncodedFrame {
    /// A VP8 frame or an H.264 access unit.
    pub data: Bytes,
    /// Decodes without any other.
    pub key: bool,
    /// When it is shown, in 1/90000 s from the start of the loop.
    pub at_90k: u32,
}

/// One loop of a synthetic caller.
#[derive(Debug, Clone)]
pub struct EncodedLoop {
    /// Pictures in order; the first is a key frame, and one every second.
    pub video: Vec<EncodedFrame>,
    /// Opus packets of 20 ms (960 samples at 48 kHz), the first beginning with the first picture.
    pub audio: Vec<Bytes>,
    /// Length of the loop in 1/90000 s; add it to the times of the next round.
    pub length_90k: u32,
}
