//! Channels: one flat record each, and after every change a look at what has to be counted from now.

use booth_core::*;

use super::{Model, Next};

#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    pub id: String,
    pub ports: Vec<u16>,
    pub takeover_ms: i64,
    pub alert_backup_ms: i64,
    pub alert_destination_ms: i64,
    pub key: String,
    pub running: bool,
    pub force: Force,
    /// Since when there is a worker, or none.
    pub worker: Result<i64, i64>,
    pub showing: (ChannelShowing, i64),
    pub live: (LiveState, i64),
    /// Number, protocol, since.
    pub publisher: Option<(u64, PublishProtocol, i64)>,
    pub off_live: Option<i64>,
    pub outlets: Vec<Outlet>,
    pub alerts: Vec<ChannelAlert>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Outlet {
    pub id: String,
    pub url: String,
    pub enabled: bool,
    pub state: DestinationState,
    pub error: String,
    pub down: Option<i64>,
}

impl Station {
    fn off(&mut self, now: i64) {
        if self.showing.0 != ChannelShowing::Off {
            self.showing = (ChannelShowing::Off, now);
        }
        if self.live.0 != LiveState::Absent {
            self.live = (LiveState::Absent, now);
        }
        for outlet in &mut self.outlets {
            outlet.state = DestinationState::Idle;
        }
    }

    fn carried_by(&self, by: &[PublishProtocol]) -> bool {
        self.publisher.as_ref().is_some_and(|p| by.contains(&p.1))
    }

    fn lost(&mut self, now: i64) {
        self.off(now);
        if self.carried_by(&[PublishProtocol::Srt]) {
            self.publisher = None;
        }
    }

    /// What is said by somebody who is not there.
    fn stale_word(&self) -> bool {
        let said = self.showing.0 != ChannelShowing::Off
            || self.live.0 != LiveState::Absent
            || self.carried_by(&[PublishProtocol::Srt])
            || self
                .outlets
                .iter()
                .any(|o| o.state != DestinationState::Idle);
        self.worker.is_err() && said
    }

    fn accept(&mut self, now: i64, new: &Publisher) -> Result<(), &'static str> {
        if let Some((_, _, since)) = self.publisher {
            let silent = matches!(self.live.0, LiveState::Absent | LiveState::Lost { .. });
            let stale = self.worker.is_ok_and(|up| {
                let quiet = now - since.max(self.live.1).max(up);
                silent && quiet >= self.takeover_ms
            });
            if !stale {
                return Err("CHANNEL_BUSY");
            }
        }
        self.publisher = Some((new.id.0, new.protocol, now));
        Ok(())
    }

    /// Clocks that run, and alerts that end.
    fn look(&mut self, now: i64) {
        let missing =
            self.running && self.force == Force::Auto && self.showing.0 != ChannelShowing::Live;
        self.off_live = missing.then(|| self.off_live.unwrap_or(now));
        for outlet in &mut self.outlets {
            let wanted = self.running && outlet.enabled;
            let down = wanted && outlet.state != DestinationState::Live;
            outlet.down = down.then(|| outlet.down.unwrap_or(now));
        }
        let alerts = std::mem::take(&mut self.alerts);
        let held = alerts.into_iter().filter(|alert| {
            let at = self.alarm(alert);
            at.is_some_and(|at| at <= now)
        });
        self.alerts = held.collect();
    }

    fn alarm(&self, alert: &ChannelAlert) -> Option<i64> {
        let (since, ms) = match alert {
            ChannelAlert::OnBackup => (self.off_live, self.alert_backup_ms),
            ChannelAlert::DestinationDown(id) => {
                let outlet = self.outlets.iter().find(|o| o.id == id.as_str())?;
                (outlet.down, self.alert_destination_ms)
            }
        };
        if ms == 0 { None } else { Some(since? + ms) }
    }

    pub fn due(&self) -> Vec<(i64, Next)> {
        let mut all = Vec::new();
        let ids = self.outlets.iter().map(|o| DestinationId::new(&o.id));
        let mut alerts = vec![ChannelAlert::OnBackup];
        alerts.extend(ids.map(|id| ChannelAlert::DestinationDown(id.unwrap())));
        for alert in alerts {
            if let Some(at) = self.alarm(&alert)
                && !self.alerts.contains(&alert)
            {
                all.push((at, Next::Alarm(alert)));
            }
        }
        if let Err(since) = self.worker
            && self.stale_word()
        {
            all.push((since + 5_000, Next::Gone));
        }
        all
    }
}

