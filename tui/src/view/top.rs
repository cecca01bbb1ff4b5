//! The line that never goes away: the show, counts, the clock, flags; one red banner when the server is lost.

use booth_proto::v1;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Canvas;
use super::layout;
use super::theme::Role;
use crate::model::{LinkState, Model, View};
use crate::text;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    if model.stale() {
        return banner(canvas, area);
    }
    let mut left = head(canvas);
    let now = if model.view == View::Caller {
        model.back_to
    } else {
        model.view
    };
    let tabs = model.width >= TABS_FROM;
    if tabs {
        for view in model.views() {
            let role = if view == now { Role::Title } else { Role::Dim };
            let (open, close) = if view == now { ("[", "]") } else { (" ", " ") };
            left.push(canvas.span(format!("{open}{}{close}", view.name()), role));
        }
    } else {
        left.push(canvas.span(format!("[{}]", now.name()), Role::Title));
    }
    let right = right(canvas);
    let room = usize::from(area.width).saturating_sub(right.width() + 1);
    let left = Line::from(left);
    let counts = counts(canvas);
    // Counts stand in the gap when there is one.
    let gap = room.saturating_sub(left.width());
    let width = u16::try_from(room).unwrap_or(0);
    canvas.line(Rect { width, ..area }, 0, left.clone());
    if gap > counts.width() + 2 {
        let at = left.width() + (gap - counts.width()) / 2;
        let x = area.x + u16::try_from(at).unwrap_or(0);
        canvas.line(
            Rect {
                x,
                width: area.right() - x,
                ..area
            },
            0,
            counts,
        );
    }
    canvas.right(area, 0, right);
}

const TABS_FROM: u16 = 110;

/// Where the tabs begin; the mouse asks too.
pub fn tabs_from(model: &Model) -> u16 {
    if model.width < TABS_FROM || model.stale() {
        return model.width;
    }
    let wide = text::width(&head_text(model)) + text::width(&show_text(model)) + 1;
    u16::try_from(wide).unwrap_or(u16::MAX)
}

fn head_text(model: &Model) -> String {
    let _ = model;
    " booth  ".to_owned()
}

fn show_text(model: &Model) -> String {
    let id = text::fit(text::id(&model.show), 16).into_owned();
    let Some(show) = model.world.shows.get(&model.show) else {
        return format!("{id} is not there ");
    };
    use v1::show::State;
    let word = match show.state() {
        State::Live => "● LIVE",
        State::Starting => "○ STARTING",
        State::Stopping => "○ STOPPING",
        State::Stopped => "○ STOPPED",
        State::Error => "▲ ERROR",
        State::Creating | State::Unspecified => "○ NEW",
    };
    let since = model
        .since(show.update_time.as_ref())
        .filter(|_| show.state() == State::Live);
    let since = since.map_or_else(String::new, |ms| format!(" {}", text::clock(ms)));
    format!("{id} {word}{since} ")
}

fn head<'t>(canvas: &Canvas<'_>) -> Vec<Span<'t>> {
    let show = canvas.model.world.shows.get(&canvas.model.show);
    let live = show.is_some_and(|s| s.state() == v1::show::State::Live);
    let role = if live { Role::Good } else { Role::Warn };
    vec![
        canvas.span(head_text(canvas.model), Role::Title),
        canvas.span(show_text(canvas.model), role),
        Span::raw(" "),
    ]
}

fn counts<'t>(canvas: &Canvas<'_>) -> Line<'t> {
    let [waiting, ready, held] = canvas.model.counts;
    let role = if ready > 0 { Role::Ready } else { Role::Dim };
    Line::from(vec![
        canvas.span(format!("{waiting} waiting · "), Role::Dim),
        canvas.span(format!("{ready} ready"), role),
        canvas.span(format!(" · {held} held"), Role::Dim),
    ])
}

