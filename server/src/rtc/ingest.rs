//! Where a session's packets arrive: counted, measured, and handed to the relay. Called on the stack's tasks, so nothing
//! here waits for more than a lock held for a copy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::CallerId;
use booth_proto::worker::{Medium, Track};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::engine::{Rtp, Sink};
use super::receive::{Interval, Receive};
use crate::meters::Meters;
use crate::relay::SourceTx;

/// Levels are published at most this often (15 Hz), with the loudest packet since.
const LEVEL_EVERY: Duration = Duration::from_millis(66);
/// A track that changes more often than this within a minute is no camera's or microphone's doing.
const CHANGES_MAX: u32 = 30;
const CHANGES_WITHIN: Duration = Duration::from_secs(60);
/// RFC 6464: at −1 dBov or above the sound is at its limit.
const CLIPPING: u8 = 1;

#[derive(Debug)]
pub(super) struct Ingest {
    /// Whose levels are shown; nobody's, for a publisher.
    caller: Option<CallerId>,
    start: Instant,
    meters: Meters,
    inner: Mutex<Inner>,
    failed: AtomicBool,
    unsteady: AtomicBool,
    /// A track appeared or changed, the first packet after a silence came, or the connection failed.
    pub wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    audio: Option<Lane>,
    video: Option<Lane>,
    source: Option<SourceTx>,
    loudest: Option<u8>,
    level_at: Option<Instant>,
    /// Changes of a known track since then.
    changes: Option<(Instant, u32)>,
    /// Fewest milliseconds between packets after which the session's task wants to know of the next one.
    silence: Duration,
}

/// One track.
#[derive(Debug)]
struct Lane {
    track: Track,
    receive: Receive,
    first: Instant,
    last: Instant,
}

/// What the session's task decides by.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub audio: Option<LaneView>,
    pub video: Option<LaneView>,
}

#[derive(Debug, Clone)]
pub(super) struct LaneView {
    pub track: Track,
    pub first: Instant,
    pub last: Instant,
}

impl Ingest {
    pub fn new(caller: Option<CallerId>, meters: Meters, silence: Duration) -> Self {
        Self {
            caller,
            start: Instant::now(),
            meters,
            inner: Mutex::new(Inner {
                silence,
                ..Inner::default()
            }),
            failed: AtomicBool::new(false),
            unsteady: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Whether the tracks change so often that nobody could follow.
    pub fn is_unsteady(&self) -> bool {
        self.unsteady.load(Ordering::Acquire)
    }

    pub fn view(&self) -> View {
        let view = |lane: &Lane| LaneView {
            track: lane.track.clone(),
            first: lane.first,
            last: lane.last,
        };
        self.with(|inner| View {
            audio: inner.audio.as_ref().map(view),
            video: inner.video.as_ref().map(view),
        })
    }

    /// From now on packets go to this source; the one before is closed.
    pub fn open(&self, source: Option<SourceTx>) {
        let before = self.with(|inner| std::mem::replace(&mut inner.source, source));
        // Dropped outside of the lock: it takes the hub's.
        drop(before);
    }

    /// Statistics since the last call: audio, video.
    pub fn take(&self, span: Duration) -> (Option<Interval>, Option<Interval>) {
        let take = |lane: &mut Option<Lane>| lane.as_mut().map(|lane| lane.receive.take(span));
        self.with(|inner| (take(&mut inner.audio), take(&mut inner.video)))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn lane(&mut self, medium: Medium) -> &mut Option<Lane> {
        if medium == Medium::Video {
            &mut self.video
        } else {
            &mut self.audio
        }
    }

    /// Notes one more change; says whether they are too many.
    fn changed(&mut self, now: Instant) -> bool {
        let (since, count) = self
            .changes
            .filter(|(since, _)| now.saturating_duration_since(*since) < CHANGES_WITHIN)
            .unwrap_or((now, 0));
        self.changes = Some((since, count + 1));
        count >= CHANGES_MAX
    }

    /// The level to publish, when it is time to.
    fn level(&mut self, level: Option<u8>, now: Instant) -> Option<u8> {
        // −dBov: the smaller, the louder.
        let level = level?;
        let loudest = self.loudest.map_or(level, |known| known.min(level));
        self.loudest = Some(loudest);
        if self
            .level_at
            .is_some_and(|at| now.saturating_duration_since(at) < LEVEL_EVERY)
        {
            return None;
        }
        self.level_at = Some(now);
        self.loudest.take()
    }
}

impl Sink for Ingest {
    fn track(&self, medium: Medium, track: Track) {
        let now = Instant::now();
        let lane = Lane {
            receive: Receive::new(track.clock_rate),
            track,
            first: now,
            last: now,
        };
        let too_many = self.with(|inner| {
            let known = inner.lane(medium).replace(lane).is_some();
            known && inner.changed(now)
        });
        if too_many {
            self.unsteady.store(true, Ordering::Release);
        }
        self.wake.notify_one();
    }

    fn rtp(&self, packet: &Rtp<'_>) {
        let now = Instant::now();
        let at = now.saturating_duration_since(self.start);
        let (level, back) = self.with(|inner| {
            let silence = inner.silence;
            let Some(lane) = inner.lane(packet.medium) else {
                return (None, false);
            };
            lane.receive.arrive(
                at,
                packet.sequence,
                packet.timestamp,
                packet.size,
                packet.marker,
            );
            let back = now.saturating_duration_since(lane.last) >= silence;
            lane.last = now;
            if let Some(source) = inner.source.as_ref().filter(|source| source.wanted())
                && let Some(bytes) = (packet.bytes)()
            {
                source.send(packet.medium, false, bytes);
            }
            let level = if packet.medium == Medium::Audio {
                inner.level(packet.level, now)
            } else {
                None
            };
            (level, back)
        });
        if back {
            self.wake.notify_one();
        }
        if let (Some(level), Some(caller)) = (level, &self.caller) {
            self.meters.caller(caller, |meter| {
                meter.level_dbfs = -f32::from(level);
                meter.clipping = level <= CLIPPING;
            });
        }
    }

    fn sender_report(&self, ssrc: u32, data: Bytes) {
        self.with(|inner| {
            let is =
                |lane: &Option<Lane>| lane.as_ref().is_some_and(|lane| lane.track.ssrc == ssrc);
            let medium = if is(&inner.audio) {
                Medium::Audio
            } else if is(&inner.video) {
                Medium::Video
            } else {
                return;
            };
            if let Some(source) = &inner.source {
                source.send(medium, true, data);
            }
        });
    }

    fn failed(&self) {
        self.failed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// The stack and the session's task hold it together.
pub(super) type Shared = Arc<Ingest>;
