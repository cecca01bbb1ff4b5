//! Pictures and sound of a loop, encoded as fast as they come: each an encoder of its own, in order.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use booth_mix::{CHANNELS, RATE};
use booth_stream::video::Pictures;
use booth_stream::{AccessUnit, AudioConfig, Nanos, Track, VideoCodec, VideoConfig};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::config;
use super::error::PrepareError;
use super::grid::time_of;
use crate::error::MediaError;
use crate::facts::explain;
use crate::output::{audio_caps, make};
use crate::picture::{Format, Frame};
use crate::settings::{Encoder, VideoSettings};

/// Raw pictures that wait for the encoder; its own look-ahead comes on top.
const WAITING: u64 = 4;
/// Rate control window: what players' buffers are made for.
const VBV_MS: u32 = 1000;
/// Pictures that rate control looks ahead: half a second, a third of the usual memory.
const LOOKAHEAD: i32 = 15;
/// Samples of an AAC frame. The encoder gives one frame before the first that is heard: its overlap with nothing.
const AAC_FRAME: u64 = 1024;
const PRIMING: u64 = 1;
/// An encoder that gives nothing for this long after its end is stuck.
const DRAIN: Duration = Duration::from_secs(60);

enum Coded {
    Unit(gst::Caps, Bytes),
    End,
}

/// Encoder and both its ends.
struct Line {
    pipeline: gst::Pipeline,
    source: AppSrc,
    coded: Receiver<Coded>,
}

