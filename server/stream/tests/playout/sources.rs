//! Publishers and loops that never were: units carry who made them and when, so that the oracle can tell.

use std::sync::Arc;

use booth_stream::{
    AccessUnit, AudioConfig, LoopSource, LoopUnit, MILLISECOND, MediaEvent, Nanos, SECOND, Track,
    VideoCodec, VideoConfig,
};
use bytes::Bytes;

/// What is written into the payload of every unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which source made it.
    pub source: u32,
    /// Which config it needs.
    pub config: u32,
    /// True media time at the source, without jumps, wraps and rounding.
    pub time: Nanos,
}

impl Stamp {
    pub fn bytes(self) -> Bytes {
        let mut all = Vec::with_capacity(16);
        all.extend(self.source.to_be_bytes());
        all.extend(self.config.to_be_bytes());
        all.extend(self.time.to_be_bytes());
        all.into()
    }

    /// None for what the playout made itself (silence).
    pub fn read(data: &[u8]) -> Option<Self> {
        let data: &[u8; 16] = data.try_into().ok()?;
        Some(Self {
            source: u32::from_be_bytes(data[0..4].try_into().unwrap()),
            config: u32::from_be_bytes(data[4..8].try_into().unwrap()),
            time: Nanos::from_be_bytes(data[8..16].try_into().unwrap()),
        })
    }
}

pub fn video_config(id: u32, fps: u32) -> Arc<VideoConfig> {
    Arc::new(VideoConfig {
        codec: VideoCodec::H264,
        record: Bytes::copy_from_slice(&id.to_be_bytes()),
        width: 1280,
        height: 720,
        profile: 100,
        level: 31,
        fps_milli: fps * 1000,
        bit_depth: 8,
        chroma_420: true,
    })
}

pub fn audio_config(rate: u32, channels: u8) -> Arc<AudioConfig> {
    // AAC-LC; the rest is not looked at here.
    Arc::new(AudioConfig {
        asc: Bytes::copy_from_slice(&[0x12, channels]),
        sample_rate: rate,
        channels,
        frame_samples: 1024,
    })
}

/// Shape of a picture track.
#[derive(Debug, Clone, Copy)]
pub struct Pictures {
    pub fps: u32,
    pub gop: u32,
    /// Consecutive B-frames.
    pub b: u32,
    /// Key frames are decoded before pictures that are shown before them, and refer to what was before.
    pub open: bool,
}

impl Pictures {
    pub fn frame(self, n: i64) -> Nanos {
        n * SECOND / i64::from(self.fps)
    }

    /// Of decode index n: (dts, pts, key), dts from 0 on.
    pub fn unit(self, n: i64) -> (Nanos, Nanos, bool) {
        self.unit_of(n, i64::MAX)
    }

    /// The same where there are `count` pictures in all.
    pub fn unit_of(self, n: i64, count: i64) -> (Nanos, Nanos, bool) {
        let (gop, b) = (i64::from(self.gop), i64::from(self.b));
        if self.open {
            let (mini, place) = (n / (b + 1), n % (b + 1));
            let shown = mini * (b + 1) + if place == 0 { b } else { place - 1 };
            let key = place == 0 && mini % (gop / (b + 1)).max(1) == 0;
            return (self.frame(n), self.frame(shown + 1), key);
        }
        let (start, at) = (n / gop * gop, n % gop);
        let gop = gop.min(count - start);
        // Shown order within a closed GOP: I, then mini-GOPs of b + 1 whose last is decoded first.
        let shown = if at == 0 || b == 0 {
            at
        } else {
            let (mini, place) = ((at - 1) / (b + 1), (at - 1) % (b + 1));
            let size = (gop - 1 - mini * (b + 1)).min(b + 1);
            let first = 1 + mini * (b + 1);
            if place == 0 {
                first + size - 1
            } else {
                first + place - 1
            }
        };
        let delay = if b > 0 { 1 } else { 0 };
        (self.frame(n), self.frame(start + shown + delay), at == 0)
    }
}

