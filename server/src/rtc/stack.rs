//! The engine: `webrtc` behind [`Engine`]. Its callbacks are awaited by its driver, so they only spawn and return.
//!
//! Each connection has its own tasks: a panic in the stack (they have been seen with malformed input) ends that task,
//! its packets stop, and the session's own watch ends the session. Nobody else notices.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use booth_proto::worker::{Codec, Medium, Track};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::shared::marshal::Marshal;
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
    StatsSelector,
};

use super::codecs;
use super::engine::{Answer, AudioPacket, Engine, EngineError, Offer, Peer, Rtp, Sink};
use super::sdp;

/// Host candidates are there at once; this is for a machine that stalls.
const GATHER: Duration = Duration::from_secs(3);
/// Longer than the stack's own 100 ms for its driver.
const CLOSE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct Stack;

#[async_trait]
impl Engine for Stack {
    async fn answer(&self, offer: Offer, sink: Arc<dyn Sink>) -> Result<Answer, EngineError> {
        // On a task of its own, so that a panic of the parser stays there.
        match tokio::spawn(answer(offer, sink)).await {
            Ok(result) => result,
            Err(_) => Err(EngineError::Rejected(
                "the offer cannot be understood".into(),
            )),
        }
    }
}

async fn answer(offer: Offer, sink: Arc<dyn Sink>) -> Result<Answer, EngineError> {
    let reports = Arc::clone(&sink);
    let seen = Arc::new(move |packet: &dyn rtcp::Packet| {
        if let Some(report) = packet.as_any().downcast_ref::<SenderReport>()
            && let Ok(bytes) = report.marshal()
        {
            reports.sender_report(report.ssrc, bytes.freeze());
        }
    });
    let wanted = if offer.publisher {
        codecs::Video::H264
    } else {
        codecs::Video::Any
    };
    let (media, registry) = codecs::engine(wanted, seen).map_err(failed)?;
    let handler = Arc::new(Handler {
        sink,
        gathering: watch::Sender::new(RTCIceGatheringState::New),
        level_id: OnceLock::new(),
        video: Arc::default(),
    });
    let settings = settings().build();
    let connection = PeerConnectionBuilder::<SocketAddr>::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings)
        .with_handler(Arc::clone(&handler) as Arc<dyn PeerConnectionEventHandler>)
        .with_udp_addrs(offer.bind.clone())
        .build()
        .await
        .map_err(|e| EngineError::Bind(e.to_string()))?;
    let connection: Arc<dyn PeerConnection> = Arc::new(connection);
    match negotiate(&connection, &handler, &offer).await {
        Ok((sdp, track)) => {
            let video = Arc::clone(&handler.video);
            let peer = StackPeer {
                connection,
                handler,
                track,
                video,
                public_ip: offer.public_ip,
            };
            Ok(Answer {
                sdp,
                peer: Arc::new(peer),
            })
        }
        Err(e) => {
            // A connection dropped without this leaves its driver running.
            close(&connection).await;
            Err(e)
        }
    }
}

/// Settings that both ends of booth use: no multicast names (they park a resolver per session).
pub fn settings() -> SettingEngineBuilder {
    SettingEngineBuilder::new().with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
}

type ReturnTrack = Option<(Arc<TrackLocalStaticRTP>, u32)>;

async fn negotiate(
    connection: &Arc<dyn PeerConnection>,
    handler: &Arc<Handler>,
    offer: &Offer,
) -> Result<(String, ReturnTrack), EngineError> {
    let mut track = None;
    let receive = || RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Recvonly,
        ..Default::default()
    };
    if offer.audio && offer.publisher {
        connection
            .add_transceiver_from_kind(RtpCodecKind::Audio, Some(receive()))
            .await
            .map_err(failed)?;
    } else if offer.audio {
        let (local, ssrc) = local_track(RtpCodecKind::Audio, codecs::opus(), "return")?;
        connection
            .add_track(Arc::clone(&local) as Arc<dyn TrackLocal>)
            .await
            .map_err(failed)?;
        track = Some((local, ssrc));
    }
    if offer.video {
        connection
            .add_transceiver_from_kind(RtpCodecKind::Video, Some(receive()))
            .await
            .map_err(failed)?;
    }
    let sdp = apply(connection, handler, &offer.sdp).await?;
    if let Some(id) = sdp::extension_id(&sdp, "audio", sdp::AUDIO_LEVEL_URI) {
        let _ = handler.level_id.set(id);
    }
    Ok((sdp::with_public_address(&sdp, offer.public_ip), track))
}

