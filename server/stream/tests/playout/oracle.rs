//! Looks at everything that goes out as a strict receiver would, without knowing how it was made.

use std::collections::VecDeque;
use std::sync::Arc;

use booth_stream::{
    AccessUnit, AudioConfig, Cause, LiveState, MILLISECOND, MediaEvent, Nanos, Output, Showing,
    Track, VideoConfig,
};

use crate::sources::Stamp;

/// RTMP's timestamps are whole milliseconds.
const ROUNDING: Nanos = 2 * MILLISECOND;
/// Shown pictures that are kept to find the steps between them.
const REORDER: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    pub at: Nanos,
    pub showing: Showing,
    pub cause: Cause,
    pub gap: Nanos,
}

#[derive(Default)]
pub struct Oracle {
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    last_video: Option<AccessUnit>,
    last_audio: Option<Nanos>,
    video_source: Option<u32>,
    /// Output time minus true media time, of video and of audio, by source.
    offsets: [Option<(u32, Nanos)>; 2],
    /// Up to there, offsets may still change.
    settling: Nanos,
    /// `pts` of pictures that are not settled yet, sorted.
    pending: VecDeque<Nanos>,
    settled: Option<Nanos>,
    last_at: Option<Nanos>,
    pub switches: Vec<Switch>,
    pub states: Vec<(Nanos, LiveState)>,
    /// Longest step between pictures as shown, and when; at changes of source and everywhere.
    pub pts_step: Nanos,
    pub pts_step_at: Nanos,
    pub pts_step_min: Option<Nanos>,
    /// Longest time without a picture going out, and longest step of `dts`.
    pub silence: Nanos,
    /// Most pictures that went out at one time.
    pub burst: u32,
    burst_now: u32,
    pub silence_at: Nanos,
    pub dts_step: Nanos,
    pub dts_step_min: Option<Nanos>,
    /// Longest hole and overlap of audio.
    pub audio_hole: Nanos,
    pub audio_overlap: Nanos,
    /// Longest audio frame.
    audio_frame: Nanos,
    /// Farthest that audio was out of step with the picture of its source.
    pub lip_sync: Nanos,
    pub pictures: u64,
    pub sounds: u64,
    pub silent: u64,
    pub configs: u64,
    pub media: Vec<(Nanos, Stamp, Track)>,
    pub keep_media: bool,
    pub unreadable: Vec<Showing>,
}

impl Oracle {
    pub fn take(&mut self, now: Nanos, output: Output) {
        match output {
            Output::Media(MediaEvent::Video(config)) => {
                assert_ne!(
                    self.video.as_ref(),
                    Some(&config),
                    "a config that holds already"
                );
                self.configs += 1;
                self.video = Some(config);
            }
            Output::Media(MediaEvent::Audio(config)) => {
                assert_ne!(
                    self.audio.as_ref(),
                    Some(&config),
                    "a config that holds already"
                );
                self.audio_frame = self.audio_frame.max(config.frame());
                self.audio = Some(config);
            }
            Output::Media(MediaEvent::Unit(unit)) if unit.track == Track::Video => {
                self.picture(now, unit)
            }
            Output::Media(MediaEvent::Unit(unit)) => self.sound(now, unit),
            Output::Switched {
                showing,
                cause,
                gap,
            } => {
                self.switches.push(Switch {
                    at: now,
                    showing,
                    cause,
                    gap,
                });
                // The same source may come again at another offset; audio of before still follows.
                self.offsets = [None; 2];
                let shown = self.last_video.as_ref().map_or(0, |last| last.pts);
                self.settling = shown + 300 * MILLISECOND;
            }
            Output::Live(state) => self.states.push((now, state)),
            Output::Unreadable(showing) => self.unreadable.push(showing),
        }
    }

    fn picture(&mut self, now: Nanos, unit: AccessUnit) {
        let config = self
            .video
            .as_ref()
            .expect("a config before the first picture");
        let stamp = Stamp::read(&unit.data).expect("pictures are never made up");
        assert_eq!(
            config.record,
            stamp.config.to_be_bytes().as_slice(),
            "the config of another source at {now}"
        );
        assert!(unit.pts >= unit.dts, "shown before it is decoded: {unit:?}");
        assert!(unit.dts >= 0, "before the beginning: {unit:?}");
        if let Some(last) = &self.last_video {
            assert!(
                unit.dts > last.dts,
                "dts goes back from {} to {} at {now}",
                last.dts,
                unit.dts
            );
            let step = unit.dts - last.dts;
            self.dts_step = self.dts_step.max(step);
            self.dts_step_min = Some(self.dts_step_min.map_or(step, |min| min.min(step)));
        }
        if self.video_source != Some(stamp.source) {
            assert!(
                unit.key,
                "source {} begins without a key frame at {now}",
                stamp.source
            );
            self.video_source = Some(stamp.source);
        }
        self.sync(Track::Video, stamp, unit.pts);
        self.burst_now = if self.last_at == Some(now) {
            self.burst_now + 1
        } else {
            1
        };
        self.burst = self.burst.max(self.burst_now);
        if let Some(last) = self.last_at.replace(now)
            && now - last > self.silence
        {
            (self.silence, self.silence_at) = (now - last, now);
        }
        self.pictures += 1;
        if self.keep_media {
            self.media.push((unit.pts, stamp, Track::Video));
        }
        let place = self.pending.partition_point(|pts| *pts < unit.pts);
        self.pending.insert(place, unit.pts);
        self.last_video = Some(unit);
        while self.pending.len() > REORDER {
            self.settle(now);
        }
    }

