//! Messages to units: what an encoder sends is checked, and brought to the one form that the rest of booth knows.

use std::sync::Arc;

use booth_stream::video::Pictures;
use booth_stream::{AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Track, VideoCodec};
use bytes::{Buf, Bytes};

use super::time::Times;
use super::{AVC, CODED, CODED_WITHOUT_OFFSET, ENHANCED, HVC1, SEQUENCE_HEADER};

/// Codec number that some encoders use for HEVC outside the standard, laid out as AVC is.
const HEVC_UNOFFICIAL: u8 = 12;
/// Frame type of a command to the player.
const COMMAND_FRAME: u8 = 5;
const AAC: u8 = 10;
/// Sound format of an enhanced audio tag.
const ENHANCED_AUDIO: u8 = 9;
const MP4A: &[u8; 4] = b"mp4a";

/// A codec that booth does not take, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable(pub String);

type Demuxed = Result<Events, Unusable>;

/// A config and the unit it holds from, or either.
pub(crate) type Events = [Option<MediaEvent>; 2];

const NOTHING: Events = [None, None];

/// One publisher's messages, in order.
#[derive(Debug, Default)]
pub(crate) struct Demuxer {
    times: Times,
    /// Made by the first sequence header; another codec makes it anew.
    video: Option<(VideoCodec, Pictures)>,
    audio: Option<Arc<AudioConfig>>,
    skipped: u64,
}

impl Demuxer {
    /// Units that came before their sequence header, or damaged.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The body of a video message.
    pub(crate) fn video(&mut self, timestamp: u32, mut body: Bytes) -> Demuxed {
        let Some(first) = body.first().copied() else {
            return Ok(NOTHING);
        };
        body.advance(1);
        let frame = (first >> 4) & 7;
        if frame == COMMAND_FRAME {
            return Ok(NOTHING);
        }
        let (codec, packet) = if first & ENHANCED == 0 {
            let codec = match first & 0x0F {
                AVC => VideoCodec::H264,
                HEVC_UNOFFICIAL => VideoCodec::H265,
                other => return Err(Unusable(format!("{} video", video_name(other)))),
            };
            let Some(packet) = take(&mut body, 1).map(|b| b[0]) else {
                return Ok(self.skip());
            };
            // The composition time is there in every packet.
            (codec, packet)
        } else {
            let Some(name) = take(&mut body, 4) else {
                return Ok(self.skip());
            };
            if name[..] != HVC1[..] {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(Unusable(format!("{} video", printable(&name))));
            }
            (VideoCodec::H265, first & 0x0F)
        };
        let enhanced = first & ENHANCED != 0;
        let offset = match packet {
            CODED => true,
            CODED_WITHOUT_OFFSET if enhanced => false,
            SEQUENCE_HEADER => !enhanced,
            // End of sequence, metadata, multitrack.
            _ => return Ok(NOTHING),
        };
        let offset = if offset {
            let Some(bytes) = take(&mut body, 3) else {
                return Ok(self.skip());
            };
            i64::from(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8)
        } else {
            0
        };
        if packet == SEQUENCE_HEADER {
            return Ok(self.video_config(codec, &body));
        }
        Ok(self.picture(codec, timestamp, offset, body))
    }

    fn video_config(&mut self, codec: VideoCodec, record: &Bytes) -> Events {
        let mut fresh = None;
        let pictures = match &mut self.video {
            Some((known, pictures)) if *known == codec => pictures,
            _ => &mut fresh.insert((codec, Pictures::new(codec))).1,
        };
        match pictures.record(record) {
            Ok(config) => {
                self.video = fresh.or(self.video.take());
                [config.map(MediaEvent::Video), None]
            }
            Err(error) => {
                // Some encoders send an empty one first.
                tracing::debug!(%error, "a sequence header of video is not taken");
                self.skip()
            }
        }
    }

    fn picture(&mut self, codec: VideoCodec, timestamp: u32, offset: i64, body: Bytes) -> Events {
        // Time goes on with units that are left out.
        let dts = self.times.next(Track::Video, timestamp);
        let Some((_, pictures)) = self.video.as_mut().filter(|(known, _)| *known == codec) else {
            return self.skip();
        };
        let picture = match pictures.unit(body) {
            Ok(Some(picture)) => picture,
            Ok(None) => return NOTHING,
            Err(error) => {
                tracing::debug!(%error, "a picture is left out");
                return self.skip();
            }
        };
        let unit = AccessUnit {
            track: Track::Video,
            dts: dts * MILLISECOND,
            pts: (dts + offset.max(0)) * MILLISECOND,
            key: picture.key,
            data: picture.data,
        };
        [
            picture.config.map(MediaEvent::Video),
            Some(MediaEvent::Unit(unit)),
        ]
    }

    /// The body of an audio message.
    pub(crate) fn audio(&mut self, timestamp: u32, mut body: Bytes) -> Demuxed {
        let Some(first) = take(&mut body, 1).map(|b| b[0]) else {
            return Ok(NOTHING);
        };
        let packet = match first >> 4 {
            AAC => take(&mut body, 1).map(|b| b[0]),
            ENHANCED_AUDIO => match take(&mut body, 4) {
                Some(name) if name[..] == MP4A[..] => Some(first & 0x0F),
                Some(name) => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Err(Unusable(format!("{} audio", printable(&name))));
                }
                None => None,
            },
            other => return Err(Unusable(format!("{} audio", audio_name(other)))),
        };
        match packet {
            Some(SEQUENCE_HEADER) => Ok(self.audio_config(&body)),
            Some(CODED) => Ok(self.sound(timestamp, body)),
            _ => Ok(NOTHING),
        }
    }

    fn audio_config(&mut self, asc: &Bytes) -> Events {
        let config = match AudioConfig::from_asc(asc) {
            Ok(config) => config,
            Err(error) => {
                tracing::debug!(%error, "a sequence header of audio is not taken");
                return self.skip();
            }
        };
        if self.audio.as_deref() == Some(&config) {
            return NOTHING;
        }
        let config = Arc::new(config);
        self.audio = Some(config.clone());
        [Some(MediaEvent::Audio(config)), None]
    }

    fn sound(&mut self, timestamp: u32, data: Bytes) -> Events {
        let dts = self.times.next(Track::Audio, timestamp) * MILLISECOND;
        if self.audio.is_none() || data.is_empty() {
            return self.skip();
        }
        let unit = AccessUnit {
            track: Track::Audio,
            dts,
            pts: dts,
            key: true,
            data,
        };
        [None, Some(MediaEvent::Unit(unit))]
    }

    fn skip(&mut self) -> Events {
        self.skipped += 1;
        NOTHING
    }
}

fn take(body: &mut Bytes, n: usize) -> Option<Bytes> {
    (body.len() >= n).then(|| body.split_to(n))
}

fn video_name(codec: u8) -> String {
    match codec {
        2 => "Sorenson H.263".to_owned(),
        3 | 6 => "Screen".to_owned(),
        4 | 5 => "VP6".to_owned(),
        8 => "H.263".to_owned(),
        9 => "MPEG-4 part 2".to_owned(),
        other => format!("unknown ({other})"),
    }
}

fn audio_name(format: u8) -> String {
    match format {
        0 | 3 => "PCM".to_owned(),
        1 => "ADPCM".to_owned(),
        2 | 14 => "MP3".to_owned(),
        4..=6 => "Nellymoser".to_owned(),
        7 | 8 => "G.711".to_owned(),
        11 => "Speex".to_owned(),
        other => format!("unknown ({other})"),
    }
}

fn printable(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_graphic())
        .collect::<String>()
        .trim()
        .to_owned()
}