/// Offer in, complete answer out.
async fn apply(
    connection: &Arc<dyn PeerConnection>,
    handler: &Arc<Handler>,
    offer: &str,
) -> Result<String, EngineError> {
    let rejected =
        |e: webrtc::error::Error| EngineError::Rejected(format!("the offer is not usable: {e}"));
    let offer = RTCSessionDescription::offer(offer.to_owned()).map_err(rejected)?;
    handler.gathering.send_replace(RTCIceGatheringState::New);
    connection
        .set_remote_description(offer)
        .await
        .map_err(rejected)?;
    let answer = connection.create_answer(None).await.map_err(rejected)?;
    connection
        .set_local_description(answer)
        .await
        .map_err(rejected)?;
    let mut gathering = handler.gathering.subscribe();
    let complete = gathering.wait_for(|state| *state == RTCIceGatheringState::Complete);
    // What has been gathered until then is better than nothing.
    let _ = tokio::time::timeout(GATHER, complete).await;
    connection
        .local_description()
        .await
        .map(|description| description.sdp)
        .ok_or_else(|| EngineError::Failed("no answer was made".into()))
}

/// A track to send packets on, and its SSRC.
pub fn local_track(
    kind: RtpCodecKind,
    codec: rtc::rtp_transceiver::rtp_sender::RTCRtpCodec,
    name: &str,
) -> Result<(Arc<TrackLocalStaticRTP>, u32), EngineError> {
    let random = crate::secrets::random::<4>().map_err(|e| EngineError::Failed(e.to_string()))?;
    let ssrc = u32::from_be_bytes(random).max(1);
    let coding = RTCRtpCodingParameters {
        ssrc: Some(ssrc),
        ..Default::default()
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        active: true,
        codec,
        ..Default::default()
    };
    let track = MediaStreamTrack::new(
        "booth".to_owned(),
        name.to_owned(),
        name.to_owned(),
        kind,
        vec![encoding],
    );
    Ok((Arc::new(TrackLocalStaticRTP::new(track)), ssrc))
}

pub async fn close(connection: &Arc<dyn PeerConnection>) {
    if tokio::time::timeout(CLOSE, connection.close())
        .await
        .is_err()
    {
        tracing::warn!("a WebRTC connection did not close in time");
    }
}

fn failed(e: impl std::fmt::Display) -> EngineError {
    EngineError::Failed(e.to_string())
}

struct Handler {
    sink: Arc<dyn Sink>,
    gathering: watch::Sender<RTCIceGatheringState>,
    /// Id of the audio-level extension, known with the answer.
    level_id: OnceLock<u8>,
    video: Arc<OnceLock<(Arc<dyn TrackRemote>, u32)>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathering.send_replace(state);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Failed {
            self.sink.failed();
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let level_id = self.level_id.get().copied();
        tokio::spawn(read(
            track,
            level_id,
            Arc::clone(&self.sink),
            Arc::clone(&self.video),
        ));
    }
}

/// Reads one remote track until it ends.
async fn read(
    track: Arc<dyn TrackRemote>,
    level_id: Option<u8>,
    sink: Arc<dyn Sink>,
    video: Arc<OnceLock<(Arc<dyn TrackRemote>, u32)>>,
) {
    let medium = match track.kind().await {
        RtpCodecKind::Audio => Medium::Audio,
        RtpCodecKind::Video => Medium::Video,
        _ => return,
    };
    // The first packet's stream is the track; a second one (simulcast was not negotiated) is nobody's.
    let mut known: Option<(u32, u8)> = None;
    while let Some(event) = track.poll().await {
        let packet = match event {
            TrackRemoteEvent::OnRtpPacket(packet) => packet,
            TrackRemoteEvent::OnEnded | TrackRemoteEvent::OnError => return,
            _ => continue,
        };
        let header = &packet.header;
        if known.is_none()
            || known.is_some_and(|(ssrc, pt)| ssrc == header.ssrc && pt != header.payload_type)
        {
            let Some(described) = describe(&track, header).await else {
                continue;
            };
            known = Some((header.ssrc, header.payload_type));
            if medium == Medium::Video {
                let _ = video.set((Arc::clone(&track), header.ssrc));
            }
            sink.track(medium, described);
        }
        if known.is_none_or(|(ssrc, _)| ssrc != header.ssrc) || packet.payload.is_empty() {
            continue;
        }
        forward(&packet, medium, level_id, sink.as_ref());
    }
}

