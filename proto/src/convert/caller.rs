use booth_core::{
    Caller, CallerRole, CallerState, ChatMessage, Denied, EndReason, Invite, Link, Note, State,
};

use super::{invalid, names, time};
use crate::v1;

/// Bytes of chat sent along with a caller, newest first: a resource has to stay well below the 4 MiB that gRPC clients
/// take at a time, and a caller may write long lines.
const CHAT_BYTES: usize = 256 * 1_024;

/// Bytes of chat in a whole list, shared by its callers.
const LIST_CHAT_BYTES: usize = 2 * 1_024 * 1_024;

/// `state` gives the place in the queue.
pub fn caller(caller: &Caller, state: &State) -> v1::Caller {
    with_chat(caller, state, CHAT_BYTES)
}

/// The callers of a list: the more there are, the less of a long chat comes along with each.
pub fn list(callers: &[&Caller], state: &State) -> Vec<v1::Caller> {
    let share = LIST_CHAT_BYTES
        .checked_div(callers.len())
        .unwrap_or(CHAT_BYTES)
        .min(CHAT_BYTES);
    let callers = callers.iter();
    callers.map(|c| with_chat(c, state, share)).collect()
}

fn with_chat(caller: &Caller, state: &State, chat_bytes: usize) -> v1::Caller {
    let (end_reason, wire_state) = match caller.state {
        CallerState::Joining => (None, v1::caller::State::Joining),
        CallerState::Waiting => (None, v1::caller::State::Waiting),
        CallerState::Screening => (None, v1::caller::State::Screening),
        CallerState::Ready => (None, v1::caller::State::Ready),
        CallerState::Held => (None, v1::caller::State::Held),
        CallerState::OnAir => (None, v1::caller::State::OnAir),
        CallerState::Ended(reason) => (Some(end(reason)), v1::caller::State::Ended),
    };
    let (connected, has_audio, has_video, since) = match caller.link {
        Link::Down { since } => (false, false, false, since),
        Link::Up {
            audio,
            video,
            since,
            ..
        } => (true, audio, video, since),
    };
    v1::Caller {
        name: names::caller(&caller.show, &caller.id),
        display_name: caller.name.to_string(),
        topic: caller.topic.to_string(),
        kind: kind(caller.role).into(),
        state: wire_state.into(),
        end_reason: end_reason
            .unwrap_or(v1::caller::EndReason::Unspecified)
            .into(),
        end_note: caller.end_note.to_string(),
        position: state.position(&caller.id).unwrap_or(0),
        connected,
        has_audio,
        has_video,
        slot: caller.slot.as_ref().map(names::slot).unwrap_or_default(),
        muted: caller.muted,
        notes: caller.notes.iter().map(note).collect(),
        chat: chat(&caller.chat, chat_bytes),
        join_time: Some(time(caller.joined_at)),
        state_time: Some(time(caller.state_since)),
        link_time: Some(time(since)),
        revision: caller.revision,
    }
}

pub fn invite(invite: &Invite) -> v1::Invite {
    v1::Invite {
        name: names::invite(&invite.show, &invite.id),
        kind: kind(invite.role).into(),
        display_name: invite.name.to_string(),
        uses_left: invite.uses_left.unwrap_or(0),
        unlimited: invite.uses_left.is_none(),
        expire_time: invite.expires_at.map(time),
        create_time: Some(time(invite.created_at)),
        revision: invite.revision,
    }
}

/// A plain caller when not said.
pub fn parse_kind(field: &str, wire: i32) -> Result<CallerRole, Denied> {
    match v1::caller::Kind::try_from(wire) {
        Ok(v1::caller::Kind::Unspecified | v1::caller::Kind::Caller) => Ok(CallerRole::Caller),
        Ok(v1::caller::Kind::Host) => Ok(CallerRole::Host),
        Err(_) => Err(invalid(field, "KIND_CALLER or KIND_HOST")),
    }
}

/// Callers of `state` as lists show them: in queue order, then who is on air, then who has ended, the latest first.
pub fn in_order<'a>(
    state: &'a State,
    include_ended: bool,
    wanted: impl Fn(&Caller) -> bool + 'a,
) -> Vec<&'a Caller> {
    let mut callers: Vec<&Caller> = state
        .callers
        .values()
        .map(AsRef::as_ref)
        .filter(|caller| (include_ended || !caller.state.is_ended()) && wanted(caller))
        .collect();
    let places: std::collections::BTreeMap<_, _> = state
        .shows
        .values()
        .flat_map(|show| show.queue.iter().enumerate().map(|(place, id)| (id, place)))
        .collect();
    callers.sort_by_key(|caller| {
        let group = match caller.state {
            CallerState::OnAir => 1,
            CallerState::Ended(_) => 2,
            _ => 0,
        };
        let since = std::cmp::Reverse(caller.state_since);
        (
            group,
            &caller.show,
            places.get(&caller.id).copied(),
            since,
            &caller.id,
        )
    });
    callers
}

fn kind(role: CallerRole) -> v1::caller::Kind {
    match role {
        CallerRole::Caller => v1::caller::Kind::Caller,
        CallerRole::Host => v1::caller::Kind::Host,
    }
}

fn end(reason: EndReason) -> v1::caller::EndReason {
    match reason {
        EndReason::Left => v1::caller::EndReason::Left,
        EndReason::Dropped => v1::caller::EndReason::Dropped,
        EndReason::Rejected => v1::caller::EndReason::Rejected,
        EndReason::Completed => v1::caller::EndReason::Completed,
        EndReason::Lost => v1::caller::EndReason::Lost,
    }
}

fn note(note: &Note) -> v1::Note {
    v1::Note {
        time: Some(time(note.at)),
        operator: note.by.as_ref().map(names::operator).unwrap_or_default(),
        text: note.text.to_string(),
    }
}

fn chat(messages: &[ChatMessage], most_bytes: usize) -> Vec<v1::ChatMessage> {
    let mut bytes = 0;
    let mut wire: Vec<v1::ChatMessage> = messages
        .iter()
        .rev()
        .take_while(|message| {
            bytes += message.text.as_str().len();
            bytes <= most_bytes
        })
        .map(|message| v1::ChatMessage {
            time: Some(time(message.at)),
            operator: message
                .from
                .as_ref()
                .map(names::operator)
                .unwrap_or_default(),
            text: message.text.to_string(),
        })
        .collect();
    wire.reverse();
    wire
}
