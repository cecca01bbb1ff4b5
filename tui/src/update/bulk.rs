//! What is done with many callers at once: marks, the question, and sending one by one.

use std::collections::BTreeSet;

use booth_proto::v1;

use crate::action::Action;
use crate::command::{Command, Effect};
use crate::model::bulk::{Bulk, FLYING_MOST, Step};
use crate::model::line::Line;
use crate::model::modal::{Modal, Write};
use crate::model::{Model, Tone, View};
use crate::msg::Refusal;
use crate::text;

use super::send::{self, Intent, log, notice};

/// Of names in the question.
const NAMED: usize = 3;

pub fn mark(model: &mut Model, action: Action) {
    if action == Action::MarkAll {
        let shown = model.queue.rows.clone().into_iter();
        let can: Vec<String> = shown.filter(|name| can_be_marked(model, name)).collect();
        // Marks that are not in sight would be a surprise.
        let all = can.iter().all(|name| model.marked.contains(name));
        model.marked = match all {
            true => BTreeSet::new(),
            false => can.into_iter().collect(),
        };
        return;
    }
    let Some(name) = model.queue.selected.clone() else {
        return notice(model, Tone::Plain, "no caller is selected".into());
    };
    if !can_be_marked(model, &name) {
        let text = format!(
            "{} is not in the queue: only one at a time",
            model.who(&name)
        );
        return notice(model, Tone::Plain, text);
    }
    if !model.marked.remove(&name) {
        model.marked.insert(name);
    }
    model.queue.step(1);
}

/// Nobody on air is done something to among others.
pub fn can_be_marked(model: &Model, name: &str) -> bool {
    let found = model.world.callers.get(name);
    let here = name.starts_with(&format!("{}/", model.show));
    here && found.is_some_and(|c| c.slot.is_empty() && c.state() != v1::caller::State::Ended)
}

/// Whether an action is for those who are marked; on a card it is for that caller.
pub fn takes(model: &Model, action: Action) -> bool {
    use Action::{Approve, Chat, Drop, Hold, Reject, Screen};
    !model.marked.is_empty()
        && matches!(model.view, View::Air | View::Queue)
        && matches!(action, Approve | Chat | Drop | Hold | Reject | Screen)
}

pub fn act(model: &mut Model, action: Action) {
    if let Some(bulk) = &model.bulk {
        let text = format!("still on its way: {}", bulk.progress());
        return notice(model, Tone::Bad, text);
    }
    // In the queue's order, as they are seen.
    let queue = model.world.shows.get(&model.show).map(|s| s.queue.clone());
    let callers: Vec<String> = queue
        .unwrap_or_default()
        .into_iter()
        .filter(|name| model.marked.contains(name))
        .collect();
    let (verb, words) = match action {
        Action::Approve => ("approve", "APPROVE"),
        Action::Hold => ("hold", "HOLD"),
        Action::Screen => ("screen", "SCREEN"),
        Action::Drop => ("end", "END THE CALLS of"),
        Action::Reject => return write(model, Write::Reject, callers),
        _ => return write(model, Write::Chat, callers),
    };
    let command = |caller: String| match action {
        Action::Approve => Command::Approve { caller },
        Action::Hold => Command::Hold { caller },
        Action::Screen => Command::Screen { caller },
        _ => Command::Drop {
            caller,
            revision: 0,
        },
    };
    let commands = callers.iter().cloned().map(command).collect();
    ask(model, verb, words, &callers, commands);
}

fn write(model: &mut Model, what: Write, callers: Vec<String>) {
    model.modal = Some(Modal::Write {
        what,
        callers,
        marked: true,
        line: Line::default(),
    });
}

/// The reason or the message is there; now the question.
pub fn ask_written(model: &mut Model, what: Write, mut callers: Vec<String>, text: &str) {
    // While it was typed some may have gone, or gone on air.
    callers.retain(|name| can_be_marked(model, name));
    if callers.is_empty() {
        let text = "nobody of them is in the queue any more: nothing was done";
        return notice(model, Tone::Bad, text.to_owned());
    }
    let text = text.to_owned();
    let command = |caller: &String| {
        let (caller, text) = (caller.clone(), text.clone());
        match what {
            Write::Reject => Command::Reject {
                caller,
                reason: text,
            },
            Write::Chat => Command::Chat { caller, text },
            Write::Note => Command::Note { caller, text },
        }
    };
    let commands = callers.iter().map(command).collect();
    let (verb, words) = match what {
        Write::Reject => ("reject", "REJECT, ending the calls of"),
        Write::Chat => ("message", "MESSAGE to"),
        Write::Note => ("note", "NOTE on"),
    };
    ask(model, verb, words, &callers, commands);
}

