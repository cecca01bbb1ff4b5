//! Hands a publisher's media over to its channel's worker, who may restart without the publisher noticing.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use booth_stream::wire::{self, Frame};
use booth_stream::{MediaEvent, Track};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::gate::Queue;

use crate::backoff::Backoff;
/// Between two dials: from the first, doubled up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_LAST: Duration = Duration::from_secs(1);
/// A connection that lasted this long was wanted.
const HELD: Duration = Duration::from_secs(5);
/// A worker that takes nothing for this long is dialled anew.
const STALLED: Duration = Duration::from_secs(10);
/// What waits is written at once, up to about this much.
const BATCH: usize = 64 << 10;
/// For the rest and the farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a worker that comes anew must be told.
#[derive(Default)]
struct Held {
    video: Option<MediaEvent>,
    audio: Option<MediaEvent>,
    /// It has seen no key frame yet.
    wants_key: bool,
}

impl Held {
    fn note(&mut self, event: &MediaEvent) {
        match event {
            MediaEvent::Video(_) => self.video = Some(event.clone()),
            MediaEvent::Audio(_) => self.audio = Some(event.clone()),
            MediaEvent::Unit(_) => {}
        }
    }

    /// Whether the worker has a use for it.
    fn wants(&mut self, event: &MediaEvent) -> bool {
        if let MediaEvent::Unit(unit) = event
            && unit.track == Track::Video
        {
            self.wants_key &= !unit.key;
            return !self.wants_key;
        }
        true
    }
}

/// Runs until the session has ended and all is handed over.
pub async fn forward(publisher: u64, path: PathBuf, mut queue: Queue, end: Arc<OnceLock<String>>) {
    let mut held = Held::default();
    let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_LAST);
    loop {
        let Some(mut stream) = dial(&path, &mut queue, &mut held, &mut backoff).await else {
            return;
        };
        let begin = Instant::now();
        held.wants_key = true;
        let mut out = BytesMut::new();
        put(&mut out, &Frame::Hello { publisher });
        for config in [&held.video, &held.audio].into_iter().flatten() {
            put(&mut out, &Frame::Event(config.clone()));
        }
        match hand_over(&mut stream, &mut queue, &mut held, out).await {
            Ok(()) => {
                let reason = end.get().cloned().unwrap_or_else(|| "it failed".to_owned());
                let mut out = BytesMut::new();
                put(&mut out, &Frame::End { reason });
                if !matches!(timeout(FAREWELL, stream.write_all(&out)).await, Ok(Ok(()))) {
                    tracing::debug!(publisher, "the channel's worker did not hear of the end");
                }
                return;
            }
            Err(error) => {
                tracing::info!(publisher, %error, "the channel's worker is gone");
            }
        }
        if begin.elapsed() >= HELD {
            backoff.succeed();
        }
    }
}

/// Dials until somebody is there; meanwhile what the session sends is left out. `None` when that has ended.
async fn dial(
    path: &std::path::Path,
    queue: &mut Queue,
    held: &mut Held,
    backoff: &mut Backoff,
) -> Option<UnixStream> {
    loop {
        if let Ok(stream) = UnixStream::connect(path).await {
            return Some(stream);
        }
        let pause = sleep(backoff.pause());
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                event = queue.next() => held.note(&event?),
            }
        }
    }
}

/// `Ok` when the session has ended.
async fn hand_over(
    stream: &mut UnixStream,
    queue: &mut Queue,
    held: &mut Held,
    mut out: BytesMut,
) -> std::io::Result<()> {
    loop {
        if !out.is_empty() {
            match timeout(STALLED, stream.write_all_buf(&mut out)).await {
                Ok(written) => written?,
                Err(_) => return Err(std::io::ErrorKind::TimedOut.into()),
            }
            // A large key frame does not hold its memory for ever.
            if out.capacity() > 2 * BATCH {
                out = BytesMut::new();
            }
        }
        let Some(event) = queue.next().await else {
            return Ok(());
        };
        let mut next = Some(event);
        while let Some(event) = next {
            held.note(&event);
            if held.wants(&event) {
                put(&mut out, &Frame::Event(event));
            }
            if out.len() >= BATCH {
                break;
            }
            next = queue.waiting();
        }
    }
}

fn put(out: &mut BytesMut, frame: &Frame) {
    if let Err(error) = wire::encode(frame, out) {
        tracing::warn!(%error, "a unit cannot be handed over");
    }
}
