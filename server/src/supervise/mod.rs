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

mod channel_facts;
mod hear;
mod link;
mod process;
#[cfg(test)]
mod tests;
mod unit;
mod unit_id;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::{ChannelId, Fact};
use booth_proto::worker::{Hello, to_worker};
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use self::unit::Link;
use self::unit::Unit;
pub use self::unit_id::{BadUnit, UnitId};
use crate::board::Board;
use crate::clock::Clock;
use crate::director::Director;
use crate::drills::DrillRoom;
use crate::meters::Meters;
use crate::publish::PublishDesk;
use crate::relay::Hub;
use crate::server::UnitStatus;

/// Looks at processes this often, besides being told; a worker killed is back well within 2 s.
const LOOK: Duration = Duration::from_millis(100);
/// How long a worker may take to end when told to.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// `sun_path` of a Unix socket's address, with its NUL (`unix(7)`).
const SOCKET_PATH_MAX: usize = 108;

/// What a worker's link needs of the other rooms.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub clock: Clock,
    pub director: Director,
    pub board: Board,
    pub meters: Meters,
    pub hub: Hub,
    pub publish: PublishDesk,
    pub drills: DrillRoom,
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

    fn lock(&self, unit: &UnitId) -> PathBuf {
        self.run.join(format!("{unit}.lock"))
    }

    /// Where a channel's worker takes access units from the ingest worker.
    pub fn media_socket(&self, channel: &ChannelId) -> PathBuf {
        let path = self.run.join(format!("channel-{channel}.media"));
        if path.as_os_str().len() < SOCKET_PATH_MAX {
            return path;
        }
        // Too long for a socket: a digest stands for the id.
        let digest = blake3::hash(channel.as_str().as_bytes()).to_hex();
        self.run.join(format!("c-{}.media", &digest[..16]))
    }

    /// Whether the sockets of channels, whatever their ids, can have names in `run`.
    pub fn fits_sockets(&self) -> bool {
        self.run.as_os_str().len() + "/c-0123456789abcdef.media".len() < SOCKET_PATH_MAX
    }

    /// Where a channel's worker writes its HLS.
    pub fn hls(&self, channel: &ChannelId) -> PathBuf {
        self.run.join("hls").join(channel.as_str())
    }
}

#[derive(Debug, Default)]
struct Units {
    wanted: BTreeSet<UnitId>,
    all: BTreeMap<UnitId, Unit>,
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
                .map(|(id, unit)| UnitStatus {
                    name: id.to_string(),
                    attached: unit.link.is_some(),
                    pid: unit.link.as_ref().map_or(0, |l| l.pid),
                    restarts: unit.restarts,
                    last_error: unit.last_error.clone(),
                    usage: Default::default(),
                })
                .collect()
        })
    }

    /// Woken whenever orders may have to change.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// From now on exactly these units run.
    pub(crate) fn want(&self, wanted: BTreeSet<UnitId>) {
        let changed = self.with(|units| {
            let changed = units.wanted != wanted;
            units.wanted = wanted;
            changed
        });
        if changed {
            self.look.notify_one();
        }
    }

    pub(crate) fn link(&self, unit: &UnitId) -> Option<Link> {
        self.with(|units| units.all.get(unit).and_then(|u| u.link.clone()))
    }

    /// The unit has other work than before: it starts anew with a clean sheet.
    pub(crate) fn again(&self, unit: &UnitId) {
        self.with(|units| {
            if let Some(entry) = units.all.get_mut(unit) {
                entry.again();
            }
        });
        self.look.notify_one();
    }

    /// How many runs of the unit's present work failed, and what was said last.
    pub(crate) fn failures(&self, unit: &UnitId) -> (u32, String) {
        self.with(|units| {
            units
                .all
                .get(unit)
                .map_or_else(Default::default, |u| (u.failures, u.last_error.clone()))
        })
    }

    /// Says something to the worker behind this very link; `false` when it is gone or does not read.
    pub(crate) fn say(&self, unit: &UnitId, serial: u64, message: to_worker::Message) -> bool {
        let message = booth_proto::worker::ToWorker {
            message: Some(message),
        };
        self.link(unit)
            .is_some_and(|link| link.serial == serial && link.control.try_send(message).is_ok())
    }

    /// Accepts workers and keeps the wanted ones running until `stop`; then ends them all unless `keep`.
    pub(crate) async fn run(
        self,
        listener: UnixListener,
        context: Context,
        keep: bool,
        stop: CancellationToken,
    ) {
        let accept = tokio::spawn(self.clone().accept(listener, context.clone()));
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
                () = self.look.notified() => {}
            }
            self.look_after(&context);
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
    fn look_after(&self, context: &Context) {
        let now = Instant::now();
        let mut lost = false;
        self.with(|units| {
            for unit in units.wanted.clone() {
                units.all.entry(unit).or_default();
            }
            for (id, unit) in &mut units.all {
                let lock = self.places.lock(id);
                let alive = unit.process.alive(&lock);
                if let Some(ended) = unit.process.ended() {
                    lost = true;
                    unit.fell(id, &ended, now);
                    // Publishers outlive the link, but not the process that holds their connections.
                    if *id == UnitId::Ingest && unit.link.is_none() && !alive {
                        context.director.post(Fact::IngestDown);
                    }
                }
                if !units.wanted.contains(id) {
                    if alive {
                        unit.retire(now);
                    }
                    continue;
                }
                unit.retiring = None;
                if alive {
                    unit.watch_attachment(id, now);
                } else if unit.not_before.is_none_or(|at| at <= now) {
                    unit.start(id, &self.places, now);
                }
            }
            units
                .all
                .retain(|id, unit| units.wanted.contains(id) || unit.process.is_known());
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
                    .any(|(id, u)| u.process.alive(&self.places.lock(id)))
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
    fn attach(&self, context: &Context, unit: &UnitId, hello: &Hello, link: &mut Link) {
        self.with(|units| {
            units.serial += 1;
            link.serial = units.serial;
            let entry = units.all.entry(unit.clone()).or_default();
            entry.process.adopt(link.pid);
            entry.detached = None;
            entry.link = Some(link.clone());
            for fact in hear::greeting(&context.board.state(), unit, hello) {
                context.director.post(fact);
            }
        });
        self.changed.notify_one();
    }

    /// A link has ended; only the current one of its unit means that the worker is down.
    fn detach(&self, context: &Context, unit: &UnitId, serial: u64) {
        self.with(|units| {
            let Some(entry) = units.all.get_mut(unit) else {
                return;
            };
            if entry.link.as_ref().is_some_and(|l| l.serial == serial) {
                entry.link = None;
                entry.detached = Some(Instant::now());
            }
            if entry.link.is_none() {
                if let Some(fact) = hear::farewell(unit) {
                    context.director.post(fact);
                }
                hear::forget(context, unit);
            }
        });
        self.changed.notify_one();
        self.look.notify_one();
    }

    pub(crate) fn note_problem(&self, unit: &UnitId, text: String) {
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
