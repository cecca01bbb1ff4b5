//! Files of the idle source: a picture, decoded once; a video, played without end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::rtp;
use super::teardown::Life;
use crate::error::MediaError;
use crate::facts::{Fact, Facts, describe, start_or_explain};
use crate::output::make;
use crate::pacer::{Media, MediaSender, Origin, Stamp};
use crate::picture::{Format, Frame};

/// A picture file that is not decoded by then is unreadable.
const IMAGE_DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Decodes one picture. Blocks: call it from a helper thread.
///
/// # Errors
/// When the file is missing or no picture.
pub fn load_image(path: &Path, format: &Format) -> Result<Frame, MediaError> {
    let failed = |reason: String| MediaError::File {
        path: path.display().to_string(),
        reason,
    };
    let (pipeline, decoder) = open(path)?;
    let video = video_branch(&pipeline, format)?;
    plug(&decoder, Some(&video), None);
    let loaded = (|| {
        start_or_explain(&pipeline)?;
        let sink = &video.sink;
        let deadline = Instant::now() + Duration::from(IMAGE_DEADLINE);
        let bus = pipeline.bus().ok_or_else(|| failed("no bus".to_owned()))?;
        loop {
            if let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(50)) {
                let buffer = sample
                    .buffer_owned()
                    .ok_or_else(|| failed("empty picture".to_owned()))?;
                return Ok(Frame(buffer));
            }
            if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
                && let gst::MessageView::Error(error) = message.view()
            {
                return Err(failed(describe(error)));
            }
            if sink.is_eos() || Instant::now() > deadline {
                return Err(failed("no picture in it".to_owned()));
            }
        }
    })();
    Life::new(pipeline).end();
    loaded
}

/// A file that plays without end.
#[derive(Debug)]
pub struct FileInput {
    token: u64,
    life: Arc<Life>,
    running: bool,
}

