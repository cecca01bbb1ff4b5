//! What the output shows: a pure machine, asked once per frame and once per block of sound. Time comes in as an argument.
//!
//! ```text
//!  scene:  Idle ──on_air set and its first picture decoded──▶ Caller ──on_air cleared──▶ Idle
//!                                                              │   ▲
//!                 neither picture nor sound: fade to idle      ▼   │  either again: fade back
//!                                                            Frozen
//! ```
//!
//! A picture that is lost for HOLD makes way for the idle source's, also while the sound goes on.
//!
//! The picture type is a parameter, so that the machine knows nothing of pixels. Called by the pacer only.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use booth_mix::{equal_power_in, equal_power_out};

/// A session of a caller.
pub type SourceId = u64;

/// How long a lost picture stays before the idle source comes.
pub const HOLD: Duration = Duration::from_millis(500);
/// A source that sends few pictures a second is given this many of its own intervals, up to `HOLD_MAX`.
const HOLD_INTERVALS: u32 = 3;
const HOLD_MAX: Duration = Duration::from_millis(2500);
/// Fade to idle after the hold, and back.
const LOSS_FADE: Duration = Duration::from_millis(200);
/// Sound without packets for this long counts as lost (Opus DTX sends one every 400 ms).
const SOUND_HOLD: Duration = Duration::from_millis(1000);
/// A source that has a video track, but of which only sound comes, goes on air without a picture after this wait.
const PICTURE_WAIT: Duration = Duration::from_millis(1500);
/// A picture due this close to a tick may fall on either side of it.
const NEAR_TICK: Duration = Duration::from_millis(3);
/// Pictures that wait for their time: when there are more, the oldest is shown early.
const WAITING_MAX: usize = 12;

/// What boothd wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// The revision of the wish, carried by reports.
    pub generation: u64,
    /// Who should be on the output.
    pub on_air: Option<SourceId>,
    /// Who is decoded ahead.
    pub armed: Option<SourceId>,
    /// Length of the change; zero is a cut.
    pub fade: Duration,
    /// The caller on air is silenced.
    pub muted: bool,
}

/// One side of what is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer<F> {
    /// The idle source's present picture.
    Idle,
    /// This picture.
    Frame(F),
}

/// What one output frame is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture<F> {
    /// One layer as it is.
    Plain(Layer<F>),
    /// Both, `progress` (0 to 1) of the way.
    Blend {
        /// What is left.
        from: Layer<F>,
        /// What comes.
        to: Layer<F>,
        /// 0 is all `from`.
        progress: f32,
    },
}

/// What is really on the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Showing {
    /// The idle source.
    #[default]
    Idle,
    /// The idle source, with this caller decoded and ready.
    Armed(SourceId),
    /// This caller: seen, or with the camera off heard over the idle source's picture. An operator need not act.
    Caller(SourceId),
    /// This caller's place is kept, but nothing comes from them: held, then idle. An operator should look.
    Frozen(SourceId),
}

/// [`Showing`] with the wish it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// What is shown.
    pub showing: Showing,
    /// The wish that it answers.
    pub generation: u64,
}

/// What a source is expected to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracks {
    /// Pictures, on an output that has them.
    pub video: bool,
    /// Sound.
    pub audio: bool,
}

#[derive(Debug, Clone)]
struct Source<F> {
    tracks: Tracks,
    waiting: VecDeque<(Duration, F)>,
    current: Option<F>,
    /// When a picture last came, and the usual time between two.
    picture_at: Option<Duration>,
    interval: Duration,
    /// How much before its time a picture is taken.
    ahead: Duration,
    sound_at: Option<Duration>,
}

impl<F: Clone> Source<F> {
    fn picture_fresh(&self, now: Duration) -> bool {
        let hold = (self.interval * HOLD_INTERVALS).clamp(HOLD, HOLD_MAX);
        self.current.is_some()
            && self
                .picture_at
                .is_some_and(|at| now.saturating_sub(at) <= hold)
    }

    fn sound_fresh(&self, now: Duration) -> bool {
        self.sound_at
            .is_some_and(|at| now.saturating_sub(at) <= SOUND_HOLD)
    }

    /// The sound goes on although no picture comes: a camera that is off. Sound that ended about when the pictures did is
    /// no such sign, however short ago that is.
    fn sound_alone(&self, now: Duration) -> bool {
        let outlives = |sound: Duration| self.picture_at.is_none_or(|at| sound > at + HOLD / 2);
        self.sound_fresh(now) && !self.picture_fresh(now) && self.sound_at.is_some_and(outlives)
    }

    /// Takes the last picture that is due. One that is due just at the tick would, with the least jitter, be shown twice
    /// or not at all: then the tick is moved by half an interval against the source, until the clocks drift that far.
    fn advance(&mut self, now: Duration) {
        let near = |due: Duration, tick: Duration| due.abs_diff(tick) < NEAR_TICK;
        if self
            .waiting
            .front()
            .is_some_and(|(due, _)| near(*due, now + self.ahead))
        {
            self.ahead = if self.ahead.is_zero() {
                self.interval / 2
            } else {
                Duration::ZERO
            };
        }
        while self
            .waiting
            .front()
            .is_some_and(|(due, _)| *due <= now + self.ahead)
        {
            if let Some((_, frame)) = self.waiting.pop_front() {
                self.current = Some(frame);
            }
        }
    }
}

