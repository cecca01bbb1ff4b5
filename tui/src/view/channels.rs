//! Channels: what each shows, why, and where it goes. On backup is a word, a sign and amber; it is big where there is room.

use booth_proto::v1::{
    self,
    channel::{Force, LiveState, Showing},
    destination,
};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Canvas;
use super::theme::Role;
use super::{layout, popup};
use crate::action::Action;
use crate::text;

/// The Air view's rows.
pub fn panel(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" channels ", Role::Title)),
        false,
        Role::Frame,
    );
    let channels: Vec<&v1::Channel> = model.world.channels.values().collect();
    let rows = usize::from(inner.height);
    // Those that need an eye come first when there is no room for all.
    let mut shown = channels.clone();
    if shown.len() > rows {
        shown.sort_by_key(|c| (c.showing() == Showing::Live, c.name.clone()));
    }
    for (n, channel) in shown.into_iter().take(rows).enumerate() {
        let line = row(canvas, channel, usize::from(inner.width));
        canvas.line(inner, u16::try_from(n).unwrap_or(u16::MAX), line);
    }
}

fn word(channel: &v1::Channel) -> (&'static str, Role) {
    match channel.showing() {
        _ if !channel.running => ("off", Role::Dim),
        _ if !channel.online => ("▲ NO OUTPUT", Role::Bad),
        Showing::Live => ("● LIVE", Role::Good),
        Showing::Backup => ("▲ BACKUP", Role::Warn),
        Showing::Slate => ("▲ SLATE", Role::Bad),
        Showing::Off | Showing::Unspecified => ("○ starting", Role::Warn),
    }
}

fn held(channel: &v1::Channel) -> Option<&'static str> {
    match channel.force() {
        Force::Live => Some("HELD ON LIVE"),
        Force::Backup => Some("HELD ON BACKUP"),
        Force::Auto | Force::Unspecified => None,
    }
}

/// `krishna    ● LIVE  24:00:00 2.5M  yt ● 2.5M`.
fn row<'t>(canvas: &Canvas<'_>, channel: &v1::Channel, width: usize) -> Line<'t> {
    let model = canvas.model;
    let mut spans = vec![canvas.span(
        format!(" {}", text::pad(text::id(&channel.name), 11)),
        Role::Text,
    )];
    spans.extend(status(canvas, channel));
    if held(channel).is_some() {
        spans.push(canvas.span("HELD ", Role::Warn));
    }
    let meters = model.meters.channels.get(&channel.name);
    // The destinations' rates say the same.
    if let Some(meters) = meters.filter(|_| channel.running && width >= 70) {
        spans.push(canvas.span(
            format!("{} ", text::rate(meters.output_rate_kbps)),
            Role::Text,
        ));
    }
    for to in &channel.destinations {
        spans.push(Span::raw(" "));
        spans.extend(short(canvas, channel, to));
    }
    Line::from(spans)
}

fn status<'t>(canvas: &Canvas<'_>, channel: &v1::Channel) -> Vec<Span<'t>> {
    let (word, role) = word(channel);
    let since = canvas.model.since(channel.showing_time.as_ref());
    let since = since
        .filter(|_| channel.running)
        .map(text::clock)
        .unwrap_or_default();
    vec![
        canvas.span(text::pad(word, 10), role),
        canvas.span(format!("{since:>8} "), Role::Dim),
    ]
}

/// A row of the Channels view's list, with the number that selects it.
fn item<'t>(canvas: &Canvas<'_>, channel: &v1::Channel, number: usize, selected: bool) -> Line<'t> {
    let mark = if selected { "▸" } else { " " };
    let mut spans = vec![
        canvas.span(format!("{mark}{number} "), Role::Key),
        canvas.span(text::pad(text::id(&channel.name), 12), Role::Text),
    ];
    spans.extend(status(canvas, channel));
    Line::from(spans)
}

/// `yt ● 2.5M`, `fb ↻ 8s`.
fn short<'t>(canvas: &Canvas<'_>, channel: &v1::Channel, to: &v1::Destination) -> Vec<Span<'t>> {
    let meters = canvas.model.meters.channels.get(&channel.name);
    let meter = meters.and_then(|m| m.destinations.iter().find(|d| d.name == to.name));
    let (sign, role) = sign(to);
    let more = match to.state() {
        destination::State::Live => meter.map_or_else(String::new, |m| text::rate(m.rate_kbps)),
        destination::State::Retrying => {
            meter.map_or_else(String::new, |m| format!("{:.0}s", m.retry_in_s))
        }
        destination::State::Failed => "FAILED".into(),
        _ => String::new(),
    };
    vec![
        canvas.span(format!("{} ", text::fit(text::id(&to.name), 10)), Role::Dim),
        canvas.span(format!("{sign} {more}"), role),
    ]
}

