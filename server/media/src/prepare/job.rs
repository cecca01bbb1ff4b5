//! Writes the slate and the backup of one order. Blocks: it has a thread of its own.

use std::path::{Path, PathBuf};

use booth_mix::{CHANNELS, RATE};
use booth_proto::worker::{CheckedFile, PrepareDesired};
use booth_stream::{MILLISECOND, Nanos, Track};

use super::copy::CopySource;
use super::decode::{Decode, Raw, Wanted};
use super::demux::DEADLINE;
use super::error::{FileProblem, PrepareError};
use super::grid::{PictureGrid, SoundGrid, sample_of, time_of};
use super::plan::{Plan, Target, checked};
use super::probe::{Probe, probe};
use super::weave::Weave;
use crate::input::load_image;
use crate::picture::{BLACK, Format, Frame};
use crate::settings::VideoSettings;

/// The slate stands still: a short loop is as good as a long one.
const SLATE_S: u32 = 2;
/// Sound that comes before the first picture is kept for this long at most, to be cut.
const EARLY_BLOCKS: usize = 2_000;

/// What is to be made, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub files: Vec<String>,
    pub slate: Option<PathBuf>,
    pub backup_path: Option<PathBuf>,
    pub slate_path: Option<PathBuf>,
    pub video: VideoSettings,
    pub audio_bitrate_kbps: u32,
    pub copy: bool,
    pub check: bool,
}

impl Order {
    pub fn from_wire(wire: &PrepareDesired) -> Result<Self, PrepareError> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let video = VideoSettings::checked(
            (wire.width, wire.height),
            wire.fps,
            wire.video_bitrate_kbps,
            &wire.encoder,
            &wire.preset,
        )?;
        Ok(Self {
            files: wire.files.clone(),
            slate: path(&wire.slate),
            backup_path: path(&wire.backup_path),
            slate_path: path(&wire.slate_path),
            video,
            audio_bitrate_kbps: if wire.audio_bitrate_kbps == 0 {
                128
            } else {
                wire.audio_bitrate_kbps
            },
            copy: wire.copy,
            check: wire.check,
        })
    }

    fn target(&self) -> Target {
        Target {
            width: self.video.width,
            height: self.video.height,
            fps: self.video.fps,
            copy: self.copy,
        }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Of the backup's loop; 0 without one.
    pub duration_ms: u64,
    /// What people should know, one sentence each.
    pub note: String,
    pub files: Vec<CheckedFile>,
}

/// Who called for it: may call it off, and hears how far it is.
pub struct Caller<'a> {
    pub cancelled: &'a dyn Fn() -> bool,
    /// 0 to 100.
    pub progress: &'a dyn Fn(f64),
}

/// Makes it all. What was made before an error stays.
pub fn prepare(order: &Order, caller: &Caller<'_>) -> Result<Outcome, PrepareError> {
    let mut slate_note = None;
    if let Some(path) = order.slate_path.as_deref().filter(|_| !order.check) {
        slate_note = slate(order, path)?;
    }
    if order.files.is_empty() {
        return match order.slate_path {
            Some(_) => Ok(Outcome {
                note: slate_note.unwrap_or_default(),
                ..Outcome::default()
            }),
            None => Err(PrepareError::Nothing),
        };
    }
    let probes = look(&order.files, caller.cancelled)?;
    let target = order.target();
    let mut plan = Plan::of(&probes, target);
    let mut notes = Vec::new();
    let files = |plan| {
        probes
            .iter()
            .map(|probe| checked(probe, plan, target))
            .collect::<Vec<_>>()
    };
    let path = match &order.backup_path {
        Some(path) if !order.check => path,
        _ => {
            let duration: Nanos = probes.iter().map(|probe| probe.duration).sum();
            return Ok(Outcome {
                duration_ms: millis(duration),
                note: String::new(),
                files: files(plan),
            });
        }
    };
    let duration = loop {
        let made =
            Making::new(order, path, plan, &probes, &mut notes, caller).and_then(Making::make);
        match made {
            Ok(duration) => break duration,
            // Found only on the way: begin again, with one thing less passed on.
            Err(PrepareError::NotCopyable(track, why)) if plan.copy_video => {
                tracing::info!(?track, why, "the files cannot be passed on as they are");
                plan.copy_video &= track == Track::Audio;
                plan.copy_audio = false;
                notes.clear();
                if track == Track::Video {
                    notes.push(format!("Encoded anew: {why}."));
                }
            }
            Err(error) => return Err(error),
        }
    };
    notes.extend(slate_note);
    notes.dedup();
    Ok(Outcome {
        duration_ms: millis(duration),
        note: notes.join(" "),
        files: files(plan),
    })
}

