//! The worker's end of the socket to boothd: dialled and re-dialled for ever, while the output goes on.

use std::path::PathBuf;
use std::time::Duration;

use booth_proto::worker::{FromWorker, ToWorker};
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::backoff::Backoff;
/// Largest frame either side takes.
const FRAME_MAX: usize = 1 << 20;
/// Between two dials: from the first, doubled up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(1);
/// What waits to be written: two seconds of levels and tiles. When it is full, levels and tiles are dropped.
const OUTGOING: usize = 64;
/// What waits to be handled: a burst of packets while the worker starts a decoder.
const INCOMING: usize = 256;
/// A peer that does not read for this long is as good as gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// What the link tells the worker's loop.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected; speak through this.
    Up(Sender),
    /// boothd said something.
    Message(Box<ToWorker>),
    /// The connection ended.
    Down,
}

/// Hand for what the worker says on one connection.
#[derive(Debug, Clone)]
pub struct Sender {
    frames: mpsc::Sender<FromWorker>,
    hang_up: std::sync::Arc<tokio::sync::Notify>,
}

impl Sender {
    /// Queues a frame without waiting; `false` if it was dropped.
    pub fn send(&self, message: booth_proto::worker::from_worker::Message) -> bool {
        self.frames
            .try_send(FromWorker {
                message: Some(message),
            })
            .is_ok()
    }

    /// Ends the connection; another is dialled.
    pub fn hang_up(&self) {
        self.hang_up.notify_one();
    }
}

/// The codec of both sides: 32-bit big-endian length, then the message.
#[must_use]
pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .max_frame_length(FRAME_MAX)
        .new_codec()
}

/// Starts to dial. The task ends when the receiver is dropped.
#[must_use]
pub fn dial(socket: PathBuf) -> mpsc::Receiver<LinkEvent> {
    let (events, receiver) = mpsc::channel(INCOMING);
    tokio::spawn(async move {
        let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_LAST);
        while !events.is_closed() {
            match UnixStream::connect(&socket).await {
                Ok(stream) => {
                    backoff.succeed();
                    converse(stream, &events).await;
                    if events.send(LinkEvent::Down).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "boothd is not there"),
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    });
    receiver
}

async fn converse(stream: UnixStream, events: &mpsc::Sender<LinkEvent>) {
    let (mut sink, mut frames) = Framed::new(stream, codec()).split();
    let (sender, mut outgoing) = mpsc::channel::<FromWorker>(OUTGOING);
    let hang_up = std::sync::Arc::new(tokio::sync::Notify::new());
    if events
        .send(LinkEvent::Up(Sender {
            frames: sender,
            hang_up: hang_up.clone(),
        }))
        .await
        .is_err()
    {
        return;
    }
    let write = async {
        while let Some(message) = outgoing.recv().await {
            let frame = bytes::Bytes::from(message.encode_to_vec());
            match tokio::time::timeout(WRITE_DEADLINE, sink.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return tracing::info!(%error, "boothd is gone"),
                Err(_) => return tracing::warn!("boothd does not read; dropping the connection"),
            }
        }
    };
    let read = async {
        while let Some(frame) = frames.next().await {
            let message = match frame.map(ToWorker::decode) {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => return tracing::warn!(%error, "a frame from boothd is damaged"),
                Err(error) => return tracing::info!(%error, "boothd is gone"),
            };
            if events
                .send(LinkEvent::Message(Box::new(message)))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
        () = hang_up.notified() => {}
    }
}
