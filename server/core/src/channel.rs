//! A 24x7 output: a live input, a backup that loops, a slate, and destinations. What is wanted (`running`, `force`,
//! `settings`) is kept apart from what its workers report (`showing`, `live`, `prepared`, a destination's `state`).
//!
//! ```text
//!            start                 live stable                live lost
//!   OFF ───────────────▶ BACKUP ───────────────▶ LIVE ───────────────▶ BACKUP
//!    ▲  worker away        │ ▲ backup readable      (FORCE_LIVE, FORCE_BACKUP pin one side)
//!    └──────── stop        ▼ │
//!                         SLATE  (neither live nor backup)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{ChannelId, DestinationId, Sealed, Text, Timestamp, VideoSettings, WorkerState};

/// How the output is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMode {
    /// Packets are passed on undecoded; sources change at key frames.
    #[default]
    Copy,
    /// Everything is decoded and encoded anew in the channel's format; sources change at any frame, or fade.
    Transcode,
}

/// What an operator insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    #[default]
    Auto,
    Live,
    Backup,
}

/// Where the backup goes on when it comes to air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupStart {
    /// From its beginning.
    Beginning,
    /// Where it left the air.
    Resume,
    /// Where it would be had it played all the time.
    #[default]
    Running,
}

/// When sources change. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailoverPolicy {
    /// Live has to have published without a gap for this long to be taken: 0 to 600000.
    pub stable_ms: u32,
    /// No video frame for this long: live is lost. 100 to 60000, less than `delay_ms` for a switch nobody sees.
    pub lost_ms: u32,
    /// How far the output is behind the live input: 0 to 10000.
    pub delay_ms: u32,
    /// Each loss within a minute of the last return doubles `stable_ms`, up to this; it holds flapping off.
    pub stable_max_ms: u32,
    /// A picture that does not change, is black, or sound that is silent for this long counts as lost; 0 for never.
    pub frozen_ms: u32,
    pub black_ms: u32,
    pub silent_ms: u32,
    /// A second publisher takes over when the first has sent nothing for this long.
    pub takeover_ms: u32,
    pub backup_start: BackupStart,
    /// Crossfade between sources (transcode), 0 for a cut.
    pub fade_ms: u32,
    /// On backup or slate for this long while AUTO raises an alert; 0 for never.
    pub alert_backup_ms: u32,
    /// A destination that is down for this long raises an alert; 0 for never.
    pub alert_destination_ms: u32,
}

impl Default for FailoverPolicy {
    fn default() -> Self {
        Self {
            stable_ms: 5_000,
            lost_ms: 300,
            delay_ms: 600,
            stable_max_ms: 60_000,
            frozen_ms: 0,
            black_ms: 0,
            silent_ms: 0,
            takeover_ms: 1_000,
            backup_start: BackupStart::default(),
            fade_ms: 0,
            alert_backup_ms: 300_000,
            alert_destination_ms: 30_000,
        }
    }
}

/// The files that loop, by absolute path on the server, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub files: Vec<String>,
    /// Changes with the files' contents (made at the edge from sizes and times): another digest is another backup.
    pub digest: String,
}

/// Most files of one backup.
pub const BACKUP_FILES_MAX: usize = 100;

/// An SRT listener for the live input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrtInput {
    pub port: u16,
    pub latency_ms: u32,
    /// What publishers must send as stream id: the channel's id, unless told otherwise.
    pub stream_id: Option<String>,
    /// AES passphrase, 10 to 64 characters, sealed.
    pub passphrase: Option<Sealed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    pub title: Text,
    pub mode: ChannelMode,
    /// The channel's format: what the backup and the slate are brought to, and in transcode mode the output.
    pub video: VideoSettings,
    pub audio_bitrate_kbps: u32,
    pub backup: Option<Backup>,
    /// A still picture (PNG or JPEG) for when there is neither live nor backup; black when not set.
    pub slate: Option<String>,
    pub policy: FailoverPolicy,
    pub srt_input: Option<SrtInput>,
    /// An SRT listener on this port gives the output to watch.
    pub monitor_port: Option<u16>,
    /// The output as HLS at `/hls/channels/<id>/index.m3u8`.
    pub hls: bool,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            title: Text::default(),
            mode: ChannelMode::default(),
            video: VideoSettings {
                bitrate_kbps: 2_500,
                ..VideoSettings::default()
            },
            audio_bitrate_kbps: 128,
            backup: None,
            slate: None,
            policy: FailoverPolicy::default(),
            srt_input: None,
            monitor_port: None,
            hls: false,
        }
    }
}

impl ChannelSettings {
    /// Ports it listens on.
    pub fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let input = self.srt_input.as_ref().map(|input| input.port);
        input.into_iter().chain(self.monitor_port)
    }

    /// Names what the backup and the slate have to be brought to: settings with another key need other loops.
    pub fn loop_key(&self) -> String {
        let Self {
            title: _,
            mode,
            video,
            audio_bitrate_kbps,
            backup,
            slate,
            policy: _,
            srt_input: _,
            monitor_port: _,
            hls: _,
        } = self;
        let digest = crate::digest::fnv(&(mode, video, audio_bitrate_kbps, backup, slate));
        format!("{digest:016x}")
    }
}

/// What the output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelShowing {
    #[default]
    Off,
    Live,
    Backup,
    Slate,
}

