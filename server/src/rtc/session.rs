//! One session: from the answer to the last packet. Its task turns what arrives into facts, and wishes into RTCP.
//!
//! ```text
//!            packets            silence, or a track less or more
//!  ANSWERED ─────────▶ UP(id) ◀───────────────────────────────▶ DOWN(id)
//!      │ nothing in 30 s   │ failed, replaced, DELETE, call ended    │ silent for 60 s
//!      └───────────────────┴──────────────▶ CLOSED ◀────────────────┘
//! ```
//!
//! Loss is decided by packets that stay away. `disconnected` of ICE recovers by itself and means nothing here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::{CallerId, SessionId, Timestamp};
use booth_proto::worker::{Source, Track};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::bus::Bus;
use super::engine::{AudioPacket, Peer};
use super::ingest::{LaneView, Shared, View};
use super::ports::Lease;
use super::{Party, receive};
use crate::relay::{SourceRx, VideoWant};
use crate::secrets;
use crate::server::Rooms;

/// After the first track's first packet the other one gets this long to appear, so that most sessions open once.
const OTHER_TRACK: Duration = Duration::from_secs(1);
/// Tracks that change are a new source at most this often: each is a fact that the ledger keeps. Until then packets go to
/// the old one, and the next look after it opens the new one.
const RENEW_EVERY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);
const QUALITY_EVERY: Duration = Duration::from_secs(1);
/// Key frames are asked for at most twice a second.
const KEYFRAME_EVERY: Duration = Duration::from_millis(500);
/// What a client that we can only reach by RTCP may send while nobody looks, and else, in all.
const LOW_BITS: u64 = 200_000;
const FULL_BITS: u64 = 3_000_000;
/// A client that steers itself loses its stream now and then; only one that has none for this long is told by RTCP, as a
/// sender that was limited takes a while to find its rate again.
const UNSTEERED: Duration = Duration::from_secs(10);
/// A REMB is repeated, as it may be lost; senders forget it after a while.
const LIMIT_EVERY: Duration = Duration::from_secs(1);

/// A session as the WHIP door knows it.
#[derive(Debug)]
pub(super) struct Session {
    /// The unguessable last part of its URL.
    pub token: String,
    pub party: Party,
    pub cancel: CancellationToken,
    /// Closed once everything is.
    pub ended: CancellationToken,
    pub negotiation: tokio::sync::Mutex<Negotiation>,
    pub peer: PeerCell,
}

#[derive(Debug)]
pub(super) struct Negotiation {
    pub etag: String,
    pub ufrag: String,
    /// The client's last offer, for restarts.
    pub offer: String,
    pub candidates: usize,
}

/// Wraps the peer for `Debug`.
#[derive(Clone)]
pub(super) struct PeerCell(pub Arc<dyn Peer>);

impl std::fmt::Debug for PeerCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peer")
    }
}

/// What a session's task works with.
pub(super) struct Work {
    pub session: Arc<Session>,
    pub rooms: Rooms,
    pub ingest: Shared,
    pub audio: bool,
    pub video: bool,
    pub bus: Box<dyn Bus>,
    pub steered: Steered,
    pub lease: Lease,
}

/// What is said to callers who steer their own video (our page): see [`super::Rtc::steer`].
pub(super) type Steered = Arc<dyn Fn(&CallerId, Option<VideoWant>) -> bool + Send + Sync>;

