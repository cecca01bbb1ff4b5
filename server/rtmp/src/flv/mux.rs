//! Units to messages.

use std::sync::Arc;

use booth_stream::{
    AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, Track, VideoCodec, VideoConfig,
};

use super::{
    AAC_HEADER, AVC, CODED, CODED_WITHOUT_OFFSET, ENHANCED, HVC1, INTER_FRAME, KEY_FRAME,
    SEQUENCE_HEADER,
};
use crate::amf::{Value, Writer};
use crate::chunk::{AUDIO, DATA_AMF0, VIDEO};

/// Names what sends, in the stream's metadata.
const ENCODER: &str = concat!("booth ", env!("CARGO_PKG_VERSION"));
/// FLV has 24 bits with sign for it.
const OFFSET_MAX: Nanos = 0x7F_FFFF;

/// What was last sent on one track.
#[derive(Debug)]
struct Sent<C> {
    config: Option<Arc<C>>,
    /// Its config is still to be sent.
    announce: bool,
    /// In milliseconds; later ones are not smaller.
    last: Nanos,
}

impl<C> Default for Sent<C> {
    fn default() -> Self {
        Self {
            config: None,
            announce: false,
            last: 0,
        }
    }
}

impl<C: PartialEq> Sent<C> {
    fn configure(&mut self, config: &Arc<C>) -> bool {
        if self.config.as_ref() == Some(config) {
            return false;
        }
        self.config = Some(config.clone());
        self.announce = true;
        true
    }
}

/// Turns one session's events into messages whose time begins at 0 and never falls within a track.
#[derive(Debug, Default)]
pub(crate) struct Muxer {
    begin: Option<Nanos>,
    video: Sent<VideoConfig>,
    audio: Sent<AudioConfig>,
    /// Metadata is to be sent before the next unit.
    describe: bool,
    /// A key frame was sent.
    shown: bool,
}

impl Muxer {
    /// Gives `message` what is to be sent: kind, timestamp, and the body in parts.
    pub(crate) fn mux(&mut self, event: &MediaEvent, mut message: impl FnMut(u8, u32, &[&[u8]])) {
        match event {
            MediaEvent::Video(config) => self.describe |= self.video.configure(config),
            MediaEvent::Audio(config) => self.describe |= self.audio.configure(config),
            MediaEvent::Unit(unit) => self.unit(unit, &mut message),
        }
    }

    fn unit(&mut self, unit: &AccessUnit, message: &mut impl FnMut(u8, u32, &[&[u8]])) {
        let configured = match unit.track {
            // A decoder that joins can do nothing with what comes before a key frame.
            Track::Video => self.video.config.is_some() && (self.shown || unit.key),
            Track::Audio => self.audio.config.is_some(),
        };
        let begin = *self.begin.get_or_insert(unit.dts);
        if !configured || (unit.track == Track::Audio && unit.dts < begin) {
            if !self.shown && !self.audio_began() {
                self.begin = None;
            }
            return;
        }
        let time = milliseconds(unit.dts - begin);
        let last = match unit.track {
            Track::Video => &mut self.video.last,
            Track::Audio => &mut self.audio.last,
        };
        *last = time.max(*last);
        let time = *last;
        let stamp = wrapped(time);
        if std::mem::take(&mut self.describe) {
            let metadata = self.metadata();
            message(DATA_AMF0, stamp, &[&metadata]);
        }
        match unit.track {
            Track::Video => {
                let Some(config) = &self.video.config else {
                    return;
                };
                if std::mem::take(&mut self.video.announce) {
                    let (header, length) = video_header(config.codec, true, SEQUENCE_HEADER, 0);
                    message(VIDEO, stamp, &[&header[..length], &config.record]);
                }
                self.shown = true;
                let offset = (milliseconds(unit.pts - begin) - time).clamp(0, OFFSET_MAX);
                let (header, length) = video_header(config.codec, unit.key, CODED, offset);
                message(VIDEO, stamp, &[&header[..length], &unit.data]);
            }
            Track::Audio => {
                let Some(config) = &self.audio.config else {
                    return;
                };
                if std::mem::take(&mut self.audio.announce) {
                    message(AUDIO, stamp, &[&[AAC_HEADER, SEQUENCE_HEADER], &config.asc]);
                }
                message(AUDIO, stamp, &[&[AAC_HEADER, CODED], &unit.data]);
            }
        }
    }

    fn audio_began(&self) -> bool {
        self.audio.config.is_some() && !self.audio.announce
    }

    fn metadata(&self) -> bytes::BytesMut {
        let mut members = vec![("duration", Value::Number(0.0))];
        if let Some(video) = &self.video.config {
            let codec = match video.codec {
                VideoCodec::H264 => f64::from(AVC),
                // E-RTMP v1: the four characters as a number.
                VideoCodec::H265 => f64::from(u32::from_be_bytes(*HVC1)),
            };
            members.push(("width", Value::Number(f64::from(video.width))));
            members.push(("height", Value::Number(f64::from(video.height))));
            members.push(("videocodecid", Value::Number(codec)));
            if video.fps_milli > 0 {
                let fps = f64::from(video.fps_milli) / 1000.0;
                members.push(("framerate", Value::Number(fps)));
            }
        }
        if let Some(audio) = &self.audio.config {
            let rate = f64::from(audio.sample_rate);
            members.push(("audiocodecid", Value::Number(10.0)));
            members.push(("audiosamplerate", Value::Number(rate)));
            members.push(("audiosamplesize", Value::Number(16.0)));
            members.push(("audiochannels", Value::Number(f64::from(audio.channels))));
            members.push(("stereo", Value::Bool(audio.channels == 2)));
        }
        members.push(("encoder", Value::String(ENCODER.to_owned())));
        Writer::default()
            .string("@setDataFrame")
            .string("onMetaData")
            .ecma_array(&members)
            .done()
    }
}

/// Rounded, so that pictures of 30 fps are 33 or 34 ms apart.
fn milliseconds(time: Nanos) -> Nanos {
    (time + MILLISECOND / 2).div_euclid(MILLISECOND)
}

/// The low 32 bits, as RTMP counts.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn wrapped(time: Nanos) -> u32 {
    time as u32
}

/// Header of a video tag, and how much of it is used.
fn video_header(codec: VideoCodec, key: bool, packet: u8, offset: Nanos) -> ([u8; 8], usize) {
    let frame = if key { KEY_FRAME } else { INTER_FRAME } << 4;
    let [.., a, b, c] = offset.to_be_bytes();
    match codec {
        VideoCodec::H264 => ([frame | AVC, packet, a, b, c, 0, 0, 0], 5),
        VideoCodec::H265 => {
            let [h0, h1, h2, h3] = *HVC1;
            // Only coded frames with an offset say it.
            let (packet, length) = match (packet, offset) {
                (CODED, 0) => (CODED_WITHOUT_OFFSET, 5),
                (CODED, _) => (CODED, 8),
                (packet, _) => (packet, 5),
            };
            ([ENHANCED | frame | packet, h0, h1, h2, h3, a, b, c], length)
        }
    }
}
