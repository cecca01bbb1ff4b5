//! TCP with or without TLS, counting what the kernel was given.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PublishError;

/// A connection whose written bytes are counted below TLS, where they compare with the kernel's queue.
struct Counted {
    tcp: TcpStream,
    sent: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &written {
            self.sent
                .fetch_add(u64::try_from(*n).unwrap_or(0), Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

enum Transport {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

pub(super) struct Socket {
    transport: Transport,
    sent: Arc<AtomicU64>,
}

impl Socket {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        let sent = Arc::<AtomicU64>::default();
        Self {
            transport: Transport::Plain(Counted {
                tcp,
                sent: sent.clone(),
            }),
            sent,
        }
    }

    /// Shakes hands; the name is checked and sent ahead (SNI).
    pub(super) async fn tls(
        tcp: TcpStream,
        host: &str,
        config: Arc<ClientConfig>,
    ) -> Result<Self, PublishError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| PublishError::Address("its host cannot be in a certificate"))?;
        let sent = Arc::<AtomicU64>::default();
        let counted = Counted {
            tcp,
            sent: sent.clone(),
        };
        let stream = TlsConnector::from(config)
            .connect(name, counted)
            .await
            .map_err(|error| refused(&error))?;
        Ok(Self {
            transport: Transport::Tls(Box::new(stream)),
            sent,
        })
    }

    /// Bytes the kernel was given.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes the kernel has not heard of again: not sent yet, or not acknowledged.
    pub(super) fn queued(&self) -> u64 {
        let tcp = match &self.transport {
            Transport::Plain(counted) => &counted.tcp,
            Transport::Tls(stream) => &stream.get_ref().0.tcp,
        };
        let mut queued: libc::c_int = 0;
        // SAFETY: SIOCOUTQ writes one int, and the descriptor lives as long as `tcp`.
        let done = unsafe { libc::ioctl(tcp.as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) };
        if done < 0 {
            return 0;
        }
        u64::try_from(queued).unwrap_or(0)
    }

    fn pinned(&mut self) -> Pin<&mut (dyn ReadWrite + Send)> {
        let stream: &mut (dyn ReadWrite + Send) = match &mut self.transport {
            Transport::Plain(counted) => counted,
            Transport::Tls(stream) => stream.as_mut(),
        };
        Pin::new(stream)
    }

    /// Reads into the spare room of a buffer; 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.len();
        let mut room = [0u8; 4096];
        let mut read = ReadBuf::new(&mut room);
        match self.pinned().poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                buffer.extend_from_slice(read.filled());
                Poll::Ready(Ok(buffer.len() - before))
            }
        }
    }

    /// Writes some of a buffer, and takes that away from it.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        match self.pinned().poll_write(cx, buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(n)) => {
                buffer.advance(n);
                Poll::Ready(Ok(()))
            }
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    pub(super) async fn shut(&mut self) -> Result<(), PublishError> {
        std::future::poll_fn(|cx| self.pinned().poll_shutdown(cx))
            .await
            .map_err(|error| PublishError::Broken(error.kind().to_string()))
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

/// A certificate that is not accepted stays so until somebody acts; everything else may pass.
fn refused(error: &io::Error) -> PublishError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            PublishError::Certificate(format!("{why:?}"))
        }
        Some(inner) => PublishError::Tls(inner.to_string()),
        None => PublishError::Broken(format!("{} while setting up TLS", error.kind())),
    }
}