/// Ends with everything closed and said.
pub(super) async fn run(work: Work) {
    let Work {
        session,
        rooms,
        ingest,
        audio,
        video,
        bus,
        steered,
        lease,
    } = work;
    let peer = Arc::clone(&session.peer.0);
    let playing = tokio::spawn(play(bus, Arc::clone(&peer), session.cancel.clone()));
    let mut task = Task {
        party: session.party.clone(),
        rooms,
        ingest,
        peer: Arc::clone(&peer),
        steered,
        offered: (audio, video),
        start: Instant::now(),
        silent_since: None,
        open: None,
        opened_at: None,
        reported: None,
        quality_at: Instant::now(),
        rtt: Arc::default(),
        keyframe_at: None,
        keyframe_due: false,
        limit_at: None,
        limited: false,
        steered_at: Instant::now(),
    };
    let why = task.live(&session.cancel).await;
    tracing::debug!(party = %session.party, why, "session closes");
    session.cancel.cancel();
    task.end(why).await;
    peer.close().await;
    let _ = playing.await;
    // Only now is the port nobody's.
    drop(lease);
    session.ended.cancel();
}

/// Sends the return track until it ends.
async fn play(mut bus: Box<dyn Bus>, peer: Arc<dyn Peer>, cancel: CancellationToken) {
    let start: [u8; 6] = secrets::random().unwrap_or_default();
    let mut sequence = u16::from_be_bytes([start[0], start[1]]);
    let mut timestamp = u32::from_be_bytes([start[2], start[3], start[4], start[5]]);
    loop {
        let frame = tokio::select! {
            () = cancel.cancelled() => return,
            frame = bus.next() => frame,
        };
        let Some(frame) = frame else { return };
        timestamp = timestamp.wrapping_add(frame.advance);
        sequence = sequence.wrapping_add(1);
        let packet = AudioPacket {
            data: frame.data,
            sequence,
            timestamp,
            marker: frame.marker,
        };
        if !peer.send_audio(packet).await {
            return;
        }
    }
}

#[derive(Debug)]
struct Open {
    id: SessionId,
    audio: Option<Track>,
    video: Option<Track>,
    rx: SourceRx,
}

struct Task {
    party: Party,
    rooms: Rooms,
    ingest: Shared,
    peer: Arc<dyn Peer>,
    steered: Steered,
    offered: (bool, bool),
    start: Instant,
    silent_since: Option<Instant>,
    open: Option<Open>,
    opened_at: Option<Instant>,
    /// What the director was told last.
    reported: Option<(SessionId, bool, bool)>,
    quality_at: Instant,
    rtt: Arc<Mutex<f64>>,
    keyframe_at: Option<Instant>,
    keyframe_due: bool,
    limit_at: Option<Instant>,
    limited: bool,
    steered_at: Instant,
}

enum Wish {
    Look,
    Keyframe,
    Want,
    Cancelled,
}

