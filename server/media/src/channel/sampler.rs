//! Looks into a live input that is passed on undecoded: one key frame and a fifth of a second of sound are decoded each
//! second, to see whether the picture stands still or is black and the sound silent. Runs only while that is asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Track, VideoCodec, VideoConfig};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::program::Verdict;
use crate::error::MediaError;
use crate::output::make;
use crate::worker::start_gstreamer;

/// A key frame is decoded this often at most.
const PICTURE_EVERY: Duration = Duration::from_millis(900);
const SOUND_EVERY: Duration = Duration::from_secs(1);
/// AAC frames of a look: the first of them carry what the decoder had before.
const SOUND_FRAMES: u32 = 10;
const SOUND_PRIMING: usize = 3;
/// The picture is looked at in so many blocks, across and down.
const ACROSS: usize = 32;
const DOWN: usize = 18;
/// A block of the picture below this luma is black (16 is nominal).
const BLACK_LUMA: u8 = 32;
/// Between two pictures of a camera, noise alone moves some block by more than that.
const STILL_LUMA: u8 = 2;
/// Peaks below this are silence: -60 dBFS.
const SILENT_PEAK: f32 = 0.001;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Picture { frozen: bool, black: bool },
    Sound { silent: bool },
}

impl Seen {
    /// What is known after it.
    pub fn apply(self, verdict: &mut Verdict) {
        match self {
            Self::Picture { frozen, black } => (verdict.frozen, verdict.black) = (frozen, black),
            Self::Sound { silent } => verdict.silent = silent,
        }
    }
}

/// What is chosen to be decoded, on its way to the thread that builds and feeds decoders: two looks' worth.
const QUEUE: usize = 64;

/// The looks at one publisher. Decoders are built and fed on a thread of their own, for that can block.
pub struct Sampler {
    chosen: mpsc::Sender<MediaEvent>,
    picture_at: Option<Instant>,
    sound_at: Option<Instant>,
    sound_left: u32,
}

/// What the thread owns. It ends with its [`Sampler`].
struct Looking {
    seen: mpsc::Sender<Seen>,
    picture: Option<Decoder>,
    sound: Option<Decoder>,
}

struct Decoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
}

impl Sampler {
    pub fn start(seen: mpsc::Sender<Seen>) -> std::io::Result<Self> {
        let (chosen, mut events) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || {
                if start_gstreamer().is_err() {
                    return;
                }
                let mut looking = Looking {
                    seen,
                    picture: None,
                    sound: None,
                };
                while let Some(event) = events.blocking_recv() {
                    if let Err(error) = looking.take(event) {
                        tracing::warn!(%error, "the live input cannot be looked into");
                    }
                }
            })?;
        Ok(Self {
            chosen,
            picture_at: None,
            sound_at: None,
            sound_left: 0,
        })
    }

    /// Takes live media as it arrives; most of it is passed over.
    pub fn see(&mut self, event: &MediaEvent) {
        if self.chooses(event) {
            // A thread that does not keep up with this little is stuck, and then nothing is seen.
            let _ = self.chosen.try_send(event.clone());
        }
    }

    fn chooses(&mut self, event: &MediaEvent) -> bool {
        let MediaEvent::Unit(unit) = event else {
            return true;
        };
        let now = Instant::now();
        if unit.track == Track::Video {
            let due = self.picture_at.is_none_or(|at| now >= at + PICTURE_EVERY);
            if unit.key && due {
                self.picture_at = Some(now);
            }
            return unit.key && due;
        }
        if self.sound_left == 0 && self.sound_at.is_none_or(|at| now >= at + SOUND_EVERY) {
            self.sound_at = Some(now);
            self.sound_left = SOUND_FRAMES;
        }
        let chosen = self.sound_left > 0;
        self.sound_left = self.sound_left.saturating_sub(1);
        chosen
    }
}

impl Looking {
    fn take(&mut self, event: MediaEvent) -> Result<(), MediaError> {
        match event {
            MediaEvent::Video(config) => self.picture = Some(self.picture_decoder(&config)?),
            MediaEvent::Audio(config) => self.sound = Some(self.sound_decoder(&config)?),
            MediaEvent::Unit(unit) => {
                let decoder = match unit.track {
                    Track::Video => &self.picture,
                    Track::Audio => &self.sound,
                };
                if let Some(decoder) = decoder {
                    decoder.push(&unit);
                }
            }
        }
        Ok(())
    }

