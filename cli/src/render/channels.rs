//! Channels, their destinations, checked files and drills.

use booth_proto::v1::{
    Channel, ChannelMeters, ChannelSettings, CheckedFile, Destination, DestinationMeters,
    DrillStep, FailoverPolicy, LiveFormat, Prepared, Publisher, VideoEncoder, channel,
    channel_settings, destination, destination_settings, failover_policy, prepared,
};
use pbjson_types::Timestamp;

use super::rows::Row;
use super::table::{Cell, Table, Tone};
use super::text;
use crate::names::last_part;

/// Every channel; with the server's time, how long each source has been on.
pub fn table(channels: &[Channel], now_ms: Option<i64>) -> Table {
    Table {
        headings: Channel::HEADINGS.to_vec(),
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
        "FOR",
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
        Some(LiveState::Lost) => Cell::toned("LOST", Tone::Warning),
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
        (Some(at), Some(now_ms)) => span(now_ms.div_euclid(1_000) - at.seconds),
        (at, _) => text::time(at),
    }
}

/// `3 d 4 h`, `5 h 12 m`, `12 m 30 s`, `8 s`.
fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} m {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} m"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Length of a file or a loop: `01:02:03.5`.
pub fn length(seconds: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a length in milliseconds fits"
    )]
    let ms = (seconds * 1_000.0).round() as i64;
    let tenths = ms / 100 % 10;
    format!("{}.{tenths}", text::clock(ms.div_euclid(1_000)))
}

/// A word of the server alone on a line.
pub fn plain(text: &str) -> String {
    text::scrub(text)
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
            "For",
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
        Ok(prepared::State::Ready) if prepared.duration_s > 0.0 => Cell::toned(
            format!("{} {}", length(prepared.duration_s), prepared.note),
            Tone::Good,
        ),
        Ok(prepared::State::Ready) => Cell::toned(format!("yes {}", prepared.note), Tone::Good),
        Ok(prepared::State::Failed) => {
            Cell::toned(format!("FAILED: {}", prepared.note), Tone::Warning)
        }
        _ => Cell::toned("in progress", Tone::Warning),
    }
}

