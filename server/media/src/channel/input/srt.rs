//! An SRT listener for the live input, as a pipeline of its own: one publisher at a time, as MPEG-TS.
//!
//! ```text
//!  caller ─ caller-connecting: stream id, nobody else healthy ─▶ srtsrc ─▶ appsink ─▶ bytes ─▶ the channel's loop
//! ```
//!
//! The sockets of callers that are no longer wanted are closed with the pipeline, and another listens at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::glib;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::MediaError;
use crate::facts::{describe, explain, start_or_explain};
use crate::output::make;

const POLL_TIMEOUT_MS: i32 = 200;
/// Datagrams between srtsrc and its callback, which takes each at once.
const SINK_BUFFERS: u32 = 64;

/// Datagrams, and callers turned away, that the channel's loop has not taken yet: a second at 10 Mb/s. Who comes and who
/// goes is rare, and always gets through, in its order among them.
const QUEUED: usize = 1024;

/// A queued event's share of that.
pub type Share = OwnedSemaphorePermit;

/// What the listener is opened with.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtListen {
    pub bind: String,
    pub port: u16,
    pub latency_ms: u32,
    pub stream_id: String,
    pub passphrase: String,
}

pub enum SrtEvent {
    /// It listens, or could not be opened.
    Opened(Result<SrtInput, String>),
    /// A caller was let in.
    Up {
        peer: String,
    },
    Bytes(Bytes, Share),
    Down,
    /// A caller with another stream id was turned away.
    Refused {
        stream_id: String,
        share: Share,
    },
    /// The listener is gone.
    Failed(String),
}

/// Who may come in now, looked up inside libsrt's handshake.
#[derive(Debug)]
pub struct Door {
    started: Instant,
    /// A caller is in.
    taken: AtomicBool,
    /// Another publisher (RTMP, WHIP) is healthy until then, in nanoseconds since `started`.
    other_until: AtomicU64,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            taken: AtomicBool::new(false),
            other_until: AtomicU64::new(0),
        }
    }
}

impl Door {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Another publisher's media came: it is healthy for `stale` more.
    pub fn other_lives(&self, stale: Duration) {
        let until = self.now() + u64::try_from(stale.as_nanos()).unwrap_or(0);
        self.other_until.store(until, Ordering::Relaxed);
    }

    pub fn other_is_gone(&self) {
        self.other_until.store(0, Ordering::Relaxed);
    }

    fn admits(&self) -> bool {
        !self.taken.load(Ordering::Relaxed)
            && self.other_until.load(Ordering::Relaxed) <= self.now()
    }
}

/// An open listener.
pub struct SrtInput {
    pipeline: gst::Pipeline,
}

impl SrtInput {
    /// Opens the port. Blocks for as long as that takes: not for the channel's loop. Events carry `generation`.
    pub fn start(
        settings: &SrtListen,
        door: &Arc<Door>,
        events: &mpsc::UnboundedSender<(u64, SrtEvent)>,
        generation: u64,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        let latency = i32::try_from(settings.latency_ms).unwrap_or(120);
        let source = make("srtsrc")?
            .property_from_str("mode", "listener")
            .property("localaddress", &settings.bind)
            .property("localport", u32::from(settings.port))
            .property("latency", latency)
            .property("poll-timeout", POLL_TIMEOUT_MS)
            // Otherwise it ends with its first caller.
            .property("keep-listening", true)
            // Prints TRUE as its default, but acts FALSE until set.
            .property("authentication", true)
            .build()?;
        if !settings.passphrase.is_empty() {
            source.set_property("passphrase", &settings.passphrase);
            source.set_property_from_str("pbkeylen", "16");
        }
        let events = events.clone();
        // Callbacks only post.
        let post = move |event| {
            let _ = events.send((generation, event));
        };
        let queue = Queue::new();
        watch_callers(&source, settings, door, &queue, post.clone());
        let bytes = post.clone();
        let sink = AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(SINK_BUFFERS)
            .drop(true)
            .build();
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(map) = sample
                        .buffer()
                        .and_then(|buffer| buffer.map_readable().ok())
                        && let Some(share) = queue.share()
                    {
                        bytes(SrtEvent::Bytes(Bytes::copy_from_slice(&map), share));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        pipeline.add_many([&source, sink.upcast_ref()])?;
        source.link(&sink)?;
        let input = Self { pipeline };
        start_or_explain(&input.pipeline)?;
        let bus = input.pipeline.bus();
        let bus = bus.ok_or_else(|| glib::bool_error!("a pipeline without bus"))?;
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => post(SrtEvent::Failed(describe(error))),
                gst::MessageView::Eos(_) => post(SrtEvent::Failed("end of stream".to_owned())),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        explain(&input.pipeline).map_or(Ok(input), Err)
    }

    /// Closes all sockets. Blocks.
    pub fn end(&self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "the SRT listener did not end cleanly");
        }
    }
}

/// Room for what may be lost.
#[derive(Debug, Clone)]
struct Queue(Arc<Semaphore>);

impl Queue {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(QUEUED)))
    }

    /// None when the channel's loop stands still; then nothing helps.
    fn share(&self) -> Option<Share> {
        let share = Arc::clone(&self.0).try_acquire_owned().ok();
        if share.is_none() {
            tracing::warn!("the channel's loop does not take SRT input");
        }
        share
    }
}

