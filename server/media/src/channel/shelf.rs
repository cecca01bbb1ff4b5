//! The prepared loop files of a channel, opened and checked away from its loop, for the table of a long one takes a while.
//! One that cannot be read is tried again: a disk or a mount may come back.

use std::path::PathBuf;
use std::sync::Arc;

use booth_stream::loopfile::LoopFile;
use booth_stream::{LoopSource, Nanos, SECOND};
use tokio::sync::{Notify, oneshot};

use super::program::Loops;

/// Between two attempts to open what is missing.
const AGAIN: Nanos = 10 * SECOND;

/// See the module.
pub struct Shelf {
    wake: Arc<Notify>,
    wished: Loops,
    pub backup: Option<Arc<dyn LoopSource>>,
    pub slate: Option<Arc<dyn LoopSource>>,
    opening: Option<(bool, oneshot::Receiver<Opened>)>,
    again: Option<Nanos>,
}

/// Another loop is there, or one less.
#[derive(Debug, Default)]
pub struct Change {
    /// Other loops are wished; if not, one that was missing is there.
    pub wished: bool,
    pub problems: Vec<String>,
}

#[derive(Default)]
struct Opened {
    backup: Option<Arc<dyn LoopSource>>,
    slate: Option<Arc<dyn LoopSource>>,
    problems: Vec<String>,
}

impl Shelf {
    pub fn new(wake: Arc<Notify>) -> Self {
        Self {
            wake,
            wished: Loops::default(),
            backup: None,
            slate: None,
            opening: None,
            again: None,
        }
    }

    /// What there was stays until these are open.
    pub fn set(&mut self, loops: &Loops) {
        self.wished = loops.clone();
        self.again = None;
        self.open(true, loops.backup.clone(), loops.slate.clone());
    }

    pub fn backup_unreadable(&mut self, now: Nanos) {
        self.backup = None;
        self.miss(now);
    }

    pub fn slate_unreadable(&mut self, now: Nanos) {
        self.slate = None;
        self.miss(now);
    }

    /// What changed by `now`; opens again what is missing.
    pub fn poll(&mut self, now: Nanos) -> Option<Change> {
        let change = self.take(now);
        if self.opening.is_none() && self.again.is_some_and(|at| at <= now) {
            self.again = None;
            let backup = self.wished.backup.clone().filter(|_| self.backup.is_none());
            let slate = self.wished.slate.clone().filter(|_| self.slate.is_none());
            self.open(false, backup, slate);
        }
        change
    }

    /// When to poll if nothing else happens.
    pub fn due(&self) -> Option<Nanos> {
        self.again.filter(|_| self.opening.is_none())
    }

    fn take(&mut self, now: Nanos) -> Option<Change> {
        let (wished, opening) = self.opening.as_mut()?;
        let wished = *wished;
        let opened = match opening.try_recv() {
            Ok(opened) => opened,
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => Opened::default(),
        };
        self.opening = None;
        let found = opened.backup.is_some() || opened.slate.is_some();
        if wished {
            (self.backup, self.slate) = (opened.backup, opened.slate);
        } else {
            self.backup = self.backup.take().or(opened.backup);
            self.slate = self.slate.take().or(opened.slate);
        }
        self.miss(now);
        // What could not be read again was told the first time.
        let problems = if wished { opened.problems } else { Vec::new() };
        (wished || found).then_some(Change { wished, problems })
    }

    fn miss(&mut self, now: Nanos) {
        let missing = |wished: &Option<PathBuf>, there: bool| wished.is_some() && !there;
        if missing(&self.wished.backup, self.backup.is_some())
            || missing(&self.wished.slate, self.slate.is_some())
        {
            self.again.get_or_insert(now + AGAIN);
        }
    }

    fn open(&mut self, wished: bool, backup: Option<PathBuf>, slate: Option<PathBuf>) {
        let (opened, opening) = oneshot::channel();
        let wake = Arc::clone(&self.wake);
        self.opening = Some((wished, opening));
        tokio::task::spawn_blocking(move || {
            let mut found = Opened::default();
            found.backup = found.open(backup);
            found.slate = found.open(slate);
            let _ = opened.send(found);
            wake.notify_one();
        });
    }
}

impl Opened {
    fn open(&mut self, path: Option<PathBuf>) -> Option<Arc<dyn LoopSource>> {
        let path = path?;
        match LoopFile::open(&path) {
            Ok(file) => Some(Arc::new(file)),
            Err(error) => {
                self.problems.push(format!("{}: {error}", path.display()));
                None
            }
        }
    }
}
