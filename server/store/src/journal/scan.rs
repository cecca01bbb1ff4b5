//! Reads all segments in order, checks every frame against checksum and chain, and says what holds, what could be
//! repaired and what is lost. Changes nothing on disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::frame::{self, Chain, Expect, Kind};
use super::segment::{self, Found, HEADER_LEN, Header};
use crate::error::OpenError;
use crate::files;
use crate::report::{Loss, OpenReport, Repair, Torn};

/// A frame that holds.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub sequence: u64,
    pub chain: Chain,
    pub kind: Kind,
    pub version: u16,
    pub segment: usize,
    /// Of the payload.
    pub offset: usize,
    pub length: usize,
}

/// Bytes between two frames that hold (none, when whole revisions are missing without a trace).
#[derive(Debug, Clone, Copy)]
pub struct Hole {
    pub start: usize,
    pub end: usize,
    /// Revisions that should stand here.
    pub lost: Option<(u64, u64)>,
    /// Chain value of the frame before, where known.
    pub prev: Option<Chain>,
}

#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    pub header: Header,
    /// End of the last frame that counts; what follows is torn or superseded.
    pub end: usize,
    /// Repaired contents, while they differ from the file.
    pub patched: Option<Vec<u8>>,
    pub holes: Vec<Hole>,
    /// Why the file on disk has to be replaced.
    pub damage: Option<String>,
}

impl Segment {
    pub fn bytes(&self) -> Result<std::borrow::Cow<'_, [u8]>, OpenError> {
        match &self.patched {
            Some(bytes) => Ok(bytes.into()),
            None => files::read_all(&self.path)
                .map(Into::into)
                .map_err(OpenError::io(&self.path)),
        }
    }

    fn damaged(&mut self, why: &str) {
        self.damage.get_or_insert_with(|| why.to_owned());
    }
}

#[derive(Debug)]
pub struct Journal {
    pub segments: Vec<Segment>,
    pub entries: Vec<Entry>,
    /// Files that do not belong here, with the reason.
    pub strangers: Vec<(PathBuf, String)>,
    /// Sequence of the next record.
    pub next: u64,
    /// Chain value of the last record, unless it is lost.
    pub chain: Option<Chain>,
    pub lineage: Option<Chain>,
    /// Torn bytes at the very end: (offset, length) in the last segment.
    pub torn: Option<(usize, usize)>,
}

impl Journal {
    /// Last revision the journal accounts for.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        let index = self
            .entries
            .binary_search_by_key(&sequence, |e| e.sequence)
            .ok()?;
        self.entries.get(index).filter(|e| e.kind == Kind::Record)
    }

    /// Names the revisions from `next` to `to` as lost behind the last segment; `chain` is the value at `to`.
    pub fn lose_at_end(&mut self, report: &mut OpenReport, to: u64, chain: Option<Chain>) {
        let lost = (self.next, to);
        let prev = self.chain;
        if let Some(last) = self.segments.last_mut() {
            let end = last.end;
            last.holes.retain(|hole| hole.start != end);
            last.holes.push(Hole {
                start: end,
                end,
                lost: Some(lost),
                prev,
            });
            last.damaged("revisions are missing behind it");
            report.lost.push(Loss {
                file: last.path.clone(),
                offset: end as u64,
                from: lost.0,
                to: lost.1,
                kept_in_state: false,
            });
        }
        self.next = to + 1;
        self.chain = chain;
    }
}

/// What a gap frame says.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Gap<B> {
    pub from: u64,
    pub to: u64,
    /// Chain value at `to`, where something still knew it.
    pub chain: Option<Chain>,
    pub base: Option<B>,
}

fn parse_gap(payload: &[u8]) -> Option<Gap<serde::de::IgnoredAny>> {
    serde_json::from_slice::<Gap<serde::de::IgnoredAny>>(payload)
        .ok()
        .filter(|gap| gap.to >= gap.from)
}

/// Enough for the header; zeros, where the disk cannot read it.
fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = fs::File::open(path)?
        .take(HEADER_LEN as u64)
        .read_to_end(&mut head);
    match read {
        Err(error) if error.raw_os_error() != Some(Errno::IO.raw_os_error()) => Err(error),
        _ => Ok(head),
    }
}

struct Walk<'a> {
    out: Journal,
    report: &'a mut OpenReport,
}

/// Judges the segments in `dir`.
pub fn scan(dir: &Path, report: &mut OpenReport) -> Result<Journal, OpenError> {
    let mut walk = Walk {
        out: Journal {
            segments: Vec::new(),
            entries: Vec::new(),
            strangers: Vec::new(),
            next: 1,
            chain: Some(Chain::default()),
            lineage: None,
            torn: None,
        },
        report,
    };
    for (path, named, found) in walk.candidates(dir)? {
        walk.segment(path, named, found)?;
    }
    walk.finish();
    Ok(walk.out)
}

