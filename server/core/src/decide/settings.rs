//! Ranges of what an operator may set. A passphrase is sealed here already: its length is checked at the edge.

use crate::{
    Denied, FADE_MAX_MS, IdleSource, ShowSettings, SlotOutput, SlotSettings, Transition,
    VideoSettings,
};

use super::draft::invalid;

/// Speed presets of x264 that can keep real time.
const PRESETS: [&str; 6] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
];
const FRAME_RATES: [u32; 5] = [24, 25, 30, 50, 60];
/// SRT's own limit (SRTO_STREAMID).
const STREAM_ID_MAX: usize = 512;
/// PATH_MAX of Linux.
const PATH_LEN_MAX: usize = 4_096;
const URL_LEN_MAX: usize = 1_024;
const GRACE_MAX_MS: u64 = 24 * 3_600_000;
const CALLERS_MAX: u32 = 5_000;

pub(super) fn show(settings: &ShowSettings) -> Result<(), Denied> {
    for (field, grace) in [
        ("grace_ms", settings.grace_ms),
        ("on_air_grace_ms", settings.on_air_grace_ms),
    ] {
        if grace > GRACE_MAX_MS {
            return Err(invalid(field, "at most 24 hours"));
        }
    }
    if !(1..=CALLERS_MAX).contains(&settings.max_callers) {
        return Err(invalid("max_callers", format!("1 to {CALLERS_MAX}")));
    }
    Ok(())
}

pub(super) fn transition(transition: Transition) -> Result<(), Denied> {
    match transition {
        Transition::Fade { ms } if !(1..=FADE_MAX_MS).contains(&ms) => {
            Err(invalid("fade_ms", format!("1 to {FADE_MAX_MS}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn slot(settings: &SlotSettings) -> Result<(), Denied> {
    output(&settings.output)?;
    if let Some(id) = &settings.stream_id {
        let printable = !id.chars().any(char::is_control);
        if id.is_empty() || id.len() > STREAM_ID_MAX || !printable {
            let why = format!("1 to {STREAM_ID_MAX} printable characters");
            return Err(invalid("stream_id", why));
        }
    }
    range("latency_ms", settings.latency_ms, 20, 8_000)?;
    idle(&settings.idle)?;
    range("audio_bitrate_kbps", settings.audio_bitrate_kbps, 32, 320)?;
    video(&settings.video)
}

fn output(output: &SlotOutput) -> Result<(), Denied> {
    match output {
        SlotOutput::Listen { port: 0 } => Err(invalid("output.port", "1 to 65535")),
        SlotOutput::Listen { .. } => Ok(()),
        SlotOutput::Push { url } if is_srt(url) => Ok(()),
        SlotOutput::Push { .. } => Err(invalid("output.url", "write it as srt://host:port")),
    }
}

fn is_srt(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("srt://") else {
        return false;
    };
    let clean = url.len() <= URL_LEN_MAX && url.chars().all(|c| !c.is_control() && c != ' ');
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((host, port)) = place.rsplit_once(':') else {
        return false;
    };
    clean && !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn idle(idle: &IdleSource) -> Result<(), Denied> {
    let (IdleSource::Image { path } | IdleSource::Video { path }) = idle else {
        return Ok(());
    };
    let clean = path.len() <= PATH_LEN_MAX && !path.chars().any(char::is_control);
    if path.starts_with('/') && clean {
        Ok(())
    } else {
        Err(invalid("idle.path", "an absolute path on the server"))
    }
}

fn video(video: &VideoSettings) -> Result<(), Denied> {
    even("video.width", video.width, 160, 3_840)?;
    even("video.height", video.height, 90, 2_160)?;
    if !FRAME_RATES.contains(&video.fps) {
        return Err(invalid("video.fps", "24, 25, 30, 50 or 60"));
    }
    range("video.bitrate_kbps", video.bitrate_kbps, 100, 50_000)?;
    if !PRESETS.contains(&video.preset.as_str()) {
        return Err(invalid("video.preset", PRESETS.join(", ")));
    }
    Ok(())
}

fn even(field: &str, value: u32, min: u32, max: u32) -> Result<(), Denied> {
    if (min..=max).contains(&value) && value.is_multiple_of(2) {
        Ok(())
    } else {
        Err(invalid(field, format!("an even number, {min} to {max}")))
    }
}

fn range(field: &str, value: u32, min: u32, max: u32) -> Result<(), Denied> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(invalid(field, format!("{min} to {max}")))
    }
}
