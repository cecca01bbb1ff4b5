//! Puts pictures and sound into one loop file, in order of decoding, encoding what is not passed on.

use std::collections::VecDeque;
use std::path::Path;

use booth_stream::loopfile::LoopWriter;
use booth_stream::{AccessUnit, AudioConfig, Nanos, Track, VideoConfig};

use super::encode::{AudioEncoder, VideoEncoder};
use super::error::PrepareError;
use crate::picture::{Format, Frame};
use crate::settings::VideoSettings;

/// See the module.
pub struct Weave {
    writer: LoopWriter,
    video: Option<VideoEncoder>,
    audio: Option<AudioEncoder>,
    /// Each waits for the other: what a look-ahead holds back, and what a file has not interleaved. Only coded units.
    pictures: VecDeque<AccessUnit>,
    sounds: VecDeque<AccessUnit>,
    fresh: Vec<AccessUnit>,
}

impl Weave {
    pub fn create(path: &Path) -> Result<Self, PrepareError> {
        Ok(Self {
            writer: LoopWriter::create(path)?,
            video: None,
            audio: None,
            pictures: VecDeque::new(),
            sounds: VecDeque::new(),
            fresh: Vec::new(),
        })
    }

    pub fn encode_video(
        &mut self,
        settings: &VideoSettings,
        format: &Format,
    ) -> Result<(), PrepareError> {
        self.video = Some(VideoEncoder::start(settings, format)?);
        Ok(())
    }

    pub fn encode_audio(&mut self, bitrate_kbps: u32) -> Result<(), PrepareError> {
        self.audio = Some(AudioEncoder::start(bitrate_kbps)?);
        Ok(())
    }

    /// The next picture, to be encoded.
    pub fn picture(&mut self, frame: &Frame) -> Result<(), PrepareError> {
        if let Some(video) = &mut self.video {
            video.push(frame)?;
            video.take(&mut self.fresh)?;
        }
        self.sort()
    }

    /// The next samples, to be encoded.
    pub fn sound(&mut self, samples: &[f32]) -> Result<(), PrepareError> {
        if let Some(audio) = &mut self.audio {
            // A tenth of a second at a time: the encoder's queue counts buffers.
            for part in samples.chunks(9_600) {
                audio.push(part)?;
                audio.take(&mut self.fresh)?;
            }
        }
        self.sort()
    }

    /// A unit that is passed on.
    pub fn unit(&mut self, unit: AccessUnit) -> Result<(), PrepareError> {
        self.fresh.push(unit);
        self.sort()
    }

    pub fn video_config(&mut self, config: &VideoConfig) -> Result<(), PrepareError> {
        Ok(self.writer.video(config)?)
    }

    pub fn audio_config(&mut self, config: &AudioConfig) -> Result<(), PrepareError> {
        Ok(self.writer.audio(config)?)
    }

    /// Ends the encoders and the file.
    pub fn finish(mut self, duration: Nanos) -> Result<(), PrepareError> {
        if let Some(mut video) = self.video.take() {
            video.finish(&mut self.fresh)?;
            if let Some(config) = video.config() {
                self.writer.video(config)?;
            }
        }
        if let Some(mut audio) = self.audio.take() {
            audio.finish(&mut self.fresh)?;
            if let Some(config) = audio.config() {
                self.writer.audio(config)?;
            }
        }
        self.sort()?;
        while !self.pictures.is_empty() || !self.sounds.is_empty() {
            self.write_earlier()?;
        }
        Ok(self.writer.finish(duration)?)
    }

    /// Writes what nothing can come before any more.
    fn sort(&mut self) -> Result<(), PrepareError> {
        for unit in self.fresh.drain(..) {
            match unit.track {
                Track::Video => self.pictures.push_back(unit),
                Track::Audio => self.sounds.push_back(unit),
            }
        }
        while !self.pictures.is_empty() && !self.sounds.is_empty() {
            self.write_earlier()?;
        }
        Ok(())
    }

    fn write_earlier(&mut self) -> Result<(), PrepareError> {
        let time = |queue: &VecDeque<AccessUnit>| queue.front().map_or(Nanos::MAX, |unit| unit.dts);
        let next = if time(&self.pictures) <= time(&self.sounds) {
            self.pictures.pop_front()
        } else {
            self.sounds.pop_front()
        };
        if let Some(unit) = next {
            self.writer
                .push(unit.track, unit.pts, unit.dts, unit.key, &unit.data)?;
        }
        Ok(())
    }
}
