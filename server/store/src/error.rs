//! One error type per operation.

use std::io;
use std::path::PathBuf;

/// Why the ledger cannot be opened. Damage is not among these: it is survived and reported.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{dir} is in use by another boothd{}: stop it first, or use another data directory", pid.map(|p| format!(" (pid {p})")).unwrap_or_default(), dir = dir.display())]
    Locked { dir: PathBuf, pid: Option<u32> },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} was written by a later version of booth (format {version}): use that one", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error(
        "revision {revision} is sound but this version of booth cannot read it (payload version {version}): {why}"
    )]
    Unreadable {
        revision: u64,
        version: u16,
        why: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Why records were not made durable. None of them will ever appear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("too many changes are waiting for the disk")]
    Busy,
    #[error("the disk is full: {reason}; free some space, changes are taken again by themselves")]
    Full { reason: String },
    #[error("the disk reports an error: {reason}")]
    Io { reason: String },
    /// A change before this one was refused, or the caller lost count.
    #[error("revision {got} does not follow revision {last}")]
    OutOfOrder { last: u64, got: u64 },
    #[error("a record cannot be stored: {reason}")]
    Unstorable { reason: String },
    #[error("the ledger is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("reading the journal: {0}")]
    Read(io::Error),
    #[error("writing the backup: {0}")]
    Write(io::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("this is not a backup of booth")]
    NotABackup,
    #[error("the backup was written by a later version of booth (format {0})")]
    Newer(u32),
    #[error("the backup ends too early")]
    Truncated,
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    #[error("reading the backup: {0}")]
    Read(io::Error),
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Data(#[from] OpenError),
}
