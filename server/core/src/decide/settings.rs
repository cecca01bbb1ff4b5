//! Ranges of what an operator may set. A passphrase is sealed here already: its length is checked at the edge.

use crate::{
    BACKUP_FILES_MAX, ChannelSettings, Denied, DestinationSettings, FADE_MAX_MS, FailoverPolicy,
    IdleSource, ShowSettings, SlotOutput, SlotSettings, SrtInput, Transition, VideoSettings,
    VmixSettings, vmix_address,
};

use super::draft::invalid;

/// Names in an address's query that stand for secrets, or for what is set apart.
const SECRET_NAMES: [&str; 4] = ["key", "passphrase", "streamid", "token"];
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
const DAY_MS: u32 = 24 * 3_600_000;
/// Shorter sessions would be mostly reconnects.
const SESSION_MIN_S: u32 = 60;
const DIGEST_LEN_MAX: usize = 128;
/// vMix's own limit of inputs.
const VMIX_INPUTS_MAX: i64 = 1_000;
/// Longest name of an input or a field, in characters.
const VMIX_NAME_MAX: usize = 200;

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
    stream_id("stream_id", settings.stream_id.as_deref())?;
    latency("latency_ms", settings.latency_ms)?;
    idle(&settings.idle)?;
    range("audio_bitrate_kbps", settings.audio_bitrate_kbps, 32, 320)?;
    if let Some(vmix) = &settings.vmix {
        self::vmix(vmix)?;
    }
    video(&settings.video)
}

fn vmix(vmix: &VmixSettings) -> Result<(), Denied> {
    let address = vmix_address(&vmix.address).map_err(|why| invalid("vmix.address", why))?;
    if address != vmix.address {
        return Err(invalid("vmix.address", "not in its one spelling"));
    }
    vmix_input("vmix.input", &vmix.input)?;
    let Some(title) = &vmix.title else {
        return Ok(());
    };
    vmix_input("vmix.title_input", &title.input)?;
    match &title.field {
        Some(field) => vmix_name("vmix.title_field", field),
        None => Ok(()),
    }
}

/// vMix counts inputs from 1; 0 and −1 stand for whatever is in preview and program, which is no place for a caller.
fn vmix_input(field: &str, input: &str) -> Result<(), Denied> {
    match input.parse::<i64>() {
        Ok(number) if !(1..=VMIX_INPUTS_MAX).contains(&number) => Err(invalid(
            field,
            format!("a number from 1 to {VMIX_INPUTS_MAX}, a key or a name"),
        )),
        _ => vmix_name(field, input),
    }
}

fn vmix_name(field: &str, name: &str) -> Result<(), Denied> {
    let printable = !name.chars().any(char::is_control);
    if (1..=VMIX_NAME_MAX).contains(&name.chars().count()) && printable {
        Ok(())
    } else {
        Err(invalid(
            field,
            format!("1 to {VMIX_NAME_MAX} printable characters"),
        ))
    }
}

pub(super) fn channel(settings: &ChannelSettings) -> Result<(), Denied> {
    range("audio_bitrate_kbps", settings.audio_bitrate_kbps, 32, 320)?;
    video(&settings.video)?;
    if let Some(backup) = &settings.backup {
        if !(1..=BACKUP_FILES_MAX).contains(&backup.files.len()) {
            let why = format!("1 to {BACKUP_FILES_MAX} files");
            return Err(invalid("backup.files", why));
        }
        for file in &backup.files {
            path("backup.files", file)?;
        }
        if backup.digest.len() > DIGEST_LEN_MAX {
            return Err(invalid("backup.digest", "too long"));
        }
    }
    if let Some(slate) = &settings.slate {
        path("slate", slate)?;
    }
    policy(&settings.policy)?;
    if let Some(input) = &settings.srt_input {
        srt_input(input)?;
    }
    if settings.monitor_port == Some(0) {
        return Err(invalid("monitor_port", "1 to 65535"));
    }
    Ok(())
}

/// `lost_ms` may be more than `delay_ms`: a loss is seen as a short freeze then, and some prefer that to a late picture.
fn policy(policy: &FailoverPolicy) -> Result<(), Denied> {
    range("policy.stable_ms", policy.stable_ms, 0, 600_000)?;
    range("policy.lost_ms", policy.lost_ms, 100, 60_000)?;
    range("policy.delay_ms", policy.delay_ms, 0, 10_000)?;
    range("policy.stable_max_ms", policy.stable_max_ms, 0, 600_000)?;
    for (field, value) in [
        ("policy.frozen_ms", policy.frozen_ms),
        ("policy.black_ms", policy.black_ms),
        ("policy.silent_ms", policy.silent_ms),
    ] {
        if value != 0 && !(500..=600_000).contains(&value) {
            return Err(invalid(field, "500 to 600000, or 0 for never"));
        }
    }
    range("policy.takeover_ms", policy.takeover_ms, 0, 60_000)?;
    range("policy.fade_ms", policy.fade_ms, 0, FADE_MAX_MS)?;
    range("policy.alert_backup_ms", policy.alert_backup_ms, 0, DAY_MS)?;
    let alert = policy.alert_destination_ms;
    range("policy.alert_destination_ms", alert, 0, DAY_MS)
}

