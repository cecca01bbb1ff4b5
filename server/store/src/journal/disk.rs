//! The appending end of the journal: one open segment, one `fdatasync` per batch.
//!
//! ```text
//!            write or sync fails                    new segment synced            ballast is back
//!  writable ────────────────────▶ failed ──────────────────────────────▶ sealed ─────────────────▶ writable
//! ```
//!
//! After an error the file is never written or synced again. What it got of the refused batch is cut off, and a new
//! segment that starts at the refused revision supersedes it: refused records cannot come back. For a full disk the
//! ballast is given up so that this new segment fits.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::frame::Chain;
use super::segment::{self, HEADER_LEN, Header};
use crate::error::LedgerError;
use crate::files;
use crate::layout::{Layout, Piece, Source};

pub struct Disk {
    dir: PathBuf,
    ballast: PathBuf,
    ballast_bytes: u64,
    segment_bytes: u64,
    lineage: Chain,
    /// Sequence of the next record, and the chain value before it.
    next: u64,
    chain: Chain,
    current: Option<Current>,
    failure: Option<LedgerError>,
    layout: Arc<Mutex<Layout>>,
    #[cfg(test)]
    pub fail_sync: Option<Errno>,
}

struct Current {
    file: File,
    len: u64,
}

pub struct Start {
    pub dir: PathBuf,
    pub ballast: PathBuf,
    pub ballast_bytes: u64,
    pub segment_bytes: u64,
    pub lineage: Chain,
    pub next: u64,
    pub chain: Chain,
    pub layout: Arc<Mutex<Layout>>,
    /// Last segment, when it may be appended to.
    pub append_to: Option<PathBuf>,
}

impl Disk {
    /// Never fails: a disk that cannot be written to is a state, see [`Disk::failure`].
    pub fn start(start: Start) -> Self {
        let mut disk = Self {
            dir: start.dir,
            ballast: start.ballast,
            ballast_bytes: start.ballast_bytes,
            segment_bytes: start.segment_bytes,
            lineage: start.lineage,
            next: start.next,
            chain: start.chain,
            current: None,
            failure: None,
            layout: start.layout,
            #[cfg(test)]
            fail_sync: None,
        };
        let opened = match start.append_to {
            Some(path) => disk.reopen(&path),
            None => disk.open_segment(),
        };
        // Given up by the run before, so the disk was full then.
        let was_full = !disk.ballast.exists();
        let held = opened.and_then(|()| disk.hold_ballast());
        let held = held.and_then(|()| if was_full { disk.has_margin() } else { Ok(()) });
        if let Err(error) = held {
            if was_full {
                let _ = fs::remove_file(&disk.ballast);
            }
            disk.failure = Some(refusal(&error, &disk.dir));
        }
        disk
    }

