//! What should be on air. Decided by the frames that arrive, never by the state of a connection; time comes in as an
//! argument, and `due` says when time alone will change something. Used by [`crate::Playout`] and by transcoding
//! channels.
//!
//! ```text
//!            begin                 no gap for `stable`
//!  Absent ─────────▶ Settling ───────────────────────▶ Stable
//!    ▲                │   ▲                             │
//!    │ end            │   │ frames again, verdict lifted│ no frame for `lost`, verdict
//!    └── (any state)  ▼   │                             ▼
//!                     Lost ◀───────────────────────────── (a loss soon after the return doubles what is needed)
//! ```

use crate::{MILLISECOND, Nanos, SECOND};

/// What an operator insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    #[default]
    Auto,
    /// Live from its first key frame, stable or not; the backup only while no frame comes.
    Live,
    Backup,
}

/// Where the backup goes on when it comes to air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackupStart {
    Beginning,
    /// Where it left the air.
    Resume,
    /// Where it would be had it played all the time.
    #[default]
    Running,
}

/// When sources change. `lost` less than `delay` makes a switch that nobody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Live has to come without a gap for this long to be taken.
    pub stable: Nanos,
    /// No video frame for this long: lost.
    pub lost: Nanos,
    /// How far the output is behind the live input.
    pub delay: Nanos,
    /// Losses soon after a return double `stable` up to this.
    pub stable_max: Nanos,
    /// A picture that stands still, is black, or sound that is silent for this long counts as lost; 0 for never.
    pub frozen: Nanos,
    pub black: Nanos,
    pub silent: Nanos,
    pub backup_start: BackupStart,
    pub force: Force,
    /// Take live input of another codec than the loops', with 4:2:2 or 4:4:4 chroma or 10 bits, too.
    pub any_format: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            stable: 5 * SECOND,
            lost: 300 * MILLISECOND,
            delay: 600 * MILLISECOND,
            stable_max: 60 * SECOND,
            frozen: 0,
            black: 0,
            silent: 0,
            backup_start: BackupStart::default(),
            force: Force::default(),
            any_format: false,
        }
    }
}

/// What the output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Showing {
    Live,
    Backup,
    Slate,
}

/// Why the output shows something else now, or why live is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    Started,
    LiveStable,
    LiveEnded,
    LiveStalled,
    LiveFrozen,
    LiveBlack,
    LiveSilent,
    LiveUnusable,
    Forced,
    BackupChanged,
}

/// The live input as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Nobody publishes.
    Absent,
    /// Frames come without a gap since then.
    Settling { since: Nanos },
    Stable,
    /// There is a publisher, but nothing that could be shown.
    Lost { cause: Cause },
}

/// How a publisher ended. For a live input every end means only that it is not there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// It said goodbye.
    Closed,
    /// Its connection broke, or it was hung up on.
    Broken,
}

/// What samplers of decoded pictures and sound see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Frozen(bool),
    Black(bool),
    Silent(bool),
}

/// What there is besides live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Available {
    pub backup: bool,
    pub slate: bool,
}
