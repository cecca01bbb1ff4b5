//! The folded state in sled: rows by key and one meta row that says what they must add up to.
//!
//! sled is not trusted. One flipped byte can make it panic, hang, or open with rows missing; so it is opened on a thread
//! of its own, within a time limit, and believed only when count and hash agree. Everything here may fail; the
//! journal can always rebuild it.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use booth_core::{Key, Row};
use serde::{Deserialize, Serialize};

use crate::journal::Chain;

const META: &[u8] = b"meta";
const ROW: u8 = b'r';
const VERSION: u32 = 1;
/// Far above what opening takes (tens of milliseconds); a hang in sled must not keep the house closed.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// sled's file lock can outlive its last handle for a moment.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// Sum of the hashes of all rows: changes with every row, and needs only the changed rows to be kept up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Sum([u64; 4]);

impl Sum {
    fn of(key: &[u8], value: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
        hasher.update(value);
        let hash = hasher.finalize();
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            let mut raw = [0; 8];
            raw.copy_from_slice(bytes);
            *lane = u64::from_le_bytes(raw);
        }
        Self(lanes)
    }

    fn add(&mut self, other: Self) {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(other);
        }
    }

    fn sub(&mut self, other: Self) {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_sub(other);
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    version: u32,
    /// The rows are the state at this revision, whose record has this chain value in this journal.
    pub revision: u64,
    pub chain: Chain,
    pub lineage: Chain,
    count: u64,
    sum: Sum,
}

/// An open folded state, at the revision written last.
pub struct Folded {
    db: sled::Db,
    file: PathBuf,
    rows: BTreeMap<Vec<u8>, Sum>,
    sum: Sum,
}

/// Rows that were read and add up.
pub struct Loaded {
    pub folded: Folded,
    pub meta: Meta,
    pub rows: Vec<Row>,
}

/// What a batch brings the rows to.
pub struct Batch {
    pub revision: u64,
    pub chain: Chain,
    pub lineage: Chain,
    /// `None` takes the row out.
    pub rows: Vec<(Key, Option<Row>)>,
}

/// Opens and verifies; `Ok(None)` when there is nothing yet.
pub fn load(path: &Path) -> Result<Option<Loaded>, String> {
    if !path.join("db").exists() {
        let empty = fs::read_dir(path).map_or(true, |mut items| items.next().is_none());
        return if empty {
            Ok(None)
        } else {
            Err("its db file is missing".to_owned())
        };
    }
    remove_unfinished_snapshots(path);
    let path = path.to_owned();
    on_own_thread(move || {
        let folded = open(&path)?;
        folded.verify().map(Some)
    })
}

/// Opens an empty one.
pub fn create(path: &Path) -> Result<Folded, String> {
    let path = path.to_owned();
    on_own_thread(move || {
        let folded = open(&path)?;
        if folded.db.is_empty() {
            Ok(folded)
        } else {
            Err("a new folded state is not empty".to_owned())
        }
    })
}

fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("sled-open".into())
        .spawn(move || {
            // Nobody listens any more after the time limit.
            let _ = tell.send(guarded(work));
        })
        .map_err(|e| e.to_string())?;
    told.recv_timeout(OPEN_LIMIT)
        .unwrap_or_else(|_| Err(format!("no answer within {} s", OPEN_LIMIT.as_secs())))
}

/// Turns a panic of sled into an error.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        // Its own payload may panic again when dropped; leaking a few bytes is cheaper.
        std::mem::forget(panic);
        Err(format!("sled panicked: {text}"))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

fn open(path: &Path) -> Result<Folded, String> {
    let give_up = Instant::now() + LOCK_LIMIT;
    let db = loop {
        let opened = sled::Config::new()
            .path(path)
            .cache_capacity(16 << 20)
            // Only `write` flushes: nothing is synced behind its back.
            .flush_every_ms(None)
            .open();
        match opened {
            Ok(db) => break db,
            Err(sled::Error::Io(error)) if is_locked(&error) && Instant::now() < give_up => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    Ok(Folded {
        db,
        file: path.join("db"),
        rows: BTreeMap::new(),
        sum: Sum::default(),
    })
}

fn is_locked(error: &std::io::Error) -> bool {
    // sled wraps the system's error into one of kind Other, with its text.
    error.kind() == std::io::ErrorKind::WouldBlock
        || error.to_string().contains("WouldBlock")
        || error.to_string().contains("could not acquire lock")
}

/// sled leaves these behind when it is killed, and then cannot open.
fn remove_unfinished_snapshots(path: &Path) {
    let Ok(items) = fs::read_dir(path) else {
        return;
    };
    for item in items.flatten() {
        let name = item.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let _ = fs::remove_file(item.path());
        }
    }
}

impl Folded {
    fn verify(mut self) -> Result<Loaded, String> {
        let raw = self
            .db
            .get(META)
            .map_err(|e| e.to_string())?
            .ok_or("it has no meta row")?;
        let (digest, json) = raw.split_at_checked(32).ok_or("its meta row is short")?;
        if blake3::hash(json).as_bytes() != digest {
            return Err("its meta row is damaged".to_owned());
        }
        let meta: Meta = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if meta.version != VERSION {
            return Err(format!("it has format {}", meta.version));
        }
        let mut rows = Vec::new();
        for item in self.db.scan_prefix([ROW]) {
            let (key, value) = item.map_err(|e| e.to_string())?;
            let sum = Sum::of(&key, &value);
            self.sum.add(sum);
            self.rows.insert(key.to_vec(), sum);
            rows.push(serde_json::from_slice(&value).map_err(|e| e.to_string())?);
        }
        if rows.len() as u64 != meta.count {
            return Err(format!("it has {} rows, not {}", rows.len(), meta.count));
        }
        if self.sum != meta.sum {
            return Err("its rows do not add up to their hash".to_owned());
        }
        Ok(Loaded {
            folded: self,
            meta,
            rows,
        })
    }

    /// Writes one batch, whole or not at all, and returns when it is on disk.
    pub fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let mut writes = sled::Batch::default();
        for (key, row) in &batch.rows {
            let mut name = vec![ROW];
            serde_json::to_writer(&mut name, key).map_err(|e| e.to_string())?;
            if let Some(old) = self.rows.remove(&name) {
                self.sum.sub(old);
            }
            match row {
                Some(row) => {
                    let value = serde_json::to_vec(row).map_err(|e| e.to_string())?;
                    let sum = Sum::of(&name, &value);
                    self.sum.add(sum);
                    self.rows.insert(name.clone(), sum);
                    writes.insert(name, value);
                }
                None => writes.remove(name),
            }
        }
        let meta = Meta {
            version: VERSION,
            revision: batch.revision,
            chain: batch.chain,
            lineage: batch.lineage,
            count: self.rows.len() as u64,
            sum: self.sum,
        };
        let json = serde_json::to_vec(&meta).map_err(|e| e.to_string())?;
        let mut value = blake3::hash(&json).as_bytes().to_vec();
        value.extend_from_slice(&json);
        writes.insert(META, value);
        self.db.apply_batch(writes).map_err(|e| e.to_string())?;
        self.db.flush().map_err(|e| e.to_string())?;
        // sled's flush only starts the write-back: a power cut would lose it.
        File::open(&self.file)
            .and_then(|file| file.sync_data())
            .map_err(|e| e.to_string())
    }
}
