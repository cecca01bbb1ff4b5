//! A slot's settings from the wire, checked once; what of them the output is built from, and what changes live.

use std::path::PathBuf;

use booth_proto::worker::{IdleKind, SlotSettings};

/// What the output runs with from start to end; a change needs a new worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSettings {
    /// Where the stream goes.
    pub srt: SrtSettings,
    /// Absent for an output of sound alone.
    pub video: Option<VideoSettings>,
    /// AAC bit rate.
    pub audio_bitrate_kbps: u32,
}

/// Pictures of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSettings {
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// H.264 bit rate.
    pub bitrate_kbps: u32,
    /// Which encoder.
    pub encoder: Encoder,
}

/// The H.264 encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoder {
    /// x264 with this speed preset.
    X264 {
        /// `ultrafast`, `superfast`, `veryfast` …
        preset: String,
    },
    /// OpenH264.
    OpenH264,
}

/// The SRT side of the output.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtSettings {
    /// Listen, or call.
    pub peer: SrtPeer,
    /// Empty: any stream id is taken (listener), none is sent (caller).
    pub stream_id: String,
    /// Empty: not encrypted.
    pub passphrase: String,
    /// Receiver's buffer, milliseconds.
    pub latency_ms: u32,
}

impl std::fmt::Debug for SrtSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SrtSettings")
            .field("peer", &self.peer)
            .field("stream_id", &self.stream_id)
            .field("encrypted", &!self.passphrase.is_empty())
            .field("latency_ms", &self.latency_ms)
            .finish_non_exhaustive()
    }
}

/// Who opens the SRT connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SrtPeer {
    /// The receivers do.
    Listen {
        /// Address bound.
        bind: String,
        /// UDP port.
        port: u16,
    },
    /// We do, for ever.
    Push {
        /// `srt://host:port`.
        url: String,
    },
}

/// What is shown while nobody is on air.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IdleSettings {
    /// Black and silence.
    #[default]
    Black,
    /// A still picture and silence.
    Image(PathBuf),
    /// A file without end.
    Video(PathBuf),
    /// Bars, a moving mark and a tone.
    TestPattern,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Neither a port nor a URL, or a port past 65535.
    #[error("a slot needs an SRT port (1 to 65535) or a push URL")]
    Peer,
    /// A push URL of another kind.
    #[error("push_url must begin with srt://, not {0:?}")]
    PushUrl(String),
    /// SRT takes 10 to 64 bytes.
    #[error("an SRT passphrase has 10 to 64 bytes")]
    Passphrase,
    /// Odd, zero or too large.
    #[error("picture size {0}x{1}: even numbers from 16x16 to 3840x2160")]
    Size(u32, u32),
    /// Too slow or too fast.
    #[error("{0} pictures a second: 1 to 60")]
    Rate(u32),
    /// No such encoder.
    #[error("unknown encoder {0:?}: x264 or openh264")]
    Encoder(String),
    /// No such preset.
    #[error("unknown x264 preset {0:?}")]
    Preset(String),
}

const PRESETS: [&str; 9] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
];

impl OutputSettings {
    /// Checks the wire's settings. Zero and empty fields take the defaults: 1280x720p30 superfast, 2500 + 128 kb/s.
    ///
    /// # Errors
    /// [`SettingsError`] names the field.
    pub fn from_wire(wire: &SlotSettings) -> Result<Self, SettingsError> {
        if !wire.passphrase.is_empty() && !(10..=64).contains(&wire.passphrase.len()) {
            return Err(SettingsError::Passphrase);
        }
        let srt = SrtSettings {
            peer: peer(wire)?,
            stream_id: wire.stream_id.clone(),
            passphrase: wire.passphrase.clone(),
            latency_ms: or(wire.latency_ms, 120),
        };
        let video = if wire.audio_only {
            None
        } else {
            Some(video(wire)?)
        };
        Ok(Self {
            srt,
            video,
            audio_bitrate_kbps: or(wire.audio_bitrate_kbps, 128),
        })
    }
}

