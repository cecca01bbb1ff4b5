//! What opening found out. Nothing that was changed, moved or lost goes unnamed.

use std::fmt;
use std::path::PathBuf;

/// Damage in a file that was put right completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    pub file: PathBuf,
    /// Offset of the byte that had changed.
    pub offset: u64,
    /// The record it belongs to; `None` for a segment's header.
    pub revision: Option<u64>,
}

/// Revisions the journal does not hold any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Where they should stand.
    pub file: PathBuf,
    pub offset: u64,
    pub from: u64,
    pub to: u64,
    /// The folded state still knew what they amount to: only their history is gone, not their effect.
    pub kept_in_state: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    pub file: PathBuf,
    pub offset: u64,
    pub bytes: u64,
    /// Revision in the head of the cut record, where it can still be read.
    pub revision: Option<u64>,
}

/// Something moved or copied to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub file: PathBuf,
    /// Where it is now; `None` when it could not be saved (a full disk).
    pub saved: Option<PathBuf>,
    pub why: String,
}

/// How the folded state was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folded {
    /// A memory ledger has none.
    None,
    /// Verified; `replayed` later records were folded on top.
    Used { revision: u64, replayed: u64 },
    /// Built anew from the journal.
    Rebuilt { why: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    pub records: u64,
    pub segments: usize,
    pub journal_bytes: u64,
    pub revision: u64,
    pub repaired: Vec<Repair>,
    /// Found now.
    pub lost: Vec<Loss>,
    /// Found and reported at an earlier start: ranges (from, to).
    pub lost_before: Vec<(u64, u64)>,
    /// Places where a record does not continue the one before, though nothing is missing between them.
    pub chain_breaks: Vec<u64>,
    pub quarantined: Vec<Quarantined>,
    /// What a crash left of a record that was never acknowledged.
    pub torn: Option<Torn>,
    pub folded: Folded,
}

impl OpenReport {
    pub(crate) fn new() -> Self {
        Self {
            records: 0,
            segments: 0,
            journal_bytes: 0,
            revision: 0,
            repaired: Vec::new(),
            lost: Vec::new(),
            lost_before: Vec::new(),
            chain_breaks: Vec::new(),
            quarantined: Vec::new(),
            torn: None,
            folded: Folded::None,
        }
    }

    /// Whether every revision is there, in the journal or in the state.
    pub fn is_complete(&self) -> bool {
        self.lost.iter().all(|loss| loss.kept_in_state) && self.chain_breaks.is_empty()
    }

    /// Each thing worth an operator's eye, as one line.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.repaired.iter().map(ToString::to_string));
        lines.extend(self.lost.iter().map(ToString::to_string));
        lines.extend(
            self.chain_breaks
                .iter()
                .map(|r| format!("revision {r} does not continue the one before it")),
        );
        lines.extend(self.quarantined.iter().map(ToString::to_string));
        lines.extend(self.torn.iter().map(ToString::to_string));
        lines
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "repaired one changed byte in {} at {}",
            self.file.display(),
            self.offset
        )?;
        match self.revision {
            Some(revision) => write!(f, " (revision {revision})"),
            None => write!(f, " (segment header)"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "revisions {} to {} are gone from {} at {}",
            self.from,
            self.to,
            self.file.display(),
            self.offset
        )?;
        if self.kept_in_state {
            write!(f, "; the folded state still has what they amount to")
        } else {
            write!(f, "; what they changed is LOST")
        }
    }
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cut {} bytes of an unfinished record off {} at {}",
            self.bytes,
            self.file.display(),
            self.offset
        )
    }
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; ", self.file.display(), self.why)?;
        match &self.saved {
            Some(path) => write!(f, "kept as {}", path.display()),
            None => write!(f, "could not be kept"),
        }
    }
}
