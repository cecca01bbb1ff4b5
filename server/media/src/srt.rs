//! The SRT side of the output, as a pipeline of its own: it may fail and come back while the stream goes on.

use std::sync::{Arc, Mutex, PoisonError};

use booth_proto::worker::SrtStats;
use gst::glib;
use gst::prelude::*;
use gst_app::AppSrc;

use crate::error::MediaError;
use crate::facts::{Fact, Facts, explain, start_or_explain, watch_bus};
use crate::output::make;
use crate::settings::{SrtPeer, SrtSettings};

/// A second of a fast stream; a sink that is that far behind loses the oldest packets.
const QUEUE_BYTES: u64 = 4 << 20;
/// How long a wait inside libsrt may last before it looks around.
const POLL_TIMEOUT_MS: i32 = 200;

/// Where the encoder's packets go: to the present SRT pipeline, or nowhere.
#[derive(Debug, Clone, Default)]
pub struct Feed(Arc<Mutex<Option<AppSrc>>>);

impl Feed {
    /// Hands on a buffer of whole TS packets. Never waits.
    pub fn push(&self, buffer: gst::Buffer) {
        let source = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(source) = source {
            // Refused only while the pipeline goes down; then the packets have nowhere to go.
            let _ = source.push_buffer(buffer);
        }
    }

    fn set(&self, source: AppSrc) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Disconnects `source`, unless another sink has taken its place.
    fn clear(&self, source: &AppSrc) {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if present.as_ref() == Some(source) {
            *present = None;
        }
    }
}

/// A running SRT sink.
pub struct Srt {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: gst::Element,
    feed: Feed,
}

impl Srt {
    /// Opens the socket and connects the feed to it. Blocks for as long as the socket takes: not for the loop's thread.
    /// Its later failure is posted with `generation`.
    ///
    /// # Errors
    /// When the port is taken or the element is missing.
    pub fn start(
        settings: &SrtSettings,
        feed: &Feed,
        facts: &Facts,
        generation: u64,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::with_name("srt");
        // No `streamheader` in these caps: srtsink would replay it to every receiver, long out of date.
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
        let sink = sink(settings)?;
        listen(&sink, settings, facts);
        pipeline.add_many([source.upcast_ref(), &sink])?;
        source.link(&sink)?;
        let watched = start_or_explain(&pipeline).and_then(|()| {
            watch_bus(&pipeline, facts, move |text| Fact::SrtFailed {
                generation,
                text,
            })?;
            // What came before the handler lies on the bus, and the handler never sees it.
            explain(&pipeline).map_or(Ok(()), Err)
        });
        if let Err(error) = watched {
            let _ = pipeline.set_state(gst::State::Null);
            return Err(error);
        }
        feed.set(source.clone());
        Ok(Self {
            pipeline,
            source,
            sink,
            feed: feed.clone(),
        })
    }

    /// Closes the sockets on purpose, so that receivers notice at once; again does nothing.
    pub fn stop(&self) {
        self.feed.clear(&self.source);
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the SRT sink did not stop cleanly");
        }
    }

    /// Figures over all receivers. Never call this from a signal of the sink: it would wait for itself.
    #[must_use]
    pub fn stats(&self) -> SrtStats {
        let stats: Option<gst::Structure> = self.sink.property("stats");
        let mut sum = SrtStats::default();
        let Some(stats) = stats else { return sum };
        match stats.get::<glib::ValueArray>("callers") {
            Ok(callers) => {
                for caller in callers
                    .iter()
                    .filter_map(|value| value.get::<gst::Structure>().ok())
                {
                    add(&mut sum, &caller);
                }
            }
            Err(_) if stats.has_field("packets-sent") => add(&mut sum, &stats),
            Err(_) => {}
        }
        sum
    }
}

/// A sink that the worker's end finds just opened was never anybody's to stop: freed while it plays, it takes the process
/// with it.
impl Drop for Srt {
    fn drop(&mut self) {
        self.stop();
    }
}

fn add(sum: &mut SrtStats, peer: &gst::Structure) {
    let count = |name: &str| -> u64 {
        let field = peer.value(name).ok();
        field
            .and_then(|value| {
                value
                    .get::<i64>()
                    .ok()
                    .map(|n| n.max(0) as u64)
                    .or_else(|| {
                        let small = value.get::<i32>().ok().map(|n| n.max(0) as u64);
                        small.or_else(|| value.get::<u64>().ok())
                    })
            })
            .unwrap_or(0)
    };
    sum.clients += 1;
    sum.sent_packets += count("packets-sent");
    sum.lost_packets += count("packets-sent-lost");
    sum.send_rate_kbps += peer.get::<f64>("send-rate-mbps").unwrap_or(0.0) * 1000.0;
    sum.rtt_ms = sum.rtt_ms.max(peer.get::<f64>("rtt-ms").unwrap_or(0.0));
}

