//! What is shown and heard while nobody is on air.

use booth_mix::CHANNELS;

use crate::input::FileInput;
use crate::pacer::BLOCK_FRAMES;
use crate::pattern::Pattern;
use crate::picture::{Format, Frame};

/// The idle source as the pacer holds it.
#[derive(Debug, Default)]
pub enum Idle {
    /// Black and silence.
    #[default]
    Black,
    /// One picture for ever.
    Still(Frame),
    /// Bars and a tone.
    Pattern(Box<Pattern>),
    /// A file without end; its sound is pushed into the pacer's voice for it.
    File {
        /// The decoder.
        input: FileInput,
        /// The last picture decoded.
        last: Option<Frame>,
    },
}

impl Idle {
    /// The picture of output frame `n`; absent means black.
    pub fn picture(&mut self, format: &Format, n: u64) -> Option<Frame> {
        match self {
            Self::Black => None,
            Self::Still(frame) => Some(frame.clone()),
            Self::Pattern(pattern) => pattern.picture(format, n),
            Self::File { last, .. } => last.clone(),
        }
    }

    /// The next block of sound, if it is made here.
    pub fn sound(&mut self) -> Option<[f32; BLOCK_FRAMES * CHANNELS]> {
        match self {
            Self::Pattern(pattern) => Some(pattern.sound()),
            Self::Black | Self::Still(_) | Self::File { .. } => None,
        }
    }

    /// Whether what was decoded under `token` belongs to this source.
    #[must_use]
    pub fn is(&self, token: u64) -> bool {
        matches!(self, Self::File { input, .. } if input.token() == token)
    }

    /// Takes a decoded picture.
    pub fn show(&mut self, token: u64, frame: Frame) {
        if let Self::File { input, last } = self
            && input.token() == token
        {
            *last = Some(frame);
        }
    }

    /// Runs a file while it is needed and lets it rest while a caller covers it.
    pub fn run(&mut self, needed: bool) {
        if let Self::File { input, .. } = self {
            input.run(needed);
        }
    }
}
