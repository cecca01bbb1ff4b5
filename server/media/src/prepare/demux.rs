//! The packets of one file, undecoded: for looking at it, and for passing it on as it is.
//!
//! ```text
//!  filesrc ─▶ parsebin ─┬▶ (h264parse avc │ h265parse hvc1) ─▶ appsink ─┐
//!                       └▶ (aacparse raw) ───────────────────▶ appsink ─┴▶ one bounded channel
//! ```
//!
//! The reader takes from the one channel in any order, so that a badly interleaved file cannot stand still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use booth_stream::{Nanos, Track};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::error::{FileProblem, PrepareError};
use crate::error::MediaError;
use crate::facts::describe;
use crate::output::make;

/// Packets between the demuxer and its reader.
const QUEUE: usize = 64;
/// A file that gives nothing for this long is given up.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// By then its streams are known.
const FOUND_BY: Duration = Duration::from_secs(4);
/// Between two looks at the bus.
const LOOK: Duration = Duration::from_millis(50);

/// One coded picture or block of sound.
#[derive(Debug)]
pub struct Packet {
    pub track: Track,
    /// On the file's own time, edit lists applied; what comes before its beginning is negative.
    pub pts: Option<Nanos>,
    pub dts: Option<Nanos>,
    pub key: bool,
    pub caps: gst::Caps,
    pub buffer: gst::Buffer,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    Packet(Packet),
    /// Everything was read.
    End,
    /// Nothing more can be read.
    Failed(FileProblem),
}

/// See the module.
pub struct Demux {
    pipeline: gst::Pipeline,
    packets: Option<Receiver<Packet>>,
    found: Arc<Mutex<Found>>,
    deadline: Duration,
}

/// Which streams there are.
#[derive(Debug, Default)]
struct Found {
    video: bool,
    audio: bool,
    encrypted: bool,
    /// Rotated or mirrored, by its tags.
    turned: bool,
}

impl Demux {
    /// Opens the file; a packet that does not come within `deadline` fails it.
    pub fn open(path: &str, deadline: Duration) -> Result<Self, PrepareError> {
        let pipeline = gst::Pipeline::new();
        let source = make("filesrc")?.property("location", path).build()?;
        let parse = make("parsebin")?.build()?;
        pipeline.add_many([&source, &parse])?;
        source.link(&parse)?;
        let (sender, packets) = sync_channel(QUEUE);
        let found = Arc::new(Mutex::new(Found::default()));
        let (seen, weak) = (Arc::clone(&found), pipeline.downgrade());
        let times = Times::watch(&parse);
        parse.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade()
                && let Err(error) = plug(&pipeline, pad, &seen, &sender, &times)
            {
                tracing::warn!(%error, "a stream could not be read");
            }
        });
        let demux = Self {
            pipeline,
            packets: Some(packets),
            found,
            deadline,
        };
        // A refusal says why on the bus, where it is found with everything else that can go wrong later.
        let _ = demux.pipeline.set_state(gst::State::Playing);
        Ok(demux)
    }

    /// Waits for the next packet.
    pub fn next(&mut self, cancelled: impl Fn() -> bool) -> Next {
        let Some(packets) = &self.packets else {
            return Next::End;
        };
        let start = Instant::now();
        let mut ended = false;
        loop {
            match packets.recv_timeout(if ended { Duration::ZERO } else { LOOK }) {
                Ok(packet) => return Next::Packet(packet),
                Err(RecvTimeoutError::Disconnected) => return Next::End,
                Err(RecvTimeoutError::Timeout) if ended => return Next::End,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match outcome(&self.pipeline) {
                Some(Ok(())) => ended = true,
                Some(Err(problem)) => {
                    let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                    return Next::Failed(if std::mem::take(&mut found.encrypted) {
                        FileProblem::Encrypted
                    } else {
                        problem
                    });
                }
                None if cancelled() => return Next::End,
                // An error that comes while a demuxer is being chosen can be lost on its way.
                None if start.elapsed() > FOUND_BY && self.nothing_found() => {
                    let text = "no stream can be found in it".to_owned();
                    return Next::Failed(FileProblem::Damaged(text));
                }
                None if start.elapsed() > self.deadline => {
                    return Next::Failed(FileProblem::TimedOut(self.deadline.as_secs()));
                }
                None => {}
            }
        }
    }

    fn nothing_found(&self) -> bool {
        !self.has(Track::Video) && !self.has(Track::Audio)
    }

    /// What the container says, once packets have come.
    pub fn duration(&self) -> Option<Nanos> {
        let duration = self.pipeline.query_duration::<gst::ClockTime>()?;
        i64::try_from(duration.nseconds()).ok()
    }

    pub fn has(&self, track: Track) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match track {
            Track::Video => found.video,
            Track::Audio => found.audio,
        }
    }

    pub fn encrypted(&self) -> bool {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .encrypted
    }

    pub fn turned(&self) -> bool {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .turned
    }
}

