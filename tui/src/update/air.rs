//! To air and off it: what is taken where, in words, with the way back.

use booth_proto::v1;

use crate::command::{Command, Effect, Then};
use crate::model::{Model, NAME_CELLS, Tone, Undo};
use crate::text;

use super::send::{Intent, arm, ask, notice};

/// Of a name where a sentence must fit into 80 columns with two of them and all that is to be warned of.
const SHORT_NAME_CELLS: usize = 8;

pub fn take(model: &mut Model, fade_ms: u32, over: bool, effects: &mut Vec<Effect>) {
    let caller = match pick_caller(model, over) {
        Ok(caller) => caller,
        Err(why) => return notice(model, Tone::Bad, why),
    };
    let slot = match pick_slot(model, over) {
        Ok(slot) => slot,
        Err(why) => return notice(model, Tone::Bad, why),
    };
    let intent = intent(model, &slot, &caller, fade_ms, over);
    arm(model, intent, effects);
}

fn intent(model: &Model, slot: &v1::Slot, caller: &v1::Caller, fade_ms: u32, over: bool) -> Intent {
    let (id, who) = (text::id(&slot.name), model.who(&caller.name));
    let verb = if fade_ms > 0 { "FADE" } else { "TAKE" };
    let replaced = &slot.assigned_caller;
    let ready = caller.state() == v1::caller::State::Ready;
    let say = |cells: usize, warnings: String| {
        let mut sentence = format!("{verb} {id} ← {}", model.who_within(&caller.name, cells));
        if !replaced.is_empty() {
            let replaced = model.who_within(replaced, cells);
            sentence.push_str(&format!(", REPLACES {replaced}"));
        }
        sentence + &warnings
    };
    let state = state_word(caller.state());
    let (mut long, mut short) = (String::new(), Vec::new());
    if over && !ready {
        long.push_str(&format!(" (is {state}, not READY)"));
        short.push(state);
    }
    if over && !caller.connected {
        long.push_str(" (NOT CONNECTED)");
        short.push("NO LINK");
    }
    let short = match short.is_empty() {
        true => String::new(),
        false => format!(" ({})", short.join(", ")),
    };
    let (sentence, short) = (say(NAME_CELLS, long), say(SHORT_NAME_CELLS, short));
    let undo = if replaced.is_empty() {
        let place = model.place(&caller.name);
        let then = if ready { Then::Requeue } else { Then::Hold };
        Undo {
            on_it: caller.name.clone(),
            command: Command::Release {
                slot: slot.name.clone(),
                then,
                fade_ms: 0,
                revision: 0,
            },
            then: place.map(|position| Command::Move {
                caller: caller.name.clone(),
                position,
            }),
            sentence: match place {
                Some(place) => format!("UNDO: RELEASE {id}, {who} back to place {place}"),
                None => format!("UNDO: RELEASE {id}, {who} back in the queue"),
            },
        }
    } else {
        Undo {
            on_it: caller.name.clone(),
            command: Command::Take {
                slot: slot.name.clone(),
                caller: replaced.clone(),
                fade_ms: 0,
                over: true,
                revision: 0,
            },
            then: ready.then(|| Command::Approve {
                caller: caller.name.clone(),
            }),
            sentence: format!("UNDO: TAKE {id} ← {} again", model.who(replaced)),
        }
    };
    let command = Command::Take {
        slot: slot.name.clone(),
        caller: caller.name.clone(),
        fade_ms,
        over,
        revision: slot.revision,
    };
    Intent {
        undo: Some(undo),
        short,
        ..Intent::new(command, sentence)
    }
}

/// The selected caller and no other; with nobody selected, the first who is READY.
fn pick_caller(model: &Model, over: bool) -> Result<v1::Caller, String> {
    use v1::caller::State;
    let Some(caller) = model.selected_caller() else {
        let ready = |c: &&v1::Caller| c.state() == State::Ready && c.connected;
        let next = model.in_queue().find(ready);
        return next
            .cloned()
            .ok_or_else(|| "nobody is READY and connected".to_owned());
    };
    let who = model.who(&caller.name);
    let key = |action| model.settings.keymap.shown(action);
    if matches!(caller.state(), State::OnAir | State::Ended) {
        let state = match caller.state() {
            State::OnAir => "is ON AIR already",
            _ => "has ENDED the call",
        };
        return Err(format!("{who} {state}: nobody is taken"));
    }
    if !over && caller.state() != State::Ready {
        return Err(format!(
            "{who} is {}, not READY: {} approves, {} takes anyway",
            state_word(caller.state()),
            key(crate::action::Action::Approve),
            key(crate::action::Action::TakeOver),
        ));
    }
    if !over && !caller.connected {
        return Err(format!("no media arrives from {who}: wait, or take over"));
    }
    Ok(caller.clone())
}

