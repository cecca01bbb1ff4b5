//! A WHIP publisher: RTP that comes over boothd's link. H.264 is passed on as it is, Opus becomes AAC.
//!
//! ```text
//!  appsrc RTP ─▶ jitter buffer ─▶ depayloader ─▶ h264parse ─▶ appsink ─▶ units
//!  appsrc RTP ─▶ jitter buffer ─▶ depayloader ─▶ opusdec ─▶ resample ─▶ avenc_aac ─▶ appsink ─▶ units
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use booth_proto::worker::{Codec, Medium, Source};
use booth_stream::{AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, Track, VideoConfig};
use bytes::Bytes;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};
use tokio::sync::mpsc;

use crate::error::MediaError;
use crate::facts::describe;
use crate::input::{jitter_buffer, rtp_source};
use crate::output::{audio_encoder, make};
use crate::sync::RtpClock;

/// A missing packet is waited for; the delay line is longer than that.
const LATENCY_MS: u32 = 200;
/// avenc_aac stamps its frames one frame (1024 samples) late: see `output.rs`.
const AAC_DELAY: Nanos = 1_024 * 1_000_000 / 48;
/// Of the AAC that is made of Opus.
const AUDIO_KBPS: u32 = 128;
/// A publisher is asked for a key frame this often at most.
const KEY_SPACING: Duration = Duration::from_millis(500);
/// Sender reports are believed up to here; the rest is a broken clock.
const OFFSET_MAX: Nanos = 500 * MILLISECOND;
/// Lip sync is set right when it is off by more than this (ITU-R BT.1359 begins at 45 ms).
const OFFSET_STEP: Nanos = 30 * MILLISECOND;

pub enum WhipEvent {
    /// It runs, or could not be built.
    Opened(Result<WhipInput, String>),
    Media(MediaEvent),
    /// A decoder could not start.
    KeyFrameNeeded,
    Failed(String),
}

/// The pipeline of one session. Ended on a thread of its own when dropped.
pub struct WhipInput {
    source: Source,
    pipeline: gst::Pipeline,
    video: Option<AppSrc>,
    audio: Option<AppSrc>,
    clocks: Arc<Mutex<Clocks>>,
}

struct Clocks {
    video: RtpClock,
    audio: RtpClock,
    /// How much later sound is sent than the picture captured with it, as it is applied now.
    offset: Nanos,
}