/// Whose picture, or whose sound.
#[derive(Debug, Clone, PartialEq)]
enum View<F> {
    Idle,
    Of(SourceId),
    /// What was on the output when a change was changed.
    Still(F),
}

#[derive(Debug, Clone)]
struct Fade<F> {
    from: View<F>,
    to: View<F>,
    start: Duration,
    length: Duration,
}

impl<F> Fade<F> {
    /// 1 when it is over.
    fn progress(&self, now: Duration) -> f32 {
        if self.length.is_zero() {
            return 1.0;
        }
        (now.saturating_sub(self.start).as_secs_f32() / self.length.as_secs_f32()).min(1.0)
    }
}

/// The switcher of one output. See the module.
#[derive(Debug, Clone)]
pub struct Switcher<F> {
    sources: BTreeMap<SourceId, Source<F>>,
    desired: Desired,
    wanted_since: Duration,
    /// Who has the output, whatever of them can be seen.
    scene: Option<SourceId>,
    picture: Fade<F>,
    sound: Fade<F>,
    output: Option<F>,
    reported: Option<Report>,
}

impl<F: Clone + PartialEq> Default for Switcher<F> {
    fn default() -> Self {
        let still = || Fade {
            from: View::Idle,
            to: View::Idle,
            start: Duration::ZERO,
            length: Duration::ZERO,
        };
        Self {
            sources: BTreeMap::new(),
            desired: Desired::default(),
            wanted_since: Duration::ZERO,
            scene: None,
            picture: still(),
            sound: still(),
            output: None,
            reported: None,
        }
    }
}

impl<F: Clone + PartialEq> Switcher<F> {
    /// A source begins to be decoded. A repeat changes nothing.
    pub fn add(&mut self, id: SourceId, tracks: Tracks) {
        self.sources.entry(id).or_insert(Source {
            tracks,
            waiting: VecDeque::new(),
            current: None,
            picture_at: None,
            interval: Duration::ZERO,
            ahead: Duration::ZERO,
            sound_at: None,
        });
    }

    /// A source is gone; if it is shown, its last picture stays until the change is over.
    pub fn remove(&mut self, id: SourceId) {
        let last = self.sources.remove(&id).and_then(|source| source.current);
        for view in [&mut self.picture.from, &mut self.picture.to] {
            if *view == View::Of(id) {
                *view = last.clone().map_or(View::Idle, View::Still);
            }
        }
        if self.scene == Some(id) {
            self.scene = None;
        }
    }