impl Drop for Demux {
    fn drop(&mut self) {
        // First, so that nobody waits for room in it while the pipeline ends.
        self.packets = None;
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Whether the pipeline has come to its end, well or not.
pub(super) fn outcome(pipeline: &gst::Pipeline) -> Option<Result<(), FileProblem>> {
    let bus = pipeline.bus()?;
    let message = bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(Err(problem(error))),
        _ => Some(Ok(())),
    }
}

/// What an error message means for whoever owns the file.
fn problem(message: &gst::message::Error) -> FileProblem {
    let error = message.error();
    if let Some(kind) = error.kind::<gst::StreamError>() {
        return match kind {
            gst::StreamError::Decrypt | gst::StreamError::DecryptNokey => FileProblem::Encrypted,
            gst::StreamError::TypeNotFound | gst::StreamError::WrongType => FileProblem::NotMedia,
            gst::StreamError::CodecNotFound => FileProblem::NoDecoder(error.to_string()),
            _ => FileProblem::Damaged(describe(message)),
        };
    }
    if error.kind::<gst::CoreError>() == Some(gst::CoreError::MissingPlugin) {
        return FileProblem::NoDecoder(error.to_string());
    }
    FileProblem::Damaged(describe(message))
}

/// Takes the first stream of each kind, and lets the others run to waste.
fn plug(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    found: &Arc<Mutex<Found>>,
    packets: &SyncSender<Packet>,
    times: &Times,
) -> Result<(), MediaError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let name = caps
        .structure(0)
        .map_or_else(String::new, |structure| structure.name().to_string());
    let track = {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.encrypted |= name.contains("cenc") || name.contains("cbcs");
        let track = if name.starts_with("video/") || name.starts_with("image/") {
            Some((Track::Video, &mut found.video))
        } else if name.starts_with("audio/") {
            Some((Track::Audio, &mut found.audio))
        } else {
            None
        };
        track.and_then(|(track, there)| (!std::mem::replace(there, true)).then_some(track))
    };
    let Some(track) = track else {
        let waste = make("fakesink")?
            .property("sync", false)
            .property("async", false)
            .build()?;
        pipeline.add(&waste)?;
        waste.sync_state_with_parent()?;
        return link(pad, &waste);
    };
    let sink = appsink(track, packets, times);
    let mut chain = Vec::new();
    let wanted = match name.as_str() {
        "video/x-h264" => Some(("h264parse", "avc")),
        "audio/mpeg" if is_aac(&caps) => Some(("aacparse", "raw")),
        _ => None,
    };
    if let Some((parser, stream_format)) = wanted {
        chain.push(make(parser)?.build()?);
        let mut wanted = gst::Caps::builder(name.as_str()).field("stream-format", stream_format);
        if track == Track::Video {
            wanted = wanted.field("alignment", "au");
        }
        chain.push(
            make("capsfilter")?
                .property("caps", wanted.build())
                .build()?,
        );
    }
    chain.push(sink.upcast());
    watch_tags(pad, found);
    let all: Vec<&gst::Element> = chain.iter().collect();
    pipeline.add_many(&all)?;
    gst::Element::link_many(&all)?;
    for element in all.iter().rev() {
        element.sync_state_with_parent()?;
    }
    match chain.first() {
        Some(head) => link(pad, head),
        None => Ok(()),
    }
}

