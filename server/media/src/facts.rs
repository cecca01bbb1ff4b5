//! What happened on other threads, told to the worker's one loop. Callbacks only post here; they never block.

use booth_mix::Levels;
use gst::prelude::*;
use tokio::sync::mpsc;

use crate::error::MediaError;
use crate::switcher::{Report, SourceId};

/// Something happened.
#[derive(Debug)]
pub enum Fact {
    /// The output shows something else.
    Showing(Report),
    /// Sources that the output no longer shows nor fades.
    Unused(Vec<SourceId>),
    /// 15 times a second.
    Levels(Levels),
    /// What is decoded of a source has changed.
    Decoded(Decoded),
    /// A decoder wants a key frame.
    KeyFrameNeeded(SourceId),
    /// The decoding of a source ended with an error.
    SourceFailed {
        /// Whose.
        id: SourceId,
        /// Which decoder of theirs.
        build: u64,
        /// What GStreamer said.
        text: String,
    },
    /// The idle file could not be played.
    IdleFailed {
        /// Which start of an idle source this is about.
        token: u64,
        /// What GStreamer said.
        text: String,
    },
    /// The encoder is gone.
    OutputFailed {
        /// What GStreamer said.
        text: String,
    },
    /// The SRT side is gone.
    SrtFailed {
        /// Which start of it.
        generation: u64,
        /// What GStreamer said.
        text: String,
    },
    /// A receiver connected.
    ClientAdded,
    /// A receiver was turned away.
    ClientRefused {
        /// The stream id that it asked for.
        stream_id: String,
    },
    /// A tile is ready.
    Tile {
        /// Absent for the output.
        source: Option<SourceId>,
        /// Its JPEG.
        jpeg: Vec<u8>,
    },
}

/// What is decoded of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decoded {
    /// Whose.
    pub id: SourceId,
    /// A first picture came.
    pub picture: bool,
    /// First sound came.
    pub sound: bool,
    /// Size as sent.
    pub size: (u32, u32),
    /// Pictures a second as sent.
    pub fps: f64,
}

/// Hand of the bounded channel to the worker's loop.
#[derive(Debug, Clone)]
pub struct Facts(mpsc::Sender<Fact>);

impl Facts {
    /// The channel. 512: several seconds of levels and reports, if the loop were stuck.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Fact>) {
        let (sender, receiver) = mpsc::channel(512);
        (Self(sender), receiver)
    }

    /// Posts without waiting. A full channel means that the loop stands still, and then nothing helps.
    pub fn post(&self, fact: Fact) {
        if let Err(error) = self.0.try_send(fact) {
            tracing::error!(%error, "a fact was lost");
        }
    }
}

/// Posts the errors and the end of a pipeline as facts, and drops all other messages.
pub(crate) fn watch_bus(
    pipeline: &gst::Pipeline,
    facts: &Facts,
    fact: impl Fn(String) -> Fact + Send + Sync + 'static,
) -> Result<(), MediaError> {
    let facts = facts.clone();
    let bus = pipeline
        .bus()
        .ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(error) => facts.post(fact(describe(error))),
            gst::MessageView::Eos(_) => facts.post(fact("end of stream".to_owned())),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// An error message in one line.
pub(crate) fn describe(error: &gst::message::Error) -> String {
    let element = error
        .src()
        .map_or_else(String::new, |source| source.name().to_string());
    let detail = error.debug().unwrap_or_default();
    let detail = detail.lines().last().unwrap_or_default().trim();
    format!("{element}: {} ({detail})", error.error())
}

/// Starts a pipeline that is not watched yet; its error message is the error.
pub(crate) fn start_or_explain(pipeline: &gst::Pipeline) -> Result<(), MediaError> {
    let Err(refused) = pipeline.set_state(gst::State::Playing) else {
        return Ok(());
    };
    Err(explain(pipeline).unwrap_or(MediaError::State(refused)))
}

/// The error message that lies on the bus, if any.
pub(crate) fn explain(pipeline: &gst::Pipeline) -> Option<MediaError> {
    let message = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]))?;
    match message.view() {
        gst::MessageView::Error(error) => Some(MediaError::Pipeline(describe(error))),
        _ => None,
    }
}
