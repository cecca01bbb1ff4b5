//! Where a loop is: which of its units comes next, at which time of the output, and where it may be left or begun.

use std::sync::Arc;

use bytes::Bytes;

use crate::{LoopSource, LoopUnit, Nanos, SECOND, Track};

/// Units that are looked at for a key frame or a place: more than 20 s of both tracks.
const LOOK: usize = 2_500;
/// Pictures that are looked at for their order: H.264 and H.265 reorder 16 at most.
const LOOK_ORDER: usize = 40;

/// A loop with what has to be known to play it.
pub(super) struct Tape {
    pub source: Arc<dyn LoopSource>,
    pub duration: Nanos,
    /// Of one picture.
    pub frame: Nanos,
    /// `pts - dts` of its key frames.
    pub reorder: Nanos,
}

impl Tape {
    /// None for what cannot be looped: no picture to begin with, or no length.
    pub fn new(source: Arc<dyn LoopSource>) -> Option<Self> {
        let duration = source.duration();
        let (_, first) = next_of(&*source, Track::Video, 0)?;
        if duration <= 0 || !first.key {
            return None;
        }
        let (mut last, mut pictures) = (first.pts, 1);
        let mut index = 0;
        while let Some((at, unit)) =
            next_of(&*source, Track::Video, index).filter(|_| pictures <= 2 * LOOK_ORDER)
        {
            last = last.max(unit.pts);
            pictures += 1;
            index = at + 1;
        }
        let whole = index >= source.count();
        let pictures = Nanos::try_from(pictures - 1).ok()?;
        let measured = match (last - first.pts).checked_div(pictures - 1) {
            _ if whole => duration / pictures.max(1),
            Some(step) => step,
            None => duration,
        };
        let claimed = 1000 * SECOND / Nanos::from(source.video().fps_milli.max(1));
        let frame = if (claimed - measured).abs() <= measured / 20 {
            claimed
        } else {
            measured
        };
        let reorder = (first.pts - first.dts).clamp(0, SECOND);
        Some(Self {
            source,
            duration,
            frame: frame.max(1),
            reorder,
        })
    }

    /// The first key frame from unit `index` on; the beginning after the last one.
    fn key_from(&self, index: usize) -> Option<(usize, LoopUnit)> {
        let mut at = index;
        for _ in 0..LOOK {
            let (found, unit) = next_of(&*self.source, Track::Video, at)
                .or_else(|| next_of(&*self.source, Track::Video, 0))?;
            if unit.key {
                return Some((found, unit));
            }
            at = found + 1;
        }
        None
    }

    pub fn key_after(&self, index: usize) -> usize {
        self.key_from(index).map_or(0, |(key, _)| key)
    }

    /// The key frame nearest to this time of a pass.
    pub fn key_near(&self, pts: Nanos) -> usize {
        let Some(before) = self.source.key_before(pts) else {
            return 0;
        };
        let Some(since) = self.source.unit(before).map(|unit| pts - unit.pts) else {
            return 0;
        };
        let Some((after, unit)) = self.key_from(before + 1) else {
            return before;
        };
        // One that is found before is of the next pass.
        let ahead = if after > before {
            unit.pts
        } else {
            unit.pts + self.duration
        } - pts;
        if since <= ahead { before } else { after }
    }
}

/// The first unit of a track from `index` on.
fn next_of(source: &dyn LoopSource, track: Track, index: usize) -> Option<(usize, LoopUnit)> {
    (index..source.count())
        .map_while(|at| Some((at, source.unit(at)?)))
        .find(|(_, unit)| unit.track == track)
}

/// The next unit of a loop, at times of the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub index: usize,
    pub key: bool,
    pub dts: Nanos,
    pub pts: Nanos,
}

/// A place in a tape, for each track.
pub(super) struct Cursor {
    pub tape: Arc<Tape>,
    /// Time of the output at the beginning of the first pass. Passes begin at exact multiples of the duration after it.
    base: Nanos,
    video: Head,
    audio: Head,
    /// Pictures up to the next place where none is missing that is shown before one that was decoded.
    to_clean: usize,
    /// This is such a place.
    clean: bool,
    /// When the source was last told what is next.
    hinted: Nanos,
}

#[derive(Clone, Copy)]
struct Head {
    pass: i64,
    index: usize,
    unit: Option<LoopUnit>,
}

