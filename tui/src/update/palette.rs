//! `:` finds commands, callers, slots, channels and shows by a few letters of their names.

use crate::action::ACTIONS;
use crate::command::Effect;
use crate::key::{Code, Key};
use crate::model::line::Line;
use crate::model::modal::{Modal, Target};
use crate::model::{Model, Tone, View};
use crate::text;

use super::keys;
use super::send::notice;

/// Results that are worth showing.
pub const MOST: usize = 50;

pub struct Hit {
    pub target: Target,
    pub title: String,
    pub about: String,
    pub keys: String,
    score: i32,
}

pub fn key(model: &mut Model, key: Key, mut line: Line, picked: usize, effects: &mut Vec<Effect>) {
    let picked = match (key.code, key.ctrl) {
        (Code::Esc, _) => return,
        (Code::Enter, _) => {
            let hits = search(model, &line.text);
            return match hits.into_iter().nth(picked) {
                Some(hit) => go(model, hit.target, effects),
                None => notice(model, Tone::Plain, "nothing of that name".into()),
            };
        }
        (Code::Down | Code::Tab, _) | (Code::Char('n'), true) => picked + 1,
        (Code::Up | Code::BackTab, _) | (Code::Char('p'), true) => picked.saturating_sub(1),
        _ => {
            line.key(key);
            0
        }
    };
    let last = search(model, &line.text).len().saturating_sub(1);
    model.modal = Some(Modal::Palette {
        picked: picked.min(last),
        line,
    });
}

pub fn go(model: &mut Model, target: Target, effects: &mut Vec<Effect>) {
    match target {
        Target::Action(action) => keys::act(model, action, effects),
        Target::Caller(name) | Target::Slot(name) | Target::Channel(name) => show(model, &name),
        Target::Show(name) => {
            model.show = name;
            model.slot = None;
            model.queue = Default::default();
            model.armed = None;
            model.view = View::Air;
        }
    }
}

/// Goes where a resource is seen.
pub fn show(model: &mut Model, name: &str) {
    if model.world.callers.contains_key(name) {
        model.queue.filter.clear();
        model.queue.choose(name);
        if model.view != View::Caller {
            model.back_to = model.view;
        }
        model.view = View::Caller;
        model.picture_asked = None;
    } else if model.world.slots.contains_key(name) {
        model.slot = Some(name.to_owned());
        model.view = View::Air;
    } else if let Some(channel) = model
        .world
        .channels
        .keys()
        .find(|c| name.starts_with(c.as_str()))
        .cloned()
    {
        model.channels.filter.clear();
        model.channels.choose(&channel);
        model.view = View::Channels;
    } else {
        notice(
            model,
            Tone::Plain,
            format!("{} is not there any more", text::id(name)),
        );
    }
}

/// Best first.
pub fn search(model: &Model, typed: &str) -> Vec<Hit> {
    let typed = typed.to_lowercase();
    let mut hits = Vec::new();
    let mut offer = |target, title: String, about: String, keys: String, bonus: i32| {
        let hay = format!("{title} {about}").to_lowercase();
        let score = match score(&typed, &title.to_lowercase()) {
            Some(score) => Some(score + 20),
            None => score_words(&typed, &hay),
        };
        if let Some(score) = score {
            hits.push(Hit {
                target,
                title,
                about,
                keys,
                score: score + bonus,
            });
        }
    };
    for spec in ACTIONS {
        if model.works(spec.action) && model.may(spec.action) {
            let keys = model.settings.keymap.shown(spec.action);
            offer(
                Target::Action(spec.action),
                spec.name.replace('-', " "),
                spec.help.to_owned(),
                keys,
                5,
            );
        }
    }
    let world = &model.world;
    for caller in world
        .callers
        .values()
        .filter(|c| c.name.starts_with(&format!("{}/", model.show)))
    {
        let state = super::state_word(caller.state());
        let topic = text::clean(&caller.topic);
        let about = format!("caller {} · {state} · {topic}", text::id(&caller.name));
        // The ended ones are looked for rarely.
        let bonus = if caller.state() == booth_proto::v1::caller::State::Ended {
            -10
        } else {
            0
        };
        offer(
            Target::Caller(caller.name.clone()),
            world.caller_name(&caller.name),
            about,
            String::new(),
            bonus,
        );
    }
    for slot in model.slots() {
        let title = format!("slot {}", text::id(&slot.name));
        let about = slot
            .settings
            .as_ref()
            .and_then(|s| s.title.clone())
            .unwrap_or_default();
        offer(
            Target::Slot(slot.name.clone()),
            title,
            text::clean(&about).into_owned(),
            String::new(),
            0,
        );
    }
    for channel in world.channels.values() {
        let title = format!("channel {}", text::id(&channel.name));
        offer(
            Target::Channel(channel.name.clone()),
            title,
            String::new(),
            String::new(),
            0,
        );
    }
    for show in world.shows.values() {
        let title = format!("show {}", text::id(&show.name));
        offer(
            Target::Show(show.name.clone()),
            title,
            text::clean(&show.title).into_owned(),
            String::new(),
            0,
        );
    }
    hits.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.title.cmp(&b.title)));
    hits.truncate(MOST);
    hits
}

/// The letters in order, with more for beginnings of words and for neighbours; `None` when one is missing.
fn score(typed: &str, name: &str) -> Option<i32> {
    let mut score = 0;
    let mut before = ' ';
    let mut neighbour = false;
    let mut wanted = typed.chars().filter(|c| *c != ' ').peekable();
    for c in name.chars() {
        let Some(next) = wanted.peek() else { break };
        if c == *next {
            score += 1;
            if !before.is_alphanumeric() {
                score += 8;
            }
            if neighbour {
                score += 5;
            }
            neighbour = true;
            wanted.next();
        } else {
            neighbour = false;
        }
        before = c;
    }
    // A name that is matched whole is better than a longer one.
    let rest =
        i32::try_from(name.chars().count().saturating_sub(typed.chars().count())).unwrap_or(0);
    wanted.peek().is_none().then_some(score - rest / 4)
}

/// Every word somewhere, whole.
fn score_words(typed: &str, hay: &str) -> Option<i32> {
    let mut words = typed.split_whitespace().peekable();
    words.peek()?;
    words.all(|word| hay.contains(word)).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_words_come_before_letters_in_the_middle() {
        let names = ["sort name", "take over", "take", "note"];
        let best = |typed: &str| {
            let mut found: Vec<_> = names
                .iter()
                .filter_map(|n| Some((score(typed, n)?, *n)))
                .collect();
            found.sort();
            found.last().map(|(_, name)| *name)
        };
        assert_eq!(best("ta"), Some("take"));
        assert_eq!(best("to"), Some("take over"));
        assert_eq!(best("sn"), Some("sort name"));
        assert_eq!(best("xyz"), None);
    }
}
