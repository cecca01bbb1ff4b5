//! One session of a publisher: its times, its decoder, and what is seen of it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Nanos, Track, VideoConfig};

use super::decoder::{Decoder, Pace, Shot};
use super::look::Look;
use super::mixer::Media;
use super::timeline::Timeline;
use crate::channel::program::Verdict;
use crate::error::MediaError;
use crate::picture::Format;

/// What decoding tells the program.
#[derive(Debug)]
pub enum Seen {
    Verdict(u64, Verdict),
    /// Of this session, the decoder with this number.
    Failed(u64, u64, String),
}

/// Hands that a session needs.
#[derive(Clone)]
pub struct Hands {
    pub format: Format,
    pub media: SyncSender<Media>,
    pub seen: Sender<Seen>,
    pub wake: Arc<tokio::sync::Notify>,
}

/// See the module.
pub struct LiveInput {
    pub session: u64,
    hands: Hands,
    timeline: Timeline,
    decoder: Decoder,
    /// Decoders that were built before this one.
    pub built: u64,
    /// Pictures this one has given, and how many of them were asked for already.
    decoded: Arc<AtomicU64>,
    counted: u64,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    /// A key frame came, from which on a decoder has everything.
    keyed: bool,
    delay: Nanos,
    due: Arc<AtomicI64>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    VideoConfig { new: bool },
    AudioConfig,
    Picture { key: bool },
    Sound,
}

impl LiveInput {
    pub fn new(session: u64, delay: Nanos, hands: &Hands) -> Self {
        let decoded = Arc::default();
        Self {
            session,
            hands: hands.clone(),
            timeline: Timeline::default(),
            decoder: decoder(session, 0, &decoded, hands),
            built: 0,
            decoded,
            counted: 0,
            video: None,
            audio: None,
            keyed: false,
            delay,
            due: Arc::new(AtomicI64::new(delay)),
        }
    }

    /// When the line's time is due, on the loop's clock.
    pub fn due(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.due)
    }

    pub fn set_delay(&mut self, delay: Nanos) {
        self.delay = delay;
    }

    pub fn take(&mut self, now: Nanos, event: MediaEvent) -> Result<Taken, MediaError> {
        match event {
            MediaEvent::Video(config) => {
                // Units that refer to what the old parameters decoded are nothing to the new ones.
                let new = self.video.as_deref() != Some(&*config);
                self.keyed &= !new;
                // Kept even when it is refused: the next decoder may take it.
                let config = self.video.insert(config);
                self.decoder.video_config(config)?;
                Ok(Taken::VideoConfig { new })
            }
            MediaEvent::Audio(config) => {
                let config = self.audio.insert(config);
                self.decoder.audio_config(config)?;
                Ok(Taken::AudioConfig)
            }
            MediaEvent::Unit(unit) => Ok(self.unit(now, unit)),
        }
    }

    /// Begins anew after a failure, at the next key frame.
    pub fn rebuild(&mut self) -> Result<(), MediaError> {
        self.built += 1;
        (self.decoded, self.counted) = (Arc::default(), 0);
        self.decoder = decoder(self.session, self.built, &self.decoded, &self.hands);
        self.keyed = false;
        if let Some(config) = &self.audio
            && let Err(error) = self.decoder.audio_config(config)
        {
            tracing::warn!(%error, "the live sound cannot be decoded");
        }
        match &self.video {
            Some(config) => self.decoder.video_config(config),
            None => Ok(()),
        }
    }

    /// Whether pictures were decoded since this was asked last.
    pub fn decodes(&mut self) -> bool {
        let decoded = self.decoded.load(Ordering::Relaxed);
        std::mem::replace(&mut self.counted, decoded) != decoded
    }

    fn unit(&mut self, now: Nanos, unit: AccessUnit) -> Taken {
        let (dts, pts) = self.timeline.place(now, &unit);
        self.due
            .store(self.timeline.offset() + self.delay, Ordering::Relaxed);
        if unit.track == Track::Audio {
            self.decoder.sound(pts, unit.data);
            return Taken::Sound;
        }
        self.keyed |= unit.key;
        if self.keyed {
            self.decoder.picture(dts, pts, unit.key, unit.data);
        }
        Taken::Picture { key: unit.key }
    }
}

fn decoder(session: u64, built: u64, decoded: &Arc<AtomicU64>, hands: &Hands) -> Decoder {
    let (to, decoded) = (hands.clone(), Arc::clone(decoded));
    let look = Mutex::new(Look::default());
    Decoder::new(
        &hands.format,
        Pace::Live,
        Arc::new(move |shot| {
            let mut look = look.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = match shot {
                Shot::Picture(at, frame) => {
                    decoded.fetch_add(1, Ordering::Relaxed);
                    let verdict = look.picture(at, &to.format, &frame);
                    // A mixer that stands still loses them.
                    let _ = to.media.try_send(Media::Picture(session, at, frame));
                    verdict
                }
                Shot::Sound(at, samples) => {
                    let verdict = look.sound(&samples);
                    let _ = to.media.try_send(Media::Sound(session, at, samples));
                    verdict
                }
                Shot::Failed(text) => {
                    let _ = to.seen.send(Seen::Failed(session, built, text));
                    to.wake.notify_one();
                    None
                }
            };
            if let Some(verdict) = verdict {
                let _ = to.seen.send(Seen::Verdict(session, verdict));
                to.wake.notify_one();
            }
            true
        }),
    )
}
