//! Orders to channels, and to their rehearsals.

use std::collections::BTreeMap;

use booth_core::{
    BackupStart, Channel, ChannelId, ChannelMode, Destination, DestinationState, Fact, Force,
    Prepared, PublishProtocol, SessionId, State, TOPIC_MAX, Text,
};
use booth_proto::worker::{self, ChannelDesired, DrillDesired, to_worker::Message};

use super::{Reconciler, slots};
use crate::secrets::{channel_passphrase_context, destination_key_context};
use crate::supervise::UnitId;

/// Runs of a rehearsal that may fail before it is given up: one, since nobody waits for a second.
const DRILL_FAILURES: u32 = 1;

impl Reconciler {
    pub(super) fn order_channels(&mut self, state: &State) {
        for channel in state.channels.values().filter(|c| c.running) {
            let unit = UnitId::Channel(channel.id.clone());
            let Some(link) = self.link(&unit) else {
                self.playing.remove(&channel.id);
                continue;
            };
            // Which loops there are is known in a moment.
            if !self.shelf.is_known() {
                continue;
            }
            let told = link.desired.borrow().clone().and_then(|o| o.message);
            let told = match &told {
                Some(Message::Channel(order)) => Some(order),
                _ => None,
            };
            let desired = self.channel(channel, &unit, told);
            let session = desired.whip.as_ref().map(|s| SessionId(s.session));
            self.parts
                .hub
                .subscribe(&unit.to_string(), &link.packets, session.as_slice());
            let loops = desired.prepared_key.clone();
            if let Some(generation) = self.order(&unit, &link, Message::Channel(desired))
                && self
                    .playing
                    .get(&channel.id)
                    .is_none_or(|(key, _)| *key != loops)
            {
                self.playing.insert(channel.id.clone(), (loops, generation));
            }
        }
        let on = |id: &ChannelId| state.channels.get(id).is_some_and(|c| c.running);
        self.playing.retain(|id, _| on(id));
    }

    /// The worker of the rehearsal before ends by itself, or is about to: the next one has its own, at once.
    pub(super) fn begin_drills(&mut self, drills: &BTreeMap<ChannelId, u64>) {
        for (id, serial) in drills {
            if self.drilling.get(id) != Some(serial) {
                self.parts.supervisor.again(&UnitId::Drill(id.clone()));
            }
        }
        self.drilling.clone_from(drills);
    }

    pub(super) fn order_drills(&mut self, state: &State, drills: &BTreeMap<ChannelId, u64>) {
        for id in drills.keys() {
            let unit = UnitId::Drill(id.clone());
            let Some(channel) = state.channels.get(id) else {
                let why = "the channel is gone".to_owned();
                self.parts.drills.fail(id, why);
                continue;
            };
            let (failures, why) = self.parts.supervisor.failures(&unit);
            if failures >= DRILL_FAILURES {
                self.parts.drills.fail(id, why);
                continue;
            }
            let Some(link) = self.link(&unit) else {
                continue;
            };
            let shadow = self.shadow(channel);
            let desired = DrillDesired {
                channel: Some(shadow),
            };
            // Once: what is rehearsed does not change on the way.
            if link.desired.borrow().is_none() {
                self.order(&unit, &link, Message::Drill(desired));
            }
        }
    }

    fn channel(
        &mut self,
        channel: &Channel,
        unit: &UnitId,
        told: Option<&ChannelDesired>,
    ) -> ChannelDesired {
        let mut settings = settings(channel);
        settings.bind = self.parts.config.channels.bind.to_string();
        let places = self.parts.supervisor.places();
        settings.media_socket = text(&places.media_socket(&channel.id));
        if channel.settings.hls {
            settings.hls_dir = text(&places.hls(&channel.id));
        }
        if let Some(input) = &channel.settings.srt_input {
            let passphrase = match &input.passphrase {
                None => Some(String::new()),
                Some(sealed) => {
                    let context = channel_passphrase_context(&channel.id);
                    self.open(unit, "PASSPHRASE", &context, sealed)
                }
            };
            // Without its passphrase the listener would be open to everybody.
            if let Some(passphrase) = passphrase {
                settings.srt_port = input.port.into();
                settings.srt_latency_ms = input.latency_ms;
                settings.srt_stream_id = input
                    .stream_id
                    .clone()
                    .unwrap_or_else(|| channel.id.to_string());
                settings.srt_passphrase = passphrase;
            }
        }
        let enabled = channel.destinations.values().filter(|d| d.enabled);
        let destinations = enabled
            .filter_map(|d| self.destination(channel, d, unit))
            .collect();
        let publisher = channel.publisher.as_ref();
        let whip = publisher
            .filter(|p| p.protocol == PublishProtocol::Whip)
            .and_then(|p| self.parts.hub.published(p.id));
        ChannelDesired {
            destinations,
            publisher: publisher.map_or(0, |p| p.id.0),
            whip,
            ..self.bare(channel, settings, told)
        }
    }

