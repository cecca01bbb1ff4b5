//! Events of the journal as watchers see them: a type, a resource, and one line for people.

use booth_core::{
    Actor, CallerId, CallerState, EndReason, Event, InviteId, ReleaseCause, ShowId, Showing,
    SlotOutput, State, Transition, WorkerState,
};

use super::names;
use crate::v1;

/// The states in which names are looked up, newest first: what a change has deleted is only in the older one.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a>(pub &'a [&'a State]);

impl Lookup<'_> {
    pub fn caller_show(&self, id: &CallerId) -> Option<ShowId> {
        let mut states = self.0.iter();
        states.find_map(|s| s.callers.get(id).map(|c| c.show.clone()))
    }

    pub fn invite_show(&self, id: &InviteId) -> Option<ShowId> {
        let mut states = self.0.iter();
        states.find_map(|s| s.invites.get(id).map(|i| i.show.clone()))
    }

    fn caller_name(&self, id: &CallerId) -> String {
        match self.caller_show(id) {
            Some(show) => names::caller(&show, id),
            None => format!("shows/-/callers/{id}"),
        }
    }

    fn invite_name(&self, id: &InviteId) -> String {
        match self.invite_show(id) {
            Some(show) => names::invite(&show, id),
            None => format!("shows/-/invites/{id}"),
        }
    }

    /// What people call a caller.
    fn who(&self, id: &CallerId) -> String {
        let found = self.0.iter().find_map(|s| s.callers.get(id));
        found.map_or_else(|| id.to_string(), |c| c.name.to_string())
    }
}

/// The show an event belongs to; `None` for what belongs to none (operators).
pub fn show_of(event: &Event, lookup: Lookup<'_>) -> Option<ShowId> {
    match event {
        Event::ShowCreated { id, .. }
        | Event::ShowUpdated { id, .. }
        | Event::ShowStateChanged { id, .. }
        | Event::ShowDeleted { id } => Some(id.clone()),
        Event::InviteCreated { invite } => Some(invite.show.clone()),
        Event::InviteUsed { id } | Event::InviteRevoked { id } => lookup.invite_show(id),
        Event::CallerJoined { show, .. } | Event::SlotCreated { show, .. } => Some(show.clone()),
        Event::CallerRenamed { id, .. }
        | Event::CallerConnected { id, .. }
        | Event::CallerDisconnected { id }
        | Event::CallerStateChanged { id, .. }
        | Event::CallerMoved { id, .. }
        | Event::CallerNoted { id, .. }
        | Event::CallerChatted { id, .. }
        | Event::CallerMuted { id, .. }
        | Event::CallerForgotten { id } => lookup.caller_show(id),
        Event::SlotUpdated { id, .. }
        | Event::SlotDeleted { id }
        | Event::SlotTaken { id, .. }
        | Event::SlotReleased { id, .. }
        | Event::SlotArmed { id, .. }
        | Event::SlotWorker { id, .. }
        | Event::SlotShowing { id, .. } => {
            let mut states = lookup.0.iter();
            states.find_map(|s| s.slots.get(id).map(|slot| slot.show.clone()))
        }
        Event::OperatorCreated { .. }
        | Event::OperatorTokenAdded { .. }
        | Event::OperatorRevoked { .. } => None,
        _ => None,
    }
}

/// One event, by `actor`.
pub fn event(event: &Event, actor: &Actor, lookup: Lookup<'_>) -> v1::Event {
    let (kind, resource) = head(event, lookup);
    let mut text = say(event, lookup);
    match actor {
        Actor::Operator(id) => text.push_str(&format!(" by {id}")),
        // A caller's own doing is said by the sentence itself.
        Actor::Caller(_) | Actor::System => {}
    }
    v1::Event {
        r#type: kind.to_owned(),
        resource,
        text,
    }
}