/// A loop in memory.
pub struct Loop {
    video: Arc<VideoConfig>,
    audio: Arc<AudioConfig>,
    duration: Nanos,
    units: Vec<LoopUnit>,
    source: u32,
    config: u32,
    /// Units from this one on cannot be read.
    pub broken_from: std::sync::atomic::AtomicUsize,
}

impl Loop {
    pub fn new(
        source: u32,
        config: u32,
        pictures: Pictures,
        count: i64,
        audio: &Arc<AudioConfig>,
    ) -> Self {
        let duration = pictures.frame(count);
        let first = pictures.unit(0).1;
        let mut units: Vec<LoopUnit> = (0..count)
            .map(|n| {
                let (dts, pts, key) = pictures.unit_of(n, count);
                unit(Track::Video, dts - first, pts - first, key)
            })
            .collect();
        let rate = i64::from(audio.sample_rate);
        let sounds = (0..)
            .map(|n| n * 1024 * SECOND / rate)
            .take_while(|pts| *pts < duration);
        units.extend(sounds.map(|pts| unit(Track::Audio, pts, pts, true)));
        units.sort_by_key(|unit| (unit.dts, unit.track));
        Self {
            video: video_config(config, pictures.fps),
            audio: Arc::clone(audio),
            duration,
            units,
            source,
            config,
            broken_from: usize::MAX.into(),
        }
    }
}

fn unit(track: Track, dts: Nanos, pts: Nanos, key: bool) -> LoopUnit {
    LoopUnit {
        track,
        key,
        dts,
        pts,
        offset: 0,
        size: 16,
    }
}

impl LoopSource for Loop {
    fn video(&self) -> &Arc<VideoConfig> {
        &self.video
    }

    fn audio(&self) -> &Arc<AudioConfig> {
        &self.audio
    }

    fn duration(&self) -> Nanos {
        self.duration
    }

    fn count(&self) -> usize {
        self.units.len()
    }

    fn unit(&self, index: usize) -> Option<LoopUnit> {
        self.units.get(index).copied()
    }

    fn read(&self, index: usize) -> Option<Bytes> {
        if index >= self.broken_from.load(std::sync::atomic::Ordering::Relaxed) {
            return None;
        }
        let unit = self.units.get(index)?;
        Some(
            Stamp {
                source: self.source,
                config: self.config,
                time: unit.pts,
            }
            .bytes(),
        )
    }

    fn key_before(&self, pts: Nanos) -> Option<usize> {
        let before = |unit: &LoopUnit| unit.track == Track::Video && unit.key && unit.pts <= pts;
        self.units.iter().rposition(before).or(Some(0))
    }
}

/// An encoder and the way to us.
#[derive(Clone)]
pub struct Publisher {
    pub source: u32,
    pub config: u32,
    pub pictures: Pictures,
    /// None for video only.
    pub audio: Option<Arc<AudioConfig>>,
    pub video: bool,
    /// The encoder's clock runs faster than ours by this many parts in a million.
    pub drift_ppm: i64,
    /// Units come later by up to this much, never out of order.
    pub jitter: Nanos,
    /// Timestamp of its first unit.
    pub base: Nanos,
    /// Timestamps are whole milliseconds, as RTMP's.
    pub rounded: bool,
    /// Timestamps wrap at this.
    pub wrap: Option<Nanos>,
    /// From this media time on, timestamps are off by that.
    pub jumps: Vec<(Nanos, Nanos)>,
    /// Media of this media time takes that long to come, and what follows comes behind it at once.
    pub stalls: Vec<(Nanos, Nanos)>,
    /// Audio is sent this much later than the picture it belongs to.
    pub audio_late: Nanos,
    /// Media time per time of ours: 1 for a live source.
    pub speed: i64,
}

