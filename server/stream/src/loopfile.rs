//! Booth's prepared loop: one file with everything a channel needs to play a backup or a slate by plain reads. It is made
//! once by a prepare worker ([`LoopWriter`]) and then only read ([`LoopFile`]), by any number of channels at a time.
//!
//! ```text
//!  0 ┌────────┐ 128                                        all numbers little-endian
//!    │ header │──▶ data ───────────────▶ configs ──▶ table ──▶ end of file, exactly
//!    └────────┘    units in order of      record,    one entry of 24 bytes per unit, in the same order
//!                  decoding, end to end   ASC
//! ```
//!
//! The table stays on disk, and a window of it in memory: 10 hours are 2.8 million units, of which an open file keeps
//! 0.6 MB at most ([`KEY_EVERY`]). Memory and open files are all it holds: dropping it needs no care.
//!
//! The file is made beside its final name and takes it when it is whole and on disk: a maker that is killed leaves the old
//! loop as it was.

mod read;
mod write;

use std::sync::Arc;

use crate::{AudioConfig, LoopUnit, Nanos, SECOND, Track, VideoConfig};

pub use read::LoopFile;
pub use write::LoopWriter;

const MAGIC: [u8; 8] = *b"boothlp\n";
const VERSION: u32 = 1;
const HEADER: usize = 128;
const ENTRY: usize = 24;

/// 48 hours at 60 pictures and 47 AAC frames a second.
pub const MAX_UNITS: u32 = 18_500_000;
pub const MAX_DURATION: Nanos = 48 * 3600 * SECOND;
/// Decoding begins at most this long before the loop does, for pictures shown in another order.
pub const MAX_LEAD: Nanos = 4 * SECOND;
/// Places to start from are remembered no closer than this; between them, the table is read.
pub const KEY_EVERY: Nanos = SECOND;

/// What a loop consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopInfo {
    pub video: Arc<VideoConfig>,
    pub audio: Arc<AudioConfig>,
    /// From the beginning to where it begins again.
    pub duration: Nanos,
    pub units: u32,
    pub video_units: u32,
    /// Bytes of all units.
    pub data_len: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("not a prepared loop")]
    Magic,
    #[error("prepared loop of version {0}, and this is version {VERSION}")]
    Version(u32),
    #[error("damaged: {0}")]
    Damaged(&'static str),
    #[error("unit {index}: {what}")]
    Unit { index: u32, what: &'static str },
    #[error("{0}")]
    Refused(&'static str),
}

/// The rules of the table, one unit after the other; the same for who writes and who reads.
#[derive(Debug, Default)]
struct Rules {
    units: u32,
    last: Option<Nanos>,
    /// First and last DTS of a track.
    video: Option<(Nanos, Nanos)>,
    audio: Option<(Nanos, Nanos)>,
    video_units: u32,
    data_len: u64,
}

impl Rules {
    fn next(&mut self, entry: &LoopUnit) -> Result<(), LoopError> {
        let index = self.units;
        let fail = |what| Err(LoopError::Unit { index, what });
        if index >= MAX_UNITS {
            return fail("one too many");
        }
        if entry.size == 0 || entry.size as usize > crate::wire::MAX_UNIT {
            return fail("of no or of too great length");
        }
        if !(-MAX_LEAD..=MAX_DURATION).contains(&entry.dts) {
            return fail("decoded outside of the longest loop");
        }
        if entry.pts < 0 || !(0..=MAX_LEAD).contains(&entry.pts.saturating_sub(entry.dts)) {
            return fail("shown at an impossible distance from its decoding");
        }
        if self.last.is_some_and(|last| entry.dts < last) {
            return fail("decoded before the one before it");
        }
        let track = match entry.track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        match track {
            None if !entry.key => return fail("the first of its track is none to start at"),
            None if entry.track == Track::Video && entry.pts != 0 => {
                return fail("the first picture is not shown at 0");
            }
            None => *track = Some((entry.dts, entry.dts)),
            Some((_, last)) if entry.dts <= *last => return fail("decoded no later than the last"),
            Some((_, last)) => *last = entry.dts,
        }
        self.last = Some(entry.dts);
        self.units += 1;
        self.video_units += u32::from(entry.track == Track::Video);
        self.data_len += u64::from(entry.size);
        Ok(())
    }

    fn end(&self, duration: Nanos) -> Result<(), LoopError> {
        if !(1..=MAX_DURATION).contains(&duration) {
            return Err(LoopError::Refused("a loop lasts from 1 ns to 48 h"));
        }
        if self.video.is_none() || self.audio.is_none() {
            return Err(LoopError::Refused("a loop has pictures and sound"));
        }
        // The next round must follow without a step back.
        let runs_over = |track: Option<(Nanos, Nanos)>| {
            track.is_some_and(|(first, last)| first + duration <= last)
        };
        if runs_over(self.video) || runs_over(self.audio) {
            return Err(LoopError::Refused("a track is longer than the loop"));
        }
        Ok(())
    }
}

/// An entry as it lies in the table: DTS, where (48 bits) with track (bit 48) and key (bit 49), length, PTS after DTS.
fn pack(entry: &LoopUnit) -> [u8; ENTRY] {
    let audio = u64::from(entry.track == Track::Audio) << 48;
    let place = entry.offset & OFFSET | audio | u64::from(entry.key) << 49;
    let mut packed = [0; ENTRY];
    packed[..8].copy_from_slice(&entry.dts.to_le_bytes());
    packed[8..16].copy_from_slice(&place.to_le_bytes());
    packed[16..20].copy_from_slice(&entry.size.to_le_bytes());
    packed[20..].copy_from_slice(&((entry.pts - entry.dts) as u32).to_le_bytes());
    packed
}

const OFFSET: u64 = (1 << 48) - 1;

fn unpack(packed: &[u8; ENTRY]) -> LoopUnit {
    let mut fields = Fields(packed);
    let (dts, place) = (fields.u64() as i64, fields.u64());
    let size = fields.u32();
    LoopUnit {
        track: if place >> 48 & 1 == 1 {
            Track::Audio
        } else {
            Track::Video
        },
        dts,
        pts: dts.saturating_add(fields.u32().into()),
        key: place >> 49 & 1 == 1,
        offset: place & OFFSET,
        size,
    }
}

/// Numbers out of bytes that are known to be there; past the end they are zero.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((value, rest)) = self.0.split_first_chunk::<N>() else {
            self.0 = &[];
            return [0; N];
        };
        self.0 = rest;
        *value
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// The first 128 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    duration: Nanos,
    units: u32,
    video_units: u32,
    data_len: u64,
    configs_len: u32,
    /// Of all units' data.
    data_crc: u32,
    /// Of the configurations and the table.
    table_crc: u32,
}

