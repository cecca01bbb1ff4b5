use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{
    Channel, ChannelAlert, ChannelId, ChannelSettings, ChannelShowing, Destination, DestinationId,
    DestinationState, Event, Force, Key, LiveState, Prepared, Sealed, SwitchCause, Timestamp,
    WorkerState,
};

use super::Fold;

impl Fold<'_> {
    pub(super) fn channel_event(&mut self, event: &Event) {
        let at = self.at;
        match event {
            Event::ChannelCreated { id, settings, key } => self.channel_created(id, settings, key),
            Event::ChannelUpdated { id, settings } => self.channel(id, |channel| {
                let failed = matches!(channel.prepared, Some(Prepared::Failed { .. }));
                if failed || channel.settings.loop_key() != settings.loop_key() {
                    channel.prepared = None;
                }
                channel.settings = settings.clone();
            }),
            Event::ChannelDeleted { id } => {
                if self.state.channels.remove(id).is_some() {
                    self.touched.insert(Key::Channel(id.clone()));
                }
            }
            Event::ChannelStarted { id } => self.channel(id, |channel| channel.running = true),
            Event::ChannelStopped { id } => self.channel(id, |channel| channel.running = false),
            Event::ChannelForced { id, force } => self.channel(id, |c| c.force = *force),
            Event::ChannelKeyRotated { id, key } => self.channel(id, |c| c.key = key.clone()),
            Event::ChannelWorker { id, worker } => self.channel(id, |channel| {
                channel.worker = *worker;
                channel.worker_since = at;
            }),
            Event::ChannelSwitched { id, to, cause, .. } => self.channel(id, |channel| {
                channel.showing = *to;
                channel.showing_since = at;
                channel.cause = *cause;
            }),
            Event::ChannelLive { id, live, format } => self.channel(id, |channel| {
                if channel.live != *live {
                    channel.live = live.clone();
                    channel.live_since = at;
                }
                channel.live_format.clone_from(format);
            }),
            Event::PublisherConnected { id, publisher } => self.channel(id, |channel| {
                let mut publisher = publisher.clone();
                publisher.since = at;
                channel.publisher = Some(publisher);
            }),
            Event::PublisherDisconnected { id, publisher, .. } => self.channel(id, |channel| {
                channel.publisher = channel.publisher.take().filter(|p| p.id != *publisher);
            }),
            Event::ChannelPrepared { id, prepared } => self.channel(id, |channel| {
                if let Prepared::Ready { key, .. } = prepared {
                    channel.loops = Some(key.clone());
                }
                channel.prepared = Some(prepared.clone());
            }),
            Event::ChannelAlertRaised { id, alert } => self.channel(id, |channel| {
                channel.alerts.insert(alert.clone());
            }),
            Event::ChannelAlertCleared { id, alert } => self.channel(id, |channel| {
                channel.alerts.remove(alert);
            }),
            other => self.destination_event(other),
        }
    }

    fn destination_event(&mut self, event: &Event) {
        let (at, revision) = (self.at, self.revision);
        match event {
            Event::DestinationAdded {
                channel,
                id,
                settings,
                enabled,
            } => self.destinations(channel, |destinations| {
                let new = Destination {
                    id: id.clone(),
                    settings: settings.clone(),
                    enabled: *enabled,
                    state: DestinationState::Idle,
                    state_since: at,
                    attempt: revision,
                    down_since: None,
                    last_error: Default::default(),
                    revision,
                };
                destinations.entry(id.clone()).or_insert(new);
            }),
            Event::DestinationUpdated {
                channel,
                id,
                settings,
            } => self.destination(channel, id, |destination| {
                destination.settings = settings.clone();
                destination.attempt = revision;
            }),
            Event::DestinationEnabled {
                channel,
                id,
                enabled,
            } => self.destination(channel, id, |destination| {
                destination.enabled = *enabled;
                destination.attempt = revision;
                destination.last_error = Default::default();
                set_state(destination, DestinationState::Idle, at);
            }),
            Event::DestinationRemoved { channel, id } => self.destinations(channel, |all| {
                all.remove(id);
            }),
            Event::DestinationState {
                channel,
                id,
                state,
                error,
            } => self.destination(channel, id, |destination| {
                set_state(destination, *state, at);
                if *state == DestinationState::Live || !error.is_empty() {
                    destination.last_error = error.clone();
                }
            }),
            // `ChannelKeyRevealed` is only for the record; the others are nobody's here.
            _ => {}
        }
    }

    fn channel_created(&mut self, id: &ChannelId, settings: &ChannelSettings, key: &Sealed) {
        if self.state.channels.contains_key(id) {
            return;
        }
        let channel = Channel {
            id: id.clone(),
            settings: settings.clone(),
            key: key.clone(),
            running: false,
            force: Force::Auto,
            destinations: BTreeMap::new(),
            worker: WorkerState::Down,
            worker_since: self.at,
            showing: ChannelShowing::Off,
            showing_since: self.at,
            cause: SwitchCause::Stopped,
            off_live_since: None,
            publisher: None,
            live: LiveState::Absent,
            live_since: self.at,
            live_format: None,
            prepared: None,
            loops: None,
            alerts: BTreeSet::new(),
            created_at: self.at,
            revision: self.revision,
        };
        self.touched.insert(Key::Channel(id.clone()));
        self.state.channels.insert(id.clone(), Arc::new(channel));
    }

    fn channel(&mut self, id: &ChannelId, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = self.state.channels.get_mut(id) {
            let channel = Arc::make_mut(channel);
            change(channel);
            channel.revision = self.revision;
            settle(channel, self.at);
            self.touched.insert(Key::Channel(id.clone()));
        }
    }

    fn destinations(
        &mut self,
        channel: &ChannelId,
        change: impl FnOnce(&mut BTreeMap<DestinationId, Destination>),
    ) {
        if let Some(found) = self.state.channels.get_mut(channel) {
            let found = Arc::make_mut(found);
            change(&mut found.destinations);
            settle(found, self.at);
            self.touched.insert(Key::Channel(channel.clone()));
        }
    }

    fn destination(
        &mut self,
        channel: &ChannelId,
        id: &DestinationId,
        change: impl FnOnce(&mut Destination),
    ) {
        let known = self.state.channels.get(channel);
        if known.is_some_and(|channel| channel.destinations.contains_key(id)) {
            let revision = self.revision;
            self.destinations(channel, |destinations| {
                if let Some(destination) = destinations.get_mut(id) {
                    change(destination);
                    destination.revision = revision;
                }
            });
        }
    }
}

