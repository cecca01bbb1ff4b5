//! What is done with callers in the queue.

use booth_proto::v1;

use crate::action::Action;
use crate::command::{Command, Effect};
use crate::model::line::Line;
use crate::model::list::Sort;
use crate::model::modal::{Modal, Write};
use crate::model::{Model, Tone, View};
use crate::text;

use super::send::{Intent, arm, ask, notice, send};

pub fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let caller = match subject(model, action) {
        Ok(caller) => caller,
        Err(why) => return notice(model, Tone::Plain, why),
    };
    let who = model.who(&caller.name);
    if caller.state() == v1::caller::State::Ended {
        return notice(model, Tone::Plain, format!("the call of {who} has ended"));
    }
    let name = caller.name.clone();
    let intent = match action {
        Action::Approve => Intent::new(Command::Approve { caller: name }, format!("approve {who}")),
        Action::Hold => Intent::new(Command::Hold { caller: name }, format!("hold {who}")),
        Action::Screen => Intent::new(Command::Screen { caller: name }, format!("screen {who}")),
        Action::MoveUp | Action::MoveDown | Action::MoveFirst => {
            let Some(place) = model.place(&name) else {
                return notice(model, Tone::Plain, format!("{who} is not in the queue"));
            };
            let last = u32::try_from(model.queue_length()).unwrap_or(u32::MAX);
            let position = match action {
                Action::MoveUp => place.saturating_sub(1).max(1),
                Action::MoveDown => (place + 1).min(last),
                _ => 1,
            };
            if position == place {
                return;
            }
            let moved = Command::Move {
                caller: name,
                position,
            };
            Intent::new(moved, format!("move {who} to place {position}"))
        }
        Action::Reject => return write(model, Write::Reject, name),
        Action::Note => return write(model, Write::Note, name),
        Action::Chat => return write(model, Write::Chat, name),
        Action::Mute => return mute(model, &caller, effects),
        Action::Drop => {
            let command = Command::Drop {
                caller: name,
                revision: caller.revision,
            };
            let sentence = format!("END THE CALL of {who}");
            let names = model.names_of(&caller.name);
            return ask(model, command, sentence, names);
        }
        _ => return,
    };
    send(model, intent, effects);
}

/// In the Air view the slots are before the eyes: mute is for who is on the selected one, and for nobody else.
fn subject(model: &Model, action: Action) -> Result<v1::Caller, String> {
    if action == Action::Mute && model.view == View::Air {
        let slot = model.selected_slot().ok_or("this show has no slot")?;
        let on_it = model.world.callers.get(&slot.assigned_caller);
        return on_it.cloned().ok_or_else(|| {
            let id = text::id(&slot.name);
            format!("nobody is on slot {id}; callers of the queue are muted in the Queue view")
        });
    }
    let selected = model.selected_caller().cloned();
    selected.ok_or_else(|| "no caller is selected".to_owned())
}

/// Silence is safe and quick; sound goes on air with an Enter.
fn mute(model: &mut Model, caller: &v1::Caller, effects: &mut Vec<Effect>) {
    let who = model.who(&caller.name);
    let muted = !caller.muted;
    let command = Command::Mute {
        caller: caller.name.clone(),
        muted,
        revision: caller.revision,
    };
    let on_air = caller.state() == v1::caller::State::OnAir;
    if muted {
        send(model, Intent::new(command, format!("mute {who}")), effects);
    } else if on_air {
        arm(
            model,
            Intent::new(command, format!("UNMUTE {who} on air")),
            effects,
        );
    } else {
        send(
            model,
            Intent::new(command, format!("unmute {who}")),
            effects,
        );
    }
}

fn write(model: &mut Model, what: Write, caller: String) {
    if what == Write::Chat && model.view != View::Caller {
        model.queue.choose(&caller);
        model.back_to = model.view;
        model.view = View::Caller;
        model.picture_asked = None;
    }
    model.modal = Some(Modal::Write {
        what,
        callers: vec![caller],
        marked: false,
        line: Line::default(),
    });
}

pub fn sort(model: &mut Model, action: Action) {
    let list = &mut model.queue;
    match action {
        Action::SortPosition => list.sort = Sort::Position,
        Action::SortWait => list.sort = Sort::Wait,
        Action::SortName => list.sort = Sort::Name,
        Action::SortState => list.sort = Sort::State,
        Action::SortScore => list.sort = Sort::Score,
        Action::SortLevel => list.sort = Sort::Level,
        _ => list.reverse = !list.reverse,
    }
    let order = if model.queue.reverse {
        ", turned around"
    } else {
        ""
    };
    let text = format!("sorted by {}{order}", model.queue.sort.name());
    notice(model, Tone::Plain, text);
}

pub fn invite(model: &mut Model, effects: &mut Vec<Effect>) {
    let show = model.show.clone();
    send(
        model,
        Intent::new(Command::Invite { show }, "make a join link"),
        effects,
    );
}

pub fn show(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let Some(show) = model.world.shows.get(&model.show).cloned() else {
        return notice(
            model,
            Tone::Bad,
            format!("there is no show {}", text::id(&model.show)),
        );
    };
    let id = text::id(&show.name).to_owned();
    let (name, revision) = (show.name.clone(), show.revision);
    match action {
        Action::StartShow => {
            let command = Command::RunShow {
                show: name,
                run: true,
                revision,
            };
            send(
                model,
                Intent::new(command, format!("start show {id}")),
                effects,
            );
        }
        Action::StopShow => {
            let command = Command::RunShow {
                show: name,
                run: false,
                revision,
            };
            ask(model, command, format!("STOP the show {id}"), vec![id]);
        }
        _ => {
            let open = show.settings.as_ref().and_then(|s| s.open).unwrap_or(true);
            let word = if open { "close" } else { "open" };
            let command = Command::OpenShow {
                show: name,
                open: !open,
                revision,
            };
            send(
                model,
                Intent::new(command, format!("{word} show {id} for new callers")),
                effects,
            );
        }
    }
}
