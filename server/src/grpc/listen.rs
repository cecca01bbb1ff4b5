//! Connections from the listener: counted, in all and for each address, and with a time limit for the first byte, so that
//! silent scanners do not use descriptors up. hyper limits the time of HTTP/1 headers; HTTP/2 connections are pinged.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

/// Connections at a time; more wait in the kernel's backlog.
const CONNECTIONS: usize = 512;
/// Connections of one address at a time; one more is closed at once. This machine's own are not counted: all that come
/// through a proxy on it have its address.
const PER_ADDRESS: usize = 128;
/// A connection says something within this time or is closed.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no descriptors left): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let peers = Peers::default();
    futures_util::stream::unfold((listener, places, peers), |all| async move {
        let (listener, places, peers) = &all;
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
                        stream,
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

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Until the first byte has come.
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
    _peer: Peer,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;
    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
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
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
