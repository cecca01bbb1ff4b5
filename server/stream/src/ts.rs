//! MPEG-TS by the letter of ISO/IEC 13818-1, for one program of H.264 or H.265 and AAC, or of either alone.
//!
//! [`Muxer`] takes what an encoder gives, in byte streams and ADTS; [`TsWriter`] takes [`crate::MediaEvent`]s.
//!
//! Written here because a general mux waits until every pad has something newer before it lets a frame go: that is up
//! to a picture's and an AAC frame's time on every take. This one sends each frame as it comes; the tables, the clock
//! and the continuity of the stream are all in one place and never depend on an input.

mod writer;

use crate::VideoCodec;

pub use writer::{DATAGRAM, TsError, TsWriter, datagrams};

/// A packet.
pub const PACKET: usize = 188;
const PAYLOAD: usize = PACKET - 4;
const PID_PAT: u16 = 0x0000;
const PID_PMT: u16 = 0x1000;
const PID_VIDEO: u16 = 0x0100;
const PID_AUDIO: u16 = 0x0101;
const STREAM_VIDEO: u8 = 0xE0;
const STREAM_AUDIO: u8 = 0xC0;
const TYPE_H264: u8 = 0x1B;
const TYPE_H265: u8 = 0x24;
const TYPE_AAC_ADTS: u8 = 0x0F;
/// Tables are repeated at least this often (90 kHz): a receiver that joins waits no longer for them.
const TABLES_EVERY: u64 = 9_000;
/// The clock is sent at least this often (90 kHz); ISO allows 100 ms, DVB asks for 40.
const CLOCK_EVERY: u64 = 3_600;
/// How far timestamps lie ahead of the clock (90 kHz): an encoder may take that long before a receiver runs dry.
const AHEAD: u64 = 10_800;
/// Sound leaves its encoder about this much later than pictures leave theirs (90 kHz); the clock between two pictures is
/// taken from it.
const SOUND_LAG: u64 = 900;
/// PTS have 33 bits.
const STAMP_MASK: u64 = (1 << 33) - 1;

/// What the tables name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    pub video: Option<VideoCodec>,
    pub audio: bool,
}

/// The mux of one output. Times are in 1/90000 s since its start.
#[derive(Debug)]
pub struct Muxer {
    program: Program,
    /// `version_number` of the program's table, 5 bits.
    version: u8,
    counters: [u8; 4],
    /// Of this version.
    tables_sent: bool,
    tables_at: Option<u64>,
    clock_at: Option<u64>,
}

/// The counters' places.
const PAT: usize = 0;
const PMT: usize = 1;
const VIDEO: usize = 2;
const AUDIO: usize = 3;

/// What a PES packet carries.
struct Unit<'a> {
    stream: usize,
    pts: u64,
    dts: u64,
    key: bool,
    clock: Option<u64>,
    data: &'a [u8],
}

impl Muxer {
    /// A program of AAC, with or without pictures of H.264.
    #[must_use]
    pub fn new(video: bool) -> Self {
        Self::of(Program {
            video: video.then_some(VideoCodec::H264),
            audio: true,
        })
    }

    #[must_use]
    pub fn of(program: Program) -> Self {
        Self {
            program,
            version: 0,
            counters: [0; 4],
            tables_sent: false,
            tables_at: None,
            clock_at: None,
        }
    }

    /// Packets of an H.264 access unit in byte-stream form, shown at `time`.
    pub fn video(&mut self, time: u64, key: bool, unit: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity((unit.len() / PAYLOAD + 4) * PACKET);
        self.picture(&mut out, time, time, key, unit);
        out
    }

    /// Packets of an AAC frame with its ADTS header, heard from `time` on.
    pub fn audio(&mut self, time: u64, frame: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity((frame.len() / PAYLOAD + 4) * PACKET);
        self.sound(&mut out, time, time + SOUND_LAG, frame);
        out
    }

    /// Says from now on what changed. The tables have the next version, also when they name the same streams: a decoder is
    /// to be set up anew. Nothing changes a version that was never sent.
    pub fn change(&mut self, program: Program) {
        self.program = program;
        self.tables_at = None;
        if std::mem::take(&mut self.tables_sent) {
            self.version = (self.version + 1) & 31;
        }
    }

