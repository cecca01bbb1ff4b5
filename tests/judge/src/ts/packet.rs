//! One transport packet's header and adaptation field (ISO/IEC 13818-1 §2.4.3.2–2.4.3.5).

use super::{PACKET_LEN, SYNC_BYTE};

/// A parsed packet that borrows its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub pid: u16,
    pub unit_start: bool,
    pub transport_error: bool,
    pub scrambled: bool,
    pub counter: u8,
    /// The header announces a payload: only such packets advance the continuity counter.
    pub has_payload: bool,
    pub discontinuity: bool,
    pub random_access: bool,
    /// Program clock reference in 27 MHz ticks, wrapping at 2^33 × 300.
    pub pcr: Option<i64>,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` when the sync byte is missing. A broken adaptation field leaves an empty payload.
    pub fn parse(raw: &'a [u8; PACKET_LEN]) -> Option<Self> {
        if raw[0] != SYNC_BYTE {
            return None;
        }
        let control = raw[3] >> 4 & 3;
        let mut packet = Self {
            pid: u16::from(raw[1] & 0x1f) << 8 | u16::from(raw[2]),
            unit_start: raw[1] & 0x40 != 0,
            transport_error: raw[1] & 0x80 != 0,
            scrambled: raw[3] & 0xc0 != 0,
            counter: raw[3] & 0x0f,
            has_payload: control & 1 != 0,
            discontinuity: false,
            random_access: false,
            pcr: None,
            payload: &[],
        };
        let mut start = 4;
        if control & 2 != 0 {
            let length = usize::from(raw[4]);
            start = 5 + length;
            if let Some(field) = raw.get(5..start) {
                packet.read_adaptation(field);
            }
        }
        if packet.has_payload {
            packet.payload = raw.get(start..).unwrap_or(&[]);
        }
        Some(packet)
    }

    fn read_adaptation(&mut self, field: &[u8]) {
        let Some(&flags) = field.first() else { return };
        self.discontinuity = flags & 0x80 != 0;
        self.random_access = flags & 0x40 != 0;
        if flags & 0x10 != 0
            && let Some(&[a, b, c, d, e, f]) = field.get(1..7)
        {
            let base = i64::from(a) << 25
                | i64::from(b) << 17
                | i64::from(c) << 9
                | i64::from(d) << 1
                | i64::from(e >> 7);
            let extension = i64::from(e & 1) << 8 | i64::from(f);
            self.pcr = Some(base * 300 + extension);
        }
    }
}
