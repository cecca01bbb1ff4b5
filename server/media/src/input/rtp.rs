//! A caller's session: RTP in, pictures in the output's format and sound out.
//!
//! ```text
//!  appsrc RTP ─▶ jitter buffer ─▶ depayloader ─▶ decoder ─▶ convert ─▶ letterbox ─▶ appsink
//!  appsrc RTP ─▶ jitter buffer ─▶ depayloader ─▶ opusdec ─▶ resample ─▶ appsink
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use booth_proto::worker::{Codec, Medium, Source, Track};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::teardown::Life;
use crate::error::MediaError;
use crate::facts::{Decoded, Fact, Facts, watch_bus};
use crate::output::{audio_caps, make};
use crate::pacer::{Media, MediaSender, Origin, Stamp};
use crate::picture::{Format, Frame};
use crate::switcher::{SourceId, Tracks};
use crate::sync::RtpClock;

/// Video waits this long for a missing packet; a short buffer would throw the burst of the first key frame away.
const VIDEO_LATENCY_MS: u32 = 400;
/// Sound is not sent twice: waiting longer only delays it.
const AUDIO_LATENCY_MS: u32 = 40;
/// Packets in a row after which the jitter buffer begins, instead of after its latency.
const FASTSTART_PACKETS: u32 = 2;
/// RTP that waits for its decoder: seconds of it at any sane bit rate.
const QUEUE_BYTES: u64 = 4 << 20;

/// The decoder of one session.
#[derive(Debug)]
pub struct RtpInput {
    life: Arc<Life>,
    video: Option<AppSrc>,
    audio: Option<AppSrc>,
    seen: Arc<Mutex<Decoded>>,
    pictures: Arc<AtomicU64>,
    clocks: Arc<Mutex<Clocks>>,
    media: MediaSender,
    id: SourceId,
}

/// Both media's clocks, to hear and see together what was captured together.
#[derive(Debug)]
struct Clocks {
    video: RtpClock,
    audio: RtpClock,
}

impl RtpInput {
    /// Builds the decoder and starts it; its failure is posted with `build`.
    ///
    /// # Errors
    /// When a codec is not supported or an element is missing.
    pub fn start(
        source: &Source,
        build: u64,
        format: Option<&Format>,
        media: &MediaSender,
        facts: &Facts,
    ) -> Result<Self, MediaError> {
        let id = source.session;
        let pipeline = gst::Pipeline::new();
        let seen = Arc::new(Mutex::new(Decoded {
            id,
            picture: false,
            sound: false,
            size: (0, 0),
            fps: 0.0,
        }));
        let pictures = Arc::new(AtomicU64::new(0));
        let rate = |track: &Option<Track>| track.as_ref().map_or(90_000, |track| track.clock_rate);
        let clocks = Arc::new(Mutex::new(Clocks {
            video: RtpClock::new(rate(&source.video)),
            audio: RtpClock::new(rate(&source.audio)),
        }));
        let tap = Tap {
            id,
            media: media.clone(),
            facts: facts.clone(),
            seen: Arc::clone(&seen),
            pictures: Arc::clone(&pictures),
            clocks: Arc::clone(&clocks),
        };
        let video = match (&source.video, format) {
            (Some(track), Some(format)) => Some(video_chain(&pipeline, track, format, &tap)?),
            _ => None,
        };
        let audio = match &source.audio {
            Some(track) => Some(audio_chain(&pipeline, track, &tap)?),
            None => None,
        };
        watch_bus(&pipeline, facts, move |text| Fact::SourceFailed {
            id,
            build,
            text,
        })?;
        let life = Life::new(pipeline);
        life.start(gst::State::Playing);
        Ok(Self {
            life,
            video,
            audio,
            seen,
            pictures,
            clocks,
            media: media.clone(),
            id,
        })
    }

    /// What it brings.
    #[must_use]
    pub fn tracks(&self) -> Tracks {
        Tracks {
            video: self.video.is_some(),
            audio: self.audio.is_some(),
        }
    }

