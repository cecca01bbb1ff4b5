//! MPEG-TS out of media events.

use std::sync::Arc;

use super::{Muxer, PACKET, Program};
use crate::aac::{ADTS_HEADER, AacError};
use crate::nal::{self, NalError, put_annex_b};
use crate::{
    AccessUnit, AudioConfig, MediaEvent, Nanos, SECOND, Track, VideoCodec, VideoConfig, h264, h265,
};

/// Seven packets: what SRT and UDP carry in one datagram.
pub const DATAGRAM: usize = 7 * PACKET;
/// The first unit has this time, so that what follows it may be decoded a little earlier.
const START: Nanos = 10 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TsError {
    #[error(transparent)]
    Nal(#[from] NalError),
    #[error(transparent)]
    Aac(#[from] AacError),
    #[error("an access unit before its configuration")]
    NoConfig,
}

/// The packets in pieces for datagrams; the last one may be shorter.
pub fn datagrams(packets: &[u8]) -> impl Iterator<Item = &[u8]> {
    packets.chunks(DATAGRAM)
}

/// Writes one output. The clock (PCR) is the DTS of what is written: events come at their DTS, in its order.
#[derive(Debug)]
pub struct TsWriter {
    muxer: Muxer,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    /// Parameter sets in byte-stream form.
    sets: Vec<u8>,
    sets_due: bool,
    /// Time of the first unit.
    origin: Option<Nanos>,
    unit: Vec<u8>,
}

impl Default for TsWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl TsWriter {
    #[must_use]
    pub fn new() -> Self {
        Self {
            muxer: Muxer::of(Program {
                video: None,
                audio: false,
            }),
            video: None,
            audio: None,
            sets: Vec::new(),
            sets_due: false,
            origin: None,
            unit: Vec::new(),
        }
    }

    /// Appends the event's packets, all of them whole. A unit that cannot be written leaves no packet behind.
    pub fn write(&mut self, event: &MediaEvent, out: &mut Vec<u8>) -> Result<(), TsError> {
        match event {
            MediaEvent::Video(config) => {
                if self.video.as_ref() != Some(config) {
                    self.sets.clear();
                    for set in config.sets() {
                        put_annex_b(&set, &mut self.sets);
                    }
                    self.sets_due = true;
                    self.video = Some(config.clone());
                    self.muxer.change(self.program());
                }
                Ok(())
            }
            MediaEvent::Audio(config) => {
                if self.audio.as_ref() != Some(config) {
                    // What cannot be said in ADTS is refused here and not with each frame.
                    config.adts(0)?;
                    self.audio = Some(config.clone());
                    self.muxer.change(self.program());
                }
                Ok(())
            }
            MediaEvent::Unit(unit) => match unit.track {
                Track::Video => self.picture(unit, out),
                Track::Audio => self.sound(unit, out),
            },
        }
    }

    /// Whether this configuration takes the place of another one.
    #[must_use]
    pub fn changes(&self, event: &MediaEvent) -> bool {
        match event {
            MediaEvent::Video(config) => self.video.as_ref() != Some(config),
            MediaEvent::Audio(config) => self.audio.as_ref() != Some(config),
            MediaEvent::Unit(_) => false,
        }
    }

    /// Has what follows begin with tables and parameter sets, for a receiver that starts there.
    pub fn restart(&mut self) {
        self.muxer.tables_next();
        self.sets_due = true;
    }

    fn program(&self) -> Program {
        Program {
            video: self.video.as_ref().map(|config| config.codec),
            audio: self.audio.is_some(),
        }
    }

    fn picture(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) -> Result<(), TsError> {
        let codec = self.video.as_ref().ok_or(TsError::NoConfig)?.codec;
        self.unit.clear();
        put_annex_b(
            match codec {
                VideoCodec::H264 => &h264::AUD,
                VideoCodec::H265 => &h265::AUD,
            },
            &mut self.unit,
        );
        if unit.key || self.sets_due {
            self.unit.extend(&self.sets);
        }
        for nal in nal::split(&unit.data) {
            put_annex_b(nal?, &mut self.unit);
        }
        self.sets_due = false;
        let (dts, pts) = (self.time(unit.dts), self.time(unit.pts));
        self.muxer.picture(out, dts, pts, unit.key, &self.unit);
        Ok(())
    }

    fn sound(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) -> Result<(), TsError> {
        let config = self.audio.as_ref().ok_or(TsError::NoConfig)?;
        let header: [u8; ADTS_HEADER] = config.adts(unit.data.len())?;
        self.unit.clear();
        self.unit.extend(header);
        self.unit.extend(&unit.data);
        let time = self.time(unit.dts);
        self.muxer.sound(out, time, time, &self.unit);
        Ok(())
    }

    /// In 1/90000 s since [`START`] before the first unit.
    fn time(&mut self, at: Nanos) -> u64 {
        let origin = *self.origin.get_or_insert(at);
        let since = i128::from(at) - i128::from(origin) + i128::from(START);
        // To the nearest: errors do not add up, for every time is its own.
        u64::try_from((since * 9 + 50_000) / 100_000).unwrap_or(0)
    }
}