impl Head {
    fn find(source: &dyn LoopSource, track: Track, pass: i64, from: usize) -> Self {
        let mut at = from;
        while at < source.count() {
            match source.unit(at) {
                Some(unit) if unit.track == track => {
                    return Self {
                        pass,
                        index: at,
                        unit: Some(unit),
                    };
                }
                Some(_) => at += 1,
                None => {
                    return Self {
                        pass,
                        index: at,
                        unit: None,
                    };
                }
            }
        }
        match next_of(source, track, 0) {
            Some((index, unit)) => Self {
                pass: pass + 1,
                index,
                unit: Some(unit),
            },
            None => Self {
                pass,
                index: at,
                unit: None,
            },
        }
    }
}

impl Cursor {
    /// Plays from the key frame that is unit `key`, which is shown at `pts`; audio from the first unit that begins at or
    /// after `audio_from`.
    pub fn new(tape: Arc<Tape>, key: usize, pts: Nanos, audio_from: Nanos) -> Self {
        let source = Arc::clone(&tape.source);
        let video = Head::find(&*source, Track::Video, 0, key);
        let base = pts - video.unit.map_or(0, |unit| unit.pts);
        let mut from = video.index;
        for _ in 0..LOOK.min(from) {
            let Some(unit) = source.unit(from) else { break };
            if unit.track == Track::Audio && base + unit.pts < audio_from {
                break;
            }
            from -= 1;
        }
        let mut audio = Head::find(&*source, Track::Audio, 0, from);
        for _ in 0..LOOK {
            match audio.unit {
                Some(unit) if base + audio.pass * tape.duration + unit.pts < audio_from => {
                    audio = Head::find(&*source, Track::Audio, audio.pass, audio.index + 1);
                }
                _ => break,
            }
        }
        let mut cursor = Self {
            tape,
            base,
            video,
            audio,
            to_clean: 0,
            clean: true,
            hinted: Nanos::MIN,
        };
        cursor.to_clean = cursor.pictures_to_clean();
        cursor
    }

    fn next(&self, head: &Head) -> Option<Next> {
        let unit = head.unit?;
        let base = self.base + head.pass * self.tape.duration;
        Some(Next {
            index: head.index,
            key: unit.key,
            dts: base + unit.dts,
            pts: base + unit.pts,
        })
    }

    pub fn video(&self) -> Option<Next> {
        self.next(&self.video)
    }

    pub fn audio(&self) -> Option<Next> {
        self.next(&self.audio)
    }

    pub fn step_video(&mut self) -> Option<Bytes> {
        let data = self.tape.source.read(self.video.index);
        let at = self.video.unit.map_or(0, |unit| unit.dts) + self.video.pass * self.tape.duration;
        if at >= self.hinted.saturating_add(SECOND) {
            self.hinted = at;
            self.tape.source.ahead(self.video.index);
        }
        self.video = Head::find(
            &*self.tape.source,
            Track::Video,
            self.video.pass,
            self.video.index + 1,
        );
        self.to_clean = self.to_clean.saturating_sub(1);
        self.clean = self.to_clean == 0;
        if self.clean {
            self.to_clean = self.pictures_to_clean();
        }
        data
    }

    pub fn step_audio(&mut self) {
        self.audio = Head::find(
            &*self.tape.source,
            Track::Audio,
            self.audio.pass,
            self.audio.index + 1,
        );
    }

    /// Where it is cannot be read.
    pub fn broken(&self) -> bool {
        self.video.unit.is_none()
    }

    /// Everything shown up to now is complete: another source may follow.
    pub fn clean(&self) -> bool {
        self.clean || self.broken()
    }

    /// How much will be shown up to the next time that holds.
    pub fn to_clean(&self) -> Nanos {
        self.tape.frame * Nanos::try_from(self.to_clean.max(1)).unwrap_or(1)
    }

    /// Which unit is next.
    pub fn index(&self) -> usize {
        self.video.index
    }

    /// How many pictures have to be decoded from here until none is missing that is shown before one of them.
    fn pictures_to_clean(&self) -> usize {
        if self.tape.reorder == 0 {
            return 1;
        }
        let mut pictures: Vec<LoopUnit> = Vec::with_capacity(LOOK_ORDER);
        let mut index = self.video.index;
        while let Some((at, unit)) =
            next_of(&*self.tape.source, Track::Video, index).filter(|_| pictures.len() < LOOK_ORDER)
        {
            pictures.push(unit);
            index = at + 1;
        }
        let mut shown = Nanos::MIN;
        for (at, picture) in pictures.iter().enumerate() {
            shown = shown.max(picture.pts);
            let mut later = pictures
                .iter()
                .skip(at + 1)
                .take_while(|later| later.dts <= shown);
            if later.all(|later| later.pts > shown) {
                return at + 1;
            }
        }
        1
    }
}
