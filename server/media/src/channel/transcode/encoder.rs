//! The channel's encoders: raw pictures and sound in, media events out, from the program's start to its end.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use booth_mix::RATE;
use booth_stream::video::Pictures;
use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Nanos, Track, VideoCodec};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use crate::error::MediaError;
use crate::facts::describe;
use crate::output::{audio_caps, audio_encoder, make, video_encoder};
use crate::picture::{Format, Frame};
use crate::settings::VideoSettings;

/// Samples of an AAC frame; the encoder gives one frame before the first that is heard.
const AAC_FRAME: u64 = 1024;
const PRIMING: u64 = 1;

/// What an encoder gives.
#[derive(Debug)]
pub enum Coded {
    Media(MediaEvent),
    Failed(String),
}

/// Hand of the encoders' threads: sends, and wakes the channel's loop.
#[derive(Clone)]
pub struct Outlet {
    pub coded: Sender<Coded>,
    pub wake: Arc<tokio::sync::Notify>,
}

impl Outlet {
    fn give(&self, coded: Coded) {
        let _ = self.coded.send(coded);
        self.wake.notify_one();
    }
}

/// See the module.
pub struct Encoder {
    pipeline: gst::Pipeline,
    video: AppSrc,
    audio: AppSrc,
}

impl Encoder {
    pub fn start(
        settings: &VideoSettings,
        audio_bitrate_kbps: u32,
        format: &Format,
        outlet: &Outlet,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        // A second: an encoder that is that far behind can only drop.
        let video = source(&format.caps()?, u64::from(settings.fps));
        let audio = source(&audio_caps(), u64::from(settings.fps));
        video_chain(&pipeline, &video, settings, outlet)?;
        audio_chain(&pipeline, &audio, audio_bitrate_kbps, outlet)?;
        let bus = pipeline
            .bus()
            .ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
        let failed = outlet.clone();
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => failed.give(Coded::Failed(describe(error))),
                gst::MessageView::Eos(_) => failed.give(Coded::Failed("end of stream".to_owned())),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline,
            video,
            audio,
        })
    }

    /// The picture that is shown from `at` to `until`.
    pub fn picture(&self, frame: &Frame, at: Nanos, until: Nanos) {
        // A shallow copy: the pixels are shared, the times are ours.
        let mut buffer = frame.0.copy();
        stamp(&mut buffer, at, until);
        let _ = self.video.push_buffer(buffer);
    }

    pub fn sound(&self, samples: &[f32], at: Nanos, until: Nanos) {
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        stamp(&mut buffer, at, until);
        let _ = self.audio.push_buffer(buffer);
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the encoder did not stop cleanly");
        }
    }
}

fn source(caps: &gst::Caps, buffers: u64) -> AppSrc {
    AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .max_buffers(buffers)
        .max_bytes(0)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build()
}

fn stamp(buffer: &mut gst::Buffer, at: Nanos, until: Nanos) {
    let time = |time: Nanos| gst::ClockTime::from_nseconds(u64::try_from(time).unwrap_or(0));
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(time(at));
        buffer.set_dts(gst::ClockTime::NONE);
        buffer.set_duration(time(until - at));
        buffer.unset_flags(gst::BufferFlags::DISCONT);
    }
}

fn video_chain(
    pipeline: &gst::Pipeline,
    source: &AppSrc,
    settings: &VideoSettings,
    outlet: &Outlet,
) -> Result<(), MediaError> {
    let encoder = video_encoder(settings)?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    let pictures = Mutex::new(Pictures::new(VideoCodec::H264));
    let outlet = outlet.clone();
    let sink = sink(&caps, move |at, data| {
        let mut pictures = pictures.lock().unwrap_or_else(PoisonError::into_inner);
        match pictures.annex_b(data) {
            Ok(Some(picture)) => {
                if let Some(config) = picture.config {
                    outlet.give(Coded::Media(MediaEvent::Video(config)));
                }
                outlet.give(Coded::Media(MediaEvent::Unit(AccessUnit {
                    track: Track::Video,
                    dts: at,
                    pts: at,
                    key: picture.key,
                    data: picture.data,
                })));
            }
            Ok(None) => {}
            Err(error) => outlet.give(Coded::Failed(error.to_string())),
        }
    });
    let elements = [source.upcast_ref(), &encoder, sink.upcast_ref()];
    pipeline.add_many(elements)?;
    gst::Element::link_many(elements)?;
    Ok(())
}

fn audio_chain(
    pipeline: &gst::Pipeline,
    source: &AppSrc,
    bitrate_kbps: u32,
    outlet: &Outlet,
) -> Result<(), MediaError> {
    let encoder = audio_encoder(bitrate_kbps)?;
    let parse = make("aacparse")?.build()?;
    let caps = gst::Caps::builder("audio/mpeg")
        .field("stream-format", "raw")
        .build();
    let config = AudioConfig::aac_lc(RATE as u32, booth_mix::CHANNELS as u8)
        .map_err(|error| MediaError::Pipeline(error.to_string()))?;
    let config = Mutex::new(Some(Arc::new(config)));
    let outlet = outlet.clone();
    let sink = sink(&caps, move |at, data| {
        // Heard one frame before it is stamped: the encoder's delay.
        let at = at - frame_time(PRIMING);
        if at < 0 {
            return;
        }
        let config = config.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(config) = config {
            outlet.give(Coded::Media(MediaEvent::Audio(config)));
        }
        outlet.give(Coded::Media(MediaEvent::Unit(AccessUnit {
            track: Track::Audio,
            dts: at,
            pts: at,
            key: true,
            data: Bytes::copy_from_slice(data),
        })));
    });
    let elements = [source.upcast_ref(), &encoder, &parse, sink.upcast_ref()];
    pipeline.add_many(elements)?;
    gst::Element::link_many(elements)?;
    Ok(())
}

fn frame_time(frames: u64) -> Nanos {
    crate::prepare::time_of(frames * AAC_FRAME, RATE as u64)
}

/// Hands encoded units on with their time on the output.
fn sink(caps: &gst::Caps, hand_on: impl Fn(Nanos, &[u8]) + Send + 'static) -> AppSink {
    let sink = AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .build();
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                // x264enc stamps from 1000 hours on, and says so in its segment.
                let segment = sample
                    .segment()
                    .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
                if let (Some(buffer), Some(segment)) = (sample.buffer(), segment)
                    && let Some(pts) = segment.to_running_time(buffer.pts())
                    && let Ok(map) = buffer.map_readable()
                {
                    hand_on(Nanos::try_from(pts.nseconds()).unwrap_or(0), map.as_slice());
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    sink
}
