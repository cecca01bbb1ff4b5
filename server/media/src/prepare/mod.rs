//! Brings a backup and a slate to a channel's format, once.
//!
//! ```text
//!  files ─▶ probe ─▶ plan ─┬▶ copy: demux ────────────────────────┐
//!                          └▶ decode ─▶ grid (exact times) ─▶ encode ┴▶ weave ─▶ loop file
//! ```
//!
//! A loop plays without a seam: its pictures are at exactly 1/fps, and its sound is exactly as long as they are.

mod check;
mod config;
mod copy;
mod decode;
mod demux;
mod encode;
mod error;
mod grid;
mod job;
mod plan;
mod probe;
mod weave;
mod work;

pub use check::{CheckError, CheckFormat, Checked, CheckedFile, prepare_check};
pub(crate) use grid::{SoundGrid, sample_of, time_of};
#[cfg(test)]
pub(crate) use weave::Weave;
pub use work::run;
