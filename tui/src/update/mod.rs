//! The one place where the model changes: an input in, effects out. Pure: no clock, no network, no terminal.

mod air;
mod bulk;
mod channel;
mod facts;
mod keys;
mod modal;
mod mouse;
pub mod palette;
mod queue;
mod rows;
mod send;

pub use air::state_word;
pub use keys::allowed;

use crate::command::Effect;
use crate::model::list::Sort;
use crate::model::{LinkState, Model, Tone};
use crate::msg::{Input, LinkMsg, Msg, Practice};
use crate::text;
use crate::view::layout;

/// How often the picture of an open card is asked for.
const PICTURE_EVERY_MS: u64 = 1_000;

/// Takes one input in.
pub fn update(model: &mut Model, input: Input) -> Vec<Effect> {
    let was_stale = model.stale();
    // Recordings may be edited by hand: time still never goes back.
    model.now = model.now.max(input.at_ms);
    // Before anything else: an Enter that comes late finds nothing armed, also when no tick came in between.
    let mut effects = Vec::new();
    expire(model, &mut effects);
    if model.stale() {
        // What was armed was meant for a state that is not known any more.
        send::disarm(model, "the state is unknown");
    }
    // Levels and seconds move no row, unless it is by them that rows are sorted.
    let by_level = matches!(model.queue.sort, Sort::Score | Sort::Level);
    let rows_stay = matches!(input.msg, Msg::Tick | Msg::Link(LinkMsg::Meters(_))) && !by_level;
    match input.msg {
        Msg::Start(_) => model.dirty = true,
        Msg::Key(key) => {
            model.dirty = true;
            keys::key(model, key, &mut effects);
        }
        Msg::Paste(text) => {
            model.dirty = true;
            modal::paste(model, &text);
        }
        Msg::Click { x, y } => {
            model.dirty = true;
            mouse::click(model, x, y, &mut effects);
        }
        Msg::Wheel { x, y, down } => {
            model.dirty = true;
            mouse::wheel(model, x, y, down);
        }
        Msg::Resize { width, height } => {
            model.dirty = true;
            (model.width, model.height) = (width, height);
            if layout::too_small(model) {
                // What is armed is not seen there.
                send::disarm(model, "the terminal is too small");
            }
        }
        Msg::Zone(seconds) => model.zone_s = seconds,
        Msg::Tick => model.dirty = true,
        Msg::Link(msg) => facts::link(model, msg, &mut effects),
        Msg::Practice(Practice::Started { callers }) => {
            model.practice = Some(callers);
            send::notice(
                model,
                Tone::Good,
                format!("{callers} synthetic callers are joining"),
            );
        }
        Msg::Practice(Practice::Ended { why }) => {
            model.practice = None;
            let tone = if why.is_empty() {
                Tone::Plain
            } else {
                Tone::Bad
            };
            let why = if why.is_empty() {
                "left".to_owned()
            } else {
                format!("ended: {why}")
            };
            send::notice(model, tone, format!("the synthetic callers {why}"));
        }
        Msg::Told(text) => send::notice(model, Tone::Plain, text),
        Msg::Trouble(text) => send::notice(model, Tone::Bad, text::clean(&text).into_owned()),
    }
    picture(model, &mut effects);
    if model.dirty && !rows_stay {
        rows::settle(model);
    }
    if was_stale != model.stale() {
        model.dirty = true;
    }
    effects
}

/// Says something to the operator from outside of the loop.
pub fn say(model: &mut Model, tone: Tone, text: &str) {
    send::notice(model, tone, text.to_owned());
}

/// What ends by time.
fn expire(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now;
    if model.armed.as_ref().is_some_and(|armed| now >= armed.until) {
        model.armed = None;
        model.ran_out = Some(now);
        send::notice(
            model,
            Tone::Plain,
            "not confirmed: nothing was done".to_owned(),
        );
    }
    if model
        .notice
        .as_ref()
        .is_some_and(|notice| now >= notice.until)
    {
        model.notice = None;
        model.dirty = true;
    }
    facts::overdue(model, effects);
}

fn picture(model: &mut Model, effects: &mut Vec<Effect>) {
    let open = model.view == crate::model::View::Caller;
    let wanted = model.settings.pictures && open && matches!(model.link, LinkState::Live);
    let Some(caller) = model.queue.selected.clone().filter(|_| wanted) else {
        return;
    };
    let due = model
        .picture_asked
        .is_none_or(|at| model.now >= at + PICTURE_EVERY_MS);
    if due {
        model.picture_asked = Some(model.now);
        effects.push(Effect::Picture { caller });
    }
}
