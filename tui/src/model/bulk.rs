//! One action on many callers: asked for once, sent one by one.
//!
//! ```text
//!   marked ──key──▶ asked: `reject 12`? ──Enter──▶ waiting ──▶ flying ──▶ done | refused
//!                                                     └──Esc, link lost──▶ not sent
//! ```

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::text;

/// On their way at a time: far fewer than the link takes, so that a take still finds room.
pub const FLYING_MOST: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// `reject`.
    pub verb: String,
    pub total: usize,
    pub waiting: VecDeque<Step>,
    /// Request ids.
    pub flying: BTreeSet<String>,
    pub done: usize,
    /// Not done, and that is known.
    pub failed: usize,
    /// Their answers were lost.
    pub unknown: usize,
    /// Who, and why, of the first that failed.
    pub first_failure: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub command: Command,
    /// What it relied on when it was asked for; not sent when that has changed.
    pub seen: String,
}

impl Bulk {
    pub fn new(verb: &str, steps: impl IntoIterator<Item = Step>) -> Self {
        let waiting: VecDeque<Step> = steps.into_iter().collect();
        Self {
            verb: verb.to_owned(),
            total: waiting.len(),
            waiting,
            flying: BTreeSet::new(),
            done: 0,
            failed: 0,
            unknown: 0,
            first_failure: String::new(),
        }
    }

    /// What must be typed for it: what it does, and to how many.
    pub fn name(&self) -> String {
        format!("{} {}", self.verb, self.total)
    }

    /// `reject: 3 of 12 done`.
    pub fn progress(&self) -> String {
        format!("{}: {} of {} done", self.verb, self.done, self.total)
    }

    pub fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.first_failure.is_empty() {
            self.first_failure = why;
        }
    }

    pub fn over(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    pub fn result(&self) -> String {
        if self.failed + self.unknown == 0 {
            let who = text::count(self.done as u64, "caller");
            return format!("{}: done for {who}", self.verb);
        }
        let mut said = self.progress();
        if self.unknown > 0 {
            said.push_str(&format!("; NOBODY KNOWS of {}", self.unknown));
        }
        if self.failed > 0 {
            said.push_str(&format!("; {} NOT: {}", self.failed, self.first_failure));
        }
        said
    }
}