fn head(event: &Event, lookup: Lookup<'_>) -> (&'static str, String) {
    match event {
        Event::ShowCreated { id, .. } => ("SHOW_CREATED", names::show(id)),
        Event::ShowUpdated { id, .. } => ("SHOW_UPDATED", names::show(id)),
        Event::ShowStateChanged { id, .. } => ("SHOW_STATE_CHANGED", names::show(id)),
        Event::ShowDeleted { id } => ("SHOW_DELETED", names::show(id)),
        Event::InviteCreated { invite } => {
            ("INVITE_CREATED", names::invite(&invite.show, &invite.id))
        }
        Event::InviteUsed { id } => ("INVITE_USED", lookup.invite_name(id)),
        Event::InviteRevoked { id } => ("INVITE_REVOKED", lookup.invite_name(id)),
        Event::CallerJoined { id, show, .. } => ("CALLER_JOINED", names::caller(show, id)),
        Event::CallerRenamed { id, .. } => ("CALLER_RENAMED", lookup.caller_name(id)),
        Event::CallerConnected { id, .. } => ("CALLER_CONNECTED", lookup.caller_name(id)),
        Event::CallerDisconnected { id } => ("CALLER_DISCONNECTED", lookup.caller_name(id)),
        Event::CallerStateChanged { id, .. } => ("CALLER_STATE_CHANGED", lookup.caller_name(id)),
        Event::CallerMoved { id, .. } => ("CALLER_MOVED", lookup.caller_name(id)),
        Event::CallerNoted { id, .. } => ("CALLER_NOTED", lookup.caller_name(id)),
        Event::CallerChatted { id, .. } => ("CALLER_CHATTED", lookup.caller_name(id)),
        Event::CallerMuted { id, muted: true } => ("CALLER_MUTED", lookup.caller_name(id)),
        Event::CallerMuted { id, muted: false } => ("CALLER_UNMUTED", lookup.caller_name(id)),
        Event::CallerForgotten { id } => ("CALLER_FORGOTTEN", lookup.caller_name(id)),
        Event::SlotCreated { id, .. } => ("SLOT_CREATED", names::slot(id)),
        Event::SlotUpdated { id, .. } => ("SLOT_UPDATED", names::slot(id)),
        Event::SlotDeleted { id } => ("SLOT_DELETED", names::slot(id)),
        Event::SlotTaken { id, .. } => ("SLOT_TAKEN", names::slot(id)),
        Event::SlotReleased { id, .. } => ("SLOT_RELEASED", names::slot(id)),
        Event::SlotArmed { id, .. } => ("SLOT_ARMED", names::slot(id)),
        Event::SlotWorker { id, .. } => ("SLOT_WORKER", names::slot(id)),
        Event::SlotShowing { id, .. } => ("SLOT_SHOWING", names::slot(id)),
        Event::OperatorCreated { id, .. } => ("OPERATOR_CREATED", names::operator(id)),
        Event::OperatorTokenAdded { id, .. } => ("OPERATOR_TOKEN_ADDED", names::operator(id)),
        Event::OperatorRevoked { id } => ("OPERATOR_REVOKED", names::operator(id)),
        _ => ("CHANNEL", String::new()),
    }
}

