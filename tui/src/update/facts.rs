//! What the server says: the state, the answers, and when a pending command has become a fact.

use booth_proto::v1::{self, watch_response::Message};

use crate::command::{Command, Effect, Force};
use crate::model::log::{Entry, Weight};
use crate::model::modal::Modal;
use crate::model::world::millis;
use crate::model::{Conflict, LinkState, Model, Pending, Picture, Tone};
use crate::msg::{Answer, LinkMsg, Refusal};
use crate::text;

use super::air::last_on;
use super::bulk;
use super::send::{self, Intent, notice};

/// The link answers each call within its own time-out, which is shorter.
const NO_ANSWER_MS: u64 = 15_000;
/// From acceptance to the fact: a key frame and a decoder's start are far below.
const NO_FACT_MS: u64 = 10_000;
const CONFLICT_MS: u64 = 1_500;

pub fn link(model: &mut Model, msg: LinkMsg, effects: &mut Vec<Effect>) {
    match msg {
        LinkMsg::Connecting => model.world.broken(),
        LinkMsg::Up { status, operator } => {
            model.world.broken();
            let server = &status.version;
            if *server != model.start.version {
                let text = format!(
                    "server {server}, console {}: what one of them does not know is left out",
                    model.start.version
                );
                notice(model, Tone::Plain, text);
            }
            model.status = Some(*status);
            model.operator = operator;
            // Live with the first word of the stream, not before.
            model.dirty = true;
        }
        LinkMsg::Status { status, rtt_ms } => {
            model.dirty |= model.status.as_ref() != Some(&*status);
            model.status = Some(*status);
            model.rtt_ms = rtt_ms;
        }
        LinkMsg::Past(changes) => {
            for response in changes {
                if let Some(Message::Change(change)) = &response.message {
                    model.log.change(response.revision, change);
                }
            }
            model.dirty = true;
        }
        LinkMsg::Watch(response) => watch(model, &response),
        LinkMsg::Meters(reading) => {
            set_clock(model, reading.at_ms);
            let now = model.now;
            model.dirty |= model.meters.apply(&reading, now);
        }
        LinkMsg::Down {
            why,
            next,
            retry_ms,
        } => {
            let why = text::clean(&why).into_owned();
            if model.link == LinkState::Live {
                model.log.push(Entry {
                    at_ms: model.server_ms(),
                    actor: "console".into(),
                    text: format!("lost the server: {why}"),
                    resource: String::new(),
                    revision: model.world.revision,
                    weight: Weight::Warn,
                });
            }
            model.world.broken();
            let retry_at = model.now + retry_ms;
            model.link = LinkState::Down {
                why,
                next,
                retry_at,
            };
            model.dirty = true;
            bulk::advance(model, effects);
        }
        LinkMsg::Answer { request_id, result } => answer(model, &request_id, result, effects),
        LinkMsg::Picture { caller, jpeg } => {
            if model.queue.selected.as_ref() == Some(&caller) {
                model.picture = Some(Picture {
                    caller,
                    jpeg,
                    at: model.now,
                });
                model.dirty = true;
            }
        }
    }
}

fn watch(model: &mut Model, response: &v1::WatchResponse) {
    match &response.message {
        Some(Message::Heartbeat(beat)) => {
            if let Some(at) = millis(beat.time.as_ref()) {
                set_clock(model, at);
            }
        }
        Some(Message::Change(change)) => {
            if let Some(at) = millis(change.time.as_ref()) {
                // A change that is told late must not set the clock back.
                if model.clock_offset.is_none() {
                    set_clock(model, at);
                }
            }
            model.log.change(response.revision, change);
            model.dirty = true;
        }
        Some(Message::Snapshot(_)) | None => model.dirty = true,
    }
    let whole = model.world.apply(response);
    if whole && model.link != LinkState::Live {
        model.link = LinkState::Live;
        model.dirty = true;
    }
    // After a reconnect the state is known again with the last part of its snapshot, not with the first.
    if model.link == LinkState::Live {
        model.heard = Some(model.now);
    }
    if whole {
        follow(model);
    }
}

/// The newest time wins, unless the two differ by more than a breath: then the server's clock was set.
fn set_clock(model: &mut Model, server_ms: i64) {
    let offset = server_ms - i64::try_from(model.now).unwrap_or(i64::MAX);
    match model.clock_offset {
        Some(known) if (known - offset).abs() < 1_500 => {
            model.clock_offset = Some(known.max(offset))
        }
        _ => {
            model.clock_offset = Some(offset);
            model.dirty = true;
        }
    }
}

/// After the state moved on: what was armed may not hold any more, what was pending may be a fact now.
fn follow(model: &mut Model) {
    if let Some(armed) = &model.armed
        && send::seen(model, &armed.command) != armed.seen
    {
        let why = changed(model, &armed.command);
        send::disarm(model, &why);
    }
    if let Some(Modal::Confirm {
        command,
        sentence,
        seen,
        ..
    }) = &model.modal
        && send::seen(model, command) != *seen
    {
        let why = changed(model, command);
        let sentence = sentence.clone();
        model.modal = None;
        model.unasked = Some(model.now + super::keys::TYPING_MS);
        send::not_done(model, &sentence, &why);
    }
    let done: Vec<(String, Option<String>)> = model
        .pending
        .iter()
        .filter_map(|(id, pending)| Some((id.clone(), outcome(model, pending)?)))
        .collect();
    for (id, said) in done {
        model.pending.remove(&id);
        if let Some(said) = said {
            notice(model, Tone::Good, said);
        }
    }
    let told = model.conflict.as_ref().filter(|c| {
        let last = model.log.entries.back();
        last.is_some_and(|e| e.resource == c.resource)
    });
    if told.is_some() {
        conflict(model);
    }
}

