//! The picture: which unit is next and when, and how sources change.

use std::sync::Arc;

use super::tape::{Cursor, Tape};
use super::{Air, HELD_UP, Kind, LATE_KEY, Output, Playout, Shift};
use crate::live::Picture;
use crate::{
    AccessUnit, BackupStart, Cause, Force, MILLISECOND, MediaEvent, Nanos, Showing, Track,
    VideoConfig, Want,
};

/// A live source's output is drawn to its place by one in this many: nobody sees half a percent.
const SLEW: Nanos = 200;
/// Audio of a loop may begin this much before its picture, when the source before it ended too early.
const AUDIO_LEAD: Nanos = 250 * MILLISECOND;

/// What is next for the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next unit of the source on air.
    Continue,
    /// Live, from the key frame at this place of the delay line.
    Live(usize),
    Loop(Kind),
}

impl Playout {
    /// The next picture and when it is due; `Nanos::MIN` for at once.
    pub(super) fn next_video(&self) -> Option<(Nanos, Step)> {
        let want_live = self.monitor.want(self.available()) == Want::Live;
        let fallback = self.fallback();
        let follow_on = |kind| Some((self.origin + self.loop_dts(kind), Step::Loop(kind)));
        match &self.air {
            Air::Off => match (want_live, fallback) {
                (true, fallback) => self
                    .first_live()
                    .or(fallback.map(|kind| (Nanos::MIN, Step::Loop(kind)))),
                (false, Some(kind)) => Some((Nanos::MIN, Step::Loop(kind))),
                (false, None) => None,
            },
            Air::Live(shift) => {
                let front = self.line.held.video.front();
                // Pictures that are decoded before others that are shown earlier wait for those.
                let clean = front.is_none_or(|first| {
                    self.video
                        .shown
                        .is_none_or(|shown| first.pts + shift.pts > shown)
                });
                match (want_live, fallback) {
                    (false, Some(kind)) if clean => follow_on(kind),
                    _ => front.map(|first| (self.due(shift, first), Step::Continue)),
                }
            }
            Air::Tail(shift, held, _) => match (held.video.front(), fallback) {
                (Some(first), _) => Some((self.due(shift, first), Step::Continue)),
                (None, fallback) => want_live
                    .then(|| self.live_here(self.video.frame, fallback.is_none()))
                    .flatten()
                    .or(fallback.and_then(follow_on))
                    .or(want_live.then(|| self.first_live()).flatten()),
            },
            Air::Loop(kind, cursor) => {
                let step = cursor.to_clean();
                if cursor.clean() {
                    if let Some(live) = want_live.then(|| self.live_here(step, false)).flatten() {
                        return Some(live);
                    }
                    let same = |other: Kind| {
                        let held = self.loaded(other).map(|loaded| &loaded.tape);
                        other == *kind && held.is_some_and(|tape| Arc::ptr_eq(tape, &cursor.tape))
                    };
                    if let Some(other) = fallback.filter(|other| !same(*other)) {
                        return follow_on(other);
                    }
                }
                let next = cursor.video()?;
                let dts = self
                    .video
                    .dts(next.pts, self.spread(next.dts, cursor.tape.reorder));
                Some((self.origin + dts, Step::Continue))
            }
        }
    }

    /// `dts` of a loop, as far before its `pts` as that of the output's most reordered source.
    fn spread(&self, dts: Nanos, reorder: Nanos) -> Nanos {
        dts - (self.video.reorder - reorder).max(0)
    }

    fn due(&self, shift: &Shift, picture: &Picture) -> Nanos {
        self.origin
            + self
                .video
                .dts(picture.pts + shift.pts, picture.dts + shift.dts)
    }

    fn loop_dts(&self, kind: Kind) -> Nanos {
        let tape = self.loaded(kind).map(|loaded| &loaded.tape);
        let (reorder, frame) = tape.map_or((0, 0), |tape| (tape.reorder, tape.frame));
        self.video.key_dts(self.video.next(), reorder, frame)
    }

    /// The first live key frame, at its own time: there is nothing it has to follow closely.
    fn first_live(&self) -> Option<(Nanos, Step)> {
        let offset = self.line.due_offset()?;
        let at = self
            .line
            .held
            .video
            .iter()
            .position(|picture| picture.key)?;
        Some((self.line.held.video.get(at)?.dts + offset, Step::Live(at)))
    }

    /// The live key frame whose own time is nearest to that of the next picture (the one after it is `step` away).
    fn live_here(&self, step: Nanos, alone: bool) -> Option<(Nanos, Step)> {
        let offset = self.line.due_offset()?;
        let pts = self.video.next();
        // What is held lets a key frame go out a little early.
        let early_max = (step / 2).min(self.policy.delay / 4);
        let late_max = LATE_KEY.min(step.max(self.video.frame) * 3 / 2);
        for (at, picture) in self
            .line
            .held
            .video
            .iter()
            .enumerate()
            .filter(|(_, picture)| picture.key)
        {
            let reorder = picture.pts - picture.dts;
            let due = self.origin + self.video.key_dts(pts, reorder, self.line.frame());
            let own = picture.dts + offset;
            let own_pts = own - self.origin + self.video.reorder.max(reorder);
            if own_pts - pts > early_max && !alone {
                return None;
            }
            let place = self.origin + pts - self.video.reorder.max(reorder);
            if place - own.max(picture.arrival) <= late_max {
                return Some((due, Step::Live(at)));
            }
        }
        None
    }

