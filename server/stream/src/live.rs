//! The delay line: access units of the live input between their arrival and their time on air. Timestamps that jump,
//! wrap or begin anew are brought to one line of time; its place on our clock follows the smallest delay seen lately, so
//! that a source whose clock runs off never drains or fills the line. Owned by [`crate::Playout`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::{AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, SECOND, Track, VideoConfig};

/// A step of timestamps that is this much longer than the time that passed is a jump.
const JUMP_AHEAD: Nanos = SECOND;
/// So is one that is this much longer and makes the unit come this much earlier for its time than any before.
const JUMP_EARLY: Nanos = 200 * MILLISECOND;
/// And one that goes back by more than this; less is squeezed.
const JUMP_BACK: Nanos = 100 * MILLISECOND;
/// Two tracks of one source begin within this.
const TRACKS_APART: Nanos = 10 * SECOND;
/// Where counters of senders and containers wrap: 32 and 31 bits of milliseconds (RTMP), 33 bits at 90 kHz (MPEG-TS).
const WRAPS: [Nanos; 3] = [
    (1 << 32) * MILLISECOND,
    (1 << 31) * MILLISECOND,
    (1 << 33) * 100_000 / 9,
];

/// What is held beyond the delay before a source that sends too fast is cut: a GOP that was cached for us at the start,
/// or the backlog after a stall, still fits.
const HELD_BEYOND: Nanos = 3 * SECOND;
/// Without pictures, audio is held for this long beyond the delay.
const AUDIO_BEYOND: Nanos = 12 * SECOND;
/// The longest delay (10 s) and what is held beyond it, at 20 Mb/s.
const BYTES_MAX: usize = 32 << 20;
/// Frames per second that are believed.
const FRAME_MIN: Nanos = SECOND / 250;
const FRAME_MAX: Nanos = SECOND / 4;

/// A held picture. Times are of the line.
#[derive(Debug)]
pub(crate) struct Picture {
    pub dts: Nanos,
    pub pts: Nanos,
    pub key: bool,
    pub data: Bytes,
    pub arrival: Nanos,
    /// Of key frames.
    pub config: Option<Arc<VideoConfig>>,
}

#[derive(Debug)]
pub(crate) struct Sound {
    pub pts: Nanos,
    pub data: Bytes,
    pub config: Arc<AudioConfig>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Config,
    Video {
        key: bool,
    },
    Audio,
    /// A picture without parameter sets to decode it.
    Undecodable,
    /// There was no room for it.
    Cut,
    /// Audio without a config, which nothing can be made of.
    Ignored,
}

/// How one track's timestamps map to the line.
#[derive(Debug, Clone, Copy, Default)]
struct TrackClock {
    rebase: Nanos,
    /// Last `dts` on the line, and when it arrived.
    last: Option<(Nanos, Nanos)>,
}

/// Units that wait for their time.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub video: VecDeque<Picture>,
    pub audio: VecDeque<Sound>,
}

impl Held {
    /// Takes away pictures at the end that cannot be shown without a hole before them, for want of others that were
    /// to come (`played`: the last that was shown before these).
    pub fn trim(&mut self, played: Nanos, frame: Nanos) {
        while let Some(last) = self
            .video
            .iter()
            .map(|picture| picture.pts)
            .max()
            .filter(|last| *last > played)
        {
            let before = self
                .video
                .iter()
                .map(|picture| picture.pts)
                .filter(|pts| *pts < last)
                .max();
            let before = before.unwrap_or(Nanos::MIN).max(played);
            if before == Nanos::MIN || last.saturating_sub(before) <= frame * 3 / 2 {
                break;
            }
            self.video.pop_back();
        }
    }
}

#[derive(Debug)]
pub(crate) struct LiveLine {
    delay: Nanos,
    pub held: Held,
    bytes: usize,
    video_config: Option<Arc<VideoConfig>>,
    audio_config: Option<Arc<AudioConfig>>,
    /// By [`Track`].
    clocks: [TrackClock; 2],
    /// Arrival minus `dts` of video.
    offset: WindowMin,
    frame: FrameTime,
    /// Pictures have been shown in another order than they came.
    pub reorders: bool,
    last_pts: Nanos,
    /// Largest `pts` that was taken out.
    played: Nanos,
    /// Pictures that are shown before this lead to a key frame that was entered at: what they refer to is not there.
    lead: Nanos,
    /// Units are thrown away up to a key frame.
    cutting: bool,
    pub dropped: u64,
}

