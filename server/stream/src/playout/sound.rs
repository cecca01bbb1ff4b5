//! The sound: what is heard next and when. Units of one source follow each other as they are; where sources meet, the
//! first unit is the one that begins nearest to the end of the last, and what nobody sends is filled with silence.

use bytes::Bytes;

use super::heads::Residue;
use super::silence::silent;
use super::{Air, Output, Playout};
use crate::{AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, SECOND, Track};
use std::sync::Arc;

/// Audio that comes this late is still waited for, with what the delay leaves.
const WAIT: Nanos = SECOND;
const WAIT_MIN: Nanos = 200 * MILLISECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Residue,
    Unit,
    Silence,
}

impl Playout {
    /// Where the next unit of the source on air begins.
    fn candidate(&self) -> Option<Nanos> {
        match &self.air {
            Air::Off => None,
            Air::Live(shift) => self
                .line
                .held
                .audio
                .front()
                .map(|sound| sound.pts + shift.pts),
            Air::Tail(shift, held, _) => held.audio.front().map(|sound| sound.pts + shift.pts),
            Air::Loop(_, cursor) => cursor.audio().map(|next| next.pts),
        }
    }

    pub(super) fn next_audio(&self) -> Option<(Nanos, Step)> {
        if let Some(residue) = self.audio.residue.front() {
            return Some((self.origin + residue.pts, Step::Residue));
        }
        let end = self.audio.end?;
        let (frame, hole) = (self.audio.frame(), self.hole());
        match self.candidate() {
            Some(start) if start - end > hole && self.silence().is_some() => {
                Some((self.origin + end, Step::Silence))
            }
            Some(start) => Some((self.origin + start, Step::Unit)),
            // Nothing is heard beyond what is seen.
            None if end + frame / 2 >= self.video.next() || self.silence().is_none() => None,
            None => {
                let wait = match &self.air {
                    Air::Off => return None,
                    Air::Live(_) if !self.audio.deaf => (WAIT - self.policy.delay).max(WAIT_MIN),
                    Air::Live(_) | Air::Tail(..) | Air::Loop(..) => 0,
                };
                Some((self.origin + end + wait, Step::Silence))
            }
        }
    }

    /// What is more than this between two units is filled. Within a source a frame may be a little off its place; where
    /// one begins, what is nearest is best.
    fn hole(&self) -> Nanos {
        let frame = self.audio.frame();
        if self.audio.joint {
            frame / 2
        } else {
            frame * 3 / 4
        }
    }

    /// A silent frame and its config: the output's own if one can be made, otherwise the slate's.
    fn silence(&self) -> Option<(Bytes, &Arc<AudioConfig>)> {
        let slate = || {
            let tape = &self.slate.as_ref().or(self.backup.as_ref())?.tape;
            let config = tape.source.audio();
            Some((silent(config)?, config))
        };
        let own = self.audio.config.as_ref().or(self.line.audio_config());
        own.and_then(|config| Some((silent(config)?, config)))
            .or_else(slate)
    }

    pub(super) fn step_audio(&mut self, step: Step, out: &mut Vec<Output>) {
        match step {
            Step::Residue => {
                if let Some(Residue { pts, data, config }) = self.audio.residue.pop_front() {
                    self.put_audio(pts, data, &config, out);
                }
            }
            Step::Silence => {
                let (Some(pts), Some((data, config))) = (self.audio.end, self.silence()) else {
                    return;
                };
                let config = Arc::clone(config);
                self.audio.deaf = true;
                self.audio.passes_silence(&config);
                self.figures.silent += 1;
                self.put_audio(pts, data, &config, out);
            }
            Step::Unit => {
                if let Some(Residue { pts, data, config }) = self.take_audio() {
                    self.audio.passes(pts, config.frame());
                    self.audio.deaf = false;
                    self.put_audio(pts, data, &config, out);
                }
            }
        }
        self.skip_audio();
    }

