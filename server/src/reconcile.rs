//! The reconciler: compares what slots and sessions should be with what was last ordered, and sends what differs.
//!
//! It runs on every effect, on every worker that attaches, and on a tick; start-up is the same path.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use booth_core::VideoEncoder;
use booth_core::{
    Caller, CallerId, Effect, IdleSource, Link, SessionId, Slot, SlotId, SlotOutput, State,
    Transition,
};
use booth_proto::worker::{self, IdleKind, SlotDesired};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, trace};

use crate::board::Board;
use crate::config::SlotsConfig;
use crate::meters::Meters;
use crate::relay::{Hub, VideoWant};
use crate::secrets::{Keyring, slot_passphrase_context};
use crate::supervise::{Supervisor, unit_of};

/// Effects may be dropped when many come at once; the tick makes up for them.
const TICK: Duration = Duration::from_secs(1);

pub(crate) struct Reconciler {
    pub board: Board,
    pub hub: Hub,
    pub supervisor: Supervisor,
    pub meters: Meters,
    pub keys: std::sync::Arc<Keyring>,
    pub slots: SlotsConfig,
    /// Rises with each order, also over restarts of boothd.
    pub generation: u64,
    /// Slots whose passphrase does not open, said once each.
    pub unopened: BTreeSet<SlotId>,
}

/// What the orders so far amount to.
#[derive(Default)]
struct Ordered {
    slots: BTreeMap<SlotId, SlotDesired>,
    meters: BTreeSet<CallerId>,
}

