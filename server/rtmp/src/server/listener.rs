//! Accepts connections: bounded in total and, while they are strangers', per address, and never for ever busy with errors.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::{Authority, Ended, Limits, PublishRequest, ServerTls, serve};

/// After an accept error (out of descriptors): from the first, doubled up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_LAST: Duration = Duration::from_secs(1);
/// Connections that are refused are told of once in so many.
const TELL_EVERY: u64 = 1000;

#[derive(Debug, Clone)]
pub struct ListenerLimits {
    /// Of strangers: a connection whose publish is authorised counts in the total alone. Encoders that lost their network
    /// leave dead sessions behind, and come back beside them.
    pub per_address: usize,
    pub total: usize,
    pub tls_time: Duration,
    pub session: Limits,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            per_address: 32,
            total: 1024,
            tls_time: Duration::from_secs(5),
            session: Limits::default(),
        }
    }
}

/// Counts connections; several listeners may share one.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: BTreeMap<IpAddr, usize>,
    refused: u64,
}

/// One connection, counted until it is dropped.
struct Place {
    open: Arc<Mutex<Open>>,
    /// Counted as a stranger's of this address.
    stranger: Mutex<Option<IpAddr>>,
}

impl Place {
    /// It is a stranger's no more.
    fn known(&self) {
        let mut stranger = self.stranger.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(address) = stranger.take() else {
            return;
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.known();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
    }
}

/// Asks the authority, and gives the stranger's place back when it agrees.
struct Introducing<'a, A> {
    authority: &'a A,
    place: &'a Place,
}

impl<A: Authority> Authority for Introducing<'_, A> {
    type Publication = A::Publication;

    async fn authorise(&self, request: PublishRequest) -> Result<A::Publication, String> {
        let publication = self.authority.authorise(request).await?;
        self.place.known();
        Ok(publication)
    }
}

impl Listener {
    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }

    /// Accepts for ever, on the runtime it is called on. Sessions are tasks of their own: they go on when this is dropped,
    /// so that listeners can change below them.
    pub async fn run<A: Authority + 'static>(
        self,
        tcp: TcpListener,
        tls: Option<ServerTls>,
        limits: ListenerLimits,
        authority: Arc<A>,
    ) {
        let limits = Arc::new(limits);
        let mut backoff = BACKOFF_FIRST;
        loop {
            let (stream, peer) = match tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if backoff == BACKOFF_FIRST {
                        tracing::warn!(%error, "no connection can be accepted");
                    }
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_LAST);
                    continue;
                }
            };
            backoff = BACKOFF_FIRST;
            let Some(place) = self.place(peer.ip(), &limits) else {
                continue;
            };
            let (limits, authority, tls) = (limits.clone(), authority.clone(), tls.clone());
            tokio::spawn(async move {
                let introducing = Introducing {
                    authority: authority.as_ref(),
                    place: &place,
                };
                let session = session(stream, peer, tls, &limits, &introducing);
                match AssertUnwindSafe(session).catch_unwind().await {
                    Ok(ended) => tracing::debug!(%peer, %ended, "a connection ended"),
                    Err(_) => tracing::error!(%peer, "a session panicked; it ends alone"),
                }
                drop(place);
            });
        }
    }

    fn place(&self, address: IpAddr, limits: &ListenerLimits) -> Option<Place> {
        let address = owner(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        if here >= limits.per_address || open.total >= limits.total {
            if open.refused.is_multiple_of(TELL_EVERY) {
                tracing::warn!(%address, here, total = open.total, "too many connections; more are hung up on");
            }
            open.refused += 1;
            return None;
        }
        open.total += 1;
        *open.by_address.entry(address).or_default() += 1;
        Some(Place {
            open: self.open.clone(),
            stranger: Mutex::new(Some(address)),
        })
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

async fn session<A: Authority>(
    stream: TcpStream,
    peer: std::net::SocketAddr,
    tls: Option<ServerTls>,
    limits: &ListenerLimits,
    authority: &A,
) -> Ended {
    if let Err(error) = stream.set_nodelay(true) {
        return Ended::Broken(error.kind());
    }
    let Some(tls) = tls else {
        return serve(stream, peer, false, &limits.session, authority).await;
    };
    match timeout(limits.tls_time, tls.0.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, true, &limits.session, authority).await,
        Ok(Err(error)) => Ended::Damaged(format!("TLS: {}", error.kind())),
        Err(_) => Ended::Late,
    }
}
