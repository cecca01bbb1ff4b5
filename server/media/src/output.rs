//! The encoder of one output: raw pictures and sound in, MPEG-TS out, from the worker's start to its end.
//!
//! ```text
//!  pacer ─▶ appsrc I420 ─▶ x264enc │ openh264enc ─▶ h264parse ─┐
//!                                                              ├─▶ mpegtsmux ─▶ appsink ─▶ feed (srt.rs)
//!  pacer ─▶ appsrc F32 ──▶ avenc_aac ──────────────────────────┘
//! ```
//!
//! Not live in GStreamer's sense: the pacer alone sets the time, and the mux never waits for a clock. It always has both
//! pads fed, because the pacer never stops. The connection is a pipeline of its own, so that the stream goes on over it.

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use crate::error::MediaError;
use crate::facts::{Fact, Facts, watch_bus};
use crate::pacer::BLOCK_FRAMES;
use crate::picture::Format;
use crate::settings::{Encoder, OutputSettings, VideoSettings};
use crate::srt::Feed;

/// Packets per write: 7 × 188 fill an SRT payload; without pictures one by one, which saves 17 ms of waiting.
const ALIGNMENT_WITH_VIDEO: i32 = 7;
const ALIGNMENT_AUDIO_ONLY: i32 = 0;
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
        let alignment = if format.is_some() {
            ALIGNMENT_WITH_VIDEO
        } else {
            ALIGNMENT_AUDIO_ONLY
        };
        let mux = make("mpegtsmux")?
            .property("alignment", alignment)
            .build()?;
        let sink = AppSink::builder().sync(false).async_(false).build();
        pipeline.add_many([&mux, sink.upcast_ref()])?;
        mux.link(&sink)?;
        // Both pads exist before anything runs: the program map names both from its first packet on.
        let (video, encoder) = match (&settings.video, format) {
            (Some(video), Some(format)) => {
                let (source, encoder) = video_chain(&pipeline, &mux, video, format)?;
                (Some(source), Some(encoder))
            }
            _ => (None, None),
        };
        let audio = audio_chain(&pipeline, &mux, settings.audio_bitrate_kbps)?;
        let feed = feed.clone();
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(buffer) = sample.buffer_owned() {
                        feed.push(buffer);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
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

    /// Ends it; packets in flight are lost.
    pub fn stop(&self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the encoder did not stop cleanly");
        }
    }
}

/// An element builder that the caller finishes; a missing plug-in is found at `build`.
pub(crate) fn make(factory: &str) -> Result<gst::element_factory::ElementBuilder<'_>, MediaError> {
    match gst::ElementFactory::find(factory) {
        Some(_) => Ok(gst::ElementFactory::make(factory)),
        None => Err(MediaError::MissingElement(factory.to_owned())),
    }
}

fn video_chain(
    pipeline: &gst::Pipeline,
    mux: &gst::Element,
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
    let encoder = match &settings.encoder {
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
    };
    let parse = make("h264parse")?
        .property("config-interval", -1i32)
        .build()?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    pipeline.add_many([source.upcast_ref(), &encoder, &parse])?;
    source.link(&encoder)?;
    encoder.link(&parse)?;
    parse.link_filtered(mux, &caps)?;
    Ok((source, encoder))
}

fn audio_chain(
    pipeline: &gst::Pipeline,
    mux: &gst::Element,
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
    let encoder = make("avenc_aac")?
        .property(
            "bitrate",
            i32::try_from(bitrate_kbps * 1000).unwrap_or(128_000),
        )
        .property_from_str("aac-coder", "fast")
        .build()?;
    let parse = make("aacparse")?.build()?;
    pipeline.add_many([source.upcast_ref(), &encoder, &parse])?;
    gst::Element::link_many([source.upcast_ref(), &encoder, &parse, mux])?;
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