fn ask(model: &mut Model, verb: &str, words: &str, callers: &[String], commands: Vec<Command>) {
    let mut who: Vec<String> = callers.iter().take(NAMED).map(|c| model.who(c)).collect();
    let more = callers.len().saturating_sub(NAMED);
    let last = match more {
        0 => who.pop(),
        _ => Some(format!("{more} more")),
    };
    let who = match (who.join(", "), last) {
        (who, Some(last)) if !who.is_empty() => format!("{who} and {last}"),
        (who, last) => last.unwrap_or(who),
    };
    let step = |command: Command| Step {
        seen: send::seen(model, &command),
        command,
    };
    let bulk = Bulk::new(verb, commands.into_iter().map(step).collect::<Vec<_>>());
    model.modal = Some(Modal::Many {
        bulk,
        sentence: format!("{words} {who}"),
        line: Line::default(),
    });
}

pub fn start(model: &mut Model, bulk: Bulk, effects: &mut Vec<Effect>) {
    if let Some(why) = send::unseen(model) {
        return send::not_done(model, &bulk.name(), why);
    }
    model.marked.clear();
    model.notice = None;
    model.bulk = Some(bulk);
    advance(model, effects);
}

/// Sends what may be sent now; says how it went when all is over.
pub fn advance(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(mut bulk) = model.bulk.take() else {
        return;
    };
    if model.stale() {
        leave(model, &mut bulk, "the state is unknown");
    }
    while bulk.flying.len() < FLYING_MOST
        && let Some(Step { command, seen }) = bulk.waiting.pop_front()
    {
        let who = model.who(command.resource());
        if send::seen(model, &command) != seen {
            fail(model, &mut bulk, &format!("{who} (has changed)"));
            continue;
        }
        let intent = Intent::new(command, format!("{} {who}", bulk.verb));
        match send::try_send(model, intent, effects) {
            Ok(id) => drop(bulk.flying.insert(id)),
            Err(why) => fail(model, &mut bulk, &format!("{who} ({why})")),
        }
    }
    if !bulk.over() {
        model.bulk = Some(bulk);
        return;
    }
    let tone = match bulk.failed + bulk.unknown {
        0 => Tone::Good,
        _ => Tone::Bad,
    };
    notice(model, tone, bulk.result());
}

/// The answer to one of them, or that there is none; false when it was not one of them.
pub fn answered(
    model: &mut Model,
    request_id: &str,
    refusal: Option<&Refusal>,
    effects: &mut Vec<Effect>,
) -> bool {
    let Some(mut bulk) = model.bulk.take() else {
        return false;
    };
    let ours = bulk.flying.remove(request_id);
    if ours {
        match refusal {
            None => bulk.done += 1,
            Some(refusal) => {
                let pending = model.pending.get(request_id);
                let who = pending.map(|p| p.command.resource().to_owned());
                let who = model.who(&who.unwrap_or_default());
                let why = text::clean(&refusal.text).into_owned();
                if refusal.lost {
                    bulk.unknown += 1;
                    let what = format!("{} {who} ({why})", bulk.verb);
                    log(model, &format!("NOBODY KNOWS whether it was done: {what}"));
                } else {
                    fail(model, &mut bulk, &format!("{who}: {why}"));
                }
            }
        }
    }
    model.bulk = Some(bulk);
    if ours {
        advance(model, effects);
    }
    ours
}

/// What is not sent yet stays undone; false when there is nothing of that kind.
pub fn stop(model: &mut Model) -> bool {
    let Some(mut bulk) = model.bulk.take() else {
        return false;
    };
    let waits = !bulk.waiting.is_empty();
    if waits {
        leave(model, &mut bulk, "stopped");
        let text = format!("stopped: {}", bulk.progress());
        notice(model, Tone::Plain, text);
    }
    model.bulk = Some(bulk);
    waits
}

/// What is not sent stays undone, and marked: it can be taken up again.
fn leave(model: &mut Model, bulk: &mut Bulk, why: &str) {
    let left = std::mem::take(&mut bulk.waiting);
    if left.is_empty() {
        return;
    }
    let who = text::count(left.len() as u64, "caller");
    fail(model, bulk, &format!("{who} ({why}; still marked)"));
    bulk.failed += left.len() - 1;
    let names = left
        .into_iter()
        .map(|step| step.command.resource().to_owned());
    model.marked.extend(names);
}

fn fail(model: &mut Model, bulk: &mut Bulk, why: &str) {
    log(model, &format!("NOT DONE: {} {why}", bulk.verb));
    bulk.fail(why.to_owned());
}
