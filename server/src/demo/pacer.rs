//! One task sends everybody's packets when they are due.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_proto::worker::Medium;
use futures_util::FutureExt as _;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::media::{AUDIO_PACKET, Media};
use super::publisher::{Outgoing, Publisher};

/// Callers start on a grid, so that packets are due together and one wake-up serves many.
const GRID: Duration = Duration::from_millis(5);
/// A key frame was sent this short a time ago: whoever asks has it on the way.
const KEY_FRESH: Duration = Duration::from_millis(400);

/// A caller's place at the pacer, shared with the task that keeps them connected.
#[derive(Debug)]
pub(super) struct Lane {
    pub media: Media,
    publisher: Mutex<Option<Arc<Publisher>>>,
    /// Another connection than before: it needs a key frame first.
    fresh: AtomicBool,
    /// Whether the whole video is wanted, or key frames only.
    full: AtomicBool,
}

impl Lane {
    pub fn new(media: Media) -> Self {
        Self {
            media,
            publisher: Mutex::default(),
            fresh: AtomicBool::new(true),
            full: AtomicBool::new(false),
        }
    }

    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Release);
    }

    pub fn set_publisher(&self, publisher: Option<Arc<Publisher>>) {
        self.fresh.store(true, Ordering::Release);
        *self
            .publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = publisher;
    }

    fn publisher(&self) -> Option<Arc<Publisher>> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Where a lane is in its own time.
struct Track {
    lane: Arc<Lane>,
    /// When its time was 0.
    epoch: Instant,
    /// Time jumped over; RTP timestamps do not show it.
    skipped: Duration,
    audio: u64,
    video: u64,
    audio_sequence: u16,
    video_sequence: u16,
    /// Pictures are held back until the next key frame.
    need_key: bool,
    key_at: Option<Instant>,
    talked: bool,
}

pub(super) struct Pacer {
    tracks: Vec<Track>,
    mouth_log: bool,
}

impl Pacer {
    pub fn new(mouth_log: bool) -> Self {
        Self {
            tracks: Vec::new(),
            mouth_log,
        }
    }

    pub fn add(&mut self, lane: Arc<Lane>) {
        let offset = GRID * u32::try_from(self.tracks.len() % 4).unwrap_or(0);
        self.tracks.push(Track {
            lane,
            epoch: Instant::now() + offset,
            skipped: Duration::ZERO,
            audio: 0,
            video: 0,
            // As in the life of a long call: soon they wrap.
            audio_sequence: 65_000,
            video_sequence: 64_000,
            need_key: true,
            key_at: None,
            talked: false,
        });
    }

    pub async fn run(mut self, stop: CancellationToken) {
        let start = Instant::now() + GRID;
        for (i, track) in self.tracks.iter_mut().enumerate() {
            track.epoch = start + GRID * u32::try_from(i % 4).unwrap_or(0);
        }
        let mut due: BTreeSet<(Instant, usize, bool)> = BTreeSet::new();
        for (i, track) in self.tracks.iter().enumerate() {
            due.insert((track.epoch, i, false));
            if !track.lane.media.video.is_empty() {
                due.insert((track.epoch, i, true));
            }
        }
        while let Some((at, i, video)) = due.pop_first() {
            let now = Instant::now();
            if at > now {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep_until(at) => {}
                }
            } else if stop.is_cancelled() {
                return;
            }
            let mouth_log = self.mouth_log;
            let Some(track) = self.tracks.get_mut(i) else {
                continue;
            };
            if video {
                if track.jump(at) {
                    track.say(mouth_log);
                    // The sound jumps along.
                    due.retain(|(_, other, video)| *other != i || *video);
                    due.insert((track.audio_due(), i, false));
                }
                track.send_video();
                due.insert((track.video_due(), i, true));
            } else {
                if !track.talked && track.lane.publisher().is_some() {
                    track.talked = true;
                    track.say(mouth_log);
                }
                track.send_audio();
                due.insert((track.audio_due(), i, false));
            }
        }
    }
}

impl Track {
    fn audio_at(&self) -> Duration {
        AUDIO_PACKET * u32::try_from(self.audio).unwrap_or(0)
    }

    fn audio_due(&self) -> Instant {
        self.epoch + self.audio_at()
    }

    /// Place of the `n`-th picture in the caller's time.
    fn video_at(&self, n: u64) -> Duration {
        let media = &self.lane.media;
        let count = u64::try_from(media.video.len()).unwrap_or(1).max(1);
        let (round, index) = (n / count, usize::try_from(n % count).unwrap_or(0));
        let at = media
            .video
            .get(index)
            .map_or(Duration::ZERO, |picture| picture.at);
        media.length * u32::try_from(round).unwrap_or(0) + at
    }

    fn video_due(&self) -> Instant {
        self.epoch + self.video_at(self.video)
    }