impl LiveLine {
    pub fn new(delay: Nanos) -> Self {
        Self {
            delay,
            held: Held::default(),
            bytes: 0,
            video_config: None,
            audio_config: None,
            clocks: [TrackClock::default(); 2],
            offset: WindowMin::default(),
            frame: FrameTime::default(),
            reorders: false,
            last_pts: Nanos::MIN,
            played: Nanos::MIN,
            lead: Nanos::MIN,
            cutting: false,
            dropped: 0,
        }
    }

    pub fn set_delay(&mut self, delay: Nanos) {
        self.delay = delay;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn span(&self) -> Nanos {
        match (self.held.video.front(), self.held.video.back()) {
            (Some(first), Some(last)) => last.dts - first.dts,
            _ => 0,
        }
    }

    /// Largest `pts` that has been taken out.
    pub fn played(&self) -> Nanos {
        self.played
    }

    pub fn video_config(&self) -> Option<&Arc<VideoConfig>> {
        self.video_config.as_ref()
    }

    pub fn audio_config(&self) -> Option<&Arc<AudioConfig>> {
        self.audio_config.as_ref()
    }

    /// Duration of one picture.
    pub fn frame(&self) -> Nanos {
        self.frame.get()
    }

    /// What to add to a time of the line for the time on our clock when it is due; none before the first picture.
    pub fn due_offset(&self) -> Option<Nanos> {
        self.offset.get().map(|offset| offset + self.delay)
    }

    /// Another publisher: nothing of the last one holds.
    pub fn restart(&mut self) {
        let dropped = self.dropped;
        *self = Self {
            dropped,
            ..Self::new(self.delay)
        };
    }

    /// After a gap: what was held is handed out, and what comes is measured anew. Parameter sets stay.
    pub fn interrupt(&mut self) -> Held {
        self.bytes = 0;
        self.cutting = false;
        self.clocks = [TrackClock::default(); 2];
        self.offset = WindowMin::default();
        self.last_pts = Nanos::MIN;
        self.played = Nanos::MIN;
        self.lead = Nanos::MIN;
        std::mem::take(&mut self.held)
    }

    pub fn push(&mut self, now: Nanos, event: MediaEvent) -> Pushed {
        match event {
            MediaEvent::Video(config) => {
                if self
                    .video_config
                    .as_ref()
                    .is_none_or(|held| *held != config)
                {
                    self.frame.claim(config.fps_milli);
                    self.video_config = Some(config);
                }
                Pushed::Config
            }
            MediaEvent::Audio(config) => {
                if self
                    .audio_config
                    .as_ref()
                    .is_none_or(|held| *held != config)
                {
                    self.audio_config = Some(config);
                }
                Pushed::Config
            }
            MediaEvent::Unit(unit) if unit.track == Track::Video => self.push_video(now, unit),
            MediaEvent::Unit(unit) => self.push_audio(now, unit),
        }
    }

    fn push_video(&mut self, now: Nanos, unit: AccessUnit) -> Pushed {
        let Some(config) = &self.video_config else {
            self.dropped += 1;
            return Pushed::Undecodable;
        };
        let config = unit.key.then(|| Arc::clone(config));
        let reorder = (unit.pts - unit.dts).clamp(0, SECOND);
        let last = self.clocks[0].last;
        let mut dts = self.place(Track::Video, unit.dts, now);
        if let Some((last, _)) = last {
            dts = dts.max(last + MILLISECOND);
            self.frame.step(dts - last);
        }
        self.clocks[0].last = Some((dts, now));
        if self.full(&unit) {
            self.dropped += 1;
            return Pushed::Cut;
        }
        if let (true, Some(held)) = (std::mem::take(&mut self.cutting), self.held.video.back()) {
            // The picture goes on where it was cut, and so does everything after it.
            let cut = dts - (held.dts + self.frame.get());
            self.move_clocks(cut);
            dts -= cut;
            self.lead = dts + reorder;
        }
        self.offset.add(now, now - dts);
        let pts = dts + reorder;
        if pts < self.lead && !unit.key {
            self.dropped += 1;
            return Pushed::Video { key: false };
        }
        self.reorders |= pts < self.last_pts;
        self.last_pts = pts;
        self.bytes += unit.data.len();
        self.held.video.push_back(Picture {
            dts,
            pts,
            key: unit.key,
            data: unit.data,
            arrival: now,
            config,
        });
        if unit.key && self.span() > self.delay + HELD_BEYOND {
            self.skip();
        }
        Pushed::Video { key: unit.key }
    }

    /// More than can be held: nothing is taken up to a key frame that finds room again.
    fn full(&mut self, unit: &AccessUnit) -> bool {
        let bytes = self.bytes.saturating_add(unit.data.len());
        if self.cutting {
            return !unit.key || bytes > BYTES_MAX / 2;
        }
        self.cutting = bytes > BYTES_MAX;
        self.cutting
    }

    /// Too much is held: go on at the last key frame that leaves the delay. The line closes up behind what has been
    /// played, so that the output does not notice.
    fn skip(&mut self) {
        let video = &self.held.video;
        let Some(newest) = video.back().map(|last| last.dts) else {
            return;
        };
        let Some(to) = video
            .iter()
            .rposition(|picture| picture.key && newest - picture.dts >= self.delay)
        else {
            return;
        };
        let mut shown = self.played;
        let mut from = 0;
        // Pictures that fill holes before ones that have been played stay.
        while let Some(picture) = video.get(from).filter(|picture| picture.pts < shown) {
            shown = shown.max(picture.pts);
            from += 1;
        }
        let (Some(first), Some(key)) = (video.get(from), video.get(to)) else {
            return;
        };
        let next = if shown == Nanos::MIN {
            first.pts
        } else {
            shown + self.frame.get()
        };
        let (until, cut) = (key.pts, key.pts - next);
        if from >= to || cut <= 0 {
            return;
        }
        let gone = self
            .held
            .video
            .drain(from..to)
            .map(|picture| picture.data.len())
            .sum::<usize>();
        self.dropped += (to - from) as u64;
        self.bytes = self.bytes.saturating_sub(gone);
        for picture in self.held.video.range_mut(from..) {
            picture.dts -= cut;
            picture.pts -= cut;
        }
        let bytes = &mut self.bytes;
        self.held.audio.retain_mut(|sound| {
            if sound.pts >= until {
                sound.pts -= cut;
            } else if sound.pts >= next {
                *bytes = bytes.saturating_sub(sound.data.len());
                return false;
            }
            true
        });
        self.last_pts -= cut;
        self.move_clocks(cut);
        self.drop_leading(next);
    }

    /// Takes out the key frame at place `at`, to begin there.
    pub fn enter(&mut self, at: usize) -> Option<Picture> {
        for _ in 0..at {
            self.pop_video();
        }
        let key = self.pop_video()?;
        self.drop_leading(key.pts);
        Some(key)
    }

    fn drop_leading(&mut self, key_pts: Nanos) {
        self.lead = key_pts;
        let (before, bytes) = (self.held.video.len(), &mut self.bytes);
        let mut led = false;
        self.held.video.retain(|picture| {
            // Those that lead come right behind it.
            led |= picture.pts > key_pts;
            let stays = led || picture.pts >= key_pts;
            if !stays {
                *bytes = bytes.saturating_sub(picture.data.len());
            }
            stays
        });
        self.dropped += (before - self.held.video.len()) as u64;
    }

    /// What comes from now on is earlier on the line by `cut`.
    fn move_clocks(&mut self, cut: Nanos) {
        for clock in &mut self.clocks {
            clock.rebase -= cut;
            clock.last = clock.last.map(|(dts, arrival)| (dts - cut, arrival));
        }
        self.offset.shift(cut);
    }

    fn push_audio(&mut self, now: Nanos, unit: AccessUnit) -> Pushed {
        let Some(config) = &self.audio_config else {
            self.dropped += 1;
            return Pushed::Ignored;
        };
        let config = Arc::clone(config);
        let behind = self.clocks[1].last;
        let pts = self.place(Track::Audio, unit.pts, now);
        if behind.is_some_and(|(last, _)| pts <= last) {
            self.dropped += 1;
            return Pushed::Audio;
        }
        self.clocks[1].last = Some((pts, now));
        let overlaps = self.held.audio.back().is_some_and(|held| pts <= held.pts);
        if overlaps || self.cutting || self.bytes.saturating_add(unit.data.len()) > BYTES_MAX {
            self.dropped += 1;
            return Pushed::Audio;
        }
        self.bytes += unit.data.len();
        self.held.audio.push_back(Sound {
            pts,
            data: unit.data,
            config,
        });
        // Without pictures nothing else lets go of it.
        let span = self.delay + AUDIO_BEYOND;
        while self.held.video.is_empty()
            && self
                .held
                .audio
                .front()
                .is_some_and(|first| pts - first.pts > span)
        {
            self.pop_audio();
        }
        Pushed::Audio
    }

    pub fn pop_video(&mut self) -> Option<Picture> {
        let picture = self.held.video.pop_front()?;
        self.bytes = self.bytes.saturating_sub(picture.data.len());
        self.played = self.played.max(picture.pts);
        Some(picture)
    }

    pub fn pop_audio(&mut self) -> Option<Sound> {
        let sound = self.held.audio.pop_front()?;
        self.bytes = self.bytes.saturating_sub(sound.data.len());
        Some(sound)
    }

    /// Brings a timestamp of a track to the line.
    fn place(&mut self, track: Track, src: Nanos, now: Nanos) -> Nanos {
        let (own, other) = match track {
            Track::Video => (self.clocks[0], self.clocks[1]),
            Track::Audio => (self.clocks[1], self.clocks[0]),
        };
        let rebase = match (own.last, other.last) {
            (Some((last, arrival)), _) => {
                // The latest that was ever on time: what is ahead of it and of its own track has not waited for its time.
                let on_time = self
                    .offset
                    .get()
                    .map_or(Nanos::MAX, |offset| now - offset + JUMP_EARLY);
                let fits = |rebase: Nanos| {
                    let dts = src.saturating_add(rebase);
                    let beyond = dts.saturating_sub(last) - (now - arrival);
                    dts.saturating_sub(last) >= -JUMP_BACK
                        && beyond <= JUMP_AHEAD
                        && (beyond <= JUMP_EARLY || dts <= on_time)
                };
                if fits(own.rebase) {
                    return src + own.rebase;
                }
                let wrapped = WRAPS.iter().flat_map(|wrap| {
                    [
                        own.rebase.saturating_add(*wrap),
                        own.rebase.saturating_sub(*wrap),
                    ]
                });
                std::iter::once(other.rebase)
                    .filter(|_| other.last.is_some())
                    .chain(wrapped)
                    .find(|rebase| fits(*rebase))
                    .unwrap_or_else(|| (last + self.step(track)).saturating_sub(src))
            }
            // Tracks of one source share a clock, unless they plainly do not.
            (None, Some((last, _))) => {
                let apart = src.saturating_add(other.rebase).saturating_sub(last);
                if apart.abs() <= TRACKS_APART {
                    other.rebase
                } else {
                    last.saturating_sub(src)
                }
            }
            (None, None) => 0_i64.saturating_sub(src),
        };
        match track {
            Track::Video => self.clocks[0].rebase = rebase,
            Track::Audio => self.clocks[1].rebase = rebase,
        }
        src.saturating_add(rebase)
    }

    /// How far a track goes on at a jump.
    fn step(&self, track: Track) -> Nanos {
        match (track, &self.audio_config) {
            (Track::Audio, Some(config)) => config.frame(),
            _ => self.frame.get(),
        }
    }
}

/// The smallest of what was seen in the last 14 to 16 s.
#[derive(Debug, Default)]
struct WindowMin {
    /// Smallest of each 2 s, and which 2 s they were.
    slots: [Option<Nanos>; 8],
    slot: Nanos,
    min: Option<Nanos>,
}

impl WindowMin {
    const SLOT: Nanos = 2 * SECOND;

