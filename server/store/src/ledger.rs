//! The ledger as the director sees it: append and be told when it is durable; look at its health; copy it.

use std::io::Read;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use booth_core::{Record, State};

use crate::error::{BackupError, LedgerError};
use crate::folder::{self, Begin, Outbox};
use crate::journal::Chain;
use crate::journal::frame::{self, Expect, Kind};
use crate::journal::segment::HEADER_LEN;
use crate::layout::{Layout, Piece, Source};
use crate::lock::Lock;
use crate::report::OpenReport;
use crate::writer::{Append, Medium, Memory, Writer};

/// How a ledger on disk is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A new segment is begun at this size.
    pub segment_bytes: u64,
    /// Disk space held in hand, given up when the disk is full.
    pub ballast_bytes: u64,
    /// Appends that may wait. A sync takes well under 10 ms, so a full queue means a disk that hangs; more waiting would
    /// only delay the refusal.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            ballast_bytes: 4 << 20,
            queue: 1_024,
        }
    }
}

pub struct Opened {
    pub ledger: Ledger,
    pub state: State,
    pub report: OpenReport,
}

/// The records of one append are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Of the last of them.
    pub revision: u64,
    /// What the `fdatasync` took that covers them.
    pub sync: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub writable: bool,
    /// Why changes are refused.
    pub reason: Option<String>,
    /// Last acknowledged revision.
    pub revision: u64,
    pub records: u64,
    pub segments: usize,
    pub journal_bytes: u64,
    pub last_fdatasync_us: u64,
    /// Revision of the folded state on disk; it may lag behind.
    pub folded_revision: u64,
    /// Why the folded state is not kept up any more. The next start takes longer, nothing is lost.
    pub folded_off: Option<String>,
}

#[derive(Debug, Default)]
pub struct Status {
    pub failure: Option<LedgerError>,
    pub last_sync: Duration,
}

/// Appends, health, backup: all from any thread. Dropping it writes what is queued and ends its threads.
pub struct Ledger {
    queue: Option<SyncSender<Append>>,
    writer: Option<JoinHandle<()>>,
    layout: Arc<Mutex<Layout>>,
    status: Arc<Mutex<Status>>,
    outbox: Arc<Outbox>,
    /// Released last.
    _lock: Option<Lock>,
}

pub(crate) struct Parts {
    pub medium: Medium,
    pub layout: Arc<Mutex<Layout>>,
    pub outbox: Arc<Outbox>,
    pub begin: Begin,
    pub lineage: Chain,
    pub queue: usize,
    pub lock: Option<Lock>,
}

/// How long closing waits for the folded state. The journal needs no such grace: it is durable already.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

impl Ledger {
    /// A ledger without a disk, for tests: same behaviour, nothing durable.
    pub fn memory() -> Opened {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let layout = Arc::new(Mutex::new(Layout {
            pieces: vec![Piece {
                first: 1,
                len: HEADER_LEN as u64,
                source: Source::Memory(Arc::clone(&bytes)),
            }],
            ..Layout::default()
        }));
        let ledger = Self::start(Parts {
            medium: Medium::Memory(Memory::new(bytes, Arc::clone(&layout))),
            layout,
            outbox: Arc::new(Outbox::new(State::default(), Chain::default(), None)),
            begin: Begin::Off,
            lineage: Chain::default(),
            queue: Options::default().queue,
            lock: None,
        });
        Opened {
            ledger,
            state: State::default(),
            report: OpenReport::new(),
        }
    }