fn srt_input(input: &SrtInput) -> Result<(), Denied> {
    if input.port == 0 {
        return Err(invalid("srt_input.port", "1 to 65535"));
    }
    latency("srt_input.latency_ms", input.latency_ms)?;
    stream_id("srt_input.stream_id", input.stream_id.as_deref())
}

pub(super) fn destination(settings: &DestinationSettings) -> Result<(), Denied> {
    restream_url(&settings.url).map_err(|why| invalid("url", why))?;
    if settings.session_max_s != 0 && settings.session_max_s < SESSION_MIN_S {
        let why = format!("at least {SESSION_MIN_S}, or 0 for never");
        return Err(invalid("session_max_s", why));
    }
    latency("latency_ms", settings.latency_ms)?;
    stream_id("stream_id", settings.stream_id.as_deref())
}

/// The answer never repeats the URL: somebody may have put a secret there.
fn restream_url(url: &str) -> Result<(), &'static str> {
    let clean = |c: char| !c.is_control() && !c.is_whitespace();
    if url.len() > URL_LEN_MAX || !url.chars().all(clean) {
        return Err("at most 1024 characters, without spaces and control characters");
    }
    let scheme = ["rtmp://", "rtmps://", "srt://"].into_iter();
    let rest = scheme.clone().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("write it as rtmp://, rtmps:// or srt:// with a host")?;
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if place.contains('@') {
        return Err("no user name or password in it: the key is set apart");
    }
    if has_secret(rest) {
        return Err(
            "no key, token, passphrase or streamid in it: secrets are set as the key, a stream id as stream_id",
        );
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(address) => {
            let (host, after) = address.split_once(']').ok_or("an address in [ ]")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("an IPv6 address in [ ]");
            }
            let port = after.strip_prefix(':');
            if port.is_none() && !after.is_empty() {
                return Err("a port follows an address after :");
            }
            (host, port)
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(named) {
        return Err("it needs the name or address of a host");
    }
    let srt = url.starts_with("srt://");
    match port.map(str::parse::<u16>) {
        Some(Ok(1..)) => Ok(()),
        None if !srt => Ok(()),
        _ => Err("it needs a port, 1 to 65535"),
    }
}

/// Addresses are shown to everybody who may look.
fn has_secret(address: &str) -> bool {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let names = query.split(['&', ';', '#', '?']).map(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        name.to_ascii_lowercase()
    });
    names
        .into_iter()
        .any(|name| SECRET_NAMES.contains(&name.as_str()))
}

fn output(output: &SlotOutput) -> Result<(), Denied> {
    match output {
        SlotOutput::Listen { port: 0 } => Err(invalid("output.port", "1 to 65535")),
        SlotOutput::Listen { .. } => Ok(()),
        SlotOutput::Push { url } if !is_srt(url) => {
            Err(invalid("output.url", "write it as srt://host:port"))
        }
        SlotOutput::Push { url } if has_secret(url) || url.contains('@') => Err(invalid(
            "output.url",
            "everybody who may look sees it: give passphrase and stream id as settings of their own",
        )),
        SlotOutput::Push { .. } => Ok(()),
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
    self::path("idle.path", path)
}

fn path(field: &str, path: &str) -> Result<(), Denied> {
    let clean = path.len() <= PATH_LEN_MAX && !path.chars().any(char::is_control);
    if path.starts_with('/') && clean {
        Ok(())
    } else {
        Err(invalid(field, "an absolute path on the server"))
    }
}

fn stream_id(field: &str, id: Option<&str>) -> Result<(), Denied> {
    let printable = |id: &str| !id.chars().any(char::is_control);
    match id {
        Some(id) if id.is_empty() || id.len() > STREAM_ID_MAX || !printable(id) => {
            let why = format!("1 to {STREAM_ID_MAX} printable characters");
            Err(invalid(field, why))
        }
        _ => Ok(()),
    }
}

fn latency(field: &str, latency_ms: u32) -> Result<(), Denied> {
    range(field, latency_ms, 20, 8_000)
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
