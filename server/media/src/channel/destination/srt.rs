//! An SRT caller: the programme as MPEG-TS into a pipeline of its own. Errors end it; the next try builds another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use booth_proto::worker::DestinationSettings;
use booth_stream::MediaEvent;
use booth_stream::ts::{TsError, TsWriter, datagrams};
use gst::prelude::*;
use gst_app::AppSrc;
use tokio::sync::mpsc;

use super::machine::{Failure, FailureKind};
use crate::error::MediaError;
use crate::facts::{describe, explain, start_or_explain};
use crate::output::make;
use crate::worker::start_gstreamer;

/// A second of a fast stream; a sink that is that far behind loses the oldest packets.
const QUEUE_BYTES: u64 = 4 << 20;
/// How long a wait inside libsrt may last before it looks around.
const POLL_TIMEOUT_MS: i32 = 200;
/// Closing can hang inside libsrt; a pipeline that does is left behind.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// libsrt takes 10 to 79; 64 is what everybody takes.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 10..=64;

pub struct SrtPush {
    pipeline: Arc<Pipeline>,
    errors: mpsc::Receiver<String>,
    writer: TsWriter,
    packets: Vec<u8>,
    sent: u64,
}

/// Ended on a thread of its own when nobody holds it: that can hang.
struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: gst::Element,
    taken: AtomicU64,
    reading: AtomicBool,
}

impl SrtPush {
    /// Starts to call; whether the peer answers is known by what it takes.
    pub async fn connect(settings: &DestinationSettings) -> Result<Self, Failure> {
        let for_good = |text: &str| Failure {
            text: text.to_owned(),
            kind: FailureKind::Settings,
        };
        if !settings.key.is_empty() && !PASSPHRASE.contains(&settings.key.len()) {
            return Err(for_good("an SRT passphrase has 10 to 64 bytes"));
        }
        let settings = settings.clone();
        let started = tokio::task::spawn_blocking(move || {
            start_gstreamer().map_err(|_| for_good("SRT cannot be used on this machine"))?;
            let (error, errors) = mpsc::channel(1);
            let pipeline = start(&settings, error).map_err(|e| Failure::passing(e.to_string()))?;
            Ok::<_, Failure>((pipeline, errors))
        });
        let (pipeline, errors) = match started.await {
            Ok(started) => started?,
            Err(error) => return Err(Failure::passing(error.to_string())),
        };
        Ok(Self {
            pipeline,
            errors,
            writer: TsWriter::new(),
            packets: Vec::new(),
            sent: 0,
        })
    }

    pub fn send(&mut self, event: &MediaEvent) -> Result<(), Failure> {
        self.packets.clear();
        match self.writer.write(event, &mut self.packets) {
            // A unit before its configuration has nobody to decode it.
            Ok(()) | Err(TsError::NoConfig) => {}
            Err(error) => return Err(Failure::passing(error.to_string())),
        }
        self.sent += self.packets.len() as u64;
        for datagram in datagrams(&self.packets) {
            let buffer = gst::Buffer::from_mut_slice(datagram.to_vec());
            // Refused only while the pipeline goes down, which its error tells.
            let _ = self.pipeline.source.push_buffer(buffer);
        }
        Ok(())
    }

    pub async fn failed(&mut self) -> Failure {
        match self.errors.recv().await {
            Some(text) => Failure::passing(text),
            None => Failure::passing("the pipeline ended"),
        }
    }

    /// Bytes that were given, and those that went out over a connection; the latter as of a moment ago.
    pub fn bytes(&self) -> (u64, u64) {
        let taken = self.pipeline.taken.load(Ordering::Relaxed);
        if !self.pipeline.reading.swap(true, Ordering::Relaxed) {
            let pipeline = Arc::clone(&self.pipeline);
            tokio::task::spawn_blocking(move || {
                pipeline.read();
                pipeline.reading.store(false, Ordering::Relaxed);
            });
        }
        (self.sent, taken)
    }

    pub async fn close(self) {
        let pipeline = Arc::clone(&self.pipeline);
        drop(self);
        let ending = tokio::task::spawn_blocking(move || pipeline.end());
        if tokio::time::timeout(CLOSE_DEADLINE, ending).await.is_err() {
            tracing::warn!("an SRT destination's pipeline did not end in time");
        }
    }
}

impl Pipeline {
    fn read(&self) {
        let stats: Option<gst::Structure> = self.sink.property("stats");
        let Some(stats) = stats else { return };
        let bytes = stats.get::<u64>("bytes-sent-total").unwrap_or(0);
        self.taken.fetch_max(bytes, Ordering::Relaxed);
    }

    fn end(&self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.pipeline.current_state() == gst::State::Null {
            return;
        }
        let pipeline = self.pipeline.clone();
        let ended = std::thread::Builder::new()
            .name("srt-end".to_owned())
            .spawn(move || {
                let _ = pipeline.set_state(gst::State::Null);
            });
        if let Err(error) = ended {
            tracing::error!(%error, "no thread to end an SRT sink");
        }
    }
}

fn start(
    settings: &DestinationSettings,
    error: mpsc::Sender<String>,
) -> Result<Arc<Pipeline>, MediaError> {
    let pipeline = gst::Pipeline::new();
    // No `streamheader` in these caps: srtsink would replay it, long out of date.
    let caps = gst::Caps::builder("video/mpegts")
        .field("systemstream", true)
        .field("packetsize", 188i32)
        .build();
    let source = AppSrc::builder()
        .caps(&caps)
        .format(gst::Format::Time)
        .max_bytes(QUEUE_BYTES)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build();
    let latency = if settings.latency_ms == 0 {
        120
    } else {
        settings.latency_ms
    };
    let sink = make("srtsink")?
        .property("uri", &settings.url)
        .property_from_str("mode", "caller")
        // Tried again by us, with growing waits and where it is seen.
        .property("auto-reconnect", false)
        .property("wait-for-connection", false)
        .property("async", false)
        .property("sync", false)
        .property("poll-timeout", POLL_TIMEOUT_MS)
        .property("enable-last-sample", false)
        .property("latency", i32::try_from(latency).unwrap_or(120))
        .build()?;
    if !settings.key.is_empty() {
        sink.set_property("passphrase", &settings.key);
        sink.set_property_from_str("pbkeylen", "16");
    }
    if !settings.stream_id.is_empty() {
        sink.set_property("streamid", &settings.stream_id);
    }
    pipeline.add_many([source.upcast_ref(), &sink])?;
    source.link(&sink)?;
    let built = Arc::new(Pipeline {
        pipeline: pipeline.clone(),
        source,
        sink,
        taken: AtomicU64::new(0),
        reading: AtomicBool::new(false),
    });
    start_or_explain(&pipeline)?;
    let bus = pipeline
        .bus()
        .ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(failed) = message.view() {
            // The first one is the reason.
            let _ = error.try_send(describe(failed));
        }
        gst::BusSyncReply::Drop
    });
    // What came before the handler lies on the bus, and the handler never sees it.
    explain(&pipeline).map_or(Ok(built), Err)
}
