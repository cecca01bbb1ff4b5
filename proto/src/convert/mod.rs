//! Between the core's types and the wire, one file a noun. Towards the wire nothing can fail; from it everything may,
//! with [`Denied::Invalid`] naming the field.

pub mod caller;
pub mod channel;
pub mod destination;
pub mod event;
pub mod names;
pub mod operator;
pub mod show;
pub mod slot;

use std::time::Duration;

use booth_core::{Denied, Text, Timestamp, Transition};

use crate::v1;

pub fn time(at: Timestamp) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp {
        seconds: at.0.div_euclid(1_000),
        nanos: i32::try_from(at.0.rem_euclid(1_000) * 1_000_000).unwrap_or(0),
    }
}

/// A span of time that is not negative; `None` when not given.
pub fn duration(
    field: &str,
    wire: Option<&pbjson_types::Duration>,
) -> Result<Option<Duration>, Denied> {
    let Some(wire) = wire else { return Ok(None) };
    let seconds = u64::try_from(wire.seconds).ok();
    let nanos = u32::try_from(wire.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(Some(Duration::new(seconds, nanos))),
        _ => Err(invalid(field, "a span of time that is not negative")),
    }
}

pub fn invalid(field: &str, why: impl Into<String>) -> Denied {
    Denied::Invalid {
        field: field.into(),
        why: why.into(),
    }
}

/// A message as it was meant: scrubbed, but refused rather than cut when it is too long, and when nothing is left of it.
pub fn message(field: &str, raw: &str, max: usize) -> Result<Text, Denied> {
    let text = optional_message(field, raw, max)?;
    if text.is_empty() {
        return Err(invalid(field, "say something"));
    }
    Ok(text)
}

/// The same, and may be empty.
pub fn optional_message(field: &str, raw: &str, max: usize) -> Result<Text, Denied> {
    let text = Text::scrub(raw, max);
    // Scrubbing works on eight characters a cluster at most.
    let cut = Text::scrub(raw, max.saturating_add(1)) != text
        || raw.chars().nth(max.saturating_mul(8)).is_some();
    if cut {
        return Err(invalid(field, format!("at most {max} characters")));
    }
    Ok(text)
}

/// Absent and 0 ms are a cut. The range is the core's business.
pub fn transition(wire: Option<&v1::Transition>) -> Transition {
    match wire.map_or(0, |t| t.fade_ms) {
        0 => Transition::Cut,
        ms => Transition::Fade { ms },
    }
}

/// What the core calls a field, as it is called in requests.
pub fn wire_field(core: &str) -> &str {
    match core {
        "grace_ms" => "settings.grace_ms",
        "on_air_grace_ms" => "settings.on_air_grace_ms",
        "max_callers" => "settings.max_callers",
        "output.port" => "settings.port",
        "output.url" => "settings.push_url",
        "stream_id" => "settings.stream_id",
        "latency_ms" => "settings.latency_ms",
        "idle.path" => "settings.idle.path",
        "audio_bitrate_kbps" => "settings.audio_bitrate_kbps",
        "video.width" => "settings.width",
        "video.height" => "settings.height",
        "video.fps" => "settings.fps",
        "video.bitrate_kbps" => "settings.video_bitrate_kbps",
        "video.preset" => "settings.preset",
        "vmix.address" => "settings.vmix.address",
        "vmix.input" => "settings.vmix.input",
        "vmix.title_input" => "settings.vmix.title_input",
        "vmix.title_field" => "settings.vmix.title_field",
        "backup.files" => "settings.backup.files",
        "slate" => "settings.slate",
        "policy.stable_ms" => "settings.policy.stable_ms",
        "policy.lost_ms" => "settings.policy.lost_ms",
        "policy.delay_ms" => "settings.policy.delay_ms",
        "policy.stable_max_ms" => "settings.policy.stable_max_ms",
        "policy.frozen_ms" => "settings.policy.frozen_ms",
        "policy.black_ms" => "settings.policy.black_ms",
        "policy.silent_ms" => "settings.policy.silent_ms",
        "policy.takeover_ms" => "settings.policy.takeover_ms",
        "policy.fade_ms" => "settings.policy.fade_ms",
        "policy.alert_backup_ms" => "settings.policy.alert_backup_ms",
        "policy.alert_destination_ms" => "settings.policy.alert_destination_ms",
        "srt_input.port" => "settings.srt_input.port",
        "srt_input.latency_ms" => "settings.srt_input.latency_ms",
        "srt_input.stream_id" => "settings.srt_input.stream_id",
        "monitor_port" => "settings.monitor_port",
        "url" => "settings.url",
        "session_max_s" => "settings.session_max_s",
        "fade_ms" => "transition.fade_ms",
        "expires_at" => "ttl",
        "to" => "position",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_keep_their_milliseconds() {
        let at = |ms| {
            let t = time(Timestamp(ms));
            (t.seconds, t.nanos)
        };
        assert_eq!(at(1_500), (1, 500_000_000));
        assert_eq!(at(-1), (-1, 999_000_000));
        assert_eq!(at(0), (0, 0));
    }

    #[test]
    fn a_message_is_scrubbed_and_refused_when_empty_or_too_long() {
        assert_eq!(
            message("text", " hi\u{1b}[2J\u{202e} there ", 20)
                .unwrap()
                .as_str(),
            "hi[2J there"
        );
        assert!(message("text", " \u{7}\u{200b} ", 20).is_err());
        let denied = message("text", &"x".repeat(21), 20).unwrap_err();
        assert_eq!(denied.to_string(), "text: at most 20 characters");
        // Nothing is cut by stealth behind a flood of combining marks either.
        assert!(message("text", &format!("a{}b", "\u{301}".repeat(300)), 20).is_err());
    }
}
