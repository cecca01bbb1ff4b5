//! Aligned columns: no frames, so that cut, grep and eyes all work.

use super::text::{scrub, truncate, width};

const GAP: usize = 2;
/// A column is never cut below this.
const NARROWEST: usize = 6;

/// What a value means, not its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    OnAir,
    Good,
    Warning,
    Quiet,
    Heading,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::OnAir => "1;31",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Quiet => "2",
            Self::Heading => "1",
        }
    }

    /// The text in its colour, if there are colours.
    pub fn paint(self, text: &str, colour: bool) -> String {
        match self.code() {
            code if colour && !code.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// One value, scrubbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: scrub(text.as_ref()),
            tone: Tone::Plain,
        }
    }
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            tone,
            ..Self::new(text)
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub headings: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The lines, within `limit` columns if there is one.
    pub fn lines(&self, limit: Option<usize>, colour: bool) -> Vec<String> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| width(heading)).collect();
        for row in &self.rows {
            for (column, cell) in widths.iter_mut().zip(row) {
                *column = (*column).max(width(&cell.text));
            }
        }
        if let Some(limit) = limit {
            shrink(&mut widths, limit);
        }
        let heading: Vec<Cell> = self
            .headings
            .iter()
            .map(|text| Cell::toned(text, Tone::Heading))
            .collect();
        std::iter::once(&heading)
            .chain(&self.rows)
            .map(|row| line(row, &widths, colour))
            .collect()
    }
}

/// Takes from the widest column until the line fits.
fn shrink(widths: &mut [usize], limit: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => return,
        }
    }
}

fn line(row: &[Cell], widths: &[usize], colour: bool) -> String {
    let mut line = String::new();
    let mut owed = 0;
    for (cell, column) in row.iter().zip(widths) {
        let text = truncate(&cell.text, *column);
        let used = width(&text);
        if !text.is_empty() {
            // Padding is written only when something follows: no blanks at the end of a line.
            line.push_str(&" ".repeat(owed));
            line.push_str(&cell.tone.paint(&text, colour));
            owed = 0;
        }
        owed += column.saturating_sub(used) + GAP;
    }
    line
}

/// `label  value`, one per line, labels aligned. Values without a label continue the one above.
pub fn fields(fields: &[(&str, Cell)], colour: bool) -> Vec<String> {
    let widest = fields
        .iter()
        .map(|(label, _)| width(label))
        .max()
        .unwrap_or(0);
    fields
        .iter()
        .filter(|(_, value)| !value.text.is_empty())
        .map(|(label, value)| {
            let gap = " ".repeat(widest - width(label) + GAP);
            format!(
                "{}{gap}{}",
                Tone::Heading.paint(label, colour),
                value.tone.paint(&value.text, colour)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        Table {
            headings: vec!["ID", "NAME", "TOPIC"],
            rows: rows
                .iter()
                .map(|row| row.iter().map(Cell::new).collect())
                .collect(),
        }
    }

    #[test]
    fn columns_align_by_display_width_and_lines_have_no_blanks_at_the_end() {
        let lines = table(&[["c1", "日本", "x"], ["c22", "Zoë", ""]]).lines(None, false);
        assert_eq!(lines, ["ID   NAME  TOPIC", "c1   日本  x", "c22  Zoë"]);
    }

    #[test]
    fn the_widest_column_is_cut_to_the_terminal() {
        let lines =
            table(&[["c1", "Anna", "a very long topic that nobody reads"]]).lines(Some(24), false);
        assert_eq!(lines, ["ID  NAME  TOPIC", "c1  Anna  a very long t…"]);
        assert!(lines.iter().all(|line| width(line) <= 24));
    }

    #[test]
    fn without_colours_there_is_no_escape_and_with_them_only_ours() {
        let row = vec![Cell::toned("evil\u{1b}[31m", Tone::OnAir)];
        let table = Table {
            headings: vec!["A"],
            rows: vec![row],
        };
        assert!(!table.lines(None, false).concat().contains('\u{1b}'));
        assert_eq!(table.lines(None, true)[1], "\u{1b}[1;31mevil [31m\u{1b}[0m");
    }

    #[test]
    fn empty_fields_are_left_out() {
        let lines = fields(
            &[("Name", Cell::new("slots/1")), ("Title", Cell::new(""))],
            false,
        );
        assert_eq!(lines, ["Name   slots/1"]);
    }
}
