//! One synthetic caller: publishes, follows their own call, comes back after a loss, hangs up in the end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use webrtc::peer_connection::RTCPeerConnectionState;

use super::pacer::Lane;
use super::publisher::Publisher;
use super::web::{Web, WebError};
use crate::rtc::engine::EngineError;

pub(super) const BACKOFF_FIRST: Duration = Duration::from_millis(250);
pub(super) const BACKOFF_MOST: Duration = Duration::from_secs(5);
/// The stream beats every 5 s.
const STREAM_DEAD: Duration = Duration::from_secs(15);
/// Longer than a server takes to see the first packets.
const SETTLE: Duration = Duration::from_secs(4);

pub(super) struct Caller {
    pub name: String,
    pub show: String,
    pub invite: Arc<str>,
    pub web: Web,
    pub bind: Arc<[IpAddr]>,
    pub lane: Arc<Lane>,
    pub stop: CancellationToken,
}

/// What the caller's own stream says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    connected: bool,
    ended: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Rtc(#[from] EngineError),
    #[error("the answer is not one of booth")]
    Answer,
}

impl CallError {
    /// Whether asking again cannot help.
    pub fn is_final(&self) -> bool {
        let Self::Web(WebError::Refused { status, .. }) = self else {
            return matches!(self, Self::Answer);
        };
        status.is_client_error()
            && *status != StatusCode::TOO_MANY_REQUESTS
            && *status != StatusCode::REQUEST_TIMEOUT
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Web(WebError::Refused {
                retry_after: Some(seconds),
                ..
            }) => Some(Duration::from_secs(*seconds)),
            _ => None,
        }
    }
}

struct Session {
    publisher: Arc<Publisher>,
    location: String,
    since: Instant,
}

impl Caller {
    /// `true` when the call took place, `false` when the server would not have it.
    pub async fn call(self) -> bool {
        let mut rejoin: Option<String> = None;
        let mut told: Option<watch::Receiver<Told>> = None;
        let mut backoff = BACKOFF_FIRST;
        loop {
            if self.stop.is_cancelled() {
                break;
            }
            match self.publish(&mut rejoin).await {
                Ok(session) => {
                    backoff = BACKOFF_FIRST;
                    let told =
                        told.get_or_insert_with(|| self.follow(rejoin.clone().unwrap_or_default()));
                    let over = self.stay(&session, told).await;
                    self.lane.set_publisher(None);
                    if over {
                        let _ = self
                            .web
                            .request(Method::DELETE, &session.location, &[], Bytes::new())
                            .await;
                    }
                    session.publisher.close().await;
                    if over {
                        break;
                    }
                }
                Err(error) if error.is_final() => {
                    eprintln!("{}: {error}", self.name);
                    // A call that ended while we were away is a call that took place.
                    return rejoin.is_some();
                }
                Err(error) => {
                    tracing::info!(caller = self.name, %error, "tries again");
                    let wait = error.retry_after().unwrap_or(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MOST);
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
        if let Some(token) = rejoin {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str())];
            let _ = self
                .web
                .request(Method::POST, "/api/call/leave", &headers, Bytes::new())
                .await;
        }
        true
    }

    async fn publish(&self, rejoin: &mut Option<String>) -> Result<Session, CallError> {
        let (publisher, offer) = Publisher::offer(&self.bind, true, self.lane.media.codec).await?;
        let publisher = Arc::new(publisher);
        match self.negotiate(&publisher, offer, rejoin).await {
            Ok(location) => {
                self.lane.set_publisher(Some(Arc::clone(&publisher)));
                Ok(Session {
                    publisher,
                    location,
                    since: Instant::now(),
                })
            }
            Err(error) => {
                publisher.close().await;
                Err(error)
            }
        }
    }

    async fn negotiate(
        &self,
        publisher: &Publisher,
        offer: String,
        rejoin: &mut Option<String>,
    ) -> Result<String, CallError> {
        let path = format!(
            "/whip/shows/{}?name={}&topic=demo",
            self.show,
            self.name.replace(' ', "%20")
        );
        let bearer = rejoin.as_deref().unwrap_or(&self.invite);
        let opened = open(&self.web, publisher, &path, bearer, offer).await?;
        if opened.rejoin.is_some() {
            *rejoin = opened.rejoin;
        }
        Ok(opened.location)
    }

    /// Until the call is over (`true`) or has to be connected again (`false`).
    async fn stay(&self, session: &Session, told: &mut watch::Receiver<Told>) -> bool {
        let mut state = session.publisher.state();
        loop {
            let dead = matches!(
                *state.borrow(),
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
            );
            let known = *told.borrow();
            if known.ended {
                return true;
            }
            let age = session.since.elapsed();
            if dead || (!known.connected && age > SETTLE) {
                return false;
            }
            tokio::select! {
                () = self.stop.cancelled() => return true,
                changed = state.changed() => if changed.is_err() { return false },
                changed = told.changed() => if changed.is_err() { return true },
                () = tokio::time::sleep(SETTLE.saturating_sub(age)), if age <= SETTLE => {}
            }
        }
    }

    /// Follows the caller's own stream, over losses, until the call has ended.
    fn follow(&self, token: String) -> watch::Receiver<Told> {
        let (tx, rx) = watch::channel(Told {
            connected: true,
            ended: false,
        });
        let (web, lane, stop) = (self.web.clone(), Arc::clone(&self.lane), self.stop.clone());
        tokio::spawn(async move {
            let bearer = format!("Bearer {token}");
            let mut backoff = BACKOFF_FIRST;
            while !stop.is_cancelled() && !tx.is_closed() {
                match web
                    .stream("/api/call/events", &[("authorization", &bearer)])
                    .await
                {
                    Ok(body) => {
                        backoff = BACKOFF_FIRST;
                        read(body, &lane, &tx, &stop).await;
                    }
                    Err(WebError::Refused {
                        status: StatusCode::UNAUTHORIZED,
                        ..
                    }) => {
                        tx.send_replace(Told {
                            connected: false,
                            ended: true,
                        });
                    }
                    Err(_) => {}
                }
                if tx.borrow().ended {
                    return;
                }
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MOST);
            }
        });
        rx
    }
}

