//! Media of the tests: a code in the picture and a tone in the sound that the judge reads, coded by ffmpeg and taken out
//! of its FLV as access units.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use booth_judge::sense::{code, tone};
use booth_stream::loopfile::LoopWriter;
use booth_stream::{
    AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, SECOND, Track, VideoConfig,
};
use bytes::Bytes;

const W: usize = 640;
const H: usize = 360;
const RATE: usize = 48_000;
const FPS: usize = 30;
/// A multiple of two, so that flash and beep go on over the seam.
const SECONDS: usize = 4;
/// Of one round; their counter begins anew with each.
pub const PICTURES: usize = SECONDS * FPS;
pub const LENGTH: Nanos = SECONDS as Nanos * SECOND;

/// A film of [`LENGTH`], in order of decoding.
pub struct Film {
    pub video: Arc<VideoConfig>,
    pub audio: Arc<AudioConfig>,
    pub units: Vec<AccessUnit>,
}

/// What is to be seen and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Code,
    Frozen,
    Black,
    Silent,
}

impl Film {
    pub fn make(id: u8, b_frames: u8) -> Self {
        Self::coded(id, b_frames, Look::Code)
    }

    pub fn make_looking(id: u8, look: Look) -> Self {
        Self::coded(id, 0, look)
    }

    /// As platforms want it: 720p at 2.5 Mb/s.
    pub fn heavy(id: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flv = dir.path().join("film.flv");
        let more = [
            "-vf",
            "scale=1280:720:flags=neighbor",
            "-b:v",
            "2500k",
            "-maxrate",
            "2500k",
            "-bufsize",
            "2500k",
            "-x264-params",
            "nal-hrd=cbr",
        ];
        code_film(id, 0, Look::Code, dir.path(), &flv, &more);
        parse(&std::fs::read(flv).unwrap())
    }

    fn coded(id: u8, b_frames: u8, look: Look) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flv = dir.path().join("film.flv");
        code_film(id, b_frames, look, dir.path(), &flv, &[]);
        parse(&std::fs::read(flv).unwrap())
    }

    /// As the preparer would leave it.
    pub fn write_loop(&self, path: &Path) {
        let mut writer = LoopWriter::create(path).unwrap();
        writer.video(&self.video).unwrap();
        writer.audio(&self.audio).unwrap();
        let frame = self.audio.frame();
        for unit in &self.units {
            let fits = unit.track == Track::Video || (unit.pts >= 0 && unit.pts + frame <= LENGTH);
            if fits {
                writer
                    .push(unit.track, unit.pts, unit.dts, unit.key, &unit.data)
                    .unwrap();
            }
        }
        writer.finish(LENGTH).unwrap();
    }

    pub fn configs(&self) -> [MediaEvent; 2] {
        [
            MediaEvent::Video(Arc::clone(&self.video)),
            MediaEvent::Audio(Arc::clone(&self.audio)),
        ]
    }
}

pub fn code_film(id: u8, b_frames: u8, look: Look, dir: &Path, flv: &Path, more: &[&str]) {
    let pcm = dir.join("film.pcm");
    let sound = match look {
        Look::Silent => vec![0; SECONDS * RATE * 4],
        Look::Code | Look::Frozen | Look::Black => sing(id),
    };
    std::fs::write(&pcm, sound).unwrap();
    let size = format!("{W}x{H}");
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-y"]);
    command.args([
        "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", "30", "-i", "pipe:0",
    ]);
    command
        .args(["-f", "s16le", "-ar", "48000", "-ac", "2", "-i"])
        .arg(&pcm);
    command.args([
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
    ]);
    command.args([
        "-threads",
        "1",
        "-b:v",
        "500k",
        "-g",
        "30",
        "-sc_threshold",
        "0",
    ]);
    command
        .args(["-bf", &b_frames.to_string(), "-c:a", "aac", "-b:a", "96k"])
        .args(more)
        .arg(flv);
    let mut coder = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = coder.stdin.take().unwrap();
    for tick in 0..PICTURES {
        let picture = match look {
            Look::Code | Look::Silent => draw(id, tick),
            Look::Frozen => draw(id, 10),
            Look::Black => vec![16; W * H],
        };
        pipe.write_all(&picture).unwrap();
    }
    drop(pipe);
    assert!(coder.wait().unwrap().success());
}

