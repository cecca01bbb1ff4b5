//! From the programme to its outputs: each has a bounded queue of its own, and one that does not keep up loses its own
//! pictures up to a key frame. Nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Nanos, SECOND, Track, VideoConfig};
use tokio::sync::Notify;

/// A queue's bounds. Four seconds bridge a planned reconnect or a hiccup of the network and are soon made up for;
/// beyond them the newest is worth more to viewers than all of it.
const QUEUE_TIME: Nanos = 4 * SECOND;
/// Four seconds at 16 Mb/s: what one output may cost in memory, whatever the programme's rate.
const QUEUE_BYTES: usize = 8 << 20;
/// Four seconds of 60 pictures and 47 AAC frames are 428 units; whatever the times say, there are no more than these.
const QUEUE_UNITS: usize = 512;

/// The sending ends, and what a newcomer has to be told first.
#[derive(Debug, Default)]
pub struct Fanout {
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    outlets: Vec<Arc<Outlet>>,
}

impl Fanout {
    /// A new output. It begins at the next key frame, with both configurations before it.
    pub fn attach(&mut self) -> Queue {
        let outlet = Arc::new(Outlet::default());
        self.outlets.push(Arc::clone(&outlet));
        Queue(outlet)
    }

    /// Hands `event` to all outputs. Outputs whose [`Queue`] is gone are forgotten.
    pub fn send(&mut self, event: &MediaEvent) {
        match event {
            MediaEvent::Video(config) => self.video = Some(Arc::clone(config)),
            MediaEvent::Audio(config) => self.audio = Some(Arc::clone(config)),
            MediaEvent::Unit(_) => {}
        }
        // The other holder of an outlet is its queue.
        self.outlets.retain(|outlet| Arc::strong_count(outlet) > 1);
        for outlet in &self.outlets {
            outlet.push(event, self.video.as_ref(), self.audio.as_ref());
        }
    }
}

#[derive(Debug, Default)]
struct Outlet {
    /// Held for a push or a pop only.
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug)]
struct State {
    events: VecDeque<MediaEvent>,
    bytes: usize,
    at: Position,
    /// What is lost counts: there is a session that misses it.
    counting: bool,
    dropped: u64,
}

/// Where an output is in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// It wants nothing now.
    Paused,
    /// It begins at the next key frame.
    Beginning,
    /// It lost the thread, and goes on at the next key frame.
    Lost,
    Following,
}

impl Default for State {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            at: Position::Beginning,
            counting: false,
            dropped: 0,
        }
    }
}

impl Outlet {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(
        &self,
        event: &MediaEvent,
        video: Option<&Arc<VideoConfig>>,
        audio: Option<&Arc<AudioConfig>>,
    ) {
        let mut state = self.lock();
        let key = is_key_picture(event);
        if state.at == Position::Following && state.overflows(event) {
            let lost = state
                .events
                .iter()
                .filter(|event| is_picture(event))
                .count();
            state.lose(lost as u64);
            state.clear();
            state.at = Position::Lost;
        }
        match state.at {
            Position::Following => {}
            Position::Beginning | Position::Lost if key => {
                let configs = [
                    video.map(|config| MediaEvent::Video(Arc::clone(config))),
                    audio.map(|config| MediaEvent::Audio(Arc::clone(config))),
                ];
                state.events.extend(configs.into_iter().flatten());
                state.at = Position::Following;
            }
            Position::Lost => {
                state.lose(u64::from(is_picture(event)));
                return;
            }
            Position::Beginning | Position::Paused => return,
        }
        state.bytes += size(event);
        state.events.push_back(event.clone());
        drop(state);
        self.filled.notify_one();
    }
}

impl State {
    fn lose(&mut self, pictures: u64) {
        if self.counting {
            self.dropped += pictures;
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }

    fn overflows(&self, event: &MediaEvent) -> bool {
        let first = self.events.iter().find_map(unit);
        let long = first
            .zip(unit(event))
            .is_some_and(|(first, last)| last.dts - first.dts > QUEUE_TIME);
        long || self.bytes + size(event) > QUEUE_BYTES || self.events.len() >= QUEUE_UNITS
    }
}

/// The receiving end, of one output.
#[derive(Debug)]
pub struct Queue(Arc<Outlet>);

impl Queue {
    /// The next event if there is one.
    pub fn take(&self) -> Option<MediaEvent> {
        let mut state = self.0.lock();
        let event = state.events.pop_front()?;
        state.bytes -= size(&event);
        Some(event)
    }

    /// Whether the next unit is a key picture: where one session can end and another begin.
    pub fn at_key_picture(&self) -> bool {
        let state = self.0.lock();
        let next = state.events.iter().find(|event| unit(event).is_some());
        next.is_some_and(is_key_picture)
    }

