//! One file's packets, passed on as they are, on the loop's exact times; or the refusal to, found on the way.

use std::collections::VecDeque;

use booth_mix::RATE;
use booth_stream::video::Pictures;
use booth_stream::{AccessUnit, MILLISECOND, Nanos, Track, VideoCodec};
use bytes::Bytes;

use super::config;
use super::demux::{DEADLINE, Demux, Next, Packet};
use super::error::PrepareError;
use super::grid::time_of;
use super::probe::KEYS_APART;
use super::weave::Weave;

const AAC_FRAME: u64 = 1024;
/// Stamps of sound are rounded by containers.
const SOUND_JITTER: Nanos = 12 * MILLISECOND;

/// See the module.
pub struct CopySource {
    demux: Demux,
    path: String,
    fps: u32,
    /// Pictures of the loop before this file.
    base: u64,
    pictures: u64,
    origin: Option<Nanos>,
    key_at: Nanos,
    caps: Option<gst::Caps>,
    coding: Pictures,
    sound: Option<Sound>,
    ready: VecDeque<AccessUnit>,
}

impl CopySource {
    pub fn open(path: &str, fps: u32, base: u64, sound: bool) -> Result<Self, PrepareError> {
        Ok(Self {
            demux: Demux::open(path, DEADLINE)?,
            path: path.to_owned(),
            fps,
            base,
            pictures: 0,
            origin: None,
            key_at: 0,
            caps: None,
            coding: Pictures::new(VideoCodec::H264),
            sound: sound.then(Sound::default),
            ready: VecDeque::new(),
        })
    }

    /// Pictures of this file so far.
    pub fn pictures(&self) -> u64 {
        self.pictures
    }

    /// The first picture's time in the file.
    pub fn origin(&self) -> Option<Nanos> {
        self.origin
    }

    /// The next picture's unit; sound goes straight into the loop.
    pub fn next(
        &mut self,
        cancelled: &dyn Fn() -> bool,
        weave: &mut Weave,
    ) -> Result<Option<AccessUnit>, PrepareError> {
        loop {
            if let Some(unit) = self.ready.pop_front() {
                return Ok(Some(unit));
            }
            match self.demux.next(cancelled) {
                Next::Packet(packet) if packet.track == Track::Video => {
                    self.picture(packet, weave)?
                }
                Next::Packet(packet) => {
                    if let Some(sound) = &mut self.sound {
                        sound.packet(packet, weave)?;
                    }
                }
                Next::End if cancelled() => return Err(PrepareError::Cancelled),
                Next::End => return Ok(None),
                Next::Failed(problem) => {
                    tracing::warn!(path = self.path, %problem, "the file is damaged");
                    // The decoder passes over what it can.
                    return Err(PrepareError::NotCopyable(
                        Track::Video,
                        "a file is damaged".to_owned(),
                    ));
                }
            }
            if let (Some(sound), Some(origin)) = (&mut self.sound, self.origin) {
                sound.place(origin, time_of(self.base, self.fps.into()), None, weave)?;
            }
        }
    }

    fn picture(&mut self, packet: Packet, weave: &mut Weave) -> Result<(), PrepareError> {
        let refuse = |why: &str| Err(PrepareError::NotCopyable(Track::Video, why.to_owned()));
        if self.caps.as_ref() != Some(&packet.caps) {
            let record = config::codec_data(&packet.caps).unwrap_or_default();
            match self.coding.record(&record) {
                Ok(Some(config)) if weave.video_config(&config).is_err() => {
                    return refuse("the parameter sets change");
                }
                Ok(_) => {}
                Err(error) => return refuse(&error.to_string()),
            }
            self.caps = Some(packet.caps.clone());
        }
        let Some(pts) = packet.pts else {
            return refuse("a picture has no time");
        };
        let origin = *self.origin.get_or_insert(pts);
        let rate = u64::from(self.fps);
        let expected = time_of(self.pictures, rate);
        if (pts - origin - expected).abs() > time_of(1, rate) * 2 / 5 {
            return refuse("pictures are missing, reordered or at uneven times");
        }
        let Ok(map) = packet.buffer.map_readable() else {
            return refuse("a picture cannot be read");
        };
        let (key, data) = match self.coding.unit(Bytes::copy_from_slice(map.as_slice())) {
            Ok(Some(picture)) => {
                let config = picture.config;
                if config.is_some_and(|config| weave.video_config(&config).is_err()) {
                    return refuse("the parameter sets change");
                }
                (picture.key, picture.data)
            }
            Ok(None) => return refuse("there is a unit without a picture"),
            Err(error) => return refuse(&error.to_string()),
        };
        if key {
            self.key_at = expected;
        } else if self.pictures == 0 {
            return refuse("it does not begin with a key frame");
        } else if expected - self.key_at > KEYS_APART {
            return refuse("key frames are too far apart");
        }
        let at = time_of(self.base + self.pictures, rate);
        self.pictures += 1;
        self.ready.push_back(AccessUnit {
            track: Track::Video,
            dts: at,
            pts: at,
            key,
            data,
        });
        Ok(())
    }

