//! One frame of the journal: a head with its own checksum, then the payload.
//!
//! ```text
//!  0     4        8          16        18     20      36             40         44
//!  mark  length   sequence   version   kind   chain   payload CRC    head CRC   payload …
//! ```
//!
//! Numbers are little-endian. `chain` is the first 16 bytes of BLAKE3 over the previous chain value, sequence, version,
//! kind and payload: a record cannot be changed, dropped or moved without the next ones showing it.

use super::crc::single_byte_fixes;

pub const HEAD_LEN: usize = 44;
const MARK: [u8; 4] = [0xB0, 0x07, 0x48, 0xE1];
/// Larger frames are refused; checkpoints of a full house stay far below.
pub const PAYLOAD_MAX: usize = 256 << 20;

pub type Chain = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One `Record` of the core.
    Record,
    /// Stands where revisions were lost; may carry the state that still knows them.
    Gap,
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::Record => 0,
            Self::Gap => 1,
        }
    }

    fn from_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Record),
            1 => Some(Self::Gap),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub length: usize,
    pub sequence: u64,
    pub version: u16,
    pub kind: Kind,
    pub chain: Chain,
    payload_crc: u32,
}

pub fn chain(prev: &Chain, sequence: u64, version: u16, kind: Kind, payload: &[u8]) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prev);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&version.to_le_bytes());
    hasher.update(&kind.code().to_le_bytes());
    hasher.update(payload);
    let mut out = Chain::default();
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

/// Appends one frame to `to` and returns its chain value.
pub fn encode(
    to: &mut Vec<u8>,
    prev: &Chain,
    sequence: u64,
    version: u16,
    kind: Kind,
    payload: &[u8],
) -> Chain {
    let link = chain(prev, sequence, version, kind, payload);
    let start = to.len();
    to.extend_from_slice(&MARK);
    // Callers keep payloads below PAYLOAD_MAX.
    to.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    to.extend_from_slice(&sequence.to_le_bytes());
    to.extend_from_slice(&version.to_le_bytes());
    to.extend_from_slice(&kind.code().to_le_bytes());
    to.extend_from_slice(&link);
    to.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let head_crc = crc32fast::hash(&to[start..]);
    to.extend_from_slice(&head_crc.to_le_bytes());
    to.extend_from_slice(payload);
    link
}

/// What the reader knows before a frame.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// Chain value of the frame before, unless that is lost.
    pub prev: Option<Chain>,
    pub sequence: u64,
}

/// A frame that holds, and the changed bytes (absolute offset, right value) that had to be put right for it.
#[derive(Debug, Clone)]
pub struct Frame {
    pub head: Head,
    pub fixes: Vec<(usize, u8)>,
}

impl Frame {
    pub fn len(&self) -> usize {
        HEAD_LEN + self.head.length
    }
}

/// Reads the frame at `at`; one changed byte in its head and one in its payload are put right. `None`: nothing that
/// holds stands there.
pub fn read(bytes: &[u8], at: usize, expect: &Expect) -> Option<Frame> {
    let raw: &[u8; HEAD_LEN] = bytes.get(at..at + HEAD_LEN)?.try_into().ok()?;
    if let Some(head) = parse(raw) {
        return (head.sequence == expect.sequence)
            .then(|| with_payload(bytes, at, head, Vec::new(), expect.prev))
            .flatten();
    }
    head_fixes(raw).into_iter().find_map(|(offset, value)| {
        let mut fixed = *raw;
        fixed[offset] = value;
        let head = parse(&fixed).filter(|h| h.sequence == expect.sequence)?;
        with_payload(bytes, at, head, vec![(at + offset, value)], expect.prev)
    })
}

/// The next undamaged head at or after `from` whose frame holds and whose sequence is `least` or more.
pub fn resync(bytes: &[u8], from: usize, least: u64) -> Option<(usize, Frame)> {
    let last = bytes.len().checked_sub(HEAD_LEN)?;
    (from..=last)
        .filter(|at| bytes[*at] == MARK[0])
        .find_map(|at| {
            let raw: &[u8; HEAD_LEN] = bytes.get(at..at + HEAD_LEN)?.try_into().ok()?;
            let head = parse(raw).filter(|h| h.sequence >= least)?;
            Some((at, with_payload(bytes, at, head, Vec::new(), None)?))
        })
}

/// The head at `at` as it stands, without looking at the payload.
pub fn peek(bytes: &[u8], at: usize) -> Option<Head> {
    parse(bytes.get(at..at + HEAD_LEN)?.try_into().ok()?)
}

