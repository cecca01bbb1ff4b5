//! Events of the journal as watchers see them: a type, a resource, and one line for people.

use booth_core::{
    Actor, CallerId, CallerState, ChannelAlert, ChannelShowing, DestinationState, EndReason, Event,
    Force, InviteId, LiveState, Prepared, ReleaseCause, ShowId, Showing, SlotOutput, State,
    Transition, WorkerState,
};

use super::channel::{cause_text, protocol};
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

/// The show an event belongs to; `None` for what belongs to none (channels, operators).
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
        // Channels belong to no show.
        Event::ChannelCreated { .. }
        | Event::ChannelUpdated { .. }
        | Event::ChannelDeleted { .. }
        | Event::ChannelStarted { .. }
        | Event::ChannelStopped { .. }
        | Event::ChannelForced { .. }
        | Event::ChannelKeyRotated { .. }
        | Event::ChannelKeyRevealed { .. }
        | Event::ChannelWorker { .. }
        | Event::ChannelSwitched { .. }
        | Event::ChannelLive { .. }
        | Event::PublisherConnected { .. }
        | Event::PublisherDisconnected { .. }
        | Event::ChannelPrepared { .. }
        | Event::ChannelAlertRaised { .. }
        | Event::ChannelAlertCleared { .. }
        | Event::DestinationAdded { .. }
        | Event::DestinationUpdated { .. }
        | Event::DestinationEnabled { .. }
        | Event::DestinationRemoved { .. }
        | Event::DestinationState { .. } => None,
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
        Event::ChannelCreated { id, .. } => ("CHANNEL_CREATED", names::channel(id)),
        Event::ChannelUpdated { id, .. } => ("CHANNEL_UPDATED", names::channel(id)),
        Event::ChannelDeleted { id, .. } => ("CHANNEL_DELETED", names::channel(id)),
        Event::ChannelStarted { id, .. } => ("CHANNEL_STARTED", names::channel(id)),
        Event::ChannelStopped { id, .. } => ("CHANNEL_STOPPED", names::channel(id)),
        Event::ChannelForced { id, .. } => ("CHANNEL_FORCED", names::channel(id)),
        Event::ChannelKeyRotated { id, .. } => ("CHANNEL_KEY_ROTATED", names::channel(id)),
        Event::ChannelKeyRevealed { id, .. } => ("CHANNEL_KEY_REVEALED", names::channel(id)),
        Event::ChannelWorker { id, .. } => ("CHANNEL_WORKER", names::channel(id)),
        Event::ChannelSwitched { id, .. } => ("CHANNEL_SWITCHED", names::channel(id)),
        Event::ChannelLive { id, .. } => ("CHANNEL_LIVE", names::channel(id)),
        Event::PublisherConnected { id, .. } => ("PUBLISHER_CONNECTED", names::channel(id)),
        Event::PublisherDisconnected { id, .. } => ("PUBLISHER_DISCONNECTED", names::channel(id)),
        Event::ChannelPrepared { id, .. } => ("CHANNEL_PREPARED", names::channel(id)),
        Event::ChannelAlertRaised { id, .. } => ("CHANNEL_ALERT_RAISED", names::channel(id)),
        Event::ChannelAlertCleared { id, .. } => ("CHANNEL_ALERT_CLEARED", names::channel(id)),
        Event::DestinationAdded { channel, id, .. } => {
            ("DESTINATION_ADDED", names::destination(channel, id))
        }
        Event::DestinationUpdated { channel, id, .. } => {
            ("DESTINATION_UPDATED", names::destination(channel, id))
        }
        Event::DestinationEnabled {
            channel,
            id,
            enabled: true,
        } => ("DESTINATION_ENABLED", names::destination(channel, id)),
        Event::DestinationEnabled {
            channel,
            id,
            enabled: false,
        } => ("DESTINATION_DISABLED", names::destination(channel, id)),
        Event::DestinationRemoved { channel, id, .. } => {
            ("DESTINATION_REMOVED", names::destination(channel, id))
        }
        Event::DestinationState { channel, id, .. } => {
            ("DESTINATION_STATE", names::destination(channel, id))
        }
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
        Event::ChannelCreated { id, .. } => format!("channel {id} created"),
        Event::ChannelUpdated { id, .. } => format!("channel {id} changed"),
        Event::ChannelDeleted { id } => format!("channel {id} deleted"),
        Event::ChannelStarted { id } => format!("channel {id} started"),
        Event::ChannelStopped { id } => format!("channel {id} stopped"),
        Event::ChannelForced { id, force } => match force {
            Force::Auto => format!("channel {id} chooses its source by itself"),
            Force::Live => format!("channel {id} is held on its live input"),
            Force::Backup => format!("channel {id} is held on its backup"),
        },
        Event::ChannelKeyRotated { id, .. } => format!("channel {id} has a new live key"),
        Event::ChannelKeyRevealed { id, destination } => match destination {
            None => format!("live key of channel {id} shown"),
            Some(to) => format!("key of destination {to} of channel {id} shown"),
        },
        Event::ChannelWorker { id, worker } => match worker {
            WorkerState::Up => format!("worker of channel {id} is up"),
            WorkerState::Down => format!("worker of channel {id} is down"),
        },
        Event::ChannelSwitched {
            id,
            from,
            to,
            cause,
            gap_ms,
            before_ms,
        } => {
            let now = match to {
                ChannelShowing::Off => "is off",
                ChannelShowing::Live => "shows its live input",
                ChannelShowing::Backup => "shows its backup",
                ChannelShowing::Slate => "shows its slate",
            };
            let why = cause_text(*cause);
            let before = match from {
                ChannelShowing::Off => return format!("channel {id} {now}: {why}"),
                ChannelShowing::Live => "live",
                ChannelShowing::Backup => "backup",
                ChannelShowing::Slate => "slate",
            };
            let was = format!("{before} was on for {}", span(*before_ms));
            match to {
                // What ends has no gap.
                ChannelShowing::Off => format!("channel {id} {now}: {why} ({was})"),
                _ => format!("channel {id} {now}: {why} (gap {gap_ms} ms, {was})"),
            }
        }
        Event::ChannelLive { id, live, format } => match (live, format) {
            (LiveState::Absent, _) => format!("live input of channel {id} is gone"),
            (LiveState::Settling, _) => format!("live input of channel {id} arrives"),
            (LiveState::Stable, None) => format!("live input of channel {id} is stable"),
            (LiveState::Stable, Some(format)) => {
                let sound = match format.audio.as_str() {
                    "" => "no sound",
                    audio => audio,
                };
                format!(
                    "live input of channel {id} is stable: {} {}x{}, {sound}",
                    format.video, format.width, format.height
                )
            }
            (LiveState::Lost { cause }, _) => {
                format!("live input of channel {id} is lost: {}", cause_text(*cause))
            }
        },
        Event::PublisherConnected { id, publisher } => {
            let by = protocol(publisher.protocol).to_uppercase();
            match publisher.agent.as_str() {
                "" => format!("channel {id} is fed by {} ({by})", publisher.peer),
                agent => format!("channel {id} is fed by {} ({by}, {agent})", publisher.peer),
            }
        }
        Event::PublisherDisconnected { id, reason, .. } => match reason.as_str() {
            "" => format!("publisher of channel {id} is gone"),
            reason => format!("publisher of channel {id} is gone ({reason})"),
        },
        Event::ChannelPrepared { id, prepared } => match prepared {
            Prepared::Ready { duration_ms: 0, .. } => format!("slate of channel {id} is ready"),
            Prepared::Ready { duration_ms, .. } => {
                format!("backup of channel {id} is ready ({})", span(*duration_ms))
            }
            Prepared::Failed { reason, .. } => {
                format!("backup of channel {id} cannot be used: {reason}")
            }
        },
        Event::ChannelAlertRaised { id, alert } => match alert {
            ChannelAlert::OnBackup => {
                format!("alert: channel {id} has been without its live input for a long time")
            }
            ChannelAlert::DestinationDown(to) => {
                format!("alert: destination {to} of channel {id} is down")
            }
        },
        Event::ChannelAlertCleared { id, alert } => match alert {
            ChannelAlert::OnBackup => {
                format!("alert over: channel {id} is no longer without its live input")
            }
            ChannelAlert::DestinationDown(to) => {
                format!("alert over: destination {to} of channel {id} is no longer down")
            }
        },
        Event::DestinationAdded { channel, id, .. } => {
            format!("destination {id} added to channel {channel}")
        }
        Event::DestinationUpdated { channel, id, .. } => {
            format!("destination {id} of channel {channel} changed")
        }
        Event::DestinationEnabled {
            channel,
            id,
            enabled,
        } => {
            let now = if *enabled { "enabled" } else { "disabled" };
            format!("destination {id} of channel {channel} {now}")
        }
        Event::DestinationRemoved { channel, id } => {
            format!("destination {id} of channel {channel} removed")
        }
        Event::DestinationState {
            channel,
            id,
            state,
            error,
        } => {
            let now = match state {
                DestinationState::Idle => "is idle",
                DestinationState::Connecting => "connects",
                DestinationState::Live => "is live",
                DestinationState::Retrying => "is tried again",
                DestinationState::Failed => "has failed",
            };
            match error.as_str() {
                "" => format!("destination {id} of channel {channel} {now}"),
                error => format!("destination {id} of channel {channel} {now}: {error}"),
            }
        }
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

/// A span of time in its two largest units.
fn span(ms: u64) -> String {
    const S: u64 = 1_000;
    const MIN: u64 = 60 * S;
    const H: u64 = 60 * MIN;
    const D: u64 = 24 * H;
    match ms {
        ..S => format!("{ms} ms"),
        S..MIN => format!("{} s", ms / S),
        MIN..H => format!("{} min {} s", ms / MIN, ms % MIN / S),
        H..D => format!("{} h {} min", ms / H, ms % H / MIN),
        D.. => format!("{} d {} h", ms / D, ms % D / H),
    }
}

#[cfg(test)]
mod tests;