    fn put_audio(
        &mut self,
        pts: Nanos,
        data: Bytes,
        config: &Arc<AudioConfig>,
        out: &mut Vec<Output>,
    ) {
        let same = |held: &Arc<AudioConfig>| Arc::ptr_eq(held, config) || held == config;
        if !self.audio.config.as_ref().is_some_and(same) {
            self.audio.config = Some(Arc::clone(config));
            out.push(Output::Media(MediaEvent::Audio(Arc::clone(config))));
        }
        let pts = self
            .audio
            .last
            .map_or(pts, |last| pts.max(last + MILLISECOND));
        self.audio.last = Some(pts);
        let unit = AccessUnit {
            track: Track::Audio,
            dts: pts,
            pts,
            key: true,
            data,
        };
        out.push(Output::Media(MediaEvent::Unit(unit)));
    }

    /// Takes the next unit out of the source on air.
    fn take_audio(&mut self) -> Option<Residue> {
        match &mut self.air {
            Air::Off => None,
            Air::Live(shift) => {
                let shift = shift.pts;
                self.line.pop_audio().map(|sound| Residue {
                    pts: sound.pts + shift,
                    data: sound.data,
                    config: sound.config,
                })
            }
            Air::Tail(shift, held, _) => {
                let shift = shift.pts;
                let sound = held.audio.pop_front()?;
                Some(Residue {
                    pts: sound.pts + shift,
                    data: sound.data,
                    config: sound.config,
                })
            }
            Air::Loop(kind, cursor) => {
                let next = cursor.audio()?;
                let data = cursor.tape.source.read(next.index);
                let config = Arc::clone(cursor.tape.source.audio());
                cursor.step_audio();
                if data.is_none() {
                    let (kind, tape) = (*kind, Arc::clone(&cursor.tape));
                    self.unreadable(kind, &tape);
                }
                Some(Residue {
                    pts: next.pts,
                    data: data?,
                    config,
                })
            }
        }
    }

    /// Passes over units that would be heard while the one before still is.
    pub(super) fn skip_audio(&mut self) {
        let Some(end) = self.audio.end else { return };
        loop {
            let frame = match &self.air {
                Air::Off => return,
                Air::Live(_) => self
                    .line
                    .held
                    .audio
                    .front()
                    .map(|sound| sound.config.frame()),
                Air::Tail(_, held, _) => held.audio.front().map(|sound| sound.config.frame()),
                Air::Loop(_, cursor) => Some(cursor.tape.source.audio().frame()),
            };
            let overlaps = |start: Nanos| frame.is_some_and(|frame| start < end - frame / 2);
            if !self.candidate().is_some_and(overlaps) {
                return;
            }
            match &mut self.air {
                Air::Off => return,
                Air::Live(_) => {
                    drop(self.line.pop_audio());
                    // It does send audio, so that is waited for; late as it is, silence would always be ahead of it.
                    self.audio.deaf = false;
                }
                Air::Tail(_, held, _) => drop(held.audio.pop_front()),
                Air::Loop(_, cursor) => cursor.step_audio(),
            }
        }
    }

    /// Sets aside what is heard with the pictures of the source that leaves: up to the unit whose larger part is before
    /// `until`. Where it has nothing, silence.
    pub(super) fn keep_audio_until(&mut self, until: Nanos) {
        loop {
            self.skip_audio();
            let (Some(start), Some(end)) = (self.candidate(), self.audio.end) else {
                return;
            };
            let frame = self.audio.frame();
            if start + frame / 2 >= until {
                return;
            }
            if start - end > self.hole()
                && let Some((data, config)) = self.silence()
            {
                let (data, config) = (data, Arc::clone(config));
                self.audio.passes_silence(&config);
                self.figures.silent += 1;
                self.audio.residue.push_back(Residue {
                    pts: end,
                    data,
                    config,
                });
                continue;
            }
            match self.take_audio() {
                Some(residue) => {
                    self.audio.passes(residue.pts, residue.config.frame());
                    self.audio.residue.push_back(residue);
                }
                None => return,
            }
        }
    }
}
