//! Workers: started, watched, adopted.
//!
//! ```text
//!            spawn                Hello                   link ends
//!   ABSENT ─────────▶ STARTING ─────────▶ ATTACHED ──────────────────▶ LOST
//!     ▲                  │ dies             ▲                           │ process gone, or silent for 3 s: kill
//!     └──── backoff ◀────┴──────────────────┼───────────────────────────┘
//!                                           └─ a worker of the boothd before this one (its lock is held): adopted
//! ```
//!
//! A worker outlives boothd. Its lock file `<data>/run/<unit>.lock` tells the next boothd that it lives and which
//! process it is; the worker dials the socket by itself.

mod link;
mod process;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::{Fact, Showing, SlotId};
use booth_proto::worker::{SlotDesired, ToWorker};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::director::Director;
use crate::meters::Meters;
use crate::relay::{Hub, UnitTx};
use crate::server::UnitStatus;

/// A worker that holds its lock but does not attach for this long is ended and replaced.
const ATTACH_LIMIT: Duration = Duration::from_secs(3);
/// A worker that lived this long restarts at once; one that dies sooner waits, longer each time.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Looks at processes this often, besides being told; a worker killed is back well within 2 s.
const LOOK: Duration = Duration::from_millis(100);
/// How long a worker may take to end when told to.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What a worker's link needs of the other rooms.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub clock: Clock,
    pub director: Director,
    pub meters: Meters,
    pub hub: Hub,
}

/// Where workers are and what runs them.
#[derive(Debug, Clone)]
pub struct Places {
    /// Directory of the socket, the locks and the logs.
    pub run: PathBuf,
    pub binary: PathBuf,
    pub orphan_timeout: Duration,
}

impl Places {
    pub fn socket(&self) -> PathBuf {
        self.run.join("workers.sock")
    }
    fn lock(&self, unit: &str) -> PathBuf {
        self.run.join(format!("{unit}.lock"))
    }
}

/// The name of the unit that serves a slot.
pub fn unit_of(slot: &SlotId) -> String {
    format!("slot-{slot}")
}

fn slot_of(unit: &str) -> Option<SlotId> {
    SlotId::new(unit.strip_prefix("slot-")?).ok()
}

/// An attached worker, as the reconciler sees it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub packets: UnitTx,
    /// The latest order; sent whole whenever it changes.
    pub desired: watch::Sender<Option<SlotDesired>>,
    control: mpsc::Sender<ToWorker>,
    /// Tells links of one unit apart.
    serial: u64,
    pid: u32,
}

#[derive(Debug, Default)]
struct Unit {
    link: Option<Link>,
    process: process::Process,
    restarts: u32,
    last_error: String,
    backoff: Duration,
    /// Not started before this.
    not_before: Option<Instant>,
    started: Option<Instant>,
    /// Since when a process lives that is not attached.
    detached: Option<Instant>,
    /// When it was told to end, because nobody wants the unit any more.
    retiring: Option<Instant>,
}

#[derive(Debug, Default)]
struct Units {
    wanted: BTreeSet<String>,
    all: BTreeMap<String, Unit>,
    serial: u64,
}

/// The room's handle; cloned freely. The lock is held for a look-up only.
#[derive(Debug, Clone)]
pub struct Supervisor {
    places: Arc<Places>,
    units: Arc<Mutex<Units>>,
    /// A link came or went, or the wanted units changed.
    pub(crate) changed: Arc<Notify>,
    look: Arc<Notify>,
}

impl Supervisor {
    pub fn new(places: Places) -> Self {
        Self {
            places: Arc::new(places),
            units: Arc::default(),
            changed: Arc::default(),
            look: Arc::default(),
        }
    }

    /// Binds the workers' socket; nothing is accepted before [`Self::run`].
    pub fn bind(&self) -> std::io::Result<UnixListener> {
        let path = self.places.socket();
        // The data directory's lock is ours, so whoever bound it before is gone.
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        UnixListener::bind(&path)
    }

    pub fn status(&self) -> Vec<UnitStatus> {
        self.with(|units| {
            units
                .all
                .iter()
                .map(|(name, unit)| UnitStatus {
                    name: name.clone(),
                    attached: unit.link.is_some(),
                    pid: unit.link.as_ref().map_or(0, |l| l.pid),
                    restarts: unit.restarts,
                    last_error: unit.last_error.clone(),
                })
                .collect()
        })
    }

