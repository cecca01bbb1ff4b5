//! The RTMP server that encoders publish to. It plays nothing.
//!
//! ```text
//!  accept ─▶ (TLS) ─▶ handshake ─▶ connect ─▶ createStream ─▶ publish ─▶ Authority ─▶ Publish.Start ─▶ media … ─▶ Ended
//!  └──────────── 16 KiB and 10 s, whatever comes ───────────────────────────────┘
//! ```
//!
//! Called by the ingest worker, on a runtime of its own.

mod commands;
mod connection;
mod listener;
mod session;
mod tls;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use booth_stream::MediaEvent;

pub use listener::{Listener, ListenerLimits};
pub use session::serve;
pub use tls::{ServerTls, ServerTlsError};

/// The application that encoders must name.
pub const APP: &str = "live";

/// What one session may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes and time until the publish is authorised. A command nested deep or a handshake byte by byte ends here.
    pub stranger_bytes: usize,
    pub stranger_time: Duration,
    /// Without a byte.
    pub idle: Duration,
    /// For one answer to the encoder.
    pub write: Duration,
    /// Largest message: a key frame at 100 Mb/s and more.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stranger_bytes: 16 << 10,
            stranger_time: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(5),
            message_bytes: 8 << 20,
        }
    }
}

/// What somebody who wants to publish says of himself. Nothing of it is checked.
pub struct PublishRequest {
    /// Empty when the stream's name is the key.
    pub channel: String,
    /// Secret.
    pub key: String,
    pub peer: SocketAddr,
    pub tls: bool,
    /// `flashVer` of the encoder.
    pub agent: String,
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest")
            .field("channel", &self.channel)
            .field("peer", &self.peer)
            .field("tls", &self.tls)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// Decides who may publish.
pub trait Authority: Send + Sync {
    type Publication: Publication;

    /// Waited for until the stranger's time is up. The text of a refusal is told to the encoder.
    fn authorise(
        &self,
        request: PublishRequest,
    ) -> impl Future<Output = Result<Self::Publication, String>> + Send;
}

/// Where a publisher's media goes. Dropped without [`Publication::ended`] only if its session panicked.
pub trait Publication: Send + 'static {
    /// Must not block.
    fn media(&mut self, event: MediaEvent);

    /// The encoder's name for itself, from its metadata.
    fn encoder(&mut self, _name: &str) {}

    /// Resolves, with the reason, when the publisher is to be hung up on. May be given up and asked again.
    fn dismissed(&mut self) -> impl Future<Output = String> + Send;

    fn ended(self, why: &Ended);
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the encoder hung up")]
    Closed,
    #[error("the encoder ended the stream")]
    Unpublished,
    #[error("refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Dismissed(String),
    #[error("{0} is not supported: send H.264 (or HEVC) and AAC")]
    Unusable(String),
    #[error("the application must be {APP}")]
    WrongApp,
    #[error("it wanted to play")]
    Play,
    #[error("nothing was authorised in time")]
    Late,
    #[error("too many bytes before anything was authorised")]
    TooMuch,
    #[error("no bytes came for too long")]
    Idle,
    #[error("the encoder does not read")]
    Unread,
    #[error("it does not speak RTMP: {0}")]
    Damaged(String),
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
}
