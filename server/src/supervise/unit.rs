//! One unit: its process and its link, and when it is started again.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use booth_proto::worker::{Shutdown, ToWorker, to_worker};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Places, STOP_LIMIT, UnitId, process};
use crate::relay::UnitTx;

/// A worker that holds its lock but does not attach for this long is ended and replaced.
const ATTACH_LIMIT: Duration = Duration::from_secs(3);
/// A worker that lived this long restarts at once; one that dies sooner waits, longer each time.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Work that has an end and failed waits at least this long, however long it took.
const BACKOFF_ONE_SHOT: Duration = Duration::from_secs(1);
/// Work that was done but is still wanted: what it said was lost on the way.
const DONE_AGAIN: Duration = Duration::from_secs(30);

/// An attached worker, as the reconciler sees it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub packets: UnitTx,
    /// The latest order; sent whole whenever it changes.
    pub desired: watch::Sender<Option<ToWorker>>,
    /// Generation of the last order that the worker's reports answer.
    pub answered: Arc<AtomicU64>,
    pub(super) control: mpsc::Sender<ToWorker>,
    /// Tells links of one unit apart.
    pub(super) serial: u64,
    pub(super) pid: u32,
}

impl Link {
    pub(super) fn shut_down(&self) {
        // Full means a worker that does not read: it is killed by deadline.
        let _ = self.control.try_send(ToWorker {
            message: Some(to_worker::Message::Shutdown(Shutdown {})),
        });
    }
}

#[derive(Debug, Default)]
pub(super) struct Unit {
    pub link: Option<Link>,
    pub process: process::Process,
    pub restarts: u32,
    /// Runs that failed since the work was given.
    pub failures: u32,
    pub last_error: String,
    pub backoff: Duration,
    /// Not started before this.
    pub not_before: Option<Instant>,
    pub started: Option<Instant>,
    /// Since when a process lives that is not attached.
    pub detached: Option<Instant>,
    /// When it was told to end, because nobody wants the unit any more.
    pub retiring: Option<Instant>,
    /// Ended on purpose, to be started with other work.
    pub anew: bool,
}

impl Unit {
    pub fn fell(&mut self, id: &UnitId, ended: &process::Ended, now: Instant) {
        let lived = self.started.map(|at| now.duration_since(at));
        // A worker that found the unit taken goes; the one that has it stays attached.
        if self.link.as_ref().is_some_and(|l| l.pid == ended.pid) {
            self.link = None;
        }
        self.detached = None;
        if std::mem::take(&mut self.anew) {
            (self.backoff, self.not_before) = (Duration::ZERO, None);
            return;
        }
        if id.is_one_shot() && ended.clean {
            info!(unit = %id, "worker is done");
            self.not_before = Some(now + DONE_AGAIN);
            return;
        }
        warn!(unit = %id, how = ended.how, "worker ended");
        self.restarts += 1;
        self.failures += 1;
        if ended.how != process::RESTART_WANTED {
            self.last_error.clone_from(&ended.how);
        }
        self.backoff = match lived {
            _ if id.is_one_shot() => (self.backoff * 2).clamp(BACKOFF_ONE_SHOT, BACKOFF_MAX),
            Some(lived) if lived < HEALTHY_AFTER => {
                (self.backoff * 2).clamp(Duration::from_millis(100), BACKOFF_MAX)
            }
            _ => Duration::ZERO,
        };
        self.not_before = Some(now + self.backoff);
    }

    /// Told to end, so that its receivers notice at once; killed when it does not.
    pub fn retire(&mut self, now: Instant) {
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

    /// Other work than before: what was is forgotten, and a process that is at it ends.
    pub fn again(&mut self) {
        self.failures = 0;
        (self.backoff, self.not_before) = (Duration::ZERO, None);
        if self.process.is_known() {
            self.anew = true;
            self.process.kill();
        }
    }

    pub fn watch_attachment(&mut self, id: &UnitId, now: Instant) {
        if self.link.is_some() {
            self.detached = None;
        } else if now.duration_since(*self.detached.get_or_insert(now)) > ATTACH_LIMIT {
            warn!(unit = %id, "worker lives but does not attach: ended");
            self.process.kill();
            self.detached = Some(now);
        }
    }

    pub fn start(&mut self, id: &UnitId, places: &Places, now: Instant) {
        self.started = Some(now);
        self.detached = Some(now);
        if let Err(error) = self.process.spawn(id, places) {
            warn!(unit = %id, %error, "worker cannot be started");
            self.failures += 1;
            self.last_error = format!("cannot start: {error}");
            self.backoff = (self.backoff * 2).clamp(Duration::from_millis(250), BACKOFF_MAX);
            self.not_before = Some(now + self.backoff);
        }
    }
}
