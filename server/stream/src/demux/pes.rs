//! PES packets out of TS packets (ISO/IEC 13818-1 §2.4.3.6).

use super::{Continuity, DemuxStats, Packet, Step};
use crate::wire::MAX_UNIT;

/// The longest header: 9 bytes, and 255 more that it counts itself.
const MAX_HEAD: usize = 9 + 255;
/// A PES packet of sound says its length, in 16 bits.
const MAX_AUDIO: usize = 6 + (1 << 16);

/// What was in a PES packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pes {
    /// PTS and DTS in 1/90000 s, 33 bits.
    pub stamps: Option<(u64, u64)>,
    pub data: Vec<u8>,
}

/// Puts one stream's PES packets together.
#[derive(Debug)]
pub(super) struct Reassembly {
    continuity: Continuity,
    /// From the start code on.
    bytes: Vec<u8>,
    /// A packet has begun and is whole so far.
    begun: bool,
    most: usize,
}

impl Reassembly {
    pub fn video() -> Self {
        Self::new(MAX_HEAD + MAX_UNIT)
    }

    pub fn audio() -> Self {
        Self::new(MAX_AUDIO)
    }

    fn new(most: usize) -> Self {
        Self {
            continuity: Continuity::default(),
            bytes: Vec::new(),
            begun: false,
            most,
        }
    }

    /// What this packet completes: the one before that said no length, and itself.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        stats: &mut DemuxStats,
    ) -> (Option<Pes>, Option<Pes>) {
        match self.continuity.step(packet) {
            Step::Nothing => return (None, None),
            Step::Gap => {
                stats.discontinuities += 1;
                // What is missing is the end of this one, or all of the next.
                stats.damaged_units += 1;
                self.begun = false;
            }
            Step::Next => {}
        }
        let Some(payload) = packet.payload.filter(|_| !packet.error) else {
            return (None, None);
        };
        let mut before = None;
        if packet.start {
            before = self.end_counted(stats);
            self.bytes.clear();
            self.begun = true;
        }
        if !self.begun {
            return (before, None);
        }
        if self.bytes.len() + payload.len() > self.most {
            stats.damaged_units += 1;
            self.begun = false;
            self.bytes = Vec::new();
            return (before, None);
        }
        self.bytes.extend_from_slice(payload);
        // One that says its length need not wait for the next.
        let said = self
            .bytes
            .get(4..6)
            .map(|said| usize::from(said[0]) << 8 | usize::from(said[1]));
        let whole = said.is_some_and(|said| said > 0 && self.bytes.len() >= 6 + said);
        let this = if whole { self.end_counted(stats) } else { None };
        (before, this)
    }

    fn end_counted(&mut self, stats: &mut DemuxStats) -> Option<Pes> {
        let begun = self.begun;
        let pes = self.end();
        stats.damaged_units += u64::from(begun && pes.is_none());
        pes
    }

    /// The packet so far, if it is one.
    pub fn end(&mut self) -> Option<Pes> {
        if !std::mem::take(&mut self.begun) {
            return None;
        }
        let head = self.bytes.first_chunk::<9>()?;
        let [0, 0, 1, _, high, low, marks, flags, head_rest] = *head else {
            return None;
        };
        let said = usize::from(u16::from_be_bytes([high, low]));
        let end = match said {
            0 => self.bytes.len(),
            said => 6 + said,
        };
        let start = 9 + usize::from(head_rest);
        // Cut off before its said end, or not of this syntax.
        let data = self
            .bytes
            .get(start..end)
            .filter(|_| marks & 0xC0 == 0x80)?;
        let stamps = &self.bytes[9..start];
        let stamps = match flags >> 6 {
            2 => stamp(stamps).map(|pts| (pts, pts)),
            3 => stamp(stamps).zip(stamps.get(5..).and_then(stamp)),
            _ => None,
        };
        let data = data.to_vec();
        // Room for the next one of the usual size, not for the largest there ever was.
        self.bytes.clear();
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
        Some(Pes { stamps, data })
    }
}

/// 33 bits between marker bits; none where these are missing.
fn stamp(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.first_chunk::<5>()?;
    let [a, b, c, d, e] = bytes.map(u64::from);
    (a & c & e & 1 == 1).then_some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}
