//! A synthetic live input of a channel: publishes by WHIP with the channel's key, and comes back after a loss.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use tokio_util::sync::CancellationToken;
use webrtc::peer_connection::RTCPeerConnectionState;

use super::caller::{BACKOFF_FIRST, BACKOFF_MOST, CallError, open};
use super::pacer::Lane;
use super::publisher::Publisher;
use super::web::Web;

pub(super) struct Feed {
    pub channel: String,
    pub key: String,
    pub web: Web,
    pub bind: Arc<[IpAddr]>,
    pub lane: Arc<Lane>,
    pub stop: CancellationToken,
}

impl Feed {
    /// Until it is stopped (`true`), or the server will not have it (`false`).
    pub async fn publish(self) -> bool {
        // Nobody else tells an encoder to spare pictures.
        self.lane.set_full(true);
        let mut backoff = BACKOFF_FIRST;
        while !self.stop.is_cancelled() {
            let wait = match self.session().await {
                Ok(()) => {
                    backoff = BACKOFF_FIRST;
                    BACKOFF_FIRST
                }
                Err(error) if error.is_final() => {
                    eprintln!("{}: {error}", self.channel);
                    return false;
                }
                Err(error) => {
                    tracing::info!(channel = self.channel, %error, "tries again");
                    let wait = error.retry_after().unwrap_or(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MOST);
                    wait
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        true
    }

    /// One connection, to its end.
    async fn session(&self) -> Result<(), CallError> {
        let (publisher, offer) = Publisher::offer(&self.bind, true, self.lane.media.codec).await?;
        let publisher = Arc::new(publisher);
        let path = format!("/whip/channels/{}", self.channel);
        let opened = open(&self.web, &publisher, &path, &self.key, offer).await;
        if let Ok(opened) = &opened {
            self.lane.set_publisher(Some(Arc::clone(&publisher)));
            self.stay(&publisher).await;
            self.lane.set_publisher(None);
            // Also when the connection is lost: the server frees the input at once, if it can be reached.
            let _ = self
                .web
                .request(Method::DELETE, &opened.location, &[], Bytes::new())
                .await;
        }
        publisher.close().await;
        opened.map(drop)
    }

    async fn stay(&self, publisher: &Publisher) {
        let mut state = publisher.state();
        let gone = state.wait_for(|state| {
            matches!(
                state,
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
            )
        });
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = gone => {}
        }
    }
}
