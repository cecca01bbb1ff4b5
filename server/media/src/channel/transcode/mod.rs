//! Transcode mode: everything is decoded and encoded anew in the channel's format, so that sources change at any frame,
//! or fade, and nothing that the live input does reaches the output's format or clock.
//!
//! ```text
//!  live ─▶ Timeline ─▶ Decoder ─┬▶ Look ─▶ LiveMonitor ─ want ─┐
//!                               └──────▶ Mixer ◀───────────────┘ ─▶ Encoder ─▶ Out::Media
//!  loop files ─▶ Reel (decoded while needed) ─▲
//! ```
//!
//! [`Transcode`] runs in the channel's loop and never waits; decoders, mixer and encoder have threads of their own, and
//! wake it.

mod decoder;
mod encoder;
mod live;
mod look;
mod mixer;
mod program;
mod reel;
mod sources;
mod timeline;
mod voice;

pub use program::Transcode;

#[cfg(test)]
mod tests;
