//! The as-run log: the latest changes with who did them, and what the console itself had to say.

use std::collections::VecDeque;

use booth_proto::v1;
use serde::{Deserialize, Serialize};

use crate::model::world::millis;
use crate::text;

/// A long day's worth; older entries are in the server's journal.
const KEPT: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    Plain,
    /// Something went on or off air.
    Air,
    Warn,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the Unix epoch; `None` for what was said before any server's time was known.
    pub at_ms: Option<i64>,
    /// `anna`, `sys`, `console`, a caller's id.
    pub actor: String,
    pub text: String,
    pub resource: String,
    pub revision: u64,
    pub weight: Weight,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Log {
    /// Oldest first.
    pub entries: VecDeque<Entry>,
}

impl Log {
    pub fn push(&mut self, entry: Entry) {
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub fn change(&mut self, revision: u64, change: &v1::Change) {
        let actor = actor(&change.actor);
        for event in &change.events {
            let weight = match event.r#type.as_str() {
                "SLOT_TAKEN" | "SLOT_RELEASED" | "CHANNEL_FORCED" | "CHANNEL_STARTED"
                | "CHANNEL_STOPPED" => Weight::Air,
                "CHANNEL_ALERT_RAISED" | "CALLER_DISCONNECTED" => Weight::Warn,
                "SLOT_WORKER" | "CHANNEL_WORKER" if event.text.ends_with("down") => Weight::Warn,
                "CHANNEL_SWITCHED" if event.text.contains("backup:") => Weight::Warn,
                "DESTINATION_STATE" => Weight::Warn,
                _ => Weight::Plain,
            };
            // The text ends with the actor, who has a column.
            let ending = format!(" by {actor}");
            let said = text::clean(&event.text);
            let said = said.strip_suffix(&ending).unwrap_or(&said).to_owned();
            self.push(Entry {
                at_ms: millis(change.time.as_ref()),
                actor: actor.clone(),
                text: said,
                resource: event.resource.clone(),
                revision,
                weight,
            });
        }
    }

    /// The latest thing that somebody did to a resource.
    pub fn last_on(&self, resource: &str) -> Option<&Entry> {
        let on_it = |entry: &&Entry| entry.resource == resource && entry.actor != "console";
        let mut newest = self.entries.iter().rev().filter(on_it);
        let by_somebody = newest.clone().find(|entry| entry.actor != "sys");
        by_somebody.or_else(|| newest.next())
    }
}

fn actor(name: &str) -> String {
    match name {
        "system" | "" => "sys".to_owned(),
        name => text::clean(text::id(name)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(actor: &str, text: &str) -> v1::Change {
        v1::Change {
            actor: actor.into(),
            events: vec![v1::Event {
                r#type: "SLOT_TAKEN".into(),
                resource: "slots/1".into(),
                text: text.into(),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn the_actor_is_told_once_and_the_last_doer_is_found() {
        let mut log = Log::default();
        log.change(
            1,
            &change("operators/anna", "caller B taken to slot 1 by anna"),
        );
        log.change(2, &change("system", "slot 1 shows caller B"));
        let last = log.last_on("slots/1").unwrap();
        assert_eq!(
            (last.actor.as_str(), last.text.as_str()),
            ("anna", "caller B taken to slot 1")
        );
    }

    #[test]
    fn the_log_is_bounded() {
        let mut log = Log::default();
        for n in 0..5_000 {
            log.change(n, &change("system", "x"));
        }
        assert_eq!(log.entries.len(), KEPT);
        assert_eq!(log.entries.back().unwrap().revision, 4_999);
    }
}
