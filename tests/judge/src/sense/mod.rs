//! What a viewer would see and hear: synthetic callers' codes and tones, flashes and beeps, standing, black, silence.
//!
//! The picture's code and the tones' grid are a contract with the generator of synthetic callers; see [`code`], [`tone`].

mod beep;
pub mod code;
mod ears;
mod eyes;
mod listen;
mod look;
mod skew;
pub mod tone;

use serde::Serialize;

pub use ears::Ears;
pub use eyes::Eyes;
pub use listen::{Heard, Listener, Window};
pub use look::{HEIGHT, Look, Looker, WIDTH};
pub use skew::pair_skew;

/// What the picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "showing", rename_all = "kebab-case")]
pub enum Showing {
    /// A synthetic caller, by the code strip.
    Caller {
        id: u8,
    },
    Black,
    /// Anything else.
    Other,
}

/// What the sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "hearing", rename_all = "kebab-case")]
pub enum Hearing {
    /// A synthetic caller, by the tone.
    Caller {
        id: u8,
    },
    Silence,
    /// Anything else.
    Other,
}
