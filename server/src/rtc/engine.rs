//! The seam to the WebRTC stack: one trait to answer offers, one for a connected peer, one for what arrives. Tests and
//! other edges (a cloud SFU, a relay) stand in here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use booth_proto::worker::{Medium, Track};
use bytes::Bytes;

#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The peer's fault: the words are for it.
    #[error("{0}")]
    Rejected(String),
    /// None of the local addresses can be bound.
    #[error("no UDP port can be bound: {0}")]
    Bind(String),
    #[error("{0}")]
    Failed(String),
}

/// One offer to answer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Checked by [`super::sdp::check`].
    pub sdp: String,
    pub audio: bool,
    pub video: bool,
    /// It feeds a channel: H.264 and Opus, and nothing is sent back.
    pub publisher: bool,
    /// One socket each.
    pub bind: Vec<SocketAddr>,
    /// Named in the answer's candidates too.
    pub public_ip: Option<IpAddr>,
}

pub struct Answer {
    /// With every candidate: nothing is trickled to the client.
    pub sdp: String,
    pub peer: Arc<dyn Peer>,
}

#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    async fn answer(&self, offer: Offer, sink: Arc<dyn Sink>) -> Result<Answer, EngineError>;
}

#[async_trait]
pub trait Peer: Send + Sync {
    /// `candidate` is the value after `a=`; `None` ends the candidates.
    async fn add_candidate(&self, mid: &str, candidate: &str) -> Result<(), EngineError>;
    /// Applies an offer with new ICE credentials; returns the whole new answer.
    async fn restart(&self, offer: String) -> Result<String, EngineError>;
    /// Asks for a key frame of the video track.
    async fn request_keyframe(&self);
    /// Tells a sender what it may send in all, as far as it listens (REMB).
    async fn limit_bitrate(&self, bits_per_s: u64);
    /// One Opus packet of the return track; `false` when the track is gone.
    async fn send_audio(&self, packet: AudioPacket) -> bool;
    async fn rtt(&self) -> Option<Duration>;
    /// Bounded by a time-out; no socket stays open afterwards.
    async fn close(&self);
}

/// One packet of the return track.
#[derive(Debug, Clone)]
pub struct AudioPacket {
    pub data: Bytes,
    pub sequence: u16,
    pub timestamp: u32,
    /// First after a pause.
    pub marker: bool,
}

/// What the stack reports. Called on its tasks: never blocks.
pub trait Sink: Send + Sync {
    fn track(&self, medium: Medium, track: Track);
    fn rtp(&self, packet: &Rtp<'_>);
    /// A sender report of this track, as RTCP bytes.
    fn sender_report(&self, ssrc: u32, data: Bytes);
    /// ICE or DTLS failed for good; `disconnected` does not come here, it recovers.
    fn failed(&self);
}

/// One packet as it came, retransmissions resolved.
pub struct Rtp<'a> {
    pub medium: Medium,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub ssrc: u32,
    pub payload_type: u8,
    pub size: usize,
    /// RFC 6464: −dBov, 0 to 127.
    pub level: Option<u8>,
    /// The packet as bytes; made only when somebody takes them.
    pub bytes: &'a dyn Fn() -> Option<Bytes>,
}
