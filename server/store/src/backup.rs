//! Backup: the journal up to its last acknowledged record, in one file. Restore: into the data directory of a stopped
//! server, after everything was verified.
//!
//! ```text
//!  "BOOTHBAK"  format u32  segments u32  revision u64  bytes u64  { first u64  length u64  bytes … }  BLAKE3 of it all
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{BackupError, RestoreError};
use crate::files;
use crate::journal::{scan, segment};
use crate::ledger::Ledger;
use crate::lock;
use crate::report::OpenReport;

const MAGIC: [u8; 8] = *b"BOOTHBAK";
const FORMAT: u32 = 1;
const CHUNK: usize = 64 << 10;
/// A header that promises more is not believed.
const SEGMENTS_MAX: u32 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupDone {
    /// Last revision in the backup.
    pub revision: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub revision: u64,
    pub records: u64,
    /// The journal that was there before.
    pub previous: Option<PathBuf>,
}

/// Writes and hashes.
struct Hashed<'a> {
    to: &'a mut dyn Write,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Hashed<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.to.write_all(bytes).map_err(BackupError::Write)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Ledger {
    /// Writes a consistent copy of everything acknowledged so far, while appends go on.
    pub fn backup(&self, to: &mut dyn Write) -> Result<BackupDone, BackupError> {
        let (revision, pieces) = {
            let layout = self.layout();
            let open = |piece: &crate::layout::Piece| Ok((piece.first, piece.len, piece.open()?));
            let pieces: io::Result<Vec<_>> = layout.pieces.iter().map(open).collect();
            (layout.revision, pieces.map_err(BackupError::Read)?)
        };
        let mut out = Hashed {
            to,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        };
        let total: u64 = pieces.iter().map(|(_, len, _)| len).sum();
        out.put(&MAGIC)?;
        out.put(&FORMAT.to_le_bytes())?;
        out.put(&(pieces.len() as u32).to_le_bytes())?;
        out.put(&revision.to_le_bytes())?;
        out.put(&total.to_le_bytes())?;
        let mut chunk = vec![0; CHUNK];
        for (first, len, mut from) in pieces {
            out.put(&first.to_le_bytes())?;
            out.put(&len.to_le_bytes())?;
            let mut left = len;
            while left > 0 {
                let n = left.min(CHUNK as u64) as usize;
                from.read_exact(&mut chunk[..n])
                    .map_err(BackupError::Read)?;
                out.put(&chunk[..n])?;
                left -= n as u64;
            }
        }
        let digest = *out.hasher.finalize().as_bytes();
        out.to.write_all(&digest).map_err(BackupError::Write)?;
        out.to.flush().map_err(BackupError::Write)?;
        Ok(BackupDone {
            revision,
            bytes: out.bytes + digest.len() as u64,
        })
    }
}

/// Reads and hashes.
struct Source<'a> {
    from: &'a mut dyn Read,
    hasher: blake3::Hasher,
}

impl Source<'_> {
    fn take(&mut self, into: &mut [u8]) -> Result<(), RestoreError> {
        read_exact(self.from, into)?;
        self.hasher.update(into);
        Ok(())
    }

    fn u64(&mut self) -> Result<u64, RestoreError> {
        let mut raw = [0; 8];
        self.take(&mut raw)?;
        Ok(u64::from_le_bytes(raw))
    }

    fn u32(&mut self) -> Result<u32, RestoreError> {
        let mut raw = [0; 4];
        self.take(&mut raw)?;
        Ok(u32::from_le_bytes(raw))
    }
}

fn read_exact(from: &mut dyn Read, into: &mut [u8]) -> Result<(), RestoreError> {
    from.read_exact(into).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => RestoreError::Truncated,
        _ => RestoreError::Read(e),
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Write { path, source }
}

