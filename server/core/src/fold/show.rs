use std::sync::Arc;

use crate::{Invite, InviteId, Key, Show, ShowId, ShowSettings, ShowState, Text};

use super::Fold;

impl Fold<'_> {
    pub(super) fn show_created(&mut self, id: &ShowId, title: &Text) {
        if self.state.shows.contains_key(id) {
            return;
        }
        let show = Show {
            id: id.clone(),
            title: title.clone(),
            state: ShowState::Stopped,
            settings: ShowSettings::default(),
            queue: Vec::new(),
            created_at: self.at,
            updated_at: self.at,
            revision: self.revision,
        };
        self.touched.insert(Key::Show(id.clone()));
        self.state.shows.insert(id.clone(), Arc::new(show));
    }

    pub(super) fn show_updated(&mut self, id: &ShowId, title: &Text, settings: &ShowSettings) {
        let at = self.at;
        if let Some(show) = self.show(id) {
            show.title = title.clone();
            show.settings = *settings;
            show.updated_at = at;
        }
    }

    pub(super) fn show_state(&mut self, id: &ShowId, state: ShowState) {
        let at = self.at;
        if let Some(show) = self.show(id) {
            show.state = state;
            show.updated_at = at;
        }
    }

    /// Callers it still has go with it: nothing could end or show them any more.
    pub(super) fn show_deleted(&mut self, id: &ShowId) {
        if !self.state.shows.contains_key(id) {
            return;
        }
        let callers = self.state.callers.values();
        let left: Vec<_> = callers
            .filter(|caller| caller.show == *id)
            .map(|caller| caller.id.clone())
            .collect();
        for caller in left {
            self.caller_forgotten(&caller);
        }
        self.state.shows.remove(id);
        self.touched.insert(Key::Show(id.clone()));
    }

    pub(super) fn invite_created(&mut self, invite: &Invite) {
        let mut invite = invite.clone();
        invite.revision = self.revision;
        self.touched.insert(Key::Invite(invite.id.clone()));
        self.state
            .invites
            .insert(invite.id.clone(), Arc::new(invite));
    }

    pub(super) fn invite_used(&mut self, id: &InviteId) {
        let Some(invite) = self.state.invites.get_mut(id) else {
            return;
        };
        let invite = Arc::make_mut(invite);
        invite.uses_left = invite.uses_left.map(|left| left.saturating_sub(1));
        invite.revision = self.revision;
        self.touched.insert(Key::Invite(id.clone()));
    }
}
