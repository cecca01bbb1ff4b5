//! Channels.

use booth_proto::v1::{
    Channel, ChannelMeters, ChannelSettings, Destination, FailoverPolicy, LiveFormat, Prepared,
    Publisher, VideoEncoder, channel, channel_settings, destination, failover_policy, prepared,
};
use pbjson_types::Timestamp;

use super::rows::Row;
use super::table::{Cell, Table, Tone};
use super::text;
use crate::names::last_part;

/// Column of when the source came to air.
const SINCE: usize = 2;

/// Every channel; with the server's time, how long each source has been on.
pub fn table(channels: &[Channel], now_ms: Option<i64>) -> Table {
    let mut headings = Channel::HEADINGS.to_vec();
    if now_ms.is_some() {
        headings[SINCE] = "FOR";
    }
    Table {
        headings,
        rows: channels
            .iter()
            .map(|channel| row(channel, now_ms))
            .collect(),
    }
}

fn row(channel: &Channel, now_ms: Option<i64>) -> Vec<Cell> {
    let title = channel.settings.as_ref().and_then(|s| s.title.as_deref());
    vec![
        Cell::new(last_part(&channel.name)),
        showing_of(channel),
        Cell::new(since(channel.showing_time.as_ref(), now_ms)),
        live_of(channel),
        Cell::new(channel.publisher.as_ref().map(short).unwrap_or_default()),
        up_of(&channel.destinations),
        Cell::toned(
            match channel.alerts.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                several => several.join("; "),
            },
            Tone::Warning,
        ),
        Cell::new(title.unwrap_or_default()),
    ]
}

