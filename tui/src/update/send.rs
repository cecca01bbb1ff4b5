//! From an intention to a command: armed, pending, said.

use booth_proto::v1;

use crate::command::{Command, Effect};
use crate::model::line::Line;
use crate::model::log::{Entry, Weight};
use crate::model::modal::Modal;
use crate::model::{Armed, Model, Notice, Pending, Tone, Undo};
use crate::text;
use crate::view::layout;

const NOTICE_MS: u64 = 5_000;
const BAD_NOTICE_MS: u64 = 10_000;

/// What is to be done, with the words for it.
pub struct Intent {
    pub command: Command,
    /// `TAKE 2 ← Bravo`.
    pub sentence: String,
    /// The same for a narrow terminal; empty where it is short anyway.
    pub short: String,
    pub undo: Option<Undo>,
    pub then: Option<Command>,
}

impl Intent {
    pub fn new(command: Command, sentence: impl Into<String>) -> Self {
        Self {
            command,
            sentence: sentence.into(),
            short: String::new(),
            undo: None,
            then: None,
        }
    }
}

/// On-air commands arm first, unless the operator set otherwise.
pub fn arm(model: &mut Model, intent: Intent, effects: &mut Vec<Effect>) {
    if let Some(pending) = model.pending_on(intent.command.resource()) {
        let what = pending.what.clone();
        return notice(model, Tone::Bad, format!("still on its way: {what}"));
    }
    if let Some(why) = barred(model, &intent.command) {
        return not_done(model, &intent.sentence, why);
    }
    if model.settings.immediate {
        return send(model, intent, effects);
    }
    model.armed = Some(Armed {
        until: model.now + model.settings.arm_ms,
        seen: seen(model, &intent.command),
        sentence: intent.sentence,
        short: intent.short,
        deaf_until: 0,
        command: intent.command,
        undo: intent.undo,
        then: intent.then,
    });
    model.ran_out = None;
    model.notice = None;
}

/// Enter after an armed key.
pub fn fire(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(armed) = model.armed.take() else {
        return;
    };
    let intent = Intent {
        undo: armed.undo,
        then: armed.then,
        ..Intent::new(armed.command, armed.sentence)
    };
    send(model, intent, effects);
}

/// Destructive: asked for by name, and only while it is still about the same.
pub fn ask(model: &mut Model, command: Command, sentence: String, names: Vec<String>) {
    model.modal = Some(Modal::Confirm {
        seen: seen(model, &command),
        command,
        sentence,
        names,
        line: Line::default(),
    });
}

/// Why nothing at all is sent now: nobody could see what it does.
pub fn unseen(model: &Model) -> Option<&'static str> {
    if model.stale() {
        Some("the state is unknown")
    } else if layout::too_small(model) {
        Some("the terminal is too small")
    } else {
        None
    }
}

/// Why nothing goes on air from here now, whichever way it was asked for.
fn barred(model: &Model, command: &Command) -> Option<&'static str> {
    if !command.on_air() {
        None
    } else if let Some(why) = unseen(model) {
        Some(why)
    } else if model.world.revision_of(command.resource()) == 0 {
        // To the server 0 means any revision.
        Some("it is not there any more")
    } else {
        None
    }
}

pub fn send(model: &mut Model, intent: Intent, effects: &mut Vec<Effect>) {
    match barred(model, &intent.command) {
        Some(why) => not_done(model, &intent.sentence, why),
        None => drop(launch(model, intent, effects)),
    }
}

/// As [`send`], for callers that say themselves what was refused, and want to know the request's id.
pub fn try_send(
    model: &mut Model,
    intent: Intent,
    effects: &mut Vec<Effect>,
) -> Result<String, &'static str> {
    match barred(model, &intent.command) {
        Some(why) => Err(why),
        None => Ok(launch(model, intent, effects)),
    }
}