    pub(super) fn step_video(&mut self, now: Nanos, due: Nanos, step: Step, out: &mut Vec<Output>) {
        match step {
            Step::Continue => self.go_on(now, due, out),
            Step::Live(at) => self.switch_to_live(now, due, at, out),
            Step::Loop(kind) => self.switch_to_loop(now, due, kind, out),
        }
    }

    fn go_on(&mut self, now: Nanos, due: Nanos, out: &mut Vec<Output>) {
        if now - due > HELD_UP {
            self.origin += now - due;
        }
        match &mut self.air {
            Air::Off => {}
            Air::Live(shift) => {
                let shift = *shift;
                let Some(picture) = self.line.pop_video() else {
                    return;
                };
                self.figures.late += u64::from(picture.arrival > due);
                self.follow_live_clock(&shift, picture.dts);
                self.put_picture(now, &shift, picture, out);
            }
            Air::Tail(shift, held, _) => {
                let shift = *shift;
                let Some(picture) = held.video.pop_front() else {
                    return;
                };
                self.put_picture(now, &shift, picture, out);
            }
            Air::Loop(kind, cursor) => {
                let kind = *kind;
                let Some(next) = cursor.video() else { return };
                let tape = Arc::clone(&cursor.tape);
                let data = cursor.step_video();
                let wanted = self.spread(next.dts, tape.reorder);
                match data {
                    Some(data) => self.put_video(now, next.pts, wanted, next.key, data, out),
                    None => self.unreadable(kind, &tape),
                }
            }
        }
    }

    fn put_picture(&mut self, now: Nanos, shift: &Shift, picture: Picture, out: &mut Vec<Output>) {
        if let Some(config) = &picture.config {
            self.put_config(config, out);
        }
        let (pts, dts) = (picture.pts + shift.pts, picture.dts + shift.dts);
        self.put_video(now, pts, dts, picture.key, picture.data, out);
    }

    fn put_config(&mut self, config: &Arc<VideoConfig>, out: &mut Vec<Output>) {
        let same = |held: &Arc<VideoConfig>| Arc::ptr_eq(held, config) || held == config;
        if !self.video.config.as_ref().is_some_and(same) {
            self.video.config = Some(Arc::clone(config));
            out.push(Output::Media(MediaEvent::Video(Arc::clone(config))));
        }
    }

    fn put_video(
        &mut self,
        now: Nanos,
        pts: Nanos,
        wanted: Nanos,
        key: bool,
        data: bytes::Bytes,
        out: &mut Vec<Output>,
    ) {
        let dts = self.video.dts(pts, wanted);
        let pts = pts.max(dts);
        self.video.passed(now, pts, dts, wanted);
        out.push(Output::Media(MediaEvent::Unit(AccessUnit {
            track: Track::Video,
            dts,
            pts,
            key,
            data,
        })));
    }

    /// Draws the output's pace to the live source's.
    fn follow_live_clock(&mut self, shift: &Shift, dts: Nanos) {
        let Some(offset) = self.line.due_offset() else {
            return;
        };
        self.video.frame = self.line.frame();
        let off = offset - (self.origin + shift.dts);
        let most = (dts + shift.dts - self.video.decoded).clamp(0, 100 * MILLISECOND) / SLEW;
        self.origin += off.clamp(-most, most);
    }

    fn switch_to_live(&mut self, now: Nanos, due: Nanos, at: usize, out: &mut Vec<Output>) {
        let before = self.begin_switch();
        let Some(picture) = self.line.enter(at) else {
            return;
        };
        let reorder = picture.pts - picture.dts;
        let cause = match self.policy.force {
            _ if before.is_none() => Cause::Started,
            Force::Live => Cause::Forced,
            _ => Cause::LiveStable,
        };
        let pts = self.enter(now, due, reorder, self.line.frame());
        let shift = Shift {
            pts: pts - picture.pts,
            dts: pts - self.video.reorder.max(reorder) - picture.dts,
        };
        self.video.frame = self.line.frame();
        self.leave_loop();
        self.air = Air::Live(shift);
        self.audio.deaf = self.line.held.audio.is_empty();
        self.monitor.on_air(now, true);
        self.put_picture(now, &shift, picture, out);
        self.switched(now, Showing::Live, cause, before, out);
        self.skip_audio();
    }

