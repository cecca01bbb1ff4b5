//! MPEG-TS in (ISO/IEC 13818-1): one program's H.264 or H.265 and AAC, as SRT inputs bring them.
//!
//! ```text
//!  bytes ─▶ packets (0x47, resynchronised) ─▶ PAT, PMT (psi.rs) ─▶ which PIDs
//!                                          └▶ PES (pes.rs), one per track ─▶ access units ─▶ MediaEvent
//! ```
//!
//! Whatever comes, nothing panics, and no more is held than one access unit per track, a section per table and a packet.
//! A unit with a gap in it is dropped and counted; pictures begin at the first IDR with its parameter sets. Times are those
//! of the stream, with the wraps of their 33 bits undone; jumps are passed on as they are.
//!
//! There is no call for the end: the last picture of a connection that broke may lack its rest, which nothing would tell
//! where its length is not said. It is never given.

mod pes;
mod psi;

use std::sync::Arc;

use crate::aac::Adts;
use crate::ts::PACKET;
use crate::video::Pictures;
use crate::{AccessUnit, AudioConfig, MediaEvent, Nanos, SECOND, Track};

use pes::{Pes, Reassembly};
use psi::{Pat, Pmt, Sections};

pub use psi::DemuxError;

const SYNC: u8 = 0x47;
const PID_PAT: u16 = 0;
/// ADTS frames are shorter than 8 KiB.
const MAX_FRAME: usize = 8 << 10;

/// What went wrong so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DemuxStats {
    /// Bytes that were in no packet.
    pub skipped_bytes: u64,
    /// Packets missing by their counters, at least.
    pub discontinuities: u64,
    /// Access units dropped for gaps, damage or missing times.
    pub damaged_units: u64,
}

#[derive(Debug, Default)]
pub struct Demuxer {
    /// Less than a packet, or what has no certain beginning yet.
    buffer: Vec<u8>,
    synced: bool,
    pat: Sections,
    program: Option<Pat>,
    pmt: Sections,
    video: Option<Video>,
    audio: Option<Audio>,
    /// The last time of any track, for undoing wraps.
    last: Option<i64>,
    stats: DemuxStats,
}

#[derive(Debug)]
struct Video {
    pid: u16,
    stream: u8,
    reassembly: Reassembly,
    pictures: Pictures,
    started: bool,
}

#[derive(Debug)]
struct Audio {
    pid: u16,
    reassembly: Reassembly,
    config: Option<Arc<AudioConfig>>,
    /// The beginning of a frame that goes on in the next PES packet.
    carry: Vec<u8>,
    /// When the next frame begins, and how many frames after a time that was said.
    said: Option<(Nanos, i64)>,
}

impl Demuxer {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn stats(&self) -> DemuxStats {
        self.stats
    }

