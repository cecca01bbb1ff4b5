//! A model as characters or as a picture, without a terminal: for tests, and for the pictures in the documentation.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::model::Model;
use crate::pictures::Pictures;
use crate::view::view;

/// The cells of one frame.
pub fn cells(model: &Model) -> Buffer {
    cells_with(model, &Pictures::off())
}

pub fn cells_with(model: &Model, pictures: &Pictures) -> Buffer {
    let backend = TestBackend::new(model.width.max(1), model.height.max(1));
    match Terminal::new(backend) {
        Ok(mut terminal) => match terminal.draw(|frame| view(model, pictures, frame)) {
            Ok(frame) => frame.buffer.clone(),
            Err(never) => match never {},
        },
        Err(never) => match never {},
    }
}

/// Rows, without the spaces at their ends.
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(symbol.width()).unwrap_or(1).max(1);
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

const CELL: (f32, f32) = (8.4, 17.0);
const PAD: f32 = 10.0;

/// An SVG of the cells, with the colours they have.
pub fn svg(buffer: &Buffer, light: bool) -> String {
    let area = buffer.area;
    let (paper, ink) = if light {
        ("#fbfbf8", "#22252b")
    } else {
        ("#14161b", "#d6d9e0")
    };
    let width = f32::from(area.width) * CELL.0 + 2.0 * PAD;
    let height = f32::from(area.height) * CELL.1 + 2.0 * PAD;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{paper}\"/>\n"
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let first = &buffer[(x, y)];
            let from = x;
            let mut text = String::new();
            while x < area.width && buffer[(x, y)].style() == first.style() {
                let symbol = buffer[(x, y)].symbol();
                text.push_str(symbol);
                x += u16::try_from(symbol.width()).unwrap_or(1).max(1);
            }
            let reversed = first.modifier.contains(Modifier::REVERSED);
            let (mut fg, mut bg) = (color(first.fg), color(first.bg));
            if reversed {
                (fg, bg) = (
                    Some(bg.unwrap_or_else(|| paper.to_owned())),
                    Some(fg.unwrap_or_else(|| ink.to_owned())),
                );
            }
            let left = PAD + f32::from(from) * CELL.0;
            let top = PAD + f32::from(y) * CELL.1;
            let wide = f32::from(x - from) * CELL.0;
            if let Some(bg) = bg {
                out.push_str(&format!("<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{bg}\"/>\n", CELL.1));
            }
            if text.trim().is_empty() {
                continue;
            }
            let fill = fg.unwrap_or_else(|| ink.to_owned());
            let bold = if first.modifier.contains(Modifier::BOLD) {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let dim = if first.modifier.contains(Modifier::DIM) {
                " opacity=\"0.6\""
            } else {
                ""
            };
            out.push_str(&format!(
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" fill=\"{fill}\"{bold}{dim}>{}</text>\n",
                top + CELL.1 - 4.0,
                escape(&text)
            ));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

/// The sixteen as most terminals have them.
fn color(color: Color) -> Option<String> {
    let rgb = match color {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Indexed(n @ 16..=231) => {
            let step = |v: u8| if v == 0 { 0 } else { 55 + v * 40 };
            let n = n - 16;
            (step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        Color::Indexed(n @ 232..) => {
            let v = 8 + (n - 232) * 10;
            (v, v, v)
        }
        Color::Black => (0, 0, 0),
        Color::Red => (205, 49, 49),
        Color::Green => (13, 188, 121),
        Color::Yellow => (229, 229, 16),
        Color::Cyan => (17, 168, 205),
        Color::White => (229, 229, 229),
        Color::DarkGray => (102, 102, 102),
        _ => (170, 170, 170),
    };
    Some(format!("#{:02x}{:02x}{:02x}", rgb.0, rgb.1, rgb.2))
}