fn policy_of(policy: &FailoverPolicy) -> Vec<(&'static str, Cell)> {
    let ms = |value: Option<u32>| match value.unwrap_or(0) {
        0 => String::new(),
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

/// Destinations with what the meters say of them.
pub fn destinations(destinations: &[Destination], meters: Option<&ChannelMeters>) -> Table {
    let row = |to: &Destination| {
        let figures = meters.iter().flat_map(|meters| &meters.destinations);
        let figures = figures.into_iter().find(|figures| figures.name == to.name);
        destination_row(to, figures)
    };
    Table {
        headings: Destination::HEADINGS.to_vec(),
        rows: destinations.iter().map(row).collect(),
    }
}

fn destination_row(to: &Destination, figures: Option<&DestinationMeters>) -> Vec<Cell> {
    let live = to.state == destination::State::Live as i32;
    let rate = figures.filter(|_| live);
    let retry = figures.map(|figures| figures.retry_in_s);
    let retry = retry.filter(|_| to.state == destination::State::Retrying as i32);
    let state = state_of(to);
    let state = match retry {
        Some(wait) if wait > 0.0 => {
            Cell::toned(format!("{} in {wait:.0} s", state.text), state.tone)
        }
        _ => state,
    };
    vec![
        Cell::new(last_part(&to.name)),
        state,
        Cell::new(
            rate.map(|figures| format!("{:.0} kb/s", figures.rate_kbps))
                .unwrap_or_default(),
        ),
        Cell::new(
            figures
                .map(|figures| figures.dropped_frames.to_string())
                .unwrap_or_default(),
        ),
        Cell::new(
            to.settings
                .as_ref()
                .and_then(|s| s.url.as_deref())
                .unwrap_or_default(),
        ),
        Cell::toned(&to.last_error, Tone::Warning),
    ]
}

fn state_of(to: &Destination) -> Cell {
    use destination::State;
    let state = State::try_from(to.state).ok();
    let words = text::enum_text(state.map(|state| state.as_str_name()), "STATE_");
    match state {
        _ if !to.enabled => Cell::toned("disabled", Tone::Quiet),
        Some(State::Live) => Cell::toned(words, Tone::Good),
        Some(State::Retrying | State::Failed) => Cell::toned(words, Tone::Warning),
        Some(State::Idle) => Cell::toned("idle", Tone::Quiet),
        _ => Cell::new(words.to_lowercase()),
    }
}

impl Row for Destination {
    const HEADINGS: &'static [&'static str] = &[
        "DESTINATION",
        "STATE",
        "BIT RATE",
        "DROPPED",
        "URL",
        "LAST ERROR",
    ];

    fn row(&self) -> Vec<Cell> {
        destination_row(self, None)
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        destination_page(self, None)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

pub fn destination_page(
    to: &Destination,
    figures: Option<&DestinationMeters>,
) -> Vec<(&'static str, Cell)> {
    let mut page = vec![
        ("Destination", Cell::new(&to.name)),
        ("State", state_of(to)),
        ("Since", Cell::new(text::time(to.state_time.as_ref()))),
        ("Last error", Cell::toned(&to.last_error, Tone::Warning)),
    ];
    if let Some(figures) = figures {
        page.extend([
            (
                "Bit rate",
                Cell::new(format!("{:.0} kb/s", figures.rate_kbps)),
            ),
            (
                "Dropped frames",
                Cell::new(figures.dropped_frames.to_string()),
            ),
            ("Sent", Cell::new(text::bytes(figures.sent_bytes))),
        ]);
    }
    if let Some(settings) = &to.settings {
        let preset = settings
            .preset
            .and_then(|preset| destination_settings::Preset::try_from(preset).ok());
        let preset = text::enum_text(preset.map(|preset| preset.as_str_name()), "PRESET_");
        let key = match settings.has_key {
            Some(true) => "set",
            Some(false) => "none",
            None => "",
        };
        let url = settings.url.as_deref().unwrap_or_default();
        page.extend([
            ("Preset", Cell::new(preset.to_lowercase().replace('_', "-"))),
            ("URL", Cell::new(url)),
            ("Key", Cell::new(key)),
        ]);
        if let Some(most) = settings.session_max_s.filter(|most| *most > 0) {
            let every = format!("every {}", span(i64::from(most)));
            page.push(("Reconnects", Cell::new(every)));
        }
        if url.starts_with("srt://") {
            let latency = settings.latency_ms.unwrap_or_default();
            page.extend([
                ("Latency", Cell::new(format!("{latency} ms"))),
                (
                    "Stream id",
                    Cell::new(settings.stream_id.as_deref().unwrap_or_default()),
                ),
            ]);
        }
    }
    page.push(("Revision", Cell::new(to.revision.to_string())));
    page
}

impl Row for CheckedFile {
    const HEADINGS: &'static [&'static str] = &["FILE", "LENGTH", "VIDEO", "AUDIO", "CHANGES"];

    fn row(&self) -> Vec<Cell> {
        let changes = if self.changes.is_empty() {
            Cell::toned("none, it is copied as it is", Tone::Good)
        } else {
            Cell::new(self.changes.join("; "))
        };
        let audio = if self.audio.is_empty() {
            Cell::toned("none", Tone::Warning)
        } else {
            Cell::new(&self.audio)
        };
        vec![
            Cell::new(&self.path),
            Cell::new(length(self.duration_s)),
            Cell::new(&self.video),
            audio,
            changes,
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        ["File", "Length", "Video", "Audio", "Changes"]
            .into_iter()
            .zip(self.row())
            .collect()
    }

    fn name(&self) -> &str {
        &self.path
    }
}

pub fn drill(steps: &[DrillStep]) -> Table {
    let row = |step: &DrillStep| {
        let result = if step.passed {
            Cell::toned("ok", Tone::Good)
        } else {
            Cell::toned("FAILED", Tone::OnAir)
        };
        let ms = |value: u32| Cell::new(format!("{value} ms"));
        vec![
            Cell::new(&step.step),
            result,
            ms(step.reaction_ms),
            ms(step.freeze_ms),
            ms(step.timestamp_step_ms),
            Cell::new(&step.text),
        ]
    };
    Table {
        headings: vec!["STEP", "RESULT", "REACTION", "FREEZE", "TIME STEP", "NOTE"],
        rows: steps.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_name_their_two_largest_units() {
        for (seconds, text) in [
            (-5, "0 s"),
            (8, "8 s"),
            (750, "12 m 30 s"),
            (18_720, "5 h 12 m"),
            (274_000, "3 d 4 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(length(3_723.46), "01:02:03.4");
    }

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