    /// Takes bytes cut anywhere, and appends what they complete. An error says what this program is made of that booth
    /// does not take; it comes again with every table that says so.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<MediaEvent>) -> Result<(), DemuxError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(data);
        let (mut at, mut result) = (0, Ok(()));
        loop {
            at += self.resync(&buffer[at..]);
            let packet = buffer[at..].first_chunk::<PACKET>();
            let Some(packet) = packet.filter(|_| self.synced) else {
                break;
            };
            at += PACKET;
            // All is read on, or what is left would pile up.
            result = self.packet(packet, out).and(result);
        }
        buffer.drain(..at);
        self.buffer = buffer;
        result
    }

    /// How much to pass over until a packet begins. In sync the next byte says so; out of it two packets in a row must.
    fn resync(&mut self, rest: &[u8]) -> usize {
        match rest.first() {
            None => return 0,
            Some(&SYNC) if self.synced => return 0,
            Some(_) => self.synced = false,
        }
        let begins =
            |at: &usize| rest[*at] == SYNC && rest.get(at + PACKET).is_none_or(|b| *b == SYNC);
        let skip = (0..rest.len()).find(begins).unwrap_or(rest.len());
        self.synced = rest.get(skip + PACKET) == Some(&SYNC);
        self.stats.skipped_bytes += skip as u64;
        skip
    }

    fn packet(
        &mut self,
        packet: &[u8; PACKET],
        out: &mut Vec<MediaEvent>,
    ) -> Result<(), DemuxError> {
        let packet = Packet::parse(packet);
        let gaps = &mut self.stats.discontinuities;
        let program = self.program.filter(|program| program.pmt_pid == packet.pid);
        if packet.pid == PID_PAT {
            let mut found = Vec::new();
            self.pat
                .push(&packet, gaps, |section| found.extend(Pat::parse(section)));
            found.into_iter().for_each(|pat| self.choose_program(pat));
        } else if let Some(program) = program {
            let mut found = None;
            self.pmt.push(&packet, gaps, |section| {
                found = Pmt::parse(section, program.program).or(found.take());
            });
            if let Some(pmt) = found {
                self.streams(&pmt, out)?;
            }
        } else if let Some(video) = self.video.as_mut().filter(|video| video.pid == packet.pid) {
            let (first, second) = video.reassembly.push(&packet, &mut self.stats);
            self.picture(first, out);
            self.picture(second, out);
        } else if let Some(audio) = self.audio.as_mut().filter(|audio| audio.pid == packet.pid) {
            let before = self.stats.damaged_units;
            let (first, second) = audio.reassembly.push(&packet, &mut self.stats);
            if self.stats.damaged_units != before {
                audio.carry.clear();
                audio.said = None;
            }
            self.sound(first, out);
            self.sound(second, out);
        }
        Ok(())
    }

    /// The first program of the first section that has one, for as long as that section says so.
    fn choose_program(&mut self, pat: Pat) {
        let later = |known: Pat| pat.section > known.section;
        if self.program == Some(pat) || self.program.is_some_and(later) {
            return;
        }
        self.program = Some(pat);
        self.pmt = Sections::default();
    }

    /// Streams that stay go on; others end, and what they had begun is completed first.
    fn streams(&mut self, pmt: &Pmt, out: &mut Vec<MediaEvent>) -> Result<(), DemuxError> {
        let (video, audio) = pmt.choose()?;
        let same = |own: &Video| Some((own.pid, own.stream)) == video.map(|v| (v.pid, v.kind));
        if !self.video.as_ref().is_some_and(same) {
            let pes = self.video.as_mut().and_then(|video| video.reassembly.end());
            self.picture(pes, out);
            self.video = video.map(|stream| Video {
                pid: stream.pid,
                stream: stream.kind,
                reassembly: Reassembly::video(),
                pictures: Pictures::new(stream.codec),
                started: false,
            });
        }
        if self.audio.as_ref().map(|own| own.pid) != audio {
            let pes = self.audio.as_mut().and_then(|audio| audio.reassembly.end());
            self.sound(pes, out);
            self.audio = audio.map(|pid| Audio {
                pid,
                reassembly: Reassembly::audio(),
                config: None,
                carry: Vec::new(),
                said: None,
            });
        }
        Ok(())
    }

    fn picture(&mut self, pes: Option<Pes>, out: &mut Vec<MediaEvent>) {
        let (Some(pes), Some(video)) = (pes, &mut self.video) else {
            return;
        };
        let Some((pts, dts)) = pes.stamps else {
            self.stats.damaged_units += 1;
            return;
        };
        let (pts, dts) = unroll(&mut self.last, pts, dts);
        let Ok(picture) = video.pictures.annex_b(&pes.data) else {
            self.stats.damaged_units += 1;
            return;
        };
        let Some(picture) = picture else {
            return;
        };
        if !video.started && !picture.key {
            return;
        }
        let config = match video.started {
            true => picture.config,
            // It may have come with a picture that was passed over.
            false => video.pictures.config().cloned(),
        };
        video.started = true;
        out.extend(config.map(MediaEvent::Video));
        out.push(MediaEvent::Unit(AccessUnit {
            track: Track::Video,
            dts,
            pts: pts.max(dts),
            key: picture.key,
            data: picture.data,
        }));
    }

    fn sound(&mut self, pes: Option<Pes>, out: &mut Vec<MediaEvent>) {
        let (Some(pes), Some(audio)) = (pes, &mut self.audio) else {
            return;
        };
        // A time is that of the first frame that begins in the packet (§2.4.3.7).
        let own = audio.carry.len();
        let mut time = pes
            .stamps
            .map(|(pts, _)| unroll(&mut self.last, pts, pts).0);
        let mut data = std::mem::take(&mut audio.carry);
        data.extend(pes.data);
        let mut at = 0;
        while at < data.len() {
            let frame = match Adts::parse(&data[at..]) {
                Ok(Some(frame)) if data.len() - at >= frame.length => frame,
                Ok(_) => break,
                Err(_) => {
                    // To the next sync word; what is passed over had a duration that nobody knows.
                    self.stats.damaged_units += 1;
                    audio.said = None;
                    let next = data[at + 1..]
                        .windows(2)
                        .position(|pair| pair[0] == 0xFF && pair[1] & 0xF6 == 0xF0);
                    at = next.map_or(data.len(), |next| at + 1 + next);
                    continue;
                }
            };
            if at >= own
                && let Some(time) = time.take()
            {
                audio.said = Some((time, 0));
            }
            let body = at + frame.header..at + frame.length;
            at += frame.length;
            let Some((said, frames)) = &mut audio.said else {
                self.stats.damaged_units += 1;
                continue;
            };
            if audio.config.as_deref() != Some(&frame.config) {
                // Frames of another length count from here.
                let old = audio
                    .config
                    .as_ref()
                    .map_or(frame.config.frame(), |config| config.frame());
                *said += *frames * old;
                *frames = 0;
                let config = Arc::new(frame.config);
                audio.config = Some(config.clone());
                out.push(MediaEvent::Audio(config));
            }
            let Some(config) = &audio.config else {
                continue;
            };
            let rate = i64::from(config.sample_rate.max(1));
            let samples = *frames * i64::from(config.frame_samples);
            let dts = *said + (samples * SECOND + rate / 2) / rate;
            *frames += 1;
            out.push(MediaEvent::Unit(AccessUnit {
                track: Track::Audio,
                dts,
                pts: dts,
                key: true,
                data: data[body].to_vec().into(),
            }));
        }
        data.drain(..at.min(data.len()));
        if data.len() <= MAX_FRAME {
            audio.carry = data;
        }
    }
}