    fn settle(&mut self, now: Nanos) {
        let Some(pts) = self.pending.pop_front() else {
            return;
        };
        if let Some(last) = self.settled {
            assert!(pts > last, "two pictures at {pts}");
            self.pts_step_min = Some(
                self.pts_step_min
                    .map_or(pts - last, |min| min.min(pts - last)),
            );
            if pts - last > self.pts_step {
                (self.pts_step, self.pts_step_at) = (pts - last, now);
            }
        }
        self.settled = Some(pts);
    }

    fn sound(&mut self, now: Nanos, unit: AccessUnit) {
        let config = Arc::clone(
            self.audio
                .as_ref()
                .expect("a config before the first sound"),
        );
        assert_eq!(unit.pts, unit.dts);
        assert!(unit.dts >= 0, "before the beginning: {unit:?}");
        if let Some(end) = self.last_audio {
            assert!(
                unit.pts > end - self.audio_frame,
                "audio goes back at {now}"
            );
            self.audio_hole = self.audio_hole.max(unit.pts - end);
            self.audio_overlap = self.audio_overlap.max(end - unit.pts);
        }
        self.last_audio = Some(unit.pts + config.frame());
        self.sounds += 1;
        match Stamp::read(&unit.data) {
            Some(stamp) => {
                self.sync(Track::Audio, stamp, unit.pts);
                if self.keep_media {
                    self.media.push((unit.pts, stamp, Track::Audio));
                }
            }
            None => self.silent += 1,
        }
    }

    fn sync(&mut self, track: Track, stamp: Stamp, pts: Nanos) {
        if pts < self.settling {
            return;
        }
        let place = usize::from(track == Track::Audio);
        self.offsets[place] = Some((stamp.source, pts - stamp.time));
        // Of a switch is told after its first picture, so sound is what is compared.
        if track == Track::Video {
            return;
        }
        if let [Some((video, seen)), Some((audio, heard))] = self.offsets
            && video == audio
        {
            // A loop begins again once in a while: one track does so first.
            let off = (seen - heard).abs();
            if off < 500 * MILLISECOND {
                self.lip_sync = self.lip_sync.max(off);
            }
        }
    }

    /// Settles what no later picture can come before.
    fn finish(&mut self) {
        let now = self.last_at.unwrap_or(0);
        let decoded = self.last_video.as_ref().map_or(0, |last| last.dts);
        while self.pending.front().is_some_and(|pts| *pts <= decoded) {
            self.settle(now);
        }
    }

    /// Nobody who watches can have seen anything: pictures one frame apart, sound without holes, in step.
    #[track_caller]
    pub fn is_hitless(&mut self, frame: Nanos) {
        self.finish();
        let ms = |nanos: Nanos| nanos as f64 / 1e6;
        assert!(
            self.pts_step <= frame + ROUNDING,
            "pictures are {} ms apart at {} ms",
            ms(self.pts_step),
            ms(self.pts_step_at)
        );
        assert!(
            self.silence <= frame * 3 / 2 + ROUNDING,
            "no picture went out for {} ms until {} ms",
            ms(self.silence),
            ms(self.silence_at)
        );
        self.is_in_step();
    }

    /// Timestamps go on evenly, whatever became of the time in between.
    #[track_caller]
    pub fn is_one_line(&mut self, frame: Nanos) {
        self.finish();
        let (step, at) = (self.pts_step / 1000, self.pts_step_at / 1_000_000);
        assert!(
            self.pts_step <= frame + ROUNDING,
            "pictures are {step} us apart at {at} ms"
        );
        self.is_in_step();
    }

    #[track_caller]
    pub fn is_in_step(&mut self) {
        let half = self.audio_frame / 2;
        assert!(
            self.audio_hole <= half + ROUNDING,
            "a hole of {} us in audio",
            self.audio_hole / 1000
        );
        assert!(
            self.audio_overlap <= half + ROUNDING,
            "an overlap of {} us in audio",
            self.audio_overlap / 1000
        );
        assert!(
            self.lip_sync <= 10 * MILLISECOND,
            "lip sync is off by {} us",
            self.lip_sync / 1000
        );
    }

    pub fn showings(&self) -> Vec<(Showing, Cause)> {
        self.switches
            .iter()
            .map(|switch| (switch.showing, switch.cause))
            .collect()
    }

    #[track_caller]
    pub fn last_switch(&self) -> Switch {
        *self.switches.last().expect("a switch")
    }
}
