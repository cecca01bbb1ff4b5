//! What the mixer takes pictures and sound from: a publisher's session, whose pictures wait for their time, and a loop,
//! which gives one per frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use booth_mix::Gain;
use booth_stream::{MILLISECOND, Nanos, SECOND};

use super::reel::Reel;
use super::voice::LiveVoice;
use crate::picture::Frame;
use crate::prepare::{SoundGrid, sample_of, time_of};

/// A live picture that is due this close to a tick may fall on either side of it.
const NEAR: Nanos = 4 * MILLISECOND;
/// Live pictures that wait: the longest delay at 60 a second, and some.
const WAITING: usize = 60;
/// Live is there if a picture was due in the last so much.
const FRESH: Nanos = 200 * MILLISECOND;
/// Pictures over which their lag is averaged.
const LAG_SMOOTHING: Nanos = 64;

/// One session of a publisher.
pub struct Live {
    /// Line time to the loop's clock.
    pub due: Arc<AtomicI64>,
    waiting: VecDeque<(Nanos, Frame)>,
    pub current: Option<Frame>,
    /// When the present picture was due, and the usual time between two.
    shown_at: Nanos,
    interval: Nanos,
    /// How much before its time a picture is taken.
    ahead: Nanos,
    /// How much after its time a picture is seen, on average, for want of a tick: the sound waits as long.
    pub lag: Option<Nanos>,
    pub voice: LiveVoice,
    pub gain: Gain,
}

impl Live {
    pub fn new(due: Arc<AtomicI64>) -> Self {
        Self {
            due,
            waiting: VecDeque::new(),
            current: None,
            shown_at: Nanos::MIN / 2,
            interval: SECOND / 30,
            ahead: 0,
            lag: None,
            voice: LiveVoice::default(),
            gain: Gain::default(),
        }
    }

    fn due(&self, at: Nanos) -> Nanos {
        at + self.due.load(Ordering::Relaxed)
    }

    pub fn push(&mut self, at: Nanos, frame: Frame) -> bool {
        if let Some((last, _)) = self.waiting.back() {
            let step = at - last;
            if (SECOND / 250..SECOND).contains(&step) {
                self.interval = (self.interval * 7 + step) / 8;
            }
        }
        let late = self.due(at) + self.interval < self.shown_at;
        self.waiting.push_back((at, frame));
        if self.waiting.len() > WAITING {
            self.waiting.pop_front();
        }
        late
    }

    /// Takes the last picture that is due; `true` if there is a new one. One that is due just at the tick would, with the
    /// least jitter, be shown twice or not at all: then the tick is moved by half an interval, until the clocks drift
    /// that far.
    pub fn advance(&mut self, now: Nanos) -> bool {
        let offset = self.due.load(Ordering::Relaxed);
        if let Some((at, _)) = self.waiting.front()
            && (at + offset - now - self.ahead).abs() < NEAR
        {
            self.ahead = if self.ahead == 0 {
                self.interval / 2
            } else {
                0
            };
        }
        let mut new = false;
        while self
            .waiting
            .front()
            .is_some_and(|(at, _)| at + offset <= now + self.ahead)
        {
            if let Some((at, frame)) = self.waiting.pop_front() {
                self.shown_at = at + offset;
                self.current = Some(frame);
                new = true;
            }
        }
        if new {
            let lag = now - self.shown_at;
            self.lag = Some(
                self.lag
                    .map_or(lag, |usual| usual + (lag - usual) / LAG_SMOOTHING),
            );
        }
        new
    }

    pub fn fresh(&self, now: Nanos) -> bool {
        self.current.is_some() && now - self.shown_at < FRESH
    }

    /// Everything that waited has been shown, each for its time.
    pub fn dry(&self, now: Nanos) -> bool {
        self.waiting.is_empty() && now + self.ahead + NEAR >= self.shown_at + self.interval
    }
}

/// A loop as it plays.
pub struct Playing {
    reel: Reel,
    next: Option<(Nanos, Frame)>,
    pub current: Option<Frame>,
    /// Of its pictures.
    shown: u64,
    origin: Option<Nanos>,
    sound: SoundGrid,
    pub gain: Gain,
}

impl Playing {
    pub fn new(reel: Reel) -> Self {
        Self {
            reel,
            next: None,
            current: None,
            shown: 0,
            origin: None,
            sound: SoundGrid::default(),
            gain: Gain::default(),
        }
    }

    pub fn ready(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.reel.pictures.try_recv().ok();
        }
        self.next.is_some()
    }

    /// The next picture, if it is there.
    pub fn advance(&mut self) -> bool {
        if !self.ready() {
            return false;
        }
        if let Some((at, frame)) = self.next.take() {
            self.origin.get_or_insert(at);
            self.current = Some(frame);
            self.shown += 1;
        }
        true
    }

    /// The sound of the present picture.
    pub fn pull(&mut self, fps: u32, new: bool, out: &mut [f32]) {
        out.fill(0.0);
        let Some(origin) = self.origin.filter(|_| new) else {
            return;
        };
        while let Ok((at, samples)) = self.reel.sound.try_recv() {
            self.sound.push(at - origin, &samples);
        }
        let taken = self.sound.take_until(sample_of(self.shown, fps));
        // What was missing before is not made up for.
        let surplus = taken.len().saturating_sub(out.len());
        for (into, from) in out.iter_mut().zip(&taken[surplus..]) {
            *into = *from;
        }
    }

    /// Where in the loop it has got to.
    pub fn position(&self, fps: u32) -> Nanos {
        (self.reel.start + time_of(self.shown, fps.into())) % self.reel.duration
    }
}
