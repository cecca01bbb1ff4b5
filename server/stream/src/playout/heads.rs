//! What has gone out, per track: what the next unit has to follow.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::{AudioConfig, MILLISECOND, Nanos, SECOND, VideoConfig};

/// Least step of `dts`: containers count in milliseconds.
const STEP_MIN: Nanos = MILLISECOND;

/// What is kept for later sources; one that needs more is squeezed in each time.
const REORDER_MAX: Nanos = 500 * MILLISECOND;

#[derive(Default)]
pub(super) struct VideoHead {
    pub config: Option<Arc<VideoConfig>>,
    /// Largest `pts`, and last `dts`.
    pub shown: Option<Nanos>,
    pub decoded: Nanos,
    /// When the last picture went out, on our clock.
    pub at: Nanos,
    /// Duration of a picture of the source on air.
    pub frame: Nanos,
    /// `pts - dts` of key frames on the output. Grows to that of the most reordered source and stays, so that `dts`
    /// goes on evenly from one source to another.
    pub reorder: Nanos,
    /// Least step of `dts` while a more reordered source is let in.
    squeeze: Nanos,
}

impl VideoHead {
    /// `pts` of the picture that comes next.
    pub fn next(&self) -> Nanos {
        self.shown.map_or(self.reorder, |shown| shown + self.frame)
    }

    /// `dts` of a key frame of a source with this `pts - dts` and duration of a picture, which is shown at `pts`.
    pub fn key_dts(&self, pts: Nanos, reorder: Nanos, frame: Nanos) -> Nanos {
        self.fit(
            pts,
            pts - self.reorder.max(reorder),
            self.squeeze_for(reorder, frame),
        )
    }

    /// Where `dts` goes for a unit that would like to have it there.
    pub fn dts(&self, pts: Nanos, dts: Nanos) -> Nanos {
        self.fit(pts, dts, self.squeeze)
    }

    fn fit(&self, pts: Nanos, dts: Nanos, squeeze: Nanos) -> Nanos {
        if self.shown.is_none() {
            return dts;
        }
        let dts = dts.max(self.decoded + squeeze.max(STEP_MIN)).min(pts);
        if dts > self.decoded {
            dts
        } else {
            self.decoded + STEP_MIN
        }
    }

    /// A source with this `pts - dts` comes: its first pictures are decoded closer together, until they are as far
    /// ahead of their showing as it needs.
    pub fn let_in(&mut self, reorder: Nanos, frame: Nanos) {
        self.squeeze = self.squeeze_for(reorder, frame);
        self.reorder = self.reorder.max(reorder.min(REORDER_MAX));
    }

    /// With a deficit of n of its frames, n + 1 pictures are decoded in the time of one that went before: then each is
    /// decoded before it is shown.
    fn squeeze_for(&self, reorder: Nanos, frame: Nanos) -> Nanos {
        let deficit = reorder - self.reorder;
        if deficit <= 0 {
            return STEP_MIN;
        }
        let frame = frame.max(STEP_MIN);
        let pictures = (deficit + frame - 1) / frame + 1;
        (self.frame / pictures).max(STEP_MIN)
    }

    /// A picture went out.
    pub fn passed(&mut self, now: Nanos, pts: Nanos, dts: Nanos, wanted: Nanos) {
        if dts == wanted {
            self.squeeze = STEP_MIN;
        }
        self.shown = Some(self.shown.map_or(pts, |shown| shown.max(pts)));
        self.decoded = dts;
        self.at = now;
    }
}

/// Audio that is to go out before the source on air begins to be heard.
pub(super) struct Residue {
    pub pts: Nanos,
    pub data: Bytes,
    pub config: Arc<AudioConfig>,
}

#[derive(Default)]
pub(super) struct AudioHead {
    pub config: Option<Arc<AudioConfig>>,
    /// Where the last unit ends, with what is in `residue`.
    pub end: Option<Nanos>,
    /// Of the unit that went out last.
    pub last: Option<Nanos>,
    pub residue: VecDeque<Residue>,
    /// The next unit does not follow one of its own source.
    pub joint: bool,
    /// The source sends no audio: it is not waited for.
    pub deaf: bool,
    /// Silence began there, and is as many frames long: an end that does not lose fractions of nanoseconds.
    run: Option<(Nanos, i64)>,
}

impl AudioHead {
    pub fn frame(&self) -> Nanos {
        self.config
            .as_ref()
            .map_or(SECOND * 1024 / 48_000, |config| config.frame())
    }

    /// A unit of a source is to be next.
    pub fn passes(&mut self, pts: Nanos, frame: Nanos) {
        self.end = Some(pts + frame);
        self.joint = false;
        self.run = None;
    }

    /// A silent frame is to be next.
    pub fn passes_silence(&mut self, config: &AudioConfig) {
        let Some(end) = self.end else { return };
        let (start, frames) = self.run.unwrap_or((end, 0));
        let samples = i128::from(config.frame_samples) * i128::from(frames + 1);
        let length = samples * i128::from(SECOND) / i128::from(config.sample_rate.max(1));
        self.run = Some((start, frames + 1));
        self.end = Some(start + Nanos::try_from(length).unwrap_or(0));
        self.joint = true;
    }
}