fn forward(packet: &rtp::Packet, medium: Medium, level_id: Option<u8>, sink: &dyn Sink) {
    let header = &packet.header;
    let level = level_id
        .filter(|_| medium == Medium::Audio)
        .and_then(|id| header.get_extension(id))
        .and_then(|data| data.first().map(|byte| byte & 0x7f));
    let bytes = || packet.marshal().ok().map(bytes::BytesMut::freeze);
    sink.rtp(&Rtp {
        medium,
        sequence: header.sequence_number,
        timestamp: header.timestamp,
        marker: header.marker,
        ssrc: header.ssrc,
        payload_type: header.payload_type,
        size: packet.payload.len() + 12,
        level,
        bytes: &bytes,
    });
}

/// The track as workers know it; `None` for a codec that is not ours.
async fn describe(track: &Arc<dyn TrackRemote>, header: &rtp::Header) -> Option<Track> {
    let codec = track.codec(header.ssrc).await?;
    let known: Codec = codecs::of_mime(&codec.mime_type)?;
    Some(Track {
        codec: known.into(),
        clock_rate: codec.clock_rate,
        payload_type: header.payload_type.into(),
        ssrc: header.ssrc,
        fmtp: codec.sdp_fmtp_line,
    })
}

struct StackPeer {
    connection: Arc<dyn PeerConnection>,
    handler: Arc<Handler>,
    track: ReturnTrack,
    video: Arc<OnceLock<(Arc<dyn TrackRemote>, u32)>>,
    public_ip: Option<std::net::IpAddr>,
}

impl StackPeer {
    async fn feedback(&self, make: impl FnOnce(u32) -> Box<dyn rtcp::Packet>) {
        if let Some((track, ssrc)) = self.video.get() {
            let _ = track.write_rtcp(vec![make(*ssrc)]).await;
        }
    }
}

#[async_trait]
impl Peer for StackPeer {
    async fn add_candidate(&self, mid: &str, candidate: &str) -> Result<(), EngineError> {
        let init = RTCIceCandidateInit {
            candidate: candidate.to_owned(),
            sdp_mid: Some(mid.to_owned()),
            ..Default::default()
        };
        let rejected = |e: webrtc::error::Error| {
            EngineError::Rejected(format!("the candidate is not usable: {e}"))
        };
        self.connection
            .add_ice_candidate(init)
            .await
            .map_err(rejected)
    }

    async fn restart(&self, offer: String) -> Result<String, EngineError> {
        let (connection, handler) = (Arc::clone(&self.connection), Arc::clone(&self.handler));
        let restarted = tokio::spawn(async move { apply(&connection, &handler, &offer).await });
        match restarted.await {
            Ok(answer) => answer.map(|sdp| sdp::with_public_address(&sdp, self.public_ip)),
            Err(_) => Err(EngineError::Rejected(
                "the fragment cannot be understood".into(),
            )),
        }
    }

    async fn request_keyframe(&self) {
        self.feedback(|media_ssrc| {
            Box::new(PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc,
            })
        })
        .await;
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "REMB carries 18 bits of mantissa"
    )]
    async fn limit_bitrate(&self, bits_per_s: u64) {
        let bitrate = bits_per_s as f32;
        self.feedback(|ssrc| {
            Box::new(ReceiverEstimatedMaximumBitrate {
                sender_ssrc: 0,
                bitrate,
                ssrcs: vec![ssrc],
            })
        })
        .await;
    }

    async fn send_audio(&self, packet: AudioPacket) -> bool {
        let Some((track, ssrc)) = &self.track else {
            return false;
        };
        let header = rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type: codecs::OPUS_PAYLOAD_TYPE,
            sequence_number: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: *ssrc,
            ..Default::default()
        };
        track
            .write_rtp(rtp::Packet {
                header,
                payload: packet.data,
            })
            .await
            .is_ok()
    }

    async fn rtt(&self) -> Option<Duration> {
        let report = self
            .connection
            .get_stats(Instant::now(), StatsSelector::None)
            .await;
        report
            .candidate_pairs()
            .filter(|pair| pair.nominated && pair.current_round_trip_time > 0.0)
            .map(|pair| pair.current_round_trip_time)
            .reduce(f64::min)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    async fn close(&self) {
        close(&self.connection).await;
    }
}
