use crate::Event;

use super::Fold;

impl Fold<'_> {
    pub(super) fn channel_event(&mut self, _event: &Event) {}
}