    /// The same without whom it listens to and whom it sends to.
    fn shadow(&self, channel: &Channel) -> ChannelDesired {
        let settings = worker::ChannelSettings {
            monitor_port: 0,
            ..settings(channel)
        };
        ChannelDesired {
            force: worker::Force::Auto.into(),
            ..self.bare(channel, settings, None)
        }
    }

    fn bare(
        &self,
        channel: &Channel,
        settings: worker::ChannelSettings,
        told: Option<&ChannelDesired>,
    ) -> ChannelDesired {
        let loops = self.loops(channel, told);
        ChannelDesired {
            generation: 0,
            settings: Some(settings),
            force: match channel.force {
                Force::Auto => worker::Force::Auto,
                Force::Live => worker::Force::Live,
                Force::Backup => worker::Force::Backup,
            }
            .into(),
            backup_path: loops.backup,
            slate_path: loops.slate,
            prepared_key: loops.key,
            destinations: Vec::new(),
            publisher: 0,
            whip: None,
        }
    }

    /// The last loops that came out well: while others are made, these stay on air. Only those that are there (as the
    /// shelf saw last) are named, so that the order changes once lost ones are made anew. What this very worker has been
    /// told to play it has open, and goes on.
    fn loops(&self, channel: &Channel, told: Option<&ChannelDesired>) -> Loops {
        let Some(key) = &channel.loops else {
            return self.slate_alone(channel);
        };
        let (id, shelf) = (&channel.id, &self.shelf);
        let named = |there: bool, path: std::path::PathBuf| {
            let path = text(&path);
            let open = told.is_some_and(|t| t.backup_path == path || t.slate_path == path);
            if there || open { path } else { String::new() }
        };
        Loops {
            key: key.clone(),
            backup: named(shelf.has_backup(id, key), shelf.backup_path(id, key)),
            slate: named(shelf.has_slate(id, key), shelf.slate_path(id, key)),
        }
    }

    /// Of a backup that cannot be had, the slate may be there all the same.
    fn slate_alone(&self, channel: &Channel) -> Loops {
        match &channel.prepared {
            Some(Prepared::Failed { key, .. }) if self.shelf.has_slate(&channel.id, key) => Loops {
                key: key.clone(),
                backup: String::new(),
                slate: text(&self.shelf.slate_path(&channel.id, key)),
            },
            _ => Loops::default(),
        }
    }

    /// `None` when its key does not open: the others go on, and it says so.
    fn destination(
        &mut self,
        channel: &Channel,
        destination: &Destination,
        unit: &UnitId,
    ) -> Option<worker::DestinationSettings> {
        let s = &destination.settings;
        let key = match &s.key {
            None => Some(String::new()),
            Some(sealed) => {
                let context = destination_key_context(&channel.id, &destination.id);
                self.open(unit, "DESTINATION_KEY", &context, sealed)
            }
        };
        if key.is_none() && destination.state != DestinationState::Failed {
            self.parts.director.post(Fact::DestinationState {
                channel: channel.id.clone(),
                id: destination.id.clone(),
                state: DestinationState::Failed,
                error: Text::scrub(
                    "its key was sealed with another key of the server: set it again",
                    TOPIC_MAX,
                ),
            });
        }
        Some(worker::DestinationSettings {
            id: destination.id.to_string(),
            url: s.url.clone(),
            key: key?,
            session_max_s: s.session_max_s,
            latency_ms: s.latency_ms,
            stream_id: s.stream_id.clone().unwrap_or_default(),
            attempt: destination.attempt,
        })
    }
}

#[derive(Default)]
struct Loops {
    key: String,
    backup: String,
    slate: String,
}

/// Format and policy; listeners, sockets and directories are the caller's business.
fn settings(channel: &Channel) -> worker::ChannelSettings {
    let (s, policy) = (&channel.settings, &channel.settings.policy);
    worker::ChannelSettings {
        mode: mode(s.mode).into(),
        width: s.video.width,
        height: s.video.height,
        fps: s.video.fps,
        video_bitrate_kbps: s.video.bitrate_kbps,
        audio_bitrate_kbps: s.audio_bitrate_kbps,
        encoder: slots::encoder(s.video.encoder),
        preset: s.video.preset.clone(),
        stable_ms: policy.stable_ms,
        lost_ms: policy.lost_ms,
        delay_ms: policy.delay_ms,
        stable_max_ms: policy.stable_max_ms,
        frozen_ms: policy.frozen_ms,
        black_ms: policy.black_ms,
        silent_ms: policy.silent_ms,
        takeover_ms: policy.takeover_ms,
        backup_start: match policy.backup_start {
            BackupStart::Beginning => worker::BackupStart::Beginning,
            BackupStart::Resume => worker::BackupStart::Resume,
            BackupStart::Running => worker::BackupStart::Running,
        }
        .into(),
        fade_ms: policy.fade_ms,
        monitor_port: s.monitor_port.map_or(0, u32::from),
        ..worker::ChannelSettings::default()
    }
}

fn mode(mode: ChannelMode) -> worker::ChannelMode {
    match mode {
        ChannelMode::Copy => worker::ChannelMode::Copy,
        ChannelMode::Transcode => worker::ChannelMode::Transcode,
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}