    fn switch_to_loop(&mut self, now: Nanos, due: Nanos, kind: Kind, out: &mut Vec<Output>) {
        let before = self.begin_switch();
        let Some(loaded) = self.loaded(kind) else {
            return;
        };
        let (tape, key) = (Arc::clone(&loaded.tape), self.place_to_start(now, kind));
        let cause = match &self.air {
            Air::Off => Cause::Started,
            Air::Live(_) => self.monitor.cause(),
            Air::Tail(_, _, cause) => *cause,
            Air::Loop(..) => Cause::BackupChanged,
        };
        let pts = self.enter(now, due, tape.reorder, tape.frame);
        let half = tape.source.audio().frame() / 2;
        let audio_from = self
            .audio
            .end
            .map_or(pts, |end| (end - half).max(pts - AUDIO_LEAD));
        let mut cursor = Cursor::new(Arc::clone(&tape), key, pts, audio_from);
        self.video.frame = tape.frame;
        self.leave_loop();
        self.audio.deaf = false;
        self.monitor.on_air(now, false);
        let next = cursor.video();
        let data = cursor.step_video();
        self.air = Air::Loop(kind, cursor);
        let (Some(next), Some(data)) = (next, data) else {
            self.unreadable(kind, &tape);
            return;
        };
        self.put_config(tape.source.video(), out);
        let wanted = self.spread(next.dts, tape.reorder);
        self.put_video(now, next.pts, wanted, true, data, out);
        self.switched(now, kind.showing(), cause, before, out);
    }

    /// Sets aside the audio that goes with what has been shown; gives the last picture's `pts` and time.
    fn begin_switch(&mut self) -> Option<(Nanos, Nanos)> {
        let before = self.video.shown.map(|shown| (shown, self.video.at));
        if before.is_some() {
            self.keep_audio_until(self.video.next());
        }
        before
    }

    /// Makes place for a source that is decoded this much before it is shown; gives `pts` of its first picture. An
    /// output that had to wait goes on from now.
    fn enter(&mut self, now: Nanos, due: Nanos, reorder: Nanos, frame: Nanos) -> Nanos {
        let first = self.video.shown.is_none();
        if first {
            let loops = [&self.backup, &self.slate]
                .into_iter()
                .flatten()
                .map(|loaded| loaded.tape.reorder);
            self.video.reorder = loops.chain([reorder]).max().unwrap_or(0);
        }
        let pts = self.video.next();
        let dts = self.video.key_dts(pts, reorder, frame);
        self.video.let_in(reorder, frame);
        let late_max = self.video.frame.max(20 * MILLISECOND);
        if first {
            self.origin = if now.saturating_sub(due) > late_max {
                now
            } else {
                due
            } - dts;
            self.audio.end = Some(pts);
        } else if now.saturating_sub(due) > late_max || due < self.origin + dts - late_max {
            self.origin = now - dts;
        }
        self.audio.joint = true;
        pts
    }

    fn place_to_start(&self, now: Nanos, kind: Kind) -> usize {
        let Some(loaded) = self.loaded(kind) else {
            return 0;
        };
        match (kind, self.policy.backup_start) {
            (Kind::Slate, _) | (_, BackupStart::Beginning) => 0,
            (_, BackupStart::Resume) => loaded.tape.key_after(loaded.left),
            (_, BackupStart::Running) => {
                let place = (now - loaded.since).rem_euclid(loaded.tape.duration);
                loaded.tape.key_near(place)
            }
        }
    }

    /// Has what will be needed soon brought into memory.
    pub(super) fn warm(&self, now: Nanos) {
        if let Some(kind) = self.fallback()
            && let Some(loaded) = self.loaded(kind)
        {
            loaded.tape.source.ahead(self.place_to_start(now, kind));
        }
    }

    fn leave_loop(&mut self) {
        if let Air::Loop(kind, cursor) = &self.air {
            let (kind, tape, index) = (*kind, Arc::clone(&cursor.tape), cursor.index());
            if let Some(loaded) = self
                .loaded_mut(kind)
                .filter(|loaded| Arc::ptr_eq(&loaded.tape, &tape))
            {
                loaded.left = index;
            }
        }
    }

    fn switched(
        &mut self,
        now: Nanos,
        showing: Showing,
        cause: Cause,
        before: Option<(Nanos, Nanos)>,
        out: &mut Vec<Output>,
    ) {
        self.figures.switches += 1;
        let gap = match (before, self.video.shown) {
            (Some((pts, at)), Some(shown)) => (shown - pts).max(now - at),
            _ => 0,
        };
        out.push(Output::Switched {
            showing,
            cause,
            gap,
        });
    }

    pub(super) fn unreadable(&mut self, kind: Kind, tape: &Arc<Tape>) {
        if let Some(loaded) = self
            .loaded_mut(kind)
            .filter(|loaded| loaded.readable && Arc::ptr_eq(&loaded.tape, tape))
        {
            loaded.readable = false;
            self.unreadable = Some(kind.showing());
        }
    }
}
