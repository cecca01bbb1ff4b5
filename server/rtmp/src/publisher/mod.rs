//! The RTMP client that feeds one destination. One task owns it; it has no thread, queue or retry of its own.
//!
//! ```text
//!  Target::parse ─▶ Publisher::connect ─▶ send(event) … ─▶ close
//!                         │                  │    ▲
//!                         └── PublishError ◀─┘    └ failed(): the peer said or did something while nothing was sent
//! ```

mod commands;
mod error;
mod session;
mod socket;
mod target;
mod tls;

pub use error::PublishError;
pub use session::{Deadlines, Publisher, Stats};
pub use target::Target;
pub use tls::tls_config;
