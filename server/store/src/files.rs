//! File habits of the store: a new file or name counts only once its directory is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

pub fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Makes `path` hold exactly `bytes`: all of them or, after a crash, what was there before.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .read(true)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        if let Some(parent) = path.parent() {
            sync_dir(parent)?;
        }
        Ok(file)
    })();
    if written.is_err() {
        // Best effort: a left-over is removed at the next open too.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads a whole file. Blocks that the disk cannot read any more come as zeros: what stood there is lost, the rest is not.
pub fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            tracing::warn!(path = %path.display(), "the disk cannot read all of it");
            let file = File::open(path)?;
            let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
            Ok(read_around(len, |bytes, at| file.read_exact_at(bytes, at)))
        }
        read => read,
    }
}

fn read_around(len: usize, read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> Vec<u8> {
    const BLOCK: usize = 4_096;
    let mut bytes = vec![0; len];
    for (index, block) in bytes.chunks_mut(BLOCK).enumerate() {
        if read(block, (index * BLOCK) as u64).is_err() {
            block.fill(0);
        }
    }
    bytes
}

/// `dir/name`, or `dir/name.2`, … : the first that is free.
pub fn free_name(dir: &Path, name: &str) -> PathBuf {
    let mut path = dir.join(name);
    let mut n = 2;
    while path.symlink_metadata().is_ok() {
        path = dir.join(format!("{name}.{n}"));
        n += 1;
    }
    path
}

/// 16 random bytes from the system.
pub fn random_id() -> io::Result<[u8; 16]> {
    let mut id = [0; 16];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_blocks_that_cannot_be_read_are_lost() {
        let bytes = read_around(10_000, |block, at| {
            block.fill(7);
            if at == 4_096 {
                Err(io::Error::other("a bad block"))
            } else {
                Ok(())
            }
        });
        assert_eq!(bytes.len(), 10_000);
        assert!(bytes[4_096..8_192].iter().all(|b| *b == 0));
        assert!(
            bytes[..4_096]
                .iter()
                .chain(&bytes[8_192..])
                .all(|b| *b == 7)
        );
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        for expected in ["x", "x.2", "x.3"] {
            let path = free_name(dir.path(), "x");
            assert_eq!(path, dir.path().join(expected));
            fs::write(path, b"").unwrap();
        }
    }
}