fn say(event: &Event, lookup: Lookup<'_>) -> String {
    let who = |id: &CallerId| lookup.who(id);
    match event {
        Event::ShowCreated { id, .. } => format!("show {id} created"),
        Event::ShowUpdated { id, .. } => format!("show {id} changed"),
        Event::ShowStateChanged { id, state } => {
            format!("show {id} is {}", format!("{state:?}").to_lowercase())
        }
        Event::ShowDeleted { id } => format!("show {id} deleted"),
        Event::InviteCreated { invite } => {
            format!("invite {} to show {} made", invite.id, invite.show)
        }
        Event::InviteUsed { id } => format!("invite {id} used"),
        Event::InviteRevoked { id } => format!("invite {id} taken back"),
        Event::CallerJoined { show, name, .. } => format!("caller {name} joined show {show}"),
        Event::CallerRenamed { id, name, .. } => format!("caller {id} is called {name}"),
        Event::CallerConnected {
            id, audio, video, ..
        } => match (audio, video) {
            (true, true) => format!("caller {} is connected", who(id)),
            (true, false) => format!("caller {} is connected, sound only", who(id)),
            (false, true) => format!("caller {} is connected, without sound", who(id)),
            (false, false) => format!("caller {} is connected, silent and dark", who(id)),
        },
        Event::CallerDisconnected { id } => format!("caller {} lost the connection", who(id)),
        Event::CallerStateChanged { id, state, note } => {
            let said = state_text(*state);
            if note.is_empty() {
                format!("caller {} {said}", who(id))
            } else {
                format!("caller {} {said} ({note})", who(id))
            }
        }
        Event::CallerMoved { id, to } => {
            format!(
                "caller {} moved to place {}",
                who(id),
                u64::from(*to).saturating_add(1)
            )
        }
        Event::CallerNoted { id, note } => format!("note on caller {}: {}", who(id), note.text),
        Event::CallerChatted { id, message } => match &message.from {
            Some(_) => format!("message to caller {}: {}", who(id), message.text),
            None => format!("caller {} writes: {}", who(id), message.text),
        },
        Event::CallerMuted { id, muted: true } => format!("caller {} muted", who(id)),
        Event::CallerMuted { id, muted: false } => format!("caller {} unmuted", who(id)),
        Event::CallerForgotten { id } => format!("call of {} forgotten", who(id)),
        Event::SlotCreated { id, settings, .. } => match &settings.output {
            SlotOutput::Listen { port } => format!("slot {id} created on port {port}"),
            SlotOutput::Push { url } => format!("slot {id} created, pushing to {url}"),
        },
        Event::SlotUpdated { id, .. } => format!("slot {id} changed"),
        Event::SlotDeleted { id } => format!("slot {id} deleted"),
        Event::SlotTaken {
            id,
            caller,
            transition,
            overridden,
        } => {
            let with = faded(*transition);
            let forced = if *overridden { " with override" } else { "" };
            format!("caller {} taken to slot {id}{with}{forced}", who(caller))
        }
        Event::SlotReleased {
            id, caller, cause, ..
        } => {
            let why = match cause {
                ReleaseCause::Released => "",
                ReleaseCause::Replaced => ", replaced",
                ReleaseCause::Ended => ", the call ended",
                ReleaseCause::MediaLost => ", the connection stayed away",
                ReleaseCause::SlotDeleted => ", the slot is being deleted",
            };
            format!("caller {} released from slot {id}{why}", who(caller))
        }
        Event::SlotArmed { id, caller } => match caller {
            Some(caller) => format!("caller {} armed for slot {id}", who(caller)),
            None => format!("slot {id} arms the next caller"),
        },
        Event::SlotWorker { id, worker } => match worker {
            WorkerState::Up => format!("worker of slot {id} is up"),
            WorkerState::Down => format!("worker of slot {id} is down"),
        },
        Event::SlotShowing { id, showing } => match showing {
            Showing::Idle => format!("slot {id} shows its idle source"),
            Showing::Armed { caller } => {
                format!("slot {id} is idle, caller {} is ready for it", who(caller))
            }
            Showing::Caller { caller } => format!("slot {id} shows caller {}", who(caller)),
            Showing::Frozen { caller } => {
                format!("slot {id} lost the picture of caller {}", who(caller))
            }
        },
        Event::OperatorCreated { id, role, .. } => {
            format!(
                "operator {id} added as {}",
                format!("{role:?}").to_lowercase()
            )
        }
        Event::OperatorTokenAdded { id, .. } => format!("one more token for operator {id}"),
        Event::OperatorRevoked { id } => format!("operator {id} removed"),
        _ => String::new(),
    }
}

fn state_text(state: CallerState) -> &'static str {
    match state {
        CallerState::Joining => "is joining",
        CallerState::Waiting => "is waiting",
        CallerState::Screening => "is being screened",
        CallerState::Ready => "is ready for air",
        CallerState::Held => "is on hold",
        CallerState::OnAir => "is on air",
        CallerState::Ended(EndReason::Left) => "has left",
        CallerState::Ended(EndReason::Dropped) => "was dropped",
        CallerState::Ended(EndReason::Rejected) => "was rejected",
        CallerState::Ended(EndReason::Completed) => "is done",
        CallerState::Ended(EndReason::Lost) => "was lost",
    }
}

fn faded(transition: Transition) -> String {
    match transition {
        Transition::Cut => String::new(),
        Transition::Fade { ms } => format!(" with a fade of {ms} ms"),
    }
}
