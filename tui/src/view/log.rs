//! The as-run log.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::theme::Role;
use super::{Canvas, popup};
use crate::model::log::{Entry, Weight};
use crate::text;

/// The Air view's corner: the latest, newest first.
pub fn panel(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" log ", Role::Title)),
        false,
        Role::Frame,
    );
    let rows = usize::from(inner.height);
    for (n, entry) in model.log.entries.iter().rev().take(rows).enumerate() {
        let line = line(canvas, entry, 7);
        canvas.line(inner, u16::try_from(n).unwrap_or(u16::MAX), line);
    }
    if model.log.entries.is_empty() {
        canvas.empty(inner, &["nothing happened yet".into()]);
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let title = match model.logs.filter.as_str() {
        "" => format!(
            " log ── {} filter ",
            model.settings.keymap.shown(crate::action::Action::Filter)
        ),
        filter => format!(
            " log ── filter: {} ({}) ",
            text::fit(filter, 30),
            model.logs.rows.len()
        ),
    };
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(title, Role::Title)),
        false,
        Role::Frame,
    );
    if model.logs.rows.is_empty() {
        let journal = "The server's journal has everything: booth watch --since 1".to_owned();
        if model.logs.filter.is_empty() {
            let said = "Nothing happened since the console was opened.";
            return popup::empty(canvas, inner, said, &[journal]);
        }
        return canvas.empty(
            inner,
            &["Nothing in the log has these words.".into(), journal],
        );
    }
    let rows = model
        .logs
        .rows
        .iter()
        .skip(model.logs.offset)
        .take(usize::from(inner.height));
    for (n, name) in rows.enumerate() {
        let Some(entry) = name
            .parse::<usize>()
            .ok()
            .and_then(|at| model.log.entries.get(at))
        else {
            continue;
        };
        let row = u16::try_from(n).unwrap_or(u16::MAX);
        if model.logs.selected.as_ref() == Some(name) {
            canvas.fill(
                Rect {
                    y: inner.y + row,
                    height: 1,
                    ..inner
                },
                canvas.style(Role::Selected),
            );
        }
        let line = line(canvas, entry, 10);
        canvas.line(inner, row, line);
    }
}

fn line<'t>(canvas: &Canvas<'_>, entry: &Entry, actor: usize) -> Line<'t> {
    let at = entry.at_ms.map_or_else(
        || " ".repeat(8),
        |ms| text::time_of_day(ms, canvas.model.zone_s),
    );
    let role = match entry.weight {
        Weight::Plain => Role::Text,
        Weight::Air => Role::Title,
        Weight::Warn => Role::Warn,
    };
    let mark = match entry.weight {
        Weight::Warn => "▲ ",
        Weight::Air => "● ",
        Weight::Plain => "  ",
    };
    Line::from(vec![
        canvas.span(format!("{at} "), Role::Dim),
        canvas.span(text::pad(&entry.actor, actor), Role::Accent),
        canvas.span(format!(" {mark}"), role),
        canvas.span(entry.text.clone(), role),
    ])
}
