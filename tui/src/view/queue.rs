//! The queue: who waits, and at a glance whether they can go on air.

use booth_proto::v1::{self, caller::State};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Role;
use super::{Canvas, meter, popup};
use crate::action::Action;
use crate::model::Model;
use crate::text;
use crate::update::state_word;

struct Column {
    title: &'static str,
    width: usize,
}

const TOPIC_LEAST: usize = 10;
const TOPIC_MOST: usize = 56;

/// Columns by room: notes go first, then links. `wide` is the Queue view, which has more to say.
fn columns(width: usize, wide: bool) -> Vec<Column> {
    let column = |title, width| Column { title, width };
    let mut columns = vec![
        column("#", 4),
        column("name", if width >= 120 { 26 } else { 18 }),
    ];
    let topic = columns.len();
    columns.extend([column("topic", 0), column("waits", 8), column("level", 11)]);
    if width >= 90 {
        columns.push(column("link", 7));
    }
    if wide && width >= 120 {
        columns.push(column("rtt", 7));
        columns.push(column("loss", 7));
        columns.push(column("rate", 7));
    }
    columns.push(column("state", 10));
    if width >= 90 {
        columns.push(column("notes", if width >= 150 { 40 } else { 18 }));
    }
    let used: usize = columns.iter().map(|c| c.width).sum();
    let rest = width.saturating_sub(used + 2);
    if rest < TOPIC_LEAST {
        columns.remove(topic);
        columns[1].width += rest;
        return columns;
    }
    // What is beyond the eye's reach from the name is better spent on notes.
    columns[topic].width = rest.min(TOPIC_MOST);
    if let Some(last) = columns.last_mut().filter(|c| c.title == "notes") {
        last.width += rest.saturating_sub(TOPIC_MOST);
    }
    columns
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, wide: bool) {
    let model = canvas.model;
    let list = &model.queue;
    let mut title = vec![canvas.span(" queue ", Role::Title)];
    if list.filter.is_empty() {
        let key = model.settings.keymap.shown(Action::Filter);
        title.push(canvas.span(format!("── {key} filter "), Role::Dim));
    } else {
        title.push(canvas.span(
            format!("── filter: {} ", text::fit(&list.filter, 30)),
            Role::Warn,
        ));
        title.push(canvas.span(
            format!("({} of {}) ", list.rows.len(), model.queue_length()),
            Role::Dim,
        ));
    }
    if !model.marked.is_empty() {
        let marked = text::count(model.marked.len() as u64, "caller");
        title.push(canvas.span(format!("── {marked} marked "), Role::Warn));
    }
    if list.sort != Default::default() || list.reverse {
        let turned = if list.reverse { " ↓" } else { "" };
        title.push(canvas.span(format!("── by {}{turned} ", list.sort.name()), Role::Accent));
    }
    let inner = canvas.frame(area, Line::from(title), false, Role::Frame);
    if list.rows.is_empty() {
        return empty(canvas, inner);
    }
    let columns = columns(usize::from(inner.width), wide);
    let mut heading = String::from("  ");
    for column in &columns {
        heading.push_str(&text::pad(column.title, column.width));
    }
    let heading = Line::from(canvas.span(heading, Role::Dim));
    canvas.line(inner, 0, heading);
    let height = usize::from(inner.height.saturating_sub(1));
    for (n, name) in list.rows.iter().skip(list.offset).take(height).enumerate() {
        let row = u16::try_from(n + 1).unwrap_or(u16::MAX);
        let Some(caller) = model.world.callers.get(name) else {
            continue;
        };
        let selected = list.selected.as_ref() == Some(name);
        if selected {
            canvas.fill(
                Rect {
                    y: inner.y + row,
                    height: 1,
                    ..inner
                },
                canvas.style(Role::Selected),
            );
        }
        let line = line(canvas, caller, &columns, selected);
        canvas.line(inner, row, line);
    }
    let below = list.rows.len().saturating_sub(list.offset + height);
    if below > 0 || list.offset > 0 {
        let place = list.index().map_or(0, |at| at + 1);
        let bottom = Rect {
            y: area.bottom() - 1,
            height: 1,
            width: area.width.saturating_sub(2),
            ..area
        };
        let line = Line::from(canvas.span(format!(" {place} of {} ", list.rows.len()), Role::Dim));
        canvas.right(bottom, 0, line);
    }
}