fn draw(id: u8, tick: usize) -> Vec<u8> {
    let mut luma = vec![128; W * H];
    let mut fill = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, value: u8| {
        for row in rows {
            luma[row * W + columns.start..row * W + columns.end].fill(value);
        }
    };
    let x = tick * 8 % (W - 60);
    fill(100..160, x..x + 60, 200);
    fill(0..H * 15 / 100, 0..W, if flash(tick) { 235 } else { 16 });
    let cells = code::encode(id, u16::try_from(tick).unwrap());
    for cell in 0..code::CELLS {
        let white = cells >> (code::CELLS - 1 - cell) & 1 == 1;
        let columns = W * cell / code::CELLS..W * (cell + 1) / code::CELLS;
        fill(
            H * 80 / 100..H * 95 / 100,
            columns,
            if white { 235 } else { 16 },
        );
    }
    luma
}

fn sing(id: u8) -> Vec<u8> {
    let step = std::f64::consts::TAU * tone::frequency(id) / RATE as f64;
    let sample = |n: usize| {
        let loud = if flash(n * FPS / RATE) { 0.5 } else { 0.1 };
        ((step * n as f64).sin() * loud * 32767.0) as i16
    };
    (0..SECONDS * RATE)
        .flat_map(|n| {
            let [low, high] = sample(n).to_le_bytes();
            [low, high, low, high]
        })
        .collect()
}

fn flash(tick: usize) -> bool {
    tick % 60 < 3
}

/// FLV (Adobe, annex E): enough of it for what ffmpeg writes.
fn parse(flv: &[u8]) -> Film {
    let (mut video, mut audio, mut units) = (None, None, Vec::new());
    let mut rest = &flv[13..];
    while rest.len() > 15 {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        let (kind, length) = (rest[0], number(&rest[1..4]));
        let ms = number(&rest[4..7]) | usize::from(rest[7]) << 24;
        let body = &rest[11..11 + length];
        rest = &rest[11 + length + 4..];
        let dts = ms as Nanos * MILLISECOND;
        match (kind, body) {
            (9, [_, 0, _, _, _, record @ ..]) => {
                video = Some(VideoConfig::from_avcc(record).unwrap())
            }
            (9, [head, 1, a, b, c, data @ ..]) => {
                let offset = i32::from_be_bytes([*a, *b, *c, 0]) >> 8;
                units.push(AccessUnit {
                    track: Track::Video,
                    dts,
                    pts: dts + Nanos::from(offset) * MILLISECOND,
                    key: head >> 4 == 1,
                    data: Bytes::copy_from_slice(data),
                });
            }
            (8, [_, 0, asc @ ..]) => audio = Some(AudioConfig::from_asc(asc).unwrap()),
            (8, [_, 1, data @ ..]) => units.push(AccessUnit {
                track: Track::Audio,
                dts,
                pts: dts,
                key: true,
                data: Bytes::copy_from_slice(data),
            }),
            _ => {}
        }
    }
    grid(&mut units);
    Film {
        video: Arc::new(video.unwrap()),
        audio: Arc::new(audio.unwrap()),
        units,
    }
}

/// FLV's milliseconds are put back on the exact grids; the first picture is shown at 0.
fn grid(units: &mut [AccessUnit]) {
    let first = units
        .iter()
        .filter(|u| u.track == Track::Video)
        .map(|u| u.pts)
        .min()
        .unwrap();
    let round = |time: Nanos, step: f64| ((time as f64 / step).round() * step).round() as Nanos;
    for unit in units.iter_mut() {
        let step = match unit.track {
            Track::Video => SECOND as f64 / FPS as f64,
            Track::Audio => SECOND as f64 * 1024.0 / RATE as f64,
        };
        (unit.pts, unit.dts) = (round(unit.pts - first, step), round(unit.dts - first, step));
    }
    units.sort_by_key(|unit| unit.dts);
}
