//! Levels and quality, with the ballistics that are shown: floor −60 dBFS, peaks held 20 s (as OBS does), CLIP until it is
//! acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use booth_proto::v1;
use serde::{Deserialize, Serialize};

pub const FLOOR_DB: f32 = -60.0;
const CLIP_DB: f32 = -0.1;
const HOLD_MS: u64 = 20_000;
/// Levels of a caller that are kept for the little graph: two seconds of four bars.
const TRAIL: usize = 4;
const TRAIL_EVERY_MS: u64 = 500;
const SCORES: usize = 60;
const SCORE_EVERY_MS: u64 = 2_000;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SlotLevel {
    pub now: v1::SlotMeters,
    /// Highest peak of the last 20 s, left and right.
    pub hold: [f32; 2],
    hold_at: [u64; 2],
    pub lost_before: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallerLevel {
    pub now: v1::CallerMeters,
    /// Newest last.
    pub trail: Vec<f32>,
    trail_at: u64,
    /// Quality over the last two minutes, newest last.
    pub scores: Vec<u32>,
    scores_at: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Meters {
    pub slots: BTreeMap<String, SlotLevel>,
    pub callers: BTreeMap<String, CallerLevel>,
    pub channels: BTreeMap<String, v1::ChannelMeters>,
    /// Slots and callers that clipped since somebody looked.
    pub clipped: BTreeSet<String>,
    pub at_ms: u64,
}

impl Meters {
    /// Takes a reading in; true when something that is shown has changed.
    pub fn apply(&mut self, reading: &v1::WatchMetersResponse, now: u64) -> bool {
        let mut seen = false;
        for slot in &reading.slots {
            let level = self
                .slots
                .entry(slot.name.clone())
                .or_insert_with(|| SlotLevel {
                    hold: [FLOOR_DB; 2],
                    lost_before: slot.lost_packets,
                    ..Default::default()
                });
            seen |= slot_differs(&level.now, slot);
            for side in 0..2 {
                let peak = finite(slot.peak_dbfs.get(side).copied());
                if peak >= level.hold[side] || now >= level.hold_at[side] + HOLD_MS {
                    seen |= (level.hold[side] - peak).abs() >= 0.5;
                    (level.hold[side], level.hold_at[side]) = (peak, now);
                }
                if peak >= CLIP_DB {
                    seen |= self.clipped.insert(slot.name.clone());
                }
            }
            level.now = slot.clone();
        }
        for caller in &reading.callers {
            let level = self.callers.entry(caller.name.clone()).or_default();
            seen |= caller_differs(&level.now, caller);
            if now >= level.trail_at + TRAIL_EVERY_MS || level.trail.is_empty() {
                push(&mut level.trail, finite(Some(caller.level_dbfs)), TRAIL);
                level.trail_at = now;
            } else if let Some(last) = level.trail.last_mut() {
                *last = last.max(finite(Some(caller.level_dbfs)));
            }
            if now >= level.scores_at + SCORE_EVERY_MS || level.scores.is_empty() {
                push(&mut level.scores, caller.score, SCORES);
                level.scores_at = now;
            }
            if caller.clipping {
                seen |= self.clipped.insert(caller.name.clone());
            }
            level.now = caller.clone();
        }
        for channel in &reading.channels {
            let before = self.channels.insert(channel.name.clone(), channel.clone());
            seen |= before.as_ref() != Some(channel);
        }
        let named = |names: Vec<&str>| {
            names
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        let here = named(reading.callers.iter().map(|c| c.name.as_str()).collect());
        self.callers.retain(|name, _| here.contains(name));
        let here = named(reading.slots.iter().map(|s| s.name.as_str()).collect());
        self.slots.retain(|name, _| here.contains(name));
        let here = named(reading.channels.iter().map(|c| c.name.as_str()).collect());
        self.channels.retain(|name, _| here.contains(name));
        self.at_ms = now;
        seen
    }
}

fn push<T>(list: &mut Vec<T>, value: T, most: usize) {
    if list.len() >= most {
        list.remove(0);
    }
    list.push(value);
}

/// Between the floor and full scale; what is missing or no number is silence.
pub fn finite(db: Option<f32>) -> f32 {
    db.filter(|db| db.is_finite())
        .unwrap_or(FLOOR_DB)
        .clamp(FLOOR_DB, 6.0)
}

fn moved(a: &[f32], b: &[f32]) -> bool {
    (0..2).any(|n| (finite(a.get(n).copied()) - finite(b.get(n).copied())).abs() >= 0.4)
}

fn slot_differs(a: &v1::SlotMeters, b: &v1::SlotMeters) -> bool {
    moved(&a.rms_dbfs, &b.rms_dbfs)
        || a.clients != b.clients
        || a.lost_packets != b.lost_packets
        || (a.send_rate_kbps - b.send_rate_kbps).abs() >= 50.0
        || (a.rtt_ms - b.rtt_ms).abs() >= 2.0
}

fn caller_differs(a: &v1::CallerMeters, b: &v1::CallerMeters) -> bool {
    (finite(Some(a.level_dbfs)) - finite(Some(b.level_dbfs))).abs() >= 1.0
        || a.score != b.score
        || (a.rtt_ms - b.rtt_ms).abs() >= 2.0
        || (a.loss - b.loss).abs() >= 0.001
        || (a.width, a.height) != (b.width, b.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(peak: f32) -> v1::WatchMetersResponse {
        v1::WatchMetersResponse {
            slots: vec![v1::SlotMeters {
                name: "slots/1".into(),
                rms_dbfs: vec![peak - 4.0; 2],
                peak_dbfs: vec![peak; 2],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_peak_is_held_for_twenty_seconds() {
        let mut meters = Meters::default();
        meters.apply(&slot(-9.0), 1_000);
        meters.apply(&slot(-30.0), 20_000);
        assert_eq!(meters.slots["slots/1"].hold, [-9.0; 2]);
        meters.apply(&slot(-30.0), 21_000);
        assert_eq!(meters.slots["slots/1"].hold, [-30.0; 2]);
    }

    #[test]
    fn clip_stays_until_it_is_acknowledged_and_silence_asks_for_no_drawing() {
        let mut meters = Meters::default();
        assert!(meters.apply(&slot(0.0), 0));
        meters.apply(&slot(-50.0), 60_000);
        assert!(meters.clipped.contains("slots/1"));
        assert!(!meters.apply(&slot(-50.0), 60_066));
    }

    #[test]
    fn numbers_that_are_none_are_silence() {
        for db in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30] {
            assert_eq!(finite(Some(db)), FLOOR_DB);
        }
    }

    #[test]
    fn who_is_gone_takes_their_meter_along() {
        let mut meters = Meters::default();
        let reading = v1::WatchMetersResponse {
            callers: vec![v1::CallerMeters {
                name: "c".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        meters.apply(&reading, 0);
        assert_eq!(meters.callers.len(), 1);
        meters.apply(&v1::WatchMetersResponse::default(), 1);
        assert!(meters.callers.is_empty());
    }
}
