use crate::{Denied, Event, Show, ShowId, ShowSettings, ShowState, Target, Text};

use super::draft::Draft;
use super::settings;

/// A new show is STOPPED: it takes callers once it is started.
pub(super) fn create(draft: &mut Draft<'_>, id: &ShowId, title: &Text) -> Result<Target, Denied> {
    if draft.state().shows.contains_key(id) {
        return Err(Denied::ShowExists { show: id.clone() });
    }
    let title = if title.is_empty() {
        Text::name(id.as_str())
    } else {
        title.clone()
    };
    draft.emit(Event::ShowCreated {
        id: id.clone(),
        title,
    });
    Ok(Target::Show(id.clone()))
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    id: &ShowId,
    title: Option<&Text>,
    new: Option<&ShowSettings>,
) -> Result<Target, Denied> {
    let show = draft.show(id)?;
    draft.fresh(show.revision)?;
    if let Some(new) = new {
        settings::show(new)?;
    }
    let title = title.unwrap_or(&show.title);
    let new = new.unwrap_or(&show.settings);
    if *title != show.title || *new != show.settings {
        draft.emit(Event::ShowUpdated {
            id: id.clone(),
            title: title.clone(),
            settings: *new,
        });
    }
    Ok(Target::Show(id.clone()))
}

pub(super) fn start(draft: &mut Draft<'_>, id: &ShowId) -> Result<Target, Denied> {
    let show = draft.show(id)?;
    draft.fresh(show.revision)?;
    match show.state {
        ShowState::Live => {}
        ShowState::Stopped | ShowState::Error => change(draft, id, ShowState::Live),
        ShowState::Creating | ShowState::Starting | ShowState::Stopping => {
            return Err(wrong_state(&show));
        }
    }
    Ok(Target::Show(id.clone()))
}

/// Nobody new may join; who is in the queue or on air stays there.
pub(super) fn stop(draft: &mut Draft<'_>, id: &ShowId) -> Result<Target, Denied> {
    let show = draft.show(id)?;
    draft.fresh(show.revision)?;
    match show.state {
        ShowState::Stopped => {}
        ShowState::Live | ShowState::Error => change(draft, id, ShowState::Stopped),
        ShowState::Creating | ShowState::Starting | ShowState::Stopping => {
            return Err(wrong_state(&show));
        }
    }
    Ok(Target::Show(id.clone()))
}

/// Only a stopped show without callers and slots; its invites and its ended callers go with it.
pub(super) fn delete(draft: &mut Draft<'_>, id: &ShowId) -> Result<Target, Denied> {
    let show = draft.show(id)?;
    draft.fresh(show.revision)?;
    if !matches!(show.state, ShowState::Stopped | ShowState::Error) {
        return Err(wrong_state(&show));
    }
    let state = draft.state();
    if state.callers_in(id) > 0 || state.slots.values().any(|slot| slot.show == *id) {
        return Err(Denied::ShowInUse { show: id.clone() });
    }
    let invites = state.invites.values().filter(|i| i.show == *id);
    let revoked = invites.map(|i| Event::InviteRevoked { id: i.id.clone() });
    let callers = state.callers.values().filter(|c| c.show == *id);
    let forgotten = callers.map(|c| Event::CallerForgotten { id: c.id.clone() });
    let mut events: Vec<Event> = revoked.chain(forgotten).collect();
    events.push(Event::ShowDeleted { id: id.clone() });
    for event in events {
        draft.emit(event);
    }
    Ok(Target::Show(id.clone()))
}

fn change(draft: &mut Draft<'_>, id: &ShowId, state: ShowState) {
    let id = id.clone();
    draft.emit(Event::ShowStateChanged { id, state });
}

fn wrong_state(show: &Show) -> Denied {
    Denied::ShowNotIn {
        show: show.id.clone(),
        state: show.state,
    }
}
