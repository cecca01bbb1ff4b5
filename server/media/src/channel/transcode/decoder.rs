//! Coded units in, pictures in the channel's format and sound out, each with the time it was put in with.
//!
//! ```text
//!  appsrc H.264 │ H.265 ─▶ parse ─▶ decoder ─▶ convert ─▶ letterbox ─▶ appsink
//!  appsrc AAC ─▶ decoder ─▶ convert ─▶ resample ─────────────────────▶ appsink
//! ```
//!
//! Another size or rate within a stream reaches the normaliser only; another codec is another decoder.

use std::sync::Arc;

use booth_stream::{AudioConfig, Nanos, SECOND, VideoCodec, VideoConfig};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use crate::error::MediaError;
use crate::facts::describe;
use crate::input::{Life, normalise_audio, normalise_video, samples};
use crate::output::make;
use crate::picture::{Format, Frame};

/// GStreamer's times are not negative: ours begin here.
const BASE: Nanos = 3600 * SECOND;

/// Something was decoded.
#[derive(Debug)]
pub enum Shot {
    Picture(Nanos, Frame),
    /// Interleaved stereo at 48 kHz.
    Sound(Nanos, Vec<f32>),
    Failed(String),
}

/// Where it goes: from GStreamer's threads. `false` ends the decoder.
pub type Taker = Arc<dyn Fn(Shot) -> bool + Send + Sync>;

/// How a decoder stands to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// What comes is decoded at once; a decoder that does not keep up drops.
    Live,
    /// As it is taken: whoever feeds it waits.
    Taken,
}

struct Line {
    source: AppSrc,
    life: Arc<Life>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// See the module.
pub struct Decoder {
    format: Format,
    pace: Pace,
    taker: Taker,
    video: Option<(VideoCodec, Line)>,
    audio: Option<Line>,
}

impl Decoder {
    pub fn new(format: &Format, pace: Pace, taker: Taker) -> Self {
        Self {
            format: format.clone(),
            pace,
            taker,
            video: None,
            audio: None,
        }
    }

    /// Holds for the pictures that follow.
    pub fn video_config(&mut self, config: &VideoConfig) -> Result<(), MediaError> {
        let caps = video_caps(config);
        match &self.video {
            Some((codec, line)) if *codec == config.codec => line.source.set_caps(Some(&caps)),
            _ => self.video = Some((config.codec, self.video_line(config.codec, &caps)?)),
        }
        Ok(())
    }

    pub fn audio_config(&mut self, config: &AudioConfig) -> Result<(), MediaError> {
        let caps = audio_caps(config);
        match &self.audio {
            Some(line) => line.source.set_caps(Some(&caps)),
            None => self.audio = Some(self.audio_line(&caps)?),
        }
        Ok(())
    }

    /// `false` after the end.
    pub fn picture(&self, dts: Nanos, pts: Nanos, key: bool, data: Bytes) -> bool {
        self.video
            .as_ref()
            .is_none_or(|(_, line)| push(&line.source, dts, pts, key, data))
    }

    /// `false` after the end.
    pub fn sound(&self, pts: Nanos, data: Bytes) -> bool {
        self.audio
            .as_ref()
            .is_none_or(|line| push(&line.source, pts, pts, true, data))
    }

    fn source(&self, caps: &gst::Caps) -> AppSrc {
        let builder = AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .max_bytes(0);
        match self.pace {
            // Two seconds of pictures: a decoder that is that far behind can only drop.
            Pace::Live => builder
                .max_buffers(120)
                .leaky_type(gst_app::AppLeakyType::Downstream)
                .build(),
            Pace::Taken => builder.max_buffers(4).block(true).build(),
        }
    }

