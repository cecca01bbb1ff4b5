//! A segment file: header, then frames. Named by the first revision it may hold.

use std::path::Path;

use super::crc::single_byte_fixes;
use super::frame::Chain;

pub const HEADER_LEN: usize = 56;
const MAGIC: [u8; 8] = *b"BOOTHSEG";
const FORMAT: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First revision this segment may hold. A later segment's `first` supersedes what earlier ones hold from there on:
    /// that is how records that were refused after an I/O error stay refused.
    pub first: u64,
    /// Chain value of the record before `first`.
    pub prev: Chain,
    /// Made at random with the journal: tells a file of another journal apart.
    pub lineage: Chain,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[12..20].copy_from_slice(&self.first.to_le_bytes());
        out[20..36].copy_from_slice(&self.prev);
        out[36..52].copy_from_slice(&self.lineage);
        let crc = crc32fast::hash(&out[..52]);
        out[52..].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// What a file's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Sound(Header),
    /// One byte (at this offset) had changed.
    Repaired(Header, usize),
    Unreadable,
    /// Written by a later booth, which may know better.
    Newer(u32),
}

pub fn read_header(bytes: &[u8], named: u64) -> Found {
    let Some(raw) = bytes
        .get(..HEADER_LEN)
        .and_then(|b| <&[u8; HEADER_LEN]>::try_from(b).ok())
    else {
        return Found::Unreadable;
    };
    let stored = u32::from_le_bytes([raw[52], raw[53], raw[54], raw[55]]);
    let right = crc32fast::hash(&raw[..52]);
    if right == stored {
        return match parse(raw) {
            Ok(header) => Found::Sound(header),
            Err(Some(version)) => Found::Newer(version),
            Err(None) => Found::Unreadable,
        };
    }
    let mut candidates: Vec<(usize, u8)> = single_byte_fixes(&raw[..52], stored)
        .into_iter()
        .map(|fix| (fix.offset, raw[fix.offset] ^ fix.delta))
        .collect();
    let wrong: Vec<_> = (0..4)
        .filter(|i| right.to_le_bytes()[*i] != raw[52 + i])
        .collect();
    if let [only] = wrong[..] {
        candidates.push((52 + only, right.to_le_bytes()[only]));
    }
    candidates
        .into_iter()
        .find_map(|(offset, value)| {
            let mut fixed = *raw;
            fixed[offset] = value;
            let header = parse(&fixed).ok().filter(|h| h.first == named)?;
            Some(Found::Repaired(header, offset))
        })
        .unwrap_or(Found::Unreadable)
}

fn parse(raw: &[u8; HEADER_LEN]) -> Result<Header, Option<u32>> {
    let version = u32::from_le_bytes([raw[8], raw[9], raw[10], raw[11]]);
    if raw[..8] != MAGIC {
        return Err(None);
    }
    if version != FORMAT {
        return Err(Some(version));
    }
    let mut first = [0; 8];
    first.copy_from_slice(&raw[12..20]);
    let mut header = Header {
        first: u64::from_le_bytes(first),
        prev: Chain::default(),
        lineage: Chain::default(),
    };
    header.prev.copy_from_slice(&raw[20..36]);
    header.lineage.copy_from_slice(&raw[36..52]);
    Ok(header)
}

pub fn file_name(first: u64) -> String {
    format!("{first:012}.seg")
}

/// The revision in a segment's name; `None` for other files.
pub fn named(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (stem.len() >= 12 && stem.bytes().all(|b| b.is_ascii_digit()))
        .then(|| stem.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_one_byte_of_a_header_may_change_and_is_put_right() {
        let header = Header {
            first: 17,
            prev: [3; 16],
            lineage: [9; 16],
        };
        let good = header.encode();
        assert_eq!(read_header(&good, 17), Found::Sound(header));
        for offset in 0..HEADER_LEN {
            for delta in 1..=255_u8 {
                let mut bad = good;
                bad[offset] ^= delta;
                assert_eq!(read_header(&bad, 17), Found::Repaired(header, offset));
            }
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut raw = Header {
            first: 1,
            prev: [0; 16],
            lineage: [1; 16],
        }
        .encode();
        raw[8] = 2;
        let crc = crc32fast::hash(&raw[..52]);
        raw[52..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_header(&raw, 1), Found::Newer(2));
    }

    #[test]
    fn names_go_both_ways() {
        assert_eq!(named(Path::new("x/000000000042.seg")), Some(42));
        assert_eq!(named(Path::new(&file_name(7))), Some(7));
        assert_eq!(named(Path::new("000000000042.seg.tmp")), None);
    }
}