impl Header {
    fn pack(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.units.to_le_bytes());
        bytes.extend(self.duration.to_le_bytes());
        bytes.extend(self.data_len.to_le_bytes());
        bytes.extend(self.video_units.to_le_bytes());
        bytes.extend(self.configs_len.to_le_bytes());
        bytes.extend(self.data_crc.to_le_bytes());
        bytes.extend(self.table_crc.to_le_bytes());
        bytes.resize(HEADER - 4, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut header = [0; HEADER];
        header.copy_from_slice(&bytes);
        header
    }

    fn unpack(bytes: &[u8; HEADER]) -> Result<Self, LoopError> {
        let mut fields = Fields(bytes);
        if fields.take::<8>() != MAGIC {
            return Err(LoopError::Magic);
        }
        let version = fields.u32();
        if version != VERSION {
            return Err(LoopError::Version(version));
        }
        let header = Self {
            units: fields.u32(),
            duration: fields.u64() as i64,
            data_len: fields.u64(),
            video_units: fields.u32(),
            configs_len: fields.u32(),
            data_crc: fields.u32(),
            table_crc: fields.u32(),
        };
        let (checked, sum) = bytes.split_at(HEADER - 4);
        if Fields(sum).u32() != crc32fast::hash(checked) {
            return Err(LoopError::Damaged("the header's check sum"));
        }
        if header.units > MAX_UNITS
            || header.configs_len as usize > 2 * (crate::wire::MAX_CONFIG + 64)
            || header.data_len > OFFSET / 2
        {
            return Err(LoopError::Damaged("the header's counts"));
        }
        Ok(header)
    }

    fn configs_at(&self) -> u64 {
        HEADER as u64 + self.data_len
    }

    fn table_at(&self) -> u64 {
        self.configs_at() + u64::from(self.configs_len)
    }

    fn end(&self) -> u64 {
        self.table_at() + u64::from(self.units) * ENTRY as u64
    }
}

#[cfg(test)]
mod tests;
