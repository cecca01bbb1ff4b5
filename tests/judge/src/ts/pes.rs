//! PES packet headers and their time stamps (ISO/IEC 13818-1 §2.4.3.6).

/// The header of a PES packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PesHeader {
    pub stream_id: u8,
    /// Bytes after the six fixed ones, 0 when unbounded.
    pub length: usize,
    /// Where the payload starts.
    pub payload_at: usize,
    /// 33-bit 90 kHz stamps.
    pub pts: Option<i64>,
    pub dts: Option<i64>,
}

impl PesHeader {
    /// `None` when the start code is missing or the header is cut off.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let &[0, 0, 1, stream_id, high, low] = data.first_chunk::<6>()? else {
            return None;
        };
        let length = usize::from(high) << 8 | usize::from(low);
        let mut header = Self {
            stream_id,
            length,
            payload_at: 6,
            pts: None,
            dts: None,
        };
        // Streams without the optional header: map, padding, private 2, ECM, EMM, directory, DSM-CC, H.222.1 E.
        if matches!(
            stream_id,
            0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xff | 0xf2 | 0xf8
        ) {
            return Some(header);
        }
        let &[marker, flags, extra] = data.get(6..)?.first_chunk::<3>()?;
        if marker & 0xc0 != 0x80 {
            return None;
        }
        header.payload_at = 9 + usize::from(extra);
        let fields = data.get(9..header.payload_at)?;
        if flags & 0x80 != 0 {
            header.pts = read_stamp(fields);
        }
        if flags & 0xc0 == 0xc0 {
            header.dts = fields.get(5..).and_then(read_stamp);
        }
        Some(header)
    }
}

fn read_stamp(field: &[u8]) -> Option<i64> {
    let &[a, b, c, d, e] = field.first_chunk::<5>()?;
    Some(
        i64::from(a >> 1 & 7) << 30
            | i64::from(b) << 22
            | i64::from(c >> 1) << 15
            | i64::from(d) << 7
            | i64::from(e >> 1),
    )
}

/// The five bytes of a stamp behind a four-bit prefix.
pub fn write_stamp(prefix: u8, stamp: i64) -> [u8; 5] {
    [
        prefix << 4 | (stamp >> 29) as u8 & 0x0e | 1,
        (stamp >> 22) as u8,
        (stamp >> 14) as u8 | 1,
        (stamp >> 7) as u8,
        (stamp << 1) as u8 | 1,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_stamp_reads_back_over_all_33_bits() {
        for stamp in [0, 1, 90_000, (1 << 33) - 1, 0x1_5555_5555, 0x0_aaaa_aaaa] {
            assert_eq!(read_stamp(&write_stamp(2, stamp)), Some(stamp));
        }
    }
}
