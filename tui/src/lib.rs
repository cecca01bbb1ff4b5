//! The console, opened by `booth console`.
//!
//! ```text
//!   terminal ──▶ Input ─┐                                       ┌─▶ view(&Model) ──▶ terminal
//!   link ──────▶ Input ─┼─▶ update(&mut Model) ──▶ Vec<Effect> ─┤
//!   ticks ─────▶ Input ─┘     (pure)                            └─▶ link ──▶ boothd
//! ```
//!
//! One thread and one order of inputs. `update` never awaits and `view` never changes; the link alone knows the network.

pub mod action;
mod ask;
pub mod command;
pub mod config;
pub mod detect;
pub mod docs;
pub mod door;
pub mod key;
pub mod keymap;
pub mod link;
pub mod model;
pub mod msg;
pub mod pictures;
pub mod play;
pub mod record;
pub mod run;
pub mod settings;
pub mod snapshot;
pub mod terminal;
pub mod text;
pub mod update;
pub mod view;