    /// Goes on at the next key frame when one is wanted and none is on its way. Picture and sound stay together.
    fn jump(&mut self, now: Instant) -> bool {
        let Some(publisher) = self.lane.publisher() else {
            return false;
        };
        let asked =
            publisher.take_keyframe_wanted() || self.lane.fresh.swap(false, Ordering::AcqRel);
        let fresh = self
            .key_at
            .is_some_and(|at| now.saturating_duration_since(at) < KEY_FRESH);
        if !asked || fresh {
            return false;
        }
        let media = &self.lane.media;
        let count = u64::try_from(media.video.len()).unwrap_or(1).max(1);
        let is_key = |n: &u64| {
            media
                .video
                .get(usize::try_from(n % count).unwrap_or(0))
                .is_some_and(|p| p.key)
        };
        let Some(next) = (self.video..self.video + count).find(is_key) else {
            return false;
        };
        self.need_key = true;
        if next == self.video {
            return false;
        }
        let ahead = self
            .video_at(next)
            .saturating_sub(self.video_at(self.video));
        let at = self.video_at(next);
        let Some(epoch) = self.epoch.checked_sub(ahead) else {
            return false;
        };
        (self.epoch, self.video) = (epoch, next);
        self.skipped += ahead;
        self.audio = u64::try_from(at.as_millis().div_ceil(AUDIO_PACKET.as_millis())).unwrap_or(0);
        true
    }

    fn send_video(&mut self) {
        let (at, n) = (self.video_at(self.video), self.video);
        self.video += 1;
        let lane = Arc::clone(&self.lane);
        let Some(publisher) = lane.publisher() else {
            return;
        };
        let count = u64::try_from(lane.media.video.len()).unwrap_or(1).max(1);
        let Some(picture) = lane
            .media
            .video
            .get(usize::try_from(n % count).unwrap_or(0))
        else {
            return;
        };
        if picture.key {
            (self.need_key, self.key_at) = (false, Some(Instant::now()));
        } else if self.need_key || !lane.full.load(Ordering::Acquire) {
            // Nobody looks: a picture a second. What follows a gap cannot be decoded before the next key frame.
            self.need_key = true;
            return;
        }
        let timestamp = ticks(at.saturating_sub(self.skipped), 90_000);
        for (i, payload) in picture.payloads.iter().enumerate() {
            let out = Outgoing {
                medium: Medium::Video,
                sequence: self.video_sequence,
                timestamp,
                marker: i + 1 == picture.payloads.len(),
                payload: payload.clone(),
                level: None,
            };
            self.video_sequence = self.video_sequence.wrapping_add(1);
            // A connection that takes nothing now loses a packet and holds nobody up.
            let _ = publisher.send(out).now_or_never();
        }
    }

    fn send_audio(&mut self) {
        let (at, n) = (self.audio_at(), self.audio);
        self.audio += 1;
        let lane = Arc::clone(&self.lane);
        let Some(publisher) = lane.publisher() else {
            return;
        };
        let count = u64::try_from(lane.media.audio.len()).unwrap_or(1).max(1);
        let Some(payload) = lane
            .media
            .audio
            .get(usize::try_from(n % count).unwrap_or(0))
        else {
            return;
        };
        let out = Outgoing {
            medium: Medium::Audio,
            sequence: self.audio_sequence,
            timestamp: ticks(at.saturating_sub(self.skipped), 48_000),
            marker: n == 0,
            payload: payload.clone(),
            level: Some(Media::level(at)),
        };
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        let _ = publisher.send(out).now_or_never();
    }

    /// When the counter of this caller was 0, by the machine's monotonic clock, and how long its loop is.
    fn say(&self, mouth_log: bool) {
        if !mouth_log {
            return;
        }
        let now = clock_gettime(ClockId::Monotonic);
        let now_ns = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        let age = Instant::now()
            .saturating_duration_since(self.epoch)
            .as_nanos();
        let ahead = self
            .epoch
            .saturating_duration_since(Instant::now())
            .as_nanos();
        let signed = |ns: u128| i128::try_from(ns).unwrap_or(0);
        let zero = i64::try_from(now_ns - signed(age) + signed(ahead)).unwrap_or(0);
        let line = json!({
            "id": self.lane.media.id,
            "caller": self.lane.media.number,
            "counter0_monotonic_ns": zero,
            "loop_ns": u64::try_from(self.lane.media.length.as_nanos()).unwrap_or(0),
            "from_monotonic_ns": i64::try_from(now_ns).unwrap_or(0),
        });
        println!("{line}");
    }
}

/// RTP time, wrapped; starts just before the wrap, as in the life of a long call.
fn ticks(at: Duration, rate: u64) -> u32 {
    let ticks = at.as_nanos() * u128::from(rate) / 1_000_000_000;
    let low = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
    (u32::MAX - 900_000).wrapping_add(low)
}