fn sink(settings: &SrtSettings) -> Result<gst::Element, MediaError> {
    let mut builder = make("srtsink")?
        .property("wait-for-connection", false)
        .property("async", false)
        .property("sync", false)
        // Prints TRUE as its default, but acts FALSE until set.
        .property("authentication", true)
        .property("poll-timeout", POLL_TIMEOUT_MS)
        .property("enable-last-sample", false);
    builder = match &settings.peer {
        SrtPeer::Listen { bind, port } => builder
            .property_from_str("mode", "listener")
            .property("localaddress", bind)
            .property("localport", u32::from(*port)),
        SrtPeer::Push { url } => builder
            .property("uri", url)
            .property_from_str("mode", "caller"),
    };
    let latency_ms = i32::try_from(settings.latency_ms).unwrap_or(120);
    let sink = builder.property("latency", latency_ms).build()?;
    if !settings.passphrase.is_empty() {
        sink.set_property("passphrase", &settings.passphrase);
        sink.set_property_from_str("pbkeylen", "16");
    }
    if !settings.stream_id.is_empty() && matches!(settings.peer, SrtPeer::Push { .. }) {
        sink.set_property("streamid", &settings.stream_id);
    }
    Ok(sink)
}

/// Handlers run inside libsrt's handshake: a comparison and a post, nothing else.
fn listen(sink: &gst::Element, settings: &SrtSettings, facts: &Facts) {
    let wanted = settings.stream_id.clone();
    let refused = facts.clone();
    if matches!(settings.peer, SrtPeer::Listen { .. }) {
        sink.connect("caller-connecting", false, move |values| {
            let asked = values
                .get(2)
                .and_then(|value| value.get::<Option<String>>().ok())
                .flatten();
            let asked = asked.unwrap_or_default();
            let admitted = admits(&wanted, &asked);
            if !admitted {
                refused.post(Fact::ClientRefused { stream_id: asked });
            }
            Some(admitted.to_value())
        });
    }
    let added = facts.clone();
    sink.connect("caller-added", false, move |_| {
        added.post(Fact::ClientAdded);
        None
    });
}

/// Whether a receiver that asks for `asked` may have the stream `wanted`; an empty `wanted` lets everybody in.
/// Besides the id itself, SRT's access control syntax is understood: `#!::r=<id>,m=request`, keys in any order.
#[must_use]
pub fn admits(wanted: &str, asked: &str) -> bool {
    if wanted.is_empty() || wanted == asked {
        return true;
    }
    let Some(pairs) = asked.strip_prefix("#!::") else {
        return false;
    };
    let (mut resource, mut mode) = (None, "request");
    for pair in pairs.split(',') {
        match pair.split_once('=') {
            Some(("r", value)) => resource = Some(value),
            Some(("m", value)) => mode = value,
            // Other keys (user, session, type) are the receiver's own business.
            Some(_) => {}
            None => return false,
        }
    }
    resource == Some(wanted) && mode == "request"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_stops_late_leaves_the_feed_to_the_next_one() {
        gst::init().unwrap();
        let (old, new) = (AppSrc::builder().build(), AppSrc::builder().build());
        let feed = Feed::default();
        feed.set(old.clone());
        feed.set(new.clone());
        feed.clear(&old);
        assert_eq!(feed.0.lock().unwrap().as_ref(), Some(&new));
        feed.clear(&new);
        assert_eq!(feed.0.lock().unwrap().as_ref(), None);
    }

    #[test]
    fn both_spellings_of_the_stream_id_are_admitted() {
        for asked in [
            "slot1",
            "#!::r=slot1,m=request",
            "#!::m=request,u=vmix,r=slot1",
            "#!::r=slot1",
        ] {
            assert!(admits("slot1", asked), "{asked}");
        }
    }

    #[test]
    fn other_ids_modes_and_nonsense_are_refused() {
        let refused = [
            "",
            "slot2",
            "Slot1",
            "slot1 ",
            "#!::r=slot2,m=request",
            "#!::r=slot1,m=publish",
            "#!::m=request",
            "#!::r",
            "#!::",
        ];
        for asked in refused {
            assert!(!admits("slot1", asked), "{asked}");
        }
    }

    #[test]
    fn without_an_id_everybody_is_admitted() {
        assert!(admits("", "") && admits("", "anything"));
    }
}
