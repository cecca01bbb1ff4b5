//! Destinations with their figures.

use booth_proto::v1::{
    ChannelMeters, Destination, DestinationMeters, destination, destination_settings,
};

use super::rows::Row;
use super::table::{Cell, Table, Tone};
use super::text;
use crate::names::last_part;

/// Destinations with what the meters say of them.
pub fn table(destinations: &[Destination], meters: Option<&ChannelMeters>) -> Table {
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
        page(self, None)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

pub fn page(to: &Destination, figures: Option<&DestinationMeters>) -> Vec<(&'static str, Cell)> {
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
            let every = format!("every {}", text::span(i64::from(most)));
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