impl Task {
    /// Until there is a reason to close.
    async fn live(&mut self, cancel: &CancellationToken) -> &'static str {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ingest = Arc::clone(&self.ingest);
            let wish = tokio::select! {
                () = cancel.cancelled() => Wish::Cancelled,
                () = ingest.wake.notified() => Wish::Look,
                _ = tick.tick() => Wish::Look,
                wish = asked(self.open.as_mut().map(|open| &mut open.rx)) => wish,
            };
            match wish {
                Wish::Cancelled => return "asked to",
                Wish::Keyframe => self.keyframe_due = true,
                Wish::Want => self.limit_at = None,
                Wish::Look => {}
            }
            let now = Instant::now();
            let view = self.ingest.view();
            if let Some(why) = self.over(&view, now) {
                return why;
            }
            self.reopen(&view, now);
            self.report(&view, now).await;
            self.ask_keyframe(now).await;
            self.say_want(now).await;
            self.measure(&view, now);
        }
    }

    /// Why the session is over, if it is.
    fn over(&mut self, view: &View, now: Instant) -> Option<&'static str> {
        if self.ingest.has_failed() {
            return Some("the connection failed");
        }
        if self.ingest.is_unsteady() {
            return Some("its tracks change all the time");
        }
        let last = [&view.audio, &view.video]
            .into_iter()
            .flatten()
            .map(|lane| lane.last)
            .max();
        let Some(last) = last else {
            return (now.saturating_duration_since(self.start) > self.party.never())
                .then_some("nothing ever arrived");
        };
        self.silent_since = Some(last);
        (now.saturating_duration_since(last) > self.party.given_up())
            .then_some("silent for too long")
    }

    fn alive(&self, lane: Option<&LaneView>, now: Instant) -> bool {
        let silence = Duration::from_millis(self.rooms.config.rtc.silence_ms);
        lane.is_some_and(|lane| now.saturating_duration_since(lane.last) < silence)
    }

    /// Opens the source when its tracks are known, and again, under another id, when they change.
    fn reopen(&mut self, view: &View, now: Instant) {
        let tracks = (view.audio.as_ref(), view.video.as_ref());
        let settled = match tracks {
            (None, None) => false,
            (Some(_), Some(_)) => true,
            (Some(lane), None) => {
                !self.offered.1 || now.saturating_duration_since(lane.first) >= OTHER_TRACK
            }
            (None, Some(lane)) => {
                !self.offered.0 || now.saturating_duration_since(lane.first) >= OTHER_TRACK
            }
        };
        let of = |lane: Option<&LaneView>| lane.map(|lane| lane.track.clone());
        let (audio, video) = (of(tracks.0), of(tracks.1));
        let same = self
            .open
            .as_ref()
            .is_some_and(|open| open.audio == audio && open.video == video);
        // A first track of its kind is no change, and there are only two.
        let more = self.open.as_ref().is_some_and(|open| {
            (open.audio.is_none() && audio.is_some()) || (open.video.is_none() && video.is_some())
        });
        let rested = self
            .opened_at
            .is_none_or(|at| more || now.saturating_duration_since(at) >= RENEW_EVERY);
        if !settled || same || !rested {
            return;
        }
        let Ok(id) = session_id(self.rooms.clock.now()) else {
            return;
        };
        let source = Source {
            caller: self.party.to_string(),
            session: id.0,
            audio: audio.clone(),
            video: video.clone(),
        };
        let (tx, rx) = self.party.open(&self.rooms.hub, source);
        self.ingest.open(Some(tx));
        self.opened_at = Some(now);
        self.open = Some(Open {
            id,
            audio,
            video,
            rx,
        });
        self.limit_at = None;
    }

    /// Tells the director what has changed.
    async fn report(&mut self, view: &View, now: Instant) {
        let Some(open) = &self.open else { return };
        let (audio, video) = (
            open.audio.is_some() && self.alive(view.audio.as_ref(), now),
            open.video.is_some() && self.alive(view.video.as_ref(), now),
        );
        let current = (audio || video).then_some((open.id, audio, video));
        if current == self.reported {
            return;
        }
        let was = self.reported.map_or(open.id, |(session, ..)| session);
        self.reported = current;
        let Some(fact) = self.party.media(current, was) else {
            return;
        };
        tracing::debug!(party = %self.party, ?fact, "media");
        self.rooms.director.fact(fact).await;
    }

    async fn ask_keyframe(&mut self, now: Instant) {
        let rested = self
            .keyframe_at
            .is_none_or(|at| now.saturating_duration_since(at) >= KEYFRAME_EVERY);
        if self.keyframe_due && rested {
            (self.keyframe_due, self.keyframe_at) = (false, Some(now));
            self.peer.request_keyframe().await;
        }
    }

    /// Our page hears of the want on its events stream; others are told by REMB.
    async fn say_want(&mut self, now: Instant) {
        let Some(open) = &self.open else { return };
        // An encoder sends what its operator has set.
        let Some(caller) = self.party.caller() else {
            return;
        };
        let want = *open.rx.want.borrow();
        if (self.steered)(caller, Some(want)) {
            self.steered_at = now;
        }
        let steers = now.saturating_duration_since(self.steered_at) < UNSTEERED;
        let said = self
            .limit_at
            .is_some_and(|at| now.saturating_duration_since(at) < LIMIT_EVERY);
        if steers || said {
            return;
        }
        self.limit_at = Some(now);
        match want {
            VideoWant::Low => self.peer.limit_bitrate(LOW_BITS).await,
            // Only what was limited has to be let go.
            VideoWant::Full if self.limited => self.peer.limit_bitrate(FULL_BITS).await,
            VideoWant::Full => {}
        }
        self.limited |= want == VideoWant::Low;
    }

    /// Quality, once a second.
    fn measure(&mut self, view: &View, now: Instant) {
        let span = now.saturating_duration_since(self.quality_at);
        if span < QUALITY_EVERY {
            return;
        }
        self.quality_at = now;
        let (peer, rtt) = (Arc::clone(&self.peer), Arc::clone(&self.rtt));
        tokio::spawn(async move {
            if let Some(measured) = peer.rtt().await {
                *rtt.lock().unwrap_or_else(PoisonError::into_inner) =
                    measured.as_secs_f64() * 1_000.0;
            }
        });
        let (audio, video) = self.ingest.take(span);
        let both: Vec<_> = [audio, video].into_iter().flatten().collect();
        let (loss, rtt_ms) = (
            receive::loss(&both),
            *self.rtt.lock().unwrap_or_else(PoisonError::into_inner),
        );
        // Video's frames leave in bursts, which is no fault of the network: audio tells better.
        let jitter_ms = audio.or(video).map_or(0.0, |interval| interval.jitter_ms);
        let arriving = self.alive(view.audio.as_ref(), now) || self.alive(view.video.as_ref(), now);
        let audible = self.alive(view.audio.as_ref(), now);
        let Some(caller) = self.party.caller() else {
            return;
        };
        self.rooms.meters.caller(caller, |meter| {
            meter.rtt_ms = rtt_ms;
            meter.loss = loss;
            meter.jitter_ms = jitter_ms;
            meter.receive_rate_kbps = both.iter().map(|interval| interval.rate_kbps).sum();
            meter.score = receive::score(rtt_ms, loss, jitter_ms, arriving);
            meter.fps = video.map_or(0.0, |interval| interval.fps);
            if !audible {
                (meter.level_dbfs, meter.clipping) = (-127.0, false);
            }
        });
    }

    async fn end(&mut self, why: &str) {
        let reported = self.reported.take().map(|(session, ..)| session);
        if let Some(fact) = self.party.closed(reported, why) {
            self.rooms.director.fact(fact).await;
        }
        self.ingest.open(None);
        self.open = None;
        if let Some(caller) = self.party.caller() {
            (self.steered)(caller, None);
        }
    }
}