fn line<'t>(
    canvas: &Canvas<'_>,
    caller: &v1::Caller,
    columns: &[Column],
    selected: bool,
) -> Line<'t> {
    let model = canvas.model;
    let stale = model.levels_stale();
    let level = model.meters.callers.get(&caller.name);
    let cursor = if selected { "▸" } else { " " };
    let mark = match model.marked.contains(&caller.name) {
        true => "✓",
        false => " ",
    };
    let mut spans = vec![
        canvas.span(cursor, Role::Key),
        canvas.span(mark, Role::Warn),
    ];
    for column in columns {
        let width = column.width;
        let cell = |text: String, role| canvas.span(text::pad(&text, width), role);
        let span: Span<'t> = match column.title {
            "#" => cell(place(model, caller), Role::Dim),
            "name" => cell(name(model, caller, width - 1), Role::Text),
            "topic" => {
                let topic = text::clean(&caller.topic);
                let topic = if topic.is_empty() {
                    "–".into()
                } else {
                    topic
                };
                cell(
                    text::fit(&topic, width.saturating_sub(1)).into_owned(),
                    Role::Text,
                )
            }
            "waits" => {
                let waits = model.since(caller.join_time.as_ref());
                cell(
                    text::pad_left(&waits.map(text::clock).unwrap_or_default(), width - 1),
                    Role::Text,
                )
            }
            "level" => match (missing(caller), level) {
                (Some(word), _) => cell(word.to_owned(), Role::Warn),
                (None, Some(level)) => {
                    let clip = model.meters.clipped.contains(&caller.name);
                    let role = if stale {
                        Role::Dim
                    } else if clip {
                        Role::Bad
                    } else {
                        Role::Text
                    };
                    let sign = if clip { " !" } else { "" };
                    cell(format!("{}{sign}", meter::trail(&level.trail)), role)
                }
                (None, None) => cell(String::new(), Role::Dim),
            },
            "link" => match level.filter(|_| caller.connected) {
                Some(level) => {
                    spans.extend(meter::dots(canvas, level.now.score, stale).spans);
                    canvas.span(" ".repeat(width.saturating_sub(5)), Role::Text)
                }
                None => cell("–".into(), Role::Dim),
            },
            "rtt" => cell(
                level.map_or_else(String::new, |l| format!("{:.0}ms", l.now.rtt_ms)),
                Role::Dim,
            ),
            "loss" => cell(
                level.map_or_else(String::new, |l| format!("{:.1}%", l.now.loss * 100.0)),
                Role::Dim,
            ),
            "rate" => cell(
                level.map_or_else(String::new, |l| text::rate(l.now.receive_rate_kbps)),
                Role::Dim,
            ),
            "state" => state(canvas, caller, width),
            "notes" => cell(notes(caller), Role::Dim),
            _ => cell(String::new(), Role::Dim),
        };
        spans.push(span);
    }
    Line::from(spans)
}

fn state<'t>(canvas: &Canvas<'_>, caller: &v1::Caller, width: usize) -> Span<'t> {
    let model = canvas.model;
    let word = state_word(caller.state());
    if model.pending_on(&caller.name).is_some() {
        return canvas.span(text::pad("… wait", width), Role::Warn);
    }
    let role = match caller.state() {
        State::Ready => Role::Ready,
        State::OnAir => Role::OnAir,
        State::Screening => Role::Accent,
        State::Held => Role::Dim,
        _ => Role::Text,
    };
    let bold = canvas.style(role);
    let bold = if caller.state() == State::Ready {
        bold.add_modifier(ratatui::style::Modifier::BOLD)
    } else {
        bold
    };
    Span::styled(text::pad(word, width), bold)
}

fn place(model: &Model, caller: &v1::Caller) -> String {
    match caller.state() {
        State::OnAir => format!("→{}", text::fit(text::id(&caller.slot), 2)),
        // Asked for rows in sight only.
        _ => model
            .place(&caller.name)
            .map_or_else(String::new, |n| n.to_string()),
    }
}

fn name(model: &Model, caller: &v1::Caller, width: usize) -> String {
    let host = if caller.kind() == v1::caller::Kind::Host {
        "★ "
    } else {
        ""
    };
    let unread = caller.chat.last().is_some_and(|m| m.operator.is_empty());
    let mail = if unread { " ✉" } else { "" };
    let room = width.saturating_sub(text::width(host) + text::width(mail));
    format!(
        "{host}{}{mail}",
        text::fit(&model.world.caller_name(&caller.name), room)
    )
}

/// What a caller lacks for going on air.
pub fn missing(caller: &v1::Caller) -> Option<&'static str> {
    match (
        caller.connected,
        caller.has_audio,
        caller.has_video,
        caller.muted,
    ) {
        (false, ..) if caller.state() == State::Joining => Some("joining"),
        (false, ..) => Some("✕ no link"),
        (_, false, ..) => Some("✕ no mic"),
        (_, _, _, true) => Some("✕ muted"),
        _ => None,
    }
}

fn notes(caller: &v1::Caller) -> String {
    let mut said = Vec::new();
    if caller.connected && !caller.has_video {
        said.push("no picture".to_owned());
    }
    if let Some(note) = caller.notes.last() {
        said.push(format!("✎ {}", text::clean(&note.text)));
    }
    said.join(" · ")
}

fn empty(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let key = |action| model.settings.keymap.shown(action);
    if model.heard.is_none() {
        let next = match &model.link {
            crate::model::LinkState::Down { next, .. } => next.clone(),
            _ => String::new(),
        };
        return canvas.empty(area, &["Nothing is known yet.".to_owned(), next]);
    }
    if !model.queue.filter.is_empty() {
        let drops = format!("{} drops the filter", key(Action::Back));
        return canvas.empty(
            area,
            &["Nobody in the queue has these words.".into(), drops],
        );
    }
    let mut next = Vec::new();
    if model.works(Action::Practice) && model.may(Action::Practice) {
        next.push(format!(
            "{}  lets three synthetic callers in, to practise with",
            key(Action::Practice)
        ));
    }
    popup::empty(canvas, area, "Nobody waits.", &next);
}
