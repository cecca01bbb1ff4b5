//! The server's state as the watch stream tells it: resources by name, at one revision.

use std::collections::BTreeMap;

use booth_proto::v1::{self, resource::Resource, watch_response::Message};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct World {
    pub revision: u64,
    pub shows: BTreeMap<String, v1::Show>,
    pub callers: BTreeMap<String, v1::Caller>,
    pub slots: BTreeMap<String, v1::Slot>,
    pub channels: BTreeMap<String, v1::Channel>,
    /// Another part of the snapshot comes.
    partial: bool,
}

impl World {
    /// Takes a message in; true when the state is whole again.
    pub fn apply(&mut self, response: &v1::WatchResponse) -> bool {
        match &response.message {
            Some(Message::Snapshot(snapshot)) => {
                if !self.partial {
                    *self = Self::default();
                }
                self.partial = snapshot.more;
                let named = |c: &v1::Caller| c.name.clone();
                self.shows
                    .extend(snapshot.shows.iter().map(|s| (s.name.clone(), s.clone())));
                self.callers
                    .extend(snapshot.callers.iter().map(|c| (named(c), c.clone())));
                self.slots
                    .extend(snapshot.slots.iter().map(|s| (s.name.clone(), s.clone())));
                self.channels.extend(
                    snapshot
                        .channels
                        .iter()
                        .map(|c| (c.name.clone(), c.clone())),
                );
            }
            Some(Message::Change(change)) => {
                for resource in change.resources.iter().filter_map(|r| r.resource.as_ref()) {
                    self.put(resource);
                }
            }
            Some(Message::Heartbeat(_)) | None => {}
        }
        if !self.partial {
            self.revision = response.revision;
        }
        !self.partial
    }

    fn put(&mut self, resource: &Resource) {
        match resource {
            Resource::Show(show) => {
                self.shows.insert(show.name.clone(), show.clone());
            }
            Resource::Caller(caller) => {
                self.callers.insert(caller.name.clone(), caller.clone());
            }
            Resource::Slot(slot) => {
                self.slots.insert(slot.name.clone(), slot.clone());
            }
            Resource::Channel(channel) => {
                self.channels.insert(channel.name.clone(), channel.clone());
            }
            Resource::Deleted(name) => {
                self.shows.remove(name);
                self.callers.remove(name);
                self.slots.remove(name);
                self.channels.remove(name);
            }
            // The console shows neither.
            Resource::Operator(_) | Resource::Invite(_) => {}
        }
    }

    pub fn destination(&self, name: &str) -> Option<&v1::Destination> {
        let mut all = self.channels.values().flat_map(|c| &c.destinations);
        all.find(|d| d.name == name)
    }

    /// The revision of whatever has this name; 0 when there is nothing.
    pub fn revision_of(&self, name: &str) -> u64 {
        let slot = self.slots.get(name).map(|r| r.revision);
        let caller = || self.callers.get(name).map(|r| r.revision);
        let channel = || self.channels.get(name).map(|r| r.revision);
        let show = || self.shows.get(name).map(|r| r.revision);
        let destination = || self.destination(name).map(|r| r.revision);
        slot.or_else(caller)
            .or_else(channel)
            .or_else(show)
            .or_else(destination)
            .unwrap_or(0)
    }

    /// Slots of a show, in the order of their ids: `2` before `10`.
    pub fn slots_of(&self, show: &str) -> Vec<&v1::Slot> {
        let mut slots: Vec<_> = self.slots.values().filter(|s| s.show == show).collect();
        slots.sort_by(|a, b| {
            natural(crate::text::id(&a.name)).cmp(&natural(crate::text::id(&b.name)))
        });
        slots
    }

    /// What people call a caller; the id where there is nothing to call them by.
    pub fn caller_name(&self, name: &str) -> String {
        let found = self.callers.get(name);
        let said = found.map(|caller| crate::text::clean(&caller.display_name));
        match said.filter(|said| !said.trim().is_empty()) {
            Some(said) => said.into_owned(),
            None => crate::text::id(name).to_owned(),
        }
    }
}

fn natural(id: &str) -> (u64, &str) {
    (id.parse().unwrap_or(u64::MAX), id)
}

pub fn millis(time: Option<&pbjson_types::Timestamp>) -> Option<i64> {
    let time = time?;
    Some(time.seconds.saturating_mul(1_000) + i64::from(time.nanos) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(slots: &[&str], more: bool) -> v1::WatchResponse {
        let slots = slots.iter().map(|name| v1::Slot {
            name: (*name).to_owned(),
            show: "shows/main".into(),
            ..Default::default()
        });
        v1::WatchResponse {
            revision: 9,
            message: Some(Message::Snapshot(v1::Snapshot {
                slots: slots.collect(),
                more,
                ..Default::default()
            })),
        }
    }

    #[test]
    fn a_snapshot_in_parts_replaces_what_was_there_once_it_begins() {
        let mut world = World::default();
        assert!(world.apply(&snapshot(&["slots/old"], false)));
        assert!(!world.apply(&snapshot(&["slots/10"], true)));
        assert!(world.apply(&snapshot(&["slots/2"], false)));
        let names: Vec<_> = world
            .slots_of("shows/main")
            .iter()
            .map(|s| s.name.as_str())
            .collect();
        assert_eq!(names, ["slots/2", "slots/10"]);
        assert_eq!(world.revision, 9);
    }
}
