//! How people get in: invites, join, rejoin.

use crate::{
    CallerState, Command, Denied, Event, Invite, InviteId, ShowState, Target, Text, TokenHash,
};

use super::draft::{Draft, invalid};

pub(super) fn invite(draft: &mut Draft<'_>, command: &Command) -> Result<Target, Denied> {
    let Command::Invite {
        id,
        show,
        role,
        name,
        token,
        uses,
        expires_at,
    } = command
    else {
        return Err(invalid("command", "not an invite"));
    };
    draft.show(show)?;
    if draft.state().invites.contains_key(id) {
        return Err(Denied::InviteExists { invite: id.clone() });
    }
    if *uses == Some(0) {
        return Err(invalid("uses", "at least 1, or none for no limit"));
    }
    if expires_at.is_some_and(|at| at <= draft.now) {
        return Err(invalid("expires_at", "a time to come"));
    }
    let invite = Invite {
        id: id.clone(),
        show: show.clone(),
        role: *role,
        name: name.clone(),
        token: *token,
        uses_left: *uses,
        expires_at: *expires_at,
        created_at: draft.now,
        created_by: draft.by(),
        // Set by the fold, as every revision.
        revision: 0,
    };
    draft.emit(Event::InviteCreated { invite });
    Ok(Target::Invite(id.clone()))
}

/// Who joined by it already stays, and may come back.
pub(super) fn revoke_invite(draft: &mut Draft<'_>, id: &InviteId) -> Result<Target, Denied> {
    let invite = draft.state().invites.get(id);
    let invite = invite.ok_or_else(|| Denied::InviteNotFound { invite: id.clone() })?;
    draft.fresh(invite.revision)?;
    draft.emit(Event::InviteRevoked { id: id.clone() });
    Ok(Target::Invite(id.clone()))
}

pub(super) fn join(draft: &mut Draft<'_>, command: &Command) -> Result<Target, Denied> {
    let Command::Join {
        id,
        invite,
        rejoin,
        name,
        topic,
    } = command
    else {
        return Err(invalid("command", "not a join"));
    };
    let state = draft.state();
    let invite = state.invite_by_token(invite).ok_or(Denied::InviteUnknown)?;
    if invite.expires_at.is_some_and(|at| at <= draft.now) {
        return Err(Denied::InviteExpired);
    }
    if invite.uses_left == Some(0) {
        return Err(Denied::InviteUsedUp);
    }
    let show = draft.show(&invite.show)?;
    if show.state != ShowState::Live || !show.settings.open {
        return Err(Denied::ShowClosed {
            show: show.id.clone(),
        });
    }
    if state.callers.contains_key(id) {
        return Err(Denied::CallerExists { caller: id.clone() });
    }
    let max = show.settings.max_callers;
    if state.callers_in(&show.id) >= usize::try_from(max).unwrap_or(usize::MAX) {
        let show = show.id.clone();
        return Err(Denied::ShowFull { show, max });
    }
    // A publisher that cannot give a name (OBS) goes by its id.
    let names = [&invite.name, name];
    let name = names.into_iter().find(|name| !name.is_empty()).cloned();
    let joined = Event::CallerJoined {
        id: id.clone(),
        show: invite.show.clone(),
        invite: invite.id.clone(),
        role: invite.role,
        name: name.unwrap_or_else(|| Text::name(id.as_str())),
        topic: topic.clone(),
        rejoin: *rejoin,
    };
    let used = invite.uses_left.map(|_| Event::InviteUsed {
        id: invite.id.clone(),
    });
    for event in used.into_iter().chain([joined]) {
        draft.emit(event);
    }
    Ok(Target::Caller(id.clone()))
}

/// Answers the caller as they are: place, state and notes were kept. A corrected name counts before they are READY, and
/// never against the name that their invite gives; it is passed over otherwise, as pages send it every time.
pub(super) fn rejoin(
    draft: &mut Draft<'_>,
    rejoin: &TokenHash,
    name: Option<&Text>,
    topic: Option<&Text>,
) -> Result<Target, Denied> {
    let state = draft.state();
    let caller = state
        .caller_by_rejoin(rejoin)
        .ok_or(Denied::RejoinUnknown)?;
    let id = caller.id.clone();
    draft.fresh(caller.revision)?;
    if caller.state.is_ended() {
        return Err(Denied::CallerEnded { caller: id });
    }
    let early = matches!(
        caller.state,
        CallerState::Joining | CallerState::Waiting | CallerState::Screening
    );
    let invite = state.invites.get(&caller.invite);
    let given = invite.is_some_and(|invite| !invite.name.is_empty());
    let name = name.filter(|name| !name.is_empty() && !given);
    let name = name.unwrap_or(&caller.name).clone();
    let topic = topic.unwrap_or(&caller.topic).clone();
    if early && (name != caller.name || topic != caller.topic) {
        let id = id.clone();
        draft.emit(Event::CallerRenamed { id, name, topic });
    }
    Ok(Target::Caller(id))
}