/// Puts a backup in place of the ledger in `dir`, whose server must not be running. Until the whole backup is verified
/// nothing there is touched; the journal that was there is kept beside the new one.
pub fn restore(backup: &mut dyn Read, dir: &Path) -> Result<Restored, RestoreError> {
    files::create_dir(dir).map_err(at(dir))?;
    let _lock = lock::lock(dir)?;
    finish_restore(dir).map_err(at(dir))?;
    let partial = dir.join("journal.partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(at(&partial))?;
    }
    files::create_dir(&partial).map_err(at(&partial))?;
    let verified = unpack(backup, &partial).and_then(|revision| verify(&partial, revision));
    let report = match verified {
        Ok(report) => report,
        Err(error) => {
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
    };
    // From this name on an interrupted restore is finished by the next open.
    let incoming = dir.join("journal.incoming");
    let set_aside = |name: &str| -> Result<Option<PathBuf>, RestoreError> {
        let from = dir.join(name);
        if !from.exists() {
            return Ok(None);
        }
        let to = files::free_name(dir, &format!("{name}.before-restore"));
        fs::rename(&from, &to).map_err(at(&from))?;
        Ok(Some(to))
    };
    fs::rename(&partial, &incoming).map_err(at(&incoming))?;
    files::sync_dir(dir).map_err(at(dir))?;
    set_aside("sled")?;
    let previous = set_aside("journal")?;
    finish_restore(dir).map_err(at(dir))?;
    Ok(Restored {
        revision: report.revision,
        records: report.records,
        previous,
    })
}

/// Ends what an interrupted restore began. The old journal is still in its place: the restore never happened.
pub fn finish_restore(dir: &Path) -> io::Result<()> {
    let incoming = dir.join("journal.incoming");
    let journal = dir.join("journal");
    if !incoming.exists() {
        return Ok(());
    }
    if journal.exists() {
        return fs::remove_dir_all(&incoming);
    }
    fs::rename(&incoming, &journal)?;
    files::sync_dir(dir)
}

fn unpack(backup: &mut dyn Read, into: &Path) -> Result<u64, RestoreError> {
    let mut source = Source {
        from: backup,
        hasher: blake3::Hasher::new(),
    };
    let mut magic = [0; 8];
    source.take(&mut magic).map_err(|error| match error {
        RestoreError::Truncated => RestoreError::NotABackup,
        other => other,
    })?;
    if magic != MAGIC {
        return Err(RestoreError::NotABackup);
    }
    let format = source.u32()?;
    if format != FORMAT {
        return Err(RestoreError::Newer(format));
    }
    let count = source.u32()?;
    let revision = source.u64()?;
    let mut left = source.u64()?;
    if count > SEGMENTS_MAX {
        return Err(RestoreError::Damaged("its header makes no sense".into()));
    }
    for _ in 0..count {
        let first = source.u64()?;
        let length = source.u64()?;
        left = left
            .checked_sub(length)
            .ok_or_else(|| RestoreError::Damaged("its lengths do not add up".into()))?;
        let path = into.join(segment::file_name(first));
        let mut file = File::create_new(&path).map_err(at(&path))?;
        let mut chunk = vec![0; CHUNK];
        let mut missing = length;
        while missing > 0 {
            let n = missing.min(CHUNK as u64) as usize;
            source.take(&mut chunk[..n])?;
            file.write_all(&chunk[..n]).map_err(at(&path))?;
            missing -= n as u64;
        }
        file.sync_all().map_err(at(&path))?;
    }
    let mut digest = [0; 32];
    read_exact(source.from, &mut digest)?;
    if source.hasher.finalize().as_bytes() != &digest {
        return Err(RestoreError::Damaged("its digest does not match".into()));
    }
    let mut more = [0; 1];
    if left != 0 || source.from.read(&mut more).map_err(RestoreError::Read)? != 0 {
        return Err(RestoreError::Damaged("its lengths do not add up".into()));
    }
    files::sync_dir(into).map_err(at(into))?;
    Ok(revision)
}

fn verify(dir: &Path, revision: u64) -> Result<OpenReport, RestoreError> {
    let mut report = OpenReport::new();
    let journal = scan::scan(dir, &mut report)?;
    let mut state = booth_core::State::default();
    let folded = crate::open::replay(&journal, &mut state, &mut Default::default());
    report.records = folded.map_err(RestoreError::Data)?;
    report.revision = journal.last();
    if journal.last() != revision || !journal.strangers.is_empty() {
        return Err(RestoreError::Damaged(format!(
            "it ends at revision {}, not {revision}",
            journal.last()
        )));
    }
    match report.warnings().first() {
        Some(line) => Err(RestoreError::Damaged(line.clone())),
        None => Ok(report),
    }
}
