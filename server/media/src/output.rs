//! The encoder of one output: raw pictures and sound in, MPEG-TS out, from the worker's start to its end.
//!
//! ```text
//!  pacer ─▶ appsrc I420 ─▶ x264enc │ openh264enc ─▶ h264parse ─▶ appsink ─┐
//!                                                                         ├─▶ Muxer ─▶ feed (srt.rs)
//!  pacer ─▶ appsrc F32 ──▶ avenc_aac ─▶ aacparse (ADTS) ────────▶ appsink ─┘
//! ```
//!
//! Not live in GStreamer's sense: the pacer alone sets the time, and nothing waits for a clock or for the other medium.
//! The connection is a pipeline of its own, so that the stream goes on over it.

use std::sync::{Arc, Mutex, PoisonError};

use booth_stream::ts::Muxer;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use crate::error::MediaError;
use crate::facts::{Fact, Facts, watch_bus};
use crate::pacer::BLOCK_FRAMES;
use crate::picture::Format;
use crate::settings::{Encoder, OutputSettings, VideoSettings};
use crate::srt::Feed;

/// Seven packets fill an SRT payload.
const WRITE: usize = 7 * 188;
/// avenc_aac stamps its frames with the time at which their samples went in, one frame (1024 samples) before those that
/// come out of a decoder: in 1/90000 s.
const AAC_DELAY: u64 = 1920;
/// Timestamps begin this late, so that the first frame's corrected one is not negative.
const BASE: u64 = 90_000;
/// Rate control window: bounds the burst of a key frame.
const VBV_MS: u32 = 500;

/// A running encoder.
pub struct Output {
    pipeline: gst::Pipeline,
    video: Option<AppSrc>,
    audio: AppSrc,
    encoder: Option<gst::Element>,
}

impl Output {
    /// Builds and starts the encoder; packets go to `feed`, its failure to `facts`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        settings: &OutputSettings,
        format: Option<&Format>,
        feed: &Feed,
        facts: &Facts,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::with_name("output");
        let mux = Mux {
            muxer: Arc::new(Mutex::new(Muxer::new(format.is_some()))),
            feed: feed.clone(),
        };
        let (video, encoder) = match (&settings.video, format) {
            (Some(video), Some(format)) => {
                let (source, encoder) = video_chain(&pipeline, &mux, video, format)?;
                (Some(source), Some(encoder))
            }
            _ => (None, None),
        };
        let audio = audio_chain(&pipeline, &mux, settings.audio_bitrate_kbps)?;
        watch_bus(&pipeline, facts, |text| Fact::OutputFailed { text })?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline,
            video,
            audio,
            encoder,
        })
    }

    /// Where pictures go in.
    #[must_use]
    pub fn video(&self) -> Option<AppSrc> {
        self.video.clone()
    }

    /// Where sound goes in.
    #[must_use]
    pub fn audio(&self) -> AppSrc {
        self.audio.clone()
    }

    /// The next picture is a key frame.
    pub fn force_key_frame(&self) {
        if let Some(pad) = self
            .encoder
            .as_ref()
            .and_then(|encoder| encoder.static_pad("src"))
        {
            pad.send_event(
                gst_video::UpstreamForceKeyUnitEvent::builder()
                    .all_headers(true)
                    .build(),
            );
        }
    }

    /// Ends it; packets in flight are lost. Again does nothing.
    pub fn stop(&self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the encoder did not stop cleanly");
        }
    }
}

