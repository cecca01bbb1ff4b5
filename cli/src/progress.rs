//! A line on stderr that is drawn over while something takes long: for people at a terminal, who asked for a table.

use std::io::{IsTerminal, Write};

use crate::app::Ctx;
use crate::render::text;

/// Cells of a bar.
const BAR: usize = 30;

pub struct Line {
    terminal: bool,
    shown: String,
}

impl Line {
    pub fn new(ctx: &Ctx) -> Self {
        Self {
            terminal: ctx.out.is_table() && std::io::stderr().is_terminal(),
            shown: String::new(),
        }
    }

    /// Whether anybody sees it.
    pub fn is_seen(&self) -> bool {
        self.terminal
    }

    pub fn show(&mut self, line: &str) {
        if !self.terminal || self.shown == line {
            return;
        }
        self.shown = text::scrub(line);
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "\r\u{1b}[K{}", self.shown);
        let _ = stderr.flush();
    }

    /// Leaves an empty line for what is said after.
    pub fn clear(&mut self) {
        if !self.shown.is_empty() {
            self.shown.clear();
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `preparing radio  [###...]  10 %`: as long at every percent.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "0 to 100, and a few cells"
)]
pub fn bar(what: &str, percent: f64) -> String {
    let percent = percent.clamp(0.0, 100.0);
    let full = (percent / 100.0 * BAR as f64) as usize;
    format!(
        "{what}  [{}{}] {percent:3.0} %",
        "#".repeat(full),
        ".".repeat(BAR - full)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_at_every_percent() {
        assert_eq!(
            bar("preparing radio", 50.0),
            "preparing radio  [###############...............]  50 %"
        );
        let width = bar("x", 0.0).len();
        for percent in [-1.0, 33.3, 100.0, 250.0, f64::NAN] {
            let line = bar("x", percent);
            assert!(line.len() == width || percent.is_nan(), "{line}");
        }
    }
}
