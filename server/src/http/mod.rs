//! The callers' door: join page, join and WHIP, the caller's own stream, health and metrics.
//!
//! It turns requests into commands and sessions, and never decides. Everything a stranger can send is bounded here:
//! connections, time, sizes, attempts.

mod calls;
mod events;
mod health;
mod hls;
mod limit;
mod listen;
mod page;
mod problem;
mod view;
mod whip;
mod whip_channel;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use booth_core::CallerId;
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::limit::Limiter;
use self::listen::Connections;
use self::problem::Problem;
use crate::publish::PublishDesk;
use crate::rtc::Rtc;
use crate::server::Rooms;
use crate::tls::{Tls, TlsError};

/// From the request's head to its answer; streams go on after it.
const ANSWER: Duration = Duration::from_secs(20);
/// Messages a caller may write in a minute.
const CHATS_PER_MINUTE: u32 = 60;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("http.tls_cert, http.tls_key: {0}")]
    Tls(#[from] TlsError),
}

/// What handlers work with; cloned for each request.
#[derive(Debug, Clone)]
struct Door {
    rooms: Rooms,
    rtc: Rtc,
    publish: PublishDesk,
    /// Where the workers of channels put their HLS.
    hls: Arc<Path>,
    joins: Arc<Limiter>,
    chats: Arc<Limiter>,
    connections: Connections,
    streams: events::Streams,
    shutdown: CancellationToken,
}

/// The client's address, proxies seen through.
#[derive(Debug, Clone, Copy)]
struct Client(IpAddr);

impl Door {
    /// Counts one attempt to get in.
    fn attempt(&self, client: Client) -> Result<(), Problem> {
        allowed(self.joins.take(client.0, Instant::now()))
    }

    /// Counts one message of this caller; the limiter knows addresses, so each caller gets one of a private range.
    fn chatter(&self, caller: &CallerId) -> Result<(), Problem> {
        let hash = blake3::hash(caller.as_str().as_bytes());
        let mut octets = [0_u8; 16];
        octets.copy_from_slice(&hash.as_bytes()[..16]);
        octets[0] = 0xfd;
        allowed(self.chats.take(IpAddr::from(octets), Instant::now()))
    }

    fn connections(&self) -> usize {
        self.connections.open()
    }

    /// Seconds of the Unix epoch.
    fn now_s(&self) -> i64 {
        self.rooms.clock.now().0 / 1_000
    }
}

fn allowed(taken: Result<(), Duration>) -> Result<(), Problem> {
    taken.map_err(|wait| {
        let seconds = u32::try_from(wait.as_secs())
            .unwrap_or(60)
            .saturating_add(1);
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            "too many attempts: wait a little",
        )
        .after(seconds)
    })
}

/// Serves until `shutdown`, then lets requests finish and closes the sessions. Fails only for a bad certificate.
pub async fn serve(
    rooms: Rooms,
    rtc: Rtc,
    publish: PublishDesk,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let tls = Tls::door(&rooms.config, rooms.clock)?;
    let connections = Connections::default();
    let door = Door {
        joins: Arc::new(Limiter::new(rooms.config.http.joins_per_minute)),
        chats: Arc::new(Limiter::new(CHATS_PER_MINUTE)),
        connections: connections.clone(),
        streams: events::Streams::default(),
        shutdown: shutdown.clone(),
        rtc: rtc.clone(),
        publish,
        hls: rooms.config.data.dir.join("run").join("hls").into(),
        rooms,
    };
    let trusted = door.rooms.config.http.trusted_proxies.clone();
    listen::run(listener, tls, router(door), trusted, connections, shutdown).await;
    rtc.stop().await;
    Ok(())
}

fn router(door: Door) -> Router {
    let whip = Router::new()
        .route(
            "/whip/shows/{show}",
            post(whip::publish).options(whip::options),
        )
        .route(
            "/whip/channels/{channel}",
            post(whip_channel::publish).options(whip::options),
        )
        .route(
            "/whip/sessions/{session}",
            axum::routing::patch(whip::patch)
                .delete(whip::delete)
                .options(whip::options),
        )
        .layer(middleware::map_response(|mut response: Response| async {
            whip::cross_origin(response.headers_mut());
            response
        }));
    let hls = Router::new()
        .route("/hls/channels/{channel}/{file}", get(hls::file))
        .layer(middleware::map_response(|mut response: Response| async {
            hls::cross_origin(response.headers_mut());
            response
        }));
    Router::new()
        .route("/", get(page::home))
        .route("/join/{show}", get(page::join))
        .route("/assets/{name}", get(page::asset))
        .route("/api/join", post(calls::join))
        .route("/api/rejoin", post(calls::rejoin))
        .route("/api/call/events", get(calls::watch))
        .route("/api/call/chat", post(calls::chat))
        .route("/api/call/leave", post(calls::leave))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .merge(whip)
        .merge(hls)
        .fallback(|| async { Problem::not_found("there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "BAD_REQUEST",
                "this method does not apply here",
            )
        })
        .layer(middleware::from_fn(guard))
        .with_state(door)
}

/// A deadline for each answer, and headers on all of them.
async fn guard(request: Request, next: Next) -> Response {
    let path = logged(request.uri().path());
    let method = request.method().clone();
    let late = || {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "BAD_REQUEST",
            "the request took too long",
        )
    };
    let answered = tokio::time::timeout(ANSWER, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| late().into_response());
    tracing::debug!(%method, path, status = response.status().as_u16(), "http");
    page::secure(response.headers_mut());
    response
}

/// The path without the name of a session, which is a secret, and without a query, which names people.
fn logged(path: &str) -> String {
    match path.strip_prefix("/whip/sessions/") {
        Some(_) => "/whip/sessions/…".to_owned(),
        None => path.chars().take(100).collect(),
    }
}

/// A whole body of at most `most` bytes.
async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let limited = http_body_util::Limited::new(body, most);
    match http_body_util::BodyExt::collect(limited).await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(Problem::too_large(most)),
        Err(_) => Err(Problem::bad("the body did not arrive whole")),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