    /// Has the tables sent before whatever comes next.
    pub fn tables_next(&mut self) {
        self.tables_at = None;
    }

    /// A picture that is decoded at `dts`; the clock is that.
    fn picture(&mut self, out: &mut Vec<u8>, dts: u64, pts: u64, key: bool, unit: &[u8]) {
        self.tables(out, dts, key);
        // An encoder that fell behind must not turn the clock back.
        let clock = self.clock_at.is_none_or(|at| dts > at).then_some(dts);
        self.clock_at = clock.or(self.clock_at);
        let unit = Unit {
            stream: VIDEO,
            pts,
            dts,
            key,
            clock,
            data: unit,
        };
        self.pes(out, &unit);
    }

    /// A frame of sound that is sent at `now`.
    fn sound(&mut self, out: &mut Vec<u8>, time: u64, now: u64, frame: &[u8]) {
        self.tables(out, now, false);
        let video = self.program.video.is_some();
        let due = self.clock_at.is_none_or(|at| now >= at + CLOCK_EVERY);
        let clock = due.then_some(now);
        if due {
            self.clock_at = Some(now);
            if video {
                self.clock_alone(out, now);
            }
        }
        let clock = clock.filter(|_| !video);
        self.pes(
            out,
            &Unit {
                stream: AUDIO,
                pts: time,
                dts: time,
                key: clock.is_some(),
                clock,
                data: frame,
            },
        );
    }

    /// The tables, if it is time or a receiver could join here.
    fn tables(&mut self, out: &mut Vec<u8>, now: u64, key: bool) {
        if !key && self.tables_at.is_some_and(|at| now < at + TABLES_EVERY) {
            return;
        }
        self.tables_at = Some(now);
        self.tables_sent = true;
        let pat = section(
            0x00,
            0,
            &[0x00, 0x01, 0xE0 | (PID_PMT >> 8) as u8, PID_PMT as u8],
        );
        self.table(out, PID_PAT, PAT, &pat);
        let clock_pid = if self.program.video.is_some() {
            PID_VIDEO
        } else {
            PID_AUDIO
        };
        let mut map = vec![0xE0 | (clock_pid >> 8) as u8, clock_pid as u8, 0xF0, 0x00];
        let mut stream = |kind: u8, pid: u16| {
            map.extend([kind, 0xE0 | (pid >> 8) as u8, pid as u8, 0xF0, 0x00]);
        };
        match self.program.video {
            Some(VideoCodec::H264) => stream(TYPE_H264, PID_VIDEO),
            Some(VideoCodec::H265) => stream(TYPE_H265, PID_VIDEO),
            None => {}
        }
        if self.program.audio {
            stream(TYPE_AAC_ADTS, PID_AUDIO);
        }
        let pmt = section(0x02, self.version, &map);
        self.table(out, PID_PMT, PMT, &pmt);
    }

    /// One section in one packet.
    fn table(&mut self, out: &mut Vec<u8>, pid: u16, counter: usize, section: &[u8]) {
        let start = out.len();
        out.extend(self.header(pid, counter, true, 0b01));
        // Pointer field: the section begins at once.
        out.push(0);
        out.extend(section);
        out.resize(start + PACKET, 0xFF);
    }

    /// A packet of the clock and nothing else; it does not count.
    fn clock_alone(&self, out: &mut Vec<u8>, now: u64) {
        let start = out.len();
        let counter = self.counters[VIDEO].wrapping_sub(1) & 15;
        out.extend([
            0x47,
            (PID_VIDEO >> 8) as u8,
            PID_VIDEO as u8,
            0b10 << 4 | counter,
        ]);
        out.extend([(PAYLOAD - 1) as u8, 0x10]);
        out.extend(clock_field(now));
        out.resize(start + PACKET, 0xFF);
    }

    fn header(&mut self, pid: u16, counter: usize, start: bool, fields: u8) -> [u8; 4] {
        let count = self.counters[counter];
        self.counters[counter] = (count + 1) & 15;
        let start = if start { 0x40 } else { 0 };
        [
            0x47,
            start | (pid >> 8) as u8,
            pid as u8,
            fields << 4 | count,
        ]
    }

