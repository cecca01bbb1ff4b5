use crate::{CallerState, Due, EndReason, Event, ReleaseCause, Text, Transition};

use super::draft::Draft;
use super::{air, caller, channel_fact};

/// Everything that is due, in the order of its time: one late tick does what several on time would have done.
pub(super) fn tick(draft: &mut Draft<'_>) {
    // What is done may make another thing due: each round ends, releases or forgets somebody, so it comes to an end.
    loop {
        let now = draft.now;
        let mut due: Vec<_> = draft.state().waits().filter(|(at, _)| *at <= now).collect();
        if due.is_empty() {
            return;
        }
        due.sort_by_key(|(at, _)| *at);
        for (_, due) in due {
            act(draft, due);
        }
    }
}

fn act(draft: &mut Draft<'_>, due: Due) {
    match due {
        Due::GraceOver(id) => caller::end(draft, &id, EndReason::Lost, &Text::default()),
        Due::Forget(id) => {
            // One may be there twice, for their age and for want of room.
            if draft.caller(&id).is_ok() {
                draft.emit(Event::CallerForgotten { id });
            }
        }
        Due::ChannelAlert(id, alert) => {
            // What was due before may have ended its cause.
            let at = draft.channel(&id).ok().and_then(|c| c.alert_at(&alert));
            if at.is_some_and(|at| at <= draft.now) {
                draft.emit(Event::ChannelAlertRaised { id, alert });
            }
        }
        Due::ChannelGone(id) => channel_fact::gone(draft, &id),
        Due::ForgetInvite(id) => draft.emit(Event::InviteRevoked { id }),
        Due::OnAirGraceOver(id) => {
            if let Some(slot) = draft.caller(&id).ok().and_then(|c| c.slot.clone()) {
                let cause = ReleaseCause::MediaLost;
                air::off(draft, &slot, &id, Transition::Cut, cause);
                air::back_to_head(draft, &id, CallerState::Ready);
            }
        }
    }
}
