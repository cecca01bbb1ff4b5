//! When a channel's alerts are due, and until when what a lost worker said last counts.

use std::time::Duration;

use crate::{
    Channel, ChannelAlert, ChannelShowing, DestinationState, Due, LiveState, PublishProtocol,
    Timestamp, WORKER_GRACE_MS, WorkerState,
};

impl Channel {
    /// From when on this alert holds; `None` while there is no cause for it.
    pub fn alert_at(&self, alert: &ChannelAlert) -> Option<Timestamp> {
        let (since, limit_ms) = match alert {
            ChannelAlert::OnBackup => (self.off_live_since, self.settings.policy.alert_backup_ms),
            ChannelAlert::DestinationDown(id) => (
                self.destinations.get(id)?.down_since,
                self.settings.policy.alert_destination_ms,
            ),
        };
        let limit = Duration::from_millis(limit_ms.into());
        since.filter(|_| limit_ms > 0).map(|at| at.plus(limit))
    }

    /// What waits for time: alerts not raised yet, and the end of a lost worker's grace.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (Timestamp, Due)> + '_ {
        let downs = self.destinations.keys().cloned();
        let alerts = downs.map(ChannelAlert::DestinationDown);
        let alerts = [ChannelAlert::OnBackup].into_iter().chain(alerts);
        let alerts = alerts.filter_map(|alert| {
            let at = self.alert_at(&alert)?;
            let new = !self.alerts.contains(&alert);
            new.then(|| (at, Due::ChannelAlert(self.id.clone(), alert)))
        });
        let grace = Duration::from_millis(WORKER_GRACE_MS);
        let gone = self.is_last_known().then(|| {
            let at = self.worker_since.plus(grace);
            (at, Due::ChannelGone(self.id.clone()))
        });
        alerts.chain(gone)
    }

    /// Whether something of what it shows was said by a worker that is not there now.
    pub(crate) fn is_last_known(&self) -> bool {
        let carries = |p: &crate::Publisher| p.protocol == PublishProtocol::Srt;
        self.worker == WorkerState::Down
            && (self.showing != ChannelShowing::Off
                || self.live != LiveState::Absent
                || self.publisher.as_ref().is_some_and(carries)
                || self
                    .destinations
                    .values()
                    .any(|d| d.state != DestinationState::Idle))
    }
}