/// Looks at all files.
pub fn look(files: &[String], cancelled: &dyn Fn() -> bool) -> Result<Vec<Probe>, PrepareError> {
    files.iter().map(|path| probe(path, cancelled)).collect()
}

/// The slate; a note when it is black although a picture was wished.
fn slate(order: &Order, path: &Path) -> Result<Option<String>, PrepareError> {
    let format = Format::new(order.video.width, order.video.height, order.video.fps)?;
    let black = || {
        let black = format.plain(BLACK);
        black.ok_or_else(|| gst::glib::bool_error!("no black picture"))
    };
    let mut note = None;
    let frame = match order
        .slate
        .as_deref()
        .map(|image| load_image(image, &format))
    {
        Some(Ok(frame)) => frame,
        Some(Err(error)) => {
            note = Some(format!(
                "The slate is black, for its picture cannot be used: {error}."
            ));
            black()?
        }
        None => black()?,
    };
    let frames = u64::from(SLATE_S * order.video.fps);
    let mut weave = Weave::create(path)?;
    weave.encode_video(&order.video, &format)?;
    weave.encode_audio(order.audio_bitrate_kbps)?;
    for _ in 0..frames {
        weave.picture(&frame)?;
    }
    weave.sound(&vec![
        0.0;
        sample_of(frames, order.video.fps) as usize * CHANNELS
    ])?;
    weave.finish(time_of(frames, order.video.fps.into()))?;
    Ok(note)
}

/// The loop while it is made.
struct Making<'a> {
    order: &'a Order,
    plan: Plan,
    probes: &'a [Probe],
    notes: &'a mut Vec<String>,
    caller: &'a Caller<'a>,
    format: Format,
    weave: Weave,
    /// Pictures of the loop so far.
    frames: u64,
    total: Nanos,
}

impl<'a> Making<'a> {
    fn new(
        order: &'a Order,
        path: &Path,
        plan: Plan,
        probes: &'a [Probe],
        notes: &'a mut Vec<String>,
        caller: &'a Caller<'a>,
    ) -> Result<Self, PrepareError> {
        let format = Format::new(order.video.width, order.video.height, order.video.fps)?;
        let mut weave = Weave::create(path)?;
        if !plan.copy_video {
            weave.encode_video(&order.video, &format)?;
        }
        if !plan.copy_audio {
            weave.encode_audio(order.audio_bitrate_kbps)?;
        }
        let total: Nanos = probes.iter().map(|probe| probe.duration).sum();
        Ok(Self {
            order,
            plan,
            probes,
            notes,
            caller,
            format,
            weave,
            frames: 0,
            total: total.max(1),
        })
    }

    fn make(mut self) -> Result<Nanos, PrepareError> {
        for probe in self.probes {
            let before = self.frames;
            if self.plan.copy_video {
                self.copy(probe)?;
            } else {
                self.encode(probe)?;
            }
            if self.frames == before {
                return Err(PrepareError::file(&probe.path, FileProblem::NoVideo));
            }
            self.compare(probe, time_of(self.frames - before, self.fps().into()));
        }
        let duration = time_of(self.frames, self.fps().into());
        self.weave.finish(duration)?;
        Ok(duration)
    }

    fn fps(&self) -> u32 {
        self.order.video.fps
    }

    /// Says so when a file gave much less than it promised.
    fn compare(&mut self, probe: &Probe, made: Nanos) {
        if probe.duration - made > 1_500 * MILLISECOND {
            self.notes.push(format!(
                "{} ends at {} of {} s: the rest is missing or has no pictures.",
                name(&probe.path),
                seconds(made),
                seconds(probe.duration),
            ));
        }
    }

    fn tell_progress(&self) {
        let done = time_of(self.frames, self.fps().into());
        (self.caller.progress)((done as f64 * 100.0 / self.total as f64).min(99.9));
    }

