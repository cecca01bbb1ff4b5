//! What the judge says: one plain structure, the same in the middle ([`crate::Judge::snapshot`]) and at the end.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::{
    defect::{Defect, DefectClass},
    es::h264::Sps,
    sense::{Hearing, Showing},
    stamps::Steps,
    timeline::{Span, Stamp, StretchReport},
};

/// A report taken while the judge runs.
pub type Snapshot = Report;

/// Everything known of the stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub input: String,
    pub live: bool,
    /// Moments are `CLOCK_MONOTONIC` nanoseconds throughout.
    pub started_at_ns: u64,
    pub taken_at_ns: u64,
    /// The input came to its end, or was finished.
    pub ended: bool,
    pub transport: TransportReport,
    pub epochs: VecDeque<Epoch>,
    pub epochs_total: u64,
    /// Connection attempts without success.
    pub connect_failures: u64,
    pub last_connect_error: Option<String>,
    pub arrivals: ArrivalReport,
    /// By PID.
    pub streams: BTreeMap<u16, StreamReport>,
    pub pcr: PcrReport,
    pub video: Option<VideoReport>,
    pub audio: Option<AudioReport>,
    /// Present when decoding.
    pub picture: Option<PictureReport>,
    pub sound: Option<SoundReport>,
    pub av_skew: SkewReport,
    pub defects: Vec<Defect>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct TransportReport {
    pub bytes: u64,
    pub packets: u64,
    pub null_packets: u64,
    /// Over the arrival times when live, over the program clock otherwise.
    pub bit_rate: f64,
    pub sync_losses: u64,
    pub skipped_bytes: u64,
    pub continuity_errors: u64,
    /// At least so many packets are missing.
    pub lost_packets: u64,
    pub pat: Option<String>,
    pub pmt: Option<String>,
    pub pat_changes: u64,
    pub pmt_changes: u64,
}

/// One connection (or the whole file).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub number: u32,
    pub connected_at_ns: u64,
    pub first_packet_at_ns: Option<u64>,
    pub disconnected_at_ns: Option<u64>,
    pub reason: Option<String>,
    pub bytes: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ArrivalReport {
    pub messages: u64,
    pub last_at_ns: u64,
    /// Largest time between two arrivals in one connection; files have none.
    pub largest_gap_ms: f64,
    /// Gaps that no later one exceeded, oldest and largest first: see [`Report::largest_gap_since`].
    pub since: VecDeque<ArrivalGap>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct ArrivalGap {
    pub gap_ms: f64,
    /// When the packet after the gap arrived.
    pub at_ns: u64,
}

/// One elementary stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StreamReport {
    pub stream_type: u8,
    pub kind: &'static str,
    pub pes_packets: u64,
    pub bytes: u64,
    pub damaged: u64,
    /// In presentation order.
    pub pts: Steps,
    pub dts: Steps,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct PcrReport {
    pub pid: Option<u16>,
    /// In 90 kHz ticks.
    pub steps: Steps,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct VideoReport {
    pub pid: u16,
    pub codec: &'static str,
    pub profile: String,
    pub level: String,
    pub chroma: String,
    pub sps: Option<Sps>,
    pub width: u32,
    pub height: u32,
    /// Of the usual step between presentation times.
    pub fps: Option<f64>,
    pub frames: u64,
    pub key_frames: u64,
    pub largest_key_interval_ms: f64,
    pub b_frames: bool,
    pub sps_changes: u64,
    pub pps_changes: u64,
    /// First packet of a frame to first packet of the next, live only.
    pub largest_arrival_gap_ms: f64,
    /// Arrival of the last frame's first packet.
    pub last_at_ns: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct AudioReport {
    pub pid: u16,
    pub codec: &'static str,
    pub object_type: u8,
    pub sample_rate: u32,
    pub channels: u8,
    pub frames: u64,
    pub changes: u64,
    /// Largest distance of a frame's PTS from the end of the frame before.
    pub largest_gap_ms: f64,
    pub last_at_ns: u64,
}

/// What the decoded picture shows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PictureReport {
    pub decoded: u64,
    pub undecoded: u64,
    pub now: Option<Span<Showing>>,
    /// The newest spans, the current one last.
    pub timeline: VecDeque<Span<Showing>>,
    pub changes: u64,
    pub frozen: StretchReport,
    pub black: StretchReport,
    pub flashes: VecDeque<Stamp>,
    pub flashes_total: u64,
    /// A caller's frame shown again, and frames of theirs passed over, by the counter in the picture.
    pub counter_repeats: u64,
    pub counter_skips: u64,
    pub counter_back: u64,
    pub mean_luma: f64,
    /// The newest frames with what was read from them.
    #[serde(skip)]
    pub recent: VecDeque<SeenFrame>,
}

/// One decoded frame.
#[derive(Debug, Clone, Copy)]
pub struct SeenFrame {
    pub stamp: Stamp,
    /// Id and counter, when the code could be read.
    pub code: Option<(u8, u16)>,
    pub mean_luma: f64,
}

/// What is heard.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SoundReport {
    pub decoded_ms: f64,
    pub undecoded: u64,
    pub now: Option<Span<Hearing>>,
    pub timeline: VecDeque<Span<Hearing>>,
    pub changes: u64,
    /// All callers' tones heard at the moment, loudest first.
    pub tones: Vec<u8>,
    pub silent: StretchReport,
    pub beeps: VecDeque<Beep>,
    pub beeps_total: u64,
    /// Of the last 400 ms; `None` is digital silence.
    pub level_dbfs: Option<f64>,
    /// Of everything.
    pub mean_dbfs: Option<f64>,
    pub peak_dbfs: Option<f64>,
}

/// A short, loud sound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Beep {
    /// Onset; the arrival is that of the audio frame that holds it.
    pub stamp: Stamp,
    pub duration_ms: f64,
    pub level_dbfs: f64,
    /// The tone's caller.
    pub id: Option<u8>,
}

