//! All keys, from the same table as everything else.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Canvas;
use super::layout;
use super::theme::Role;
use crate::action::{ACTIONS, Group};
use crate::model::Model;
use crate::text;

/// Cells before the words.
const HELP_FROM: usize = 20;

/// `None` is a group's heading.
fn rows(model: &Model) -> Vec<(String, Option<String>, bool)> {
    let room = usize::from(area(model).width).saturating_sub(HELP_FROM + 3);
    let mut rows = Vec::new();
    for group in Group::ALL {
        let of_group = ACTIONS
            .iter()
            .filter(|spec| spec.group == group && model.can(spec.capability));
        let of_group: Vec<_> = of_group.collect();
        if of_group.is_empty() {
            continue;
        }
        rows.push((group.name().to_uppercase(), None, true));
        for spec in of_group {
            let keys = model.settings.keymap.all(spec.action).join(", ");
            let keys = if keys.is_empty() {
                format!(": {}", spec.name.replace('-', " "))
            } else {
                keys
            };
            let mut keys = Some(keys);
            for part in text::wrap(spec.help, room) {
                let keys = keys.take().unwrap_or_default();
                rows.push((keys, Some(part), model.may(spec.action)));
            }
        }
        if group == Group::Air {
            rows.push((
                "1 … 9".into(),
                Some("Select the slot (the channel) of this number".into()),
                true,
            ));
            rows.push(("enter".into(), Some("Do what is armed".into()), true));
        }
    }
    rows
}

fn area(model: &Model) -> Rect {
    let body = layout::screen(model).body;
    let width = body.width.min(104);
    Rect {
        x: body.x + (body.width - width) / 2,
        width,
        ..body
    }
}

/// The furthest that the help scrolls.
pub fn last_offset(model: &Model) -> usize {
    let height = usize::from(area(model).height.saturating_sub(2));
    rows(model).len().saturating_sub(height)
}

pub fn draw(canvas: &mut Canvas<'_>, offset: usize) {
    let model = canvas.model;
    let area = area(model);
    canvas.clear(area);
    let title = Line::from(vec![
        canvas.span(" keys ", Role::Title),
        canvas.span("── j k scroll · Esc closes ", Role::Dim),
    ]);
    let inner = canvas.frame(area, title, false, Role::Accent);
    for (n, (keys, help, may)) in rows(model)
        .into_iter()
        .skip(offset)
        .take(usize::from(inner.height))
        .enumerate()
    {
        let row = u16::try_from(n).unwrap_or(u16::MAX);
        let line = match help {
            None => Line::from(canvas.span(format!(" {keys}"), Role::Accent)),
            Some(help) => {
                let role = if may { Role::Text } else { Role::Dim };
                Line::from(vec![
                    canvas.span(format!("   {}", text::pad(&keys, 17)), Role::Key),
                    canvas.span(help, role),
                ])
            }
        };
        canvas.line(inner, row, line);
    }
}