impl Publisher {
    pub fn new(source: u32, fps: u32) -> Self {
        Self {
            source,
            config: source,
            pictures: Pictures {
                fps,
                gop: fps * 2,
                b: 0,
                open: false,
            },
            audio: Some(audio_config(48_000, 2)),
            video: true,
            drift_ppm: 0,
            jitter: 0,
            base: 0,
            rounded: true,
            wrap: None,
            jumps: Vec::new(),
            stalls: Vec::new(),
            audio_late: 0,
            speed: 1,
        }
    }

    fn stamp(&self, time: Nanos, media: Nanos) -> Nanos {
        let jump: Nanos = self
            .jumps
            .iter()
            .filter(|(at, _)| media >= *at)
            .map(|(_, by)| by)
            .sum();
        let at = self.base + time + jump;
        let at = if self.rounded {
            (at + MILLISECOND / 2).div_euclid(MILLISECOND) * MILLISECOND
        } else {
            at
        };
        self.wrap.map_or(at, |wrap| at.rem_euclid(wrap))
    }

    /// What it sends from `start` on our clock, for `length` of media time, with the time of arrival.
    pub fn send(
        &self,
        start: Nanos,
        length: Nanos,
    ) -> impl Iterator<Item = (Nanos, MediaEvent)> + use<> {
        let this = self.clone();
        let (mut n, mut a) = (0_i64, 0_i64);
        let mut random = 0x9E37_79B9_7F4A_7C15_u64 ^ u64::from(this.source);
        let mut configs: Vec<MediaEvent> = Vec::new();
        if let Some(audio) = &this.audio {
            configs.push(MediaEvent::Audio(Arc::clone(audio)));
        }
        if this.video {
            configs.push(MediaEvent::Video(video_config(
                this.config,
                this.pictures.fps,
            )));
        }
        let mut last = start;
        let units = std::iter::from_fn(move || {
            let video = this
                .video
                .then(|| this.pictures.unit(n))
                .filter(|(dts, ..)| *dts < length);
            let audio = this
                .audio
                .as_ref()
                .map(|audio| a * 1024 * SECOND / i64::from(audio.sample_rate));
            let audio = audio.filter(|pts| *pts < length);
            let video_first = match (video, audio) {
                (Some((dts, ..)), Some(pts)) => dts <= pts + this.audio_late,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return None,
            };
            let (media, unit) = if video_first {
                let (dts, pts, key) = video?;
                n += 1;
                let data = Stamp {
                    source: this.source,
                    config: this.config,
                    time: pts,
                }
                .bytes();
                let (stamp, late) = (this.stamp(dts, dts), pts - dts);
                let late = if this.rounded {
                    (late + MILLISECOND / 2) / MILLISECOND * MILLISECOND
                } else {
                    late
                };
                (
                    dts,
                    AccessUnit {
                        track: Track::Video,
                        dts: stamp,
                        pts: stamp + late,
                        key,
                        data,
                    },
                )
            } else {
                let pts = audio?;
                a += 1;
                let data = Stamp {
                    source: this.source,
                    config: u32::MAX,
                    time: pts,
                }
                .bytes();
                let stamp = this.stamp(pts, pts);
                (
                    pts + this.audio_late,
                    AccessUnit {
                        track: Track::Audio,
                        dts: stamp,
                        pts: stamp,
                        key: true,
                        data,
                    },
                )
            };
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let jitter = if this.jitter > 0 {
                (random >> 33) as i64 % this.jitter
            } else {
                0
            };
            let sent = start + media / this.speed - media / 1_000_000 * this.drift_ppm;
            let held = this
                .stalls
                .iter()
                .filter(|(at, _)| media >= *at)
                .map(|(at, length)| start + at + length);
            let arrival = held.chain([sent + jitter]).max()?.max(last);
            last = arrival;
            Some((arrival, MediaEvent::Unit(unit)))
        });
        configs
            .into_iter()
            .map(move |config| (start, config))
            .chain(units)
    }
}