    pub fn failure(&self) -> Option<&LedgerError> {
        self.failure.as_ref()
    }

    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Makes `frames` durable: the records `next()` to `next() + records - 1`. Answers what the sync took.
    pub fn commit(
        &mut self,
        frames: &[u8],
        records: u64,
        chain: Chain,
    ) -> Result<Duration, LedgerError> {
        self.recover()?;
        match self.write(frames) {
            Ok(took) => {
                self.next += records;
                self.chain = chain;
                Ok(took)
            }
            Err(error) => {
                let refused = refusal(&error, &self.dir);
                self.fail(refused.clone());
                Err(refused)
            }
        }
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<Duration> {
        if self
            .current
            .as_ref()
            .is_none_or(|c| c.len >= self.segment_bytes)
        {
            self.open_segment()?;
        }
        let Some(current) = &mut self.current else {
            return Err(io::Error::other("no open segment"));
        };
        current.file.write_all_at(frames, current.len)?;
        #[cfg(test)]
        if let Some(errno) = self.fail_sync.take() {
            return Err(errno.into());
        }
        let before = Instant::now();
        current.file.sync_data()?;
        let took = before.elapsed();
        current.len += frames.len() as u64;
        let len = current.len;
        self.with_layout(|layout| {
            if let Some(piece) = layout.pieces.last_mut() {
                piece.len = len;
            }
        });
        Ok(took)
    }

    /// From now on refuses; gets the refused bytes out of the way while it can.
    fn fail(&mut self, reason: LedgerError) {
        if matches!(reason, LedgerError::Full { .. }) {
            let _ = fs::remove_file(&self.ballast);
        }
        if let Some(current) = self.current.take() {
            // Helps when the process ends before a new segment can be made; not relied upon.
            let _ = current.file.set_len(current.len);
        }
        self.failure = Some(reason);
        // Now rather than later: a power cut must not bring the refused records back either.
        let _ = self.open_segment();
    }

    /// Takes up writing again once a new segment is there and the ballast is back.
    pub fn recover(&mut self) -> Result<(), LedgerError> {
        let Some(failure) = &self.failure else {
            return Ok(());
        };
        let was = failure.clone();
        let recovered = match self.current {
            Some(_) => Ok(()),
            None => self.open_segment(),
        }
        .and_then(|()| self.hold_ballast())
        .and_then(|()| match was {
            LedgerError::Full { .. } => self.has_margin(),
            _ => Ok(()),
        });
        match recovered {
            Ok(()) => {
                tracing::info!(after = %was, "the journal can be written again");
                self.failure = None;
                Ok(())
            }
            Err(error) => {
                let now = refusal(&error, &self.dir);
                if matches!(now, LedgerError::Full { .. }) {
                    // Free for whatever has to be cleaned up.
                    let _ = fs::remove_file(&self.ballast);
                }
                self.failure = Some(now.clone());
                Err(now)
            }
        }
    }

    fn reopen(&mut self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let len = file.metadata()?.len();
        self.current = Some(Current { file, len });
        Ok(())
    }

    /// A new segment for `next`. Replaces one of the same name, which can hold refused records only.
    fn open_segment(&mut self) -> io::Result<()> {
        let path = self.dir.join(segment::file_name(self.next));
        let header = Header {
            first: self.next,
            prev: self.chain,
            lineage: self.lineage,
        };
        let file = files::replace(&path, &header.encode())?;
        let len = HEADER_LEN as u64;
        self.current = Some(Current { file, len });
        let first = self.next;
        self.with_layout(|layout| {
            layout.pieces.retain(|piece| piece.first != first);
            layout.pieces.push(Piece {
                first,
                len,
                source: Source::File(path),
            });
        });
        Ok(())
    }

    fn with_layout(&self, change: impl FnOnce(&mut Layout)) {
        change(&mut self.layout.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// After a full disk, a few freed bytes are not space: a ledger that takes one change and refuses the next helps nobody.
    fn has_margin(&self) -> io::Result<()> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        if stat.f_bavail.saturating_mul(stat.f_frsize) < self.ballast_bytes {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }

    /// Keeps `ballast_bytes` of the disk in hand.
    fn hold_ballast(&self) -> io::Result<()> {
        if fs::metadata(&self.ballast).is_ok_and(|meta| meta.len() == self.ballast_bytes) {
            return Ok(());
        }
        let held = (|| {
            let file = File::create(&self.ballast)?;
            match rustix::fs::fallocate(
                &file,
                rustix::fs::FallocateFlags::empty(),
                0,
                self.ballast_bytes,
            ) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP) => {
                    let block = [0_u8; 64 << 10];
                    let mut at = 0;
                    while at < self.ballast_bytes {
                        let n = (self.ballast_bytes - at).min(block.len() as u64);
                        file.write_all_at(&block[..n as usize], at)?;
                        at += n;
                    }
                }
                Err(errno) => return Err(errno.into()),
            }
            file.sync_all()
        })();
        if held.is_err() {
            let _ = fs::remove_file(&self.ballast);
        }
        held
    }
}

fn refusal(error: &io::Error, dir: &Path) -> LedgerError {
    let reason = format!("{}: {error}", dir.display());
    let full = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(Errno::raw_os_error);
    if error.raw_os_error().is_some_and(|raw| full.contains(&raw)) {
        LedgerError::Full { reason }
    } else {
        LedgerError::Io { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::frame::{self, Kind};
    use crate::journal::scan::{self, Journal};
    use crate::report::OpenReport;

    fn disk(dir: &Path) -> Disk {
        fs::create_dir_all(dir.join("journal")).unwrap();
        Disk::start(Start {
            dir: dir.join("journal"),
            ballast: dir.join("ballast"),
            ballast_bytes: 8_192,
            segment_bytes: 1 << 20,
            lineage: [5; 16],
            next: 1,
            chain: Chain::default(),
            layout: Arc::default(),
            append_to: None,
        })
    }

    fn frames(disk: &Disk, texts: &[&str]) -> (Vec<u8>, Chain) {
        let mut out = Vec::new();
        let mut chain = disk.chain();
        for (sequence, text) in (disk.next()..).zip(texts) {
            chain = frame::encode(&mut out, &chain, sequence, 1, Kind::Record, text.as_bytes());
        }
        (out, chain)
    }

    fn put(disk: &mut Disk, texts: &[&str]) -> Result<Duration, LedgerError> {
        let (bytes, chain) = frames(disk, texts);
        disk.commit(&bytes, texts.len() as u64, chain)
    }

    #[track_caller]
    fn read(dir: &Path) -> (Journal, Vec<String>) {
        let mut report = OpenReport::new();
        let journal = scan::scan(&dir.join("journal"), &mut report).unwrap();
        assert_eq!(report.warnings(), Vec::<String>::new());
        let texts = journal
            .entries
            .iter()
            .map(|entry| {
                let bytes = journal.segments[entry.segment].bytes().unwrap();
                let payload = &bytes[entry.offset..entry.offset + entry.length];
                String::from_utf8(payload.to_vec()).unwrap()
            })
            .collect();
        (journal, texts)
    }

    #[test]
    fn a_batch_whose_sync_failed_never_appears_and_its_revisions_are_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = disk(dir.path());
        put(&mut disk, &["one", "two"]).unwrap();
        disk.fail_sync = Some(Errno::IO);
        let refused = put(&mut disk, &["three, refused", "four, refused"]);
        assert!(
            matches!(refused, Err(LedgerError::Io { .. })),
            "{refused:?}"
        );
        assert!(disk.failure().is_some());
        assert_eq!(read(dir.path()).1, ["one", "two"]);
        put(&mut disk, &["three"]).unwrap();
        assert!(disk.failure().is_none());
        let (journal, texts) = read(dir.path());
        assert_eq!(texts, ["one", "two", "three"]);
        assert_eq!(
            journal.segments.len(),
            2,
            "the failed file is not written again"
        );
    }

    #[test]
    fn refused_bytes_that_could_not_be_cut_off_are_superseded() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = disk(dir.path());
        put(&mut disk, &["one", "two"]).unwrap();
        let file = dir.path().join("journal/000000000001.seg");
        let mut bytes = fs::read(&file).unwrap();
        let (refused, _) = frames(&disk, &["three, refused", "four, refused"]);
        disk.fail_sync = Some(Errno::IO);
        put(&mut disk, &["three, refused", "four, refused"]).unwrap_err();
        // A power cut undid the truncation.
        bytes.extend_from_slice(&refused);
        fs::write(&file, bytes).unwrap();
        assert_eq!(read(dir.path()).1, ["one", "two"]);
        put(&mut disk, &["three"]).unwrap();
        let (journal, texts) = read(dir.path());
        assert_eq!(texts, ["one", "two", "three"]);
        assert_eq!(journal.next, 4);
    }

    #[test]
    fn failing_again_and_again_at_one_revision_leaves_one_segment_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = disk(dir.path());
        put(&mut disk, &["one"]).unwrap();
        for _ in 0..5 {
            disk.fail_sync = Some(Errno::IO);
            put(&mut disk, &["two, refused"]).unwrap_err();
        }
        put(&mut disk, &["two"]).unwrap();
        let (journal, texts) = read(dir.path());
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(journal.segments.len(), 2);
    }

    #[test]
    fn a_full_disk_costs_the_ballast_and_space_brings_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = disk(dir.path());
        let ballast = dir.path().join("ballast");
        assert_eq!(fs::metadata(&ballast).unwrap().len(), 8_192);
        disk.fail_sync = Some(Errno::NOSPC);
        let refused = put(&mut disk, &["one, refused"]);
        assert!(
            matches!(refused, Err(LedgerError::Full { .. })),
            "{refused:?}"
        );
        assert!(!ballast.exists());
        disk.recover().unwrap();
        assert_eq!(fs::metadata(&ballast).unwrap().len(), 8_192);
    }
}
