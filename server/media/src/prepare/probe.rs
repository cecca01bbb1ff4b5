//! What a file holds: its containers' word, and its first seconds looked at.

use std::io::Read;
use std::time::{Duration, Instant};

use booth_stream::{Nanos, SECOND, Track};

use super::config;
use super::demux::{DEADLINE, Demux, Next, Packet};
use super::error::{FileProblem, PrepareError};

/// How much of the pictures is looked at.
const SCANNED: Nanos = 12 * SECOND;
/// Looking may take this long in all; a file on a slow disk is judged by what has come.
const PATIENCE: Duration = Duration::from_secs(8);
/// Key frames further apart than this do not let a switch happen soon enough.
pub const KEYS_APART: Nanos = 4 * SECOND + SECOND / 2;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub path: String,
    /// 0 when the container does not say.
    pub duration: Nanos,
    pub video: Video,
    pub audio: Option<Audio>,
    /// Turned or mirrored by a tag.
    pub turned: bool,
    /// The scan came to an end of damage before the file's.
    pub damaged: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Video {
    /// `H.264 High`.
    pub name: String,
    pub h264: bool,
    pub width: u32,
    pub height: u32,
    /// Pixels that are not square.
    pub stretched: bool,
    pub fps: f64,
    pub variable: bool,
    pub interlaced: bool,
    pub b_frames: bool,
    pub bit_depth: u32,
    /// `4:2:0`; empty when it is not said.
    pub chroma: String,
    /// Longest distance of key frames seen.
    pub key_gap: Nanos,
    pub starts_with_key: bool,
    /// `avcC`, when it can be passed on.
    pub record: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audio {
    /// `AAC-LC`.
    pub name: String,
    pub aac_lc: bool,
    pub rate: u32,
    pub channels: u32,
    pub asc: Option<Vec<u8>>,
}

/// Looks at one file. Blocks for some seconds at most.
pub fn probe(path: &str, cancelled: impl Fn() -> bool) -> Result<Probe, PrepareError> {
    let fail = |problem| PrepareError::file(path, problem);
    look_outside(path).map_err(fail)?;
    let mut demux = Demux::open(path, DEADLINE)?;
    let mut scan = Scan::default();
    let start = Instant::now();
    let mut damaged = false;
    loop {
        match demux.next(&cancelled) {
            Next::Packet(packet) => scan.take(&packet),
            Next::End if cancelled() => return Err(PrepareError::Cancelled),
            Next::End => break,
            Next::Failed(FileProblem::Encrypted) => return Err(fail(FileProblem::Encrypted)),
            Next::Failed(problem) if scan.pictures() == 0 => return Err(fail(problem)),
            Next::Failed(_) => {
                damaged = true;
                break;
            }
        }
        let waits_for_audio = demux.has(Track::Audio) && scan.audio.is_none();
        if scan.span() >= SCANNED && (!waits_for_audio || start.elapsed() > PATIENCE / 4) {
            break;
        }
        if start.elapsed() > PATIENCE && scan.pictures() > 0 {
            break;
        }
    }
    if demux.encrypted() {
        return Err(fail(FileProblem::Encrypted));
    }
    let Some(video) = scan.video() else {
        return Err(fail(FileProblem::NoVideo));
    };
    let duration = demux.duration().unwrap_or(0);
    Ok(Probe {
        path: path.to_owned(),
        duration: if duration > 0 { duration } else { scan.span() },
        video,
        audio: scan.audio.take(),
        turned: demux.turned(),
        damaged,
    })
}

/// What can be told without a demuxer, in plainer words than it would find.
fn look_outside(path: &str) -> Result<(), FileProblem> {
    if !path.starts_with('/') {
        return Err(FileProblem::Relative);
    }
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => FileProblem::NotFound,
        _ => FileProblem::Unreadable(error),
    })?;
    if meta.is_dir() {
        return Err(FileProblem::Directory);
    }
    if !meta.is_file() {
        // A pipe or a device would be waited for without end.
        return Err(FileProblem::NotMedia);
    }
    if meta.len() == 0 {
        return Err(FileProblem::Empty);
    }
    let mut head = [0; 16];
    let mut file = std::fs::File::open(path).map_err(FileProblem::Unreadable)?;
    let read = file.read(&mut head).map_err(FileProblem::Unreadable)?;
    if is_still(&head[..read]) {
        return Err(FileProblem::Still);
    }
    Ok(())
}

/// PNG, JPEG, GIF, BMP, TIFF, WebP, HEIC, AVIF.
fn is_still(head: &[u8]) -> bool {
    let at = |start: usize, mark: &[u8]| head.get(start..start + mark.len()) == Some(mark);
    at(0, b"\x89PNG")
        || at(0, b"\xFF\xD8\xFF")
        || at(0, b"GIF8")
        || at(0, b"BM")
        || at(0, b"II*\0")
        || at(0, b"MM\0*")
        || (at(0, b"RIFF") && at(8, b"WEBP"))
        || (at(4, b"ftyp") && (at(8, b"heic") || at(8, b"mif1") || at(8, b"avif")))
}

