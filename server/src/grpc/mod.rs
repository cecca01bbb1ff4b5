//! The API's door: gRPC, gRPC-web and JSON on one listener, plain or in TLS.
//!
//! ```text
//!  connection ─▶ CORS ─▶ gateway ─▶ gRPC-web ─▶ gate (token, role, time limit) ─▶ service ─▶ Command ─▶ director
//!                        (JSON, tiles)                                             └──────── board (reads, watchers)
//! ```
//!
//! Wire types end here: requests become commands by `booth_proto::convert`, refusals become statuses in `status`.

mod api;
pub mod auth;
mod caller;
mod channel;
mod destination;
mod drill;
mod gate;
mod gateway;
mod invite;
mod listen;
mod merge;
mod meters;
mod operator;
mod places;
mod show;
mod slot;
pub mod status;
mod streams;
mod system;
mod tally;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::time::Duration;

use booth_proto::v1::caller_service_server::CallerServiceServer;
use booth_proto::v1::channel_service_server::ChannelServiceServer;
use booth_proto::v1::destination_service_server::DestinationServiceServer;
use booth_proto::v1::operator_service_server::OperatorServiceServer;
use booth_proto::v1::show_service_server::ShowServiceServer;
use booth_proto::v1::slot_service_server::SlotServiceServer;
use booth_proto::v1::system_service_server::SystemServiceServer;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, Method, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{error, info, warn};

use crate::config::GrpcConfig;
use crate::server::Rooms;
use crate::tls::Tls;
use api::Api;
use streams::WatchServer;

/// Largest request.
pub const MESSAGE_MAX_BYTES: usize = 1024 * 1_024;
/// Requests of one connection being answered; more wait. Open streams do not count.
const CONCURRENT_ANSWERS: usize = 64;
/// Streams of one HTTP/2 connection, open watches included.
const CONCURRENT_STREAMS: u32 = 128;
const HEADERS_MAX_BYTES: u32 = 16 * 1_024;
/// A peer that does not answer a ping in this time is gone.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// How long answers and streams may take to end when the server stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves until `shutdown`; then streams are told, and what is not over after two seconds is cut off.
pub async fn serve(
    rooms: Rooms,
    listener: TcpListener,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    if let Ok(address) = listener.local_addr() {
        info!(%address, tls = tls.is_some(), "API listens");
    }
    serve_connections(rooms, listen::connections(listener, tls), shutdown).await
}

/// The same over any connections, for example in-memory ones.
pub async fn serve_connections<C>(
    rooms: Rooms,
    connections: impl Stream<Item = io::Result<C>>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let health = health.max_decoding_message_size(MESSAGE_MAX_BYTES);
    let server = Server::builder()
        .accept_http1(true)
        .concurrency_limit_per_connection(CONCURRENT_ANSWERS)
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .http2_max_header_list_size(HEADERS_MAX_BYTES)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .layer(cors(&rooms.config.grpc))
        .layer(gateway::GatewayLayer::new(rooms.clone()))
        .layer(GrpcWebLayer::new())
        .layer(gate::GateLayer {
            rooms: rooms.clone(),
        })
        .add_routes(router(rooms, shutdown.clone()))
        .add_service(health)
        .serve_with_incoming_shutdown(connections, shutdown.clone().cancelled_owned());
    tokio::select! {
        served = server => served,
        () = async {
            shutdown.cancelled().await;
            reporter.set_service_status("", ServingStatus::NotServing).await;
            tokio::time::sleep(GOODBYE).await;
        } => Ok(()),
    }
}

/// What health answers for, besides the server as a whole.
const SERVICES: [&str; 8] = [
    "booth.v1.ShowService",
    "booth.v1.CallerService",
    "booth.v1.SlotService",
    "booth.v1.ChannelService",
    "booth.v1.DestinationService",
    "booth.v1.OperatorService",
    "booth.v1.SystemService",
    "booth.v1.WatchService",
];

/// All services, without the gate: only what [`serve_connections`] puts before them checks tokens.
fn router(rooms: Rooms, shutdown: CancellationToken) -> Routes {
    let api = Api::new(rooms, shutdown);
    macro_rules! limited {
        ($server:ident) => {
            $server::new(api.clone()).max_decoding_message_size(MESSAGE_MAX_BYTES)
        };
    }
    let mut routes = Routes::builder();
    routes
        .add_service(limited!(ShowServiceServer))
        .add_service(limited!(CallerServiceServer))
        .add_service(limited!(SlotServiceServer))
        .add_service(limited!(ChannelServiceServer))
        .add_service(limited!(DestinationServiceServer))
        .add_service(limited!(OperatorServiceServer))
        .add_service(limited!(SystemServiceServer))
        .add_service(WatchServer::new(api.clone()));
    // Older clients ask by the alpha's name.
    match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => {
            routes.add_service(v1).add_service(v1alpha);
        }
        (Err(error), _) | (_, Err(error)) => error!(%error, "no reflection"),
    }
    routes.routes()
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(booth_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn cors(config: &GrpcConfig) -> CorsLayer {
    let origins = if config.cors_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let known = config.cors_origins.iter();
        AllowOrigin::list(known.filter_map(|origin| {
            let value = HeaderValue::from_str(origin);
            if value.is_err() {
                warn!(?origin, "grpc.cors_origins: not an origin, passed over");
            }
            value.ok()
        }))
    };
    let ours = [
        "x-grpc-web",
        "x-user-agent",
        "grpc-timeout",
        "connect-protocol-version",
        "connect-timeout-ms",
        "last-event-id",
    ]
    .map(HeaderName::from_static);
    let status =
        ["grpc-status", "grpc-message", "grpc-status-details-bin"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(
            [
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
            ]
            .into_iter()
            .chain(ours)
            .collect::<Vec<_>>(),
        )
        .expose_headers(
            [header::ETAG, header::RETRY_AFTER, header::WWW_AUTHENTICATE]
                .into_iter()
                .chain(status)
                .collect::<Vec<_>>(),
        )
        .max_age(Duration::from_secs(3_600))
}
