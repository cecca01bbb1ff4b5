//! After a change: lists in order, selections alive, windows around them.

use std::cmp::Reverse;

use booth_proto::v1::{self, caller::State};

use crate::model::list::Sort;
use crate::model::world::millis;
use crate::model::{Model, View};
use crate::text;
use crate::view::layout;

use super::bulk;

pub fn settle(model: &mut Model) {
    if !model.views().contains(&model.view) && model.view != View::Caller {
        model.view = View::Air;
    }
    model.counts = counts(model);
    if !model.marked.is_empty() {
        let mut marked = std::mem::take(&mut model.marked);
        marked.retain(|name| bulk::can_be_marked(model, name));
        model.marked = marked;
    }
    let rows = queue(model);
    match model.view {
        // An open card stays, also when its caller is filtered out or ends.
        View::Caller => {
            let selected = model.queue.selected.clone();
            model.queue.rows = rows;
            if selected
                .as_ref()
                .is_some_and(|name| model.world.callers.contains_key(name))
            {
                model.queue.selected = selected;
            } else {
                model.view = model.back_to;
                let rows = std::mem::take(&mut model.queue.rows);
                model.queue.set(rows);
            }
        }
        _ => model.queue.set(rows),
    }
    if !model
        .slots()
        .iter()
        .any(|slot| Some(&slot.name) == model.slot.as_ref())
    {
        model.slot = model.slots().first().map(|slot| slot.name.clone());
    }
    let rows = channels(model);
    model.channels.set(rows);
    if model.view == View::Log {
        let following = model
            .logs
            .index()
            .is_none_or(|at| at + 1 >= model.logs.rows.len());
        let rows = logs(model);
        model.logs.set(rows);
        if following {
            model.logs.pick(usize::MAX);
        }
    }
    let rows = (0..crate::view::health::lines(model).len())
        .map(|n| n.to_string())
        .collect();
    if model.view == View::Health {
        model.health.set(rows);
    }
    let height = layout::list_height(model);
    model.list_mut().keep_visible(height);
}

/// Words that all have to be there.
pub fn matches(filter: &str, hay: &[&str]) -> bool {
    if filter.trim().is_empty() {
        return true;
    }
    let hay: Vec<String> = hay.iter().map(|h| h.to_lowercase()).collect();
    let filter = filter.to_lowercase();
    filter
        .split_whitespace()
        .all(|word| hay.iter().any(|h| h.contains(word)))
}

fn counts(model: &Model) -> [usize; 3] {
    let mut counts = [0; 3];
    for caller in model.in_queue() {
        let which = match caller.state() {
            State::Ready => 1,
            State::Held => 2,
            _ => 0,
        };
        counts[which] += 1;
    }
    counts
}

fn queue(model: &Model) -> Vec<String> {
    let mut rows: Vec<(usize, &v1::Caller)> = model.in_queue().enumerate().collect();
    if model.view != View::Air {
        // On air last: they have no place.
        let on_air = |c: &&v1::Caller| {
            c.state() == State::OnAir && c.name.starts_with(&format!("{}/", model.show))
        };
        let places = rows.len();
        rows.extend(
            model
                .world
                .callers
                .values()
                .filter(on_air)
                .map(|c| (places, c)),
        );
    }
    let filter = &model.queue.filter;
    if !filter.trim().is_empty() {
        rows.retain(|(_, c)| {
            let notes: String = c.notes.iter().map(|n| n.text.as_str()).collect();
            let state = super::state_word(c.state());
            matches(
                filter,
                &[&c.display_name, &c.topic, state, &notes, text::id(&c.name)],
            )
        });
    }
    let level = |c: &v1::Caller| model.meters.callers.get(&c.name);
    match model.queue.sort {
        Sort::Position => {}
        Sort::Wait => rows.sort_by_key(|(n, c)| (millis(c.join_time.as_ref()), *n)),
        Sort::Name => rows.sort_by_key(|(n, c)| (c.display_name.to_lowercase(), *n)),
        Sort::State => rows.sort_by_key(|(n, c)| (rank(c.state()), *n)),
        Sort::Score => rows.sort_by_key(|(n, c)| (Reverse(level(c).map(|l| l.now.score)), *n)),
        // To the decibel: rows that dance cannot be hit.
        Sort::Level => rows.sort_by_key(|(n, c)| {
            let loudest = level(c).map(|l| l.trail.iter().fold(-60.0_f32, |a, b| a.max(*b)));
            (Reverse(loudest.map(|db| (db / 3.0).round() as i32)), *n)
        }),
    }
    if model.queue.reverse {
        rows.reverse();
    }
    rows.into_iter().map(|(_, c)| c.name.clone()).collect()
}

fn rank(state: State) -> u8 {
    match state {
        State::OnAir => 0,
        State::Ready => 1,
        State::Screening => 2,
        State::Waiting => 3,
        State::Joining => 4,
        State::Held => 5,
        State::Ended | State::Unspecified => 6,
    }
}

fn channels(model: &Model) -> Vec<String> {
    let wanted = |name: &&String| matches(&model.channels.filter, &[text::id(name)]);
    model
        .world
        .channels
        .keys()
        .filter(wanted)
        .cloned()
        .collect()
}

/// Numbers of log entries.
fn logs(model: &Model) -> Vec<String> {
    let filter = &model.logs.filter;
    let entries = model.log.entries.iter().enumerate();
    let wanted = entries.filter(|(_, e)| matches(filter, &[&e.actor, &e.text, &e.resource]));
    wanted.map(|(n, _)| n.to_string()).collect()
}
