//! From a key to what it means here and now.

use crate::action::Action;
use crate::command::Effect;
use crate::key::{Code, Key, show_sequence};
use crate::keymap::Found;
use crate::model::line::Line;
use crate::model::modal::{Choice, Does, Modal};
use crate::model::{Model, Tone, View};

use super::send::{self, notice};
use super::{air, bulk, channel, modal, queue};

/// An Enter that comes this much too late is still the one that was meant for what was armed.
const LATE_ENTER_MS: u64 = 1_000;

/// Who types pauses no longer than this between two letters.
pub const TYPING_MS: u64 = 1_000;

/// A held key repeats after half a second or so, then many times a second.
const HELD_MS: u64 = 700;
const REPEAT_MS: u64 = 300;

pub fn key(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    means(model, key, effects);
    if let Some(armed) = model.armed.as_mut().filter(|_| key.code == Code::Enter) {
        // Armed by this very Enter, in the palette; or it was too early for another one.
        let wait = if armed.deaf_until == 0 {
            HELD_MS
        } else {
            REPEAT_MS
        };
        armed.deaf_until = armed.deaf_until.max(model.now + wait);
    }
}

fn means(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    if model.unasked.take().is_some_and(|until| model.now < until) {
        // The rest of a name must not be taken for commands.
        if !matches!(key.code, Code::Enter | Code::Esc) {
            model.unasked = Some(model.now + TYPING_MS);
        }
        return;
    }
    if let Some(armed) = &model.armed {
        match key.code {
            Code::Enter if model.now < armed.deaf_until => return,
            Code::Enter => return send::fire(model, effects),
            Code::Esc => {
                model.armed = None;
                return notice(model, Tone::Plain, "cancelled".to_owned());
            }
            // Anything else means something else.
            _ => model.armed = None,
        }
    }
    if model.modal.is_some() {
        return modal::key(model, key, effects);
    }
    if key.code == Code::Enter && model.prefix.is_empty() {
        let late = model
            .ran_out
            .is_some_and(|at| model.now < at + LATE_ENTER_MS);
        model.ran_out = None;
        if !late {
            enter(model, effects);
        }
        return;
    }
    if let (Code::Char(digit @ '1'..='9'), true) =
        (key.code, model.prefix.is_empty() && !key.ctrl && !key.alt)
    {
        return digit_picks(model, digit as usize - '1' as usize);
    }
    model.prefix.push(key);
    let found = model
        .settings
        .keymap
        .find(&model.prefix, |action| model.works(action));
    match found {
        Found::Action(action) => {
            model.prefix.clear();
            act(model, action, effects);
        }
        Found::Prefix(_) => {}
        Found::Nothing => {
            let typed = std::mem::take(&mut model.prefix);
            // What went wrong stays to be read.
            let bad = model.notice.as_ref().is_some_and(|n| n.tone == Tone::Bad);
            if key.code != Code::Esc && !bad {
                let (typed, help) = (
                    show_sequence(&typed),
                    model.settings.keymap.shown(Action::Help),
                );
                let text = format!("{typed} means nothing here; {help} shows the keys that do");
                notice(model, Tone::Plain, text);
            }
        }
    }
}

fn enter(model: &mut Model, effects: &mut Vec<Effect>) {
    if matches!(model.view, View::Air | View::Queue) && model.queue.selected.is_some() {
        act(model, Action::Card, effects);
    } else if model.view == View::Log {
        let name = model
            .logs
            .selected
            .as_ref()
            .and_then(|n| n.parse::<usize>().ok());
        let resource = name
            .and_then(|n| model.log.entries.get(n))
            .map(|e| e.resource.clone());
        if let Some(resource) = resource {
            super::palette::show(model, &resource);
        }
    }
}

fn digit_picks(model: &mut Model, number: usize) {
    if model.view == View::Channels {
        if number < model.channels.rows.len() {
            model.channels.pick(number);
        }
        return;
    }
    let name = model.slots().get(number).map(|slot| slot.name.clone());
    match name {
        Some(name) => model.slot = Some(name),
        None => notice(
            model,
            Tone::Plain,
            format!("there is no slot {}", number + 1),
        ),
    }
}