fn or(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

fn peer(wire: &SlotSettings) -> Result<SrtPeer, SettingsError> {
    if !wire.push_url.is_empty() {
        if !wire.push_url.starts_with("srt://") {
            return Err(SettingsError::PushUrl(wire.push_url.clone()));
        }
        return Ok(SrtPeer::Push {
            url: wire.push_url.clone(),
        });
    }
    let port = u16::try_from(wire.port)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(SettingsError::Peer)?;
    let bind = if wire.bind.is_empty() {
        "0.0.0.0".to_owned()
    } else {
        wire.bind.clone()
    };
    Ok(SrtPeer::Listen { bind, port })
}

fn video(wire: &SlotSettings) -> Result<VideoSettings, SettingsError> {
    VideoSettings::checked(
        (wire.width, wire.height),
        wire.fps,
        wire.video_bitrate_kbps,
        &wire.encoder,
        &wire.preset,
    )
}

impl VideoSettings {
    /// Checks what the wire says of pictures. Zero and empty fields take the defaults.
    ///
    /// # Errors
    /// [`SettingsError`] names the field.
    pub(crate) fn checked(
        (width, height): (u32, u32),
        fps: u32,
        bitrate_kbps: u32,
        encoder: &str,
        preset: &str,
    ) -> Result<Self, SettingsError> {
        let (width, height) = (or(width, 1280), or(height, 720));
        let fits = |value: u32, max: u32| value.is_multiple_of(2) && (16..=max).contains(&value);
        if !fits(width, 3840) || !fits(height, 2160) {
            return Err(SettingsError::Size(width, height));
        }
        let fps = or(fps, 30);
        if !(1..=60).contains(&fps) {
            return Err(SettingsError::Rate(fps));
        }
        let encoder = match encoder {
            "" | "x264" => {
                let preset = if preset.is_empty() {
                    "superfast"
                } else {
                    preset
                };
                if !PRESETS.contains(&preset) {
                    return Err(SettingsError::Preset(preset.to_owned()));
                }
                Encoder::X264 {
                    preset: preset.to_owned(),
                }
            }
            "openh264" => Encoder::OpenH264,
            other => return Err(SettingsError::Encoder(other.to_owned())),
        };
        Ok(Self {
            width,
            height,
            fps,
            bitrate_kbps: or(bitrate_kbps, 2500),
            encoder,
        })
    }
}

/// The idle source that the settings name.
#[must_use]
pub fn idle_from_wire(wire: &SlotSettings) -> IdleSettings {
    match wire.idle() {
        IdleKind::Unspecified | IdleKind::Black => IdleSettings::Black,
        IdleKind::Image => IdleSettings::Image(PathBuf::from(&wire.idle_path)),
        IdleKind::Video => IdleSettings::Video(PathBuf::from(&wire.idle_path)),
        IdleKind::TestPattern => IdleSettings::TestPattern,
    }
}

/// Digest of the part of the settings that needs a new worker when it changes: everything but the idle source.
/// Zero means "no output yet". The same for every version of this crate that builds the same output.
#[must_use]
pub fn settings_digest(wire: &SlotSettings) -> u64 {
    let mut fixed = wire.clone();
    fixed.idle = 0;
    fixed.idle_path.clear();
    // FNV-1a: stable over versions of Rust, unlike its own hasher.
    let bytes = prost::Message::encode_to_vec(&fixed);
    let digest = bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
    digest.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> SlotSettings {
        SlotSettings {
            port: 9001,
            ..SlotSettings::default()
        }
    }

    #[test]
    fn empty_fields_take_the_defaults() {
        let settings = OutputSettings::from_wire(&wire()).unwrap();
        let video = settings.video.unwrap();
        assert_eq!((video.width, video.height, video.fps), (1280, 720, 30));
        assert_eq!(settings.audio_bitrate_kbps, 128);
    }

    #[test]
    fn what_cannot_be_built_is_refused_by_name() {
        let refused = |change: fn(&mut SlotSettings)| {
            let mut wire = wire();
            change(&mut wire);
            OutputSettings::from_wire(&wire).unwrap_err()
        };
        assert_eq!(refused(|w| w.port = 0), SettingsError::Peer);
        assert_eq!(refused(|w| w.port = 70_000), SettingsError::Peer);
        assert_eq!(
            refused(|w| w.push_url = "rtmp://x".into()),
            SettingsError::PushUrl("rtmp://x".into())
        );
        assert_eq!(
            refused(|w| w.passphrase = "short".into()),
            SettingsError::Passphrase
        );
        assert_eq!(refused(|w| w.width = 1281), SettingsError::Size(1281, 720));
        assert_eq!(refused(|w| w.fps = 61), SettingsError::Rate(61));
        assert_eq!(
            refused(|w| w.encoder = "nv".into()),
            SettingsError::Encoder("nv".into())
        );
        assert_eq!(
            refused(|w| w.preset = "warp".into()),
            SettingsError::Preset("warp".into())
        );
    }

    #[test]
    fn the_digest_ignores_the_idle_source_and_nothing_else() {
        let base = settings_digest(&wire());
        let with = |change: fn(&mut SlotSettings)| {
            let mut wire = wire();
            change(&mut wire);
            settings_digest(&wire)
        };
        assert_eq!(base, with(|w| w.set_idle(IdleKind::TestPattern)));
        assert_eq!(base, with(|w| w.idle_path = "/x".into()));
        assert_ne!(base, with(|w| w.port = 9002));
        assert_ne!(base, with(|w| w.passphrase = "0123456789".into()));
        assert_ne!(base, with(|w| w.fps = 25));
    }

    #[test]
    fn a_passphrase_is_not_printed() {
        let mut wire = wire();
        wire.passphrase = "correct horse".into();
        let shown = format!("{:?}", OutputSettings::from_wire(&wire).unwrap());
        assert!(!shown.contains("horse"), "{shown}");
    }
}