    fn encode(&mut self, probe: &Probe) -> Result<(), PrepareError> {
        let start = sample_of(self.frames, self.fps());
        let wanted = Wanted::Both(&self.format, probe.video.interlaced);
        let mut decode = Decode::open(&probe.path, wanted, DEADLINE)?;
        let latest = (probe.duration > 0).then_some(probe.duration);
        let mut pictures = PictureGrid::new(self.fps(), latest);
        let mut sound = SoundGrid::default();
        let mut early: Vec<(Nanos, Vec<f32>)> = Vec::new();
        let mut origin = None;
        loop {
            match decode.next(self.caller.cancelled) {
                Raw::Picture(at, duration, frame) => {
                    let origin = *origin.get_or_insert(at);
                    for (at, samples) in early.drain(..) {
                        sound.push(at - origin, &samples);
                    }
                    let due = pictures.push(at - origin, duration, frame);
                    self.show(&due)?;
                    self.weave
                        .sound(&sound.take_until(sample_of(self.frames, self.fps()) - start))?;
                    self.tell_progress();
                }
                Raw::Sound(at, samples) => match origin {
                    Some(origin) => sound.push(at - origin, &samples),
                    None if early.len() < EARLY_BLOCKS => early.push((at, samples)),
                    None => {}
                },
                Raw::End if (self.caller.cancelled)() => return Err(PrepareError::Cancelled),
                Raw::End => break,
                Raw::Failed(problem) if origin.is_none() => {
                    return Err(PrepareError::file(&probe.path, problem));
                }
                Raw::Failed(problem) => {
                    tracing::warn!(path = probe.path, %problem, "the file is damaged");
                    self.notes.push(format!(
                        "{} is damaged: what follows the damage is left out.",
                        name(&probe.path)
                    ));
                    break;
                }
            }
        }
        let due = pictures.finish();
        self.show(&due)?;
        let end = sample_of(self.frames, self.fps()) - start;
        let past = sound.past(end);
        if past > RATE as i64 / 2 {
            let past = past as f64 / RATE as f64;
            self.notes.push(format!(
                "{}: {past:.1} s of sound after the last picture are left out.",
                name(&probe.path)
            ));
        }
        self.weave.sound(&sound.finish(end))?;
        if decode.damage() > 0 {
            self.notes.push(format!(
                "{} has damaged parts, which were passed over.",
                name(&probe.path)
            ));
        }
        Ok(())
    }

    fn show(&mut self, frames: &[Frame]) -> Result<(), PrepareError> {
        for frame in frames {
            self.weave.picture(frame)?;
            self.frames += 1;
            if (self.caller.cancelled)() {
                return Err(PrepareError::Cancelled);
            }
        }
        Ok(())
    }

    /// Pictures, and sound if it fits, as they are.
    fn copy(&mut self, probe: &Probe) -> Result<(), PrepareError> {
        let (base, start) = (self.frames, sample_of(self.frames, self.fps()));
        let mut source = CopySource::open(&probe.path, self.fps(), base, self.plan.copy_audio)?;
        let mut voice = match (self.plan.copy_audio, &probe.audio) {
            (false, Some(_)) => Some(Decode::open(&probe.path, Wanted::Sound, DEADLINE)?),
            _ => None,
        };
        let mut sound = SoundGrid::default();
        while let Some(unit) = source.next(self.caller.cancelled, &mut self.weave)? {
            self.weave.unit(unit)?;
            self.frames = base + source.pictures();
            let due = sample_of(self.frames, self.fps()) - start;
            self.hear(&mut voice, &mut sound, source.origin(), due);
            if !self.plan.copy_audio {
                self.weave.sound(&sound.take_until(due))?;
            }
            self.tell_progress();
        }
        let end = sample_of(self.frames, self.fps()) - start;
        if self.plan.copy_audio {
            return source.finish(&mut self.weave);
        }
        self.hear(&mut voice, &mut sound, source.origin(), end);
        self.weave.sound(&sound.finish(end))
    }

    /// Decodes the sound up to the pictures.
    fn hear(
        &self,
        voice: &mut Option<Decode>,
        sound: &mut SoundGrid,
        origin: Option<Nanos>,
        until: i64,
    ) {
        let Some(origin) = origin else {
            return;
        };
        while let Some(decode) = voice.as_mut().filter(|_| sound.placed() < until) {
            match decode.next(self.caller.cancelled) {
                Raw::Sound(at, samples) => sound.push(at - origin, &samples),
                Raw::Picture(..) => {}
                Raw::End | Raw::Failed(_) => *voice = None,
            }
        }
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn seconds(time: Nanos) -> String {
    format!("{:.1}", time as f64 / 1e9)
}

fn millis(time: Nanos) -> u64 {
    u64::try_from(time / MILLISECOND).unwrap_or(0)
}
