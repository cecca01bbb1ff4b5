//! The API without a gRPC client: JSON in Connect's form, server-sent events, tiles, and the OpenAPI document.
//!
//! ```text
//!  POST /booth.v1.SlotService/TakeSlot   application/json ──────┐ translated, then through the same
//!  POST …/Watch   application/connect+json                      ├─▶ gate and services as gRPC ─▶ translated back
//!  GET  …/Watch   text/event-stream ────────────────────────────┘
//!  GET  /tiles/slots/1.png, /tiles/callers/c7k2.jpg ─────────────▶ gate's table ─▶ picture
//!  GET  /openapi.json
//!  everything that is gRPC or gRPC-web ──────────────────────────▶ passed on as it is
//! ```
//!
//! No RPC has a route of its own here: `booth_proto::methods` has them all, and how to translate each.

mod call;
mod connect;
mod events;
mod frames;
pub mod openapi;
mod picture;
mod rest;
mod tile;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use booth_proto::methods::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use self::call::Call;
use self::connect::Kind;
use self::tile::Tiles;
use super::status::Reason;
use crate::secrets::LINK_PREFIX;
use crate::server::Rooms;

/// Streams that change nothing when they are opened: these alone answer to GET, which browsers and caches repeat freely.
const SAFE: [&str; 2] = [
    "/booth.v1.WatchService/Watch",
    "/booth.v1.WatchService/WatchMeters",
];
const UNARY_TYPES: &str = "application/json, application/proto";
const STREAM_TYPES: &str = "application/connect+json, application/connect+proto, application/json";

#[derive(Debug, Clone)]
pub struct GatewayLayer(Arc<Tiles>);

impl GatewayLayer {
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(Tiles::new(rooms)))
    }
}

impl<S> Layer<S> for GatewayLayer {
    type Service = Gateway<S>;
    fn layer(&self, inner: S) -> Gateway<S> {
        Gateway {
            tiles: Arc::clone(&self.0),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Gateway<S> {
    tiles: Arc<Tiles>,
    inner: S,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Gateway<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S: Clone,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        // The one that was polled ready answers; its clone waits for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let tiles = Arc::clone(&self.tiles);
        Box::pin(async move {
            let (request, rest) = rest::lend(request);
            let response = match kind(request.headers()) {
                Kind::Grpc => inner.call(request).await?,
                kind => answer(inner, &tiles, kind, request).await,
            };
            rest::take(rest).await;
            Ok(response)
        })
    }
}

/// What is no gRPC.
async fn answer<S>(
    inner: S,
    tiles: &Tiles,
    kind: Kind,
    mut request: Request<Body>,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
    if path == "/openapi.json" && reads {
        return openapi::answer();
    }
    if let Err(status) = sign_in_by_address(&mut request) {
        return connect::refused(&status);
    }
    if path.starts_with("/tiles/") {
        if reads {
            return tiles.answer(&path, request.headers()).await;
        }
        return not_allowed("GET");
    }
    let Some(method) = Method::find(&path) else {
        return nothing(&path);
    };
    match route(method, kind, &request) {
        Ok(call) => call.run(inner, request).await,
        Err(response) => *response,
    }
}

fn kind(headers: &HeaderMap) -> Kind {
    Kind::of(headers.get(header::CONTENT_TYPE))
}

/// What is asked of a method, or why it is not asked so.
fn route(
    method: &'static Method,
    kind: Kind,
    request: &Request<Body>,
) -> Result<Call, Box<Response<Body>>> {
    let events = wants_events(request.headers());
    let call = match *request.method() {
        http::Method::POST => match (method.streams, kind) {
            (false, Kind::Unary(codec)) => Call::unary(method, codec),
            (true, Kind::Stream(codec)) => Call::stream(method, codec),
            (true, Kind::Unary(connect::Codec::Json)) if events => Call::events(method),
            (streams, _) => return Err(Box::new(unsupported(streams))),
        },
        http::Method::GET if SAFE.contains(&method.path) => Call::events_by_address(method),
        _ => return Err(Box::new(not_allowed("POST"))),
    };
    Ok(call)
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream"))
}

/// Pages cannot send a header with a picture or an `EventSource`: `?token=` takes its place. Only for tokens that were made
/// for addresses, which end up in histories and logs.
fn sign_in_by_address(request: &mut Request<Body>) -> Result<(), Status> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let query = request.uri().query().unwrap_or_default();
    let Some((_, token)) = connect::pairs(query).find(|(name, _)| name == "token") else {
        return Ok(());
    };
    if !token.starts_with(LINK_PREFIX) {
        return Err(Reason::TokenUnknown.status(
            "an address takes link tokens only (`GetLinkToken`): send this one as `authorization: Bearer TOKEN`",
        ));
    }
    let value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Reason::TokenUnknown.status("this link token is not valid here"))?;
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

fn nothing(path: &str) -> Response<Body> {
    let text = format!("there is nothing at {path:.100}: see /openapi.json");
    let mut response = connect::refused(&Reason::UnknownMethod.status(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let status = Reason::UnknownMethod.status(format!("this address answers to {allowed}"));
    let mut response = connect::refused(&status);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn unsupported(streams: bool) -> Response<Body> {
    let (types, text) = if streams {
        (
            STREAM_TYPES,
            "this method streams: send application/connect+json, or application/json with `accept: text/event-stream`",
        )
    } else {
        (UNARY_TYPES, "send JSON as application/json")
    };
    let mut response = connect::refused(&Reason::MalformedMessage.status(text));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("accept-post"),
        HeaderValue::from_static(types),
    );
    response
}
