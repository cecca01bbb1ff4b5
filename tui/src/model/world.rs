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
    /// A snapshot of which parts are still missing; what was known stays until it is whole.
    coming: Option<Box<World>>,
}

impl World {
    /// Takes a message in; true when the state is whole again.
    pub fn apply(&mut self, response: &v1::WatchResponse) -> bool {
        match &response.message {
            Some(Message::Snapshot(snapshot)) => {
                let mut coming = self.coming.take().unwrap_or_default();
                coming.add(snapshot);
                if snapshot.more {
                    self.coming = Some(coming);
                    return false;
                }
                *self = *coming;
            }
            Some(Message::Change(change)) => {
                // Whatever else comes ends a snapshot that was broken off.
                self.coming = None;
                for resource in change.resources.iter().filter_map(|r| r.resource.as_ref()) {
                    self.put(resource);
                }
            }
            Some(Message::Heartbeat(_)) | None => {
                if self.coming.is_some() {
                    return false;
                }
            }
        }
        self.revision = response.revision;
        true
    }

    /// Drops the parts of a snapshot that a broken stream left unfinished.
    pub fn broken(&mut self) {
        self.coming = None;
    }

    fn add(&mut self, part: &v1::Snapshot) {
        let shows = part.shows.iter().map(|s| (s.name.clone(), s.clone()));
        self.shows.extend(shows);
        let callers = part.callers.iter().map(|c| (c.name.clone(), c.clone()));
        self.callers.extend(callers);
        let slots = part.slots.iter().map(|s| (s.name.clone(), s.clone()));
        self.slots.extend(slots);
        let channels = part.channels.iter().map(|c| (c.name.clone(), c.clone()));
        self.channels.extend(channels);
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
    fn a_snapshot_in_parts_replaces_what_was_there_once_it_is_whole() {
        let mut world = World::default();
        assert!(world.apply(&snapshot(&["slots/old"], false)));
        assert!(!world.apply(&snapshot(&["slots/broken-off"], true)));
        world.broken();
        assert!(!world.apply(&snapshot(&["slots/10"], true)));
        assert!(world.slots.contains_key("slots/old") && world.slots.len() == 1);
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
