//! One caller's loop, cut into RTP payloads once.

use std::time::Duration;

use booth_media::demo::{DemoCodec, DemoProfile, EncodedLoop, encode_loop};
use booth_proto::worker::Codec;
use bytes::Bytes;
use rtc::rtp::codec::{h264::H264Payloader, vp8::Vp8Payloader};
use rtc::rtp::packetizer::Payloader;

use super::{Args, DemoError, VideoCodec};

/// With headers, extensions and SRTP's tag still below 1,280 bytes of IPv6.
const PAYLOAD: usize = 1_120;
pub(super) const AUDIO_PACKET: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Media {
    /// As people know the caller; the id in the picture is its last six bits.
    pub number: u32,
    pub id: u8,
    pub codec: Option<Codec>,
    pub video: Vec<Picture>,
    pub audio: Vec<Bytes>,
    pub length: Duration,
}

#[derive(Debug)]
pub(super) struct Picture {
    pub at: Duration,
    pub key: bool,
    pub payloads: Vec<Bytes>,
}

impl Media {
    pub fn encode(number: u32, id: u8, args: &Args) -> Result<Self, DemoError> {
        let (demo, codec) = match args.codec {
            VideoCodec::Vp8 => (DemoCodec::Vp8, Codec::Vp8),
            VideoCodec::H264 => (DemoCodec::H264, Codec::H264),
        };
        let profile = DemoProfile {
            width: args.width,
            height: args.height,
            fps: args.fps,
            video_kbps: args.video_kbps,
            codec: demo,
            seconds: args.loop_seconds,
        };
        let encoded = encode_loop(id, profile).map_err(|e| DemoError::Media(e.to_string()))?;
        Self::cut(number, id, codec, args.audio_only, encoded)
    }

    fn cut(
        number: u32,
        id: u8,
        codec: Codec,
        audio_only: bool,
        encoded: EncodedLoop,
    ) -> Result<Self, DemoError> {
        let mut payloader: Box<dyn Payloader> = match codec {
            Codec::H264 => Box::<H264Payloader>::default(),
            _ => Box::<Vp8Payloader>::default(),
        };
        let mut video = Vec::new();
        for frame in encoded.video.iter().filter(|_| !audio_only) {
            let payloads = payloader
                .payload(PAYLOAD, &frame.data)
                .map_err(|e| DemoError::Media(e.to_string()))?;
            video.push(Picture {
                at: of_90k(frame.at_90k),
                key: frame.key,
                payloads,
            });
        }
        let codec = (!video.is_empty()).then_some(codec);
        Ok(Self {
            number,
            id,
            codec,
            video,
            audio: encoded.audio,
            length: of_90k(encoded.length_90k),
        })
    }

    /// RFC 6464 level of the sound at this place of the loop: a sine's RMS is 3 dB under its peak.
    pub fn level(at: Duration) -> u8 {
        if at.as_millis() % 2_000 < 100 { 9 } else { 23 }
    }
}

pub(super) fn of_90k(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 100_000 / 9)
}
