//! Rehearsals that run: who waits for their reports, and which workers they need.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use booth_core::ChannelId;
use booth_proto::worker::DrillReport;
use tokio::sync::{Notify, mpsc};

use crate::server::{DrillError, Drills};

/// Reports that wait for whoever reads them; a rehearsal says a line every second or so.
const REPORTS: usize = 64;

/// Cloned freely; the lock is held for a look-up only.
#[derive(Debug, Clone)]
pub struct DrillRoom {
    running: Arc<Mutex<BTreeMap<ChannelId, Running>>>,
    /// Wakes the reconciler, which starts and ends workers.
    changed: Arc<Notify>,
    last: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Running {
    reports: mpsc::Sender<DrillReport>,
    /// Tells rehearsals of one channel apart.
    serial: u64,
}

impl DrillRoom {
    pub fn new(changed: Arc<Notify>) -> Self {
        Self {
            running: Arc::default(),
            changed,
            last: Arc::default(),
        }
    }

    /// Channels that are being rehearsed, each with a number of this very rehearsal.
    pub fn running(&self) -> BTreeMap<ChannelId, u64> {
        self.with(|all| {
            let each = all.iter();
            each.map(|(id, running)| (id.clone(), running.serial))
                .collect()
        })
    }

    /// What a rehearsal's worker says. The last report ends the rehearsal.
    pub(crate) fn report(&self, channel: &ChannelId, report: DrillReport) {
        let last = report.done || !report.error.is_empty();
        let reports = self.with(|all| {
            if last {
                all.remove(channel).map(|running| running.reports)
            } else {
                all.get(channel).map(|running| running.reports.clone())
            }
        });
        let Some(reports) = reports else { return };
        if last {
            self.changed.notify_one();
            // The outcome has to arrive, however slowly the rest is read.
            tokio::spawn(async move { reports.send(report).await });
        } else {
            // Who does not read loses lines of progress.
            let _ = reports.try_send(report);
        }
    }

    /// The rehearsal cannot go on.
    pub(crate) fn fail(&self, channel: &ChannelId, why: String) {
        let report = DrillReport {
            done: true,
            error: why,
            ..DrillReport::default()
        };
        self.report(channel, report);
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<ChannelId, Running>) -> T) -> T {
        look(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl Drills for DrillRoom {
    async fn start(&self, channel: &ChannelId) -> Result<mpsc::Receiver<DrillReport>, DrillError> {
        let (reports, receiver) = mpsc::channel(REPORTS);
        let begun = self.with(|all| {
            let free = !all.contains_key(channel);
            if free {
                let reports = reports.clone();
                let serial = self.last.fetch_add(1, Ordering::Relaxed) + 1;
                all.insert(channel.clone(), Running { reports, serial });
            }
            free
        });
        if !begun {
            return Err(DrillError::Running);
        }
        self.changed.notify_one();
        let (room, channel) = (self.clone(), channel.clone());
        // Who has asked and went away wants no rehearsal any more.
        tokio::spawn(async move {
            reports.closed().await;
            room.with(|all| {
                let same = |r: &mut Running| r.reports.same_channel(&reports);
                if all.get_mut(&channel).is_some_and(same) {
                    all.remove(&channel);
                }
            });
            room.changed.notify_one();
        });
        Ok(receiver)
    }
}
