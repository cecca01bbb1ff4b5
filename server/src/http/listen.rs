//! Connections: accepted, capped, timed.
//!
//! Scanners that connect and say nothing pin descriptors until a server can accept no more. So there is a time limit for
//! the handshake and for each request's head, a cap in all and for each address, and an alarm when accepting fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::Client;
use super::limit::Proxies;
use crate::tls::Tls;

/// A caller has two connections: the stream and what they ask.
const OPEN_MAX: usize = 2_048;
/// A studio's callers may share one address.
const OPEN_PER_ADDRESS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Also how long a kept-alive connection may be idle. Tests do not wait that long.
const HEAD: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 15 });
const BUFFER: usize = 64 * 1024;
/// Requests under way may finish this long after the door closes.
const DRAIN: Duration = Duration::from_secs(3);
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Open connections by address.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

struct Place {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    pub fn open(&self) -> usize {
        self.with(|open| open.values().sum())
    }

    /// The proxy in front has everybody's connections.
    fn enter(&self, address: IpAddr, trusted: bool) -> Option<Place> {
        self.with(|open| {
            let (all, of_address) = (
                open.values().sum::<usize>(),
                open.get(&address).copied().unwrap_or(0),
            );
            if all >= OPEN_MAX
                || (of_address >= OPEN_PER_ADDRESS && !trusted && !address.is_loopback())
            {
                return None;
            }
            *open.entry(address).or_default() += 1;
            Some(Place {
                connections: self.clone(),
                address,
            })
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<IpAddr, usize>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.with(|open| {
            if let Some(count) = open.get_mut(&self.address) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&self.address);
                }
            }
        });
    }
}

/// Accepts until `shutdown`, then waits a little for what is under way.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    trusted: Vec<IpAddr>,
    connections: Connections,
    shutdown: CancellationToken,
) {
    let proxies = Arc::new(Proxies::new(trusted));
    let tasks = TaskTracker::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Once per spell of trouble: it comes back at once.
                if !failing {
                    tracing::error!(%error, open = connections.open(), "callers cannot connect");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        failing = false;
        let address = peer.ip().to_canonical();
        let Some(place) = connections.enter(address, proxies.trusts(address)) else {
            tracing::debug!(%address, "too many connections");
            continue;
        };
        let (tls, router, proxies, shutdown) = (
            tls.clone(),
            router.clone(),
            Arc::clone(&proxies),
            shutdown.clone(),
        );
        tasks.spawn(async move {
            let _place = place;
            one(stream, tls, router, address, proxies, shutdown).await;
        });
    }
    drop(listener);
    tasks.close();
    let _ = tokio::time::timeout(DRAIN, tasks.wait()).await;
}

async fn accept(listener: &TcpListener) -> std::io::Result<(TcpStream, SocketAddr)> {
    let accepted = listener.accept().await?;
    crate::sockets::settle(&accepted.0);
    Ok(accepted)
}

async fn one(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    address: IpAddr,
    proxies: Arc<Proxies>,
    shutdown: CancellationToken,
) {
    let Some(tls) = tls else {
        return talk(stream, router, address, proxies, shutdown).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, router, address, proxies, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS handshake"),
        Err(_) => tracing::debug!(%address, "no TLS handshake in time"),
    }
}

async fn talk<S>(
    stream: S,
    router: Router,
    address: IpAddr,
    proxies: Arc<Proxies>,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let forwarded = request
            .headers()
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let client = Client(proxies.client(address, forwarded));
        request.extensions_mut().insert(client);
        let router = router.clone();
        async move {
            let answer: Result<_, Infallible> =
                router.oneshot(request.map(axum::body::Body::new)).await;
            answer
        }
    });
    let mut http1 = hyper::server::conn::http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_headers(64);
    let mut connection = std::pin::pin!(http1.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // Errors are the client's: it left, or spoke something else.
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_acknowledges_nothing_is_given_up_after_30_seconds() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = accept(&listener).await.unwrap();
        let timeout = rustix::net::sockopt::tcp_user_timeout(&stream).unwrap();
        assert_eq!(timeout, 30_000);
        assert!(stream.nodelay().unwrap());
    }
}
