//! Pure audio: gains, meters, tones and the playout buffer on interleaved stereo `f32` at 48 kHz.
//!
//! Nothing here reads a clock, allocates per sample or knows where sound comes from. Called by the media workers.

mod gain;
mod meter;
mod playout;
mod tone;

pub use gain::{Gain, equal_power_in, equal_power_out};
pub use meter::{FLOOR_DBFS, Levels, Meter, dbfs};
pub use playout::{Playout, Pulled};
pub use tone::Tone;

/// Samples per second of every block.
pub const RATE: usize = 48_000;
/// Channels of every block: left, right, left, right …
pub const CHANNELS: usize = 2;
