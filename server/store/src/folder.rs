//! Keeps the folded state up with the journal, behind the acknowledgement and at low priority.
//!
//! The writer folds each record into the outbox' state; this thread takes whatever rows were touched since its last
//! write. A slow disk makes the batches larger, never the queue longer: a row is in it once. Any failure of sled ends
//! this thread and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use booth_core::{Key, Record, State};

use crate::folded::{self, Batch, Folded};
use crate::journal::Chain;

/// Changes are gathered for this long before they are written: its syncs share the disk with the journal's, for which
/// somebody waits. What is not written yet costs the next start a little replay.
const GATHER: Duration = Duration::from_secs(1);

/// A write to sled that takes this long is not coming back.
const STALLED: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedHealth {
    /// Revision on disk.
    pub revision: u64,
    /// Why it is not kept up any more; the journal goes on without it.
    pub off: Option<String>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    touched: BTreeSet<Key>,
    chain: Chain,
    health: FoldedHealth,
    /// Nothing is on disk yet, not even for an empty state.
    fresh: bool,
    /// A write to sled is under way since then.
    writing: Option<Instant>,
    hurry: bool,
    closing: bool,
    done: bool,
}

#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// Where the thread begins.
pub enum Begin {
    /// On top of what was verified.
    With(Box<Folded>),
    /// From nothing: every row is written.
    Fresh(PathBuf),
    /// A memory ledger has no folded state.
    Off,
}

impl Outbox {
    /// `folded_revision` is what is on disk already, if anything.
    pub fn new(state: State, chain: Chain, folded_revision: Option<u64>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                state,
                touched: BTreeSet::new(),
                chain,
                health: FoldedHealth {
                    revision: folded_revision.unwrap_or(0),
                    off: None,
                },
                fresh: folded_revision.is_none(),
                writing: None,
                hurry: false,
                closing: false,
                done: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds acknowledged records in.
    pub fn put<'a>(&self, records: impl Iterator<Item = &'a Record>, chain: Chain) {
        let mut inner = self.lock();
        for record in records {
            let touched = inner.state.fold(record);
            inner.touched.extend(touched);
        }
        inner.chain = chain;
        if inner.health.off.is_some() {
            inner.touched.clear();
        }
        drop(inner);
        self.changed.notify_all();
    }

    pub fn touch(&self, keys: impl IntoIterator<Item = Key>) {
        self.lock().touched.extend(keys);
        self.changed.notify_all();
    }

    pub fn health(&self) -> FoldedHealth {
        let inner = self.lock();
        let mut health = inner.health.clone();
        if inner.writing.is_some_and(|since| since.elapsed() > STALLED) {
            health
                .off
                .get_or_insert_with(|| "sled does not answer".to_owned());
        }
        health
    }

    /// Waits until `wanted` is on disk; `false` when that is not so in time, or never will be.
    pub fn flush(&self, wanted: u64, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut inner = self.lock();
        inner.hurry = true;
        self.changed.notify_all();
        while (inner.fresh || inner.health.revision < wanted) && !inner.done {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        !inner.fresh && inner.health.off.is_none() && inner.health.revision >= wanted
    }

    /// Lets the thread write what is left and end; `false` when it does not in time (sled hangs: it is left behind).
    pub fn close(&self, limit: Duration) -> bool {
        let mut inner = self.lock();
        inner.closing = true;
        self.changed.notify_all();
        let (inner, timeout) = self
            .changed
            .wait_timeout_while(inner, limit, |inner| !inner.done)
            .unwrap_or_else(PoisonError::into_inner);
        drop(inner);
        !timeout.timed_out()
    }

    fn turn_off(&self, why: String) {
        let mut inner = self.lock();
        inner.health.off = Some(why);
        inner.touched.clear();
        inner.fresh = false;
        inner.writing = None;
    }

    /// The next batch; `None` when it is time to end.
    fn next(&self, lineage: Chain) -> Option<Batch> {
        let idle = |inner: &mut Inner| {
            !inner.fresh
                && inner.touched.is_empty()
                && inner.state.revision <= inner.health.revision
        };
        let inner = self
            .changed
            .wait_while(self.lock(), |inner| idle(inner) && !inner.closing)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut inner, _) = self
            .changed
            .wait_timeout_while(inner, GATHER, |inner| !inner.closing && !inner.hurry)
            .unwrap_or_else(PoisonError::into_inner);
        if idle(&mut inner) {
            return None;
        }
        inner.hurry = false;
        inner.writing = Some(Instant::now());
        let touched = std::mem::take(&mut inner.touched);
        let rows = touched
            .into_iter()
            .map(|key| {
                let row = inner.state.row(&key);
                (key, row)
            })
            .collect();
        Some(Batch {
            revision: inner.state.revision,
            chain: inner.chain,
            lineage,
            rows,
        })
    }
}

pub fn spawn(outbox: Arc<Outbox>, begin: Begin, lineage: Chain) {
    let for_thread = Arc::clone(&outbox);
    let spawned = std::thread::Builder::new()
        .name("ledger-fold".into())
        .spawn(move || {
            run(&for_thread, begin, lineage);
            for_thread.lock().done = true;
            for_thread.changed.notify_all();
        });
    if let Err(error) = spawned {
        outbox.turn_off(error.to_string());
        outbox.lock().done = true;
    }
}

fn run(outbox: &Outbox, begin: Begin, lineage: Chain) {
    // On Linux this is the calling thread alone. Being refused it costs nothing.
    let _ = rustix::process::setpriority_process(None, 10);
    let opened = match begin {
        Begin::With(folded) => Ok(*folded),
        Begin::Fresh(path) => folded::create(&path),
        Begin::Off => {
            outbox.turn_off("kept in memory".to_owned());
            return;
        }
    };
    let mut folded = match opened {
        Ok(folded) => folded,
        Err(why) => return give_up(outbox, why),
    };
    let failed = loop {
        let Some(batch) = outbox.next(lineage) else {
            break None;
        };
        let revision = batch.revision;
        match folded::guarded(|| folded.write(&batch)) {
            Ok(()) => {
                let mut inner = outbox.lock();
                inner.health.revision = revision;
                inner.fresh = false;
                inner.writing = None;
                drop(inner);
                outbox.changed.notify_all();
            }
            Err(why) => break Some(why),
        }
    };
    if let Some(why) = failed {
        give_up(outbox, why);
    }
    if let Err(why) = folded::guarded(move || {
        drop(folded);
        Ok(())
    }) {
        tracing::warn!(%why, "closing the folded state");
    }
}

fn give_up(outbox: &Outbox, why: String) {
    tracing::warn!(%why, "the folded state is off; the journal goes on without it");
    outbox.turn_off(why);
}