fn set_state(destination: &mut Destination, state: DestinationState, at: Timestamp) {
    if destination.state != state {
        destination.state = state;
        destination.state_since = at;
    }
}

/// What follows from the rest, whatever happened: a channel that is off shows nothing, feeds nobody and alarms nobody.
fn settle(channel: &mut Channel, at: Timestamp) {
    if !channel.running {
        if channel.showing != ChannelShowing::Off {
            channel.showing = ChannelShowing::Off;
            channel.showing_since = at;
            channel.cause = SwitchCause::Stopped;
        }
        if channel.live != LiveState::Absent {
            channel.live = LiveState::Absent;
            channel.live_since = at;
        }
        channel.live_format = None;
        channel.publisher = None;
    }
    let missing =
        channel.running && channel.force == Force::Auto && channel.showing != ChannelShowing::Live;
    channel.off_live_since = missing.then(|| channel.off_live_since.unwrap_or(at));
    for destination in channel.destinations.values_mut() {
        if !(channel.running && destination.enabled) {
            set_state(destination, DestinationState::Idle, at);
            destination.down_since = None;
        } else if destination.state == DestinationState::Live {
            destination.down_since = None;
        } else {
            destination.down_since = destination.down_since.or(Some(at));
        }
    }
    let destinations = &channel.destinations;
    let (off_live, running) = (channel.off_live_since.is_some(), channel.running);
    channel.alerts.retain(|alert| match alert {
        ChannelAlert::OnBackup => running && off_live,
        ChannelAlert::DestinationDown(id) => {
            let destination = destinations.get(id);
            destination.is_some_and(|destination| destination.down_since.is_some())
        }
    });
}
