//! Where everything stands, from the model alone: the view draws there, the mouse looks there, lists scroll by it.

use ratatui::layout::Rect;

use crate::action::Action;
use crate::model::modal::Modal;
use crate::model::{Model, View};

use super::footer;

pub const MIN_WIDTH: u16 = 60;
pub const MIN_HEIGHT: u16 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    pub top: Rect,
    pub body: Rect,
    /// What Enter will do, what happened, what is typed.
    pub says: Rect,
    pub footer: Rect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    Full,
    Compact,
    /// One row without a frame.
    Row,
}

impl Density {
    pub fn height(self) -> u16 {
        match self {
            Self::Full => 7,
            Self::Compact => 4,
            Self::Row => 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Air {
    pub density: Density,
    pub slots: Vec<Rect>,
    pub queue: Rect,
    pub channels: Option<Rect>,
    pub log: Option<Rect>,
}

/// What is under the mouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    Slot(String),
    /// Index in the view's list.
    Row(usize),
    Channel(String),
    View(View),
    Action(Action),
    Log,
    Choice(usize),
}

pub fn too_small(model: &Model) -> bool {
    model.width < MIN_WIDTH || model.height < MIN_HEIGHT
}

pub fn screen(model: &Model) -> Screen {
    let (width, height) = (model.width, model.height);
    let row = |y: u16| Rect::new(0, y.min(height.saturating_sub(1)), width, 1.min(height));
    Screen {
        top: row(0),
        body: Rect::new(0, 1, width, height.saturating_sub(3)),
        says: row(height.saturating_sub(2)),
        footer: row(height.saturating_sub(1)),
    }
}

/// Rows of the queue that stay, with its frame and heading, however many slots there are.
const QUEUE_LEAST: u16 = 6;

pub fn air(model: &Model) -> Air {
    let body = screen(model).body;
    let count = u16::try_from(model.slots().len())
        .unwrap_or(u16::MAX)
        .max(1);
    let columns = (body.width / 38).clamp(1, count);
    let rows = count.div_ceil(columns);
    let room = body.height.saturating_sub(QUEUE_LEAST);
    let fits = |d: &Density| rows.saturating_mul(d.height()) <= room;
    // While nobody is there the join link needs the room more than silent meters do.
    let welcome = welcomes(model);
    let density = [Density::Full, Density::Compact]
        .into_iter()
        .filter(|d| !welcome || body.height > 40 || *d != Density::Full)
        .find(fits)
        .unwrap_or(Density::Row);
    // Slots are never dropped: the queue gives way.
    let slots_height = rows.saturating_mul(density.height()).min(body.height);
    let mut slots = Vec::new();
    for n in 0..count.min(rows * columns) {
        let (row, column) = (n / columns, n % columns);
        let left = body.width * column / columns;
        let right = body.width * (column + 1) / columns;
        let y = body.y + row * density.height();
        if y + density.height() <= body.bottom() {
            slots.push(Rect::new(left, y, right - left, density.height()));
        }
    }
    let rest = Rect::new(
        body.x,
        body.y + slots_height,
        body.width,
        body.height - slots_height,
    );
    let (queue, low) = match welcome && body.height <= 40 {
        true => (rest, None),
        false => split(model, rest),
    };
    let (channels, log) = match low {
        None => (None, None),
        Some(low) if !shows_channels(model) => (None, Some(low)),
        Some(low) if body.width < 100 => (Some(low), None),
        Some(low) => {
            let left = low.width * 58 / 100;
            let log = Rect::new(low.x + left, low.y, low.width - left, low.height);
            (Some(Rect { width: left, ..low }), Some(log))
        }
    };
    Air {
        density,
        slots,
        queue,
        channels,
        log,
    }
}

/// Nobody is there yet, and there is a link to send.
pub fn welcomes(model: &Model) -> bool {
    let on_air = model.slots().iter().any(|s| !s.assigned_caller.is_empty());
    !model.join_url.is_empty() && model.queue_length() == 0 && !on_air
}

pub fn shows_channels(model: &Model) -> bool {
    model.can("channels") && !model.world.channels.is_empty()
}

/// The queue, and what is below it where there is room: at 24 rows there is none.
fn split(model: &Model, rest: Rect) -> (Rect, Option<Rect>) {
    let channels = u16::try_from(model.world.channels.len()).unwrap_or(u16::MAX);
    // A quarter of a tall screen for the log; at least what the channels need.
    let wanted = channels.clamp(3, 8).max(rest.height / 4) + 2;
    let low = wanted.min(rest.height.saturating_sub(12).max(4));
    if rest.height < 16 {
        return (rest, None);
    }
    let queue = Rect {
        height: rest.height - low,
        ..rest
    };
    (
        queue,
        Some(Rect::new(rest.x, queue.bottom(), rest.width, low)),
    )
}

/// Rows that the view's list shows at a time.
pub fn list_height(model: &Model) -> usize {
    let area = list_area(model);
    usize::from(area.height)
}

/// The rows alone, without frame and heading.
pub fn list_area(model: &Model) -> Rect {
    let body = screen(model).body;
    let inner = |r: Rect, heading: u16| {
        Rect::new(
            r.x + 1,
            r.y + 1 + heading,
            r.width.saturating_sub(2),
            r.height.saturating_sub(2 + heading),
        )
    };
    match model.view {
        View::Air => inner(air(model).queue, 1),
        View::Queue => inner(body, 1),
        View::Caller => Rect { height: 1, ..body },
        View::Channels => inner(channel_list(body), 0),
        View::Log | View::Health => inner(body, 0),
    }
}

/// The list of channels at the left, the chosen one beside it.
pub fn channel_list(body: Rect) -> Rect {
    Rect {
        width: if body.width >= 100 { 36 } else { 27 },
        ..body
    }
}

/// Words of the top line that can be clicked: where, and what.
pub fn tabs(model: &Model) -> Vec<(u16, u16, View)> {
    let mut at = super::top::tabs_from(model);
    let mut tabs = Vec::new();
    for view in model.views() {
        let width = u16::try_from(view.name().len() + 2).unwrap_or(0);
        tabs.push((at, at + width, view));
        at += width;
    }
    tabs
}

/// Where a pop-up of choices stands: above the footer, in as many columns as its height asks for.
pub fn choices(model: &Model, widest: usize, items: usize) -> Grid {
    let body = screen(model).body;
    let items = u16::try_from(items).unwrap_or(u16::MAX);
    let rows = items.min(body.height.saturating_sub(2)).max(1);
    let columns = items.div_ceil(rows).max(1);
    let each = u16::try_from(widest + 6).unwrap_or(u16::MAX);
    let width = each.saturating_mul(columns).saturating_add(2);
    let width = width.clamp(20, body.width.max(20)).min(body.width);
    let height = (rows + 2).min(body.height);
    Grid {
        area: Rect::new(body.x, body.bottom() - height, width, height),
        rows,
        columns,
    }
}

/// A pop-up with a choice in each cell, column by column.
pub struct Grid {
    /// With its frame.
    pub area: Rect,
    rows: u16,
    columns: u16,
}

impl Grid {
    pub fn cell(&self, n: usize) -> Rect {
        let n = u16::try_from(n).unwrap_or(u16::MAX);
        let (column, row) = (n / self.rows, n % self.rows);
        let wide = self.area.width.saturating_sub(2) / self.columns;
        let x = self.area.x + 1 + column.saturating_mul(wide);
        Rect::new(x, self.area.y + 1 + row, wide, 1).intersection(self.area)
    }
}

pub fn spot(model: &Model, x: u16, y: u16) -> Option<Spot> {
    let at = ratatui::layout::Position::new(x, y);
    if too_small(model) {
        return None;
    }
    let screen = screen(model);
    if let Some(Modal::Choose { title, items }) = &model.modal {
        let widest = items.iter().map(|i| crate::text::width(&i.label)).max();
        let widest = widest.unwrap_or(0).max(crate::text::width(title));
        let grid = choices(model, widest, items.len());
        return (0..items.len())
            .find(|n| grid.cell(*n).contains(at))
            .map(Spot::Choice);
    }
    if screen.top.contains(at) {
        let found = tabs(model)
            .into_iter()
            .find(|(from, to, _)| (*from..*to).contains(&x));
        return found.map(|(_, _, view)| Spot::View(view));
    }
    if screen.footer.contains(at) {
        let hints = footer::hints(model);
        let found = hints
            .into_iter()
            .find(|hint| (hint.from..hint.to).contains(&x));
        return found.map(|hint| Spot::Action(hint.action));
    }
    let list = list_area(model);
    let row = || {
        let at = model.list().offset + usize::from(y - list.y);
        (at < model.list().rows.len()).then_some(Spot::Row(at))
    };
    match model.view {
        View::Air => {
            let air = air(model);
            if list.contains(at) {
                return row();
            }
            if let Some(n) = air.slots.iter().position(|r| r.contains(at)) {
                return model.slots().get(n).map(|s| Spot::Slot(s.name.clone()));
            }
            if air.log.is_some_and(|r| r.contains(at)) {
                return Some(Spot::Log);
            }
            let channels = air.channels.filter(|r| r.contains(at))?;
            let n = usize::from(y.checked_sub(channels.y + 1)?);
            model
                .world
                .channels
                .keys()
                .nth(n)
                .map(|name| Spot::Channel(name.clone()))
        }
        View::Caller => None,
        _ => list.contains(at).then(row).flatten(),
    }
}