    fn video_line(&self, codec: VideoCodec, caps: &gst::Caps) -> Result<Line, MediaError> {
        let (parser, decoder) = match codec {
            VideoCodec::H264 => ("h264parse", "avdec_h264"),
            VideoCodec::H265 => ("h265parse", "avdec_h265"),
        };
        // Frames in parallel would each wait for the next.
        let decoder = make(decoder)?
            .property("max-threads", 1i32)
            .property_from_str("thread-type", "slice")
            .property("max-errors", -1i32)
            .build()?;
        let mut chain = vec![make(parser)?.build()?, decoder];
        let sink = normalise_video(&mut chain, &self.format)?;
        let taker = Arc::clone(&self.taker);
        self.line(caps, chain, sink, move |at, sample| {
            let frame = sample.buffer_owned().map(Frame);
            frame.is_none_or(|frame| taker(Shot::Picture(at, frame)))
        })
    }

    fn audio_line(&self, caps: &gst::Caps) -> Result<Line, MediaError> {
        let decoder = make("avdec_aac")?.property("max-errors", -1i32).build()?;
        let mut chain = vec![decoder];
        let sink = normalise_audio(&mut chain)?;
        let taker = Arc::clone(&self.taker);
        self.line(caps, chain, sink, move |at, sample| {
            let samples = sample.buffer().and_then(samples);
            samples.is_none_or(|samples| taker(Shot::Sound(at, samples)))
        })
    }

    fn line(
        &self,
        caps: &gst::Caps,
        chain: Vec<gst::Element>,
        sink: AppSink,
        hand_on: impl Fn(Nanos, &gst::Sample) -> bool + Send + 'static,
    ) -> Result<Line, MediaError> {
        let pipeline = gst::Pipeline::new();
        let source = self.source(caps);
        sink.set_drop(self.pace == Pace::Live);
        // Whoever waits for room in a line that takes no more would wait for ever: the end lets them go.
        let end = {
            let source = source.downgrade();
            move || {
                if let Some(source) = source.upgrade() {
                    let _ = source.end_of_stream();
                }
            }
        };
        let taken = end.clone();
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let pts = sample.buffer().and_then(gst::BufferRef::pts);
                    let at = pts.and_then(|pts| Nanos::try_from(pts.nseconds()).ok());
                    let goes_on = at.is_none_or(|at| hand_on(at - BASE, &sample));
                    if goes_on {
                        Ok(gst::FlowSuccess::Ok)
                    } else {
                        taken();
                        Err(gst::FlowError::Eos)
                    }
                })
                .build(),
        );
        let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
        all.extend(&chain);
        all.push(sink.upcast_ref());
        pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        let taker = Arc::clone(&self.taker);
        if let Some(bus) = pipeline.bus() {
            bus.set_sync_handler(move |_, message| {
                if let gst::MessageView::Error(error) = message.view() {
                    taker(Shot::Failed(describe(error)));
                    end();
                }
                gst::BusSyncReply::Drop
            });
        }
        let life = Life::new(pipeline);
        life.start(gst::State::Playing);
        Ok(Line { source, life })
    }
}

fn push(source: &AppSrc, dts: Nanos, pts: Nanos, key: bool, data: Bytes) -> bool {
    let mut buffer = gst::Buffer::from_slice(data);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_dts(clock_time(dts + BASE));
        buffer.set_pts(clock_time(pts + BASE));
        if !key {
            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
    }
    source.push_buffer(buffer).is_ok()
}

fn video_caps(config: &VideoConfig) -> gst::Caps {
    let (name, stream) = match config.codec {
        VideoCodec::H264 => ("video/x-h264", "avc"),
        VideoCodec::H265 => ("video/x-h265", "hvc1"),
    };
    gst::Caps::builder(name)
        .field("stream-format", stream)
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(config.record.clone()))
        .field("width", i32::try_from(config.width).unwrap_or(0))
        .field("height", i32::try_from(config.height).unwrap_or(0))
        .build()
}

fn audio_caps(config: &AudioConfig) -> gst::Caps {
    gst::Caps::builder("audio/mpeg")
        .field("mpegversion", 4i32)
        .field("stream-format", "raw")
        .field("framed", true)
        .field("codec_data", gst::Buffer::from_slice(config.asc.clone()))
        .field("rate", i32::try_from(config.sample_rate).unwrap_or(48_000))
        .field("channels", i32::from(config.channels))
        .build()
}

fn clock_time(time: Nanos) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time).unwrap_or(0))
}
