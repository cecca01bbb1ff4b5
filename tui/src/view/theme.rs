//! Roles to colours, by what the terminal has. Every role that means something is also a word or a sign on the screen: with
//! no colour at all nothing is lost.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::settings::{Colors, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Text,
    Dim,
    Title,
    Frame,
    /// The word, and the frame around who is on air.
    OnAir,
    OnAirFrame,
    Ready,
    Warn,
    Bad,
    Accent,
    Selected,
    /// The line that says what Enter will do.
    Armed,
    Banner,
    Good,
    Low,
    Mid,
    High,
    Key,
}

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    colors: Colors,
    light: bool,
    pub ascii: bool,
}

impl Theme {
    pub fn of(settings: &Settings) -> Self {
        Self {
            colors: settings.colors,
            light: settings.light,
            ascii: settings.ascii,
        }
    }

    pub fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        if self.colors == Colors::Mono {
            return match role {
                Role::OnAir | Role::Armed | Role::Banner | Role::Bad => {
                    bold.add_modifier(Modifier::REVERSED)
                }
                Role::Selected => plain.add_modifier(Modifier::REVERSED),
                Role::Title
                | Role::OnAirFrame
                | Role::Ready
                | Role::Warn
                | Role::Key
                | Role::High => bold,
                Role::Dim => plain.add_modifier(Modifier::DIM),
                _ => plain,
            };
        }
        match role {
            Role::Text => plain.fg(Color::Reset),
            Role::Dim => {
                plain.fg(self.pick([112, 118, 130], [120, 124, 134], 244, Color::DarkGray))
            }
            Role::Title => bold.fg(Color::Reset),
            Role::Frame => plain.fg(self.pick(
                [70, 76, 90],
                [170, 176, 188],
                if self.light { 249 } else { 239 },
                Color::DarkGray,
            )),
            Role::OnAir => bold
                .fg(self.pick([255, 255, 255], [255, 255, 255], 231, Color::White))
                .bg(self.pick([200, 0, 0], [200, 0, 0], 160, Color::Red)),
            Role::OnAirFrame => bold.fg(self.pick([235, 40, 40], [200, 0, 0], 160, Color::Red)),
            Role::Ready | Role::Good | Role::Low => plain.fg(self.pick(
                [70, 200, 110],
                [0, 130, 50],
                if self.light { 28 } else { 77 },
                Color::Green,
            )),
            Role::Warn | Role::Mid => plain.fg(self.pick(
                [240, 180, 40],
                [160, 100, 0],
                if self.light { 130 } else { 214 },
                Color::Yellow,
            )),
            Role::Bad | Role::High => bold.fg(self.pick(
                [255, 90, 80],
                [190, 20, 20],
                if self.light { 124 } else { 203 },
                Color::Red,
            )),
            Role::Accent => plain.fg(self.pick(
                [110, 175, 255],
                [0, 85, 170],
                if self.light { 25 } else { 75 },
                Color::Cyan,
            )),
            Role::Key => bold.fg(self.pick(
                [110, 175, 255],
                [0, 85, 170],
                if self.light { 25 } else { 75 },
                Color::Cyan,
            )),
            Role::Selected => match self.colors {
                // Reversal is the only selection that sixteen colours of unknown shades can show.
                Colors::Ansi => plain.add_modifier(Modifier::REVERSED),
                _ => bold.bg(self.pick(
                    [44, 52, 74],
                    [214, 226, 246],
                    if self.light { 189 } else { 237 },
                    Color::Reset,
                )),
            },
            Role::Armed => bold
                .fg(self.pick([20, 20, 20], [20, 20, 20], 16, Color::Black))
                .bg(self.pick([255, 200, 40], [255, 200, 40], 220, Color::Yellow)),
            Role::Banner => bold
                .fg(self.pick([255, 255, 255], [255, 255, 255], 231, Color::White))
                .bg(self.pick([190, 20, 20], [190, 20, 20], 160, Color::Red)),
        }
    }

    fn pick(self, dark: [u8; 3], light: [u8; 3], indexed: u8, ansi: Color) -> Color {
        let [r, g, b] = if self.light { light } else { dark };
        match self.colors {
            Colors::True => Color::Rgb(r, g, b),
            Colors::Indexed => Color::Indexed(indexed),
            _ => ansi,
        }
    }

    pub fn border(self, thick: bool) -> border::Set<'static> {
        match (self.ascii, thick) {
            (false, false) => border::ROUNDED,
            (false, true) => border::THICK,
            (true, false) => ASCII,
            (true, true) => ASCII_THICK,
        }
    }

    /// The sign, or what stands for it where only ASCII can be shown.
    pub fn sign(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }
}

const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const ASCII_THICK: border::Set<'static> = border::Set {
    top_left: "#",
    top_right: "#",
    bottom_left: "#",
    bottom_right: "#",
    vertical_left: "#",
    vertical_right: "#",
    horizontal_top: "=",
    horizontal_bottom: "=",
};
