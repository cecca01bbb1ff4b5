//! Which keys mean which action: the table of `action.rs`, and what `config.toml` changes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::{ACTIONS, Action, Scope};
use crate::key::{Code, Key, sequence, show_sequence};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keymap {
    bindings: Vec<(Vec<Key>, Action)>,
}

/// Why a change of the keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Clash {
    /// The changed one that is to blame.
    pub action: Action,
    pub why: String,
}

/// What keys typed so far mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Action(Action),
    /// More must follow: these may.
    Prefix(Vec<(Key, Action)>),
    Nothing,
}

impl Default for Keymap {
    fn default() -> Self {
        let bindings = ACTIONS.iter().flat_map(|spec| {
            let keys = spec.keys.iter().filter_map(|text| sequence(text).ok());
            keys.map(|keys| (keys, spec.action))
        });
        Self {
            bindings: bindings.collect(),
        }
    }
}

impl Keymap {
    /// With other keys for some actions; no keys at all takes an action off the keyboard.
    pub fn remapped(changes: &BTreeMap<Action, Vec<Vec<Key>>>) -> Result<Self, Clash> {
        let mut map = Self::default();
        map.bindings
            .retain(|(_, action)| !changes.contains_key(action));
        for (action, sequences) in changes {
            for keys in sequences {
                map.bindings.push((keys.clone(), *action));
            }
        }
        // The first binding is the one that is shown: the table's order.
        map.bindings.sort_by_key(|(_, action)| *action);
        map.check(|action| changes.contains_key(&action))?;
        Ok(map)
    }

    /// Every key has one meaning wherever it works, arming needs Enter and Esc, and digits pick.
    fn check(&self, changed: impl Fn(Action) -> bool) -> Result<(), Clash> {
        for (keys, action) in &self.bindings {
            let first = keys.first();
            let taken = first.is_some_and(|key| {
                matches!(key.code, Code::Enter | Code::Char('0'..='9')) && !key.ctrl && !key.alt
            });
            if taken {
                let (keys, name) = (show_sequence(keys), action.spec().name);
                return Err(Clash {
                    action: *action,
                    why: format!("{keys} cannot be {name}: Enter confirms and digits pick slots"),
                });
            }
        }
        for (n, (keys, action)) in self.bindings.iter().enumerate() {
            for (other_keys, other) in &self.bindings[n + 1..] {
                let shorter = keys.len().min(other_keys.len());
                let clash = keys[..shorter] == other_keys[..shorter]
                    && meet(action.spec().scope, other.spec().scope)
                    && action != other;
                if clash {
                    let blamed = if changed(*action) { action } else { other };
                    return Err(Clash {
                        action: *blamed,
                        why: format!(
                            "{} is {} and {} is {}: one key cannot mean both",
                            show_sequence(keys),
                            action.spec().name,
                            show_sequence(other_keys),
                            other.spec().name
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// `works` says whether an action's scope is where the operator is, and whether the server can do it.
    pub fn find(&self, typed: &[Key], works: impl Fn(Action) -> bool) -> Found {
        let mut next = Vec::new();
        for (keys, action) in &self.bindings {
            let Some(rest) = keys.strip_prefix(typed).filter(|_| works(*action)) else {
                continue;
            };
            match rest.first() {
                None => return Found::Action(*action),
                Some(key) => next.push((*key, *action)),
            }
        }
        if next.is_empty() {
            Found::Nothing
        } else {
            Found::Prefix(next)
        }
    }

    /// The keys to show for an action; empty when it has none.
    pub fn shown(&self, action: Action) -> String {
        let found = self.bindings.iter().find(|(_, a)| *a == action);
        found.map_or_else(String::new, |(keys, _)| show_sequence(keys))
    }

    /// The first key of an action that has more than one after each other.
    pub fn prefix(&self, action: Action) -> Option<Key> {
        let (keys, _) = self.bindings.iter().find(|(_, a)| *a == action)?;
        keys.first().copied().filter(|_| keys.len() > 1)
    }

    pub fn all(&self, action: Action) -> Vec<String> {
        let found = self.bindings.iter().filter(|(_, a)| *a == action);
        found.map(|(keys, _)| show_sequence(keys)).collect()
    }
}

/// Whether there is a view where both work.
fn meet(a: Scope, b: Scope) -> bool {
    use Scope::{Anywhere, Callers, Channels, Queue};
    match (a, b) {
        (Anywhere, _) | (_, Anywhere) => true,
        (Channels, Channels) => true,
        (Channels, _) | (_, Channels) => false,
        (Callers | Queue, Callers | Queue) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        sequence(text).unwrap()
    }

    #[test]
    fn the_table_itself_is_free_of_clashes_and_every_key_in_it_can_be_typed() {
        let map = Keymap::default();
        assert_eq!(map.check(|_| false), Ok(()));
        let written: usize = ACTIONS.iter().map(|spec| spec.keys.len()).sum();
        assert_eq!(map.bindings.len(), written);
    }

    #[test]
    fn a_prefix_shows_what_may_follow() {
        let map = Keymap::default();
        let Found::Prefix(next) = map.find(&keys("F"), |_| true) else {
            panic!("F is a prefix");
        };
        assert!(next.contains(&(Key::char('l'), Action::ForceLive)));
        assert_eq!(
            map.find(&keys("F l"), |_| true),
            Found::Action(Action::ForceLive)
        );
        assert_eq!(map.find(&keys("F ?"), |_| true), Found::Nothing);
        assert_eq!(map.find(&keys("F"), |_| false), Found::Nothing);
    }

    #[test]
    fn a_remapped_action_leaves_its_old_key_and_a_clash_is_refused_by_name() {
        let changes = BTreeMap::from([(Action::Take, vec![keys("ctrl-t")])]);
        let map = Keymap::remapped(&changes).unwrap();
        assert_eq!(map.find(&keys("t"), |_| true), Found::Nothing);
        assert_eq!(map.shown(Action::Take), "ctrl-t");

        let changes = BTreeMap::from([(Action::Take, vec![keys("a")])]);
        let why = Keymap::remapped(&changes).unwrap_err().to_string();
        assert!(why.contains("take") && why.contains("approve"), "{why}");
        let changes = BTreeMap::from([(Action::Take, vec![keys("g")])]);
        let clash = Keymap::remapped(&changes).unwrap_err();
        assert!(clash.action == Action::Take && clash.why.contains("g is take"));
        let changes = BTreeMap::from([(Action::Take, vec![keys("enter")])]);
        let clash = Keymap::remapped(&changes).unwrap_err();
        assert!(clash.why.contains("Enter"));
    }

    #[test]
    fn an_action_can_be_taken_off_the_keyboard() {
        let map = Keymap::remapped(&BTreeMap::from([(Action::Drop, vec![])])).unwrap();
        assert_eq!(map.shown(Action::Drop), "");
        assert_eq!(map.find(&keys("d"), |_| true), Found::Nothing);
    }
}
