//! What stands in front of the view: palette, questions, choices, what may follow a prefix, the join link.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Role;
use super::{Canvas, footer, help, layout};
use crate::model::modal::Modal;
use crate::text;
use crate::update::palette;

pub fn draw(canvas: &mut Canvas<'_>, body: Rect) {
    let model = canvas.model;
    match &model.modal {
        Some(Modal::Help { offset }) => help::draw(canvas, *offset),
        Some(Modal::Palette { line, picked }) => search(canvas, body, &line.text, *picked),
        Some(Modal::Confirm {
            sentence, names, ..
        }) => confirm(canvas, body, sentence, names),
        Some(Modal::Choose { title, items }) => {
            let widest = items
                .iter()
                .map(|i| text::width(&i.label))
                .max()
                .unwrap_or(0);
            let area = layout::choose_area(model, widest.max(text::width(title)), items.len());
            let rows = items
                .iter()
                .map(|i| (i.key.to_string(), i.label.clone()))
                .collect();
            choices(canvas, area, title, rows);
        }
        Some(Modal::Invite { url }) => invite(canvas, body, url),
        Some(Modal::Write { .. } | Modal::Filter { .. }) => {}
        None => {
            let following = footer::following(model);
            if !following.is_empty() {
                let title = crate::key::show_sequence(&model.prefix);
                let rows: Vec<_> = following
                    .into_iter()
                    .map(|(key, a)| (key, a.spec().help.to_owned()))
                    .collect();
                let widest = rows
                    .iter()
                    .map(|(_, help)| text::width(help))
                    .max()
                    .unwrap_or(0);
                let area = layout::choose_area(model, widest, rows.len());
                choices(canvas, area, &title, rows);
            }
        }
    }
}

fn choices(canvas: &mut Canvas<'_>, area: Rect, title: &str, rows: Vec<(String, String)>) {
    canvas.clear(area);
    let title = Line::from(canvas.span(format!(" {} ", text::clean(title)), Role::Title));
    let inner = canvas.frame(area, title, false, Role::Accent);
    for (n, (key, label)) in rows.into_iter().enumerate() {
        let line = Line::from(vec![
            canvas.span(format!(" {} ", text::pad(&key, 2)), Role::Key),
            canvas.span(
                text::fit(
                    &text::clean(&label),
                    usize::from(inner.width).saturating_sub(5),
                )
                .into_owned(),
                Role::Text,
            ),
        ]);
        canvas.line(inner, u16::try_from(n).unwrap_or(u16::MAX), line);
    }
}

fn search(canvas: &mut Canvas<'_>, body: Rect, typed: &str, picked: usize) {
    let model = canvas.model;
    let width = body.width.min(90);
    let height = body.height.min(16);
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.y + 1.min(body.height - height),
        width,
        height,
    );
    canvas.clear(area);
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" command ", Role::Title)),
        false,
        Role::Accent,
    );
    let cursor = canvas
        .style(Role::Text)
        .add_modifier(ratatui::style::Modifier::REVERSED);
    let mut end = typed;
    while text::width(end) + 4 > usize::from(inner.width) {
        let Some(c) = end.chars().next() else { break };
        end = &end[c.len_utf8()..];
    }
    let line = Line::from(vec![
        canvas.span(format!(" : {end}"), Role::Text),
        Span::styled(" ", cursor),
    ]);
    canvas.line(inner, 0, line);
    let hits = palette::search(model, typed);
    if hits.is_empty() {
        let line = Line::from(canvas.span("   nothing of that name", Role::Dim));
        return canvas.line(inner, 2, line);
    }
    let room = usize::from(inner.height.saturating_sub(1));
    let skip = (picked + 1).saturating_sub(room);
    for (n, hit) in hits.iter().enumerate().skip(skip).take(room) {
        let row = u16::try_from(n - skip + 1).unwrap_or(u16::MAX);
        if n == picked {
            canvas.fill(
                Rect {
                    y: inner.y + row,
                    height: 1,
                    ..inner
                },
                canvas.style(Role::Selected),
            );
        }
        let mark = if n == picked { " ▸ " } else { "   " };
        let about = usize::from(inner.width).saturating_sub(3 + 20 + 9);
        let line = Line::from(vec![
            canvas.span(mark, Role::Key),
            canvas.span(text::pad(&hit.title, 20), Role::Title),
            canvas.span(text::pad(&hit.about, about), Role::Dim),
            canvas.span(text::pad_left(&hit.keys, 8), Role::Key),
        ]);
        canvas.line(inner, row, line);
    }
}

fn confirm(canvas: &mut Canvas<'_>, body: Rect, sentence: &str, names: &[String]) {
    let said = format!("{}?", text::clean(sentence));
    let name = names.first().map_or("", String::as_str);
    let ask = format!("Type the name to confirm: {}", text::fit(name, 40));
    let widest = text::width(&said).max(text::width(&ask)) + 6;
    let width = u16::try_from(widest).unwrap_or(u16::MAX).min(body.width);
    let height = 5.min(body.height);
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.bottom() - height,
        width,
        height,
    );
    canvas.clear(area);
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" are you sure ", Role::Bad)),
        true,
        Role::Bad,
    );
    let room = usize::from(inner.width).saturating_sub(2);
    let line = Line::from(canvas.span(format!(" {}", text::fit(&said, room)), Role::Title));
    canvas.line(inner, 0, line);
    let line = Line::from(canvas.span(format!(" {}", text::fit(&ask, room)), Role::Text));
    canvas.line(inner, 2, line);
}

