//! The ledger: what was decided, durable before it is acknowledged.
//!
//! ```text
//!            append                     acknowledged                 touched rows
//!  director ────────▶ queue ─▶ writer ─────────────▶ director
//!                     (bounded)   │ write, fdatasync      outbox ──▶ folder ──▶ data/sled (verified at open)
//!                                 ▼                         ▲
//!                           data/journal (the truth) ───────┘
//! ```
//!
//! The journal is written by one thread and checked byte by byte when it is opened; sled holds the folded state, so that
//! a start need not replay everything, and can be thrown away at any time. Only this crate knows sled.

mod backup;
mod error;
mod files;
mod folded;
mod folder;
mod journal;
mod layout;
mod ledger;
mod lock;
mod open;
mod report;
mod writer;

pub use backup::{BackupDone, Restored, restore};
pub use error::{BackupError, LedgerError, OpenError, RestoreError};
pub use ledger::{Appended, Health, Ledger, Opened, Options};
pub use report::{Folded, Loss, OpenReport, Quarantined, Repair, Torn};
