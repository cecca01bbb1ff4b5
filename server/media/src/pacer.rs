//! The one thread that gives the output its time: a block of sound every 10 ms, a picture every 1/fps, for ever.
//!
//! Deadlines are absolute on the monotonic clock. A late wake-up emits everything that was due; after a long standstill
//! (a stopped process) the clock slips instead, so that timestamps go on without a hole and without a burst.
//! Nothing here waits for an input: what has not arrived is not shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use booth_mix::{CHANNELS, Gain, Meter, Playout, RATE};
use gst_app::AppSrc;

use crate::error::MediaError;
use crate::facts::{Fact, Facts};
use crate::idle::Idle;
use crate::picture::{BLACK, Format, Frame};
use crate::switcher::{Desired, Layer, Picture, SourceId, Switcher, Tracks};
use crate::sync::Sync;
use crate::tile::TileRequest;

/// Frames of a block of sound: 10 ms.
pub const BLOCK_FRAMES: usize = RATE / 100;
const BLOCK: Duration = Duration::from_millis(10);
/// Decoded media that waits for the next tick. 256: ten sources' worth of a long stall; what does not fit is dropped.
const MEDIA_QUEUE: usize = 256;
/// Orders that wait for the next tick; the loop sends a few a second.
const CONTROL_QUEUE: usize = 64;
/// A standstill longer than this is not made up for.
const SLIP_AFTER: Duration = Duration::from_millis(500);
/// Levels are told when at least this many frames were measured: just under 15 times a second.
const METER_FRAMES: usize = RATE / 15;

/// Orders to the pacer, carried out with the next picture.
#[derive(Debug)]
pub enum Control {
    /// What should be shown.
    Want(Desired),
    /// A source begins.
    Add(SourceId, Tracks),
    /// A source ended.
    Remove(SourceId),
    /// The idle source is another one.
    Idle(Idle),
}

/// Who decoded something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A caller's session.
    Source(SourceId),
    /// The idle file started with this token.
    Idle(u64),
}

/// When something was decoded, and when it came from the network by its own even clock (jitter taken out).
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Decoded at.
    pub decoded: Instant,
    /// Sent at, on this machine's clock, the shortest way through the network taken as no time.
    pub sent: Instant,
}

impl Stamp {
    /// Decoded and sent now: files have no way to come.
    #[must_use]
    pub fn now() -> Self {
        let now = Instant::now();
        Self {
            decoded: now,
            sent: now,
        }
    }
}

/// Something was decoded.
#[derive(Debug)]
pub enum Media {
    /// A picture in the output's format.
    Picture(Origin, Stamp, Frame),
    /// Interleaved stereo at 48 kHz.
    Sound(Origin, Stamp, Vec<f32>),
    /// By the sender's reports, sound captured together with a picture is sent this many milliseconds after it.
    Offset(SourceId, f64),
}

/// Hand of decoders: never blocks, drops when the pacer stands still.
#[derive(Debug, Clone)]
pub struct MediaSender(SyncSender<Media>);

impl MediaSender {
    /// Hands over; `false` if it was dropped.
    pub fn send(&self, media: Media) -> bool {
        self.0.try_send(media).is_ok()
    }
}

/// Where the pacer's products go.
pub struct Outlets {
    /// Pictures, with their format; absent for sound alone.
    pub video: Option<(AppSrc, Format, u32)>,
    /// Sound.
    pub audio: AppSrc,
    /// Tiles; a busy tile maker is skipped.
    pub tiles: Option<SyncSender<TileRequest>>,
    /// Reports.
    pub facts: Facts,
}

/// Hand of the worker's loop.
pub struct Pacer {
    control: SyncSender<Control>,
    media: MediaSender,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Starts the thread, showing black.
    ///
    /// # Errors
    /// When no thread can be made or the black picture does not fit in memory.
    pub fn start(outlets: Outlets) -> Result<Self, MediaError> {
        let (control, orders) = sync_channel(CONTROL_QUEUE);
        let (media, decoded) = sync_channel(MEDIA_QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut run = Run::new(outlets)?;
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || run.run(&orders, &decoded, &stopped))?;
        Ok(Self {
            control,
            media: MediaSender(media),
            stop,
            thread: Some(thread),
        })
    }