    fn pes(&mut self, out: &mut Vec<u8>, unit: &Unit<'_>) {
        let (pid, stream_id) = if unit.stream == VIDEO {
            (PID_VIDEO, STREAM_VIDEO)
        } else {
            (PID_AUDIO, STREAM_AUDIO)
        };
        // With its length said, a receiver need not wait for the next unit to know that this one is whole.
        // What does not fit in 16 bits is of unknown length, which ISO allows for video.
        // Both stamps if they differ (§2.4.3.7), else one.
        let both = unit.pts != unit.dts;
        let (flags, stamps) = if both { (0xC0, 10) } else { (0x80, 5) };
        let length = u16::try_from(unit.data.len() + 3 + usize::from(stamps))
            .unwrap_or(0)
            .to_be_bytes();
        let mut head = vec![
            0, 0, 1, stream_id, length[0], length[1], 0x84, flags, stamps,
        ];
        let stamped = |time: u64| (time + AHEAD) & STAMP_MASK;
        if both {
            head.extend(stamp(3, stamped(unit.pts)));
            head.extend(stamp(1, stamped(unit.dts)));
        } else {
            head.extend(stamp(2, stamped(unit.pts)));
        }
        let mut rest = head.iter().chain(unit.data).copied();
        let mut left = head.len() + unit.data.len();
        let mut first = true;
        while left > 0 {
            let mut adaptation = Vec::new();
            if first && (unit.key || unit.clock.is_some()) {
                adaptation.push(
                    if unit.key { 0x40 } else { 0 } | if unit.clock.is_some() { 0x10 } else { 0 },
                );
                adaptation.extend(unit.clock.into_iter().flat_map(clock_field));
            }
            let used = if adaptation.is_empty() {
                0
            } else {
                adaptation.len() + 1
            };
            let taken = left.min(PAYLOAD - used);
            let room = PAYLOAD - taken;
            out.extend(self.header(pid, unit.stream, first, if room > 0 { 0b11 } else { 0b01 }));
            if room > 0 {
                if room > 1 && adaptation.is_empty() {
                    adaptation.push(0);
                }
                adaptation.resize(room - 1, 0xFF);
                out.push((room - 1) as u8);
                out.extend(adaptation);
            }
            out.extend(rest.by_ref().take(taken));
            left -= taken;
            first = false;
        }
    }
}

/// A PSI section with its check sum; the id (stream or program) is 1.
fn section(table: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len() + 9).unwrap_or(u8::MAX);
    let mut section = vec![
        table,
        0xB0,
        length,
        0x00,
        0x01,
        0xC1 | version << 1,
        0x00,
        0x00,
    ];
    section.extend(body);
    let check = crc32(&section);
    section.extend(check.to_be_bytes());
    section
}

/// CRC-32/MPEG-2 (ISO/IEC 13818-1 annex A).
pub(crate) fn crc32(data: &[u8]) -> u32 {
    data.iter().fold(0xFFFF_FFFF, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc >> 31 == 1 {
                crc << 1 ^ 0x04C1_1DB7
            } else {
                crc << 1
            }
        })
    })
}

/// A stamp: 4 bits of which it is, then 3, 15 and 15 bits with marker bits between.
fn stamp(which: u8, pts: u64) -> [u8; 5] {
    [
        which << 4 | 1 | (pts >> 29 & 0x0E) as u8,
        (pts >> 22) as u8,
        1 | (pts >> 14 & 0xFE) as u8,
        (pts >> 7) as u8,
        1 | (pts << 1 & 0xFE) as u8,
    ]
}

/// A PCR whose extension is zero: 33 bits of 90 kHz, 6 reserved, 9 of the rest.
fn clock_field(time: u64) -> [u8; 6] {
    let base = time & STAMP_MASK;
    [
        (base >> 25) as u8,
        (base >> 17) as u8,
        (base >> 9) as u8,
        (base >> 1) as u8,
        (base << 7 & 0x80) as u8 | 0x7E,
        0,
    ]
}

#[cfg(test)]
#[path = "ts_tests.rs"]
mod tests;
