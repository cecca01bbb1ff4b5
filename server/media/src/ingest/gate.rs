//! The queue between a session, which must not wait, and the channel's worker, which may be slow or away.
//!
//! When it is full, pictures are left out up to the next key frame: half a group of pictures is of no use to a decoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use booth_stream::{MediaEvent, Track};
use tokio::sync::mpsc;

/// Three seconds of a usual stream: more than the delay line of a channel wants to catch up with.
const EVENTS: usize = 256;
/// Two seconds at 60 Mb/s.
const BYTES: usize = 16 << 20;

/// The session's end.
pub struct Gate {
    events: mpsc::Sender<MediaEvent>,
    bytes: Arc<AtomicUsize>,
    /// Configs that found no room: they go before anything else of their track.
    video: Option<MediaEvent>,
    audio: Option<MediaEvent>,
    wants_key: bool,
    dropped: u64,
}

/// The forwarder's end.
pub struct Queue {
    events: mpsc::Receiver<MediaEvent>,
    bytes: Arc<AtomicUsize>,
}

pub fn queue() -> (Gate, Queue) {
    let (sender, events) = mpsc::channel(EVENTS);
    let bytes = Arc::<AtomicUsize>::default();
    let gate = Gate {
        events: sender,
        bytes: bytes.clone(),
        video: None,
        audio: None,
        wants_key: false,
        dropped: 0,
    };
    (gate, Queue { events, bytes })
}

fn size(event: &MediaEvent) -> usize {
    match event {
        MediaEvent::Unit(unit) => unit.data.len(),
        MediaEvent::Video(_) | MediaEvent::Audio(_) => 0,
    }
}

impl Gate {
    /// Units that found no room, and those that are useless without them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub fn offer(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Video(_) => self.video = Some(event),
            MediaEvent::Audio(_) => self.audio = Some(event),
            MediaEvent::Unit(unit) => {
                self.settle();
                let video = unit.track == Track::Video;
                let blocked = match unit.track {
                    Track::Video => self.video.is_some() || (self.wants_key && !unit.key),
                    Track::Audio => self.audio.is_some(),
                };
                if blocked || !self.put(MediaEvent::Unit(unit)) {
                    self.dropped += 1;
                    self.wants_key |= video;
                } else if video {
                    self.wants_key = false;
                }
            }
        }
    }

    /// Queues configs that wait, as far as there is room.
    fn settle(&mut self) {
        if let Some(config) = self.video.take()
            && !self.put(config.clone())
        {
            self.video = Some(config);
        }
        if let Some(config) = self.audio.take()
            && !self.put(config.clone())
        {
            self.audio = Some(config);
        }
    }

    fn put(&self, event: MediaEvent) -> bool {
        let size = size(&event);
        if self.bytes.load(Ordering::Relaxed) + size > BYTES {
            return false;
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        if self.events.try_send(event).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl Queue {
    /// `None` when the session has ended and all is taken. May be given up.
    pub async fn next(&mut self) -> Option<MediaEvent> {
        let event = self.events.recv().await?;
        self.taken(&event);
        Some(event)
    }

    /// What is there already.
    pub fn waiting(&mut self) -> Option<MediaEvent> {
        let event = self.events.try_recv().ok()?;
        self.taken(&event);
        Some(event)
    }

    fn taken(&self, event: &MediaEvent) {
        self.bytes.fetch_sub(size(event), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use booth_stream::{AccessUnit, AudioConfig};
    use bytes::Bytes;

    use super::*;

    fn unit(track: Track, dts: i64, key: bool, size: usize) -> MediaEvent {
        MediaEvent::Unit(AccessUnit {
            track,
            dts,
            pts: dts,
            key,
            data: Bytes::from(vec![0; size]),
        })
    }

    fn audio_config(rate: u32) -> MediaEvent {
        MediaEvent::Audio(Arc::new(AudioConfig {
            asc: Bytes::new(),
            sample_rate: rate,
            channels: 2,
            frame_samples: 1024,
        }))
    }

    fn drain(queue: &mut Queue) -> Vec<MediaEvent> {
        std::iter::from_fn(|| queue.waiting()).collect()
    }

    #[test]
    fn a_full_queue_leaves_pictures_out_up_to_the_next_key_frame() {
        let (mut gate, mut queue) = queue();
        for i in 0..300 {
            gate.offer(unit(Track::Video, i, i % 50 == 0, 10));
        }
        assert_eq!(gate.dropped(), 44);
        assert_eq!(drain(&mut queue).len(), 256);
        gate.offer(unit(Track::Video, 300, false, 10));
        gate.offer(unit(Track::Audio, 300, true, 10));
        gate.offer(unit(Track::Video, 301, true, 10));
        gate.offer(unit(Track::Video, 302, false, 10));
        assert_eq!(
            drain(&mut queue),
            [
                unit(Track::Audio, 300, true, 10),
                unit(Track::Video, 301, true, 10),
                unit(Track::Video, 302, false, 10),
            ]
        );
        assert_eq!(gate.dropped(), 45);
    }

    #[test]
    fn large_units_are_bounded_by_bytes() {
        let (mut gate, mut queue) = queue();
        for i in 0..20 {
            gate.offer(unit(Track::Video, i, true, 1 << 20));
        }
        assert_eq!(gate.dropped(), 4);
        assert_eq!(drain(&mut queue).len(), 16);
        gate.offer(unit(Track::Video, 20, true, 1 << 20));
        assert_eq!(drain(&mut queue).len(), 1);
    }

    #[test]
    fn a_config_that_finds_no_room_comes_before_the_next_unit_of_its_track() {
        let (mut gate, mut queue) = queue();
        for i in 0..256 {
            gate.offer(unit(Track::Audio, i, true, 1));
        }
        gate.offer(audio_config(44_100));
        gate.offer(unit(Track::Audio, 256, true, 1));
        gate.offer(audio_config(48_000));
        drain(&mut queue);
        gate.offer(unit(Track::Audio, 257, true, 1));
        assert_eq!(
            drain(&mut queue),
            [audio_config(48_000), unit(Track::Audio, 257, true, 1)]
        );
    }
}