/// The next wish of a worker; never, while there is no source.
async fn asked(rx: Option<&mut SourceRx>) -> Wish {
    let Some(rx) = rx else {
        return std::future::pending().await;
    };
    tokio::select! {
        Some(()) = rx.keyframe.recv() => Wish::Keyframe,
        Ok(()) = changed(&mut rx.want) => Wish::Want,
        else => std::future::pending().await,
    }
}

async fn changed(want: &mut watch::Receiver<VideoWant>) -> Result<(), watch::error::RecvError> {
    want.changed().await
}

/// Ids rise with time, over restarts too: of two sessions of a caller the later one counts. Milliseconds, then random
/// bits; 63 bits in all, so that every reader can hold it.
pub(super) fn session_id(now: Timestamp) -> Result<SessionId, secrets::SecretError> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let random = u64::from(u32::from_be_bytes(secrets::random::<4>()?) >> 12);
    let wanted = (u64::try_from(now.0).unwrap_or(0).min(1 << 43) << 20) | random;
    let last = LAST.fetch_max(wanted, Ordering::AcqRel);
    if wanted > last {
        return Ok(SessionId(wanted));
    }
    Ok(SessionId(LAST.fetch_add(1, Ordering::AcqRel) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_rise_even_within_a_millisecond_or_when_the_clock_jumps_back() {
        let ids: Vec<_> = [5_000, 5_000, 5_000, 4_000, 6_000]
            .map(|ms| session_id(Timestamp(ms)).unwrap())
            .into();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}
