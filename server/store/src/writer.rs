//! The one thread that writes the journal: takes all that is queued, writes it, syncs once, then answers each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::Record;

use crate::error::LedgerError;
use crate::folder::Outbox;
use crate::journal::disk::Disk;
use crate::journal::frame::{self, Chain, Kind, PAYLOAD_MAX};
use crate::journal::{RECORD_VERSION, segment};
use crate::layout::Layout;
use crate::ledger::{Appended, Status};

pub type Done = Box<dyn FnOnce(Result<Appended, LedgerError>) + Send>;

pub struct Append {
    pub records: Vec<Record>,
    pub done: Done,
}

/// One sync covers at most this much, so that the first of a long queue is not kept waiting for the last.
const BATCH_BYTES: usize = 4 << 20;
/// How often a disk that refused is tried again when nobody asks.
const RETRY: Duration = Duration::from_millis(500);

pub enum Medium {
    Disk(Box<Disk>),
    Memory(Memory),
}

pub struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    layout: Arc<Mutex<Layout>>,
    next: u64,
    chain: Chain,
}

impl Memory {
    pub fn new(bytes: Arc<Mutex<Vec<u8>>>, layout: Arc<Mutex<Layout>>) -> Self {
        let header = segment::Header {
            first: 1,
            prev: Chain::default(),
            lineage: Chain::default(),
        };
        bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(&header.encode());
        Self {
            bytes,
            layout,
            next: 1,
            chain: Chain::default(),
        }
    }

    fn commit(&mut self, frames: &[u8], records: u64, chain: Chain) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(frames);
        let len = bytes.len() as u64;
        drop(bytes);
        let mut layout = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = layout.pieces.last_mut() {
            piece.len = len;
        }
        drop(layout);
        self.next += records;
        self.chain = chain;
    }
}

impl Medium {
    fn next(&self) -> u64 {
        match self {
            Self::Disk(disk) => disk.next(),
            Self::Memory(memory) => memory.next,
        }
    }

    fn chain(&self) -> Chain {
        match self {
            Self::Disk(disk) => disk.chain(),
            Self::Memory(memory) => memory.chain,
        }
    }

    pub fn failure(&self) -> Option<LedgerError> {
        match self {
            Self::Disk(disk) => disk.failure().cloned(),
            Self::Memory(_) => None,
        }
    }

    fn recover(&mut self) {
        if let Self::Disk(disk) = self {
            // Said in health already, and tried again.
            let _ = disk.recover();
        }
    }

    fn commit(
        &mut self,
        frames: &[u8],
        records: u64,
        chain: Chain,
    ) -> Result<Duration, LedgerError> {
        match self {
            Self::Disk(disk) => disk.commit(frames, records, chain),
            Self::Memory(memory) => {
                memory.commit(frames, records, chain);
                Ok(Duration::ZERO)
            }
        }
    }
}

pub struct Writer {
    pub queue: Receiver<Append>,
    pub medium: Medium,
    pub layout: Arc<Mutex<Layout>>,
    pub status: Arc<Mutex<Status>>,
    pub outbox: Arc<Outbox>,
}

/// Frames of one sync, and who waits for them.
struct Group {
    frames: Vec<u8>,
    next: u64,
    chain: Chain,
    accepted: Vec<(Append, u64)>,
    refused: Vec<(Append, LedgerError)>,
}

impl Writer {
    pub fn run(mut self) {
        self.publish(None);
        while let Some(first) = self.wait() {
            let mut group = Group::new(self.medium.next(), self.medium.chain());
            group.add(first);
            while group.frames.len() < BATCH_BYTES
                && let Ok(more) = self.queue.try_recv()
            {
                group.add(more);
            }
            self.commit(group);
        }
    }

    /// The next append; `None` when the ledger is closed.
    fn wait(&mut self) -> Option<Append> {
        while self.medium.failure().is_some() {
            match self.queue.recv_timeout(RETRY) {
                Ok(append) => return Some(append),
                Err(RecvTimeoutError::Timeout) => {
                    self.medium.recover();
                    self.publish(None);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.queue.recv().ok()
    }

    fn commit(&mut self, group: Group) {
        let records = group.next - self.medium.next();
        let result = if records == 0 {
            Ok(Duration::ZERO)
        } else {
            self.medium.commit(&group.frames, records, group.chain)
        };
        if let Err(error) = &result {
            tracing::warn!(%error, records, "records refused");
        }
        if let Ok(took) = &result {
            {
                let mut layout = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
                layout.revision = group.next - 1;
                layout.chain = group.chain;
                layout.records += records;
            }
            self.publish((records > 0).then_some(*took));
        } else {
            self.publish(None);
        }
        let mut durable = Vec::new();
        for (append, revision) in group.accepted {
            let Append { records, done } = append;
            let answer = result.clone().map(|sync| Appended { revision, sync });
            if answer.is_ok() {
                durable.push(records);
            }
            tell(done, answer);
        }
        for (append, error) in group.refused {
            // What made it not follow may be the failure before it; that is what is worth saying.
            let error = match (&error, &result) {
                (LedgerError::OutOfOrder { .. }, Err(failure)) => failure.clone(),
                _ => error,
            };
            tell(append.done, Err(error));
        }
        if records > 0 && result.is_ok() {
            self.outbox.put(durable.iter().flatten(), group.chain);
        }
    }

    fn publish(&self, sync: Option<Duration>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.failure = self.medium.failure();
        if let Some(sync) = sync {
            status.last_sync = sync;
        }
    }
}

/// A caller that panics must not take the journal with it.
fn tell(done: Done, answer: Result<Appended, LedgerError>) {
    if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
        tracing::error!("a caller of the ledger panicked when it was answered");
    }
}

impl Group {
    fn new(next: u64, chain: Chain) -> Self {
        Self {
            frames: Vec::new(),
            next,
            chain,
            accepted: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn add(&mut self, append: Append) {
        let (len, next, chain) = (self.frames.len(), self.next, self.chain);
        match self.encode(&append.records) {
            Ok(()) => self.accepted.push((append, self.next - 1)),
            Err(error) => {
                self.frames.truncate(len);
                self.next = next;
                self.chain = chain;
                self.refused.push((append, error));
            }
        }
    }

    fn encode(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        for record in records {
            if record.revision != self.next {
                return Err(LedgerError::OutOfOrder {
                    last: self.next - 1,
                    got: record.revision,
                });
            }
            let payload = serde_json::to_vec(record).map_err(|e| LedgerError::Unstorable {
                reason: e.to_string(),
            })?;
            if payload.len() > PAYLOAD_MAX {
                return Err(LedgerError::Unstorable {
                    reason: format!("it has {} bytes", payload.len()),
                });
            }
            self.chain = frame::encode(
                &mut self.frames,
                &self.chain,
                self.next,
                RECORD_VERSION,
                Kind::Record,
                &payload,
            );
            self.next += 1;
        }
        Ok(())
    }
}