/// Beep after flash, in presentation time: positive when the sound is late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SkewReport {
    pub pairs: u64,
    pub last_ms: Option<f64>,
    pub median_ms: Option<f64>,
    pub min_ms: Option<f64>,
    pub max_ms: Option<f64>,
}

impl Report {
    /// The caller in the picture.
    pub fn picture_id(&self) -> Option<u8> {
        match self.picture.as_ref()?.now.as_ref()?.what {
            Showing::Caller { id } => Some(id),
            _ => None,
        }
    }

    /// The caller in the sound.
    pub fn sound_id(&self) -> Option<u8> {
        match self.sound.as_ref()?.now.as_ref()?.what {
            Hearing::Caller { id } => Some(id),
            _ => None,
        }
    }

    /// Pictures are coming, and they show no caller.
    pub fn is_idle(&self) -> bool {
        self.picture
            .as_ref()
            .and_then(|p| p.now.as_ref())
            .is_some_and(|s| !matches!(s.what, Showing::Caller { .. }))
    }

    /// The newest time that the picture changed to caller `id`, if it was after `since_ns`.
    pub fn picture_since(&self, id: u8, since_ns: u64) -> Option<Stamp> {
        let line = &self.picture.as_ref()?.timeline;
        let at = line
            .iter()
            .rev()
            .find(|s| s.what == Showing::Caller { id })?
            .since;
        (at.first_packet_at_ns >= since_ns).then_some(at)
    }

    /// The newest time that the sound changed to caller `id`, if it was after `since_ns`.
    pub fn sound_since(&self, id: u8, since_ns: u64) -> Option<Stamp> {
        let line = &self.sound.as_ref()?.timeline;
        let at = line
            .iter()
            .rev()
            .find(|s| s.what == Hearing::Caller { id })?
            .since;
        (at.first_packet_at_ns >= since_ns).then_some(at)
    }

    /// How often a class was found.
    pub fn count(&self, class: DefectClass) -> u64 {
        self.defects
            .iter()
            .find(|d| d.class == class)
            .map_or(0, |d| d.count)
    }

    /// The classes found, of those asked for.
    pub fn found(&self, classes: &[DefectClass]) -> Vec<DefectClass> {
        self.defects
            .iter()
            .map(|d| d.class)
            .filter(|c| classes.contains(c))
            .collect()
    }

    /// The largest time between two arrivals of which the later came after `since_ns`.
    pub fn largest_gap_since(&self, since_ns: u64) -> Option<ArrivalGap> {
        self.arrivals
            .since
            .iter()
            .copied()
            .find(|g| g.at_ns >= since_ns)
    }
}
