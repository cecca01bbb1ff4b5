//! Media workers: the processes that make outputs. The only crate that names GStreamer.
//!
//! A worker of unit `slot-<id>` owns one slot's output: an encoder that never stops, fed by one pacing thread, and an SRT
//! sink. Callers' RTP reaches it from boothd over a Unix socket; each caller is decoded in a pipeline of its own.
//!
//! Other units: `channel-<id>` (a 24x7 output), `ingest` (the RTMP server of all channels), `prepare-<id>` (brings a
//! backup to a channel's format) and `drill-<id>` (a rehearsal).
//! Called by `boothd worker` ([`run_worker`]), by boothd's demo ([`demo`]) and by who serves HLS ([`hls`]).

pub mod backoff;
mod channel;
pub mod demo;
mod drill;
mod engine;
mod error;
mod facts;
pub mod hls;
mod idle;
mod ingest;
mod input;
mod keyframes;
mod link;
mod lock;
mod output;
mod pacer;
mod pattern;
mod picture;
mod prepare;
mod settings;
mod srt;
mod survey;
mod switcher;
mod sync;
mod tile;
mod unit;
mod version;
mod worker;

pub use error::MediaError;
pub use lock::{UnitLock, holder};
pub use prepare::{CheckError, CheckFormat, Checked, CheckedFile, prepare_check};
pub use settings::{IdleSettings, OutputSettings, SettingsError, settings_digest};
pub use survey::{Lacking, Survey, survey};
pub use worker::{WorkerArgs, exit, leave, run_worker};