    /// A picture was decoded at `now`, to be shown from `due` on.
    pub fn frame(&mut self, id: SourceId, now: Duration, due: Duration, frame: F) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        if let Some(last) = source.picture_at {
            let gap = now.saturating_sub(last).min(HOLD_MAX);
            source.interval = (source.interval * 7 + gap) / 8;
        }
        source.picture_at = Some(now);
        source.waiting.push_back((due, frame));
        if source.waiting.len() > WAITING_MAX
            && let Some((_, early)) = source.waiting.pop_front()
        {
            source.current = Some(early);
        }
    }

    /// Sound was decoded at `now`.
    pub fn sound(&mut self, id: SourceId, now: Duration) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.sound_at = Some(now);
        }
    }

    /// A new wish. It is carried out with the next picture (or block of sound, without pictures).
    pub fn want(&mut self, now: Duration, desired: Desired) {
        if desired.on_air != self.desired.on_air {
            self.wanted_since = now;
        }
        self.desired = desired;
    }

    /// Makes what is due happen at `now`: once per frame, or per block on an output without pictures.
    pub fn advance(&mut self, now: Duration) {
        for source in self.sources.values_mut() {
            source.advance(now);
        }
        let mut fade = LOSS_FADE;
        let ready = self.desired.on_air.is_none_or(|id| self.is_ready(id, now));
        if self.scene != self.desired.on_air && ready {
            self.scene = self.desired.on_air;
            fade = self.desired.fade;
        }
        let picture = self.picture_view(now);
        let output = self.output.clone();
        retarget(&mut self.picture, picture, fade, now, |_| {
            output.map_or(View::Idle, View::Still)
        });
        let sound = self.sound_view(now);
        retarget(&mut self.sound, sound, fade, now, |cut_short| {
            cut_short.to.clone()
        });
    }

    /// What the frame at `now` is made of; after [`Switcher::advance`].
    pub fn picture(&self, now: Duration) -> Picture<F> {
        let progress = self.picture.progress(now);
        let to = self.layer(&self.picture.to);
        if progress >= 1.0 {
            return Picture::Plain(to);
        }
        let from = self.layer(&self.picture.from);
        if from == to {
            Picture::Plain(to)
        } else {
            Picture::Blend { from, to, progress }
        }
    }

    /// Remembers what was put out, to start from it when a change is changed.
    pub fn shown(&mut self, frame: F) {
        self.output = Some(frame);
    }

    /// The gain that a source should have reached at `now`.
    pub fn gain(&self, id: SourceId, now: Duration) -> f32 {
        if self.desired.muted && self.desired.on_air == Some(id) {
            return 0.0;
        }
        self.share(&View::Of(id), now)
    }

    /// The gain that the idle source's sound should have reached at `now`.
    pub fn idle_gain(&self, now: Duration) -> f32 {
        self.share(&View::Idle, now)
    }

    /// Whether the idle source is seen, heard, or about to be.
    pub fn idle_needed(&self, now: Duration) -> bool {
        let on_air = self.scene.and_then(|id| self.sources.get(&id));
        let failing = on_air.is_none_or(|source| {
            // Half the hold before it is seen: time for a paused file to run.
            let late = |at: Option<Duration>| at.is_none_or(|at| now.saturating_sub(at) > HOLD / 2);
            !source.tracks.video || late(source.picture_at)
        });
        failing || self.idle_gain(now) > 0.0 || self.picture.progress(now) < 1.0
    }

    /// Who is shown, heard, or on their way out.
    pub fn uses(&self, id: SourceId, now: Duration) -> bool {
        let in_fade = |fade: &Fade<F>| {
            fade.to == View::Of(id) || (fade.from == View::Of(id) && fade.progress(now) < 1.0)
        };
        self.scene == Some(id) || in_fade(&self.picture) || in_fade(&self.sound)
    }

    /// The picture of the caller who is decoded ahead.
    pub fn armed_picture(&self) -> Option<(SourceId, F)> {
        let id = self.desired.armed?;
        Some((id, self.sources.get(&id)?.current.clone()?))
    }

    /// What is shown now.
    pub fn showing(&self, now: Duration) -> Report {
        let showing = match self.scene {
            Some(id) if self.is_seen(id, now) => Showing::Caller(id),
            Some(id) => Showing::Frozen(id),
            None => match self.desired.armed.or(self.desired.on_air) {
                Some(id) if self.is_ready(id, now) => Showing::Armed(id),
                _ => Showing::Idle,
            },
        };
        Report {
            showing,
            generation: self.desired.generation,
        }
    }

    /// The report, if it differs from the last one given.
    pub fn poll_report(&mut self, now: Duration) -> Option<Report> {
        let report = self.showing(now);
        let changed = self.reported != Some(report);
        self.reported = Some(report);
        changed.then_some(report)
    }

    fn is_seen(&self, id: SourceId, now: Duration) -> bool {
        self.sources
            .get(&id)
            .is_some_and(|source| source.picture_fresh(now) || source.sound_alone(now))
    }

    fn is_ready(&self, id: SourceId, now: Duration) -> bool {
        self.sources.get(&id).is_some_and(|source| {
            // A camera that was switched off long before the wish is not waited for.
            let without_since = source.picture_at.unwrap_or(self.wanted_since);
            let waited = now.saturating_sub(without_since) >= PICTURE_WAIT;
            source.picture_fresh(now)
                || (source.sound_alone(now) && (!source.tracks.video || waited))
        })
    }

    fn picture_view(&self, now: Duration) -> View<F> {
        match self.scene.and_then(|id| Some((id, self.sources.get(&id)?))) {
            Some((id, source)) if source.picture_fresh(now) => View::Of(id),
            _ => View::Idle,
        }
    }

    fn sound_view(&self, now: Duration) -> View<F> {
        match self.scene.and_then(|id| Some((id, self.sources.get(&id)?))) {
            Some((id, source)) if source.sound_fresh(now) || source.picture_fresh(now) => {
                View::Of(id)
            }
            _ => View::Idle,
        }
    }

    fn layer(&self, view: &View<F>) -> Layer<F> {
        match view {
            View::Idle => Layer::Idle,
            View::Still(frame) => Layer::Frame(frame.clone()),
            View::Of(id) => {
                let current = self
                    .sources
                    .get(id)
                    .and_then(|source| source.current.clone());
                current.map_or(Layer::Idle, Layer::Frame)
            }
        }
    }

    fn share(&self, view: &View<F>, now: Duration) -> f32 {
        let progress = self.sound.progress(now);
        if self.sound.to == *view {
            return if self.sound.from == *view {
                1.0
            } else {
                equal_power_in(progress)
            };
        }
        if self.sound.from == *view && progress < 1.0 {
            equal_power_out(progress)
        } else {
            0.0
        }
    }
}

/// Starts a change to `view` unless it is already on its way. `cut_short` says where one begins that interrupts another.
fn retarget<F: Clone + PartialEq>(
    fade: &mut Fade<F>,
    view: View<F>,
    length: Duration,
    now: Duration,
    cut_short: impl FnOnce(&Fade<F>) -> View<F>,
) {
    if fade.to == view {
        return;
    }
    let from = if fade.progress(now) < 1.0 {
        cut_short(fade)
    } else {
        fade.to.clone()
    };
    *fade = Fade {
        from,
        to: view,
        start: now,
        length,
    };
}

#[cfg(test)]
#[path = "switcher_tests.rs"]
mod tests;