/// What the packets so far say.
#[derive(Debug, Default)]
struct Scan {
    caps: Option<gst::Caps>,
    pts: Vec<Nanos>,
    reordered: bool,
    keys: Vec<Nanos>,
    first_is_key: Option<bool>,
    last_pts: Option<Nanos>,
    audio: Option<Audio>,
}

impl Scan {
    fn pictures(&self) -> usize {
        self.pts.len()
    }

    fn span(&self) -> Nanos {
        let (first, last) = (self.pts.iter().min(), self.pts.iter().max());
        first.zip(last).map_or(0, |(first, last)| last - first)
    }

    fn take(&mut self, packet: &Packet) {
        if packet.track == Track::Audio {
            if self.audio.is_none() {
                self.audio = Some(audio(&packet.caps));
            }
            return;
        }
        self.caps.get_or_insert_with(|| packet.caps.clone());
        self.first_is_key.get_or_insert(packet.key);
        let Some(pts) = packet.pts.or(packet.dts) else {
            return;
        };
        self.reordered |= self.last_pts.is_some_and(|last| pts < last);
        self.last_pts = Some(pts);
        self.pts.push(pts);
        if packet.key {
            self.keys.push(pts);
        }
    }

    fn video(&self) -> Option<Video> {
        let caps = self.caps.as_ref()?;
        let structure = caps.structure(0)?;
        let number = |field| {
            structure
                .get::<i32>(field)
                .ok()
                .and_then(|n| u32::try_from(n).ok())
        };
        let declared = structure.get::<gst::Fraction>("framerate").ok();
        let (fps, variable) = rate(&self.pts, declared);
        let h264 = structure.name() == "video/x-h264";
        let mut ends = self.keys.clone();
        ends.extend(self.last_pts);
        Some(Video {
            name: name(structure),
            h264,
            width: number("width").unwrap_or(0),
            height: number("height").unwrap_or(0),
            stretched: structure
                .get::<gst::Fraction>("pixel-aspect-ratio")
                .is_ok_and(|ratio| ratio.numer() != ratio.denom()),
            fps,
            variable,
            interlaced: structure
                .get::<&str>("interlace-mode")
                .is_ok_and(|mode| mode != "progressive"),
            b_frames: self.reordered,
            bit_depth: structure.get::<u32>("bit-depth-luma").unwrap_or(8),
            chroma: structure.get::<String>("chroma-format").unwrap_or_default(),
            key_gap: ends
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .max()
                .unwrap_or(0),
            starts_with_key: self.first_is_key == Some(true),
            record: config::codec_data(caps)
                .filter(|_| h264)
                .map(|record| record.to_vec()),
        })
    }
}

/// Pictures a second, and whether it varies.
fn rate(pts: &[Nanos], declared: Option<gst::Fraction>) -> (f64, bool) {
    let mut sorted = pts.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut steps: Vec<Nanos> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let declared = declared
        .filter(|rate| rate.numer() > 0 && rate.denom() > 0)
        .map(|rate| f64::from(rate.numer()) / f64::from(rate.denom()));
    let Some(&median) = steps.get(steps.len() / 2) else {
        return (declared.unwrap_or(0.0), false);
    };
    let at = |share: usize| {
        steps
            .get(steps.len() * share / 100)
            .copied()
            .unwrap_or(median)
    };
    // Rounding to a millisecond is no variation.
    let variable = at(95) - at(5) > median / 4 + 2_000_000;
    let span = sorted
        .last()
        .zip(sorted.first())
        .map_or(0, |(last, first)| last - first);
    let measured = if variable {
        steps.len() as f64 * SECOND as f64 / span.max(1) as f64
    } else {
        snap(
            SECOND as f64 / median.max(1) as f64,
            steps.len() as f64 * SECOND as f64 / span.max(1) as f64,
        )
    };
    // What the file declares counts if its stamps agree with it.
    match declared {
        Some(declared) if !variable && (declared / measured - 1.0).abs() < 0.02 => {
            (declared, false)
        }
        _ => (measured, variable),
    }
}

/// The usual rate that both the median and the mean are near to.
fn snap(median: f64, mean: f64) -> f64 {
    let usual = [
        24_000.0 / 1001.0,
        24.0,
        25.0,
        30_000.0 / 1001.0,
        30.0,
        50.0,
        60_000.0 / 1001.0,
        60.0,
    ];
    let near = |value: f64| {
        usual
            .into_iter()
            .min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()))
            .filter(|rate| (rate / value - 1.0).abs() < 0.0006)
    };
    near(mean).unwrap_or(median)
}

