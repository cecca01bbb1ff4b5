//! Questions that several rooms ask of the state; none of them changes it.

use std::time::Duration;

use crate::{
    Caller, CallerId, CallerState, Due, ENDED_KEPT, ENDED_KEPT_MS, EXPIRED_KEPT_MS, Invite, Link,
    Operator, ShowId, SlotId, State, Timestamp, TokenHash,
};

impl State {
    /// 1-based place in the show's queue; `None` for who is ON_AIR, ended or unknown.
    pub fn position(&self, id: &CallerId) -> Option<u32> {
        let show = self.shows.get(&self.callers.get(id)?.show)?;
        let at = show.queue.iter().position(|queued| queued == id)?;
        u32::try_from(at).ok()?.checked_add(1)
    }

    /// Whom `--next` would take: first in queue order who is READY and whose media is arriving.
    pub fn next_ready(&self, show: &ShowId) -> Option<&CallerId> {
        let queue = &self.shows.get(show)?.queue;
        queue.iter().find(|id| {
            self.callers
                .get(*id)
                .is_some_and(|caller| caller.state == CallerState::Ready && caller.link.is_up())
        })
    }

    /// Whom the slot's worker should have decoded and ready: the one armed on request while they can be shown, else
    /// the next READY caller. An occupied slot has only the one on request, as nobody is taken to it by `--next`.
    pub fn armed_for(&self, slot: &SlotId) -> Option<&CallerId> {
        let slot = self.slots.get(slot)?;
        let requested = slot.armed.as_ref().filter(|id| {
            self.callers.get(*id).is_some_and(|caller| {
                let queued = !caller.state.is_ended() && caller.state != CallerState::OnAir;
                queued && caller.link.is_up() && caller.show == slot.show
            })
        });
        match requested {
            Some(id) => Some(id),
            None if slot.assigned.is_none() => self.next_ready(&slot.show),
            None => None,
        }
    }

    pub fn invite_by_token(&self, token: &TokenHash) -> Option<&Invite> {
        let mut invites = self.invites.values();
        invites.find(|i| i.token == *token).map(AsRef::as_ref)
    }

    /// Also answers a caller who has ended, as long as the state remembers them.
    pub fn caller_by_rejoin(&self, token: &TokenHash) -> Option<&Caller> {
        let mut callers = self.callers.values();
        callers.find(|c| c.rejoin == *token).map(AsRef::as_ref)
    }

    pub fn operator_by_token(&self, token: &TokenHash) -> Option<&Operator> {
        let mut operators = self.operators.values();
        operators
            .find(|o| o.tokens.contains(token))
            .map(AsRef::as_ref)
    }

    /// Callers of a show who have not ended: what `max_callers` counts.
    pub fn callers_in(&self, show: &ShowId) -> usize {
        let of_show = |c: &&std::sync::Arc<Caller>| c.show == *show && !c.state.is_ended();
        self.callers.values().filter(of_show).count()
    }

    /// When the next [`crate::Input::Tick`] is due, and why; `None` when nothing waits for time.
    ///
    /// A tick at that time or later does everything that is due then, so what is answered afterwards lies ahead of it.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Due)> {
        self.waits().min_by_key(|(at, _)| *at)
    }

    /// Everything that waits for time: at most one thing a caller, callers there is no room for, expired invites, alerts
    /// of channels.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (Timestamp, Due)> + '_ {
        let surplus = self.surplus_ended().into_iter();
        let forget = surplus.map(|caller| (caller.state_since, Due::Forget(caller.id.clone())));
        let callers = self.callers.values();
        let callers = callers.filter_map(|caller| self.caller_due(caller));
        let kept = Duration::from_millis(EXPIRED_KEPT_MS);
        let invites = self.invites.values().filter_map(move |invite| {
            let at = invite.expires_at?.plus(kept);
            Some((at, Due::ForgetInvite(invite.id.clone())))
        });
        let channels = self.channels.values().flat_map(|channel| channel.waits());
        forget.chain(callers).chain(invites).chain(channels)
    }

    /// What time does next to this caller.
    fn caller_due(&self, caller: &Caller) -> Option<(Timestamp, Due)> {
        if caller.state.is_ended() {
            let at = caller
                .state_since
                .plus(Duration::from_millis(ENDED_KEPT_MS));
            return Some((at, Due::Forget(caller.id.clone())));
        }
        let Link::Down { since } = caller.link else {
            return None;
        };
        let settings = self.shows.get(&caller.show)?.settings;
        let lost = since.plus(settings.grace());
        let released = since.plus(settings.on_air_grace());
        if caller.state == CallerState::OnAir && released < lost {
            Some((released, Due::OnAirGraceOver(caller.id.clone())))
        } else {
            Some((lost, Due::GraceOver(caller.id.clone())))
        }
    }

    /// Ended callers beyond [`ENDED_KEPT`]: those who ended first, in that order.
    fn surplus_ended(&self) -> Vec<&Caller> {
        let ended = |c: &&std::sync::Arc<Caller>| c.state.is_ended();
        let count = self.callers.values().filter(ended).count();
        let surplus = count.saturating_sub(ENDED_KEPT);
        if surplus == 0 {
            return Vec::new();
        }
        let ended = self.callers.values().filter(ended);
        let mut ended: Vec<&Caller> = ended.map(AsRef::as_ref).collect();
        ended.sort_by_key(|caller| caller.state_since);
        ended.truncate(surplus);
        ended
    }
}
