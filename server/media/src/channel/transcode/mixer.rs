//! The one thread that gives the output its time: a picture and its sound every 1/fps, for ever.
//!
//! ```text
//!  live, decoded ─▶ waits for its time ─┐
//!  loop, decoded ─▶ one per frame ──────┼─▶ what is on air, or a fade of two ─▶ encoder
//!                                black ─┘
//! ```
//!
//! Deadlines are absolute on the monotonic clock. What has not arrived is not shown; the last picture stays. After a
//! standstill the clock slips, so that timestamps go on without a hole and without a burst.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use booth_mix::{CHANNELS, equal_power_in, equal_power_out};
use booth_stream::{MILLISECOND, Nanos};

use super::encoder::Encoder;
use super::reel::Reel;
use super::sources::{Live, Playing};
use crate::error::MediaError;
use crate::picture::{BLACK, Format, Frame};
use crate::prepare::{sample_of, time_of};

/// Orders that wait for the next tick.
const ORDERS: usize = 64;
/// Decoded media that wait for the next tick: a burst of a GOP, pictures and sound.
const MEDIA: usize = 512;
/// A standstill longer than this is not made up for.
const SLIP_AFTER: Nanos = 500 * MILLISECOND;
/// Without a fade, sound changes over one frame: no click. That is what [`Gain`] does by itself.
const CUT: Nanos = 0;

/// What is on air, or should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Target {
    #[default]
    Black,
    /// This session of a publisher.
    Live(u64),
    /// This start of a loop.
    Reel(u64),
}

/// Orders, carried out with the next frame.
pub enum Order {
    /// A publisher's session begins; its line's time is due at this, on the loop's clock.
    LiveBegin(u64, Arc<AtomicI64>),
    /// A loop is decoded.
    Reel(u64, Reel),
    /// It is not needed any more, unless it is on air.
    DropReel(u64),
    /// Change to this as soon as it has a picture; with `drain`, not before what waits of live has been shown.
    Show {
        target: Target,
        drain: bool,
        fade: Nanos,
    },
}

/// Something live was decoded, on its line's time.
pub enum Media {
    Picture(u64, Nanos, Frame),
    Sound(u64, Nanos, Vec<f32>),
}

/// What the mixer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Another source is on air; the picture stood still for so long before.
    Shown { target: Target, gap: Nanos },
    /// A loop left the air here.
    Left { reel: u64, at: Nanos },
}

/// Hand of the channel's loop.
pub struct Mixer {
    orders: SyncSender<Order>,
    media: SyncSender<Media>,
    late: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs.
pub struct Parts {
    pub encoder: Encoder,
    pub format: Format,
    pub fps: u32,
    /// When the channel's loop counts from.
    pub epoch: Instant,
    pub told: Sender<Told>,
    pub wake: Arc<tokio::sync::Notify>,
}

impl Mixer {
    pub fn start(parts: Parts) -> Result<Self, MediaError> {
        let (orders, ordered) = sync_channel(ORDERS);
        let (media, decoded) = sync_channel(MEDIA);
        let (stop, late) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut run = Run::new(parts, Arc::clone(&late))?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("mixer".to_owned())
            .spawn(move || run.run(&ordered, &decoded, &stopped))?;
        Ok(Self {
            orders,
            media,
            late,
            stop,
            thread: Some(thread),
        })
    }

    /// `false` when the mixer is stuck or gone: the program cannot go on.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    pub fn media(&self) -> SyncSender<Media> {
        self.media.clone()
    }

    /// Live pictures that came after their time.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }
}

impl Drop for Mixer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Fade {
    from: Target,
    still: Option<Frame>,
    start: Nanos,
    length: Nanos,
}

struct Run {
    parts: Parts,
    late: Arc<AtomicU64>,
    black: Frame,
    lives: BTreeMap<u64, Live>,
    reels: BTreeMap<u64, Playing>,
    on_air: Target,
    wanted: Target,
    drain: bool,
    fade_length: Nanos,
    fade: Option<Fade>,
    output: Frame,
    /// Frames since the start.
    frames: u64,
    /// Frames in a row that showed nothing new.
    stale: u64,
}

