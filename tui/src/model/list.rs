//! A list one can move in: selected by name, never by row, so that nothing else is hit when rows move.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct List {
    /// Names in the order shown.
    pub rows: Vec<String>,
    pub selected: Option<String>,
    /// First row in the window.
    pub offset: usize,
    pub filter: String,
    pub sort: Sort,
    pub reverse: bool,
    /// Where the selected one was, for when it goes.
    place: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    #[default]
    Position,
    Wait,
    Name,
    State,
    Score,
    Level,
}

impl Sort {
    pub fn name(self) -> &'static str {
        match self {
            Self::Position => "place",
            Self::Wait => "wait",
            Self::Name => "name",
            Self::State => "state",
            Self::Score => "quality",
            Self::Level => "level",
        }
    }
}

impl List {
    pub fn index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|row| row == selected)
    }

    /// New rows. Who is selected stays selected; when gone, whoever is at that place now.
    pub fn set(&mut self, rows: Vec<String>) {
        self.rows = rows;
        match self.index() {
            Some(at) => self.place = at,
            None => self.pick(self.place),
        }
    }

    pub fn pick(&mut self, at: usize) {
        self.place = at.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(self.place).cloned();
    }

    pub fn step(&mut self, by: isize) {
        let at = self.index().unwrap_or(self.place);
        self.pick(at.saturating_add_signed(by));
    }

    pub fn choose(&mut self, name: &str) {
        self.selected = Some(name.to_owned());
        if let Some(at) = self.index() {
            self.place = at;
        }
    }

    /// Moves the window so that the selected row is in it.
    pub fn keep_visible(&mut self, height: usize) {
        let height = height.max(1);
        let last = self.rows.len().saturating_sub(height);
        self.offset = self.offset.min(last);
        if let Some(at) = self.index() {
            if at < self.offset {
                self.offset = at;
            } else if at >= self.offset + height {
                self.offset = at + 1 - height;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: &[&str]) -> List {
        let mut list = List::default();
        list.set(rows.iter().map(|r| (*r).to_owned()).collect());
        list
    }

    #[test]
    fn the_selection_follows_its_row_and_goes_to_the_neighbour_when_that_is_gone() {
        let mut list = list(&["a", "b", "c"]);
        list.step(1);
        assert_eq!(list.selected.as_deref(), Some("b"));
        list.set(vec!["b".into(), "a".into(), "c".into()]);
        assert_eq!(list.selected.as_deref(), Some("b"));
        list.set(vec!["a".into(), "c".into()]);
        assert_eq!(list.selected.as_deref(), Some("a"));
        list.set(vec![]);
        assert_eq!(list.selected, None);
    }

    #[test]
    fn the_window_follows_the_selection() {
        let rows: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let mut list = List::default();
        list.set(rows);
        list.pick(50);
        list.keep_visible(10);
        assert_eq!(list.offset, 41);
        list.step(-20);
        list.keep_visible(10);
        assert_eq!(list.offset, 30);
        list.step(isize::MAX);
        list.keep_visible(10);
        assert_eq!(list.offset, 90);
    }
}
