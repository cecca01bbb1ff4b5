//! A caller's life. The queue of a show is everybody in JOINING, WAITING, SCREENING, READY and HELD:
//!
//! ```text
//!           media up            screen             approve              take
//!  JOINING ──────────▶ WAITING ────────▶ SCREENING ────────▶ READY ──────────────▶ ON_AIR
//!                         │                  ▲                ▲ ▲                     │
//!                         └───── approve ────┼────────────────┘ └── release --requeue ┤
//!                                            │                │     on-air grace over │
//!                                            │ screen         │ approve               │
//!  all the queue ── hold ──▶ HELD ───────────┴────────────────┘                       │
//!                              ▲                                                      │
//!                              └───────── release, replaced, slot deleted ────────────┘
//!
//!  all the queue ── take --override ──▶ ON_AIR            all the queue ── reject ──▶ ENDED
//!  all ── leave / drop / release --drop (completed) / grace over (lost) ──▶ ENDED
//! ```
//!
//! JOINING cannot be screened or approved: there is nobody to talk to yet. READY goes back to SCREENING by way of HELD.
//! A lost connection changes no state until a grace period is over, and none of the verbs above but take needs one.

use serde::{Deserialize, Serialize};

use crate::{
    CallerId, InviteId, OperatorId, SessionId, ShowId, SlotId, Text, Timestamp, TokenHash,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerState {
    /// Has a place, but no media has arrived yet.
    Joining,
    Waiting,
    /// An operator is talking to them.
    Screening,
    /// Approved for air.
    Ready,
    /// Kept on the line, passed over by `next`.
    Held,
    OnAir,
    Ended(EndReason),
}

impl CallerState {
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// They hung up.
    Left,
    /// An operator ended the call.
    Dropped,
    /// An operator refused them.
    Rejected,
    /// They were on air and are done.
    Completed,
    /// Their media stayed away longer than the grace period.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerRole {
    Caller,
    Host,
}

/// Whether a caller's media is arriving (observed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Down {
        since: Timestamp,
    },
    Up {
        session: SessionId,
        since: Timestamp,
        audio: bool,
        video: bool,
    },
}

impl Link {
    pub fn is_up(self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    pub at: Timestamp,
    /// The operator who wrote it; `None` when the caller did.
    pub from: Option<OperatorId>,
    pub text: Text,
}

/// Messages kept per caller; older ones stay in the journal.
pub const CHAT_KEPT: usize = 100;
/// Notes kept per caller.
pub const NOTES_KEPT: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub at: Timestamp,
    pub by: Option<OperatorId>,
    pub text: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub id: CallerId,
    pub show: ShowId,
    pub invite: InviteId,
    pub role: CallerRole,
    pub name: Text,
    pub topic: Text,
    pub state: CallerState,
    pub link: Link,
    /// The slot they are assigned to while ON_AIR.
    pub slot: Option<SlotId>,
    /// Muted by an operator: silent in the slot, whatever their own microphone does.
    pub muted: bool,
    /// Why they were rejected, in the operator's words.
    pub end_note: Text,
    pub notes: Vec<Note>,
    pub chat: Vec<ChatMessage>,
    pub joined_at: Timestamp,
    pub state_since: Timestamp,
    pub rejoin: TokenHash,
    /// Ledger revision of the last change.
    pub revision: u64,
}

/// What lets somebody join a show. The secret is stored hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    pub id: InviteId,
    pub show: ShowId,
    pub role: CallerRole,
    /// Preset name for whoever joins by it; empty to let them choose.
    pub name: Text,
    pub token: TokenHash,
    /// Joins still allowed; `None` is without limit. Rejoins do not count.
    pub uses_left: Option<u32>,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: Option<OperatorId>,
    pub revision: u64,
}
