//! The reconciler: compares what units and sessions should be with what was last ordered, and sends what differs.
//!
//! It runs on every effect, on every worker that attaches, and on a tick; start-up is the same path. It never waits for
//! anything but the next reason to run: files are looked at elsewhere ([`shelf`]).

mod channels;
mod ingest;
mod prepare;
mod shelf;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use booth_core::{Caller, CallerId, Effect, Link as Media, Sealed, SessionId, State};
use booth_proto::worker::{ToWorker, to_worker::Message};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, trace};

use self::prepare::Preparing;
use self::shelf::Shelf;
use crate::board::Board;
use crate::config::Config;
use crate::director::Director;
use crate::drills::DrillRoom;
use crate::meters::Meters;
use crate::relay::{Hub, VideoWant};
use crate::secrets::Keyring;
use crate::supervise::{Link, Supervisor, UnitId};

/// Effects may be dropped when many come at once; the tick makes up for them.
const TICK: Duration = Duration::from_secs(1);

/// What the reconciler works with.
pub(crate) struct Parts {
    pub config: Arc<Config>,
    pub board: Board,
    pub director: Director,
    pub hub: Hub,
    pub supervisor: Supervisor,
    pub meters: Meters,
    pub keys: Arc<Keyring>,
    pub drills: DrillRoom,
}

pub(crate) struct Reconciler {
    parts: Parts,
    /// Rises with each order, also over restarts of boothd.
    generation: u64,
    /// Last orders, without their generation.
    ordered: BTreeMap<UnitId, Message>,
    /// Secrets that do not open, by the name they are sealed under; said once each.
    unopened: BTreeSet<String>,
    callers: BTreeSet<CallerId>,
    shelf: Shelf,
    preparing: BTreeMap<booth_core::ChannelId, Preparing>,
    /// Rehearsals that have been given their workers.
    drilling: BTreeMap<booth_core::ChannelId, u64>,
    /// Keys of the loops that came out well, by channel; `None` before the first look at the state.
    made: Option<BTreeMap<booth_core::ChannelId, String>>,
    /// Generation of the order that first named these loops, by channel.
    playing: BTreeMap<booth_core::ChannelId, (String, u64)>,
}

impl Reconciler {
    /// `data` is the data directory, absolute. Generations begin at `generation`.
    pub fn new(parts: Parts, data: &Path, generation: u64) -> Self {
        let hls = parts.supervisor.places().run.join("hls");
        Self {
            parts,
            generation,
            ordered: BTreeMap::new(),
            unopened: BTreeSet::new(),
            callers: BTreeSet::new(),
            shelf: Shelf::new(data.join("loops"), hls),
            preparing: BTreeMap::new(),
            drilling: BTreeMap::new(),
            made: None,
            playing: BTreeMap::new(),
        }
    }

    pub async fn run(mut self, mut effects: mpsc::Receiver<Vec<Effect>>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let changed = Arc::clone(&self.parts.supervisor.changed);
        let published = Arc::clone(&self.parts.hub.changed);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                batch = effects.recv() => match batch {
                    Some(batch) => self.effects(&batch),
                    None => return,
                },
                () = changed.notified() => {}
                () = published.notified() => {}
                () = self.shelf.looked() => {}
                _ = tick.tick() => {}
            }
            let state = self.parts.board.state();
            self.reconcile(&state);
        }
    }

    /// Whoever is named gets its order once more, even if it is the same: a publisher that the channel's own worker took
    /// and that may not stay is hung up on when the worker hears again who may.
    fn effects(&mut self, batch: &[Effect]) {
        trace!(?batch, "effects");
        for effect in batch {
            if let Effect::ReconcileChannel(id) = effect {
                self.ordered.remove(&UnitId::Channel(id.clone()));
            }
        }
    }

    fn reconcile(&mut self, state: &State) {
        self.promises(state);
        let mut wanted = BTreeSet::new();
        wanted.extend(state.slots.keys().cloned().map(UnitId::Slot));
        let running = state.channels.values().filter(|c| c.running);
        wanted.extend(running.map(|c| UnitId::Channel(c.id.clone())));
        if self.parts.config.takes_rtmp() {
            wanted.insert(UnitId::Ingest);
        }
        let drills = self.parts.drills.running();
        self.begin_drills(&drills);
        wanted.extend(drills.keys().cloned().map(UnitId::Drill));
        wanted.extend(self.preparations(state));
        self.retire(&wanted);
        self.parts.supervisor.want(wanted);

        self.order_slots(state);
        self.order_channels(state);
        self.order_ingest(state);
        self.order_preparations(state);
        self.order_drills(state, &drills);
        self.wants(state);
        self.forget(state);
        self.tidy(state);
    }

    /// Units that nobody wants any more get nothing more.
    fn retire(&mut self, wanted: &BTreeSet<UnitId>) {
        let hub = &self.parts.hub;
        self.ordered.retain(|unit, _| {
            let keep = wanted.contains(unit);
            if !keep {
                hub.unsubscribe(&unit.to_string());
            }
            keep
        });
    }

    /// The unit's worker; what was ordered from one that is away is forgotten.
    fn link(&mut self, unit: &UnitId) -> Option<Link> {
        let link = self.parts.supervisor.link(unit);
        if link.is_none() {
            self.ordered.remove(unit);
        }
        link
    }

    /// Sends the order if this very link was not sent the same: a new link has been sent nothing. Says which generation
    /// it got.
    fn order(&mut self, unit: &UnitId, link: &Link, order: Message) -> Option<u64> {
        let fresh = link.desired.borrow().is_none();
        if !fresh && self.ordered.get(unit) == Some(&order) {
            return None;
        }
        self.generation += 1;
        self.ordered.insert(unit.clone(), order.clone());
        let message = Some(numbered(order, self.generation));
        link.desired.send_replace(Some(ToWorker { message }));
        Some(self.generation)
    }

    /// A secret, for a worker's private socket only; `None` when it does not open.
    fn open(
        &mut self,
        unit: &UnitId,
        what: &str,
        context: &str,
        sealed: &Sealed,
    ) -> Option<String> {
        match self.parts.keys.open(context, sealed) {
            Ok(secret) => {
                self.unopened.remove(context);
                // Exposed to the order.
                Some(secret.expose().clone())
            }
            Err(error) => {
                if self.unopened.insert(context.to_owned()) {
                    error!(%unit, what, %error, "a secret cannot be opened: set it again");
                    let text = format!("{what}_UNREADABLE: sealed with another key: set it again");
                    self.parts.supervisor.note_problem(unit, text);
                }
                None
            }
        }
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
                self.parts.hub.set_want(id, want);
            }
        }
    }

    /// Readings of calls that are over.
    fn forget(&mut self, state: &State) {
        let live: BTreeSet<CallerId> = state
            .callers
            .values()
            .filter(|c| !c.state.is_ended())
            .map(|c| c.id.clone())
            .collect();
        for gone in self.callers.difference(&live) {
            self.parts.meters.forget_caller(gone);
        }
        self.callers = live;
    }
}

fn numbered(mut order: Message, generation: u64) -> Message {
    match &mut order {
        Message::Slot(desired) => desired.generation = generation,
        Message::Channel(desired) => desired.generation = generation,
        Message::Ingest(desired) => desired.generation = generation,
        Message::Drill(desired) => {
            if let Some(channel) = &mut desired.channel {
                channel.generation = generation;
            }
        }
        _ => {}
    }
    order
}

fn session(caller: &Caller) -> Option<SessionId> {
    match caller.link {
        Media::Up { session, .. } => Some(session),
        Media::Down { .. } => None,
    }
}
