//! What every command does, one file per noun.

pub mod backup;
pub mod caller;
pub mod completions;
pub mod demo;
pub mod invite;
pub mod operator;
pub mod restore;
pub mod show;
pub mod slot;
mod slot_address;
pub mod status;
mod take_wait;
mod tile;
pub mod watch;
mod watch_text;
