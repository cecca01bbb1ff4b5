//! What the console asks of the server, as data: it is logged, recorded and replayed.

use serde::{Deserialize, Serialize};

/// Resource names are full (`shows/main/callers/c7`); `revision` is the addressed resource's, 0 for any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Take {
        slot: String,
        caller: String,
        fade_ms: u32,
        /// Replaces who is on it, and passes over READY and media.
        over: bool,
        revision: u64,
    },
    Release {
        slot: String,
        then: Then,
        fade_ms: u32,
        revision: u64,
    },
    Approve {
        caller: String,
    },
    Reject {
        caller: String,
        reason: String,
    },
    Hold {
        caller: String,
    },
    Screen {
        caller: String,
    },
    Move {
        caller: String,
        position: u32,
    },
    Note {
        caller: String,
        text: String,
    },
    Chat {
        caller: String,
        text: String,
    },
    Mute {
        caller: String,
        muted: bool,
        revision: u64,
    },
    Drop {
        caller: String,
        revision: u64,
    },
    Invite {
        show: String,
    },
    Force {
        channel: String,
        force: Force,
        revision: u64,
    },
    Run {
        channel: String,
        run: bool,
        revision: u64,
    },
    Destination {
        destination: String,
        enabled: bool,
        revision: u64,
    },
    RunShow {
        show: String,
        run: bool,
        revision: u64,
    },
    OpenShow {
        show: String,
        open: bool,
        revision: u64,
    },
}

/// What becomes of a caller who is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    Hold,
    Requeue,
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    Auto,
    Live,
    Backup,
}

impl Command {
    /// The resource it addresses.
    pub fn resource(&self) -> &str {
        match self {
            Self::Take { slot, .. } | Self::Release { slot, .. } => slot,
            Self::Approve { caller }
            | Self::Reject { caller, .. }
            | Self::Hold { caller }
            | Self::Screen { caller }
            | Self::Move { caller, .. }
            | Self::Note { caller, .. }
            | Self::Chat { caller, .. }
            | Self::Mute { caller, .. }
            | Self::Drop { caller, .. } => caller,
            Self::Force { channel, .. } | Self::Run { channel, .. } => channel,
            Self::Destination { destination, .. } => destination,
            Self::Invite { show } | Self::RunShow { show, .. } | Self::OpenShow { show, .. } => {
                show
            }
        }
    }

    /// Whether it changes what viewers or listeners get: never sent again once it is no longer fresh.
    pub fn on_air(&self) -> bool {
        matches!(
            self,
            Self::Take { .. }
                | Self::Release { .. }
                | Self::Mute { .. }
                | Self::Drop { .. }
                | Self::Force { .. }
                | Self::Run { .. }
                | Self::Destination { .. }
                | Self::RunShow { .. }
        )
    }

    /// The revision that is expected becomes the one seen now.
    pub fn at_revision(mut self, now: u64) -> Self {
        match &mut self {
            Self::Take { revision, .. }
            | Self::Release { revision, .. }
            | Self::Mute { revision, .. }
            | Self::Drop { revision, .. }
            | Self::Force { revision, .. }
            | Self::Run { revision, .. }
            | Self::Destination { revision, .. }
            | Self::RunShow { revision, .. }
            | Self::OpenShow { revision, .. } => *revision = now,
            _ => {}
        }
        self
    }
}

/// What `update` wants done outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Call {
        request_id: String,
        command: Command,
    },
    /// Fetch the picture of a caller.
    Picture {
        caller: String,
    },
    /// Let synthetic callers in.
    Practice {
        show: String,
        callers: u32,
    },
    StopPractice,
    Suspend,
    Redraw,
    Quit,
}