impl Run {
    fn new(parts: Parts, late: Arc<AtomicU64>) -> Result<Self, MediaError> {
        let black = parts
            .format
            .plain(BLACK)
            .ok_or_else(|| gst::glib::bool_error!("no black picture"))?;
        Ok(Self {
            parts,
            late,
            output: black.clone(),
            black,
            lives: BTreeMap::new(),
            reels: BTreeMap::new(),
            on_air: Target::Black,
            wanted: Target::Black,
            drain: false,
            fade_length: CUT,
            fade: None,
            frames: 0,
            stale: 0,
        })
    }

    fn run(&mut self, orders: &Receiver<Order>, media: &Receiver<Media>, stop: &AtomicBool) {
        // Output time 0 on the loop's clock.
        let mut origin = self.clock();
        while !stop.load(Ordering::Relaxed) {
            let due = time_of(self.frames, self.parts.fps.into());
            let late = self.clock() - origin - due;
            if late < 0 {
                std::thread::park_timeout(Duration::from_nanos(late.unsigned_abs()));
                continue;
            }
            if late > SLIP_AFTER {
                tracing::warn!(
                    ms = late / MILLISECOND,
                    "the output stood still; its clock slips"
                );
                origin += late;
            }
            while let Ok(order) = orders.try_recv() {
                self.obey(order);
            }
            while let Ok(media) = media.try_recv() {
                self.take_in(media);
            }
            self.emit(origin + due);
        }
    }

    fn clock(&self) -> Nanos {
        Nanos::try_from(self.parts.epoch.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::LiveBegin(session, due) => {
                self.lives.insert(session, Live::new(due));
            }
            Order::Reel(start, reel) => {
                self.reels.insert(start, Playing::new(reel));
            }
            Order::DropReel(start) => {
                if self.on_air != Target::Reel(start) {
                    self.reels.remove(&start);
                }
            }
            Order::Show {
                target,
                drain,
                fade,
            } => {
                self.wanted = target;
                self.drain = drain;
                self.fade_length = fade;
            }
        }
    }

    fn take_in(&mut self, media: Media) {
        match media {
            Media::Picture(session, at, frame) => {
                if let Some(live) = self.lives.get_mut(&session)
                    && live.push(at, frame)
                {
                    self.late.fetch_add(1, Ordering::Relaxed);
                }
            }
            Media::Sound(session, at, samples) => {
                if let Some(live) = self.lives.get_mut(&session) {
                    live.voice.push(at, &samples);
                }
            }
        }
    }

    fn emit(&mut self, now: Nanos) {
        let fps = self.parts.fps;
        let mut new: BTreeMap<Target, bool> = BTreeMap::new();
        for (session, live) in &mut self.lives {
            new.insert(Target::Live(*session), live.advance(now));
        }
        self.switch(now);
        for start in self.used_reels() {
            if let Some(playing) = self.reels.get_mut(&start) {
                new.insert(Target::Reel(start), playing.advance());
            }
        }
        let moving =
            self.on_air == Target::Black || new.get(&self.on_air).copied().unwrap_or(false);
        self.stale = if moving { 0 } else { self.stale + 1 };
        let frame = self.compose(now);
        let at = time_of(self.frames, fps.into());
        let until = time_of(self.frames + 1, fps.into());
        let count = sample_of(self.frames + 1, fps) - sample_of(self.frames, fps);
        let mut block = vec![0.0; usize::try_from(count).unwrap_or(0) * CHANNELS];
        self.mix(now, until - at, &new, &mut block);
        self.parts.encoder.picture(&frame, at, until);
        self.parts.encoder.sound(&block, at, until);
        self.output = frame;
        self.frames += 1;
        self.tidy(now);
    }

    /// Loops that are seen or heard: each gives a picture per frame.
    fn used_reels(&self) -> Vec<u64> {
        let fading = self.fade.as_ref().map(|fade| fade.from);
        self.reels
            .keys()
            .copied()
            .filter(|start| {
                let target = Target::Reel(*start);
                self.on_air == target || fading == Some(target)
            })
            .collect()
    }