/// The link that was made, in front of everything.
fn invite(canvas: &mut Canvas<'_>, body: Rect, url: &str) {
    let said = ["Valid for 24 hours.", "", "Esc closes"].map(str::to_owned);
    let plan = Plan::of(canvas, body, url, &said);
    // The code is worth more than its frame.
    let framed = !plan.shows() || plan.height() + 2 <= body.height;
    let margin = if framed { 2 } else { 0 };
    let width = (plan.width() + margin).min(body.width);
    let height = (plan.height() + margin).min(body.height);
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.y + (body.height - height) / 2,
        width,
        height,
    );
    canvas.clear(area);
    let title = Line::from(canvas.span(" join link ", Role::Title));
    let inner = if framed {
        canvas.frame(area, title, false, Role::Accent)
    } else {
        area
    };
    plan.draw(canvas, inner);
}

/// The latest link in the middle of a place where nobody is yet, with what else one can do.
pub fn link(canvas: &mut Canvas<'_>, area: Rect, said: &[String]) {
    let url = canvas.model.join_url.clone();
    let plan = Plan::of(canvas, area, &url, said);
    let left = area.width.saturating_sub(plan.width()) / 2;
    let top = area.height.saturating_sub(plan.height()) / 2;
    let place = Rect {
        x: area.x + left,
        y: area.y + top,
        width: area.width - left,
        height: area.height - top,
    };
    plan.draw(canvas, place);
}

/// A join link in words, with its QR code at the left where it fits.
struct Plan {
    code: Vec<String>,
    code_width: usize,
    lines: Vec<(String, Role)>,
}

impl Plan {
    fn of(canvas: &Canvas<'_>, room: Rect, url: &str, said: &[String]) -> Self {
        let url = text::clean(url).into_owned();
        let mut code = qr(canvas, &url);
        let mut code_width = code.first().map_or(0, |l| l.chars().count());
        let fits =
            code.len() <= usize::from(room.height) && code_width + 30 <= usize::from(room.width);
        if !fits {
            (code, code_width) = (Vec::new(), 0);
        }
        let wide = usize::from(room.width)
            .saturating_sub(code_width + 6)
            .clamp(20, 60);
        let mut lines: Vec<(String, Role)> = Vec::new();
        lines.push(("Send this link to callers, or open it:".into(), Role::Dim));
        let url = text::wrap(&url, wide).into_iter();
        lines.extend(url.map(|line| (line, Role::Title)));
        if code.is_empty() {
            lines.push(("(too small for its QR code)".into(), Role::Dim));
        }
        lines.push((String::new(), Role::Dim));
        for line in said {
            lines.extend(
                text::wrap(line, wide)
                    .into_iter()
                    .map(|line| (line, Role::Text)),
            );
        }
        Self {
            code,
            code_width,
            lines,
        }
    }

    fn shows(&self) -> bool {
        !self.code.is_empty()
    }

    fn height(&self) -> u16 {
        u16::try_from(self.code.len().max(self.lines.len())).unwrap_or(u16::MAX)
    }

    fn width(&self) -> u16 {
        let words = self.lines.iter().map(|(line, _)| text::width(line)).max();
        u16::try_from(self.beside() + words.unwrap_or(0) + 1).unwrap_or(u16::MAX)
    }

    /// Cells before the words.
    fn beside(&self) -> usize {
        if self.shows() { self.code_width + 3 } else { 1 }
    }

    fn draw(self, canvas: &mut Canvas<'_>, area: Rect) {
        let left = u16::try_from(self.beside()).unwrap_or(0).min(area.width);
        let top = self
            .height()
            .saturating_sub(u16::try_from(self.lines.len()).unwrap_or(0))
            / 2;
        let words = Rect {
            x: area.x + left,
            width: area.width - left,
            y: area.y + top,
            height: area.height.saturating_sub(top),
        };
        for (n, (line, role)) in self.lines.into_iter().enumerate() {
            let span = canvas.span(line, role);
            canvas.line(
                words,
                u16::try_from(n).unwrap_or(u16::MAX),
                Line::from(span),
            );
        }
        // Black on white whatever the theme: scanners want it so.
        let paper = ratatui::style::Style::new()
            .fg(ratatui::style::Color::Black)
            .bg(ratatui::style::Color::White);
        for (n, line) in self.code.into_iter().enumerate() {
            let line = Line::from(Span::styled(line, paper));
            canvas.line(area, u16::try_from(n).unwrap_or(u16::MAX), line);
        }
    }
}

/// Two modules in a cell, one above the other.
fn qr(canvas: &Canvas<'_>, url: &str) -> Vec<String> {
    if canvas.theme.ascii {
        return Vec::new();
    }
    let Ok(code) = qrcode::QrCode::with_error_correction_level(url.as_bytes(), qrcode::EcLevel::L)
    else {
        return Vec::new();
    };
    let width = i32::try_from(code.width()).unwrap_or(0);
    let colors = code.to_colors();
    let dark = |x: i32, y: i32| {
        let inside = (0..width).contains(&x) && (0..width).contains(&y);
        inside && colors.get((y * width + x) as usize) == Some(&qrcode::Color::Dark)
    };
    // A row of quiet zone above and below, two cells at the sides.
    (-1..width + 1)
        .step_by(2)
        .map(|y| {
            let cell = |x| match (dark(x, y), dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            };
            (-2..width + 2).map(cell).collect()
        })
        .collect()
}
