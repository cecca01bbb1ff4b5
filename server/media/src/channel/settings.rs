//! What of a channel's settings the worker runs with: what a program is built from and needs a new worker when it
//! changes, and what changes on the fly.

use booth_proto::worker::{ChannelDesired, ChannelMode, ChannelSettings};
use booth_stream::{MILLISECOND, Nanos};

use super::input::SrtListen;
use super::program::{Loops, Wish};
use crate::settings::{SrtPeer, SrtSettings};

/// Of the listener to watch the output: SRT's own default.
const MONITOR_LATENCY_MS: u32 = 120;

/// The settings that a worker keeps from start to end: a change needs a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    pub mode: ChannelMode,
    /// Of a transcoding channel; what is passed on undecoded has the format it has.
    encoder: Option<[String; 2]>,
    format: Option<[u32; 5]>,
}

impl Fixed {
    pub fn of(settings: &ChannelSettings) -> Self {
        let mode = match settings.mode() {
            ChannelMode::Transcode => ChannelMode::Transcode,
            ChannelMode::Copy | ChannelMode::Unspecified => ChannelMode::Copy,
        };
        let made = mode == ChannelMode::Transcode;
        Self {
            mode,
            encoder: made.then(|| [settings.encoder.clone(), settings.preset.clone()]),
            format: made.then_some([
                settings.width,
                settings.height,
                settings.fps,
                settings.video_bitrate_kbps,
                settings.audio_bitrate_kbps,
            ]),
        }
    }

    /// For Hello; never 0, which means that nothing runs yet.
    pub fn digest(&self) -> u64 {
        // FNV-1a: stable over versions of Rust, unlike its own hasher.
        let text = format!("{self:?}");
        let digest = text
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
            });
        digest.max(1)
    }
}

/// The listener to watch the output; nothing when there is to be none.
pub fn monitor(settings: &ChannelSettings) -> Option<SrtSettings> {
    let port = u16::try_from(settings.monitor_port)
        .ok()
        .filter(|port| *port != 0)?;
    Some(SrtSettings {
        peer: SrtPeer::Listen {
            bind: settings.bind.clone(),
            port,
        },
        stream_id: String::new(),
        passphrase: String::new(),
        latency_ms: MONITOR_LATENCY_MS,
    })
}

/// The listener for a live input; nothing when there is to be none.
pub fn srt_input(settings: &ChannelSettings) -> Option<SrtListen> {
    let port = u16::try_from(settings.srt_port)
        .ok()
        .filter(|port| *port != 0)?;
    Some(SrtListen {
        bind: settings.bind.clone(),
        port,
        latency_ms: settings.srt_latency_ms,
        stream_id: settings.srt_stream_id.clone(),
        passphrase: settings.srt_passphrase.clone(),
    })
}

impl Wish {
    pub fn of(desired: &ChannelDesired) -> Self {
        let settings = desired.settings.clone().unwrap_or_default();
        let time = |ms: u32| Nanos::from(ms) * MILLISECOND;
        Self {
            force: desired.force(),
            stable: time(settings.stable_ms),
            stable_max: time(settings.stable_max_ms),
            lost: time(settings.lost_ms),
            delay: time(settings.delay_ms),
            frozen: time(settings.frozen_ms),
            black: time(settings.black_ms),
            silent: time(settings.silent_ms),
            fade: time(settings.fade_ms),
            backup_start: settings.backup_start(),
        }
    }
}

impl Loops {
    pub fn of(desired: &ChannelDesired) -> Self {
        let path = |path: &str| (!path.is_empty()).then(|| path.into());
        Self {
            backup: path(&desired.backup_path),
            slate: path(&desired.slate_path),
            key: desired.prepared_key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy() -> ChannelSettings {
        ChannelSettings {
            mode: ChannelMode::Copy.into(),
            width: 1280,
            height: 720,
            fps: 30,
            ..ChannelSettings::default()
        }
    }

    fn transcode() -> ChannelSettings {
        ChannelSettings {
            mode: ChannelMode::Transcode.into(),
            ..copy()
        }
    }

    #[test]
    fn the_mode_needs_a_new_worker_and_policy_and_ports_do_not() {
        assert_ne!(Fixed::of(&copy()), Fixed::of(&transcode()));
        for settings in [copy(), transcode()] {
            let changed = ChannelSettings {
                lost_ms: 5,
                stable_ms: 1,
                delay_ms: 9,
                monitor_port: 9,
                srt_port: 8,
                hls_dir: "x".to_owned(),
                media_socket: "y".to_owned(),
                ..settings.clone()
            };
            assert_eq!(Fixed::of(&settings), Fixed::of(&changed));
        }
    }

    #[test]
    fn the_format_needs_a_new_worker_only_where_it_is_made() {
        let wider = |settings: ChannelSettings| ChannelSettings {
            width: 1920,
            ..settings
        };
        assert_eq!(Fixed::of(&copy()), Fixed::of(&wider(copy())));
        assert_ne!(Fixed::of(&transcode()), Fixed::of(&wider(transcode())));
        assert_ne!(
            Fixed::of(&transcode()).digest(),
            Fixed::of(&wider(transcode())).digest()
        );
    }
}