    /// The sound up to the end of the pictures.
    pub fn finish(mut self, weave: &mut Weave) -> Result<(), PrepareError> {
        let rate = u64::from(self.fps);
        let (base, end) = (
            time_of(self.base, rate),
            time_of(self.base + self.pictures, rate),
        );
        match (&mut self.sound, self.origin) {
            (Some(sound), Some(origin)) => {
                sound.place(origin, base, Some(end), weave)?;
                // Half a frame is made up for at the seam, by taking the frames that are nearest.
                if end - base - sound.end > time_of(AAC_FRAME / 2, RATE as u64) + MILLISECOND {
                    return Err(PrepareError::NotCopyable(
                        Track::Audio,
                        "it is shorter than the pictures".to_owned(),
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// AAC frames of one file.
#[derive(Debug, Default)]
struct Sound {
    waiting: VecDeque<(Nanos, Bytes)>,
    /// Time of the first frame that is kept, on the pictures' time, and frames since.
    first: Option<Nanos>,
    frames: u64,
    /// Where the last frame ends, on the pictures' time.
    end: Nanos,
    caps: Option<gst::Caps>,
}

impl Sound {
    fn packet(&mut self, packet: Packet, weave: &mut Weave) -> Result<(), PrepareError> {
        let refuse = |why: &str| Err(PrepareError::NotCopyable(Track::Audio, why.to_owned()));
        if self.caps.as_ref() != Some(&packet.caps) {
            let config = match config::audio(&packet.caps) {
                Ok(config) => config,
                Err(why) => return refuse(&why),
            };
            if weave.audio_config(&config).is_err() {
                return refuse("its format changes");
            }
            self.caps = Some(packet.caps.clone());
        }
        let (Some(pts), Ok(map)) = (packet.pts, packet.buffer.map_readable()) else {
            return refuse("a frame has no time");
        };
        self.waiting
            .push_back((pts, Bytes::copy_from_slice(map.as_slice())));
        Ok(())
    }

    /// Hands on what belongs to the pictures so far; with `end`, what comes after it is left out.
    fn place(
        &mut self,
        origin: Nanos,
        base: Nanos,
        end: Option<Nanos>,
        weave: &mut Weave,
    ) -> Result<(), PrepareError> {
        // The last ones wait for the end of the pictures to be known.
        let keep = if end.is_some() {
            0
        } else {
            RATE / AAC_FRAME as usize
        };
        while self.waiting.len() > keep
            && let Some((pts, data)) = self.waiting.pop_front()
        {
            let at = pts - origin;
            let first = match self.first {
                Some(first) => first,
                // Priming, and what is heard before the first picture.
                None if at < -MILLISECOND => continue,
                None if at > time_of(AAC_FRAME, RATE as u64) => {
                    return Err(PrepareError::NotCopyable(
                        Track::Audio,
                        "it begins later than the pictures".to_owned(),
                    ));
                }
                None => *self.first.insert(at.max(0)),
            };
            let exact = first + time_of(self.frames * AAC_FRAME, RATE as u64);
            if (at - exact).abs() > SOUND_JITTER {
                return Err(PrepareError::NotCopyable(
                    Track::Audio,
                    "it has holes".to_owned(),
                ));
            }
            // A frame that is heard mostly after the last picture would be heard over the next file's first.
            let half = time_of(AAC_FRAME / 2, RATE as u64);
            if end.is_some_and(|end| base + exact + half > end) {
                self.end = self.end.max(exact);
                continue;
            }
            self.frames += 1;
            self.end = exact + 2 * half;
            weave.unit(AccessUnit {
                track: Track::Audio,
                dts: base + exact,
                pts: base + exact,
                key: true,
                data,
            })?;
        }
        Ok(())
    }
}
