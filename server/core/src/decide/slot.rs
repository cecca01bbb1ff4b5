use crate::{
    CallerId, CallerState, Denied, Event, PortUser, ReleaseCause, ShowId, SlotId, SlotOutput,
    SlotSettings, Target, Transition,
};

use super::draft::Draft;
use super::{air, settings};

pub(super) fn create(
    draft: &mut Draft<'_>,
    id: &SlotId,
    show: &ShowId,
    new: &SlotSettings,
) -> Result<Target, Denied> {
    if draft.state().slots.contains_key(id) {
        return Err(Denied::SlotExists { slot: id.clone() });
    }
    draft.show(show)?;
    settings::slot(new)?;
    port_is_free(draft, id, new)?;
    draft.emit(Event::SlotCreated {
        id: id.clone(),
        show: show.clone(),
        settings: new.clone(),
    });
    Ok(Target::Slot(id.clone()))
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    id: &SlotId,
    new: &SlotSettings,
) -> Result<Target, Denied> {
    let slot = draft.slot(id)?;
    draft.fresh(slot.revision)?;
    settings::slot(new)?;
    port_is_free(draft, id, new)?;
    if slot.settings != *new {
        draft.emit(Event::SlotUpdated {
            id: id.clone(),
            settings: new.clone(),
        });
    }
    Ok(Target::Slot(id.clone()))
}

/// Whoever is on it stays on the line: HELD, at the head of the queue.
pub(super) fn delete(draft: &mut Draft<'_>, id: &SlotId) -> Result<Target, Denied> {
    let slot = draft.slot(id)?;
    draft.fresh(slot.revision)?;
    if let Some(assigned) = &slot.assigned {
        let caller = &assigned.caller;
        let cause = ReleaseCause::SlotDeleted;
        air::off(draft, id, caller, Transition::Cut, cause);
        air::back_to_head(draft, caller, CallerState::Held);
    }
    draft.emit(Event::SlotDeleted { id: id.clone() });
    Ok(Target::Slot(id.clone()))
}

/// Any connected caller of the show who is not on air: arming is also how one is looked at before being approved.
pub(super) fn arm(
    draft: &mut Draft<'_>,
    id: &SlotId,
    caller: Option<&CallerId>,
) -> Result<Target, Denied> {
    let slot = draft.slot(id)?;
    draft.fresh(slot.revision)?;
    if let Some(caller) = caller {
        let found = air::eligible(draft, &slot, caller)?;
        if slot.armed.as_ref() != Some(caller) && !found.link.is_up() {
            let caller = caller.clone();
            return Err(Denied::CallerNotConnected { caller });
        }
    }
    if slot.armed.as_ref() != caller {
        draft.emit(Event::SlotArmed {
            id: id.clone(),
            caller: caller.cloned(),
        });
    }
    Ok(Target::Slot(id.clone()))
}

fn port_is_free(draft: &Draft<'_>, id: &SlotId, new: &SlotSettings) -> Result<(), Denied> {
    let SlotOutput::Listen { port } = new.output else {
        return Ok(());
    };
    let own = PortUser::Slot(id.clone());
    let mut taken = draft.state().ports();
    match taken.find(|(taken, user)| *taken == port && *user != own) {
        Some((port, PortUser::Slot(by))) => Err(Denied::SlotPortTaken { port, by }),
        Some((port, user @ PortUser::Channel(_))) => Err(Denied::PortTaken {
            port,
            by: user.to_string(),
        }),
        None => Ok(()),
    }
}