    /// From now on exactly the units of these slots run.
    pub(crate) fn want<'a>(&self, slots: impl Iterator<Item = &'a SlotId>) {
        let wanted: BTreeSet<String> = slots.map(unit_of).collect();
        let changed = self.with(|units| {
            let changed = units.wanted != wanted;
            units.wanted = wanted;
            changed
        });
        if changed {
            self.look.notify_one();
        }
    }

    pub(crate) fn link(&self, slot: &SlotId) -> Option<Link> {
        self.with(|units| units.all.get(&unit_of(slot)).and_then(|u| u.link.clone()))
    }

    /// Accepts workers and keeps the wanted ones running until `stop`; then ends them all unless `keep`.
    pub(crate) async fn run(
        self,
        listener: UnixListener,
        context: Context,
        keep: bool,
        stop: CancellationToken,
    ) {
        let accept = tokio::spawn(self.clone().accept(listener, context));
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
                () = self.look.notified() => {}
            }
            self.look_after();
        }
        if keep {
            info!("workers are left running for the next boothd");
        } else {
            self.stop_all().await;
        }
        accept.abort();
    }

    async fn accept(self, listener: UnixListener, context: Context) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // The socket's directory is ours alone; the peer's user is checked all the same.
                    let same_user = stream
                        .peer_cred()
                        .is_ok_and(|c| c.uid() == rustix::process::getuid().as_raw());
                    if !same_user {
                        warn!("a process of another user dialled the workers' socket");
                        continue;
                    }
                    tokio::spawn(link::serve(self.clone(), context.clone(), stream));
                }
                Err(error) => {
                    warn!(%error, "cannot accept workers");
                    // Descriptors may have run out: they come back when sessions end.
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// One look at every unit: reaps, kills, starts. Never blocks.
    fn look_after(&self) {
        let now = Instant::now();
        let mut lost = false;
        self.with(|units| {
            for unit in units.wanted.clone() {
                units.all.entry(unit).or_default();
            }
            for (name, unit) in &mut units.all {
                let lock = self.places.lock(name);
                let alive = unit.process.alive(&lock);
                if let Some(ended) = unit.process.ended() {
                    lost = true;
                    unit.fell(name, &ended, now);
                }
                if !units.wanted.contains(name) {
                    if alive {
                        unit.retire(now);
                    }
                    continue;
                }
                unit.retiring = None;
                if alive {
                    unit.watch_attachment(name, now);
                } else if unit.not_before.is_none_or(|at| at <= now) {
                    unit.start(name, &self.places, now);
                }
            }
            units
                .all
                .retain(|name, unit| units.wanted.contains(name) || unit.process.is_known());
        });
        if lost {
            self.changed.notify_one();
        }
    }

    async fn stop_all(&self) {
        let links = self.with(|units| {
            units.wanted.clear();
            units
                .all
                .values()
                .filter_map(|u| u.link.clone())
                .collect::<Vec<_>>()
        });
        for link in &links {
            link.shut_down();
        }
        let gone = async {
            while self.with(|units| {
                units
                    .all
                    .iter_mut()
                    .any(|(name, u)| u.process.alive(&self.places.lock(name)))
            }) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(STOP_LIMIT, gone).await.is_err() {
            self.with(|units| units.all.values_mut().for_each(|u| u.process.kill()));
        }
        info!("workers stopped");
    }

    /// Attaches a link; an older one of the same unit ends. Told to the director in the order in which it happens.
    fn attach(
        &self,
        context: &Context,
        unit: &str,
        slot: &SlotId,
        showing: Showing,
        link: &mut Link,
    ) {
        self.with(|units| {
            units.serial += 1;
            link.serial = units.serial;
            let entry = units.all.entry(unit.to_owned()).or_default();
            entry.process.adopt(link.pid);
            entry.detached = None;
            entry.link = Some(link.clone());
            let slot = slot.clone();
            context.director.post(Fact::WorkerUp { slot, showing });
        });
        self.changed.notify_one();
    }

    /// A link has ended; only the current one of its unit means that the worker is down.
    fn detach(&self, context: &Context, unit: &str, slot: &SlotId, serial: u64) {
        self.with(|units| {
            let Some(entry) = units.all.get_mut(unit) else {
                return;
            };
            if entry.link.as_ref().is_some_and(|l| l.serial == serial) {
                entry.link = None;
                entry.detached = Some(Instant::now());
            }
            if entry.link.is_none() {
                let slot = slot.clone();
                context.director.post(Fact::WorkerDown { slot });
            }
        });
        context.meters.forget_slot(slot);
        self.changed.notify_one();
        self.look.notify_one();
    }

    pub(crate) fn note_problem(&self, unit: &str, text: String) {
        self.with(|units| {
            if let Some(entry) = units.all.get_mut(unit) {
                entry.last_error = text;
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Units) -> T) -> T {
        look(&mut self.units.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Link {
    fn shut_down(&self) {
        // Full means a worker that does not read: it is killed by deadline.
        let _ = self.control.try_send(link::shutdown());
    }
}

impl Unit {
    fn fell(&mut self, name: &str, ended: &process::Ended, now: Instant) {
        let lived = self.started.map(|at| now.duration_since(at));
        warn!(unit = name, how = ended.how, "worker ended");
        // A worker that found the unit taken goes; the one that has it stays attached.
        if self.link.as_ref().is_some_and(|l| l.pid == ended.pid) {
            self.link = None;
        }
        self.detached = None;
        self.restarts += 1;
        if ended.how != process::RESTART_WANTED {
            self.last_error.clone_from(&ended.how);
        }
        self.backoff = match lived {
            Some(lived) if lived < HEALTHY_AFTER => {
                (self.backoff * 2).clamp(Duration::from_millis(100), BACKOFF_MAX)
            }
            _ => Duration::ZERO,
        };
        self.not_before = Some(now + self.backoff);
    }

    /// Told to end, so that its receivers notice at once; killed when it does not.
    fn retire(&mut self, now: Instant) {
        match (self.retiring, &self.link) {
            (None, Some(link)) => {
                link.shut_down();
                self.retiring = Some(now);
            }
            (None, None) => self.process.kill(),
            (Some(since), _) if now.duration_since(since) > STOP_LIMIT => self.process.kill(),
            (Some(_), _) => {}
        }
    }

    fn watch_attachment(&mut self, name: &str, now: Instant) {
        if self.link.is_some() {
            self.detached = None;
        } else if now.duration_since(*self.detached.get_or_insert(now)) > ATTACH_LIMIT {
            warn!(unit = name, "worker lives but does not attach: ended");
            self.process.kill();
            self.detached = Some(now);
        }
    }

    fn start(&mut self, name: &str, places: &Places, now: Instant) {
        self.started = Some(now);
        self.detached = Some(now);
        if let Err(error) = self.process.spawn(name, places) {
            warn!(unit = name, %error, "worker cannot be started");
            self.last_error = format!("cannot start: {error}");
            self.backoff = (self.backoff * 2).clamp(Duration::from_millis(250), BACKOFF_MAX);
            self.not_before = Some(now + self.backoff);
        }
    }
}
