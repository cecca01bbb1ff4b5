//! What booth speaks over WebRTC: Opus, VP8, H.264, and the header extensions it uses.

use booth_proto::worker::Codec;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::shared::error::Result;
use webrtc::peer_connection::Registry;

use super::sdp::AUDIO_LEVEL_URI;
use super::tap::{Seen, Tap};

const ABS_SEND_TIME_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";

/// In-band FEC mends single losses; both directions may be stereo.
pub const OPUS_FMTP: &str = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";
pub const OPUS_PAYLOAD_TYPE: u8 = 111;
pub const VP8_PAYLOAD_TYPE: u8 = 96;
pub const H264_PAYLOAD_TYPE: u8 = 102;

/// Profiles of H.264 with packetization mode 1: constrained baseline, baseline, main, high, constrained high.
const H264_PROFILES: [&str; 5] = ["42e01f", "42001f", "4d001f", "64001f", "640c1f"];

/// Which codecs to negotiate for video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Video {
    /// The other side chooses.
    Any,
    /// Every profile of H.264.
    H264,
    Only(Codec),
}

pub fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: OPUS_FMTP.to_owned(),
        rtcp_feedback: vec![],
    }
}

pub fn vp8() -> RTCRtpCodec {
    video(MIME_TYPE_VP8, String::new())
}

pub fn h264(profile: &str) -> RTCRtpCodec {
    let fmtp = format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
    video(MIME_TYPE_H264, fmtp)
}

fn video(mime: &str, fmtp: String) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: fmtp,
        rtcp_feedback: vec![
            feedback("goog-remb", ""),
            feedback("ccm", "fir"),
            feedback("nack", ""),
            feedback("nack", "pli"),
        ],
    }
}

/// Codecs, extensions and interceptors of one connection.
pub fn engine(choice: Video, seen: Seen) -> Result<(MediaEngine, Registry)> {
    let mut media = MediaEngine::default();
    let parameters = |rtp_codec, payload_type| RTCRtpCodecParameters {
        rtp_codec,
        payload_type,
    };
    media.register_codec(parameters(opus(), OPUS_PAYLOAD_TYPE), RtpCodecKind::Audio)?;
    let mut payload_type = VP8_PAYLOAD_TYPE;
    let mut add = |codec: RTCRtpCodec| -> Result<()> {
        let rtx = RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={payload_type}"),
            rtcp_feedback: vec![],
        };
        media.register_codec(parameters(codec, payload_type), RtpCodecKind::Video)?;
        media.register_codec(parameters(rtx, payload_type + 1), RtpCodecKind::Video)?;
        payload_type += 2;
        Ok(())
    };
    if matches!(choice, Video::Any | Video::Only(Codec::Vp8)) {
        add(vp8())?;
    }
    match choice {
        Video::Any | Video::H264 => H264_PROFILES
            .into_iter()
            .try_for_each(|profile| add(h264(profile)))?,
        Video::Only(Codec::H264) => add(h264(H264_PROFILES[0]))?,
        Video::Only(_) => {}
    }
    let extension = |uri: &str| RTCRtpHeaderExtensionCapability {
        uri: uri.to_owned(),
    };
    media.register_header_extension(extension(AUDIO_LEVEL_URI), RtpCodecKind::Audio, None)?;
    media.register_header_extension(extension(ABS_SEND_TIME_URI), RtpCodecKind::Video, None)?;
    // NACK, reports, transport-wide congestion control, and the mid and rid extensions.
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    Ok((
        media,
        registry.with(rtc::interceptor::Slot::from(14_000), Tap::new(seen)),
    ))
}

/// The codec of a MIME type, if it is one of ours.
pub fn of_mime(mime: &str) -> Option<Codec> {
    let is = |known: &str| mime.eq_ignore_ascii_case(known);
    if is(MIME_TYPE_OPUS) {
        Some(Codec::Opus)
    } else if is(MIME_TYPE_VP8) {
        Some(Codec::Vp8)
    } else if is(MIME_TYPE_H264) {
        Some(Codec::H264)
    } else {
        None
    }
}