    /// Gives an order. `false` when the pacer is stuck or gone: the worker cannot go on.
    #[must_use]
    pub fn order(&self, order: Control) -> bool {
        match self.control.try_send(order) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// For decoders.
    #[must_use]
    pub fn media(&self) -> MediaSender {
        self.media.clone()
    }

    /// Ends the thread, within a block's time.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The sound of one source.
#[derive(Debug, Default)]
struct Voice {
    playout: Playout,
    gain: Gain,
    sync: Sync,
}

impl Voice {
    fn mix_into(&mut self, out: &mut [f32], target: f32) {
        let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
        self.playout.pull(&mut block);
        self.gain.mix_into(out, &block, target);
    }
}

struct Run {
    outlets: Outlets,
    switcher: Switcher<Frame>,
    voices: BTreeMap<SourceId, Voice>,
    unused: Vec<SourceId>,
    idle: Idle,
    idle_voice: Voice,
    black: Option<Frame>,
    meter: Meter,
    blocks: u64,
    frames: u64,
}

impl Run {
    fn new(outlets: Outlets) -> Result<Self, MediaError> {
        let black = match &outlets.video {
            Some((_, format, _)) => Some(
                format
                    .plain(BLACK)
                    .ok_or_else(|| gst::glib::bool_error!("no black picture"))?,
            ),
            None => None,
        };
        Ok(Self {
            outlets,
            switcher: Switcher::default(),
            voices: BTreeMap::new(),
            unused: Vec::new(),
            idle: Idle::Black,
            idle_voice: Voice::default(),
            black,
            meter: Meter::default(),
            blocks: 0,
            frames: 0,
        })
    }

    fn run(&mut self, orders: &Receiver<Control>, decoded: &Receiver<Media>, stop: &AtomicBool) {
        let mut epoch = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let due = self.next_due();
            let late = epoch.elapsed().checked_sub(due);
            let Some(late) = late else {
                std::thread::park_timeout(due.saturating_sub(epoch.elapsed()));
                continue;
            };
            if late > SLIP_AFTER {
                tracing::warn!(
                    ms = late.as_millis() as u64,
                    "the output stood still; its clock slips"
                );
                epoch += late;
            }
            while let Ok(order) = orders.try_recv() {
                self.obey(order, due);
            }
            while let Ok(media) = decoded.try_recv() {
                self.take_in(media, epoch);
            }
            self.emit(due);
        }
    }

    /// The grid: sound and pictures each count their own steps, so that no rounding adds up.
    fn next_due(&self) -> Duration {
        let sound = BLOCK * u32::try_from(self.blocks % 360_000).unwrap_or(0)
            + Duration::from_secs(self.blocks / 360_000 * 3600);
        self.picture_due()
            .map_or(sound, |picture| picture.min(sound))
    }

    fn picture_due(&self) -> Option<Duration> {
        let (_, _, fps) = self.outlets.video.as_ref()?;
        Some(grid(self.frames, u64::from(*fps)))
    }

    fn quarter_frame(&self) -> Duration {
        let rate = self
            .outlets
            .video
            .as_ref()
            .map(|(_, _, fps)| u64::from(*fps));
        rate.map_or(Duration::ZERO, |fps| grid(1, fps) / 4)
    }

    fn emit(&mut self, due: Duration) {
        if self.picture_due() == Some(due) {
            self.emit_picture(due);
            self.frames += 1;
        } else {
            self.emit_sound(due);
            self.blocks += 1;
        }
        if let Some(report) = self.switcher.poll_report(due) {
            self.outlets.facts.post(Fact::Showing(report));
        }
    }

    fn obey(&mut self, order: Control, now: Duration) {
        match order {
            Control::Want(desired) => self.switcher.want(now, desired),
            Control::Add(id, tracks) => {
                self.switcher.add(id, tracks);
                self.voices.entry(id).or_default();
            }
            Control::Remove(id) => {
                self.switcher.remove(id);
                self.voices.remove(&id);
                self.unused.retain(|unused| *unused != id);
            }
            Control::Idle(idle) => {
                self.idle = idle;
                self.idle_voice.playout.clear();
            }
        }
    }

    fn take_in(&mut self, media: Media, epoch: Instant) {
        match media {
            Media::Picture(Origin::Source(id), stamp, frame) => {
                let decoded = stamp.decoded.saturating_duration_since(epoch);
                let sent = stamp.sent.saturating_duration_since(epoch);
                let sync = self
                    .voices
                    .get(&id)
                    .map(|voice| voice.sync)
                    .unwrap_or_default();
                // Neither early nor late on average: the switcher takes it at the next tick, or half an interval before.
                let due = sync.due(sent, decoded).saturating_sub(self.quarter_frame());
                self.switcher.frame(id, decoded, due, frame);
            }
            Media::Sound(Origin::Source(id), stamp, samples) => {
                if let Some(voice) = self.voices.get_mut(&id) {
                    let decoded = stamp.decoded.saturating_duration_since(epoch);
                    let sent = stamp.sent.saturating_duration_since(epoch);
                    if voice.playout.is_playing() {
                        // What is pushed now is heard when all that waits before it has been.
                        let waits = Duration::from_secs_f64(voice.playout.delay_s());
                        voice.sync.sound((decoded + waits).saturating_sub(sent));
                    }
                    voice.playout.push(&samples);
                    self.switcher.sound(id, decoded);
                }
            }
            Media::Offset(id, offset_ms) => {
                if let Some(voice) = self.voices.get_mut(&id) {
                    voice.sync.measured(offset_ms);
                }
            }
            Media::Picture(Origin::Idle(token), _, frame) => self.idle.show(token, frame),
            Media::Sound(Origin::Idle(token), _, samples) => {
                if self.idle.is(token) {
                    self.idle_voice.playout.push(&samples);
                }
            }
        }
    }

    fn emit_picture(&mut self, now: Duration) {
        self.switcher.advance(now);
        self.idle.run(self.switcher.idle_needed(now));
        let Some((_, format, fps)) = &self.outlets.video else {
            return;
        };
        let (format, fps) = (format.clone(), u64::from(*fps));
        let Some(frame) = self.compose(&format, now) else {
            return;
        };
        self.switcher.shown(frame.clone());
        // A shallow copy: the pixels are shared, the times are ours.
        let mut buffer = frame.0.copy();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(now));
            buffer.set_dts(gst::ClockTime::NONE);
            buffer.set_duration(clock_time(grid(self.frames + 1, fps) - now));
            buffer.unset_flags(gst::BufferFlags::DISCONT);
        }
        if let Some((source, _, _)) = &self.outlets.video {
            let _ = source.push_buffer(buffer);
        }
        if self.frames.is_multiple_of(fps) {
            self.send_tiles(frame);
        }
    }

    fn compose(&mut self, format: &Format, now: Duration) -> Option<Frame> {
        let picture = self.switcher.picture(now);
        let frames = self.frames;
        let black = self.black.clone();
        let idle = &mut self.idle;
        let mut flat = |layer: Layer<Frame>| match layer {
            Layer::Frame(frame) => Some(frame),
            Layer::Idle => idle.picture(format, frames).or_else(|| black.clone()),
        };
        match picture {
            Picture::Plain(layer) => flat(layer),
            Picture::Blend { from, to, progress } => {
                let (from, to) = (flat(from)?, flat(to)?);
                format.blend(&from, &to, progress).or(Some(to))
            }
        }
    }

    fn send_tiles(&self, output: Frame) {
        let Some(tiles) = &self.outlets.tiles else {
            return;
        };
        let armed = self.switcher.armed_picture();
        // A full queue: the last tile is still being made, and this second goes without.
        let _ = tiles.try_send(TileRequest {
            source: None,
            frame: output,
        });
        if let Some((id, frame)) = armed {
            let _ = tiles.try_send(TileRequest {
                source: Some(id),
                frame,
            });
        }
    }

    fn emit_sound(&mut self, now: Duration) {
        if self.outlets.video.is_none() {
            self.switcher.advance(now);
            self.idle.run(self.switcher.idle_needed(now));
        }
        let end = now + BLOCK;
        let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
        for (id, voice) in &mut self.voices {
            voice.mix_into(&mut block, self.switcher.gain(*id, end));
        }
        let idle_gain = self.switcher.idle_gain(end);
        if let Some(sound) = self.idle.sound() {
            self.idle_voice.gain.mix_into(&mut block, &sound, idle_gain);
        } else {
            self.idle_voice.mix_into(&mut block, idle_gain);
        }
        block
            .iter_mut()
            .for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
        self.meter.add(&block);
        if self.meter.frames() >= METER_FRAMES {
            self.outlets.facts.post(Fact::Levels(self.meter.take()));
        }
        let bytes: Vec<u8> = block
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(now));
            buffer.set_duration(clock_time(BLOCK));
        }
        let _ = self.outlets.audio.push_buffer(buffer);
        self.report_unused(now);
    }

    /// Tells once of each source that the output is done with.
    fn report_unused(&mut self, now: Duration) {
        let unused: Vec<SourceId> = self
            .voices
            .keys()
            .copied()
            .filter(|id| !self.switcher.uses(*id, now))
            .collect();
        if unused != self.unused {
            self.unused.clone_from(&unused);
            self.outlets.facts.post(Fact::Unused(unused));
        }
    }
}

/// The time of step `n` of `rate` steps a second, exact to the nanosecond at any uptime.
fn grid(n: u64, rate: u64) -> Duration {
    Duration::from_secs(n / rate) + Duration::from_nanos(n % rate * 1_000_000_000 / rate)
}

fn clock_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_neither_holes_nor_drift_after_a_year() {
        let year = 365 * 86_400 * 60;
        assert_eq!(grid(year, 60), Duration::from_secs(365 * 86_400));
        for n in year..year + 120 {
            let step = grid(n + 1, 60) - grid(n, 60);
            assert!(
                (16_666_666..=16_666_667).contains(&step.as_nanos()),
                "{step:?}"
            );
        }
    }
}