    pub(crate) fn start(parts: Parts) -> Self {
        let (queue, received) = std::sync::mpsc::sync_channel(parts.queue);
        let status = Arc::new(Mutex::new(Status {
            failure: parts.medium.failure(),
            last_sync: Duration::ZERO,
        }));
        folder::spawn(Arc::clone(&parts.outbox), parts.begin, parts.lineage);
        let writer = Writer {
            queue: received,
            medium: parts.medium,
            layout: Arc::clone(&parts.layout),
            status: Arc::clone(&status),
            outbox: Arc::clone(&parts.outbox),
        };
        let spawned = std::thread::Builder::new()
            .name("ledger-write".into())
            .spawn(move || writer.run());
        if let Err(error) = &spawned {
            // Its queue went with it: every append is refused as closed.
            tracing::error!(%error, "the journal's thread did not start");
        }
        Self {
            queue: Some(queue),
            writer: spawned.ok(),
            layout: parts.layout,
            status,
            outbox: parts.outbox,
            _lock: parts.lock,
        }
    }

    /// Queues `records`, which follow the last one queued. `done` is called once: when they are durable, or when none of
    /// them ever will be. Never blocks; a full queue is refused at once.
    pub fn append(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<Appended, LedgerError>) + Send + 'static,
    ) {
        let append = Append {
            records,
            done: Box::new(done),
        };
        let refused = match &self.queue {
            Some(queue) => match queue.try_send(append) {
                Ok(()) => return,
                Err(TrySendError::Full(append)) => (append, LedgerError::Busy),
                Err(TrySendError::Disconnected(append)) => (append, LedgerError::Closed),
            },
            None => (append, LedgerError::Closed),
        };
        (refused.0.done)(Err(refused.1));
    }

    pub fn health(&self) -> Health {
        let (failure, last_sync) = {
            let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            (status.failure.clone(), status.last_sync)
        };
        let folded = self.outbox.health();
        let layout = self.layout();
        Health {
            writable: failure.is_none(),
            reason: failure.map(|failure| failure.to_string()),
            revision: layout.revision,
            records: layout.records,
            segments: layout.pieces.len(),
            journal_bytes: layout.bytes(),
            last_fdatasync_us: u64::try_from(last_sync.as_micros()).unwrap_or(u64::MAX),
            folded_revision: folded.revision,
            folded_off: folded.off,
        }
    }

    /// Waits until the folded state on disk has all that is acknowledged; `false` when it does not get there in time.
    pub fn flush(&self, limit: Duration) -> bool {
        let acknowledged = self.layout().revision;
        self.outbox.flush(acknowledged, limit)
    }

    /// The last `n` records, oldest first; fewer when the journal is shorter or lost some.
    pub fn tail(&self, n: usize) -> Result<Vec<Record>, BackupError> {
        let pieces = self.layout().pieces.clone();
        let mut tail = Vec::new();
        let mut end = u64::MAX;
        for piece in pieces.iter().rev() {
            if tail.len() >= n {
                break;
            }
            let mut bytes = Vec::new();
            piece
                .open()
                .and_then(|mut from| from.read_to_end(&mut bytes))
                .map_err(BackupError::Read)?;
            // A later segment supersedes what this one holds beyond its first revision.
            let mut records = records_of(&bytes, end);
            let keep = n - tail.len();
            records.drain(..records.len().saturating_sub(keep));
            records.append(&mut tail);
            tail = records;
            end = piece.first;
        }
        Ok(tail)
    }

    pub(crate) fn layout(&self) -> MutexGuard<'_, Layout> {
        self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable records of a segment that was checked when it was opened or written.
fn records_of(bytes: &[u8], end: u64) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = HEADER_LEN;
    while let Some(head) = frame::peek(bytes, at)
        && head.sequence < end
    {
        let expect = Expect {
            prev: None,
            sequence: head.sequence,
        };
        let Some(frame) = frame::read(bytes, at, &expect) else {
            break;
        };
        let payload = &bytes[at + frame::HEAD_LEN..at + frame.len()];
        if head.kind == Kind::Record
            && let Ok(record) = serde_json::from_slice(payload)
        {
            records.push(record);
        }
        at += frame.len();
    }
    records
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
        if !self.outbox.close(CLOSE_LIMIT) {
            tracing::warn!("the folded state did not close in time; the next start checks it");
        }
    }
}
