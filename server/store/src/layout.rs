//! Which bytes are acknowledged: what a backup copies and what `tail` reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::Chain;

#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    Memory(Arc<Mutex<Vec<u8>>>),
}

/// One segment up to its last acknowledged byte.
#[derive(Debug, Clone)]
pub struct Piece {
    pub first: u64,
    pub len: u64,
    pub source: Source,
}

#[derive(Debug, Default)]
pub struct Layout {
    pub pieces: Vec<Piece>,
    /// Last acknowledged revision, and its chain value.
    pub revision: u64,
    pub chain: Chain,
    pub records: u64,
}

impl Layout {
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len).sum()
    }
}

impl Piece {
    /// Opens the bytes now: a file that is replaced later is still read as it is.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.source {
            Source::File(path) => Box::new(File::open(path)?.take(self.len)),
            Source::Memory(bytes) => {
                let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                let len = (self.len as usize).min(bytes.len());
                Box::new(io::Cursor::new(bytes[..len].to_vec()))
            }
        })
    }
}