    /// What has been decoded so far.
    #[must_use]
    pub fn decoded(&self) -> Decoded {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures decoded so far.
    #[must_use]
    pub fn pictures(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }

    /// Takes an RTCP packet: sender reports pair the clocks of sound and picture.
    pub fn rtcp(&self, medium: Medium, packet: &[u8]) {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = match medium {
            Medium::Video => clocks.video.rtcp(packet),
            Medium::Audio => clocks.audio.rtcp(packet),
            Medium::Unspecified => false,
        };
        if heard && let (Some(video), Some(audio)) = (clocks.video.lead_s(), clocks.audio.lead_s())
        {
            self.media
                .send(Media::Offset(self.id, (audio - video) * 1000.0));
        }
    }

    /// Takes a packet. Never waits: a full queue loses its oldest.
    pub fn push(&self, medium: Medium, packet: Bytes) {
        let source = match medium {
            Medium::Video => &self.video,
            Medium::Audio => &self.audio,
            Medium::Unspecified => &None,
        };
        if let Some(source) = source {
            let _ = source.push_buffer(gst::Buffer::from_slice(packet));
        }
    }
}

impl Drop for RtpInput {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// Where decoded media goes.
#[derive(Clone)]
struct Tap {
    id: SourceId,
    media: MediaSender,
    facts: Facts,
    seen: Arc<Mutex<Decoded>>,
    pictures: Arc<AtomicU64>,
    clocks: Arc<Mutex<Clocks>>,
}

impl Tap {
    /// Changes what is known of the source, and tells of it if it is news.
    fn note(&self, change: impl FnOnce(&mut Decoded)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *seen;
        change(&mut seen);
        if *seen != before {
            self.facts.post(Fact::Decoded(*seen));
        }
    }
}

pub(crate) fn rtp_source(track: &Track, medium: &str, encoding: &str) -> AppSrc {
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", medium)
        .field(
            "clock-rate",
            i32::try_from(track.clock_rate).unwrap_or(90_000),
        )
        .field("encoding-name", encoding)
        .field("payload", i32::try_from(track.payload_type).unwrap_or(96));
    for parameter in track.fmtp.split(';') {
        let Some((name, value)) = parameter.trim().split_once('=') else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        // Only what the depayloaders read; the rest came from the network and has no business in caps.
        let known = [
            "packetization-mode",
            "profile-level-id",
            "sprop-parameter-sets",
        ];
        if known.contains(&name) && name.chars().all(plain) {
            caps = caps.field(name, value);
        }
    }
    if encoding == "OPUS" {
        // Decode to two channels whatever is announced: mono comes out on both.
        caps = caps.field("sprop-stereo", "1");
    }
    AppSrc::builder()
        .caps(&caps.build())
        .format(gst::Format::Time)
        .is_live(true)
        .do_timestamp(true)
        .max_bytes(QUEUE_BYTES)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build()
}

pub(crate) fn jitter_buffer(latency_ms: u32) -> Result<gst::Element, MediaError> {
    Ok(make("rtpjitterbuffer")?
        .property("latency", latency_ms)
        .property("drop-on-latency", false)
        .property("do-lost", true)
        .property("faststart-min-packets", FASTSTART_PACKETS)
        .build()?)
}

fn video_chain(
    pipeline: &gst::Pipeline,
    track: &Track,
    format: &Format,
    tap: &Tap,
) -> Result<AppSrc, MediaError> {
    let (source, mut chain) = match track.codec() {
        Codec::Vp8 => {
            let depay = make("rtpvp8depay")?
                .property("wait-for-keyframe", true)
                .property("request-keyframe", true)
                .build()?;
            let decoder = make("vp8dec")?.property("threads", 1u32).build()?;
            (rtp_source(track, "video", "VP8"), vec![depay, decoder])
        }
        Codec::H264 => {
            let depay = make("rtph264depay")?
                .property("wait-for-keyframe", true)
                .property("request-keyframe", true)
                .build()?;
            let parse = make("h264parse")?.build()?;
            let decoder = make("avdec_h264")?
                .property("max-threads", 1i32)
                .property_from_str("thread-type", "slice")
                .build()?;
            (
                rtp_source(track, "video", "H264"),
                vec![depay, parse, decoder],
            )
        }
        other => return Err(MediaError::Codec(other)),
    };
    if let Some(decoder) = chain.last() {
        decoder.set_property("automatic-request-sync-points", true);
        watch_size(decoder, tap);
    }
    let jitter = jitter_buffer(VIDEO_LATENCY_MS)?;
    watch_clock(&jitter, tap, |clocks| &mut clocks.video);
    chain.insert(0, jitter);
    let sink = normalise_video(&mut chain, format)?;
    let first = AtomicBool::new(true);
    let to = tap.clone();
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(buffer) = sample.buffer_owned() {
                    to.media.send(Media::Picture(
                        Origin::Source(to.id),
                        stamp(sink, &buffer),
                        Frame(buffer),
                    ));
                }
                to.pictures.fetch_add(1, Ordering::Relaxed);
                if first.swap(false, Ordering::Relaxed) {
                    to.note(|seen| seen.picture = true);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    assemble(pipeline, &source, &chain, &sink)?;
    if let Some(pad) = source.static_pad("src") {
        // Depayloaders and decoders ask upstream for a key frame after loss.
        let (facts, id) = (tap.facts.clone(), tap.id);
        pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()
            {
                facts.post(Fact::KeyFrameNeeded(id));
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(source)
}

/// Notes which RTP time the jitter buffer makes which local time.
fn watch_clock(jitter: &gst::Element, tap: &Tap, of: fn(&mut Clocks) -> &mut RtpClock) {
    let Some(pad) = jitter.static_pad("src") else {
        return;
    };
    let clocks = Arc::clone(&tap.clocks);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer()
            && let Some(pts) = buffer.pts()
            && let Ok(map) = buffer.map_readable()
            && let Some(rtp) = map.as_slice().get(4..8)
        {
            let rtp = u32::from_be_bytes([rtp[0], rtp[1], rtp[2], rtp[3]]);
            let local_s = pts.nseconds() as f64 / 1e9;
            of(&mut clocks.lock().unwrap_or_else(PoisonError::into_inner)).packet(rtp, local_s);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Tells the size as sent whenever the decoder finds a new one.
fn watch_size(decoder: &gst::Element, tap: &Tap) {
    let Some(pad) = decoder.static_pad("src") else {
        return;
    };
    let tap = tap.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Caps(caps) = event.view()
            && let Ok(video) = gst_video::VideoInfo::from_caps(caps.caps())
        {
            let rate = video.fps();
            let fps = f64::from(rate.numer()) / f64::from(rate.denom().max(1));
            tap.note(|seen| (seen.size, seen.fps) = ((video.width(), video.height()), fps));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Conversion before scaling: the colours are converted at the size that is usually the smaller one.
pub(crate) fn normalise_video(
    chain: &mut Vec<gst::Element>,
    format: &Format,
) -> Result<AppSink, MediaError> {
    let convert = make("videoconvert")?.build()?;
    let colours = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("colorimetry", format.colorimetry())
        .build();
    let colours = make("capsfilter")?.property("caps", colours).build()?;
    let scale = make("videoscale")?.property("add-borders", true).build()?;
    chain.extend([convert, colours, scale]);
    Ok(AppSink::builder()
        .caps(&format.input_caps()?)
        .sync(false)
        .async_(false)
        .max_buffers(2)
        .drop(true)
        .build())
}

fn audio_chain(pipeline: &gst::Pipeline, track: &Track, tap: &Tap) -> Result<AppSrc, MediaError> {
    if track.codec() != Codec::Opus {
        return Err(MediaError::Codec(track.codec()));
    }
    let source = rtp_source(track, "audio", "OPUS");
    let jitter = jitter_buffer(AUDIO_LATENCY_MS)?;
    watch_clock(&jitter, tap, |clocks| &mut clocks.audio);
    let mut chain = vec![
        jitter,
        make("rtpopusdepay")?.build()?,
        make("opusdec")?.property("plc", true).build()?,
    ];
    let sink = normalise_audio(&mut chain)?;
    let first = AtomicBool::new(true);
    let to = tap.clone();
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(buffer) = sample.buffer()
                    && let Some(samples) = samples(buffer)
                {
                    let origin = Origin::Source(to.id);
                    to.media
                        .send(Media::Sound(origin, stamp(sink, buffer), samples));
                }
                if first.swap(false, Ordering::Relaxed) {
                    to.note(|seen| seen.sound = true);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    assemble(pipeline, &source, &chain, &sink)?;
    Ok(source)
}

pub(crate) fn normalise_audio(chain: &mut Vec<gst::Element>) -> Result<AppSink, MediaError> {
    chain.extend([
        make("audioconvert")?.build()?,
        make("audioresample")?.build()?,
    ]);
    // 25 packets of 20 ms; the callback takes each at once.
    Ok(AppSink::builder()
        .caps(&audio_caps())
        .sync(false)
        .async_(false)
        .max_buffers(25)
        .drop(true)
        .build())
}

/// The times of a decoded buffer. Its PTS comes from the jitter buffer, which made the sender's clock even.
fn stamp(sink: &AppSink, buffer: &gst::BufferRef) -> Stamp {
    let decoded = Instant::now();
    let age = sink
        .current_running_time()
        .zip(buffer.pts())
        .map_or(Duration::ZERO, |(now, pts)| {
            Duration::from(now.saturating_sub(pts))
        });
    Stamp {
        decoded,
        sent: decoded.checked_sub(age).unwrap_or(decoded),
    }
}

/// The samples of a buffer of interleaved floats.
pub(crate) fn samples(buffer: &gst::BufferRef) -> Option<Vec<f32>> {
    let map = buffer.map_readable().ok()?;
    let floats = map.as_slice().chunks_exact(4);
    Some(
        floats
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    )
}

fn assemble(
    pipeline: &gst::Pipeline,
    source: &AppSrc,
    chain: &[gst::Element],
    sink: &AppSink,
) -> Result<(), MediaError> {
    let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
    all.extend(chain);
    all.push(sink.upcast_ref());
    pipeline.add_many(&all)?;
    gst::Element::link_many(&all)?;
    Ok(())
}
