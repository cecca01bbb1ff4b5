//! A slot keeps apart what is wanted (`assigned`, `armed`) and what its worker reports (`showing`, `worker`).

use serde::{Deserialize, Serialize};

use crate::{CallerId, Sealed, ShowId, SlotId, Text, Timestamp, VmixSettings};

/// How the picture and the sound change over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    #[default]
    Cut,
    /// Crossfade of picture and sound; 1 to [`FADE_MAX_MS`].
    Fade { ms: u32 },
}

pub const FADE_MAX_MS: u32 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleSource {
    Black,
    /// A still picture (PNG or JPEG), by absolute path on the server.
    Image {
        path: String,
    },
    /// A looping video file, by absolute path on the server.
    Video {
        path: String,
    },
    /// Colour bars with a tone.
    TestPattern,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotOutput {
    /// SRT listener on this port.
    Listen { port: u16 },
    /// SRT caller to this `srt://host:port`.
    Push { url: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoEncoder {
    X264,
    Openh264,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoSettings {
    pub width: u32,
    pub height: u32,
    /// Whole frames a second: 24, 25, 30, 50 or 60.
    pub fps: u32,
    pub bitrate_kbps: u32,
    pub encoder: VideoEncoder,
    /// x264 speed preset (`ultrafast` … `medium`).
    pub preset: String,
}

impl Default for VideoSettings {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
            bitrate_kbps: 4_000,
            encoder: VideoEncoder::X264,
            preset: "superfast".into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSettings {
    pub title: Text,
    pub output: SlotOutput,
    /// Expected SRT stream id (a listener refuses others; a pushing slot sends it).
    pub stream_id: Option<String>,
    /// SRT AES passphrase, 10 to 64 characters, sealed.
    pub passphrase: Option<Sealed>,
    /// SRT latency.
    pub latency_ms: u32,
    pub idle: IdleSource,
    /// No video chain at all when set.
    pub audio_only: bool,
    pub video: VideoSettings,
    pub audio_bitrate_kbps: u32,
    /// Who receives the slot, if it is a vMix that tells and is told. Boxed: few slots have one, and commands carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmix: Option<Box<VmixSettings>>,
}

impl SlotSettings {
    /// The default format of DESIGN §5, listening on `port`.
    pub fn listening(port: u16) -> Self {
        Self {
            title: Text::default(),
            output: SlotOutput::Listen { port },
            stream_id: None,
            passphrase: None,
            latency_ms: 120,
            idle: IdleSource::Black,
            audio_only: false,
            video: VideoSettings::default(),
            audio_bitrate_kbps: 128,
            vmix: None,
        }
    }
}

/// What the slot's output shows, as its worker reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Showing {
    Idle,
    /// Idle, with this caller decoded and ready to be switched to.
    Armed {
        caller: CallerId,
    },
    Caller {
        caller: CallerId,
    },
    /// The caller's picture stopped: last frame, then the idle source.
    Frozen {
        caller: CallerId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    Down,
    Up,
}

/// Who should be on the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub caller: CallerId,
    pub since: Timestamp,
    pub transition: Transition,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub id: SlotId,
    /// The show whose queue feeds `--next`.
    pub show: ShowId,
    pub settings: SlotSettings,
    pub assigned: Option<Assignment>,
    /// Transition of the last release, for the way back to idle.
    pub release_transition: Transition,
    /// Armed on request; otherwise the head of READY is.
    pub armed: Option<CallerId>,
    pub showing: Showing,
    pub worker: WorkerState,
    pub created_at: Timestamp,
    pub revision: u64,
}