    /// Waits until there is something to take.
    pub async fn filled(&self) {
        while self.0.lock().events.is_empty() {
            self.0.filled.notified().await;
        }
    }

    /// Throws away what is queued and takes nothing: for an output that is away.
    pub fn pause(&self) {
        let mut state = self.0.lock();
        state.clear();
        state.at = Position::Paused;
        state.counting = false;
    }

    /// Takes again what comes, from the next key frame on, after a pause.
    pub fn resume(&self) {
        let mut state = self.0.lock();
        if state.at == Position::Paused {
            state.at = Position::Beginning;
        }
    }

    /// From now on what is lost is missed.
    pub fn count(&self) {
        self.0.lock().counting = true;
    }

    /// Pictures lost because this output did not keep up.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

pub fn unit(event: &MediaEvent) -> Option<&AccessUnit> {
    match event {
        MediaEvent::Unit(unit) => Some(unit),
        MediaEvent::Video(_) | MediaEvent::Audio(_) => None,
    }
}

fn is_picture(event: &MediaEvent) -> bool {
    unit(event).is_some_and(|unit| unit.track == Track::Video)
}

fn is_key_picture(event: &MediaEvent) -> bool {
    unit(event).is_some_and(|unit| unit.track == Track::Video && unit.key)
}

fn size(event: &MediaEvent) -> usize {
    unit(event).map_or(0, |unit| unit.data.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(ms: i64, key: bool) -> MediaEvent {
        MediaEvent::Unit(AccessUnit {
            track: Track::Video,
            dts: ms * 1_000_000,
            pts: ms * 1_000_000,
            key,
            data: bytes::Bytes::from_static(&[0; 1000]),
        })
    }

    /// 25 pictures a second, a key frame each second.
    fn play(fanout: &mut Fanout, from_s: i64, to_s: i64) {
        for n in from_s * 25..to_s * 25 {
            fanout.send(&picture(n * 40, n % 25 == 0));
        }
    }

    fn first_ms(queue: &Queue) -> i64 {
        let event = queue.take().unwrap();
        unit(&event).unwrap().dts / 1_000_000
    }

    #[test]
    fn an_output_begins_at_a_key_frame_and_gets_everything_from_there() {
        let mut fanout = Fanout::default();
        play(&mut fanout, 0, 1);
        fanout.send(&picture(1000, true));
        let queue = fanout.attach();
        fanout.send(&picture(1040, false));
        assert!(queue.take().is_none());
        play(&mut fanout, 2, 3);
        assert_eq!(first_ms(&queue), 2000);
        assert_eq!(std::iter::from_fn(|| queue.take()).count(), 24);
    }

    #[test]
    fn an_output_that_does_not_keep_up_loses_its_own_pictures_up_to_a_key_frame() {
        let mut fanout = Fanout::default();
        let (slow, fast) = (fanout.attach(), fanout.attach());
        slow.count();
        fast.count();
        for second in 0..6 {
            play(&mut fanout, second, second + 1);
            assert_eq!(std::iter::from_fn(|| fast.take()).count(), 25);
        }
        // 4 s fit; the next picture is one too many, and the next key frame is at 5 s.
        assert_eq!(first_ms(&slow), 5000);
        assert_eq!((slow.dropped(), fast.dropped()), (125, 0));
    }

    #[test]
    fn pictures_that_nobody_waits_for_are_not_counted_as_dropped() {
        let mut fanout = Fanout::default();
        let queue = fanout.attach();
        play(&mut fanout, 0, 20);
        assert_eq!(queue.dropped(), 0);
        queue.pause();
        play(&mut fanout, 20, 21);
        assert!(queue.take().is_none());
        queue.resume();
        play(&mut fanout, 21, 22);
        assert_eq!(first_ms(&queue), 21_000);
    }

    #[test]
    fn a_queue_has_a_bound_in_bytes_whatever_the_times_say() {
        let mut fanout = Fanout::default();
        let queue = fanout.attach();
        let large = |key| {
            MediaEvent::Unit(AccessUnit {
                track: Track::Video,
                dts: 0,
                pts: 0,
                key,
                data: bytes::Bytes::from(vec![0; 3 << 20]),
            })
        };
        fanout.send(&large(true));
        fanout.send(&large(false));
        fanout.send(&large(false));
        assert!(queue.take().is_none());
        fanout.send(&large(true));
        assert!(queue.take().is_some());
    }

    #[test]
    fn an_output_that_is_gone_is_forgotten() {
        let mut fanout = Fanout::default();
        drop(fanout.attach());
        play(&mut fanout, 0, 1);
        assert!(fanout.outlets.is_empty());
    }
}
