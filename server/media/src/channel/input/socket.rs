//! The Unix socket on which the ingest worker hands over what publishers send.
//!
//! ```text
//!  connection ─ Hello{publisher} ─▶ waits for the order that names it (5 s) ─▶ events … ─▶ End, or hung up
//! ```
//!
//! Each connection has a task of its own, which reads no faster than the channel's loop takes: a publisher that sends too
//! much fills its own socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use booth_stream::MediaEvent;
use booth_stream::wire::{Decoder, Frame};
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::super::live::Take;

/// From connecting to being wanted: the order that names a publisher goes another way than its media.
const WANTED_WITHIN: Duration = Duration::from_secs(5);
/// Connections at a time: the publisher, its successor, and some that are being hung up on.
const CONNECTIONS_MAX: usize = 8;
/// What is read at once: several units of a usual stream. Units share this memory for as long as the delay line holds
/// them.
const READ_BYTES: usize = 16 << 10;

/// What a connection tells the channel's loop.
#[derive(Debug)]
pub enum SocketEvent {
    /// This publisher's media is here; it is read when `take` is used, and hung up on when that is dropped.
    Hello {
        connection: u64,
        publisher: u64,
        take: Take,
    },
    Media {
        connection: u64,
        event: MediaEvent,
    },
    Gone {
        connection: u64,
        reason: String,
    },
}

/// The listening socket. Dropping it hangs up on everybody.
#[derive(Debug)]
pub struct MediaSocket {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl MediaSocket {
    /// Listens at `path`, for this user only. A file left by an earlier worker is replaced: whoever holds the unit's lock
    /// owns the path. `connections` numbers connections over all sockets of a worker.
    pub fn listen(
        path: &Path,
        events: mpsc::Sender<SocketEvent>,
        mut connections: u64,
    ) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let task = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept(), if serving.len() < CONNECTIONS_MAX => match accepted {
                        Ok((stream, _)) => {
                            connections += 1;
                            serving.spawn(serve(stream, connections, events.clone()));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a publisher's connection was not accepted");
                            // Out of descriptors: they come back when others end.
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    },
                    Some(_) = serving.join_next() => {}
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
            task,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MediaSocket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: UnixStream, connection: u64, events: mpsc::Sender<SocketEvent>) {
    let mut reader = Reader {
        stream,
        buffer: BytesMut::new(),
        decoder: Decoder::default(),
    };
    let greeted = tokio::time::timeout(WANTED_WITHIN, reader.next()).await;
    let Ok(Ok(Some(Frame::Hello { publisher }))) = greeted else {
        tracing::warn!(connection, "a media connection without greeting");
        return;
    };
    let (take, taken) = oneshot::channel();
    let hello = SocketEvent::Hello {
        connection,
        publisher,
        take,
    };
    if events.send(hello).await.is_err() {
        return;
    }
    let Ok(Ok(hang_up)) = tokio::time::timeout(WANTED_WITHIN, taken).await else {
        return tracing::info!(publisher, "a publisher that is not wanted is hung up on");
    };
    let reason = loop {
        let next = tokio::select! {
            () = hang_up.cancelled() => return,
            next = reader.next() => next,
        };
        let event = match next {
            Ok(Some(Frame::Event(event))) => event,
            Ok(Some(Frame::End { reason })) => break reason,
            Ok(Some(Frame::Hello { .. })) => break "it greeted twice".to_owned(),
            Ok(None) => break "the connection ended".to_owned(),
            Err(error) => break error.to_string(),
        };
        let media = SocketEvent::Media { connection, event };
        if events.send(media).await.is_err() {
            return;
        }
    };
    let _ = events.send(SocketEvent::Gone { connection, reason }).await;
}

struct Reader {
    stream: UnixStream,
    buffer: BytesMut,
    decoder: Decoder,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self
                .decoder
                .decode(&mut self.buffer)
                .map_err(io::Error::other)?
            {
                return Ok(Some(frame));
            }
            if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
                self.buffer.reserve(READ_BYTES);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
