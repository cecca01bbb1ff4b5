//! Levels and quality: the latest value wins, nothing is queued, nothing goes through the ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use booth_core::{CallerId, ChannelId, DestinationId, SlotId};
use bytes::Bytes;

use booth_core::Timestamp;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct SlotMeter {
    /// Per channel, dBFS.
    pub rms_dbfs: Vec<f32>,
    pub peak_dbfs: Vec<f32>,
    pub clients: u32,
    pub sent_packets: u64,
    pub lost_packets: u64,
    pub send_rate_kbps: f64,
    pub rtt_ms: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallerMeter {
    /// From the RTP audio-level extension (RFC 6464); −127 is silence.
    pub level_dbfs: f32,
    pub clipping: bool,
    pub rtt_ms: f64,
    /// 0 to 1.
    pub loss: f64,
    pub jitter_ms: f64,
    pub receive_rate_kbps: f64,
    /// 0 (unusable) to 5 (excellent).
    pub score: u32,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
}

impl Default for CallerMeter {
    fn default() -> Self {
        Self {
            level_dbfs: -127.0,
            clipping: false,
            rtt_ms: 0.0,
            loss: 0.0,
            jitter_ms: 0.0,
            receive_rate_kbps: 0.0,
            score: 0,
            width: 0,
            height: 0,
            fps: 0.0,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelMeter {
    /// What the live input sends.
    pub live_rate_kbps: f64,
    /// What the output carries.
    pub output_rate_kbps: f64,
    /// Frames that arrived too late for the output.
    pub late_frames: u64,
    /// Receivers of the monitoring output.
    pub monitor_clients: u32,
    /// How much of backup and slate is prepared, 0 to 100, while it is being done.
    pub prepared_percent: f64,
    pub destinations: BTreeMap<DestinationId, DestinationMeter>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct DestinationMeter {
    pub rate_kbps: f64,
    pub dropped_frames: u64,
    /// Since the session began.
    pub sent_bytes: u64,
    /// Seconds to the next attempt, while it retries.
    pub retry_in_s: f64,
}

#[derive(Debug, Clone)]
pub struct Tile {
    pub jpeg: Bytes,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub struct Readings {
    pub slots: BTreeMap<SlotId, SlotMeter>,
    pub callers: BTreeMap<CallerId, CallerMeter>,
    pub channels: BTreeMap<ChannelId, ChannelMeter>,
    pub slot_tiles: BTreeMap<SlotId, Tile>,
    pub caller_tiles: BTreeMap<CallerId, Tile>,
}

/// Shared by the rtc room and the workers' links (writers) and the API (reader). The lock is held for a copy at most.
#[derive(Debug, Clone, Default)]
pub struct Meters(Arc<Mutex<Readings>>);

impl Meters {
    pub fn update<T>(&self, change: impl FnOnce(&mut Readings) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn caller(&self, id: &CallerId, change: impl FnOnce(&mut CallerMeter)) {
        self.update(|r| change(r.callers.entry(id.clone()).or_default()));
    }

    pub fn forget_caller(&self, id: &CallerId) {
        self.update(|r| {
            r.callers.remove(id);
            r.caller_tiles.remove(id);
        });
    }

    pub fn slot(&self, id: &SlotId, change: impl FnOnce(&mut SlotMeter)) {
        self.update(|r| change(r.slots.entry(id.clone()).or_default()));
    }

    pub fn forget_slot(&self, id: &SlotId) {
        self.update(|r| {
            r.slots.remove(id);
            r.slot_tiles.remove(id);
        });
    }

    pub fn channel(&self, id: &ChannelId, change: impl FnOnce(&mut ChannelMeter)) {
        self.update(|r| change(r.channels.entry(id.clone()).or_default()));
    }

    pub fn forget_channel(&self, id: &ChannelId) {
        self.update(|r| {
            r.channels.remove(id);
        });
    }
}