impl WhipInput {
    /// Builds decoders, which can block: not for the channel's loop. Events carry the session's number.
    pub fn start(
        source: &Source,
        events: &mpsc::Sender<(u64, WhipEvent)>,
    ) -> Result<Self, MediaError> {
        let session = source.session;
        let events = events.clone();
        // Callbacks only post. A full queue means that the channel's loop stands still, and then nothing helps.
        let post: Post = Arc::new(move |event| {
            if events.try_send((session, event)).is_err() {
                tracing::warn!("the channel's loop does not take WHIP input");
            }
        });
        let pipeline = gst::Pipeline::new();
        let rate = |track: &Option<booth_proto::worker::Track>| {
            track.as_ref().map_or(90_000, |track| track.clock_rate)
        };
        let clocks = Arc::new(Mutex::new(Clocks {
            video: RtpClock::new(rate(&source.video)),
            audio: RtpClock::new(rate(&source.audio)),
            offset: 0,
        }));
        let mut input = Self {
            source: source.clone(),
            pipeline,
            video: None,
            audio: None,
            clocks,
        };
        input.video = input.video_chain(&post)?;
        input.audio = input.audio_chain(&post)?;
        let bus = input.pipeline.bus();
        let bus = bus.ok_or_else(|| gst::glib::bool_error!("a pipeline without bus"))?;
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                post(WhipEvent::Failed(describe(error)));
            }
            gst::BusSyncReply::Drop
        });
        input.pipeline.set_state(gst::State::Playing)?;
        Ok(input)
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Takes packets. Never waits: a full queue loses its oldest.
    pub fn push(&self, medium: Medium, rtcp: bool, packets: Vec<Bytes>) {
        let source = match medium {
            Medium::Video => &self.video,
            Medium::Audio => &self.audio,
            Medium::Unspecified => &None,
        };
        for packet in packets {
            if rtcp {
                self.rtcp(medium, &packet);
            } else if let Some(source) = source {
                let _ = source.push_buffer(gst::Buffer::from_slice(packet));
            }
        }
    }

    fn rtcp(&self, medium: Medium, packet: &[u8]) {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = match medium {
            Medium::Video => clocks.video.rtcp(packet),
            Medium::Audio => clocks.audio.rtcp(packet),
            Medium::Unspecified => false,
        };
        if heard && let (Some(video), Some(audio)) = (clocks.video.lead_s(), clocks.audio.lead_s())
        {
            let offset = ((audio - video) * 1e9) as Nanos;
            if offset.abs() <= OFFSET_MAX && (offset - clocks.offset).abs() > OFFSET_STEP {
                clocks.offset = offset;
            }
        }
    }

    fn video_chain(&self, post: &Post) -> Result<Option<AppSrc>, MediaError> {
        let Some(track) = &self.source.video else {
            return Ok(None);
        };
        if track.codec() != Codec::H264 {
            return Err(MediaError::Codec(track.codec()));
        }
        let source = rtp_source(track, "video", "H264");
        let depay = make("rtph264depay")?
            .property("wait-for-keyframe", true)
            .property("request-keyframe", true)
            .build()?;
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "avc")
            .field("alignment", "au")
            .build();
        let jitter = jitter_buffer(LATENCY_MS)?;
        self.watch_clock(&jitter, |clocks| &mut clocks.video);
        let chain = [jitter, depay, make("h264parse")?.build()?];
        let sink = self.units(&caps, Track::Video, post);
        self.assemble(&source, &chain, &sink)?;
        if let Some(pad) = source.static_pad("src") {
            let (post, asked) = (Arc::clone(post), Mutex::new(None::<Instant>));
            // The depayloader asks upstream for a key frame at the start and after loss.
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                if let Some(event) = info.event()
                    && gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()
                {
                    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                    if asked.is_none_or(|at| at.elapsed() >= KEY_SPACING) {
                        *asked = Some(Instant::now());
                        post(WhipEvent::KeyFrameNeeded);
                    }
                }
                gst::PadProbeReturn::Ok
            });
        }
        Ok(Some(source))
    }

    fn audio_chain(&self, post: &Post) -> Result<Option<AppSrc>, MediaError> {
        let Some(track) = &self.source.audio else {
            return Ok(None);
        };
        if track.codec() != Codec::Opus {
            return Err(MediaError::Codec(track.codec()));
        }
        let source = rtp_source(track, "audio", "OPUS");
        let raw = gst::Caps::builder("audio/x-raw")
            .field("rate", 48_000i32)
            .field("channels", 2i32)
            .build();
        let jitter = jitter_buffer(LATENCY_MS)?;
        self.watch_clock(&jitter, |clocks| &mut clocks.audio);
        let chain = [
            jitter,
            make("rtpopusdepay")?.build()?,
            make("opusdec")?.property("plc", true).build()?,
            make("audioconvert")?.build()?,
            make("audioresample")?.build()?,
            make("capsfilter")?.property("caps", raw).build()?,
            audio_encoder(AUDIO_KBPS)?,
            make("aacparse")?.build()?,
        ];
        let caps = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4i32)
            .field("stream-format", "raw")
            .build();
        let sink = self.units(&caps, Track::Audio, post);
        self.assemble(&source, &chain, &sink)?;
        Ok(Some(source))
    }

    /// A sink that makes units, with the configuration of the caps before them.
    fn units(&self, caps: &gst::Caps, track: Track, post: &Post) -> AppSink {
        let sink = AppSink::builder()
            .caps(caps)
            .sync(false)
            .async_(false)
            .build();
        let (post, clocks) = (Arc::clone(post), Arc::clone(&self.clocks));
        let mut present = None;
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(data) = codec_data(&sample)
                && present.as_ref() != Some(&data)
            {
                match config(track, &data) {
                    Some(config) => post(WhipEvent::Media(config)),
                    None => post(WhipEvent::Failed(format!(
                        "{track:?} with damaged parameters"
                    ))),
                }
                present = Some(data);
            }
            let buffer = sample.buffer();
            if let Some(buffer) = buffer
                && let Some(pts) = buffer.pts()
                && let Ok(map) = buffer.map_readable()
            {
                let mut pts = Nanos::try_from(pts.nseconds()).unwrap_or(0);
                if track == Track::Audio {
                    pts -= AAC_DELAY + clocks.lock().unwrap_or_else(PoisonError::into_inner).offset;
                }
                post(WhipEvent::Media(MediaEvent::Unit(AccessUnit {
                    track,
                    // Browsers and OBS send no B-frames by WHIP: decoded in the order in which they are shown.
                    dts: pts,
                    pts,
                    key: track == Track::Audio
                        || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                    data: Bytes::copy_from_slice(&map),
                })));
            }
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
        sink
    }

    /// Notes which RTP time the jitter buffer makes which local time.
    fn watch_clock(&self, jitter: &gst::Element, of: fn(&mut Clocks) -> &mut RtpClock) {
        let Some(pad) = jitter.static_pad("src") else {
            return;
        };
        let clocks = Arc::clone(&self.clocks);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer()
                && let Some(pts) = buffer.pts()
                && let Ok(map) = buffer.map_readable()
                && let Some(&[a, b, c, d]) = map.as_slice().get(4..8)
            {
                let local_s = pts.nseconds() as f64 / 1e9;
                let mut clocks = clocks.lock().unwrap_or_else(PoisonError::into_inner);
                of(&mut clocks).packet(u32::from_be_bytes([a, b, c, d]), local_s);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn assemble(
        &self,
        source: &AppSrc,
        chain: &[gst::Element],
        sink: &AppSink,
    ) -> Result<(), MediaError> {
        let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
        all.extend(chain);
        all.push(sink.upcast_ref());
        self.pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        Ok(())
    }
}

type Post = Arc<dyn Fn(WhipEvent) + Send + Sync>;

fn codec_data(sample: &gst::Sample) -> Option<Vec<u8>> {
    let data = sample
        .caps()?
        .structure(0)?
        .get::<gst::Buffer>("codec_data")
        .ok()?;
    Some(data.map_readable().ok()?.to_vec())
}

fn config(track: Track, data: &[u8]) -> Option<MediaEvent> {
    Some(match track {
        Track::Video => MediaEvent::Video(Arc::new(VideoConfig::from_avcc(data).ok()?)),
        Track::Audio => MediaEvent::Audio(Arc::new(AudioConfig::from_asc(data).ok()?)),
    })
}

impl Drop for WhipInput {
    fn drop(&mut self) {
        let pipeline = self.pipeline.clone();
        let ended = std::thread::Builder::new()
            .name("whip-end".to_owned())
            .spawn(move || {
                if let Some(bus) = pipeline.bus() {
                    bus.unset_sync_handler();
                }
                let _ = pipeline.set_state(gst::State::Null);
            });
        if let Err(error) = ended {
            tracing::error!(%error, "no thread to end a WHIP input");
        }
    }
}