/// `it has changed: anna: caller Charlie taken to slot 1`.
pub fn changed(model: &Model, command: &Command) -> String {
    let resource = command.resource();
    let caller = model.world.callers.get(resource);
    // Going on air is told of the slot.
    let told_of = match caller.filter(|c| !c.slot.is_empty()) {
        Some(caller) => &caller.slot,
        None => resource,
    };
    format!("it has changed{}", last_on(model, told_of))
}

/// Whether an accepted command is a fact; with words when that is worth some.
fn outcome(model: &Model, pending: &Pending) -> Option<Option<String>> {
    let at = pending.accepted?;
    if model.world.revision < at {
        return None;
    }
    match &pending.command {
        Command::Take { slot, caller, .. } => {
            let found = model.world.slots.get(slot);
            let Some(found) = found.filter(|s| s.assigned_caller == *caller) else {
                return Some(Some(format!(
                    "{}: changed since{}",
                    pending.what,
                    last_on(model, slot)
                )));
            };
            let on =
                found.showing() == v1::slot::Showing::Caller && found.showing_caller == *caller;
            on.then(|| {
                let who = model.world.caller_name(caller);
                Some(format!("{who} is ON AIR on {}", text::id(slot)))
            })
        }
        Command::Release { slot, .. } => {
            let found = model.world.slots.get(slot);
            let still = found.is_some_and(|s| {
                s.assigned_caller.is_empty()
                    && matches!(
                        s.showing(),
                        v1::slot::Showing::Caller | v1::slot::Showing::Frozen
                    )
            });
            (!still).then(|| Some(format!("slot {} is off", text::id(slot))))
        }
        Command::Force { channel, force, .. } => {
            let wanted = match force {
                Force::Auto => v1::channel::Force::Auto,
                Force::Live => v1::channel::Force::Live,
                Force::Backup => v1::channel::Force::Backup,
            };
            let found = model.world.channels.get(channel);
            found.is_some_and(|c| c.force() == wanted).then_some(None)
        }
        _ => Some(None),
    }
}

fn answer(
    model: &mut Model,
    request_id: &str,
    result: Result<Answer, Refusal>,
    effects: &mut Vec<Effect>,
) {
    model.dirty = true;
    if bulk::answered(model, request_id, result.as_ref().err(), effects) {
        model.pending.remove(request_id);
        return;
    }
    let Some(pending) = model.pending.get_mut(request_id) else {
        return;
    };
    match result {
        Ok(answer) => {
            pending.accepted = Some(answer.revision);
            let (undo, then, sentence) = (
                pending.undo.take(),
                pending.then.take(),
                pending.what.clone(),
            );
            if model.last_air.as_deref() == Some(request_id) {
                // An undone thing is not undone again.
                model.undo = undo;
            }
            if !answer.url.is_empty() {
                model.join_url = answer.url.clone();
                model.modal = Some(Modal::Invite { url: answer.url });
            }
            if let Some(then) = then {
                send::send(model, Intent::new(then, sentence), effects);
            }
            follow(model);
        }
        Err(refusal) => {
            let Some(pending) = model.pending.remove(request_id) else {
                return;
            };
            refused(model, &pending, &refusal);
        }
    }
}

fn refused(model: &mut Model, pending: &Pending, refusal: &Refusal) {
    let what = &pending.what;
    let said = text::clean(&refusal.text).into_owned();
    if refusal.lost {
        return notice(
            model,
            Tone::Bad,
            format!("NOBODY KNOWS whether it was done: {what} ({said})"),
        );
    }
    let resource = pending.command.resource().to_owned();
    if refusal.reason == "REVISION_MISMATCH" {
        let sent = pending.command.clone();
        let known = model.world.revision_of(&resource);
        model.conflict = Some(Conflict {
            what: what.clone(),
            resource,
            since: model.now,
        });
        // The stream may have told who it was before the answer came.
        if sent.clone().at_revision(known) != sent {
            conflict(model);
        }
        return;
    }
    let by = match refusal.code.as_str() {
        "FAILED_PRECONDITION" | "ALREADY_EXISTS" => last_on(model, &resource),
        _ => String::new(),
    };
    notice(model, Tone::Bad, format!("NOT DONE: {what}: {said}{by}"));
}

fn conflict(model: &mut Model) {
    let Some(conflict) = model.conflict.take() else {
        return;
    };
    let by = last_on(model, &conflict.resource);
    notice(
        model,
        Tone::Bad,
        format!("NOT DONE: {}: somebody was first{by}", conflict.what),
    );
}

/// What should have come by now.
pub fn overdue(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now;
    if model
        .conflict
        .as_ref()
        .is_some_and(|c| now >= c.since + CONFLICT_MS)
    {
        conflict(model);
    }
    let late = |p: &Pending| match p.accepted {
        None => now >= p.since + NO_ANSWER_MS,
        Some(_) => now >= p.since + NO_FACT_MS,
    };
    let late: Vec<String> = model
        .pending
        .iter()
        .filter(|(_, p)| late(p))
        .map(|(id, _)| id.clone())
        .collect();
    for id in late {
        let silence = Refusal {
            code: "DEADLINE_EXCEEDED".into(),
            reason: "NO_ANSWER".into(),
            text: "no answer".into(),
            lost: true,
        };
        if bulk::answered(model, &id, Some(&silence), effects) {
            model.pending.remove(&id);
        } else if let Some(pending) = model.pending.remove(&id) {
            let text = match pending.accepted {
                None => format!(
                    "no answer: NOBODY KNOWS whether it was done: {}",
                    pending.what
                ),
                Some(_) => format!("accepted, but not seen on the output: {}", pending.what),
            };
            notice(model, Tone::Bad, text);
        }
    }
}