/// The selected slot, or (never replacing anybody) the first free one.
fn pick_slot(model: &Model, over: bool) -> Result<v1::Slot, String> {
    let selected = model
        .selected_slot()
        .ok_or_else(|| "this show has no slot".to_owned())?;
    if over {
        return Ok(selected.clone());
    }
    let free = |s: &&v1::Slot| s.assigned_caller.is_empty();
    if free(&selected) && !selected.online {
        return Err(format!(
            "slot {} has no worker: wait, or take over",
            text::id(&selected.name)
        ));
    }
    if free(&selected) {
        return Ok(selected.clone());
    }
    let slots = model.slots();
    let other = slots.into_iter().find(|s| free(s) && s.online);
    let over = model.settings.keymap.shown(crate::action::Action::TakeOver);
    let release = model.settings.keymap.shown(crate::action::Action::Release);
    other.cloned().ok_or_else(|| {
        format!("no slot is free: {release} releases the selected one, {over} takes over from who is on it")
    })
}

pub fn release(model: &mut Model, then: Then, effects: &mut Vec<Effect>) {
    let Some(slot) = model.selected_slot().cloned() else {
        return notice(model, Tone::Bad, "this show has no slot".into());
    };
    let id = text::id(&slot.name).to_owned();
    if slot.assigned_caller.is_empty() {
        return notice(model, Tone::Plain, format!("nobody is on slot {id}"));
    }
    let who = model.who(&slot.assigned_caller);
    let command = Command::Release {
        slot: slot.name.clone(),
        then,
        fade_ms: 0,
        revision: slot.revision,
    };
    let sentence = match then {
        Then::Hold => format!("RELEASE {id}: {who} is HELD"),
        Then::Requeue => format!("RELEASE {id}: {who} back to READY"),
        Then::Drop => format!("RELEASE {id} and END THE CALL of {who}"),
    };
    if then == Then::Drop {
        let on_it = &slot.assigned_caller;
        let names = model.names_of(on_it);
        return ask(model, command, sentence, names);
    }
    let undo = Undo {
        on_it: String::new(),
        command: Command::Take {
            slot: slot.name.clone(),
            caller: slot.assigned_caller.clone(),
            fade_ms: 0,
            over: true,
            revision: 0,
        },
        then: None,
        sentence: format!("UNDO: TAKE {id} ← {who} again"),
    };
    arm(
        model,
        Intent {
            undo: Some(undo),
            ..Intent::new(command, sentence)
        },
        effects,
    );
}

/// The counter-command of what was done last, if the slot is still as that left it.
pub fn undo(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(undo) = model.undo.clone() else {
        let last = model.last_air.as_ref().and_then(|id| model.pending.get(id));
        let text = match last.filter(|pending| pending.accepted.is_none()) {
            Some(pending) => format!("still on its way: {}", pending.what),
            None => "there is nothing to undo".to_owned(),
        };
        return notice(model, Tone::Plain, text);
    };
    let resource = undo.command.resource();
    if let Some(pending) = model.pending_on(resource) {
        let what = pending.what.clone();
        return notice(model, Tone::Bad, format!("still on its way: {what}"));
    }
    let slot = model.world.slots.get(resource);
    let same = slot.is_some_and(|s| s.assigned_caller == undo.on_it);
    let free = match &undo.command {
        Command::Take { caller, .. } => {
            let found = model.world.callers.get(caller);
            found.is_some_and(|c| c.slot.is_empty() && c.state() != v1::caller::State::Ended)
        }
        _ => true,
    };
    if !same || !free {
        let id = text::id(undo.command.resource()).to_owned();
        let by = last_on(model, undo.command.resource());
        model.undo = None;
        return notice(
            model,
            Tone::Bad,
            format!("slot {id} has changed since, nothing is undone{by}"),
        );
    }
    let intent = Intent {
        then: undo.then,
        ..Intent::new(undo.command, undo.sentence)
    };
    arm(model, intent, effects);
}

/// `: anna, caller Charlie taken to slot 2`, for conflicts.
pub fn last_on(model: &Model, resource: &str) -> String {
    let last = model.log.last_on(resource);
    last.map_or_else(String::new, |e| format!(": {}: {}", e.actor, e.text))
}

pub fn state_word(state: v1::caller::State) -> &'static str {
    use v1::caller::State;
    match state {
        State::Unspecified => "?",
        State::Joining => "JOINING",
        State::Waiting => "WAITING",
        State::Screening => "SCREENING",
        State::Ready => "READY",
        State::Held => "HELD",
        State::OnAir => "ON AIR",
        State::Ended => "ENDED",
    }
}