fn right<'t>(canvas: &Canvas<'_>) -> Line<'t> {
    let model = canvas.model;
    let mut spans = Vec::new();
    let on_air = model
        .slots()
        .iter()
        .filter(|s| !s.assigned_caller.is_empty())
        .count();
    // Slots that a pop-up may cover are told here.
    let covered = model.view != View::Air || model.modal.is_some();
    if on_air > 0 && covered {
        let mut slots = model.slots().into_iter();
        let one = slots.find(|s| !s.assigned_caller.is_empty());
        let said = match one.filter(|_| on_air == 1 && model.width >= 90) {
            Some(slot) => {
                let who = model.world.caller_name(&slot.assigned_caller);
                format!(" {} ON AIR ", text::fit(&who, 16))
            }
            None => format!(" {on_air} ON AIR "),
        };
        spans.push(canvas.span(said, Role::OnAir));
        spans.push(Span::raw(" "));
    }
    if model.settings.read_only {
        spans.push(canvas.span("READ-ONLY ", Role::Warn));
    }
    if model.settings.immediate {
        spans.push(canvas.span("IMMEDIATE ", Role::Warn));
    }
    if let Some(ms) = model.server_ms() {
        spans.push(canvas.span(
            format!(" {} ", text::time_of_day(ms, model.zone_s)),
            Role::Title,
        ));
    }
    let flags = model.flags().len();
    if flags > 0 {
        spans.push(canvas.span(format!("⚑{flags} "), Role::Warn));
    }
    Line::from(spans)
}

fn banner(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    let seconds = model
        .heard
        .map(|heard| model.now.saturating_sub(heard) / 1_000);
    let said = match (&model.link, seconds) {
        (LinkState::Connecting, _) => format!(" connecting to {} …", model.start.server),
        (LinkState::Live, Some(s)) => {
            format!(" STALE: nothing heard for {s} s · levels are old · on-air keys are blocked")
        }
        (LinkState::Live, None) => " connected, waiting for the state …".to_owned(),
        (LinkState::Down { why, retry_at, .. }, seconds) => {
            let since = match seconds {
                Some(s) => format!("SERVER UNREACHABLE for {s} s"),
                None => format!("CANNOT REACH {}", model.start.server),
            };
            let retry = retry_at.saturating_sub(model.now).div_ceil(1_000);
            format!(" {since} · on-air keys are blocked · trying again in {retry} s · {why}")
        }
    };
    canvas.fill(area, canvas.style(Role::Banner));
    let span = canvas.span(text::pad(&said, usize::from(area.width)), Role::Banner);
    canvas.line(area, 0, Line::from(span));
}

/// Below 60x16: who is on air, and the clock.
pub fn too_small(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let area = *canvas.buf.area();
    let size = format!(
        "too small ({}x{}, needs {}x{})",
        model.width,
        model.height,
        layout::MIN_WIDTH,
        layout::MIN_HEIGHT
    );
    let clock = model
        .server_ms()
        .map_or_else(String::new, |ms| text::time_of_day(ms, model.zone_s));
    let mut rows = vec![];
    if model.stale() {
        rows.push(Line::from(canvas.span("SERVER UNREACHABLE", Role::Banner)));
    }
    for slot in model
        .slots()
        .iter()
        .filter(|s| !s.assigned_caller.is_empty())
    {
        let who = model.world.caller_name(&slot.assigned_caller);
        let id = text::id(&slot.name);
        rows.push(Line::from(vec![
            canvas.span(
                format!("{id} {} ", super::slots::word(model, slot)),
                Role::OnAir,
            ),
            canvas.span(format!(" {who}"), Role::Title),
        ]));
    }
    rows.push(Line::from(canvas.span(clock, Role::Title)));
    rows.push(Line::from(canvas.span(size, Role::Dim)));
    if let Some(notice) = model.notice.as_ref().filter(|_| area.height > 1) {
        // Who is on air comes first, the clock may go.
        rows.truncate(usize::from(area.height) - 1);
        let said = text::clean(&notice.text).into_owned();
        rows.push(Line::from(canvas.span(said, Role::Warn)));
    }
    for (n, row) in rows.into_iter().enumerate() {
        canvas.line(area, u16::try_from(n).unwrap_or(u16::MAX), row);
    }
}