impl FileInput {
    /// Starts the file; its failure is posted with `token`.
    ///
    /// # Errors
    /// When an element is missing. A file that cannot be read is a fact later.
    pub fn start(
        token: u64,
        path: &Path,
        format: Option<&Format>,
        media: &MediaSender,
        facts: &Facts,
    ) -> Result<Self, MediaError> {
        let (pipeline, decoder) = open(path)?;
        let video = match format {
            Some(format) => Some(video_branch(&pipeline, format)?),
            None => None,
        };
        let audio = audio_branch(&pipeline)?;
        if let Some(video) = &video {
            let media = media.clone();
            video.sink.set_callbacks(
                AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        if let Some(buffer) = sample.buffer_owned() {
                            media.send(Media::Picture(
                                Origin::Idle(token),
                                Stamp::now(),
                                Frame(buffer),
                            ));
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            );
        }
        let to = media.clone();
        audio.sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(samples) = sample.buffer().and_then(rtp::samples) {
                        to.send(Media::Sound(Origin::Idle(token), Stamp::now(), samples));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        plug(&decoder, video.as_ref(), Some(&audio));
        let life = Life::new(pipeline.clone());
        repeat(&pipeline, &life, token, facts)?;
        // A segment seek needs a prerolled pipeline; from then on the end of each round starts the next.
        life.start(gst::State::Paused);
        Ok(Self {
            token,
            life,
            running: true,
        })
    }

    /// Which start this is.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Plays or rests.
    pub fn run(&mut self, needed: bool) {
        if needed != self.running {
            self.running = needed;
            let state = if needed {
                gst::State::Playing
            } else {
                gst::State::Paused
            };
            self.life.start(state);
        }
    }
}

impl Drop for FileInput {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// Seeks to the start whenever the file's end is reached, without flushing: no gap in the sound.
fn repeat(
    pipeline: &gst::Pipeline,
    life: &Arc<Life>,
    token: u64,
    facts: &Facts,
) -> Result<(), MediaError> {
    let facts = facts.clone();
    // The pipeline owns its bus, and the bus this handler: no strong reference from here.
    let (weak, life) = (pipeline.downgrade(), Arc::downgrade(life));
    let bus = pipeline
        .bus()
        .ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
    let looping = AtomicBool::new(false);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(error) => {
                facts.post(Fact::IdleFailed {
                    token,
                    text: describe(error),
                });
            }
            gst::MessageView::AsyncDone(_) if !looping.swap(true, Ordering::Relaxed) => {
                let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT;
                seek_later(&weak, flags, life.upgrade());
            }
            gst::MessageView::SegmentDone(_) => seek_later(&weak, gst::SeekFlags::SEGMENT, None),
            // Formats without segment seeks end for good: start them over.
            gst::MessageView::Eos(_) => {
                seek_later(&weak, gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT, None);
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// Seeks, and then plays if told what, on a thread of its own: the bus handler runs on the streaming thread, which a seek would wait for.
fn seek_later(
    pipeline: &gst::glib::WeakRef<gst::Pipeline>,
    flags: gst::SeekFlags,
    play: Option<Arc<Life>>,
) {
    let Some(pipeline) = pipeline.upgrade() else {
        return;
    };
    let spawned = std::thread::Builder::new()
        .name("seek".to_owned())
        .spawn(move || {
            let sought = pipeline.seek(
                1.0,
                flags,
                gst::SeekType::Set,
                gst::ClockTime::ZERO,
                gst::SeekType::None,
                gst::ClockTime::NONE,
            );
            if let Err(error) = sought {
                tracing::warn!(%error, "the idle file does not seek");
            }
            if let Some(life) = play {
                life.start_here(gst::State::Playing);
            }
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread to repeat the idle file");
    }
}

fn open(path: &Path) -> Result<(gst::Pipeline, gst::Element), MediaError> {
    let pipeline = gst::Pipeline::new();
    let source = make("filesrc")?.property("location", path).build()?;
    let decoder = make("decodebin")?.build()?;
    pipeline.add_many([&source, &decoder])?;
    source.link(&decoder)?;
    Ok((pipeline, decoder))
}

/// A chain that a decoded stream is plugged into.
struct Branch {
    head: gst::Pad,
    sink: AppSink,
}

fn video_branch(pipeline: &gst::Pipeline, format: &Format) -> Result<Branch, MediaError> {
    let mut chain = vec![make("queue")?.build()?];
    let sink = rtp::normalise_video(&mut chain, format)?;
    branch(pipeline, chain, sink)
}

fn audio_branch(pipeline: &gst::Pipeline) -> Result<Branch, MediaError> {
    let mut chain = vec![make("queue")?.build()?];
    let sink = rtp::normalise_audio(&mut chain)?;
    branch(pipeline, chain, sink)
}

fn branch(
    pipeline: &gst::Pipeline,
    chain: Vec<gst::Element>,
    sink: AppSink,
) -> Result<Branch, MediaError> {
    // In real time, and nothing dropped: the file's own pace is the clock.
    sink.set_sync(true);
    sink.set_drop(false);
    let mut all: Vec<&gst::Element> = chain.iter().collect();
    all.push(sink.upcast_ref());
    pipeline.add_many(&all)?;
    gst::Element::link_many(&all)?;
    let head = chain.first().and_then(|first| first.static_pad("sink"));
    let head = head.ok_or_else(|| gst::glib::bool_error!("a queue without sink"))?;
    Ok(Branch { head, sink })
}

/// Links what the decoder finds, the first of each kind; more streams are left alone.
fn plug(decoder: &gst::Element, video: Option<&Branch>, audio: Option<&Branch>) {
    let heads: Vec<(&str, gst::Pad)> = [("video/", video), ("audio/", audio)]
        .into_iter()
        .filter_map(|(kind, branch)| Some((kind, branch?.head.clone())))
        .collect();
    decoder.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let Some(name) = caps
            .structure(0)
            .map(|structure| structure.name().to_string())
        else {
            return;
        };
        for (kind, head) in &heads {
            if name.starts_with(kind) && !head.is_linked() && pad.link(head).is_err() {
                tracing::warn!(
                    stream = name,
                    "a stream of the idle file could not be plugged"
                );
            }
        }
    });
}
