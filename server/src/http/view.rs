//! What a caller is told of their own call.

use booth_core::{Caller, CallerState, EndReason, State};
use serde::Serialize;

use crate::relay::VideoWant;
use crate::vmix::{Tally, TallyMap};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CallView {
    /// Rises with every view of one stream.
    pub rev: u64,
    pub state: &'static str,
    pub name: String,
    pub topic: String,
    pub show_title: String,
    /// 1-based; 0 when not in the queue.
    pub position: u32,
    /// Callers in the queue.
    pub waiting: usize,
    /// Whether their media arrives.
    pub connected: bool,
    pub slot: Option<String>,
    /// Whether the production shows them: «off», «preview» or «program»; absent when nobody knows.
    pub tally: Option<&'static str>,
    pub muted: bool,
    pub video: &'static str,
    pub messages: Vec<Message>,
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Message {
    pub at_ms: i64,
    pub from: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ended {
    pub reason: &'static str,
    pub note: String,
}

/// Only what is the caller's own business: no notes, no operators' names, nothing of other callers.
pub(super) fn view(
    state: &State,
    caller: &Caller,
    want: Option<VideoWant>,
    tallies: &TallyMap,
) -> CallView {
    let show = state.shows.get(&caller.show);
    let ended = match caller.state {
        CallerState::Ended(reason) => Some(Ended {
            reason: ended(reason),
            note: caller.end_note.as_str().to_owned(),
        }),
        _ => None,
    };
    CallView {
        rev: 0,
        state: state_name(caller.state),
        name: caller.name.as_str().to_owned(),
        topic: caller.topic.as_str().to_owned(),
        show_title: show
            .map(|show| show.title.as_str().to_owned())
            .unwrap_or_default(),
        position: state.position(&caller.id).unwrap_or(0),
        waiting: show.map_or(0, |show| show.queue.len()),
        connected: caller.link.is_up(),
        slot: caller.slot.as_ref().map(ToString::to_string),
        tally: caller
            .slot
            .as_ref()
            .and_then(|slot| tallies.on_air(state, slot, &caller.id))
            .map(|tally| match tally {
                Tally::Off => "off",
                Tally::Preview => "preview",
                Tally::Program => "program",
            }),
        muted: caller.muted,
        video: match want.unwrap_or_default() {
            VideoWant::Low => "low",
            VideoWant::Full => "full",
        },
        messages: caller
            .chat
            .iter()
            .map(|message| Message {
                at_ms: message.at.0,
                from: if message.from.is_some() {
                    "studio"
                } else {
                    "you"
                },
                text: message.text.as_str().to_owned(),
            })
            .collect(),
        ended,
    }
}

pub(super) fn state_name(state: CallerState) -> &'static str {
    match state {
        CallerState::Joining => "joining",
        CallerState::Waiting => "waiting",
        CallerState::Screening => "screening",
        CallerState::Ready => "ready",
        CallerState::Held => "held",
        CallerState::OnAir => "on_air",
        CallerState::Ended(_) => "ended",
    }
}

fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Left => "left",
        EndReason::Dropped => "dropped",
        EndReason::Rejected => "rejected",
        EndReason::Completed => "completed",
        EndReason::Lost => "lost",
    }
}
