//! What the terminal answers before anybody else reads from it: how far away it is, and how it shows pictures.
//!
//! The library that draws pictures can ask as well, but what it starts cannot be ended: its thread goes on reading when
//! nothing was answered, takes the first keys, and then puts the terminal back out of raw mode. Here every wait has its end,
//! and two things keep an answer that comes after it from being a key: the far are asked only what a reader of keys knows for
//! an answer, and what the near did not answer in time is known by its shape ([`Late`]).

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ratatui_image::FontSize;
use ratatui_image::picker::ProtocolType;
use ratatui_image::picker::cap_parser::{Parser, QueryStdioOptions, Response};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::key::{Code, Key};

/// Farther than any terminal on this machine or in this house is, and nearer than mobile and overseas links are; a key and its
/// echo feel like one up to twice that.
pub const FAR: Duration = Duration::from_millis(50);
/// Who has not answered by then starts without pictures. The console is not open before.
const PATIENCE: Duration = Duration::from_millis(500);
/// Of one that has just answered.
const PATIENCE_NEAR: Duration = Duration::from_secs(1);
/// The best one counts: a machine that is busy starting things is no slow link.
const ROUNDS: usize = 3;
/// Device Status Report, which every terminal answers with [`WELL`] (ECMA-48, DEC STD 070).
const HOW_ARE_YOU: &[u8] = b"\x1b[5n";
const WELL: &[u8] = b"\x1b[0n";
/// An answer's keys: `_Gi=31;` with a message is not longer.
const ANSWER_KEYS: usize = 80;
const ANSWER_TAKES: Duration = Duration::from_secs(1);

/// The shortest time to the terminal and back; `None` when it says nothing. In raw mode, before anybody else reads.
pub fn round_trip() -> Option<Duration> {
    let end = Instant::now() + PATIENCE;
    let mut best: Option<Duration> = None;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        say(HOW_ARE_YOU).ok()?;
        let mut heard = Vec::new();
        let answered = listen(end, |byte| {
            heard.push(byte);
            heard.ends_with(WELL)
        });
        if !answered {
            break;
        }
        let took = began.elapsed();
        best = Some(best.map_or(took, |best| best.min(took)));
        if took <= FAR {
            break;
        }
    }
    best
}

/// How the terminal shows pictures.
#[derive(Debug, Default)]
pub struct Kind {
    /// `None`: it named no way of its own.
    pub way: Option<ProtocolType>,
    /// Of one cell, in pixels.
    pub cell: Option<FontSize>,
    /// False when an answer may still come.
    pub answered: bool,
}

/// `tmux`: through tmux, to the terminal behind it. In raw mode, before anybody else reads.
pub fn kind(tmux: bool, get: &dyn Fn(&str) -> Option<String>) -> Kind {
    let set = |name: &str| get(name).is_some_and(|v| !v.is_empty());
    let mut options = QueryStdioOptions::default();
    if set("WEZTERM_EXECUTABLE") || set("KONSOLE_VERSION") {
        // They say that they can, and draw it wrong.
        options.blacklist_protocols = vec![ProtocolType::Kitty, ProtocolType::Sixel];
    }
    let mut kind = Kind::default();
    if say(Parser::query(tmux, options).as_bytes()).is_err() {
        return kind;
    }
    let mut parser = Parser::new();
    kind.answered = listen(Instant::now() + PATIENCE_NEAR, |byte| {
        let mut done = false;
        for response in parser.push(char::from(byte)) {
            match response {
                Response::Kitty => kind.way = Some(ProtocolType::Kitty),
                Response::Sixel => {
                    kind.way.get_or_insert(ProtocolType::Sixel);
                }
                Response::CellSize(Some(size)) => kind.cell = Some(size.into()),
                // The last question.
                Response::Status => done = true,
                _ => {}
            }
        }
        done
    });
    kind.cell = kind.cell.or_else(cell_by_ioctl);
    kind
}

fn cell_by_ioctl() -> Option<FontSize> {
    let size = crossterm::terminal::window_size().ok()?;
    let cell = FontSize::new(
        size.width.checked_div(size.columns)?,
        size.height.checked_div(size.rows)?,
    );
    (cell.width > 0 && cell.height > 0).then_some(cell)
}

fn say(question: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(question)?;
    out.flush()
}

/// Reads until `hear` has heard enough; false when that is not the case at `end`, however much has come.
fn listen(end: Instant, mut hear: impl FnMut(u8) -> bool) -> bool {
    let stdin = io::stdin();
    let mut buffer = [0; 256];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&limit)) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        match rustix::io::read(&stdin, &mut buffer) {
            Ok(0) => return false,
            Ok(n) => {
                for byte in buffer.iter().take(n) {
                    if hear(*byte) {
                        return true;
                    }
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return false,
        }
    }
}

/// Knows the answer about kitty's pictures among keys: `ESC _ G…`, closed by `ESC \`, reads as alt-`_` to alt-`\`. The other
/// answers are control sequences that are no key's.
#[derive(Debug, Default)]
pub struct Late {
    expected: bool,
    inside: Option<(Instant, usize)>,
}

impl Late {
    pub fn expected(expected: bool) -> Self {
        Self {
            expected,
            inside: None,
        }
    }

    /// Whether this is a part of an answer, and no key.
    pub fn swallows(&mut self, key: &Key, now: Instant) -> bool {
        if !self.expected {
            return false;
        }
        match &mut self.inside {
            None if key.alt && key.code == Code::Char('_') => {
                self.inside = Some((now, 0));
                true
            }
            None => false,
            // Whoever typed alt-_ gets the keys back soon.
            Some((began, seen)) if *seen >= ANSWER_KEYS || now >= *began + ANSWER_TAKES => {
                self.inside = None;
                false
            }
            Some((_, seen)) => {
                *seen += 1;
                if key.alt && key.code == Code::Char('\\') {
                    *self = Self::default();
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, alt: bool) -> Key {
        Key {
            alt,
            ..Key::char(c)
        }
    }

    #[test]
    fn an_answer_that_comes_late_is_no_row_of_keys() {
        let now = Instant::now();
        let mut late = Late::expected(true);
        assert!(!late.swallows(&key('t', false), now));
        assert!(late.swallows(&key('_', true), now));
        for c in "Gi=31;OK".chars() {
            assert!(late.swallows(&key(c, false), now), "{c}");
        }
        assert!(late.swallows(&key('\\', true), now));
        // It comes once.
        assert!(!late.swallows(&key('_', true), now));
        assert!(!late.swallows(&key('K', false), now));
    }

    #[test]
    fn a_key_that_only_looks_like_the_beginning_of_an_answer_blocks_nothing_for_long() {
        let now = Instant::now();
        let mut late = Late::expected(true);
        assert!(late.swallows(&key('_', true), now));
        assert!(late.swallows(&key('t', false), now));
        assert!(!late.swallows(&key('t', false), now + ANSWER_TAKES));
        assert!(late.swallows(&key('_', true), now));
        for _ in 0..ANSWER_KEYS {
            assert!(late.swallows(&key('t', false), now));
        }
        assert!(!late.swallows(&key('t', false), now));
        // Who was not asked answers nothing.
        assert!(!Late::expected(false).swallows(&key('_', true), now));
    }
}
