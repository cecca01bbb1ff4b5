//! What vMixes tell of slots: the latest value wins, nothing goes through the ledger. A cut in vMix is no change of
//! booth's state, and may come many times a minute; who watches is told at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use booth_core::{Showing, SlotId, State};
use tokio::sync::watch;

/// What the production does with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    Off,
    Preview,
    Program,
}

/// How it stands with the vMix of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotVmix {
    pub connected: bool,
    /// `None`: not connected, or no such input.
    pub tally: Option<Tally>,
    /// What went wrong last, as long as it matters; clean for terminals, without secrets.
    pub error: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Whose word counts.
    address: String,
    told: SlotVmix,
}

/// Slots that have a vMix, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct TallyMap(Arc<BTreeMap<SlotId, Entry>>);

impl TallyMap {
    pub fn of(&self, slot: &SlotId) -> Option<&SlotVmix> {
        self.0.get(slot).map(|entry| &entry.told)
    }

    /// Slots of which `other` says something else.
    pub fn changed_from(&self, other: &Self) -> Vec<SlotId> {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Vec::new();
        }
        let slots: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |slot: &&&SlotId| self.of(slot) != other.of(slot);
        slots
            .iter()
            .filter(differs)
            .map(|slot| (*slot).clone())
            .collect()
    }

    /// Whether somebody assigned to this slot is really on air; `None` when no vMix knows. Until the slot shows them,
    /// they are not, whatever the production does with the slot.
    pub fn on_air(
        &self,
        state: &State,
        slot: &SlotId,
        caller: &booth_core::CallerId,
    ) -> Option<Tally> {
        let tally = self.of(slot)?.tally?;
        let shows = match &state.slots.get(slot)?.showing {
            Showing::Caller { caller: shown } | Showing::Frozen { caller: shown } => {
                shown == caller
            }
            Showing::Idle | Showing::Armed { .. } => false,
        };
        Some(if shows { tally } else { Tally::Off })
    }
}

/// Written by the vMix room alone, read by every door; cloned freely.
#[derive(Debug, Clone)]
pub struct Tallies(Arc<watch::Sender<TallyMap>>);

impl Default for Tallies {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(TallyMap::default())))
    }
}

impl Tallies {
    pub fn now(&self) -> TallyMap {
        self.0.borrow().clone()
    }

    pub fn follow(&self) -> watch::Receiver<TallyMap> {
        self.0.subscribe()
    }

    /// Which vMix each slot belongs to. One that moved is unknown until its new vMix speaks.
    pub(crate) fn assign(&self, slots: &BTreeMap<SlotId, String>) {
        self.0.send_if_modified(|map| {
            let same = map.0.len() == slots.len()
                && map
                    .0
                    .iter()
                    .all(|(slot, entry)| slots.get(slot) == Some(&entry.address));
            if same {
                return false;
            }
            let entries = slots.iter().map(|(slot, address)| {
                let kept = map.0.get(slot).filter(|entry| entry.address == *address);
                let fresh = || Entry {
                    address: address.clone(),
                    told: SlotVmix::default(),
                };
                (slot.clone(), kept.cloned().unwrap_or_else(fresh))
            });
            map.0 = Arc::new(entries.collect());
            true
        });
    }

    /// What the vMix at `address` says; of slots that are not its own it says nothing. Whether that is news.
    pub(crate) fn tell(&self, address: &str, told: &BTreeMap<SlotId, SlotVmix>) -> bool {
        self.0.send_if_modified(|map| {
            let news: Vec<_> = told
                .iter()
                .filter(|(slot, new)| {
                    let entry = map.0.get(*slot);
                    entry.is_some_and(|entry| entry.address == address && entry.told != **new)
                })
                .collect();
            if news.is_empty() {
                return false;
            }
            let entries = Arc::make_mut(&mut map.0);
            for (slot, new) in news {
                if let Some(entry) = entries.get_mut(slot) {
                    entry.told = new.clone();
                }
            }
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(id: &str) -> SlotId {
        SlotId::new(id).unwrap()
    }

    fn said(tally: Tally) -> SlotVmix {
        SlotVmix {
            connected: true,
            tally: Some(tally),
            error: String::new(),
        }
    }

    #[test]
    fn a_vmix_speaks_of_its_own_slots_only() {
        let tallies = Tallies::default();
        tallies.assign(&BTreeMap::from([
            (slot("1"), "a:1".into()),
            (slot("2"), "b:1".into()),
        ]));
        let both = BTreeMap::from([
            (slot("1"), said(Tally::Program)),
            (slot("2"), said(Tally::Program)),
            (slot("3"), said(Tally::Program)),
        ]);
        tallies.tell("a:1", &both);
        let now = tallies.now();
        assert_eq!(now.of(&slot("1")), Some(&said(Tally::Program)));
        assert_eq!(now.of(&slot("2")), Some(&SlotVmix::default()));
        assert_eq!(now.of(&slot("3")), None);
    }

    #[test]
    fn a_slot_that_moves_to_another_vmix_is_unknown_until_that_one_speaks() {
        let tallies = Tallies::default();
        let at = |address: &str| BTreeMap::from([(slot("1"), address.to_owned())]);
        tallies.assign(&at("a:1"));
        tallies.tell("a:1", &BTreeMap::from([(slot("1"), said(Tally::Program))]));
        tallies.assign(&at("b:1"));
        tallies.tell("a:1", &BTreeMap::from([(slot("1"), said(Tally::Preview))]));
        assert_eq!(tallies.now().of(&slot("1")), Some(&SlotVmix::default()));
        tallies.assign(&BTreeMap::new());
        assert_eq!(tallies.now().of(&slot("1")), None);
    }

    #[test]
    fn who_follows_is_woken_by_changes_only_and_told_which() {
        let tallies = Tallies::default();
        let mut follows = tallies.follow();
        let slots = BTreeMap::from([(slot("1"), "a:1".to_owned()), (slot("2"), "a:1".to_owned())]);
        tallies.assign(&slots);
        let before = follows.borrow_and_update().clone();
        tallies.assign(&slots);
        tallies.tell("a:1", &BTreeMap::from([(slot("1"), SlotVmix::default())]));
        assert!(!follows.has_changed().unwrap());
        tallies.tell("a:1", &BTreeMap::from([(slot("2"), said(Tally::Off))]));
        assert!(follows.has_changed().unwrap());
        let after = follows.borrow_and_update().clone();
        assert_eq!(after.changed_from(&before), [slot("2")]);
        assert!(after.changed_from(&after.clone()).is_empty());
    }
}