/// A session that a WHIP door opened.
pub(super) struct Opened {
    pub location: String,
    /// Callers only.
    rejoin: Option<String>,
}

/// Offers at `path`, and takes the answer.
pub(super) async fn open(
    web: &Web,
    publisher: &Publisher,
    path: &str,
    bearer: &str,
    offer: String,
) -> Result<Opened, CallError> {
    let bearer = format!("Bearer {bearer}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/sdp"),
    ];
    let reply = web
        .request(Method::POST, path, &headers, offer)
        .await?
        .ok()?;
    let opened = Opened {
        location: reply
            .header("location")
            .ok_or(CallError::Answer)?
            .to_owned(),
        rejoin: reply.header("booth-rejoin").map(str::to_owned),
    };
    let answer = String::from_utf8(reply.body.to_vec()).map_err(|_| CallError::Answer)?;
    publisher.accept(answer).await?;
    Ok(opened)
}

/// Reads views until the stream ends or goes silent.
async fn read(
    mut body: hyper::body::Incoming,
    lane: &Lane,
    tx: &watch::Sender<Told>,
    stop: &CancellationToken,
) {
    let mut pending = Vec::new();
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => return,
            () = tx.closed() => return,
            frame = tokio::time::timeout(STREAM_DEAD, body.frame()) => frame,
        };
        let Ok(Some(Ok(frame))) = frame else { return };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        pending.extend_from_slice(&data);
        // A view is a few kilobytes; more without a line's end is not one.
        if pending.len() > 1 << 20 {
            return;
        }
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let Some(json) = line.strip_prefix(b"data: ") else {
                continue;
            };
            let Ok(view) = serde_json::from_slice::<Value>(json) else {
                continue;
            };
            lane.set_full(view["video"] == "full");
            let now = Told {
                connected: view["connected"] == true,
                ended: view["state"] == "ended",
            };
            tx.send_if_modified(|told| std::mem::replace(told, now) != now);
        }
    }
}