fn watch_callers(
    source: &gst::Element,
    settings: &SrtListen,
    door: &Arc<Door>,
    queue: &Queue,
    post: impl Fn(SrtEvent) + Clone + Send + Sync + 'static,
) {
    // A new listener has nobody in.
    door.taken.store(false, Ordering::Relaxed);
    let (wanted, at_door, refuse) = (settings.stream_id.clone(), Arc::clone(door), post.clone());
    let queue = queue.clone();
    source.connect("caller-connecting", false, move |values| {
        let asked = values
            .get(2)
            .and_then(|value| value.get::<Option<String>>().ok());
        let asked = asked.flatten().unwrap_or_default();
        let known = admits(&wanted, &asked);
        if !known && let Some(share) = queue.share() {
            refuse(SrtEvent::Refused {
                stream_id: asked,
                share,
            });
        }
        let admitted = known && at_door.admits();
        Some(admitted.to_value())
    });
    let (at_door, added) = (Arc::clone(door), post.clone());
    source.connect("caller-added", false, move |values| {
        at_door.taken.store(true, Ordering::Relaxed);
        let peer = values
            .get(2)
            .and_then(|value| value.get::<glib::Object>().ok());
        added(SrtEvent::Up {
            peer: peer.as_ref().and_then(address).unwrap_or_default(),
        });
        None
    });
    let at_door = Arc::clone(door);
    source.connect("caller-removed", false, move |_| {
        at_door.taken.store(false, Ordering::Relaxed);
        post(SrtEvent::Down);
        None
    });
}

/// `address:port` of a GInetSocketAddress, read by its properties: nothing else of gio is needed here.
fn address(peer: &glib::Object) -> Option<String> {
    peer.find_property("address")?;
    let port: u32 = peer.property("port");
    let inet: glib::Object = peer.property("address");
    let family = inet.property_value("family");
    // SAFETY: GSocketFamily is an enum, whose values hold an int.
    let family = unsafe { glib::gobject_ffi::g_value_get_enum(family.as_ptr()) };
    let bytes = inet.property_value("bytes");
    let bytes: glib::Pointer = bytes.get().ok()?;
    if bytes.is_null() {
        return None;
    }
    let ip: std::net::IpAddr = match family {
        // SAFETY: "bytes" are the address in network order, 4 bytes for IPv4 (AF_INET), held by `inet`.
        libc::AF_INET => unsafe { *bytes.cast::<[u8; 4]>() }.into(),
        // SAFETY: 16 bytes for IPv6.
        libc::AF_INET6 => unsafe { *bytes.cast::<[u8; 16]>() }.into(),
        _ => return None,
    };
    Some(std::net::SocketAddr::new(ip, u16::try_from(port).ok()?).to_string())
}

/// Whether a publisher that says `asked` may publish to `wanted`. Besides the id itself, SRT's access control syntax is
/// understood: `#!::r=<id>,m=publish`, keys in any order.
fn admits(wanted: &str, asked: &str) -> bool {
    if wanted.is_empty() || wanted == asked {
        return true;
    }
    // ffmpeg passes on what stands in its address as it stands there.
    let decoded = unescape(asked);
    let asked = decoded.as_str();
    if wanted == asked {
        return true;
    }
    let Some(pairs) = asked.strip_prefix("#!::") else {
        return false;
    };
    let (mut resource, mut mode) = (None, "publish");
    for pair in pairs.split(',') {
        match pair.split_once('=') {
            Some(("r", value)) => resource = Some(value),
            Some(("m", value)) => mode = value,
            // Other keys (user, session, type) are the publisher's own business.
            Some(_) => {}
            None => return false,
        }
    }
    resource == Some(wanted) && mode == "publish"
}

/// `%23` and its like put back.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().filter(|_| first == b'%');
        let value = hex.and_then(|hex| {
            let text = std::str::from_utf8(hex).ok()?;
            u8::from_str_radix(text, 16).ok()
        });
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_stream_id_may_publish() {
        for asked in [
            "radio",
            "#!::r=radio,m=publish",
            "#!::m=publish,u=obs,r=radio",
            "#!::r=radio",
            "%23%21%3A%3Ar%3Dradio%2Cm%3Dpublish",
            "r%61dio",
        ] {
            assert!(admits("radio", asked), "{asked}");
        }
    }

    #[test]
    fn other_ids_readers_and_nonsense_may_not() {
        for asked in [
            "",
            "radio2",
            "Radio",
            "#!::r=radio,m=request",
            "#!::m=publish",
            "#!::r",
            "#!::",
        ] {
            assert!(!admits("radio", asked), "{asked}");
        }
    }

    #[test]
    fn datagrams_beyond_the_queue_are_dropped_until_some_are_taken() {
        let queue = Queue::new();
        let mut shares: Vec<Share> = std::iter::from_fn(|| queue.share()).collect();
        assert_eq!(shares.len(), QUEUED);
        shares.pop();
        assert!(queue.share().is_some());
    }

    #[test]
    fn nobody_comes_in_while_another_publisher_is_healthy() {
        let door = Door::default();
        assert!(door.admits());
        door.other_lives(Duration::from_secs(60));
        assert!(!door.admits());
        door.other_is_gone();
        assert!(door.admits());
        door.taken.store(true, Ordering::Relaxed);
        assert!(!door.admits());
    }
}
