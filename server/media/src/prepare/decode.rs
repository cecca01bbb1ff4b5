//! One file, decoded into the channel's format: as fast as it is taken, in a pipeline of its own.
//!
//! ```text
//!  filesrc ─▶ decodebin ─┬▶ (deinterlace) ─▶ convert ─▶ turn ─▶ letterbox ─▶ appsink ─┐
//!                        └▶ convert ─▶ resample ─────────────────────────▶ appsink ─┴▶ one bounded channel
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use booth_stream::Nanos;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::demux::{Times, outcome};
use super::error::{FileProblem, PrepareError};
use crate::error::MediaError;
use crate::output::{audio_caps, make};
use crate::picture::{Format, Frame};

/// Decoded pictures and blocks between decoder and encoder: a few, for they are large.
const QUEUE: usize = 6;
const LOOK: Duration = Duration::from_millis(50);

/// Something was decoded, on the file's own time.
#[derive(Debug)]
pub enum Raw {
    Picture(Nanos, Option<Nanos>, Frame),
    /// Interleaved stereo at 48 kHz.
    Sound(Nanos, Vec<f32>),
    End,
    /// Nothing more can be decoded.
    Failed(FileProblem),
}

/// See the module.
pub struct Decode {
    pipeline: gst::Pipeline,
    raw: Option<Receiver<Raw>>,
    deadline: Duration,
    /// Parts that could not be decoded and were passed over.
    damage: Arc<Mutex<u32>>,
}

/// What of a file is decoded.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// Pictures in this format, and sound; whether the pictures are interlaced.
    Both(&'a Format, bool),
    Sound,
}

