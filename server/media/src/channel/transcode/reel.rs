//! A prepared loop, decoded: read and fed by a thread of its own, as fast as its pictures are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};

use booth_stream::{LoopSource, Nanos, Track};

use super::decoder::{Decoder, Pace, Shot};
use crate::error::MediaError;
use crate::picture::{Format, Frame};

/// Decoded pictures that wait to be shown.
const PICTURES: usize = 6;
/// Blocks of sound that wait: those of the pictures, and of some more that were read with them.
const BLOCKS: usize = 256;

/// Hand of a loop that is decoded. Dropped, it ends.
#[derive(Debug)]
pub struct Reel {
    /// Pictures, one for each frame of the output, on the loop's time, which goes on over the seam.
    pub pictures: Receiver<(Nanos, Frame)>,
    pub sound: Receiver<(Nanos, Vec<f32>)>,
    /// Time of the first picture, within the loop.
    pub start: Nanos,
    pub duration: Nanos,
    stop: Arc<AtomicBool>,
}

impl Drop for Reel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Which start ended by itself, and why.
pub type Complaints = Sender<(u64, String)>;

impl Reel {
    /// Starts at the last key frame before `from`.
    pub fn start(
        number: u64,
        source: Arc<dyn LoopSource>,
        from: Nanos,
        format: &Format,
        complaints: Complaints,
    ) -> Result<Self, MediaError> {
        let duration = source.duration().max(1);
        let first = source.key_before(from.rem_euclid(duration)).unwrap_or(0);
        let start = source.unit(first).map_or(0, |unit| unit.pts);
        let (pictures, taken) = sync_channel(PICTURES);
        let (blocks, sound) = sync_channel(BLOCKS);
        let stop = Arc::new(AtomicBool::new(false));
        let feed = Feed {
            source,
            first,
            stop: Arc::clone(&stop),
        };
        let decoder = decoder(number, format, pictures, blocks, complaints.clone());
        std::thread::Builder::new()
            .name("loop".to_owned())
            .spawn(move || {
                if let Err(text) = feed.run(decoder) {
                    let _ = complaints.send((number, text));
                }
            })?;
        Ok(Self {
            pictures: taken,
            sound,
            start,
            duration,
            stop,
        })
    }
}

fn decoder(
    number: u64,
    format: &Format,
    pictures: SyncSender<(Nanos, Frame)>,
    blocks: SyncSender<(Nanos, Vec<f32>)>,
    complaints: Complaints,
) -> Decoder {
    Decoder::new(
        format,
        Pace::Taken,
        Arc::new(move |shot| match shot {
            Shot::Picture(at, frame) => pictures.send((at, frame)).is_ok(),
            // Never waits: were sound waited with, no picture would come to take it along.
            Shot::Sound(at, samples) => {
                let _ = blocks.try_send((at, samples));
                true
            }
            Shot::Failed(text) => {
                let _ = complaints.send((number, text));
                false
            }
        }),
    )
}

struct Feed {
    source: Arc<dyn LoopSource>,
    first: usize,
    stop: Arc<AtomicBool>,
}

impl Feed {
    fn run(self, mut decoder: Decoder) -> Result<(), String> {
        let failed = |error: MediaError| error.to_string();
        decoder.video_config(self.source.video()).map_err(failed)?;
        decoder.audio_config(self.source.audio()).map_err(failed)?;
        let frame = self.source.audio().frame();
        let (mut index, mut base) = (self.first, 0);
        let mut seam = Seam::default();
        while !self.stop.load(Ordering::Relaxed) {
            if index >= self.source.count() {
                index = 0;
                base += self.source.duration();
            }
            let unit = self.source.unit(index).zip(self.source.read(index));
            let Some((unit, data)) = unit else {
                return Err("the loop cannot be read any more".to_owned());
            };
            index += 1;
            let (dts, pts) = (base + unit.dts, base + unit.pts);
            let goes_on = match unit.track {
                Track::Video => decoder.picture(dts, pts, unit.key, data),
                Track::Audio if seam.takes(pts, frame) => decoder.sound(pts, data),
                Track::Audio => true,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}

/// Where the sound has got to. A loop is hardly ever a whole number of AAC frames: at the seam, the frame that begins
/// nearest to the end of the last follows it.
#[derive(Debug, Default)]
struct Seam {
    heard: Option<Nanos>,
}

impl Seam {
    /// Whether the frame at `pts` is to be heard.
    fn takes(&mut self, pts: Nanos, frame: Nanos) -> bool {
        let heard = self.heard.unwrap_or(pts);
        if pts < heard - frame / 2 {
            return false;
        }
        // Frames follow each other; only a hole is kept.
        let begins = if pts > heard + frame { pts } else { heard };
        self.heard = Some(begins + frame);
        true
    }
}

#[cfg(test)]
mod tests {
    use booth_stream::{MILLISECOND, SECOND};

    use super::*;

    #[test]
    fn sound_is_never_more_than_half_a_frame_off_after_a_thousand_rounds() {
        let frame = 1024 * SECOND / 48_000;
        for duration in [SECOND, 3 * SECOND, 2 * SECOND + 33 * MILLISECOND] {
            let mut seam = Seam::default();
            for round in 0..1_000 {
                let mut pts = 0;
                while pts < duration {
                    let at = round * duration + pts;
                    if seam.takes(at, frame) {
                        let off = seam.heard.unwrap() - frame - at;
                        assert!(off.abs() <= frame / 2 + 1, "{off} ns in round {round}");
                    }
                    pts += frame;
                }
            }
        }
    }
}
