//! FLV, as RTMP carries it, to the transport stream that the judge judges: units and times as they are, parameter sets in
//! the band. H.264 and AAC; other tags are passed over.

use crate::ts::write::TsWriter;

const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;
const TAG_VIDEO: u8 = 9;
const TAG_AUDIO: u8 = 8;
/// A tag header and the length of the tag before it.
const TAG_HEAD: usize = 11;
const TAG_TAIL: usize = 4;
/// Signature, version, flags, offset; and the first "length of the tag before".
const FILE_HEAD: usize = 13;

/// Takes bytes as they come, gives whole transport packets.
#[derive(Debug)]
pub struct FlvToTs {
    held: Vec<u8>,
    started: bool,
    /// Parameter sets in byte-stream form, and how many bytes a unit's length has.
    sets: Vec<u8>,
    length_size: usize,
    /// Profile, frequency index and channels of the ADTS header.
    sound: Option<(u8, u8, u8)>,
    out: TsWriter,
}

impl Default for FlvToTs {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            started: false,
            sets: Vec::new(),
            length_size: 4,
            sound: None,
            out: TsWriter::new(&[(VIDEO, 0x1b), (AUDIO, 0x0f)]),
        }
    }
}

impl FlvToTs {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        if !self.started {
            if self.held.len() < FILE_HEAD {
                return Vec::new();
            }
            self.started = true;
            at = FILE_HEAD;
        }
        let held = std::mem::take(&mut self.held);
        while let Some(head) = held.get(at..at + TAG_HEAD) {
            let size = be(&head[1..4]) as usize;
            let time = i64::from(be(&head[4..7]) | u32::from(head[7]) << 24);
            let body = at + TAG_HEAD;
            let Some(data) = held.get(body..body + size + TAG_TAIL) else {
                break;
            };
            match head[0] & 0x1f {
                TAG_VIDEO => self.video(time, &data[..size]),
                TAG_AUDIO => self.audio(time, &data[..size]),
                _ => {}
            }
            at = body + size + TAG_TAIL;
        }
        self.held = held.get(at..).unwrap_or_default().to_vec();
        self.out.take()
    }

    fn video(&mut self, time: i64, data: &[u8]) {
        let &[kind, packet, a, b, c, ref rest @ ..] = data else {
            return;
        };
        // AVC alone.
        if kind & 0x8f != 7 {
            return;
        }
        match packet {
            0 => self.parameter_sets(rest),
            1 => {
                let key = kind >> 4 == 1;
                // 24 bits with a sign.
                let shift = i64::from((i32::from_be_bytes([a, b, c, 0])) >> 8);
                let mut unit = vec![0, 0, 0, 1, 9, 0xf0];
                if key {
                    self.out.tables();
                    unit.extend_from_slice(&self.sets);
                }
                let mut rest = rest;
                while rest.len() > self.length_size {
                    let (length, more) = rest.split_at(self.length_size);
                    let (nal, more) = more.split_at((be(length) as usize).min(more.len()));
                    unit.extend([0, 0, 0, 1]);
                    unit.extend_from_slice(nal);
                    rest = more;
                }
                let dts = time * 90;
                let pts = (time + shift) * 90;
                self.out.unit(VIDEO, 0xe0, pts, dts, Some(dts), &unit);
            }
            _ => {}
        }
    }

    /// An AVCDecoderConfigurationRecord (14496-15 §5.3.3).
    fn parameter_sets(&mut self, record: &[u8]) {
        let Some((head, mut rest)) = record.split_at_checked(6) else {
            return;
        };
        self.length_size = usize::from(head[4] & 3) + 1;
        self.sets.clear();
        let mut count = usize::from(head[5] & 31);
        for _ in 0..2 {
            for _ in 0..count {
                let Some((length, more)) = rest.split_at_checked(2) else {
                    return;
                };
                let (set, more) = more.split_at((be(length) as usize).min(more.len()));
                self.sets.extend([0, 0, 0, 1]);
                self.sets.extend_from_slice(set);
                rest = more;
            }
            // The picture parameter sets follow behind a count of their own.
            count = rest.first().copied().map_or(0, usize::from);
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    fn audio(&mut self, time: i64, data: &[u8]) {
        let &[kind, packet, ref rest @ ..] = data else {
            return;
        };
        if kind >> 4 != 10 {
            return;
        }
        match (packet, rest) {
            // AudioSpecificConfig (14496-3 §1.6.2.1): 5 bits object type, 4 frequency, 4 channels.
            (0, &[first, second, ..]) => {
                let index = (first & 7) << 1 | second >> 7;
                self.sound = Some((first >> 3, index, second >> 3 & 15));
            }
            (1, frame) => {
                let Some((object, index, channels)) = self.sound else {
                    return;
                };
                let length = frame.len() + 7;
                let mut unit = vec![
                    0xff,
                    0xf1,
                    (object.wrapping_sub(1) & 3) << 6 | index << 2 | channels >> 2,
                    (channels & 3) << 6 | (length >> 11) as u8,
                    (length >> 3) as u8,
                    (length << 5) as u8 | 0x1f,
                    0xfc,
                ];
                unit.extend_from_slice(frame);
                self.out
                    .unit(AUDIO, 0xc0, time * 90, time * 90, None, &unit);
            }
            _ => {}
        }
    }
}

fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b))
}
