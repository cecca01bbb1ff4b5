//! The caller's card: picture, what is known of them, quality over time, chat, notes, and earlier calls.

use booth_proto::v1::{self, caller::State};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Role;
use super::{Canvas, meter, popup, queue};
use crate::action::Action;
use crate::model::meters::CallerLevel;
use crate::model::world::millis;
use crate::text;
use crate::update::state_word;

const PICTURE: (u16, u16) = (32, 9);

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let Some(caller) = model.selected_caller().cloned() else {
        let keys = &model.settings.keymap;
        let next = format!(
            "{} shows the queue: select somebody there, {} opens the card",
            keys.shown(Action::GoQueue),
            keys.shown(Action::Card)
        );
        return popup::empty(canvas, area, "No caller is selected.", &[next]);
    };
    let who = model.world.caller_name(&caller.name);
    let word = state_word(caller.state());
    let on_air = caller.state() == State::OnAir;
    let role = match caller.state() {
        State::OnAir => Role::OnAir,
        State::Ready => Role::Ready,
        State::Ended => Role::Dim,
        _ => Role::Accent,
    };
    let title = Line::from(vec![
        canvas.span(format!(" {} ", text::fit(&who, 40)), Role::Title),
        canvas.span(format!(" {word} "), role),
        canvas.span(format!(" {} ", text::id(&caller.name)), Role::Dim),
    ]);
    let frame = if on_air {
        Role::OnAirFrame
    } else {
        Role::Frame
    };
    let inner = canvas.frame(area, title, on_air, frame);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let head_height = PICTURE.1.min(inner.height / 2).max(6);
    let head = Rect {
        height: head_height.min(inner.height),
        ..inner
    };
    let pictured = picture(canvas, head, &caller);
    let facts_area = Rect {
        x: head.x + pictured,
        width: head.width.saturating_sub(pictured),
        ..head
    };
    facts(canvas, facts_area, &caller);
    let rest = Rect {
        y: inner.y + head.height,
        height: inner.height.saturating_sub(head.height),
        ..inner
    };
    if inner.width >= 90 {
        let left = rest.width * 3 / 5;
        chat(
            canvas,
            Rect {
                width: left,
                ..rest
            },
            &caller,
        );
        let right = Rect {
            x: rest.x + left + 1,
            width: rest.width - left - 1,
            ..rest
        };
        let half = right.height / 2;
        notes(
            canvas,
            Rect {
                height: half,
                ..right
            },
            &caller,
        );
        history(
            canvas,
            Rect {
                y: right.y + half,
                height: right.height - half,
                ..right
            },
            &caller,
        );
    } else {
        let half = rest.height * 3 / 5;
        chat(
            canvas,
            Rect {
                height: half,
                ..rest
            },
            &caller,
        );
        let low = Rect {
            y: rest.y + half,
            height: rest.height - half,
            ..rest
        };
        let left = low.width / 2;
        notes(canvas, Rect { width: left, ..low }, &caller);
        history(
            canvas,
            Rect {
                x: low.x + left + 1,
                width: low.width - left - 1,
                ..low
            },
            &caller,
        );
    }
}

/// The picture at the left; how much room it took.
fn picture(canvas: &mut Canvas<'_>, area: Rect, caller: &v1::Caller) -> u16 {
    let model = canvas.model;
    let shown = model.picture.as_ref().filter(|p| p.caller == caller.name);
    if !model.settings.pictures || shown.is_none() || area.width < 80 {
        return 0;
    }
    let place = Rect {
        width: PICTURE.0,
        height: PICTURE.1.min(area.height),
        ..area
    };
    if canvas.pictures.draw(place, canvas.buf) {
        PICTURE.0 + 2
    } else {
        0
    }
}

