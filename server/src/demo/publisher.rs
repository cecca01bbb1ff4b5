//! A WebRTC publisher: what a browser is to booth, in a few lines.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use booth_proto::worker::{Codec, Medium};
use bytes::Bytes;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};

use crate::rtc::engine::EngineError;
use crate::rtc::{codecs, sdp, stack};

const GATHER: Duration = Duration::from_secs(3);

/// What the stack says of a publisher.
#[derive(Debug)]
struct Seen {
    gathering: watch::Sender<RTCIceGatheringState>,
    state: watch::Sender<RTCPeerConnectionState>,
    keyframe: AtomicBool,
    /// Packets of the return track.
    heard: watch::Sender<u64>,
}

struct Handler(Arc<Seen>);

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.0.gathering.send_replace(state);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = Arc::clone(&self.0);
        // Read, so that nothing piles up.
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(_) = event {
                    seen.heard.send_modify(|count| *count += 1);
                }
            }
        });
    }
}

struct Local {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
}

pub struct Publisher {
    connection: Arc<dyn PeerConnection>,
    audio: Option<Local>,
    video: Option<Local>,
    level_id: Option<u8>,
    seen: Arc<Seen>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publisher")
    }
}

/// One RTP packet to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub medium: Medium,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
    /// RFC 6464, for audio.
    pub level: Option<u8>,
}

fn failed(e: impl std::fmt::Display) -> EngineError {
    EngineError::Failed(e.to_string())
}

impl Publisher {
    /// A publisher and its offer with all candidates. `video` is absent for who has no camera.
    pub async fn offer(
        bind: &[IpAddr],
        audio: bool,
        video: Option<Codec>,
    ) -> Result<(Self, String), EngineError> {
        let seen = Arc::new(Seen {
            gathering: watch::Sender::new(RTCIceGatheringState::New),
            state: watch::Sender::new(RTCPeerConnectionState::New),
            keyframe: AtomicBool::new(false),
            heard: watch::Sender::new(0),
        });
        let wanted = Arc::clone(&seen);
        let tap = Arc::new(move |packet: &dyn rtc::rtcp::Packet| {
            let any = packet.as_any();
            if any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>() {
                wanted.keyframe.store(true, Ordering::Release);
            }
        });
        let choice = codecs::Video::Only(video.unwrap_or(Codec::Vp8));
        let (media, registry) = codecs::engine(choice, tap).map_err(failed)?;
        let connection = PeerConnectionBuilder::<SocketAddr>::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_setting_engine(stack::settings().build())
            .with_handler(Arc::new(Handler(Arc::clone(&seen))))
            .with_udp_addrs(bind.iter().map(|ip| SocketAddr::new(*ip, 0)).collect())
            .build()
            .await
            .map_err(|e| EngineError::Bind(e.to_string()))?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let mut publisher = Self {
            connection,
            audio: None,
            video: None,
            level_id: None,
            seen,
        };
        match publisher.describe(audio, video).await {
            Ok(offer) => Ok((publisher, offer)),
            Err(e) => {
                publisher.close().await;
                Err(e)
            }
        }
    }

    async fn describe(&mut self, audio: bool, video: Option<Codec>) -> Result<String, EngineError> {
        if audio {
            self.audio = Some(
                self.add(
                    RtpCodecKind::Audio,
                    codecs::opus(),
                    codecs::OPUS_PAYLOAD_TYPE,
                )
                .await?,
            );
        }
        if let Some(codec) = video {
            let parameters = match codec {
                Codec::H264 => codecs::h264("42e01f"),
                _ => codecs::vp8(),
            };
            self.video = Some(
                self.add(RtpCodecKind::Video, parameters, codecs::VP8_PAYLOAD_TYPE)
                    .await?,
            );
        }
        let offer = self.connection.create_offer(None).await.map_err(failed)?;
        self.connection
            .set_local_description(offer)
            .await
            .map_err(failed)?;
        let mut gathering = self.seen.gathering.subscribe();
        let complete = gathering.wait_for(|state| *state == RTCIceGatheringState::Complete);
        let _ = tokio::time::timeout(GATHER, complete).await;
        let offer = self
            .connection
            .local_description()
            .await
            .ok_or_else(|| failed("no offer was made"))?;
        self.level_id = sdp::extension_id(&offer.sdp, "audio", sdp::AUDIO_LEVEL_URI);
        Ok(offer.sdp)
    }

    async fn add(
        &self,
        kind: RtpCodecKind,
        codec: rtc::rtp_transceiver::rtp_sender::RTCRtpCodec,
        payload_type: u8,
    ) -> Result<Local, EngineError> {
        let (track, ssrc) = stack::local_track(kind, codec, &kind.to_string())?;
        self.connection
            .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
            .await
            .map_err(failed)?;
        Ok(Local {
            track,
            ssrc,
            payload_type,
        })
    }

    pub async fn accept(&self, answer: String) -> Result<(), EngineError> {
        let answer = RTCSessionDescription::answer(answer).map_err(failed)?;
        self.connection
            .set_remote_description(answer)
            .await
            .map_err(failed)
    }

    pub fn state(&self) -> watch::Receiver<RTCPeerConnectionState> {
        self.seen.state.subscribe()
    }

    /// Counts packets of the return track.
    pub fn heard(&self) -> watch::Receiver<u64> {
        self.seen.heard.subscribe()
    }

    /// Whether a key frame was asked for since the last look.
    pub fn take_keyframe_wanted(&self) -> bool {
        self.seen.keyframe.swap(false, Ordering::AcqRel)
    }

    /// `false` when there is no such track any more.
    pub async fn send(&self, out: Outgoing) -> bool {
        let local = if out.medium == Medium::Video {
            &self.video
        } else {
            &self.audio
        };
        let Some(local) = local else { return false };
        let mut header = rtp::Header {
            version: 2,
            marker: out.marker,
            payload_type: local.payload_type,
            sequence_number: out.sequence,
            timestamp: out.timestamp,
            ssrc: local.ssrc,
            ..Default::default()
        };
        if let (Some(id), Some(level)) = (self.level_id, out.level) {
            // The upper bit says "voice".
            let _ = header.set_extension(id, Bytes::copy_from_slice(&[0x80 | (level & 0x7f)]));
        }
        local
            .track
            .write_rtp(rtp::Packet {
                header,
                payload: out.payload,
            })
            .await
            .is_ok()
    }

    /// Sends RTCP bytes as they are, well-formed or not, protected like any other.
    #[cfg(test)]
    pub async fn send_raw_rtcp(&self, bytes: Bytes) {
        let Some(local) = &self.audio else { return };
        let raw = rtc::rtcp::raw_packet::RawPacket(bytes);
        let _ = local.track.write_rtcp(vec![Box::new(raw)]).await;
    }

    pub async fn close(&self) {
        stack::close(&self.connection).await;
    }
}