fn sign(to: &v1::Destination) -> (&'static str, Role) {
    match to.state() {
        destination::State::Live => ("●", Role::Good),
        destination::State::Connecting => ("…", Role::Warn),
        destination::State::Retrying => ("↻", Role::Warn),
        destination::State::Failed => ("✕", Role::Bad),
        destination::State::Idle | destination::State::Unspecified => ("○", Role::Dim),
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    if model.channels.rows.is_empty() {
        let inner = canvas.frame(
            area,
            Line::from(canvas.span(" channels ", Role::Title)),
            false,
            Role::Frame,
        );
        if !model.channels.filter.is_empty() {
            let drops = model.settings.keymap.shown(Action::Back);
            let lines = [
                "No channel has these words.".into(),
                format!("{drops} drops the filter"),
            ];
            return canvas.empty(inner, &lines);
        }
        let next = [
            "booth channel create radio --backup /srv/loop.mp4 --start",
            "puts a loop on air at once; booth channel url radio --for obs says where to stream",
        ];
        return popup::empty(
            canvas,
            inner,
            "There is no channel.",
            &next.map(str::to_owned),
        );
    }
    let list = layout::channel_list(area);
    let title = match model.channels.filter.as_str() {
        "" => " channels ".to_owned(),
        filter => format!(" channels ── filter: {} ", text::fit(filter, 12)),
    };
    let inner = canvas.frame(
        list,
        Line::from(canvas.span(title, Role::Title)),
        false,
        Role::Frame,
    );
    for (n, name) in model
        .channels
        .rows
        .iter()
        .skip(model.channels.offset)
        .take(usize::from(inner.height))
        .enumerate()
    {
        let Some(channel) = model.world.channels.get(name) else {
            continue;
        };
        let selected = model.channels.selected.as_ref() == Some(name);
        let row_at = u16::try_from(n).unwrap_or(u16::MAX);
        if selected {
            canvas.fill(
                Rect {
                    y: inner.y + row_at,
                    height: 1,
                    ..inner
                },
                canvas.style(Role::Selected),
            );
        }
        let line = item(canvas, channel, model.channels.offset + n + 1, selected);
        canvas.line(inner, row_at, line);
    }
    let rest = Rect {
        x: list.right(),
        width: area.width - list.width,
        ..area
    };
    if let Some(channel) = model.selected_channel().cloned() {
        detail(canvas, rest, &channel);
    }
}

fn detail(canvas: &mut Canvas<'_>, area: Rect, channel: &v1::Channel) {
    let model = canvas.model;
    let number = model.channels.index().map_or(0, |at| at + 1);
    let (word, role) = word(channel);
    let alarm = channel.running && channel.showing() != Showing::Live;
    let title = Line::from(vec![
        canvas.span(
            format!(" {number} · {} ", text::fit(text::id(&channel.name), 20)),
            Role::Title,
        ),
        canvas.span(format!(" {word} "), role),
    ]);
    let frame = if alarm { Role::OnAirFrame } else { Role::Frame };
    let inner = canvas.frame(area, title, alarm, frame);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let mut rows: Vec<Line<'_>> = Vec::new();
    if alarm {
        let since = model
            .since(channel.showing_time.as_ref())
            .map(text::clock)
            .unwrap_or_default();
        let said = format!(
            "  {} for {since}  {}  ",
            word.trim_start_matches(['▲', '○', ' ']),
            cause(&channel.cause)
        );
        let wide = usize::from(inner.width);
        let blank = " ".repeat(wide);
        rows.push(Line::from(canvas.span(blank.clone(), Role::Banner)));
        rows.push(Line::from(
            canvas.span(text::pad(&said, wide), Role::Banner),
        ));
        rows.push(Line::from(canvas.span(blank, Role::Banner)));
    }
    if let Some(held) = held(channel) {
        let key = model.settings.keymap.shown(crate::action::Action::Auto);
        rows.push(Line::from(canvas.span(
            format!("{held}: {key} goes back to automatic"),
            Role::Warn,
        )));
    }
    if let Some(pending) = model.pending_on(&channel.name) {
        rows.push(Line::from(
            canvas.span(format!("… {}", pending.what), Role::Warn),
        ));
    }
    rows.extend(
        channel
            .alerts
            .iter()
            .map(|a| Line::from(canvas.span(format!("⚑ {}", text::clean(a)), Role::Bad))),
    );
    rows.extend(facts(canvas, channel));
    rows.push(Line::default());
    rows.extend(destinations(canvas, channel));
    for (n, row) in rows.into_iter().enumerate() {
        canvas.line(inner, u16::try_from(n).unwrap_or(u16::MAX), row);
    }
}

fn facts<'t>(canvas: &Canvas<'_>, channel: &v1::Channel) -> Vec<Line<'t>> {
    let model = canvas.model;
    let meters = model.meters.channels.get(&channel.name);
    let row = |label: &str, said: String, role| {
        Line::from(vec![
            canvas.span(text::pad(label, 11), Role::Dim),
            canvas.span(said, role),
        ])
    };
    let mut rows = Vec::new();
    let live_since = model
        .since(channel.live_time.as_ref())
        .map(text::clock)
        .unwrap_or_default();
    let (live, role) = match channel.live() {
        LiveState::Stable => ("stable", Role::Good),
        LiveState::Settling => ("arrives, not for long enough yet", Role::Warn),
        LiveState::Lost => ("LOST", Role::Bad),
        LiveState::Absent | LiveState::Unspecified => ("nobody publishes", Role::Dim),
    };
    let why = if channel.live_cause.is_empty() {
        String::new()
    } else {
        format!(", {}", cause(&channel.live_cause))
    };
    let rate = meters.map_or_else(String::new, |m| {
        format!(" · {}", text::rate(m.live_rate_kbps))
    });
    rows.push(row(
        "live input",
        format!("{live}{why} for {live_since}{rate}"),
        role,
    ));
    if let Some(publisher) = &channel.publisher {
        let since = model
            .since(publisher.connect_time.as_ref())
            .map(text::clock)
            .unwrap_or_default();
        let said = format!(
            "{} from {} {} · {since}",
            publisher.protocol.to_uppercase(),
            publisher.peer,
            publisher.agent
        );
        rows.push(row(
            "publisher",
            text::clean(&said).into_owned(),
            Role::Text,
        ));
    }
    if let Some(format) = &channel.live_format {
        let said = format!(
            "{} {}x{} {:.0} fps · {}",
            format.video,
            format.width,
            format.height,
            format.fps,
            if format.audio.is_empty() {
                "NO SOUND"
            } else {
                &format.audio
            }
        );
        rows.push(row("format", text::clean(&said).into_owned(), Role::Text));
        if !format.differs.is_empty() {
            rows.push(row(
                "",
                format!("differs: {}", text::clean(&format.differs)),
                Role::Warn,
            ));
        }
    }
    if let Some(prepared) = &channel.prepared {
        use v1::prepared::State;
        let percent = meters.map_or(0.0, |m| m.prepared_percent);
        let (said, role) = match prepared.state() {
            State::Ready if prepared.duration_s > 0.0 => (
                format!(
                    "ready, {}",
                    text::clock((prepared.duration_s * 1_000.0) as i64)
                ),
                Role::Good,
            ),
            State::Ready => ("slate only".into(), Role::Warn),
            State::Preparing => (format!("is prepared, {percent:.0}%"), Role::Warn),
            State::Failed => (
                format!("FAILED: {}", text::clean(&prepared.note)),
                Role::Bad,
            ),
            State::Unspecified => ("none".into(), Role::Dim),
        };
        rows.push(row("backup", said, role));
    }
    if let Some(meters) = meters {
        let said = format!(
            "{} · {} late frames · {} watch",
            text::rate(meters.output_rate_kbps),
            meters.late_frames,
            meters.monitor_clients
        );
        rows.push(row("output", said, Role::Text));
    }
    rows
}