/// Does an action, from a key, the palette or the mouse alike.
pub fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if let Err(why) = allowed(model, action) {
        return notice(model, Tone::Bad, why);
    }
    match action {
        Action::Take => air::take(model, 0, false, effects),
        Action::Fade => air::take(model, model.settings.fade_ms, false, effects),
        Action::TakeOver => air::take(model, 0, true, effects),
        Action::Release => air::release(model, crate::command::Then::Hold, effects),
        Action::ReleaseRequeue => air::release(model, crate::command::Then::Requeue, effects),
        Action::ReleaseDrop => air::release(model, crate::command::Then::Drop, effects),
        Action::Undo => air::undo(model, effects),
        Action::AckClip => model.meters.clipped.clear(),
        Action::Mark | Action::MarkAll => bulk::mark(model, action),
        _ if bulk::takes(model, action) => bulk::act(model, action),
        Action::Approve
        | Action::Hold
        | Action::Screen
        | Action::MoveDown
        | Action::MoveUp
        | Action::MoveFirst
        | Action::Reject
        | Action::Note
        | Action::Chat
        | Action::Mute
        | Action::Drop => queue::act(model, action, effects),
        Action::SortPosition
        | Action::SortWait
        | Action::SortName
        | Action::SortState
        | Action::SortScore
        | Action::SortLevel
        | Action::SortReverse => queue::sort(model, action),
        Action::Card => card(model),
        Action::Invite => queue::invite(model, effects),
        Action::Practice => practice(model, effects),
        Action::Auto
        | Action::ForceLive
        | Action::ForceBackup
        | Action::Destination
        | Action::StartChannel
        | Action::StopChannel => channel::act(model, action, effects),
        Action::Next => turn(model, 1),
        Action::Previous => turn(model, -1),
        Action::GoAir => model.view = View::Air,
        Action::GoQueue => model.view = View::Queue,
        Action::GoChannels => model.view = View::Channels,
        Action::GoLog => model.view = View::Log,
        Action::GoHealth => model.view = View::Health,
        Action::Down => step(model, 1),
        Action::Up => step(model, -1),
        Action::PageDown => step(model, page(model)),
        Action::PageUp => step(model, -page(model)),
        Action::First => step(model, isize::MIN / 2),
        Action::Last => step(model, isize::MAX / 2),
        Action::Filter => {
            let before = model.list().filter.clone();
            model.modal = Some(Modal::Filter {
                line: Line::with(&before),
                before,
            });
        }
        Action::Palette => {
            model.modal = Some(Modal::Palette {
                line: Line::default(),
                picked: 0,
            })
        }
        Action::Help => model.modal = Some(Modal::Help { offset: 0 }),
        Action::Back => back(model),
        Action::StartShow | Action::StopShow | Action::OpenShow => {
            queue::show(model, action, effects)
        }
        Action::Immediate => {
            model.settings.immediate = !model.settings.immediate;
            let text = match model.settings.immediate {
                true => "on-air keys act AT ONCE, without Enter",
                false => "on-air keys arm first, then Enter",
            };
            notice(model, Tone::Plain, text.to_owned());
        }
        Action::Theme => model.settings.light = !model.settings.light,
        Action::Pictures => {
            model.settings.pictures = !model.settings.pictures;
            model.picture = None;
            let text = if model.settings.pictures {
                "pictures are shown"
            } else {
                "pictures are off"
            };
            notice(model, Tone::Plain, text.to_owned());
        }
        Action::Redraw => effects.push(Effect::Redraw),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Quit => quit(model, effects),
    }
}

/// Why an action cannot be done now, in words.
pub fn allowed(model: &Model, action: Action) -> Result<(), String> {
    let spec = action.spec();
    if spec.right > crate::action::Right::Viewer && model.settings.read_only {
        return Err("this console only looks (--read-only)".into());
    }
    if !model.works(action) {
        return Err(format!("{} has no meaning here", spec.name));
    }
    if !model.may(action) {
        let needed = match spec.right {
            crate::action::Right::Screener => "SCREENER",
            _ => "OPERATOR",
        };
        return Err(format!(
            "{} needs the role {needed}; yours is {}",
            spec.name,
            model.right_name()
        ));
    }
    let sends = spec.right > crate::action::Right::Viewer;
    if sends && model.stale() {
        return Err(format!(
            "{}: nothing is sent while the state is unknown",
            spec.name
        ));
    }
    if sends && crate::view::layout::too_small(model) {
        return Err(format!(
            "terminal too small: {} is not done unseen",
            spec.name
        ));
    }
    Ok(())
}

fn card(model: &mut Model) {
    if model.view == View::Caller {
        model.view = model.back_to;
    } else if model.queue.selected.is_some() {
        model.back_to = model.view;
        model.view = View::Caller;
        model.picture_asked = None;
    } else {
        notice(model, Tone::Plain, "no caller is selected".to_owned());
    }
}

fn back(model: &mut Model) {
    if model.view == View::Caller {
        model.view = model.back_to;
    } else if bulk::stop(model) {
    } else if !model.marked.is_empty() {
        model.marked.clear();
    } else if !model.list().filter.is_empty() {
        model.list_mut().filter.clear();
    } else {
        model.notice = None;
    }
}

fn turn(model: &mut Model, by: isize) {
    let views = model.views();
    let now = if model.view == View::Caller {
        model.back_to
    } else {
        model.view
    };
    let at = views.iter().position(|view| *view == now).unwrap_or(0);
    let count = isize::try_from(views.len()).unwrap_or(1);
    let next = (isize::try_from(at).unwrap_or(0) + by).rem_euclid(count);
    if let Some(view) = views.get(usize::try_from(next).unwrap_or(0)) {
        model.view = *view;
    }
}

fn page(model: &Model) -> isize {
    isize::try_from(crate::view::layout::list_height(model))
        .unwrap_or(1)
        .max(1)
}

fn step(model: &mut Model, by: isize) {
    model.list_mut().step(by);
}

fn practice(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.practice.is_some() {
        effects.push(Effect::StopPractice);
    } else {
        effects.push(Effect::Practice {
            show: model.show.clone(),
            callers: 3,
        });
        notice(
            model,
            Tone::Plain,
            "synthetic callers are being made …".to_owned(),
        );
    }
}

fn quit(model: &mut Model, effects: &mut Vec<Effect>) {
    let title = match (&model.bulk, model.practice) {
        (Some(bulk), _) => format!("{}: what is not done stays undone", bulk.progress()),
        (None, Some(_)) => "the synthetic callers leave with you".to_owned(),
        (None, None) => return effects.push(Effect::Quit),
    };
    let choice = |key, label: &str, does| Choice {
        key,
        label: label.to_owned(),
        does,
    };
    model.modal = Some(Modal::Choose {
        title,
        items: vec![
            choice('q', "quit", Does::Quit),
            choice('s', "stay", Does::Nothing),
        ],
    });
}
