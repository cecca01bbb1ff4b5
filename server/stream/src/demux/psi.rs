//! Tables: which program there is, and which streams it has (ISO/IEC 13818-1 §2.4.4).

use super::{Continuity, Packet, Step};
use crate::VideoCodec;
use crate::ts::crc32;

/// A section of these tables has at most this many bytes (§2.4.4.4, §2.4.4.9).
const MAX_SECTION: usize = 1024;

/// The program is made of something that booth does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DemuxError {
    #[error("the input's pictures are {0}; H.264 and H.265 are taken")]
    Video(&'static str),
    #[error("the input's sound is {0}; AAC in ADTS is taken")]
    Audio(&'static str),
}

/// Puts sections together that were cut into packets.
#[derive(Debug, Default)]
pub(super) struct Sections {
    continuity: Continuity,
    section: Vec<u8>,
    /// A section has begun.
    begun: bool,
}

impl Sections {
    /// Gives every section that is whole and has the right check sum.
    pub fn push(&mut self, packet: &Packet<'_>, gaps: &mut u64, mut give: impl FnMut(&[u8])) {
        match self.continuity.step(packet) {
            Step::Nothing => return,
            Step::Gap => {
                *gaps += 1;
                self.begun = false;
            }
            Step::Next => {}
        }
        let Some(payload) = packet.payload.filter(|_| !packet.error) else {
            return;
        };
        if !packet.start {
            return self.append(payload, &mut give);
        }
        let (pointer, rest) = payload.split_first().unwrap_or((&0, &[]));
        let Some((end, mut rest)) = rest.split_at_checked(usize::from(*pointer)) else {
            self.begun = false;
            return;
        };
        self.append(end, &mut give);
        // Several sections may begin here; 0xFF fills the rest.
        while rest.first().is_some_and(|table| *table != 0xFF) {
            self.begun = true;
            self.section.clear();
            let taken = length_of(rest).map_or(rest.len(), |length| length.min(rest.len()));
            let (section, after) = rest.split_at(taken);
            self.append(section, &mut give);
            rest = after;
        }
    }

    fn append(&mut self, data: &[u8], give: &mut impl FnMut(&[u8])) {
        if !self.begun {
            return;
        }
        self.section.extend_from_slice(data);
        let Some(length) = length_of(&self.section) else {
            return;
        };
        if length > MAX_SECTION {
            self.begun = false;
            return;
        }
        if let Some(section) = self.section.get(..length) {
            // Shorter than its own header and check sum is none; one for later is not for now.
            if length >= 12 && crc32(section) == 0 && section[5] & 1 == 1 {
                give(&section[..length - 4]);
            }
            self.begun = false;
        }
    }
}

/// Length of a section with its header, as soon as it is known.
fn length_of(section: &[u8]) -> Option<usize> {
    let [_, high, low] = section.first_chunk::<3>()?;
    Some(3 + (usize::from(high & 0x0F) << 8 | usize::from(*low)))
}

fn pid(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes) & 0x1FFF
}

/// The first program of a section of the association table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pat {
    /// `section_number`; programs of later ones count only where earlier ones have none.
    pub section: u8,
    pub program: u16,
    pub pmt_pid: u16,
}

impl Pat {
    /// None in a section without a program.
    pub fn parse(section: &[u8]) -> Option<Self> {
        if section.first() != Some(&0x00) {
            return None;
        }
        let programs = section.get(8..)?.as_chunks::<4>().0;
        // Program 0 is the network's own table.
        let [number @ .., high, low] = programs
            .iter()
            .find(|[high, low, ..]| (*high, *low) != (0, 0))?;
        Some(Self {
            section: section[6],
            program: u16::from_be_bytes(*number),
            pmt_pid: pid([*high, *low]),
        })
    }
}

/// A stream of pictures that can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VideoStream {
    pub pid: u16,
    /// `stream_type`
    pub kind: u8,
    pub codec: VideoCodec,
}

/// The streams of a program: type, PID, and the tags of their descriptors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pmt {
    streams: Vec<(u8, u16, Vec<u8>)>,
}

impl Pmt {
    /// None in a section of another program, of which several may share a PID.
    pub fn parse(section: &[u8], program: u16) -> Option<Self> {
        if section.first() != Some(&0x02) || section.get(3..5)? != program.to_be_bytes() {
            return None;
        }
        let length = |bytes: &[u8]| {
            Some(usize::from(
                u16::from_be_bytes(*bytes.first_chunk()?) & 0xFFF,
            ))
        };
        let body = section.get(10..)?;
        let mut rest = body.get(2 + length(body)?..)?;
        let mut streams = Vec::new();
        while let Some(([kind, high, low], after)) = rest.split_first_chunk::<3>() {
            let (mut tags, mut left) = (Vec::new(), after.get(2..)?.get(..length(after)?)?);
            rest = &after[2 + left.len()..];
            while let Some(([tag, size], after)) = left.split_first_chunk::<2>() {
                tags.push(*tag);
                left = after.get(usize::from(*size)..).unwrap_or_default();
            }
            streams.push((*kind, pid([*high, *low]), tags));
        }
        Some(Self { streams })
    }

    /// The first stream of each medium that can be taken; an error where there are only others.
    pub fn choose(&self) -> Result<(Option<VideoStream>, Option<u16>), DemuxError> {
        let video = self.streams.iter().find_map(|(kind, pid, _)| {
            let codec = match kind {
                0x1B => VideoCodec::H264,
                0x24 => VideoCodec::H265,
                _ => return None,
            };
            Some(VideoStream {
                pid: *pid,
                kind: *kind,
                codec,
            })
        });
        let audio = self.streams.iter().find(|stream| stream.0 == 0x0F);
        let audio = audio.map(|stream| stream.1);
        for (kind, _, tags) in &self.streams {
            match refused(*kind, tags) {
                Some(error @ DemuxError::Video(_)) if video.is_none() => return Err(error),
                Some(error @ DemuxError::Audio(_)) if audio.is_none() => return Err(error),
                _ => {}
            }
        }
        Ok((video, audio))
    }
}

/// What a stream is that is not taken; none for data and what nobody knows.
fn refused(kind: u8, tags: &[u8]) -> Option<DemuxError> {
    let tagged = |tag: u8| tags.contains(&tag);
    Some(match kind {
        0x01 | 0x02 => DemuxError::Video("MPEG-1 or MPEG-2"),
        0x10 => DemuxError::Video("MPEG-4 part 2"),
        0x21 => DemuxError::Video("JPEG 2000"),
        0x33 => DemuxError::Video("H.266"),
        0x03 | 0x04 => DemuxError::Audio("MPEG-1 or MPEG-2 audio"),
        0x11 => DemuxError::Audio("AAC in LATM"),
        0x81 | 0x87 => DemuxError::Audio("AC-3"),
        0x06 if tagged(0x6A) || tagged(0x7A) => DemuxError::Audio("AC-3"),
        0x06 if tagged(0x7B) => DemuxError::Audio("DTS"),
        // An extension descriptor, and a registration of "Opus", in practice always together.
        0x06 if tagged(0x7F) && tagged(0x05) => DemuxError::Audio("Opus"),
        _ => return None,
    })
}
