use crate::{CallerState, Due, EndReason, Event, ReleaseCause, Text, Transition};

use super::draft::Draft;
use super::{air, caller};

/// Everything that is due, in the order of its time: one late tick does what several on time would have done.
pub(super) fn tick(draft: &mut Draft<'_>) {
    while let Some((at, due)) = draft.state().poll_timeout() {
        if at > draft.now {
            return;
        }
        match due {
            Due::GraceOver(id) => caller::end(draft, &id, EndReason::Lost, &Text::default()),
            Due::Forget(id) => draft.emit(Event::CallerForgotten { id }),
            Due::OnAirGraceOver(id) => {
                let Some(slot) = draft.caller(&id).ok().and_then(|c| c.slot.clone()) else {
                    return;
                };
                air::off(draft, &slot, &id, Transition::Cut, ReleaseCause::MediaLost);
                air::back_to_head(draft, &id, CallerState::Ready);
            }
        }
    }
}