/// Why it shows something else now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchCause {
    /// The output began (or began again after its worker was lost).
    Started,
    Stopped,
    WorkerLost,
    /// Live was stable for long enough.
    LiveStable,
    /// The publisher hung up or was disconnected.
    LiveEnded,
    /// The publisher is there, but sends nothing.
    LiveStalled,
    LiveFrozen,
    LiveBlack,
    LiveSilent,
    /// What it sends cannot be used.
    LiveUnusable,
    Forced,
    /// A backup is there now, or cannot be read any more.
    BackupChanged,
}

/// The live input, as the channel's worker sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// Nobody publishes.
    #[default]
    Absent,
    /// Frames arrive; not stable for long enough yet.
    Settling,
    Stable,
    /// There is a publisher, but no frame arrives or what arrives is no picture.
    Lost {
        cause: SwitchCause,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishProtocol {
    Rtmp,
    Rtmps,
    Srt,
    Whip,
}

/// Who feeds the live input now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// Tells publishers apart; later ones have larger numbers.
    pub id: PublisherId,
    pub protocol: PublishProtocol,
    /// Address of the peer.
    pub peer: Text,
    /// What it says it is (`FMLE/3.0 (compatible; obs-studio/30.2)`).
    pub agent: Text,
    /// Set when it is accepted, by the fold.
    #[serde(default)]
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublisherId(pub u64);

/// What the live input sends, once known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFormat {
    /// `H.264 High 4.0`.
    pub video: Text,
    pub width: u32,
    pub height: u32,
    /// Frames a second times 1000; 0 when not known.
    pub fps_milli: u32,
    /// `AAC-LC 48000 Hz stereo`; empty without sound.
    pub audio: Text,
    /// How it differs from the channel's format; empty when a switch needs no decoder reset.
    pub differs: Text,
}

/// What became of preparing backup and slate for the channel's format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prepared {
    Ready {
        /// Of which backup and format: [`ChannelSettings::loop_key`].
        key: String,
        /// Length of the backup's loop; 0 without one.
        duration_ms: u64,
        /// What was done to it, for people (`copied`, `25 fps brought to 30`).
        note: Text,
    },
    Failed {
        key: String,
        reason: Text,
    },
}

impl Prepared {
    pub fn key(&self) -> &str {
        match self {
            Self::Ready { key, .. } | Self::Failed { key, .. } => key,
        }
    }
}

/// Something lasting that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelAlert {
    OnBackup,
    DestinationDown(DestinationId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    pub id: ChannelId,
    pub settings: ChannelSettings,
    /// The live key: whoever has it may publish.
    pub key: Sealed,
    pub running: bool,
    pub force: Force,
    pub destinations: BTreeMap<DestinationId, Destination>,

    /// While it is down with something still shown, all below is as last known (see [`WORKER_GRACE_MS`]).
    pub worker: WorkerState,
    pub worker_since: Timestamp,
    pub showing: ChannelShowing,
    pub showing_since: Timestamp,
    pub cause: SwitchCause,
    /// Since when it has been without the live input although it is running in AUTO.
    pub off_live_since: Option<Timestamp>,
    pub publisher: Option<Publisher>,
    pub live: LiveState,
    pub live_since: Timestamp,
    pub live_format: Option<LiveFormat>,
    /// What became of preparing the present settings; `None` while it is still being done.
    pub prepared: Option<Prepared>,
    /// The last loops that came out well, by their key: they are played until there are others.
    pub loops: Option<String>,
    pub alerts: BTreeSet<ChannelAlert>,
    pub created_at: Timestamp,
    /// Changes of a destination move the destination's own revision only.
    pub revision: u64,
}

/// When boothd starts, workers are given this long to say what they show before they count as lost: a channel does not
/// notice that boothd was away.
pub const WORKER_GRACE_MS: u64 = 5_000;

/// Most destinations of one channel.
pub const DESTINATIONS_MAX: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationPreset {
    #[default]
    Custom,
    Youtube,
    YoutubeBackup,
    Facebook,
    Twitch,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationSettings {
    pub preset: DestinationPreset,
    /// `rtmp://`, `rtmps://` or `srt://`, without the key.
    pub url: String,
    /// Stream key (RTMP) or passphrase (SRT), sealed.
    pub key: Option<Sealed>,
    /// A planned reconnect after this long; 0 for never. Facebook ends sessions after 8 h.
    pub session_max_s: u32,
    /// SRT only.
    pub latency_ms: u32,
    /// SRT only.
    pub stream_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationState {
    /// Disabled, or the channel is off.
    #[default]
    Idle,
    Connecting,
    Live,
    /// Tried again, after ever longer waits up to 30 s.
    Retrying,
    /// Refused three times in a row before it ever held, or an address or passphrase that cannot work: nothing is tried
    /// until it is set or enabled again.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub id: DestinationId,
    pub settings: DestinationSettings,
    pub enabled: bool,
    pub state: DestinationState,
    pub state_since: Timestamp,
    /// Revision at which it was last set or enabled: another one is another try, also after FAILED.
    pub attempt: u64,
    /// Since when it has not been LIVE although it should be.
    pub down_since: Option<Timestamp>,
    /// Why it was not LIVE last; empty once it is LIVE again.
    pub last_error: Text,
    pub revision: u64,
}
