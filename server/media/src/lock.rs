//! One worker per unit: an exclusive lock on a file, which the kernel lets go of however the worker ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held for as long as the worker lives.
#[derive(Debug)]
pub struct UnitLock {
    _file: File,
}

impl UnitLock {
    /// Takes the lock and writes this process's id into the file. `None` if another process has it.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn take(path: &Path) -> std::io::Result<Option<Self>> {
        let mut file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Some(Self { _file: file }))
    }
}

/// The process id of the worker that holds the lock at `path`; `None` when no worker does.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn holder(path: &Path) -> std::io::Result<Option<u32>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text.trim().parse().ok())
        }
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worker_of_the_unit_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slot-1.lock");
        assert_eq!(holder(&path).unwrap(), None);
        let first = UnitLock::take(&path).unwrap().unwrap();
        assert!(UnitLock::take(&path).unwrap().is_none());
        assert_eq!(holder(&path).unwrap(), Some(std::process::id()));
        drop(first);
        assert_eq!(holder(&path).unwrap(), None);
        assert!(UnitLock::take(&path).unwrap().is_some());
    }
}