impl Reconciler {
    pub async fn run(mut self, mut effects: mpsc::Receiver<Vec<Effect>>, stop: CancellationToken) {
        let mut ordered = Ordered::default();
        let mut tick = tokio::time::interval(TICK);
        let changed = std::sync::Arc::clone(&self.supervisor.changed);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                batch = effects.recv() => match batch {
                    Some(batch) => trace!(?batch, "effects"),
                    None => return,
                },
                () = changed.notified() => {}
                _ = tick.tick() => {}
            }
            let state = self.board.state();
            self.supervisor.want(state.slots.keys());
            self.orders(&state, &mut ordered);
            self.wants(&state);
            self.forget(&state, &mut ordered);
        }
    }

    fn orders(&mut self, state: &State, ordered: &mut Ordered) {
        for slot in state.slots.values() {
            let Some(link) = self.supervisor.link(&slot.id) else {
                ordered.slots.remove(&slot.id);
                continue;
            };
            let Some(mut desired) = self.desired(state, slot) else {
                continue;
            };
            let sessions: Vec<SessionId> = [&desired.on_air, &desired.armed]
                .into_iter()
                .flatten()
                .filter(|s| s.session != 0)
                .map(|s| SessionId(s.session))
                .collect();
            self.hub
                .subscribe(&unit_of(&slot.id), &link.packets, &sessions);
            desired.generation = self.generation + 1;
            // Compared with what this very link was sent: a new link has been sent nothing.
            let fresh = link.desired.borrow().is_none();
            let same = ordered.slots.get(&slot.id).is_some_and(|last| {
                SlotDesired {
                    generation: last.generation,
                    ..desired.clone()
                } == *last
            });
            if fresh || !same {
                self.generation += 1;
                link.desired.send_replace(Some(desired.clone()));
                ordered.slots.insert(slot.id.clone(), desired);
            }
        }
        for gone in ordered
            .slots
            .keys()
            .filter(|id| !state.slots.contains_key(*id))
        {
            self.hub.unsubscribe(&unit_of(gone));
        }
        ordered.slots.retain(|id, _| state.slots.contains_key(id));
    }

    /// `None` when the settings cannot be told (a passphrase of another key): better no order than one without it.
    fn desired(&mut self, state: &State, slot: &Slot) -> Option<SlotDesired> {
        let on_air = slot
            .assigned
            .as_ref()
            .map(|a| self.source(state, &a.caller));
        let on_air_id = slot.assigned.as_ref().map(|a| &a.caller);
        let armed = state
            .armed_for(&slot.id)
            .filter(|id| Some(*id) != on_air_id)
            .map(|id| self.source(state, id))
            .filter(|s| s.session != 0);
        let transition = slot
            .assigned
            .as_ref()
            .map_or(slot.release_transition, |a| a.transition);
        let muted = on_air_id
            .and_then(|id| state.callers.get(id))
            .is_some_and(|c| c.muted);
        Some(SlotDesired {
            generation: 0,
            settings: Some(self.settings(slot)?),
            on_air,
            armed,
            fade_ms: match transition {
                Transition::Cut => 0,
                Transition::Fade { ms } => ms,
            },
            muted,
        })
    }

    /// A caller's session; with session 0 and no tracks while no media arrives.
    fn source(&self, state: &State, id: &CallerId) -> worker::Source {
        let nothing = || worker::Source {
            caller: id.to_string(),
            session: 0,
            audio: None,
            video: None,
        };
        state
            .callers
            .get(id)
            .and_then(|c| session(c))
            .and_then(|s| self.hub.source(s))
            .unwrap_or_else(nothing)
    }

    fn settings(&mut self, slot: &Slot) -> Option<worker::SlotSettings> {
        let s = &slot.settings;
        let passphrase = match &s.passphrase {
            None => String::new(),
            Some(sealed) => match self.keys.open(&slot_passphrase_context(&slot.id), sealed) {
                // Exposed to the worker's private socket only.
                Ok(secret) => {
                    self.unopened.remove(&slot.id);
                    secret.expose().clone()
                }
                Err(error) => {
                    if self.unopened.insert(slot.id.clone()) {
                        error!(slot = %slot.id, %error, "the slot's passphrase cannot be opened: set it again");
                        let text = "PASSPHRASE_UNREADABLE: sealed with another key: set it again";
                        self.supervisor
                            .note_problem(&unit_of(&slot.id), text.to_owned());
                    }
                    return None;
                }
            },
        };
        let (port, push_url) = match &s.output {
            SlotOutput::Listen { port } => (u32::from(*port), String::new()),
            SlotOutput::Push { url } => (0, url.clone()),
        };
        let (idle, idle_path) = match &s.idle {
            IdleSource::Black => (IdleKind::Black, String::new()),
            IdleSource::Image { path } => (IdleKind::Image, path.clone()),
            IdleSource::Video { path } => (IdleKind::Video, path.clone()),
            IdleSource::TestPattern => (IdleKind::TestPattern, String::new()),
        };
        Some(worker::SlotSettings {
            port,
            push_url,
            stream_id: s.stream_id.clone().unwrap_or_default(),
            passphrase,
            latency_ms: s.latency_ms,
            idle: idle.into(),
            idle_path,
            audio_only: s.audio_only,
            width: s.video.width,
            height: s.video.height,
            fps: s.video.fps,
            video_bitrate_kbps: s.video.bitrate_kbps,
            audio_bitrate_kbps: s.audio_bitrate_kbps,
            encoder: match s.video.encoder {
                VideoEncoder::X264 => "x264".into(),
                VideoEncoder::Openh264 => "openh264".into(),
            },
            preset: s.video.preset.clone(),
            bind: self.slots.bind.to_string(),
        })
    }

    /// Full video of those who are armed or on air, the lowest of everybody else.
    fn wants(&self, state: &State) {
        let mut full = BTreeSet::new();
        for slot in state.slots.values().filter(|s| !s.settings.audio_only) {
            full.extend(slot.assigned.as_ref().map(|a| &a.caller));
            full.extend(state.armed_for(&slot.id));
        }
        for caller in state.callers.values() {
            if let Some(id) = session(caller) {
                let want = if full.contains(&caller.id) {
                    VideoWant::Full
                } else {
                    VideoWant::Low
                };
                self.hub.set_want(id, want);
            }
        }
    }

    /// Readings of calls that are over.
    fn forget(&self, state: &State, ordered: &mut Ordered) {
        let live: BTreeSet<CallerId> = state
            .callers
            .values()
            .filter(|c| !c.state.is_ended())
            .map(|c| c.id.clone())
            .collect();
        for gone in ordered.meters.difference(&live) {
            self.meters.forget_caller(gone);
        }
        ordered.meters = live;
    }
}

fn session(caller: &Caller) -> Option<SessionId> {
    match caller.link {
        Link::Up { session, .. } => Some(session),
        Link::Down { .. } => None,
    }
}