fn facts(canvas: &mut Canvas<'_>, area: Rect, caller: &v1::Caller) {
    let model = canvas.model;
    let level = model.meters.callers.get(&caller.name);
    let wide = usize::from(area.width).saturating_sub(10);
    let topic = text::clean(&caller.topic).into_owned();
    let mut rows: Vec<(&str, Vec<Span<'_>>)> = Vec::new();
    rows.push((
        "topic",
        vec![canvas.span(
            if topic.is_empty() {
                "–".into()
            } else {
                text::fit(&topic, wide).into_owned()
            },
            Role::Text,
        )],
    ));
    let place = match model.place(&caller.name) {
        Some(place) => format!("place {place} of {}", model.queue_length()),
        None if !caller.slot.is_empty() => format!("on slot {}", text::id(&caller.slot)),
        None => end(caller),
    };
    let waits = model
        .since(caller.join_time.as_ref())
        .map(text::clock)
        .unwrap_or_default();
    let stays = model
        .since(caller.state_time.as_ref())
        .map(text::clock)
        .unwrap_or_default();
    rows.push((
        "where",
        vec![canvas.span(
            format!(
                "{place} · joined {waits} ago · {} for {stays}",
                state_word(caller.state())
            ),
            Role::Text,
        )],
    ));
    let kind = if caller.kind() == v1::caller::Kind::Host {
        "host"
    } else {
        "caller"
    };
    let mut media = vec![canvas.span(format!("{kind} · "), Role::Dim)];
    match queue::missing(caller) {
        Some(word) => media.push(canvas.span(word, Role::Warn)),
        None => media.push(canvas.span("sound ✓", Role::Good)),
    }
    if caller.has_video {
        let size = level
            .filter(|l| l.now.width > 0)
            .map_or_else(String::new, |l| {
                format!(" {}x{} {:.0} fps", l.now.width, l.now.height, l.now.fps)
            });
        media.push(canvas.span(format!(" picture ✓{size}"), Role::Good));
    } else {
        media.push(canvas.span(" no picture", Role::Dim));
    }
    rows.push(("media", media));
    if let Some(level) = level {
        rows.push(("level", sound(canvas, level, wide.min(50))));
        let mut link = meter::dots(canvas, level.now.score, model.levels_stale()).spans;
        let numbers = format!(
            "  {:.0} ms · {:.1}% lost · jitter {:.0} ms · {}",
            level.now.rtt_ms,
            level.now.loss * 100.0,
            level.now.jitter_ms,
            text::rate(level.now.receive_rate_kbps)
        );
        link.push(canvas.span(numbers, Role::Text));
        rows.push(("link", link));
        let history = meter::history(&level.scores, wide.min(60));
        rows.push((
            "quality",
            vec![
                canvas.span(history, Role::Accent),
                canvas.span(" last 2 min", Role::Dim),
            ],
        ));
    }
    for (n, (label, spans)) in rows.into_iter().enumerate() {
        let mut line = vec![canvas.span(text::pad(label, 9), Role::Dim)];
        line.extend(spans);
        canvas.line(area, u16::try_from(n).unwrap_or(u16::MAX), Line::from(line));
    }
}

fn sound<'t>(canvas: &Canvas<'_>, level: &CallerLevel, cells: usize) -> Vec<Span<'t>> {
    let db = level.now.level_dbfs;
    let mut spans = meter::bar(
        canvas,
        db,
        -120.0,
        cells.saturating_sub(8),
        canvas.model.levels_stale(),
    );
    spans.push(canvas.span(format!(" {} dB", meter::number(db)), Role::Text));
    spans
}

fn end(caller: &v1::Caller) -> String {
    use v1::caller::EndReason;
    let word = match caller.end_reason() {
        EndReason::Unspecified => "not in the queue",
        EndReason::Left => "left",
        EndReason::Dropped => "was dropped",
        EndReason::Rejected => "was rejected",
        EndReason::Completed => "was on air",
        EndReason::Lost => "was lost",
    };
    match text::clean(&caller.end_note) {
        note if note.is_empty() => word.to_owned(),
        note => format!("{word} ({})", text::fit(&note, 40)),
    }
}