fn launch(model: &mut Model, intent: Intent, effects: &mut Vec<Effect>) -> String {
    model.calls += 1;
    let request_id = format!("console-{}-{}", model.start.nonce, model.calls);
    if matches!(
        intent.command,
        Command::Take { .. } | Command::Release { .. }
    ) {
        // Until its answer nobody knows what the last thing is that could be undone.
        model.undo = None;
        model.last_air = Some(request_id.clone());
    }
    // The latest revision at which what was armed still held: anything else would have disarmed it.
    let revision = model.world.revision_of(intent.command.resource());
    let command = intent.command.at_revision(revision);
    let pending = Pending {
        command: command.clone(),
        what: intent.sentence,
        since: model.now,
        accepted: None,
        then: intent.then,
        undo: intent.undo,
    };
    model.pending.insert(request_id.clone(), pending);
    model.dirty = true;
    effects.push(Effect::Call {
        request_id: request_id.clone(),
        command,
    });
    request_id
}

pub fn disarm(model: &mut Model, why: &str) {
    if let Some(armed) = model.armed.take() {
        // An Enter that is on its way to it means nothing else.
        model.ran_out = Some(model.now);
        not_done(model, &armed.sentence, why);
    }
}

pub fn not_done(model: &mut Model, sentence: &str, why: &str) {
    notice(model, Tone::Bad, format!("NOT DONE: {sentence} ({why})"));
}

/// What an armed command relies on: who is on the slot, what the channel is held on.
pub fn seen(model: &Model, command: &Command) -> String {
    let world = &model.world;
    match command {
        Command::Take { slot, caller, .. } => {
            let on_it = world.slots.get(slot).map(|s| s.assigned_caller.as_str());
            let where_is = world
                .callers
                .get(caller)
                .map(|c| (c.slot.as_str(), c.state));
            format!("{on_it:?} {where_is:?}")
        }
        Command::Release { slot, .. } => {
            format!(
                "{:?}",
                world.slots.get(slot).map(|s| s.assigned_caller.as_str())
            )
        }
        Command::Force { channel, .. } | Command::Run { channel, .. } => {
            format!(
                "{:?}",
                world.channels.get(channel).map(|c| (c.force, c.running))
            )
        }
        Command::Destination { destination, .. } => {
            format!("{:?}", world.destination(destination).map(|d| d.enabled))
        }
        Command::Approve { caller }
        | Command::Hold { caller }
        | Command::Screen { caller }
        | Command::Chat { caller, .. } => {
            let found = world.callers.get(caller);
            let ended = |c: &v1::Caller| c.state() == v1::caller::State::Ended;
            format!("{:?}", found.map(|c| (c.slot.as_str(), ended(c))))
        }
        Command::Drop { caller, .. } | Command::Reject { caller, .. } => {
            let found = world.callers.get(caller);
            format!("{:?}", found.map(|c| (c.slot.as_str(), c.state)))
        }
        Command::Mute { caller, .. } => {
            format!(
                "{:?}",
                world
                    .callers
                    .get(caller)
                    .map(|c| (c.slot.as_str(), c.muted, c.state))
            )
        }
        Command::RunShow { show, .. } => format!("{:?}", world.shows.get(show).map(|s| s.state)),
        _ => String::new(),
    }
}

pub fn notice(model: &mut Model, tone: Tone, text: String) {
    let lasts = if tone == Tone::Bad {
        BAD_NOTICE_MS
    } else {
        NOTICE_MS
    };
    if tone == Tone::Bad {
        log(model, &text);
    }
    model.notice = Some(Notice {
        text,
        tone,
        until: model.now + lasts,
    });
    model.dirty = true;
}

/// To be read later, in the Log view.
pub fn log(model: &mut Model, said: &str) {
    model.log.push(Entry {
        at_ms: model.server_ms(),
        actor: "console".into(),
        text: text::clean(said).into_owned(),
        resource: String::new(),
        revision: model.world.revision,
        weight: Weight::Warn,
    });
}