impl Line {
    fn start(source: AppSrc, chain: &[gst::Element], caps: &gst::Caps) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        let sink = AppSink::builder()
            .caps(caps)
            .sync(false)
            .async_(false)
            .build();
        // Unbounded: it holds what is encoded of the few pictures that wait, and is emptied after each push.
        let (sender, coded) = channel();
        let ended = sender.clone();
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let (Some(caps), Some(buffer)) = (sample.caps_owned(), sample.buffer())
                        && let Ok(map) = buffer.map_readable()
                    {
                        let bytes = Bytes::copy_from_slice(map.as_slice());
                        let _ = sender.send(Coded::Unit(caps, bytes));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| {
                    let _ = ended.send(Coded::End);
                })
                .build(),
        );
        let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
        all.extend(chain);
        all.push(sink.upcast_ref());
        pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline,
            source,
            coded,
        })
    }

    fn push(&self, buffer: gst::Buffer) -> Result<(), PrepareError> {
        if self.source.push_buffer(buffer).is_ok() {
            return Ok(());
        }
        Err(self.failure("it takes no more"))
    }

    fn failure(&self, otherwise: &str) -> PrepareError {
        PrepareError::Encoder(
            explain(&self.pipeline).map_or_else(|| otherwise.to_owned(), |error| error.to_string()),
        )
    }

    /// What has been encoded so far.
    fn take(
        &self,
        mut each: impl FnMut(gst::Caps, Bytes) -> Result<(), PrepareError>,
    ) -> Result<bool, PrepareError> {
        loop {
            match self.coded.try_recv() {
                Ok(Coded::Unit(caps, bytes)) => each(caps, bytes)?,
                Ok(Coded::End) => return Ok(true),
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => return Err(self.failure("it is gone")),
            }
        }
    }

    /// Waits for everything that is still on its way.
    fn finish(
        &self,
        mut each: impl FnMut(gst::Caps, Bytes) -> Result<(), PrepareError>,
    ) -> Result<(), PrepareError> {
        let _ = self.source.end_of_stream();
        let start = Instant::now();
        loop {
            match self.coded.recv_timeout(Duration::from_millis(100)) {
                Ok(Coded::Unit(caps, bytes)) => each(caps, bytes)?,
                Ok(Coded::End) => return Ok(()),
                Err(_) => {
                    if let Some(error) = explain(&self.pipeline) {
                        return Err(PrepareError::Encoder(error.to_string()));
                    }
                    if start.elapsed() > DRAIN {
                        return Err(PrepareError::Encoder(
                            "it does not come to its end".to_owned(),
                        ));
                    }
                }
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Pictures in, H.264 out: unit `n` at exactly `n`/fps.
pub struct VideoEncoder {
    line: Line,
    fps: u32,
    pushed: u64,
    coded: u64,
    coding: Pictures,
}

impl VideoEncoder {
    pub fn start(settings: &VideoSettings, format: &Format) -> Result<Self, PrepareError> {
        let source = AppSrc::builder()
            .caps(&format.caps()?)
            .format(gst::Format::Time)
            .max_buffers(WAITING)
            .max_bytes(0)
            .block(true)
            .build();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = u32::try_from(cores.min(8)).unwrap_or(1);
        let encoder = match &settings.encoder {
            Encoder::X264 { preset } => make("x264enc")?
                .property_from_str("speed-preset", preset)
                .property("bitrate", settings.bitrate_kbps)
                .property("vbv-buf-capacity", VBV_MS)
                .property("key-int-max", settings.fps)
                .property("bframes", 0u32)
                .property("threads", threads)
                .property("rc-lookahead", LOOKAHEAD)
                .property("byte-stream", true)
                // A key frame each second and nowhere else: where playing may begin is known.
                .property("option-string", "scenecut=0:open-gop=0")
                .build()?,
            Encoder::OpenH264 => make("openh264enc")?
                .property("bitrate", settings.bitrate_kbps * 1000)
                .property_from_str("rate-control", "bitrate")
                .property("gop-size", settings.fps)
                .property("multi-thread", threads)
                .property("scene-change-detection", false)
                .build()?,
        };
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        let mut chain = vec![encoder];
        if matches!(settings.encoder, Encoder::X264 { .. }) {
            let high = gst::Caps::builder("video/x-h264")
                .field("profile", "high")
                .build();
            chain.push(make("capsfilter")?.property("caps", high).build()?);
        }
        Ok(Self {
            line: Line::start(source, &chain, &caps)?,
            fps: settings.fps,
            pushed: 0,
            coded: 0,
            coding: Pictures::new(VideoCodec::H264),
        })
    }

    /// The next picture; waits while the encoder is busy.
    pub fn push(&mut self, frame: &Frame) -> Result<(), PrepareError> {
        let mut buffer = frame.0.copy();
        let (at, next) = (self.time(self.pushed), self.time(self.pushed + 1));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(at));
            buffer.set_dts(gst::ClockTime::NONE);
            buffer.set_duration(clock_time(next - at));
            buffer.unset_flags(gst::BufferFlags::DISCONT);
        }
        self.pushed += 1;
        self.line.push(buffer)
    }

    pub fn take(&mut self, units: &mut Vec<AccessUnit>) -> Result<(), PrepareError> {
        let (coded, fps, coding) = (&mut self.coded, self.fps, &mut self.coding);
        self.line
            .take(|_, data| video_unit(coded, fps, coding, &data, units))
            .map(drop)
    }

    pub fn finish(&mut self, units: &mut Vec<AccessUnit>) -> Result<(), PrepareError> {
        let (coded, fps, coding) = (&mut self.coded, self.fps, &mut self.coding);
        self.line
            .finish(|_, data| video_unit(coded, fps, coding, &data, units))?;
        if self.coded == self.pushed {
            Ok(())
        } else {
            let text = format!("{} of {} pictures came out", self.coded, self.pushed);
            Err(PrepareError::Encoder(text))
        }
    }

    pub fn config(&self) -> Option<&VideoConfig> {
        self.coding.config().map(|config| &**config)
    }

    fn time(&self, n: u64) -> Nanos {
        time_of(n, self.fps.into())
    }
}

fn video_unit(
    coded: &mut u64,
    fps: u32,
    coding: &mut Pictures,
    data: &[u8],
    units: &mut Vec<AccessUnit>,
) -> Result<(), PrepareError> {
    let failed = |what: String| PrepareError::Encoder(what);
    let picture = coding
        .annex_b(data)
        .map_err(|error| failed(error.to_string()))?;
    let picture = picture.ok_or_else(|| failed("a unit without a picture".to_owned()))?;
    let at = time_of(*coded, fps.into());
    *coded += 1;
    units.push(AccessUnit {
        track: Track::Video,
        dts: at,
        pts: at,
        key: picture.key,
        data: picture.data,
    });
    Ok(())
}

/// Sound in, AAC out: unit `n` is heard from exactly `n` × 1024 samples on.
pub struct AudioEncoder {
    line: Line,
    pushed: u64,
    coded: u64,
    /// The loop's first samples, with which the last frame is filled up: what is heard after it.
    head: Vec<f32>,
    config: Option<AudioConfig>,
}

impl AudioEncoder {
    pub fn start(bitrate_kbps: u32) -> Result<Self, PrepareError> {
        let source = AppSrc::builder()
            .caps(&audio_caps())
            .format(gst::Format::Time)
            .max_buffers(64)
            .max_bytes(0)
            .block(true)
            .build();
        let bitrate = i32::try_from(bitrate_kbps.max(16) * 1000).unwrap_or(128_000);
        let encoder = make("avenc_aac")?.property("bitrate", bitrate).build()?;
        let parse = make("aacparse")?.build()?;
        let caps = gst::Caps::builder("audio/mpeg")
            .field("stream-format", "raw")
            .build();
        Ok(Self {
            line: Line::start(source, &[encoder, parse], &caps)?,
            pushed: 0,
            coded: 0,
            head: Vec::new(),
            config: None,
        })
    }

    /// The next samples, interleaved stereo at 48 kHz.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), PrepareError> {
        if samples.is_empty() {
            return Ok(());
        }
        let wanted = 2 * AAC_FRAME as usize * CHANNELS;
        let missing = wanted.saturating_sub(self.head.len()).min(samples.len());
        self.head.extend_from_slice(&samples[..missing]);
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let frames = (samples.len() / CHANNELS) as u64;
        let (at, next) = (
            time_of(self.pushed, RATE as u64),
            time_of(self.pushed + frames, RATE as u64),
        );
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(at));
            buffer.set_duration(clock_time(next - at));
        }
        self.pushed += frames;
        self.line.push(buffer)
    }

    pub fn take(&mut self, units: &mut Vec<AccessUnit>) -> Result<(), PrepareError> {
        let (coded, config) = (&mut self.coded, &mut self.config);
        self.line
            .take(|caps, data| audio_unit(coded, config, &caps, data, units))
            .map(drop)
    }

    /// The rest, so that all samples are covered; the last frame goes on with the loop's beginning.
    pub fn finish(&mut self, units: &mut Vec<AccessUnit>) -> Result<(), PrepareError> {
        let wanted = self.pushed.div_ceil(AAC_FRAME);
        let mut head = std::mem::take(&mut self.head);
        // One frame more than is kept, for its overlap, and as many as the encoder may swallow.
        let fill = ((wanted + 3) * AAC_FRAME - self.pushed) as usize * CHANNELS;
        head.truncate(2 * AAC_FRAME as usize * CHANNELS);
        head.resize(fill.max(head.len()), 0.0);
        head.truncate(fill);
        self.push(&head)?;
        let (coded, config) = (&mut self.coded, &mut self.config);
        self.line
            .finish(|caps, data| audio_unit(coded, config, &caps, data, units))?;
        let last = time_of(wanted * AAC_FRAME, RATE as u64);
        units.retain(|unit| unit.track != Track::Audio || unit.dts < last);
        if self.coded < wanted + PRIMING {
            return Err(PrepareError::Encoder(
                "sound is missing at the end".to_owned(),
            ));
        }
        Ok(())
    }

    pub fn config(&self) -> Option<&AudioConfig> {
        self.config.as_ref()
    }
}

fn audio_unit(
    coded: &mut u64,
    config: &mut Option<AudioConfig>,
    caps: &gst::CapsRef,
    data: Bytes,
    units: &mut Vec<AccessUnit>,
) -> Result<(), PrepareError> {
    if config.is_none() {
        *config = Some(config::audio(caps).map_err(PrepareError::Encoder)?);
    }
    let n = *coded;
    *coded += 1;
    if n < PRIMING {
        return Ok(());
    }
    let at = time_of((n - PRIMING) * AAC_FRAME, RATE as u64);
    units.push(AccessUnit {
        track: Track::Audio,
        dts: at,
        pts: at,
        key: true,
        data,
    });
    Ok(())
}

fn clock_time(time: Nanos) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time).unwrap_or(0))
}