impl Row for Channel {
    const HEADINGS: &'static [&'static str] = &[
        "CHANNEL",
        "SHOWING",
        "SINCE",
        "LIVE INPUT",
        "PUBLISHER",
        "DESTINATIONS",
        "ALERTS",
        "TITLE",
    ];

    fn row(&self) -> Vec<Cell> {
        row(self, None)
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        page(self, None, None)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// What the output shows; where that is not what it should, that is said instead.
pub fn showing_of(channel: &Channel) -> Cell {
    use channel::{Force, Showing};
    if !channel.running {
        return Cell::toned("off", Tone::Quiet);
    }
    if !channel.online {
        return Cell::toned("OFFLINE", Tone::Warning);
    }
    let showing = Showing::try_from(channel.showing).ok();
    let words = text::enum_text(showing.map(|showing| showing.as_str_name()), "SHOWING_");
    let forced = match Force::try_from(channel.force) {
        Ok(Force::Live | Force::Backup) => " (forced)",
        _ => "",
    };
    let tone = match showing {
        Some(Showing::Live) => Tone::OnAir,
        Some(Showing::Backup | Showing::Slate) => Tone::Warning,
        _ => Tone::Quiet,
    };
    Cell::toned(format!("{words}{forced}"), tone)
}

fn live_of(channel: &Channel) -> Cell {
    use channel::LiveState;
    let state = LiveState::try_from(channel.live).ok();
    let words = text::enum_text(state.map(|state| state.as_str_name()), "LIVE_STATE_");
    match state {
        Some(LiveState::Stable) => Cell::toned("stable", Tone::Good),
        Some(LiveState::Lost) => {
            let cause = channel.live_cause.to_lowercase().replace('_', " ");
            let cause = cause.strip_prefix("live ").unwrap_or(&cause);
            let lost = if cause.is_empty() {
                "LOST".to_owned()
            } else {
                format!("LOST ({cause})")
            };
            Cell::toned(lost, Tone::Warning)
        }
        Some(LiveState::Absent) => Cell::toned("absent", Tone::Quiet),
        _ => Cell::new(words.to_lowercase()),
    }
}

fn short(publisher: &Publisher) -> String {
    format!("{} {}", publisher.protocol, publisher.peer)
}

/// `2/3`: those that are on, of those that should be.
fn up_of(destinations: &[Destination]) -> Cell {
    let wanted = destinations.iter().filter(|to| to.enabled);
    let total = wanted.clone().count();
    let live = |to: &&Destination| to.state == destination::State::Live as i32;
    let up = wanted.filter(live).count();
    let tone = match (up, total) {
        (_, 0) => Tone::Quiet,
        (up, total) if up == total => Tone::Good,
        _ => Tone::Warning,
    };
    Cell::toned(format!("{up}/{total}"), tone)
}

/// How long ago by the server's time, or else when.
fn since(at: Option<&Timestamp>, now_ms: Option<i64>) -> String {
    match (at, now_ms) {
        (Some(at), Some(now_ms)) => text::span(now_ms.div_euclid(1_000) - at.seconds),
        (at, _) => text::time(at),
    }
}

/// Everything about one channel but its destinations.
pub fn page(
    channel: &Channel,
    meters: Option<&ChannelMeters>,
    now_ms: Option<i64>,
) -> Vec<(&'static str, Cell)> {
    let settings = channel.settings.clone().unwrap_or_default();
    let mut page = vec![
        ("Channel", Cell::new(&channel.name)),
        (
            "Title",
            Cell::new(settings.title.as_deref().unwrap_or_default()),
        ),
        ("Showing", showing_of(channel)),
        (
            if now_ms.is_some() { "For" } else { "Since" },
            Cell::new(since(channel.showing_time.as_ref(), now_ms)),
        ),
        (
            "Because",
            Cell::new(channel.cause.to_lowercase().replace('_', " ")),
        ),
        ("Live input", live_of(channel)),
    ];
    if let Some(publisher) = &channel.publisher {
        let connected = since(publisher.connect_time.as_ref(), now_ms);
        page.extend([
            ("Publisher", Cell::new(short(publisher))),
            ("Encoder", Cell::new(&publisher.agent)),
            ("Connected", Cell::new(connected)),
        ]);
    }
    if let Some(format) = &channel.live_format {
        page.extend(format_of(format));
    }
    if let Some(meters) = meters {
        let output = format!(
            "{:.0} kb/s out, {:.0} kb/s live",
            meters.output_rate_kbps, meters.live_rate_kbps
        );
        page.push(("Bit rate", Cell::new(output)));
        if meters.late_frames > 0 {
            let late = Cell::toned(meters.late_frames.to_string(), Tone::Warning);
            page.push(("Late frames", late));
        }
        if meters.monitor_clients > 0 {
            let watching = Cell::new(meters.monitor_clients.to_string());
            page.push(("Watching", watching));
        }
    }
    for alert in &channel.alerts {
        page.push(("Alert", Cell::toned(alert, Tone::Warning)));
    }
    page.extend(settings_of(&settings, channel.prepared.as_ref()));
    page.extend([
        (
            "Created",
            Cell::new(text::time(channel.create_time.as_ref())),
        ),
        ("Revision", Cell::new(channel.revision.to_string())),
    ]);
    page
}

fn format_of(format: &LiveFormat) -> Vec<(&'static str, Cell)> {
    let picture = match (format.width, format.fps) {
        (0, _) => format.video.clone(),
        (_, fps) => format!(
            "{} {}x{} at {fps:.5} fps",
            format.video, format.width, format.height
        )
        .replace(".00000 fps", " fps"),
    };
    vec![
        ("Live picture", Cell::new(picture)),
        ("Live sound", Cell::new(&format.audio)),
        ("Differs by", Cell::toned(&format.differs, Tone::Warning)),
    ]
}

fn settings_of(
    settings: &ChannelSettings,
    prepared: Option<&Prepared>,
) -> Vec<(&'static str, Cell)> {
    let mode = settings
        .mode
        .and_then(|mode| channel_settings::Mode::try_from(mode).ok());
    let mode = text::enum_text(mode.map(|mode| mode.as_str_name()), "MODE_").to_lowercase();
    let encoder = settings
        .encoder
        .and_then(|encoder| VideoEncoder::try_from(encoder).ok());
    let encoder = text::enum_text(encoder.map(|e| e.as_str_name()), "VIDEO_ENCODER_");
    let number = |value: Option<u32>, unit: &str| match value {
        Some(value) => format!("{value}{unit}"),
        None => String::new(),
    };
    let format = format!(
        "{}x{}, {} fps, {} + {} kb/s, {} {}",
        number(settings.width, ""),
        number(settings.height, ""),
        number(settings.fps, ""),
        number(settings.video_bitrate_kbps, ""),
        number(settings.audio_bitrate_kbps, ""),
        encoder.to_lowercase(),
        settings.preset.as_deref().unwrap_or_default()
    );
    let mut page = vec![("Mode", Cell::new(mode)), ("Format", Cell::new(format))];
    let files = settings.backup.iter().flat_map(|backup| &backup.files);
    page.extend(files.map(|file| ("Backup", Cell::new(file))));
    page.push((
        "Slate",
        Cell::new(settings.slate.as_deref().unwrap_or_default()),
    ));
    page.extend(prepared.map(|prepared| ("Prepared", prepared_of(prepared))));
    page.extend(settings.policy.iter().flat_map(policy_of));
    if let Some(input) = &settings.srt_input {
        let encrypted = if input.has_passphrase == Some(true) {
            ", encrypted"
        } else {
            ""
        };
        let input = format!(
            "port {}, latency {}{encrypted}",
            number(input.port, ""),
            number(input.latency_ms, " ms")
        );
        page.push(("SRT input", Cell::new(input)));
    }
    if let Some(port) = settings.monitor_port.filter(|port| *port != 0) {
        page.push(("Monitor", Cell::new(format!("srt :{port}"))));
    }
    if settings.hls == Some(true) {
        page.push(("HLS", Cell::new("yes")));
    }
    page
}

fn prepared_of(prepared: &Prepared) -> Cell {
    match prepared::State::try_from(prepared.state) {
        Ok(prepared::State::Ready) => {
            let ready = if prepared.duration_s > 0.0 {
                text::length(prepared.duration_s)
            } else {
                "yes".to_owned()
            };
            Cell::toned(format!("{ready} {}", prepared.note).trim_end(), Tone::Good)
        }
        Ok(prepared::State::Failed) => {
            Cell::toned(format!("FAILED: {}", prepared.note), Tone::Warning)
        }
        _ => Cell::toned("in progress", Tone::Warning),
    }
}

fn policy_of(policy: &FailoverPolicy) -> Vec<(&'static str, Cell)> {
    let ms = |value: Option<u32>| match value.unwrap_or(0) {
        0 => String::new(),
        value if value % 60_000 == 0 => format!("{} min", value / 60_000),
        value if value % 1_000 == 0 => format!("{} s", value / 1_000),
        value => format!("{value} ms"),
    };
    let start = policy
        .backup_start
        .and_then(|start| failover_policy::BackupStart::try_from(start).ok());
    let start = text::enum_text(start.map(|start| start.as_str_name()), "BACKUP_START_");
    let stable = match (ms(policy.stable_ms), ms(policy.stable_max_ms)) {
        (stable, max) if stable.is_empty() || max.is_empty() => stable,
        (stable, max) => format!("{stable} (up to {max} when it comes and goes)"),
    };
    [
        ("Taken after", stable),
        ("Lost after", ms(policy.lost_ms)),
        ("Delay", ms(policy.delay_ms)),
        ("Lost if frozen", ms(policy.frozen_ms)),
        ("Lost if black", ms(policy.black_ms)),
        ("Lost if silent", ms(policy.silent_ms)),
        ("Takeover after", ms(policy.takeover_ms)),
        ("Backup starts", start.to_lowercase()),
        ("Fade", ms(policy.fade_ms)),
        ("Alert on backup", ms(policy.alert_backup_ms)),
        ("Alert on destination", ms(policy.alert_destination_ms)),
    ]
    .into_iter()
    .map(|(label, value)| (label, Cell::new(value)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_before_what_is_shown() {
        let mut radio = Channel {
            showing: channel::Showing::Live as i32,
            force: channel::Force::Live as i32,
            ..Channel::default()
        };
        assert_eq!(showing_of(&radio).text, "off");
        radio.running = true;
        assert_eq!(showing_of(&radio).text, "OFFLINE");
        radio.online = true;
        assert_eq!(showing_of(&radio).text, "LIVE (forced)");
    }

    #[test]
    fn a_live_input_that_is_lost_says_why() {
        let mut radio = Channel {
            live: channel::LiveState::Lost as i32,
            live_cause: "LIVE_STALLED".to_owned(),
            ..Channel::default()
        };
        assert_eq!(live_of(&radio).text, "LOST (stalled)");
        // A server of before says no cause.
        radio.live_cause.clear();
        assert_eq!(live_of(&radio).text, "LOST");
    }

    #[test]
    fn a_backup_without_a_note_ends_with_its_length() {
        let ready = |duration_s, note: &str| Prepared {
            state: prepared::State::Ready as i32,
            duration_s,
            note: note.to_owned(),
        };
        let slate = prepared_of(&ready(0.0, ""));
        assert_eq!(slate, Cell::toned("yes", Tone::Good));
        let length = text::length(90.0);
        assert_eq!(prepared_of(&ready(90.0, "")).text, length);
        let noted = prepared_of(&ready(90.0, "2 files"));
        assert_eq!(noted.text, format!("{length} 2 files"));
    }

    #[test]
    fn only_enabled_destinations_are_missed() {
        let to = |enabled, state: destination::State| Destination {
            enabled,
            state: state as i32,
            ..Destination::default()
        };
        use destination::State::{Idle, Live, Retrying};
        let all = [to(true, Live), to(true, Retrying), to(false, Idle)];
        assert_eq!(up_of(&all), Cell::toned("1/2", Tone::Warning));
        assert_eq!(up_of(&all[..1]), Cell::toned("1/1", Tone::Good));
        assert_eq!(up_of(&all[2..]), Cell::toned("0/0", Tone::Quiet));
    }
}