fn parse(raw: &[u8; HEAD_LEN]) -> Option<Head> {
    let u32_at = |i: usize| u32::from_le_bytes([raw[i], raw[i + 1], raw[i + 2], raw[i + 3]]);
    let u16_at = |i: usize| u16::from_le_bytes([raw[i], raw[i + 1]]);
    if raw[..4] != MARK || crc32fast::hash(&raw[..40]) != u32_at(40) {
        return None;
    }
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&raw[8..16]);
    let mut link = Chain::default();
    link.copy_from_slice(&raw[20..36]);
    let length = u32_at(4) as usize;
    (length <= PAYLOAD_MAX).then_some(Head {
        length,
        sequence: u64::from_le_bytes(sequence),
        version: u16_at(16),
        kind: Kind::from_code(u16_at(18))?,
        chain: link,
        payload_crc: u32_at(36),
    })
}

/// Single bytes (offset, right value) that make the head's own checksum right, the checksum's bytes among them.
fn head_fixes(raw: &[u8; HEAD_LEN]) -> Vec<(usize, u8)> {
    let stored = u32::from_le_bytes([raw[40], raw[41], raw[42], raw[43]]);
    let mut fixes: Vec<_> = single_byte_fixes(&raw[..40], stored)
        .into_iter()
        .map(|fix| (fix.offset, raw[fix.offset] ^ fix.delta))
        .collect();
    let right = crc32fast::hash(&raw[..40]).to_le_bytes();
    let wrong: Vec<_> = (0..4).filter(|i| right[*i] != raw[40 + i]).collect();
    if let [only] = wrong[..] {
        fixes.push((40 + only, right[only]));
    }
    fixes
}

fn with_payload(
    bytes: &[u8],
    at: usize,
    head: Head,
    mut fixes: Vec<(usize, u8)>,
    prev: Option<Chain>,
) -> Option<Frame> {
    let start = at + HEAD_LEN;
    let payload = bytes.get(start..start.checked_add(head.length)?)?;
    let links = |payload: &[u8]| {
        prev.is_none_or(|prev| {
            chain(&prev, head.sequence, head.version, head.kind, payload) == head.chain
        })
    };
    if crc32fast::hash(payload) == head.payload_crc {
        return links(payload).then_some(Frame { head, fixes });
    }
    let candidates = single_byte_fixes(payload, head.payload_crc);
    // Without the chain to confirm it, only the one possible explanation is believed.
    if prev.is_none() && candidates.len() > 1 {
        return None;
    }
    let mut copy = payload.to_vec();
    for fix in candidates {
        copy[fix.offset] ^= fix.delta;
        if links(&copy) {
            fixes.push((start + fix.offset, copy[fix.offset]));
            return Some(Frame { head, fixes });
        }
        copy[fix.offset] ^= fix.delta;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREV: Chain = [7; 16];

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            &PREV,
            42,
            1,
            Kind::Record,
            b"{\"revision\":42,\"events\":[]}",
        );
        bytes
    }

    fn expect() -> Expect {
        Expect {
            prev: Some(PREV),
            sequence: 42,
        }
    }

    #[test]
    fn any_one_byte_of_a_frame_may_change_to_anything_and_is_put_right() {
        let good = sample();
        for offset in 0..good.len() {
            for delta in 1..=255_u8 {
                let mut bad = good.clone();
                bad[offset] ^= delta;
                let frame = read(&bad, 0, &expect())
                    .unwrap_or_else(|| panic!("offset {offset} delta {delta:#x} is lost"));
                for (at, value) in frame.fixes {
                    bad[at] = value;
                }
                assert_eq!(bad, good, "offset {offset} delta {delta:#x}");
            }
        }
    }

    #[test]
    fn a_frame_cut_short_is_not_read() {
        let good = sample();
        for length in 0..good.len() {
            assert!(read(&good[..length], 0, &expect()).is_none());
        }
    }

    #[test]
    fn a_frame_of_another_history_is_not_read() {
        let other = Expect {
            prev: Some([8; 16]),
            sequence: 42,
        };
        assert!(read(&sample(), 0, &other).is_none());
    }

    #[test]
    fn reading_goes_on_behind_rubbish() {
        let mut bytes = vec![0xB0; 77];
        bytes.extend_from_slice(&sample());
        let (at, frame) = resync(&bytes, 0, 1).unwrap();
        assert_eq!((at, frame.head.sequence), (77, 42));
    }
}