impl Decode {
    pub fn open(path: &str, wanted: Wanted<'_>, deadline: Duration) -> Result<Self, PrepareError> {
        let pipeline = gst::Pipeline::new();
        let source = make("filesrc")?.property("location", path).build()?;
        let decoder = make("decodebin")?.build()?;
        pipeline.add_many([&source, &decoder])?;
        source.link(&decoder)?;
        let damage = Arc::new(Mutex::new(0));
        forgive(&decoder);
        let times = Times::watch(&decoder);
        let (sender, raw) = sync_channel(QUEUE);
        let (video, audio) = (AtomicBool::new(false), AtomicBool::new(false));
        let weak = pipeline.downgrade();
        let pictures = match wanted {
            Wanted::Both(format, interlaced) => Some((format.clone(), interlaced)),
            Wanted::Sound => {
                leave_pictures(&decoder);
                None
            }
        };
        decoder.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let name = caps.structure(0).map_or("", |s| s.name().as_str());
            let Some(pipeline) = weak.upgrade() else {
                return;
            };
            let pictures = pictures.as_ref().filter(|_| name.starts_with("video/"));
            let plugged = if let Some((format, interlaced)) = pictures
                && !video.swap(true, Ordering::Relaxed)
            {
                video_branch(&pipeline, pad, format, *interlaced, &sender, &times)
            } else if name.starts_with("audio/") && !audio.swap(true, Ordering::Relaxed) {
                audio_branch(&pipeline, pad, &sender, &times)
            } else {
                waste(&pipeline, pad)
            };
            if let Err(error) = plugged {
                tracing::warn!(%error, "a stream could not be plugged");
            }
        });
        watch_damage(&pipeline, &damage)?;
        let _ = pipeline.set_state(gst::State::Playing);
        Ok(Self {
            pipeline,
            raw: Some(raw),
            deadline,
            damage,
        })
    }

    pub fn next(&mut self, cancelled: impl Fn() -> bool) -> Raw {
        let Some(raw) = &self.raw else {
            return Raw::End;
        };
        let start = Instant::now();
        let mut ended = false;
        loop {
            match raw.recv_timeout(if ended { Duration::ZERO } else { LOOK }) {
                Ok(raw) => return raw,
                Err(RecvTimeoutError::Disconnected) => return Raw::End,
                Err(RecvTimeoutError::Timeout) if ended => return Raw::End,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match outcome(&self.pipeline) {
                Some(Ok(())) => ended = true,
                Some(Err(problem)) => return Raw::Failed(problem),
                None if cancelled() => return Raw::End,
                None if start.elapsed() > self.deadline => {
                    return Raw::Failed(FileProblem::TimedOut(self.deadline.as_secs()));
                }
                None => {}
            }
        }
    }

    /// How many parts were damaged and passed over, so far.
    pub fn damage(&self) -> u32 {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Decode {
    fn drop(&mut self) {
        // First, so that nobody waits for room in it while the pipeline ends.
        self.raw = None;
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Pictures are not decoded: they go by as they are.
fn leave_pictures(decoder: &gst::Element) {
    decoder.connect("autoplug-continue", false, |values| {
        let caps = values
            .get(2)
            .and_then(|value| value.get::<gst::Caps>().ok());
        let picture = caps
            .as_ref()
            .and_then(|caps| caps.structure(0))
            .is_some_and(|structure| structure.name().starts_with("video/x-h264"));
        Some((!picture).to_value())
    });
}

/// A damaged picture is passed over, however many there are.
fn forgive(decoder: &gst::Element) {
    let Ok(bin) = decoder.clone().downcast::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(|_, _, element| {
        if element.has_property("max-errors") {
            element.set_property("max-errors", -1i32);
        }
    });
}

/// Counts warnings: what decoders pass over.
fn watch_damage(pipeline: &gst::Pipeline, damage: &Arc<Mutex<u32>>) -> Result<(), MediaError> {
    let damage = Arc::clone(damage);
    let bus = pipeline
        .bus()
        .ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
    bus.set_sync_handler(move |_, message| match message.view() {
        gst::MessageView::Error(_) | gst::MessageView::Eos(_) => gst::BusSyncReply::Pass,
        gst::MessageView::Warning(_) => {
            *damage.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            gst::BusSyncReply::Drop
        }
        _ => gst::BusSyncReply::Drop,
    });
    Ok(())
}

fn video_branch(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    format: &Format,
    interlaced: bool,
    raw: &SyncSender<Raw>,
    times: &Times,
) -> Result<(), MediaError> {
    let mut chain = Vec::new();
    if interlaced {
        chain.push(make("videoconvert")?.build()?);
        chain.push(
            make("deinterlace")?
                .property_from_str("mode", "auto")
                .build()?,
        );
    }
    let colours = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("colorimetry", format.colorimetry())
        .build();
    chain.extend([
        make("videoconvert")?.build()?,
        make("capsfilter")?.property("caps", colours).build()?,
        // By the file's tag: telephones film upright.
        make("videoflip")?
            .property_from_str("video-direction", "auto")
            .build()?,
        make("videoscale")?.property("add-borders", true).build()?,
    ]);
    let to = raw.clone();
    let sink = sink(&format.input_caps()?, times, move |at, duration, sample| {
        let picture = sample
            .buffer_owned()
            .map(|buffer| Raw::Picture(at, duration, Frame(buffer)));
        picture.is_none_or(|picture| to.send(picture).is_ok())
    });
    attach(pipeline, pad, chain, sink)
}

fn audio_branch(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    raw: &SyncSender<Raw>,
    times: &Times,
) -> Result<(), MediaError> {
    let chain = vec![
        make("audioconvert")?.build()?,
        make("audioresample")?.build()?,
    ];
    let to = raw.clone();
    let sink = sink(&audio_caps(), times, move |at, _, sample| {
        let samples = sample.buffer().and_then(crate::input::samples);
        samples.is_none_or(|samples| to.send(Raw::Sound(at, samples)).is_ok())
    });
    attach(pipeline, pad, chain, sink)
}

/// Hands samples on with their time; `false` from it ends the stream.
fn sink(
    caps: &gst::Caps,
    times: &Times,
    hand_on: impl Fn(Nanos, Option<Nanos>, &gst::Sample) -> bool + Send + 'static,
) -> AppSink {
    let times = times.clone();
    let sink = AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .max_buffers(1)
        .build();
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let segment = sample
                    .segment()
                    .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
                let Some((segment, buffer)) = segment.zip(sample.buffer()) else {
                    return Ok(gst::FlowSuccess::Ok);
                };
                let Some(at) = times.read(segment, buffer.pts()) else {
                    return Ok(gst::FlowSuccess::Ok);
                };
                let duration = buffer
                    .duration()
                    .and_then(|d| i64::try_from(d.nseconds()).ok());
                if hand_on(at, duration, &sample) {
                    Ok(gst::FlowSuccess::Ok)
                } else {
                    Err(gst::FlowError::Eos)
                }
            })
            .build(),
    );
    sink
}

fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    mut chain: Vec<gst::Element>,
    sink: AppSink,
) -> Result<(), MediaError> {
    // Threads of their own for decoding and for scaling.
    chain.insert(
        0,
        make("queue")?
            .property("max-size-buffers", 4u32)
            .property("max-size-bytes", 0u32)
            .property("max-size-time", 0u64)
            .build()?,
    );
    chain.push(sink.upcast());
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    for element in chain.iter().rev() {
        element.sync_state_with_parent()?;
    }
    let head = chain.first().and_then(|head| head.static_pad("sink"));
    let head = head.ok_or_else(|| gst::glib::bool_error!("a queue without sink"))?;
    pad.link(&head)
        .map(drop)
        .map_err(|error| MediaError::Pipeline(error.to_string()))
}

fn waste(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), MediaError> {
    let sink = make("fakesink")?
        .property("sync", false)
        .property("async", false)
        .build()?;
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    let head = sink
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("a sink without pad"))?;
    pad.link(&head)
        .map(drop)
        .map_err(|error| MediaError::Pipeline(error.to_string()))
}