fn link(pad: &gst::Pad, head: &gst::Element) -> Result<(), MediaError> {
    let sink = head
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("an element without sink"))?;
    pad.link(&sink)
        .map(drop)
        .map_err(|error| MediaError::Pipeline(error.to_string()))
}

pub(super) fn is_aac(caps: &gst::CapsRef) -> bool {
    caps.structure(0)
        .and_then(|structure| structure.get::<i32>("mpegversion").ok())
        .is_some_and(|version| version == 2 || version == 4)
}

fn watch_tags(pad: &gst::Pad, found: &Arc<Mutex<Found>>) {
    let found = Arc::clone(found);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Tag(tag) = event.view()
            && let Some(orientation) = tag.tag().get::<gst::tags::ImageOrientation>()
            && orientation.get() != "rotate-0"
        {
            found.lock().unwrap_or_else(PoisonError::into_inner).turned = true;
        }
        gst::PadProbeReturn::Ok
    });
}

fn appsink(track: Track, packets: &SyncSender<Packet>, times: &Times) -> AppSink {
    let sink = AppSink::builder()
        .sync(false)
        .async_(false)
        .max_buffers(1)
        .build();
    let (packets, times) = (packets.clone(), times.clone());
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(packet) = packet(track, &sample, &times) else {
                    return Ok(gst::FlowSuccess::Ok);
                };
                packets
                    .send(packet)
                    .map(|()| gst::FlowSuccess::Ok)
                    .map_err(|_| gst::FlowError::Eos)
            })
            .build(),
    );
    sink
}

fn packet(track: Track, sample: &gst::Sample, times: &Times) -> Option<Packet> {
    let buffer = sample.buffer_owned()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?.clone();
    Some(Packet {
        track,
        pts: times.read(&segment, buffer.pts()),
        dts: times.read(&segment, buffer.dts()),
        key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        caps: sample.caps_owned()?,
        buffer,
    })
}

/// How the times of a file's packets are to be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Arc<AtomicBool>);

impl Times {
    /// Watches which demuxer is chosen. 1.22's for Matroska changes its segment after the first packet, which moves the
    /// others against it; its stamps themselves are right.
    pub fn watch(chooser: &gst::Element) -> Self {
        let times = Self::default();
        let plain = Arc::clone(&times.0);
        if let Ok(bin) = chooser.clone().downcast::<gst::Bin>() {
            bin.connect_deep_element_added(move |_, _, element| {
                if element
                    .factory()
                    .is_some_and(|factory| factory.name() == "matroskademux")
                {
                    plain.store(true, Ordering::Relaxed);
                }
            });
        }
        times
    }

    /// Time in the file, edit lists applied: negative before its beginning.
    pub fn read(
        &self,
        segment: &gst::FormattedSegment<gst::ClockTime>,
        time: Option<gst::ClockTime>,
    ) -> Option<Nanos> {
        if self.0.load(Ordering::Relaxed) {
            return i64::try_from(time?.nseconds()).ok();
        }
        running(segment, time)
    }
}

fn running(
    segment: &gst::FormattedSegment<gst::ClockTime>,
    time: Option<gst::ClockTime>,
) -> Option<Nanos> {
    match segment.to_running_time_full(time?)? {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).ok(),
        gst::Signed::Negative(time) => i64::try_from(time.nseconds()).ok().map(|time| -time),
    }
}