    fn add(&mut self, now: Nanos, value: Nanos) {
        let slot = now / Self::SLOT;
        let len = self.slots.len() as Nanos;
        if slot != self.slot {
            for passed in (self.slot + 1).max(slot - len + 1)..=slot {
                self.slots[passed.rem_euclid(len) as usize] = None;
            }
            self.slot = slot;
            self.min = self.slots.iter().flatten().min().copied();
        }
        let held = &mut self.slots[slot.rem_euclid(len) as usize];
        *held = Some(held.map_or(value, |held| held.min(value)));
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
    }

    fn shift(&mut self, by: Nanos) {
        for value in self.slots.iter_mut().flatten().chain(&mut self.min) {
            *value += by;
        }
    }

    fn get(&self) -> Option<Nanos> {
        self.min
    }
}

/// Duration of a picture: what the parameter sets claim if the timestamps agree, otherwise their mean step.
#[derive(Debug, Default)]
struct FrameTime {
    claimed: Option<Nanos>,
    mean: Option<Nanos>,
}

impl FrameTime {
    fn claim(&mut self, fps_milli: u32) {
        let frame = (fps_milli > 0).then(|| 1000 * SECOND / Nanos::from(fps_milli));
        self.claimed = frame.filter(|frame| (FRAME_MIN..=FRAME_MAX).contains(frame));
        self.mean = None;
    }

    fn step(&mut self, step: Nanos) {
        if (FRAME_MIN..=FRAME_MAX).contains(&step) {
            self.mean = Some(self.mean.map_or(step, |mean| mean + (step - mean) / 16));
        }
    }

    fn get(&self) -> Nanos {
        match (self.claimed, self.mean) {
            (Some(claimed), Some(mean)) if (claimed - mean).abs() > mean / 10 => mean,
            (Some(frame), _) | (None, Some(frame)) => frame,
            (None, None) => SECOND / 30,
        }
    }
}
