//! A line that is being typed: a message, a note, a filter, a name.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::key::{Code, Key};
use crate::text;

/// As long as the server's longest message.
const LONGEST: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Line {
    pub text: String,
    /// In bytes, always between grapheme clusters.
    pub at: usize,
}

impl Line {
    pub fn with(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            at: text.len(),
        }
    }

    /// True when the key was for the line.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl, key.alt) {
            (Code::Char(c), false, false) => self.insert(c.encode_utf8(&mut [0; 4])),
            (Code::Backspace, false, false) | (Code::Char('h'), true, false) => {
                let from = self.before();
                self.text.replace_range(from..self.at, "");
                self.at = from;
            }
            (Code::Delete, ..) | (Code::Char('d'), true, false) => {
                let to = self.after();
                self.text.replace_range(self.at..to, "");
            }
            (Code::Left, ..) | (Code::Char('b'), true, false) => self.at = self.before(),
            (Code::Right, ..) | (Code::Char('f'), true, false) => self.at = self.after(),
            (Code::Home, ..) | (Code::Char('a'), true, false) => self.at = 0,
            (Code::End, ..) | (Code::Char('e'), true, false) => self.at = self.text.len(),
            (Code::Char('u'), true, false) => {
                self.text.replace_range(..self.at, "");
                self.at = 0;
            }
            (Code::Char('k'), true, false) => self.text.truncate(self.at),
            (Code::Char('w'), true, false) => {
                let kept = self.text[..self.at].trim_end();
                let from = kept.rfind(' ').map_or(0, |space| space + 1);
                self.text.replace_range(from..self.at, "");
                self.at = from;
            }
            _ => return false,
        }
        true
    }

    /// Typed or pasted; what a terminal must not be sent is left out.
    pub fn insert(&mut self, more: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        let more: String = text::clean(more).chars().take(room).collect();
        // A single combining mark cleans to nothing, yet joins what is before it: kept out as well.
        self.text.insert_str(self.at, &more);
        self.at += more.len();
        // The insertion may have joined its neighbours into one cluster.
        while !self.boundary() {
            self.at += 1;
        }
    }

    fn boundary(&self) -> bool {
        self.at >= self.text.len()
            || self
                .text
                .grapheme_indices(true)
                .any(|(at, _)| at == self.at)
    }

    fn before(&self) -> usize {
        let mut clusters = self.text[..self.at].grapheme_indices(true);
        clusters.next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let next = self.text[self.at..].graphemes(true).next();
        self.at + next.map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut line = Line::default();
        for c in "rent caps".chars() {
            line.key(Key::char(c));
        }
        line.key("ctrl-w".parse().unwrap());
        assert_eq!(line.text, "rent ");
        line.key("ctrl-a".parse().unwrap());
        line.key("del".parse().unwrap());
        assert_eq!((line.text.as_str(), line.at), ("ent ", 0));
        line.key("ctrl-k".parse().unwrap());
        assert_eq!(line.text, "");
        assert!(!line.key("enter".parse().unwrap()));
    }

    #[test]
    fn whole_characters_are_deleted_and_pasted_escapes_are_not_taken() {
        let mut line = Line::with("a👩‍👩‍👧‍👦");
        line.key("backspace".parse().unwrap());
        assert_eq!(line.text, "a");
        line.insert("\u{1b}]52;x\u{7}ok");
        assert_eq!(line.text, "a]52;xok");
        line.insert(&"y".repeat(10_000));
        assert!(line.text.chars().count() <= LONGEST);
    }
}