/// Times of 33 bits, taken as nearest to the one before of any track.
fn unroll(last: &mut Option<i64>, pts: u64, dts: u64) -> (Nanos, Nanos) {
    let nearest = |to: i64, stamp: u64| {
        let ahead = (stamp as i64).wrapping_sub(to) & ((1 << 33) - 1);
        let ahead = if ahead >= 1 << 32 {
            ahead - (1 << 33)
        } else {
            ahead
        };
        to + ahead
    };
    let dts = nearest(last.unwrap_or(dts as i64), dts);
    *last = Some(dts);
    let pts = nearest(dts, pts);
    let nanos = |ticks: i64| ticks * 100_000 / 9;
    (nanos(pts), nanos(dts))
}

/// The header of a packet and where its payload is (§2.4.3.2).
#[derive(Debug)]
struct Packet<'a> {
    pid: u16,
    /// A section or a PES packet begins.
    start: bool,
    counter: u8,
    /// Damaged on the way or scrambled: the payload is none.
    error: bool,
    /// The counter may jump here.
    discontinuity: bool,
    payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    fn parse(packet: &'a [u8; PACKET]) -> Self {
        let [_, first, second, control, rest @ ..] = packet;
        let mut payload = (control & 0x10 != 0).then_some(&rest[..]);
        let (mut discontinuity, mut error) = (false, first & 0x80 != 0 || control & 0xC0 != 0);
        if control & 0x20 != 0 {
            let length = usize::from(rest[0]);
            discontinuity = length > 0 && rest[1] & 0x80 != 0;
            match rest.get(1 + length..) {
                Some(after) => payload = payload.map(|_| after),
                None => error = true,
            }
        }
        Self {
            pid: u16::from(first & 0x1F) << 8 | u16::from(*second),
            start: first & 0x40 != 0,
            counter: control & 15,
            error,
            discontinuity,
            payload: payload.filter(|payload| !payload.is_empty()),
        }
    }
}

/// What the counter of a packet says (§2.4.3.3).
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Next,
    /// The same packet again, or one without payload.
    Nothing,
    Gap,
}

/// The counter of a PID.
#[derive(Debug, Default)]
struct Continuity(Option<u8>);

impl Continuity {
    fn step(&mut self, packet: &Packet<'_>) -> Step {
        if packet.error {
            // Its counter is not to be trusted either.
            self.0 = None;
            return Step::Gap;
        }
        if packet.payload.is_none() {
            return Step::Nothing;
        }
        match self.0.replace(packet.counter) {
            Some(last) if packet.counter == last && !packet.discontinuity => Step::Nothing,
            Some(last) if packet.counter != (last + 1) & 15 && !packet.discontinuity => Step::Gap,
            _ => Step::Next,
        }
    }
}

#[cfg(test)]
#[path = "demux_tests.rs"]
mod tests;