    fn picture_decoder(&self, config: &VideoConfig) -> Result<Decoder, MediaError> {
        let (caps, decoder) = match config.codec {
            VideoCodec::H264 => (
                gst::Caps::builder("video/x-h264").field("stream-format", "avc"),
                "avdec_h264",
            ),
            VideoCodec::H265 => (
                gst::Caps::builder("video/x-h265").field("stream-format", "hvc1"),
                "avdec_h265",
            ),
        };
        let caps = caps
            .field("alignment", "au")
            .field("codec_data", gst::Buffer::from_slice(config.record.clone()))
            .build();
        let grey = gst::Caps::builder("video/x-raw")
            .field("format", "GRAY8")
            .build();
        let chain = [
            make(decoder)?.property("max-threads", 1i32).build()?,
            make("videoconvert")?.build()?,
        ];
        let (seen, last) = (self.seen.clone(), Mutex::new(None::<Vec<u8>>));
        Decoder::start(&caps, &chain, &grey, move |caps, data| {
            let Some(blocks) = blocks(caps, data) else {
                return;
            };
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let frozen = last.as_ref().is_some_and(|last| is_still(last, &blocks));
            let black = is_black(&blocks);
            *last = Some(blocks);
            let _ = seen.try_send(Seen::Picture { frozen, black });
        })
    }

    fn sound_decoder(&self, config: &AudioConfig) -> Result<Decoder, MediaError> {
        let caps = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4i32)
            .field("stream-format", "raw")
            .field("rate", i32::try_from(config.sample_rate).unwrap_or(48_000))
            .field("channels", i32::from(config.channels))
            .field("codec_data", gst::Buffer::from_slice(config.asc.clone()))
            .build();
        let floats = gst::Caps::builder("audio/x-raw")
            .field("format", "F32LE")
            .build();
        let chain = [make("avdec_aac")?.build()?, make("audioconvert")?.build()?];
        let (seen, peaks) = (self.seen.clone(), Mutex::new(Vec::new()));
        Decoder::start(&caps, &chain, &floats, move |_, data| {
            let samples = data
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b).abs());
            let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
            peaks.push(samples.fold(0.0, f32::max));
            if peaks.len() >= SOUND_FRAMES as usize - 1 {
                let silent = peaks
                    .drain(..)
                    .skip(SOUND_PRIMING)
                    .all(|peak| peak < SILENT_PEAK);
                let _ = seen.try_send(Seen::Sound { silent });
            }
        })
    }
}

impl Decoder {
    fn start(
        caps: &gst::Caps,
        chain: &[gst::Element],
        to: &gst::Caps,
        take: impl Fn(&gst::CapsRef, &[u8]) + Send + Sync + 'static,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        let source = AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            // A few key frames: a decoder that does not keep up with one a second is stuck.
            .max_bytes(16 << 20)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .build();
        let sink = AppSink::builder()
            .caps(to)
            .sync(false)
            .async_(false)
            .build();
        let take = Arc::new(take);
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(caps) = sample.caps()
                        && let Some(buffer) = sample.buffer()
                        && let Ok(map) = buffer.map_readable()
                    {
                        take(caps, &map);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let mut all: Vec<&gst::Element> = vec![source.upcast_ref()];
        all.extend(chain);
        all.push(sink.upcast_ref());
        pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, source })
    }

    fn push(&self, unit: &AccessUnit) {
        let mut buffer = gst::Buffer::from_slice(unit.data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(
                unit.pts.max(0).unsigned_abs(),
            ));
        }
        let _ = self.source.push_buffer(buffer);
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // On the sampler's thread, where a wait hurts nobody.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The mean luma of each block.
fn blocks(caps: &gst::CapsRef, data: &[u8]) -> Option<Vec<u8>> {
    let info = gst_video::VideoInfo::from_caps(caps).ok()?;
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = usize::try_from(*info.stride().first()?).ok()?;
    let mean = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let count = rows.len() * columns.len();
        let lines = rows.filter_map(|row| data.get(row * stride..)?.get(columns.clone()));
        let sum: usize = lines.flatten().map(|luma| usize::from(*luma)).sum();
        u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
    };
    let down = (0..DOWN).map(|y| height * y / DOWN..height * (y + 1) / DOWN);
    let blocks = down.flat_map(|rows| {
        let across = (0..ACROSS).map(|x| width * x / ACROSS..width * (x + 1) / ACROSS);
        across.map(move |columns| (rows.clone(), columns))
    });
    Some(blocks.map(|(rows, columns)| mean(rows, columns)).collect())
}

fn is_still(before: &[u8], now: &[u8]) -> bool {
    before
        .iter()
        .zip(now)
        .all(|(before, now)| before.abs_diff(*now) < STILL_LUMA)
}

/// But for one block: a clock in a corner of black is still black.
fn is_black(blocks: &[u8]) -> bool {
    blocks.iter().filter(|luma| **luma >= BLACK_LUMA).count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_still_only_when_no_block_of_it_moved() {
        let before = [100; 576];
        let mut now = before;
        now[5] = 101;
        assert!(is_still(&before, &now), "the encoder's noise");
        now[500] = 140;
        assert!(!is_still(&before, &now), "a hand moved");
    }

    #[test]
    fn a_dark_picture_is_not_black() {
        let mut blocks = [16; 576];
        assert!(is_black(&blocks));
        blocks[..20].fill(60);
        assert!(!is_black(&blocks));
    }
}
