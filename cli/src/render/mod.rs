//! From an answer to stdout in the asked format; and what is said on stderr.

mod answers;
pub mod channels;
pub mod destinations;
pub mod drills;
pub mod rows;
pub mod table;
pub mod tally;
pub mod text;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use crate::args::Format;
use crate::errors::{Failure, Outcome};
use table::{Cell, Table};

/// How an answer looks to people.
pub enum View {
    Table(Table),
    Fields(Vec<(&'static str, Cell)>),
    /// One value alone on its line.
    Line(Cell),
    /// Nothing to show; what happened is said on stderr.
    Nothing,
}

impl View {
    pub fn line(text: impl AsRef<str>) -> Self {
        Self::Line(Cell::new(text))
    }
}

/// An API response that can be printed in every format.
pub trait Answer: Serialize {
    fn view(&self) -> View;
    fn names(&self) -> Vec<String>;
    /// Field of the items, if this is a list.
    fn items(&self) -> Option<&'static str> {
        None
    }
}

/// The way out: format, and what the terminal can do.
pub struct Out {
    pub format: Format,
    pub terminal: bool,
    colour: bool,
    columns: Option<usize>,
}

impl Out {
    pub fn new(format: Format) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let columns = if terminal {
            rustix::termios::tcgetwinsize(&stdout)
                .ok()
                .map(|size| usize::from(size.ws_col))
        } else {
            None
        };
        let unwanted = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format,
            terminal,
            colour: terminal && !unwanted("NO_COLOR") && !dumb,
            columns: columns.filter(|columns| *columns > 0),
        }
    }

    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    pub fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Ndjson)
    }

    /// Prints a whole answer.
    pub fn answer(&self, answer: &impl Answer) -> Outcome {
        match self.format {
            Format::Table => self.view(&answer.view()),
            Format::Name => self.lines(&answer.names()),
            Format::Json => self.json(&self.value(answer)?),
            Format::Ndjson => match answer.items().zip(Some(self.value(answer)?)) {
                Some((field, Value::Object(mut object))) => match object.remove(field) {
                    Some(Value::Array(items)) => {
                        items.iter().try_for_each(|item| self.json_line(item))
                    }
                    _ => Ok(()),
                },
                Some((_, value)) => self.json_line(&value),
                None => self.json_line(&self.value(answer)?),
            },
        }
    }

    pub fn view(&self, view: &View) -> Outcome {
        match view {
            View::Table(table) => {
                if table.rows.is_empty() {
                    self.say("none");
                }
                self.lines(&table.lines(self.columns, self.colour))
            }
            View::Fields(fields) => self.lines(&table::fields(fields, self.colour)),
            View::Line(cell) => self.line(&cell.text),
            View::Nothing => Ok(()),
        }
    }

    /// An empty list is a list: proto3 JSON leaves it out, which trips `jq '.callers[]'`.
    fn value(&self, answer: &impl Answer) -> Outcome<Value> {
        let mut value = serde_json::to_value(answer)
            .map_err(|error| Failure::error(format!("cannot write the answer as JSON: {error}")))?;
        if let (Some(field), Value::Object(object)) = (answer.items(), &mut value) {
            object
                .entry(field)
                .or_insert_with(|| Value::Array(Vec::new()));
        }
        Ok(value)
    }

    /// One document: indented for people, on one line for pipes.
    pub fn json(&self, value: &Value) -> Outcome {
        if !self.terminal {
            return self.json_line(value);
        }
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::error(error.to_string()))?;
        self.line(&text::escape_json(&text))
    }

    pub fn json_line(&self, value: &impl Serialize) -> Outcome {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::error(error.to_string()))?;
        self.line(&text::escape_json(&text))
    }

    pub fn line(&self, line: &str) -> Outcome {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// In one write, so that a reader never sees half a table.
    fn lines(&self, lines: &[String]) -> Outcome {
        let text: String = lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect();
        self.bytes(text.as_bytes())
    }

    pub fn bytes(&self, bytes: &[u8]) -> Outcome {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::stdout(&error))
    }

    pub fn paint(&self, text: &str, tone: table::Tone) -> String {
        tone.paint(text, self.colour)
    }

    /// Talk for people; scripts that asked for JSON or names hear only errors.
    pub fn say(&self, text: &str) {
        if self.is_table() {
            crate::app::eprintln_quietly(&text::scrub(text));
        }
    }

    /// Whether whoever read stdout is still there.
    pub fn reader_is_gone(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok()
            && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }
}