/// The newest at the bottom, where the answer is typed.
fn chat(canvas: &mut Canvas<'_>, area: Rect, caller: &v1::Caller) {
    let model = canvas.model;
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" chat ", Role::Title)),
        false,
        Role::Frame,
    );
    if caller.chat.is_empty() {
        let key = model.settings.keymap.shown(crate::action::Action::Chat);
        return canvas.empty(
            inner,
            &[
                "Nothing was written.".into(),
                format!("{key} writes to the caller"),
            ],
        );
    }
    let mut rows: Vec<Line<'_>> = Vec::new();
    for message in &caller.chat {
        let at = millis(message.time.as_ref())
            .map_or_else(String::new, |ms| text::time_of_day(ms, model.zone_s));
        let (from, role) = match message.operator.as_str() {
            "" => (model.world.caller_name(&caller.name), Role::Accent),
            operator => (text::clean(text::id(operator)).into_owned(), Role::Dim),
        };
        let from = text::fit(&from, 14).into_owned();
        let head = format!("{} {from}: ", at.get(..5).unwrap_or_default());
        let indent = text::width(&head);
        let room = usize::from(inner.width).saturating_sub(indent);
        for (n, part) in text::wrap(&text::clean(&message.text), room)
            .into_iter()
            .enumerate()
        {
            let head = if n == 0 {
                head.clone()
            } else {
                " ".repeat(indent)
            };
            rows.push(Line::from(vec![
                canvas.span(head, role),
                canvas.span(part, Role::Text),
            ]));
        }
    }
    bottom(canvas, inner, rows);
}

fn notes(canvas: &mut Canvas<'_>, area: Rect, caller: &v1::Caller) {
    let model = canvas.model;
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" notes ", Role::Title)),
        false,
        Role::Frame,
    );
    if caller.notes.is_empty() {
        let key = model.settings.keymap.shown(crate::action::Action::Note);
        return canvas.empty(inner, &[format!("none · {key} writes one")]);
    }
    let mut rows = Vec::new();
    for note in &caller.notes {
        let by = text::clean(text::id(&note.operator)).into_owned();
        let said = format!("✎ {} ({by})", text::clean(&note.text));
        for part in text::wrap(&said, usize::from(inner.width)) {
            rows.push(Line::from(canvas.span(part, Role::Text)));
        }
    }
    bottom(canvas, inner, rows);
}

/// Earlier calls under the same name, and what happened in this one.
fn history(canvas: &mut Canvas<'_>, area: Rect, caller: &v1::Caller) {
    let model = canvas.model;
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" history ", Role::Title)),
        false,
        Role::Frame,
    );
    let show = caller.name.split("/callers/").next().unwrap_or_default();
    let earlier = model.world.callers.values().filter(|c| {
        c.name != caller.name
            && c.state() == State::Ended
            && c.display_name == caller.display_name
            && c.name.starts_with(&format!("{show}/"))
    });
    let mut rows: Vec<Line<'_>> = Vec::new();
    for call in earlier {
        let at = millis(call.join_time.as_ref())
            .map_or_else(String::new, |ms| text::time_of_day(ms, model.zone_s));
        rows.push(Line::from(canvas.span(
            format!(
                "{} earlier call, {}",
                at.get(..5).unwrap_or_default(),
                end(call)
            ),
            Role::Accent,
        )));
    }
    for entry in model
        .log
        .entries
        .iter()
        .filter(|e| e.resource == caller.name)
    {
        let at = entry
            .at_ms
            .map_or_else(String::new, |ms| text::time_of_day(ms, model.zone_s));
        rows.push(Line::from(vec![
            canvas.span(format!("{} ", at.get(..5).unwrap_or_default()), Role::Dim),
            canvas.span(entry.text.clone(), Role::Text),
        ]));
    }
    if rows.is_empty() {
        return canvas.empty(inner, &["first call".into()]);
    }
    bottom(canvas, inner, rows);
}

fn bottom(canvas: &mut Canvas<'_>, area: Rect, rows: Vec<Line<'_>>) {
    let skip = rows.len().saturating_sub(usize::from(area.height));
    for (n, row) in rows.into_iter().skip(skip).enumerate() {
        canvas.line(area, u16::try_from(n).unwrap_or(u16::MAX), row);
    }
}