impl Model {
    pub(super) fn channel_verb(
        &mut self,
        stale: bool,
        command: &Command,
    ) -> Result<(), &'static str> {
        let now = self.now;
        match command {
            Command::CreateChannel { id, settings, key } => {
                if self.stations.iter().any(|s| s.id == id.as_str()) {
                    return Err("CHANNEL_EXISTS");
                }
                self.ports_free(id, settings)?;
                let mut station = Station {
                    id: id.to_string(),
                    ports: vec![],
                    takeover_ms: 0,
                    alert_backup_ms: 0,
                    alert_destination_ms: 0,
                    key: key.0.clone(),
                    running: false,
                    force: Force::Auto,
                    worker: Err(now),
                    showing: (ChannelShowing::Off, now),
                    live: (LiveState::Absent, now),
                    publisher: None,
                    off_live: None,
                    outlets: vec![],
                    alerts: vec![],
                };
                set(&mut station, settings);
                self.stations.push(station);
                self.stations.sort_by(|a, b| a.id.cmp(&b.id));
            }
            Command::UpdateChannel { id, settings } => {
                self.station(id, stale)?;
                self.ports_free(id, settings)?;
                set(self.station(id, false)?, settings);
            }
            Command::DeleteChannel { id } => {
                if self.station(id, stale)?.running {
                    return Err("CHANNEL_RUNNING");
                }
                self.stations.retain(|s| s.id != id.as_str());
            }
            Command::StartChannel { id } => self.station(id, stale)?.running = true,
            Command::StopChannel { id } => {
                let station = self.station(id, stale)?;
                if station.running {
                    station.running = false;
                    station.publisher = None;
                    station.off(now);
                }
            }
            Command::ForceChannel { id, force } => self.station(id, stale)?.force = *force,
            Command::RotateChannelKey { id, key } => {
                let station = self.station(id, stale)?;
                station.key = key.0.clone();
                station.publisher = None;
            }
            Command::KickPublisher { id } => {
                let gone = self.station(id, stale)?.publisher.take();
                gone.ok_or("NO_PUBLISHER")?;
            }
            Command::Publish {
                channel,
                publisher,
                key,
            } => {
                let station = self.stations.iter().find(|s| s.id == channel.as_str());
                if station.is_some_and(|s| s.key != key.0) {
                    return Err("INVALID_ARGUMENT");
                }
                let station = self.station(channel, stale)?;
                if !station.running {
                    return Err("CHANNEL_OFF");
                }
                if station.publisher.is_none_or(|p| p.0 != publisher.id.0) {
                    station.accept(now, publisher)?;
                }
            }
            other => self.outlet_verb(stale, other)?,
        }
        self.look();
        Ok(())
    }

    fn outlet_verb(&mut self, stale: bool, command: &Command) -> Result<(), &'static str> {
        match command {
            Command::AddDestination {
                channel,
                id,
                settings,
                enabled,
            } => {
                let station = self.station(channel, false)?;
                if station.outlets.iter().any(|o| o.id == id.as_str()) {
                    return Err("DESTINATION_EXISTS");
                }
                station.outlets.push(Outlet {
                    id: id.to_string(),
                    url: settings.url.clone(),
                    enabled: *enabled,
                    state: DestinationState::Idle,
                    error: String::new(),
                    down: None,
                });
                station.outlets.sort_by(|a, b| a.id.cmp(&b.id));
            }
            Command::UpdateDestination {
                channel,
                id,
                settings,
            } => self
                .outlet(channel, id, stale)?
                .url
                .clone_from(&settings.url),
            Command::SetDestinationEnabled {
                channel,
                id,
                enabled,
            } => {
                let outlet = self.outlet(channel, id, stale)?;
                let again = *enabled && outlet.state == DestinationState::Failed;
                if outlet.enabled != *enabled || again {
                    outlet.enabled = *enabled;
                    outlet.state = DestinationState::Idle;
                    outlet.error.clear();
                }
            }
            Command::RemoveDestination { channel, id } => {
                self.outlet(channel, id, stale)?;
                let station = self.station(channel, false)?;
                station.outlets.retain(|o| o.id != id.as_str());
            }
            other => panic!("the model does not know {other:?}"),
        }
        Ok(())
    }

    pub(super) fn channel_fact(&mut self, fact: &Fact) {
        let now = self.now;
        match fact {
            Fact::Started => {
                for station in &mut self.stations {
                    if station.worker.is_ok() || station.stale_word() {
                        station.worker = Err(now);
                    }
                    if station.carried_by(&[PublishProtocol::Whip]) {
                        station.publisher = None;
                    }
                }
            }
            Fact::IngestDown => {
                for station in &mut self.stations {
                    if station.carried_by(&[PublishProtocol::Rtmp, PublishProtocol::Rtmps]) {
                        station.publisher = None;
                    }
                }
            }
            Fact::ChannelWorkerUp { channel } => {
                if let Ok(station) = self.station(channel, false)
                    && station.running
                {
                    station.worker = Ok(station.worker.unwrap_or(now));
                }
            }
            Fact::ChannelWorkerDown { channel } => {
                if let Ok(station) = self.station(channel, false) {
                    station.worker = Err(station.worker.map_or_else(|since| since, |_| now));
                    station.lost(now);
                }
            }
            Fact::ChannelShowing {
                channel, showing, ..
            } => {
                if let Some(station) = self.heard(channel)
                    && station.showing.0 != *showing
                {
                    station.showing = (*showing, now);
                }
            }
            Fact::ChannelLive { channel, live, .. } => {
                if let Some(station) = self.heard(channel)
                    && station.live.0 != *live
                {
                    station.live = (live.clone(), now);
                }
            }
            Fact::PublisherUp { channel, publisher } => {
                if let Ok(station) = self.station(channel, false) {
                    let older = station.publisher.is_some_and(|p| p.0 >= publisher.id.0);
                    if station.running && !older {
                        let _ = station.accept(now, publisher);
                    }
                }
            }
            Fact::PublisherDown { channel, id, .. } => {
                if let Ok(station) = self.station(channel, false) {
                    station.publisher = station.publisher.filter(|p| p.0 != id.0);
                }
            }
            Fact::DestinationState {
                channel,
                id,
                state,
                error,
            } => {
                if let Some(station) = self.heard(channel) {
                    let mut outlets = station.outlets.iter_mut();
                    let outlet = outlets.find(|o| o.id == id.as_str() && o.enabled);
                    let again = |outlet: &&mut Outlet| {
                        let before = (outlet.state, *state);
                        before != (DestinationState::Retrying, DestinationState::Connecting)
                    };
                    if let Some(outlet) = outlet.filter(again) {
                        outlet.state = *state;
                        if *state == DestinationState::Live || !error.is_empty() {
                            outlet.error = error.to_string();
                        }
                    }
                }
            }
            // It only names files.
            Fact::ChannelPrepared { .. } => {}
            _ => return,
        }
        self.look();
    }

    pub(super) fn channel_due(&mut self, id: &str, next: &Next) {
        let now = self.now;
        let mut stations = self.stations.iter_mut();
        let station = stations.find(|s| s.id == id).unwrap();
        match next {
            Next::Alarm(alert) => {
                station.alerts.push(alert.clone());
                station.alerts.sort();
            }
            _ => station.lost(now),
        }
        self.look();
    }

    fn look(&mut self) {
        for station in &mut self.stations {
            station.look(self.now);
        }
    }

    fn heard(&mut self, id: &ChannelId) -> Option<&mut Station> {
        let station = self.station(id, false).ok()?;
        (station.running && station.worker.is_ok()).then_some(station)
    }

    fn station(&mut self, id: &ChannelId, stale: bool) -> Result<&mut Station, &'static str> {
        let mut stations = self.stations.iter_mut();
        let station = stations.find(|s| s.id == id.as_str());
        let station = station.ok_or("CHANNEL_NOT_FOUND")?;
        if stale {
            Err("REVISION_MISMATCH")
        } else {
            Ok(station)
        }
    }

    fn outlet(
        &mut self,
        channel: &ChannelId,
        id: &DestinationId,
        stale: bool,
    ) -> Result<&mut Outlet, &'static str> {
        let mut outlets = self.station(channel, false)?.outlets.iter_mut();
        let outlet = outlets.find(|o| o.id == id.as_str());
        let outlet = outlet.ok_or("DESTINATION_NOT_FOUND")?;
        if stale {
            Err("REVISION_MISMATCH")
        } else {
            Ok(outlet)
        }
    }

    fn ports_free(&self, id: &ChannelId, settings: &ChannelSettings) -> Result<(), &'static str> {
        let ports: Vec<u16> = settings.ports().collect();
        let stations = self.stations.iter().filter(|s| s.id != id.as_str());
        let mut taken: Vec<u16> = stations.flat_map(|s| s.ports.clone()).collect();
        taken.extend(self.slots.iter().map(|slot| slot.port));
        if ports.iter().any(|port| taken.contains(port)) {
            Err("PORT_TAKEN")
        } else {
            Ok(())
        }
    }
}

fn set(station: &mut Station, settings: &ChannelSettings) {
    station.ports = settings.ports().collect();
    station.takeover_ms = settings.policy.takeover_ms.into();
    station.alert_backup_ms = settings.policy.alert_backup_ms.into();
    station.alert_destination_ms = settings.policy.alert_destination_ms.into();
}
