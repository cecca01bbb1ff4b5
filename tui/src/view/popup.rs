//! What stands in front of the view: palette, questions, choices, what may follow a prefix, the join link.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Role;
use super::{Canvas, footer, help, layout};
use crate::action::Action;
use crate::model::modal::Modal;
use crate::model::{Model, Tone};
use crate::text;
use crate::update::palette;

pub fn draw(canvas: &mut Canvas<'_>, body: Rect) {
    let model = canvas.model;
    match &model.modal {
        Some(Modal::Help { offset }) => help::draw(canvas, *offset),
        Some(Modal::Palette { line, picked }) => search(canvas, body, &line.text, *picked),
        Some(Modal::Confirm {
            sentence, names, ..
        }) => confirm(
            canvas,
            body,
            sentence,
            names.first().map_or("", String::as_str),
        ),
        Some(Modal::Many { bulk, sentence, .. }) => confirm(canvas, body, sentence, &bulk.name()),
        Some(Modal::Choose { title, items }) => {
            let rows = items
                .iter()
                .map(|i| (i.key.to_string(), i.label.clone()))
                .collect::<Vec<_>>();
            let widest = rows.iter().map(|(_, label)| text::width(label)).max();
            let widest = widest.unwrap_or(0).max(text::width(title));
            choices(canvas, widest, title, rows);
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
                let widest = rows.iter().map(|(_, help)| text::width(help)).max();
                choices(canvas, widest.unwrap_or(0), &title, rows);
            }
        }
    }
}

/// So that what is wrong with a name has room.
const LEAST: usize = 52;

/// In as many columns as the height asks for.
fn choices(canvas: &mut Canvas<'_>, widest: usize, title: &str, rows: Vec<(String, String)>) {
    let grid = layout::choices(canvas.model, widest, rows.len());
    canvas.clear(grid.area);
    let title = Line::from(canvas.span(format!(" {} ", text::clean(title)), Role::Title));
    canvas.frame(grid.area, title, false, Role::Accent);
    for (n, (key, label)) in rows.into_iter().enumerate() {
        let cell = grid.cell(n);
        let room = usize::from(cell.width).saturating_sub(5);
        let label = text::fit(&text::clean(&label), room).into_owned();
        let line = Line::from(vec![
            canvas.span(format!(" {} ", text::pad(&key, 2)), Role::Key),
            canvas.span(label, Role::Text),
        ]);
        canvas.line(cell, 0, line);
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

fn confirm(canvas: &mut Canvas<'_>, body: Rect, sentence: &str, name: &str) {
    let said = format!("{}?", text::clean(sentence));
    let ask = format!("Type this to confirm: {}", text::fit(name, 40));
    let widest = text::width(&said).max(text::width(&ask)).max(LEAST) + 6;
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
    // What went wrong with the last try: the line below is typed in.
    let wrong = canvas.model.notice.as_ref();
    if let Some(wrong) = wrong.filter(|n| n.tone == Tone::Bad) {
        let said = text::clean(&wrong.text).into_owned();
        let line = Line::from(canvas.span(format!(" {}", text::fit(&said, room)), Role::Bad));
        canvas.line(inner, 1, line);
    }
    let line = Line::from(canvas.span(format!(" {}", text::fit(&ask, room)), Role::Text));
    canvas.line(inner, 2, line);
}

/// The link that was made, in front of everything.
fn invite(canvas: &mut Canvas<'_>, body: Rect, url: &str) {
    let said = ["Valid for 24 hours.", "", "Esc closes"].map(str::to_owned);
    let plan = Plan::of(canvas, body, "", url, &said);
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

/// An empty place: what is missing, what to do next, and the latest join link with its code; where there is none yet, how
/// callers come.
pub fn empty(canvas: &mut Canvas<'_>, area: Rect, missing: &str, next: &[String]) {
    let url = canvas.model.join_url.clone();
    if url.is_empty() {
        let mut lines = vec![missing.to_owned(), String::new()];
        lines.extend(next.iter().cloned());
        lines.extend(how_to_invite(canvas.model));
        return canvas.empty(area, &lines);
    }
    let mut area = area;
    let mut plan = Plan::of(canvas, area, missing, &url, next);
    // The code is worth more than the frame around it.
    let framed = Rect {
        y: area.y.saturating_sub(1),
        height: area.height + 2,
        ..area
    };
    let over_frame = Plan::of(canvas, framed, missing, &url, next);
    if over_frame.shows() && !plan.shows() {
        (area, plan) = (framed, over_frame);
    }
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

fn how_to_invite(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    if model.works(Action::Invite) && model.may(Action::Invite) {
        lines.push(format!(
            "{}  makes a join link to send, with its QR code",
            model.settings.keymap.shown(Action::Invite)
        ));
    }
    lines.extend(join_line(model));
    lines
}

/// Where callers come from; nothing where the server does not say.
fn join_line(model: &Model) -> Option<String> {
    let base = text::clean(&model.status.as_ref()?.join_base_url).into_owned();
    let show = text::id(&model.show);
    (!base.is_empty()).then(|| format!("callers join at {base}/join/{show}#…"))
}

/// A join link in words, with its QR code at the left where it fits.
struct Plan {
    code: Vec<String>,
    code_width: usize,
    lines: Vec<(String, Role)>,
}

impl Plan {
    /// `head` stands above the link, when there is one; `said` below.
    fn of(canvas: &Canvas<'_>, room: Rect, head: &str, url: &str, said: &[String]) -> Self {
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
        if !head.is_empty() {
            let head = text::wrap(head, wide).into_iter();
            lines.extend(head.map(|line| (line, Role::Text)));
            lines.push((String::new(), Role::Dim));
        }
        lines.push(("Send this link, or open it:".into(), Role::Dim));
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
