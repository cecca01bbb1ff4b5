//! What every command does, one file per noun.

pub mod backup;
pub mod caller;
pub mod channel;
mod channel_address;
mod channel_drill;
mod channel_settings;
mod channel_wait;
pub mod completions;
pub mod console;
pub mod demo;
pub mod destination;
mod figures;
pub mod invite;
pub mod operator;
pub mod restore;
mod secret;
mod server_path;
pub mod show;
pub mod slot;
mod slot_address;
pub mod status;
mod take_wait;
mod tile;
pub mod watch;
mod watch_text;
