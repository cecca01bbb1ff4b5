//! Connections from the listener: counted, in all and for each address, and with a time limit for the first byte, so that
//! silent scanners do not use descriptors up; with TLS the handshake has to be over by then too, and is made by the task of
//! the connection, so that a slow one holds nobody up. hyper limits the time of HTTP/1 headers; HTTP/2 connections are pinged.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use crate::tls::Tls;

/// Connections at a time; more wait in the kernel's backlog.
const CONNECTIONS: usize = 512;
/// Connections of one address at a time; one more is closed at once. This machine's own are not counted: all that come
/// through a proxy on it have its address.
const PER_ADDRESS: usize = 128;
/// A connection says something within this time or is closed.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no descriptors left): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub fn connections(
    listener: TcpListener,
    tls: Option<Tls>,
) -> impl Stream<Item = io::Result<Connection>> {
    accepted(listener, tls, CONNECTIONS)
}

pub(super) fn accepted(
    listener: TcpListener,
    tls: Option<Tls>,
    places: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(places));
    let peers = Peers::default();
    futures_util::stream::unfold((listener, tls, places, peers), |all| async move {
        let (listener, tls, places, peers) = &all;
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let Some(peer) = peers.enter(from.ip().to_canonical()) else {
                        debug!(address = %from.ip(), "too many API connections");
                        continue;
                    };
                    crate::sockets::settle(&stream);
                    let connection = Connection {
                        info: stream.connect_info(),
                        wire: match tls {
                            Some(tls) => Wire::Handshake(Box::new(tls.acceptor().accept(stream))),
                            None => Wire::Plain(stream),
                        },
                        silence: Some(Box::pin(tokio::time::sleep(FIRST_BYTE_WITHIN))),
                        _place: place,
                        _peer: peer,
                    };
                    return Some((Ok(connection), all));
                }
                Err(error) => {
                    warn!(%error, "cannot accept API connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// Open connections by address.
#[derive(Debug, Clone, Default)]
struct Peers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection of an address, until it is dropped.
#[derive(Debug)]
struct Peer {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    fn enter(&self, address: IpAddr) -> Option<Peer> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= PER_ADDRESS && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Peer {
            peers: self.clone(),
            address,
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

pub struct Connection {
    wire: Wire,
    info: TcpConnectInfo,
    /// Until the first byte has come.
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
    _peer: Peer,
}

enum Wire {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    /// No handshake came about.
    Broken,
}

impl Connection {
    /// What bytes go over; pending while there is none yet.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Open>>> {
        if let Wire::Handshake(accept) = &mut self.wire {
            match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => self.wire = Wire::Tls(Box::new(stream)),
                Err(error) => {
                    debug!(peer = ?self.info.remote_addr(), %error, "no TLS handshake on the API");
                    self.wire = Wire::Broken;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let open: &mut dyn Open = match &mut self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream,
            Wire::Handshake(_) | Wire::Broken => {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
        };
        Poll::Ready(Ok(Pin::new(open)))
    }

    fn poll_first(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

trait Open: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Open for T {}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;
    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_first(cx, buf);
        if read.is_ready() {
            self.silence = None;
        } else if let Some(silence) = &mut self.silence
            && silence.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody is waited for to say goodbye who has not said hello.
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Wire::Handshake(_) | Wire::Broken => Poll::Ready(Ok(())),
        }
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        // Both a socket and rustls take many pieces at once.
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_connections_and_no_other_pays() {
        let peers = Peers::default();
        let (far, other, near): (IpAddr, IpAddr, IpAddr) = (
            "192.0.2.1".parse().unwrap(),
            "192.0.2.2".parse().unwrap(),
            "127.0.0.1".parse().unwrap(),
        );
        let mut open: Vec<_> = (0..PER_ADDRESS)
            .map(|_| peers.enter(far).unwrap())
            .collect();
        assert!(peers.enter(far).is_none());
        assert!(peers.enter(other).is_some());
        let _own: Vec<_> = (0..2 * PER_ADDRESS)
            .map(|_| peers.enter(near).unwrap())
            .collect();
        open.pop();
        open.push(peers.enter(far).unwrap());
        drop(open);
        assert!(!peers.0.lock().unwrap().contains_key(&far));
    }
}
