//! Program tables: sections out of packets, PAT and PMT (ISO/IEC 13818-1 §2.4.4).

/// CRC-32/MPEG-2 of a section; 0 over a section with its own CRC.
pub fn crc32(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 != 0 {
                crc << 1 ^ 0x04c1_1db7
            } else {
                crc << 1
            }
        })
    })
}

/// A table section that passed its CRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub table_id: u8,
    pub extension: u16,
    pub version: u8,
    pub current: bool,
    /// Between the eight header bytes and the CRC.
    pub body: Vec<u8>,
}

/// What a packet's payload completed.
#[derive(Debug, PartialEq, Eq)]
pub enum SectionResult {
    Section(Section),
    Broken,
}

/// Puts the sections of one PID together. A section is at most 1024 bytes long in PAT and PMT, 4096 anywhere.
#[derive(Debug, Default)]
pub struct SectionReader {
    buffer: Vec<u8>,
    active: bool,
}

impl SectionReader {
    pub fn push(&mut self, unit_start: bool, payload: &[u8], mut done: impl FnMut(SectionResult)) {
        let mut fresh = payload;
        if unit_start {
            let Some((&pointer, after)) = payload.split_first() else {
                return;
            };
            let Some((tail, start)) = after.split_at_checked(usize::from(pointer)) else {
                self.active = false;
                return done(SectionResult::Broken);
            };
            self.take(tail, &mut done);
            self.buffer.clear();
            self.active = true;
            fresh = start;
        }
        self.take(fresh, &mut done);
    }

    /// A lost packet: what was begun cannot be finished.
    pub fn abandon(&mut self) {
        self.active = false;
        self.buffer.clear();
    }

    fn take(&mut self, data: &[u8], done: &mut impl FnMut(SectionResult)) {
        if !self.active {
            return;
        }
        self.buffer.extend_from_slice(data);
        loop {
            if self.buffer.first() == Some(&0xff) {
                // Stuffing up to the next unit start.
                return self.abandon();
            }
            let Some(&[_, high, low]) = self.buffer.first_chunk::<3>() else {
                return;
            };
            let total = 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
            if self.buffer.len() < total {
                return;
            }
            done(parse_section(&self.buffer[..total]));
            self.buffer.drain(..total);
        }
    }
}

fn parse_section(raw: &[u8]) -> SectionResult {
    if raw.len() < 12 || crc32(raw) != 0 {
        return SectionResult::Broken;
    }
    SectionResult::Section(Section {
        table_id: raw[0],
        extension: u16::from(raw[3]) << 8 | u16::from(raw[4]),
        version: raw[5] >> 1 & 0x1f,
        current: raw[5] & 1 != 0,
        body: raw[8..raw.len() - 4].to_vec(),
    })
}

/// The program association: program number and PID of its map.
pub fn parse_pat(body: &[u8]) -> Vec<(u16, u16)> {
    body.chunks_exact(4)
        .map(|e| {
            (
                u16::from(e[0]) << 8 | u16::from(e[1]),
                u16::from(e[2] & 0x1f) << 8 | u16::from(e[3]),
            )
        })
        .filter(|&(program, _)| program != 0)
        .collect()
}

/// A program map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pmt {
    pub pcr_pid: u16,
    /// PID and stream type of each elementary stream.
    pub streams: Vec<(u16, u8)>,
}

/// `None` when the lengths inside do not fit.
pub fn parse_pmt(body: &[u8]) -> Option<Pmt> {
    let &[pcr_high, pcr_low, info_high, info_low] = body.first_chunk::<4>()?;
    let info = usize::from(info_high & 0x0f) << 8 | usize::from(info_low);
    let mut rest = body.get(4 + info..)?;
    let mut pmt = Pmt {
        pcr_pid: u16::from(pcr_high & 0x1f) << 8 | u16::from(pcr_low),
        streams: Vec::new(),
    };
    while let Some(&[kind, pid_high, pid_low, len_high, len_low]) = rest.first_chunk::<5>() {
        pmt.streams
            .push((u16::from(pid_high & 0x1f) << 8 | u16::from(pid_low), kind));
        rest = rest.get(5 + (usize::from(len_high & 0x0f) << 8 | usize::from(len_low))..)?;
    }
    Some(pmt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_section_over_two_packets_is_put_together_and_a_flipped_bit_is_noticed() {
        let mut raw = vec![0x02, 0xb0, 0, 0, 1, 0xc3, 0, 0];
        raw.extend(
            [0xe1, 0, 0xf0, 0]
                .iter()
                .chain([0x1b, 0xe1, 0, 0xf0, 0].iter().cycle().take(200)),
        );
        let length = raw.len() + 4 - 3;
        raw[1] |= (length >> 8) as u8;
        raw[2] = length as u8;
        raw.extend(crc32(&raw.clone()).to_be_bytes());
        let read = |raw: &[u8]| {
            let (mut reader, mut got) = (SectionReader::default(), Vec::new());
            let mut first = vec![0];
            first.extend(&raw[..183]);
            reader.push(true, &first, |r| got.push(r));
            reader.push(false, &raw[183..], |r| got.push(r));
            got
        };
        let [SectionResult::Section(section)] = &read(&raw)[..] else {
            panic!("no section")
        };
        let pmt = parse_pmt(&section.body).unwrap();
        assert_eq!(
            (section.version, pmt.pcr_pid, pmt.streams.len()),
            (1, 0x100, 40)
        );
        raw[100] ^= 4;
        assert_eq!(read(&raw), [SectionResult::Broken]);
    }
}
