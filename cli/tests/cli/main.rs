//! The real binary against a fake server: what it sends, prints, says and returns.

// A test stops at the first surprise, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asks;
mod backup;
mod channel;
mod channel_secrets;
mod completion;
mod context;
mod doctor;
mod exits;
mod fake;
mod help;
mod output;
mod pages;
mod pictures;
mod pinned;
mod retry;
mod rpcs;
mod rpcs_channel;
mod run;
mod siblings;
mod terminal;
mod tls;
mod wait;
mod wait_air;
mod watch;
