//! One session with a destination, over RTMP or SRT.

use std::sync::{Arc, OnceLock};

use booth_proto::worker::DestinationSettings;
use booth_rtmp::publisher::{Deadlines, PublishError, Publisher, Target, tls_config};
use booth_stream::MediaEvent;
use rustls::ClientConfig;

use super::machine::{Failure, FailureKind};
use super::srt::SrtPush;

/// Whom destinations are to be: shared by all of a worker, and read when the first RTMPS session needs it, for the
/// machine's certificates take a megabyte.
#[derive(Debug, Default)]
pub struct Trust {
    authorities: OnceLock<Arc<ClientConfig>>,
    nobody: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    async fn config(&self, tls: bool) -> Result<Arc<ClientConfig>, PublishError> {
        let place = if tls { &self.authorities } else { &self.nobody };
        if let Some(config) = place.get() {
            return Ok(Arc::clone(config));
        }
        let config = if tls {
            let read = tokio::task::spawn_blocking(|| tls_config(None)).await;
            read.map_err(|error| PublishError::Tls(error.to_string()))??
        } else {
            nobody()?
        };
        Ok(Arc::clone(place.get_or_init(|| config)))
    }
}

/// For sessions without TLS, which do not look at it.
fn nobody() -> Result<Arc<ClientConfig>, PublishError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PublishError::Tls(error.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

pub enum Session {
    Rtmp(Box<Publisher>),
    Srt(Box<SrtPush>),
}

impl Session {
    /// Connects; answered when the stream may be sent.
    pub async fn connect(settings: &DestinationSettings, trust: &Trust) -> Result<Self, Failure> {
        if settings.url.starts_with("srt://") {
            return Ok(Self::Srt(Box::new(SrtPush::connect(settings).await?)));
        }
        let target = Target::parse(&settings.url, &settings.key)?;
        let tls = trust.config(target.tls()).await?;
        let publisher = Publisher::connect(&target, &Deadlines::default(), &tls).await?;
        Ok(Self::Rtmp(Box::new(publisher)))
    }

    /// Not to be given up half-way.
    pub async fn send(&mut self, event: &MediaEvent) -> Result<(), Failure> {
        match self {
            Self::Rtmp(publisher) => Ok(publisher.send(event).await?),
            Self::Srt(push) => push.send(event),
        }
    }

    /// Waits for the session's end. May be given up at any time.
    pub async fn failed(&mut self) -> Failure {
        match self {
            Self::Rtmp(publisher) => publisher.failed().await.into(),
            Self::Srt(push) => push.failed().await,
        }
    }

    /// Bytes that went out, and those of them that the peer's machine has taken.
    pub fn bytes(&self) -> (u64, u64) {
        match self {
            Self::Rtmp(publisher) => {
                let stats = publisher.stats();
                let taken = stats.sent_bytes.saturating_sub(stats.unsent_bytes);
                (stats.sent_bytes, taken)
            }
            Self::Srt(push) => push.bytes(),
        }
    }

    /// Ends it in good order, within a second.
    pub async fn close(self) {
        match self {
            Self::Rtmp(publisher) => publisher.close().await,
            Self::Srt(push) => push.close().await,
        }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let kind = match &error {
            PublishError::Address(_) => FailureKind::Settings,
            PublishError::Certificate(_) | PublishError::Refused(_) => FailureKind::Refused,
            // What cannot be sent now belongs to the present source; the next one may be fine.
            _ => FailureKind::Passing,
        };
        Self {
            text: error.to_string(),
            kind,
        }
    }
}