/// What else of the engine failed to start leaves an encoder that plays.
impl Drop for Output {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Both encoders' way out; held only while a frame is cut into packets.
#[derive(Clone)]
struct Mux {
    muxer: Arc<Mutex<Muxer>>,
    feed: Feed,
}

impl Mux {
    fn write(&self, packets: impl FnOnce(&mut Muxer) -> Vec<u8>) {
        let mut muxer = self.muxer.lock().unwrap_or_else(PoisonError::into_inner);
        for write in packets(&mut muxer).chunks(WRITE) {
            self.feed.push(gst::Buffer::from_mut_slice(write.to_vec()));
        }
    }
}

/// A sink that hands on encoded frames with their time in 1/90000 s and whether they are key frames.
fn encoded(caps: &gst::Caps, hand_on: impl Fn(u64, bool, &[u8]) + Send + 'static) -> AppSink {
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
                    .and_then(|s| s.downcast_ref::<gst::ClockTime>());
                if let (Some(buffer), Some(segment)) = (sample.buffer(), segment)
                    && let Some(pts) = segment.to_running_time(buffer.pts())
                    && let Ok(map) = buffer.map_readable()
                {
                    // Rounded: 1/90000 s is 11111.1 ns.
                    let time = (pts.nseconds() * 9 + 50_000) / 100_000;
                    let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                    hand_on(time, key, map.as_slice());
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    sink
}

/// An element builder that the caller finishes; a missing plug-in is found at `build`.
pub(crate) fn make(factory: &str) -> Result<gst::element_factory::ElementBuilder<'_>, MediaError> {
    match gst::ElementFactory::find(factory) {
        Some(_) => Ok(gst::ElementFactory::make(factory)),
        None => Err(MediaError::MissingElement(factory.to_owned())),
    }
}

/// The H.264 encoder of an output that is on air: no delay, and a key frame each second.
pub(crate) fn video_encoder(settings: &VideoSettings) -> Result<gst::Element, MediaError> {
    Ok(match &settings.encoder {
        Encoder::X264 { preset } => make("x264enc")?
            .property_from_str("tune", "zerolatency")
            .property_from_str("speed-preset", preset)
            .property("bitrate", settings.bitrate_kbps)
            .property("vbv-buf-capacity", VBV_MS)
            .property("key-int-max", settings.fps)
            .property("bframes", 0u32)
            .property("threads", 1u32)
            .property("byte-stream", true)
            .property("aud", true)
            // No key frames at scene changes: their bursts lose packets, and the regular ones are a second apart.
            .property("option-string", "scenecut=0")
            .build()?,
        Encoder::OpenH264 => make("openh264enc")?
            .property("bitrate", settings.bitrate_kbps * 1000)
            .property_from_str("rate-control", "bitrate")
            .property_from_str("complexity", "low")
            .property("gop-size", settings.fps)
            .property("multi-thread", 1u32)
            .property("scene-change-detection", false)
            .build()?,
    })
}

fn video_chain(
    pipeline: &gst::Pipeline,
    mux: &Mux,
    settings: &VideoSettings,
    format: &Format,
) -> Result<(AppSrc, gst::Element), MediaError> {
    // A second of pictures: an encoder that is that far behind can only drop.
    let source = AppSrc::builder()
        .name("pictures")
        .caps(&format.caps()?)
        .format(gst::Format::Time)
        .max_buffers(u64::from(settings.fps))
        .max_bytes(0)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build();
    let encoder = video_encoder(settings)?;
    let parse = make("h264parse")?
        .property("config-interval", -1i32)
        .build()?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    let to = mux.clone();
    let sink = encoded(&caps, move |time, key, unit| {
        to.write(|muxer| muxer.video(time + BASE, key, unit))
    });
    pipeline.add_many([source.upcast_ref(), &encoder, &parse, sink.upcast_ref()])?;
    gst::Element::link_many([source.upcast_ref(), &encoder, &parse, sink.upcast_ref()])?;
    Ok((source, encoder))
}

/// The AAC encoder of an output that is on air.
pub(crate) fn audio_encoder(bitrate_kbps: u32) -> Result<gst::Element, MediaError> {
    Ok(make("avenc_aac")?
        .property(
            "bitrate",
            i32::try_from(bitrate_kbps * 1000).unwrap_or(128_000),
        )
        .property_from_str("aac-coder", "fast")
        .build()?)
}

fn audio_chain(
    pipeline: &gst::Pipeline,
    mux: &Mux,
    bitrate_kbps: u32,
) -> Result<AppSrc, MediaError> {
    let caps = audio_caps();
    let source = AppSrc::builder()
        .name("sound")
        .caps(&caps)
        .format(gst::Format::Time)
        // A second, like the pictures.
        .max_buffers((booth_mix::RATE / BLOCK_FRAMES) as u64)
        .max_bytes(0)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build();
    let encoder = audio_encoder(bitrate_kbps)?;
    let parse = make("aacparse")?.build()?;
    let caps = gst::Caps::builder("audio/mpeg")
        .field("stream-format", "adts")
        .build();
    let to = mux.clone();
    let sink = encoded(&caps, move |time, _, frame| {
        to.write(|muxer| muxer.audio(time + BASE - AAC_DELAY, frame));
    });
    pipeline.add_many([source.upcast_ref(), &encoder, &parse, sink.upcast_ref()])?;
    gst::Element::link_many([source.upcast_ref(), &encoder, &parse, sink.upcast_ref()])?;
    Ok(source)
}

/// Sound as it is mixed: interleaved stereo floats at 48 kHz.
pub(crate) fn audio_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", booth_mix::RATE as i32)
        .field("channels", booth_mix::CHANNELS as i32)
        .field("channel-mask", gst::Bitmask::new(3))
        .build()
}
