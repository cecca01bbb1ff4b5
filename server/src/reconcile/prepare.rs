//! Orders to bring backups and slates to their channels' formats, one run for each channel and a few at a time.

use std::collections::{BTreeMap, BTreeSet};

use booth_core::{Channel, ChannelId, ChannelMode, Fact, Prepared, State, TOPIC_MAX, Text};
use booth_proto::worker::{PrepareDesired, to_worker::Message};

use super::shelf::{Keep, Shelf};
use super::{Reconciler, slots};
use crate::supervise::UnitId;

/// Each takes whole cores: what is on air goes first.
const AT_A_TIME: usize = 2;
/// Runs that end without a word before it counts as failed.
const RUNS: u32 = 3;

/// Work that was given out.
#[derive(Debug)]
pub(super) struct Preparing {
    key: String,
    /// Nothing more is tried for this key: the director is told so already.
    given_up: bool,
}

impl Reconciler {
    /// Loops that have come out well since the last time are there, although the shelf has not looked yet. Those of
    /// before may have been lost while boothd was away.
    pub(super) fn promises(&mut self, state: &State) {
        let mut made = BTreeMap::new();
        for channel in state.channels.values() {
            let Some(Prepared::Ready {
                key, duration_ms, ..
            }) = &channel.prepared
            else {
                continue;
            };
            let id = &channel.id;
            made.insert(id.clone(), key.clone());
            let new = |known: &BTreeMap<_, _>| known.get(id) != Some(key);
            if self.made.as_ref().is_some_and(new) {
                self.shelf.promise(self.shelf.slate_path(id, key));
                if *duration_ms > 0 {
                    self.shelf.promise(self.shelf.backup_path(id, key));
                }
            }
        }
        self.made = Some(made);
    }

    /// Which units are wanted now. Channels that are on air come first, then those that are at it.
    pub(super) fn preparations(&mut self, state: &State) -> Vec<UnitId> {
        let shelf = &self.shelf;
        let mut missing: Vec<&Channel> = state
            .channels
            .values()
            .map(std::sync::Arc::as_ref)
            .filter(|channel| shelf.is_known() && is_missing(channel, shelf))
            .collect();
        let at_it = |channel: &Channel| self.preparing.contains_key(&channel.id);
        missing.sort_by_key(|channel| (!at_it(channel), !channel.running));
        missing.truncate(AT_A_TIME);
        let ids: BTreeSet<ChannelId> = missing.iter().map(|c| c.id.clone()).collect();
        self.preparing.retain(|id, _| ids.contains(id));
        for channel in missing {
            self.give_out(channel);
        }
        let at_work = self.preparing.iter().filter(|(_, work)| !work.given_up);
        at_work.map(|(id, _)| UnitId::Prepare(id.clone())).collect()
    }

    fn give_out(&mut self, channel: &Channel) {
        let unit = UnitId::Prepare(channel.id.clone());
        let key = channel.settings.loop_key();
        let same = |work: &Preparing| work.key == key;
        if !self.preparing.get(&channel.id).is_some_and(same) {
            let before = self.preparing.insert(
                channel.id.clone(),
                Preparing {
                    key,
                    given_up: false,
                },
            );
            if before.is_some() || self.parts.supervisor.failures(&unit).0 > 0 {
                // Superseded, or asked for once more: the worker ends where it stands, and another one begins.
                self.ordered.remove(&unit);
                self.parts.supervisor.again(&unit);
            }
            return;
        }
        let (failures, why) = self.parts.supervisor.failures(&unit);
        if failures < RUNS {
            return;
        }
        if let Some(work) = self.preparing.get_mut(&channel.id)
            && !work.given_up
        {
            work.given_up = true;
            self.parts.director.post(Fact::ChannelPrepared {
                channel: channel.id.clone(),
                prepared: Prepared::Failed {
                    key: work.key.clone(),
                    reason: Text::scrub(&why, TOPIC_MAX),
                },
            });
        }
    }

    pub(super) fn order_preparations(&mut self, state: &State) {
        let ids: Vec<ChannelId> = self.preparing.keys().cloned().collect();
        for id in ids {
            let unit = UnitId::Prepare(id.clone());
            let (Some(link), Some(channel)) = (self.link(&unit), state.channels.get(&id)) else {
                continue;
            };
            let desired = self.preparation(channel);
            // A link of a run that was superseded is about to end.
            let other = match link
                .desired
                .borrow()
                .as_ref()
                .and_then(|d| d.message.as_ref())
            {
                Some(Message::Prepare(order)) => order.key != desired.key,
                _ => false,
            };
            if !other {
                self.order(&unit, &link, Message::Prepare(desired));
            }
        }
    }

    fn preparation(&self, channel: &Channel) -> PrepareDesired {
        let s = &channel.settings;
        let key = s.loop_key();
        let files = s.backup.as_ref().map(|b| b.files.clone());
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        PrepareDesired {
            backup_path: match &files {
                Some(_) => text(self.shelf.backup_path(&channel.id, &key)),
                None => String::new(),
            },
            slate_path: text(self.shelf.slate_path(&channel.id, &key)),
            key,
            files: files.unwrap_or_default(),
            slate: s.slate.clone().unwrap_or_default(),
            width: s.video.width,
            height: s.video.height,
            fps: s.video.fps,
            video_bitrate_kbps: s.video.bitrate_kbps,
            audio_bitrate_kbps: s.audio_bitrate_kbps,
            encoder: slots::encoder(s.video.encoder),
            preset: s.video.preset.clone(),
            copy: s.mode == ChannelMode::Copy,
            check: false,
        }
    }

    /// Files that no channel plays any more, or will.
    pub(super) fn tidy(&mut self, state: &State) {
        let playing = &self.playing;
        let supervisor = &self.parts.supervisor;
        self.shelf.keep(state.channels.values().map(|channel| {
            let mut keys = BTreeSet::from([channel.settings.loop_key()]);
            keys.extend(channel.loops.clone());
            // Until the worker says that it has the new ones, it may read any.
            let settled = !channel.running
                || playing.get(&channel.id).is_some_and(|(key, generation)| {
                    let unit = UnitId::Channel(channel.id.clone());
                    let answered = supervisor.link(&unit).map_or(0, |link| {
                        link.answered.load(std::sync::atomic::Ordering::Acquire)
                    });
                    Some(key) == channel.loops.as_ref() && answered >= *generation
                });
            Keep {
                channel: channel.id.clone(),
                keys: settled.then_some(keys),
                hls: channel.running && channel.settings.hls,
            }
        }));
    }
}

/// Whether there is work for the channel. What failed is not tried again until something else is wanted.
fn is_missing(channel: &Channel, shelf: &Shelf) -> bool {
    let (id, key) = (&channel.id, channel.settings.loop_key());
    match &channel.prepared {
        Some(Prepared::Failed { key: failed, .. }) => *failed != key,
        Some(Prepared::Ready {
            key: ready,
            duration_ms,
            ..
        }) => {
            let whole = *duration_ms == 0 || shelf.has_backup(id, &key);
            *ready != key || !whole || !shelf.has_slate(id, &key)
        }
        None => true,
    }
}
