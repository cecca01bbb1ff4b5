//! What is on the screen, from the model alone. Nothing here changes anything.

mod caller;
mod channels;
pub mod footer;
pub mod health;
pub mod help;
pub mod layout;
mod log;
mod meter;
mod popup;
mod queue;
mod slots;
pub mod theme;
pub mod top;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use crate::model::{Model, View};
use crate::pictures::Pictures;
use crate::text;
use theme::{Role, Theme};

/// Draws the model.
pub fn view(model: &Model, pictures: &Pictures, frame: &mut Frame<'_>) {
    let area = frame.area();
    // A terminal that shrank a moment ago: the next frame fits.
    if area.width < model.width || area.height < model.height {
        return;
    }
    let theme = Theme::of(&model.settings);
    let mut canvas = Canvas {
        model,
        theme,
        pictures,
        buf: frame.buffer_mut(),
    };
    if layout::too_small(model) {
        return top::too_small(&mut canvas);
    }
    let screen = layout::screen(model);
    top::draw(&mut canvas, screen.top);
    match model.view {
        View::Air => air(&mut canvas),
        View::Queue => queue::draw(&mut canvas, screen.body, true),
        View::Caller => caller::draw(&mut canvas, screen.body),
        View::Channels => channels::draw(&mut canvas, screen.body),
        View::Log => log::draw(&mut canvas, screen.body),
        View::Health => health::draw(&mut canvas, screen.body),
    }
    popup::draw(&mut canvas, screen.body);
    footer::says(&mut canvas, screen.says);
    footer::draw(&mut canvas, screen.footer);
}

fn air(canvas: &mut Canvas<'_>) {
    let air = layout::air(canvas.model);
    slots::draw(canvas, &air);
    queue::draw(canvas, air.queue, false);
    if let Some(area) = air.channels {
        channels::panel(canvas, area);
    }
    if let Some(area) = air.log {
        log::panel(canvas, area);
    }
}

/// The model and the cells, with the few ways to put text there: clean, and never beyond its place.
pub struct Canvas<'a> {
    pub model: &'a Model,
    pub theme: Theme,
    pub pictures: &'a Pictures,
    pub buf: &'a mut Buffer,
}

impl Canvas<'_> {
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// A frame with a title; what is inside of it.
    pub fn frame(&mut self, area: Rect, title: Line<'_>, thick: bool, role: Role) -> Rect {
        let block = Block::bordered()
            .border_set(self.theme.border(thick))
            .border_style(self.style(role))
            .title(self.ascii(title));
        let inner = block.inner(area);
        block.render(area, self.buf);
        inner
    }

    pub fn clear(&mut self, area: Rect) {
        Clear.render(area, self.buf);
    }

    /// One line of spans, cut at the right.
    pub fn line(&mut self, area: Rect, row: u16, line: Line<'_>) {
        if row < area.height {
            let line = self.ascii(line);
            self.buf.set_line(area.x, area.y + row, &line, area.width);
        }
    }

    /// At the right edge.
    pub fn right(&mut self, area: Rect, row: u16, line: Line<'_>) {
        if row < area.height {
            let line = self.ascii(line);
            let width = u16::try_from(line.width())
                .unwrap_or(u16::MAX)
                .min(area.width);
            self.buf
                .set_line(area.right() - width, area.y + row, &line, width);
        }
    }

    pub fn fill(&mut self, area: Rect, style: Style) {
        self.buf.set_style(area, style);
    }

    pub fn span<'t>(&self, text: impl Into<std::borrow::Cow<'t, str>>, role: Role) -> Span<'t> {
        Span::styled(text, self.style(role))
    }

    /// The signs of this program have a stand-in each; names of people stay as they are.
    fn ascii<'t>(&self, mut line: Line<'t>) -> Line<'t> {
        if !self.theme.ascii {
            return line;
        }
        for span in &mut line.spans {
            if !span.content.is_ascii() {
                span.content = span.content.chars().map(plain).collect::<String>().into();
            }
        }
        line
    }

    /// Words in the middle of an empty place: what is missing, and what to do next.
    pub fn empty(&mut self, area: Rect, lines: &[String]) {
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let top = area.height.saturating_sub(height) / 2;
        for (n, said) in lines.iter().enumerate() {
            let row = top + u16::try_from(n).unwrap_or(0);
            let said = text::fit(said, usize::from(area.width)).into_owned();
            let left = usize::from(area.width).saturating_sub(text::width(&said)) / 2;
            let role = if n == 0 { Role::Text } else { Role::Dim };
            let span = self.span(format!("{}{said}", " ".repeat(left)), role);
            self.line(area, row, Line::from(span));
        }
    }
}

fn plain(c: char) -> char {
    match c {
        '─' | '–' | '—' => '-',
        '│' | '▏' | '▎' => '|',
        '●' => '*',
        '○' => '.',
        '▲' => '^',
        '▶' | '▸' => '>',
        '←' => '<',
        '→' => '>',
        '·' => '.',
        '…' => '~',
        '✓' => '+',
        '✕' => 'x',
        '✎' => '"',
        '⚑' => '!',
        '✉' => '@',
        '★' => '*',
        '␣' => '_',
        '↓' => 'v',
        '↻' => '@',
        '∞' => '~',
        '“' | '”' => '"',
        '▌' | '▐' => '|',
        '█' | '▉' | '▊' | '▋' | '▍' => '#',
        '▁' | '▂' => '_',
        '▃' | '▄' => '-',
        '▅' | '▆' => '=',
        '▇' => '#',
        other => other,
    }
}