impl Walk<'_> {
    /// Segment files in order of their first revision, one per revision.
    fn candidates(&mut self, dir: &Path) -> Result<Vec<(PathBuf, u64, Found)>, OpenError> {
        let mut files = Vec::new();
        for item in fs::read_dir(dir).map_err(OpenError::io(dir))? {
            let path = item.map_err(OpenError::io(dir))?.path();
            let Some(named) = segment::named(&path) else {
                continue;
            };
            let head = first_bytes(&path).map_err(OpenError::io(&path))?;
            let found = segment::read_header(&head, named);
            if let Found::Newer(version) = found {
                return Err(OpenError::Newer { path, version });
            }
            let first = match found {
                Found::Sound(header) | Found::Repaired(header, _) => header.first,
                _ => named,
            };
            // Of two files for one revision, the one that is named by it goes first.
            files.push((first, named != first, path, named, found));
        }
        files.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        let mut kept: Vec<(u64, (PathBuf, u64, Found))> = Vec::new();
        for (first, _, path, named, found) in files {
            if kept.last().is_some_and(|(before, _)| *before == first) {
                let why = format!("a second segment for revision {first}");
                self.out.strangers.push((path, why));
            } else {
                kept.push((first, (path, named, found)));
            }
        }
        Ok(kept.into_iter().map(|(_, file)| file).collect())
    }

    fn segment(&mut self, path: PathBuf, named: u64, found: Found) -> Result<(), OpenError> {
        let mut bytes = files::read_all(&path).map_err(OpenError::io(&path))?;
        let mut segment = match found {
            Found::Sound(header) => Segment::new(path, header),
            Found::Repaired(header, offset) => {
                bytes[..HEADER_LEN].copy_from_slice(&header.encode());
                self.report.repaired.push(Repair {
                    file: path.clone(),
                    offset: offset as u64,
                    revision: None,
                });
                let mut segment = Segment::new(path, header);
                segment.damaged("a byte of its header had changed");
                segment
            }
            Found::Unreadable | Found::Newer(_) => {
                let lineage = self.out.lineage.unwrap_or_default();
                if named > self.out.next {
                    self.missing_before(named, &path, lineage);
                    self.out.next = named;
                    self.out.chain = None;
                }
                let header = Header {
                    first: named,
                    prev: self.out.chain.unwrap_or_default(),
                    lineage,
                };
                let mut segment = Segment::new(path, header);
                segment.damaged("its header cannot be read");
                segment
            }
        };
        let sound_header = !matches!(found, Found::Unreadable);
        if sound_header && !self.continues(&segment) {
            let why = "it does not continue this journal".to_owned();
            self.out.strangers.push((segment.path, why));
            return Ok(());
        }
        if sound_header {
            self.out.lineage.get_or_insert(segment.header.lineage);
        }
        self.frames(&mut segment, &mut bytes);
        if segment.damage.is_some() {
            segment.patched = Some(bytes);
        }
        self.out.segments.push(segment);
        Ok(())
    }

    /// Fits the segment to what was read before it: supersedes, names what is missing, or refuses a stranger.
    fn continues(&mut self, segment: &Segment) -> bool {
        let Header {
            first,
            prev,
            lineage,
        } = segment.header;
        if self.out.lineage.is_some_and(|known| known != lineage) {
            return false;
        }
        // Healed over a loss: nobody knows any more.
        let prev = (first == 1 || prev != Chain::default()).then_some(prev);
        if first < self.out.next {
            let before = match first {
                1 => Some(Chain::default()),
                _ => self.out.entry(first - 1).map(|entry| entry.chain),
            };
            if before.is_none() || before != prev {
                return false;
            }
            self.supersede(first);
        } else if first > self.out.next {
            self.missing_before(first, &segment.path, lineage);
            self.out.chain = None;
        } else if let (Some(chain), Some(prev)) = (self.out.chain, prev)
            && chain != prev
        {
            self.report.chain_breaks.push(first);
        }
        self.out.next = first;
        self.out.chain = prev.or(self.out.chain);
        true
    }

    /// Drops records from `first` on: they were refused.
    fn supersede(&mut self, first: u64) {
        let keep = self.out.entries.partition_point(|e| e.sequence < first);
        for dropped in self.out.entries.drain(keep..) {
            let segment = &mut self.out.segments[dropped.segment];
            segment.end = segment.end.min(dropped.offset - frame::HEAD_LEN);
            segment.holes.retain(|hole| hole.start < segment.end);
        }
    }

    /// Revisions from `next` to `first - 1` are in no file: they are named at the end of the segment before.
    fn missing_before(&mut self, first: u64, beside: &Path, lineage: Chain) {
        if self.out.segments.is_empty() {
            let path = beside.with_file_name(segment::file_name(self.out.next));
            self.out
                .segments
                .push(Segment::missing(path, self.out.next, lineage));
        }
        self.out.lose_at_end(self.report, first - 1, None);
    }

    fn lose(&mut self, file: PathBuf, offset: u64, lost: (u64, u64)) {
        self.report.lost.push(Loss {
            file,
            offset,
            from: lost.0,
            to: lost.1,
            kept_in_state: false,
        });
    }

    fn frames(&mut self, segment: &mut Segment, bytes: &mut [u8]) {
        let mut at = HEADER_LEN.min(bytes.len());
        segment.end = at;
        while at < bytes.len() {
            let expect = Expect {
                prev: self.out.chain,
                sequence: self.out.next,
            };
            if let Some(frame) = frame::read(bytes, at, &expect)
                && self.accept(segment, bytes, at, &frame)
            {
                at += frame.len();
                segment.end = at;
                continue;
            }
            // Here too: the frame may hold, but revisions before it be missing.
            let mut from = at;
            let found = loop {
                match frame::resync(bytes, from, self.out.next) {
                    // A frame that carries on here without continuing the chain is not ours.
                    Some((next, frame)) if self.plausible(&frame, bytes, next) => {
                        break Some((next, frame));
                    }
                    Some((next, _)) => from = next + 1,
                    None => break None,
                }
            };
            let prev = self.out.chain;
            let Some((next, frame)) = found else {
                segment.holes.push(Hole {
                    start: at,
                    end: bytes.len(),
                    lost: None,
                    prev,
                });
                break;
            };
            let lost = (frame.head.sequence > self.out.next)
                .then(|| (self.out.next, frame.head.sequence - 1));
            segment.holes.push(Hole {
                start: at,
                end: next,
                lost,
                prev,
            });
            segment.damaged("part of it cannot be read");
            if let Some(lost) = lost {
                self.lose(segment.path.clone(), at as u64, lost);
                self.out.next = frame.head.sequence;
                self.out.chain = None;
            }
            at = next;
            segment.end = at;
        }
    }

    fn plausible(&self, frame: &frame::Frame, bytes: &[u8], at: usize) -> bool {
        let head = &frame.head;
        let payload = &bytes[at + frame::HEAD_LEN..at + frame.len()];
        if head.kind == Kind::Gap && parse_gap(payload).is_none() {
            return false;
        }
        let Some(prev) = self.out.chain.filter(|_| head.sequence == self.out.next) else {
            return true;
        };
        frame::chain(&prev, head.sequence, head.version, head.kind, payload) == head.chain
    }

    fn accept(
        &mut self,
        segment: &mut Segment,
        bytes: &mut [u8],
        at: usize,
        frame: &frame::Frame,
    ) -> bool {
        let head = frame.head;
        for (offset, value) in &frame.fixes {
            bytes[*offset] = *value;
            segment.damaged("a byte of a record had changed");
            self.report.repaired.push(Repair {
                file: segment.path.clone(),
                offset: *offset as u64,
                revision: Some(head.sequence),
            });
        }
        let payload = at + frame::HEAD_LEN;
        match head.kind {
            Kind::Record => {
                self.out.next = head.sequence + 1;
                self.out.chain = Some(head.chain);
            }
            Kind::Gap => {
                let Some(gap) = parse_gap(&bytes[payload..payload + head.length]) else {
                    return false;
                };
                self.report.lost_before.push((gap.from, gap.to));
                self.out.next = gap.to + 1;
                self.out.chain = gap.chain;
            }
        }
        self.out.entries.push(Entry {
            sequence: head.sequence,
            chain: head.chain,
            kind: head.kind,
            version: head.version,
            segment: self.out.segments.len(),
            offset: payload,
            length: head.length,
        });
        true
    }

    /// Unreadable bytes at the very end are what a crash left of a record nobody was promised.
    fn finish(&mut self) {
        let Some(last) = self.out.segments.last_mut() else {
            return;
        };
        let Some(hole) = last
            .holes
            .pop_if(|hole| hole.lost.is_none() && hole.start == last.end && hole.end > hole.start)
        else {
            return;
        };
        let length = hole.end - hole.start;
        self.out.torn = Some((hole.start, length));
        let revision = last
            .bytes()
            .ok()
            .and_then(|bytes| frame::peek(&bytes, hole.start))
            .map(|head| head.sequence);
        self.report.torn = Some(Torn {
            file: last.path.clone(),
            offset: hole.start as u64,
            bytes: length as u64,
            revision,
        });
    }
}

impl Segment {
    fn new(path: PathBuf, header: Header) -> Self {
        Self {
            path,
            header,
            end: HEADER_LEN,
            patched: None,
            holes: Vec::new(),
            damage: None,
        }
    }

    /// Stands for a file that is not there.
    pub fn missing(path: PathBuf, first: u64, lineage: Chain) -> Self {
        let header = Header {
            first,
            prev: Chain::default(),
            lineage,
        };
        let mut segment = Self::new(path, header);
        segment.patched = Some(header.encode().to_vec());
        segment.damaged("it is missing");
        segment
    }
}