    fn switch(&mut self, now: Nanos) {
        if self.on_air == self.wanted {
            return;
        }
        let ready = match self.wanted {
            Target::Black => true,
            Target::Live(session) => self.lives.get(&session).is_some_and(|live| live.fresh(now)),
            Target::Reel(start) => self.reels.get_mut(&start).is_some_and(Playing::ready),
        };
        let drained = match self.on_air {
            Target::Live(session) if self.drain => {
                self.lives.get(&session).is_none_or(|live| live.dry(now))
            }
            _ => true,
        };
        if !ready || !drained {
            return;
        }
        let from = std::mem::replace(&mut self.on_air, self.wanted);
        // A fade that is cut short goes on from what was seen of it.
        let still = (self
            .fade
            .take()
            .is_some_and(|fade| fade.progress(now) < 1.0)
            || self.drain)
            .then(|| self.output.clone());
        if self.fade_length > 0 {
            self.fade = Some(Fade {
                from,
                still,
                start: now,
                length: self.fade_length,
            });
        }
        let frame = time_of(1, self.parts.fps.into());
        let gap = frame * (i64::try_from(self.stale).unwrap_or(0) + 1);
        self.tell(Told::Shown {
            target: self.on_air,
            gap,
        });
        if let Target::Reel(start) = from
            && let Some(playing) = self.reels.get(&start)
        {
            let at = playing.position(self.parts.fps);
            self.tell(Told::Left { reel: start, at });
        }
    }

    fn tell(&self, told: Told) {
        let _ = self.parts.told.send(told);
        self.parts.wake.notify_one();
    }

    fn picture(&self, target: Target) -> Frame {
        let found = match target {
            Target::Black => None,
            Target::Live(session) => self
                .lives
                .get(&session)
                .and_then(|live| live.current.clone()),
            Target::Reel(start) => self
                .reels
                .get(&start)
                .and_then(|playing| playing.current.clone()),
        };
        found.unwrap_or_else(|| self.black.clone())
    }

    fn compose(&self, now: Nanos) -> Frame {
        let to = self.picture(self.on_air);
        let Some(fade) = self.fade.as_ref().filter(|fade| fade.progress(now) < 1.0) else {
            return to;
        };
        let from = fade
            .still
            .clone()
            .unwrap_or_else(|| self.picture(fade.from));
        self.parts
            .format
            .blend(&from, &to, fade.progress(now))
            .unwrap_or(to)
    }

    fn mix(&mut self, now: Nanos, length: Nanos, new: &BTreeMap<Target, bool>, out: &mut [f32]) {
        let end = now + length;
        let (on_air, fade) = (self.on_air, self.fade.as_ref());
        let share = |target: Target| match fade.map(|fade| (fade.from, fade.progress(end))) {
            Some((_, progress)) if target == on_air => equal_power_in(progress),
            Some((from, progress)) if target == from && progress < 1.0 => equal_power_out(progress),
            _ if target == on_air => 1.0,
            _ => 0.0,
        };
        let mut block = vec![0.0; out.len()];
        for (session, live) in &mut self.lives {
            let at = now - live.due.load(Ordering::Relaxed) - live.lag.unwrap_or(0);
            live.voice.pull(at, &mut block);
            live.gain
                .mix_into(out, &block, share(Target::Live(*session)));
        }
        for (start, playing) in &mut self.reels {
            let target = Target::Reel(*start);
            let Some(new) = new.get(&target) else {
                continue;
            };
            playing.pull(self.parts.fps, *new, &mut block);
            playing.gain.mix_into(out, &block, share(target));
        }
        out.iter_mut()
            .for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
    }

    /// Lets go of what is neither on air nor wanted.
    fn tidy(&mut self, now: Nanos) {
        if self
            .fade
            .as_ref()
            .is_some_and(|fade| fade.progress(now) >= 1.0)
        {
            self.fade = None;
        }
        let fading = self.fade.as_ref().map(|fade| fade.from);
        let used =
            |target| self.on_air == target || self.wanted == target || fading == Some(target);
        let latest = self.lives.keys().next_back().copied();
        self.lives
            .retain(|session, _| Some(*session) == latest || used(Target::Live(*session)));
        let latest = self.reels.keys().next_back().copied();
        let gone: Vec<u64> = self
            .reels
            .keys()
            .copied()
            .filter(|start| Some(*start) != latest && !used(Target::Reel(*start)))
            .collect();
        for start in gone {
            self.reels.remove(&start);
        }
    }
}

impl Fade {
    fn progress(&self, now: Nanos) -> f32 {
        if self.length <= 0 {
            return 1.0;
        }
        ((now - self.start) as f32 / self.length as f32).clamp(0.0, 1.0)
    }
}
