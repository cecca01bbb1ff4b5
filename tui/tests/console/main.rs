//! The console without a terminal or a server: inputs in, effects and cells out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod accidents;
mod bulk;
mod hostile;
mod keys;
mod link;
mod looks;
mod mouse;
mod page;
mod properties;
mod props;
mod races;
mod recording;
mod rights;
mod safety;
mod screens;
mod stage;
mod terminal;
