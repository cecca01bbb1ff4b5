//! What stands in front of the view; one at a time.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::command::Command;
use crate::model::bulk::Bulk;
use crate::model::line::Line;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modal {
    Help {
        offset: usize,
    },
    Palette {
        line: Line,
        picked: usize,
    },
    /// Something is typed about a caller, or about those who are marked.
    Write {
        what: Write,
        callers: Vec<String>,
        /// For those who were marked, be it one: it is asked for what and how many.
        marked: bool,
        line: Line,
    },
    /// The filter of the view's list.
    Filter {
        line: Line,
        before: String,
    },
    /// A destructive action asks for the name.
    Confirm {
        command: Command,
        /// `END THE CALL of Bravo`.
        sentence: String,
        /// Any of these is right.
        names: Vec<String>,
        /// What it relied on when it was asked; a change of it closes the question.
        seen: String,
        line: Line,
    },
    /// An action on many asks for what it does, and to how many.
    Many {
        bulk: Bulk,
        /// `END THE CALLS of Bravo, Charlie and 3 more`.
        sentence: String,
        line: Line,
    },
    /// A short list with a key for each.
    Choose {
        title: String,
        items: Vec<Choice>,
    },
    /// The link that was made.
    Invite {
        url: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    Chat,
    Note,
    Reject,
}

impl Write {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "message",
            Self::Note => "note",
            Self::Reject => "reason",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub key: char,
    pub label: String,
    pub does: Does,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// Arms or sends it.
    Command {
        command: Command,
        sentence: String,
    },
    Quit,
    Nothing,
}

/// What the palette can find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Action(Action),
    Caller(String),
    Slot(String),
    Channel(String),
    Show(String),
}