fn name(structure: &gst::StructureRef) -> String {
    let version = structure.get::<i32>("mpegversion").unwrap_or(0);
    let base = match structure.name().as_str() {
        "video/x-h264" => "H.264",
        "video/x-h265" => "HEVC",
        "video/x-vp8" => "VP8",
        "video/x-vp9" => "VP9",
        "video/x-av1" => "AV1",
        "video/mpeg" if version == 4 => "MPEG-4",
        "video/mpeg" if version == 1 => "MPEG-1",
        "video/mpeg" => "MPEG-2",
        "video/x-prores" => "ProRes",
        "image/jpeg" => "Motion JPEG",
        "video/x-raw" => "uncompressed",
        other => other.rsplit('/').next().unwrap_or(other),
    };
    match structure.get::<&str>("profile") {
        Ok(profile) if !profile.is_empty() => {
            let words = profile.split('-').map(|word| {
                let mut letters = word.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_uppercase().chain(letters).collect()
                })
            });
            format!("{base} {}", words.collect::<Vec<String>>().join(" "))
        }
        _ => base.to_owned(),
    }
}

fn audio(caps: &gst::Caps) -> Audio {
    let Some(structure) = caps.structure(0) else {
        return Audio::default();
    };
    let number = |field| {
        structure
            .get::<i32>(field)
            .ok()
            .and_then(|n| u32::try_from(n).ok())
    };
    let aac = structure.name() == "audio/mpeg" && super::demux::is_aac(caps);
    let profile = structure.get::<&str>("profile").unwrap_or_default();
    let layer = number("layer").unwrap_or(0);
    let name = match structure.name().as_str() {
        "audio/mpeg" if aac => format!(
            "AAC-{}",
            if profile.is_empty() {
                "LC".to_owned()
            } else {
                profile.to_uppercase()
            }
        ),
        "audio/mpeg" => format!("MPEG layer {layer}"),
        "audio/x-opus" => "Opus".to_owned(),
        "audio/x-vorbis" => "Vorbis".to_owned(),
        "audio/x-ac3" => "AC-3".to_owned(),
        "audio/x-eac3" => "E-AC-3".to_owned(),
        "audio/x-flac" => "FLAC".to_owned(),
        "audio/x-alac" => "ALAC".to_owned(),
        "audio/x-raw" => "PCM".to_owned(),
        other => other.rsplit('/').next().unwrap_or(other).to_owned(),
    };
    Audio {
        name,
        aac_lc: aac && profile == "lc",
        rate: number("rate").unwrap_or(0),
        channels: number("channels").unwrap_or(0),
        asc: config::audio(caps)
            .ok()
            .filter(|config| aac && config.frame_samples == 1024)
            .map(|config| config.asc.to_vec()),
    }
}

impl Video {
    /// `H.264 High 1920x1080 25 fps`.
    pub fn describe(&self) -> String {
        let mut text = format!("{} {}x{}", self.name, self.width, self.height);
        if self.fps > 0.0 {
            text.push_str(&format!(" {} fps", short(self.fps)));
        }
        for (is, what) in [
            (self.variable, "variable"),
            (self.interlaced, "interlaced"),
            (self.b_frames, "B-frames"),
        ] {
            if is {
                text.push_str(&format!(", {what}"));
            }
        }
        if !self.chroma.is_empty() && self.chroma != "4:2:0" {
            text.push_str(&format!(", {}", self.chroma));
        }
        if self.bit_depth > 8 {
            text.push_str(&format!(", {} bit", self.bit_depth));
        }
        text
    }
}

impl Audio {
    /// `AAC-LC 48000 Hz stereo`.
    pub fn describe(&self) -> String {
        let channels = match self.channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            6 => "5.1".to_owned(),
            count => format!("{count} channels"),
        };
        format!("{} {} Hz {channels}", self.name, self.rate)
    }
}

/// A rate as people write it: `25`, `29.97`.
pub fn short(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(fps: f64, step_ms: f64) -> Vec<Nanos> {
        (0..300)
            .map(|n| {
                let ms = f64::from(n) * 1000.0 / fps;
                ((ms / step_ms).round() * step_ms * 1e6) as Nanos
            })
            .collect()
    }

    #[test]
    fn stamps_rounded_to_milliseconds_still_tell_thirty_from_twenty_nine_ninety_seven() {
        for fps in [25.0, 30.0, 30_000.0 / 1001.0, 60_000.0 / 1001.0, 60.0] {
            let (seen, variable) = rate(&stamps(fps, 1.0), None);
            assert!((seen - fps).abs() < 0.001, "{seen} for {fps}");
            assert!(!variable);
        }
    }

    #[test]
    fn pictures_at_odd_distances_are_a_variable_rate() {
        let times: Vec<Nanos> = (0..100)
            .map(|n| n * 33_000_000 + (n % 4) * 12_000_000)
            .collect();
        assert!(rate(&times, None).1);
        assert_eq!(rate(&[], Some(gst::Fraction::new(25, 1))), (25.0, false));
    }

    #[test]
    fn rates_are_written_as_people_write_them() {
        assert_eq!(
            [short(25.0), short(30_000.0 / 1001.0), short(12.5)],
            ["25", "29.97", "12.5"]
        );
    }
}