fn destinations<'t>(canvas: &Canvas<'_>, channel: &v1::Channel) -> Vec<Line<'t>> {
    let model = canvas.model;
    let meters = model.meters.channels.get(&channel.name);
    if channel.destinations.is_empty() {
        let said = format!(
            "goes nowhere yet: booth destination add {} youtube --preset youtube --key-file yt.key",
            text::id(&channel.name)
        );
        return vec![Line::from(canvas.span(said, Role::Dim))];
    }
    let mut rows = Vec::new();
    for (n, to) in channel.destinations.iter().enumerate() {
        let meter = meters.and_then(|m| m.destinations.iter().find(|d| d.name == to.name));
        let (sign, role) = sign(to);
        let word = match to.state() {
            destination::State::Live => "LIVE",
            destination::State::Connecting => "connecting",
            destination::State::Retrying => "RETRYING",
            destination::State::Failed => "FAILED",
            _ if !to.enabled => "off",
            _ => "idle",
        };
        let since = model
            .since(to.state_time.as_ref())
            .map(text::clock)
            .unwrap_or_default();
        let mut spans = vec![
            canvas.span(format!("{} ", n + 1), Role::Key),
            canvas.span(text::pad(text::id(&to.name), 16), Role::Text),
            canvas.span(text::pad(&format!("{sign} {word}"), 13), role),
            canvas.span(format!("{since:>8}"), Role::Dim),
        ];
        if let Some(meter) = meter {
            spans.push(canvas.span(format!("{:>7}", text::rate(meter.rate_kbps)), Role::Text));
            if meter.dropped_frames > 0 {
                spans.push(canvas.span(format!("  {} dropped", meter.dropped_frames), Role::Warn));
            }
            if to.state() == destination::State::Retrying {
                spans.push(canvas.span(
                    format!("  next try in {:.0} s", meter.retry_in_s),
                    Role::Warn,
                ));
            }
        }
        if model.pending_on(&to.name).is_some() {
            spans.push(canvas.span("  … asked", Role::Warn));
        }
        rows.push(Line::from(spans));
        if !to.last_error.is_empty() && to.state() != destination::State::Live {
            rows.push(Line::from(
                canvas.span(format!("    {}", text::clean(&to.last_error)), Role::Bad),
            ));
        }
    }
    rows
}

/// `LIVE_STALLED` as `live stalled`.
fn cause(cause: &str) -> String {
    text::clean(&cause.to_lowercase().replace('_', " ")).into_owned()
}
