//! Test streams: synthetic callers drawn and sung by the test, coded by ffmpeg, taken apart and put together again.

use std::{
    io::{Cursor, Write},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use booth_judge::{
    DefectClass, Judge, JudgeInput, Options, Report,
    demux::{Demux, Fact},
    sense::{code, tone},
    ts::{PACKET_LEN, write::TsWriter},
};

pub const FPS: usize = 30;
pub const RATE: usize = 48_000;
pub const VIDEO: u16 = 0x100;
pub const AUDIO: u16 = 0x101;
const W: usize = 640;
const H: usize = 360;
/// Far more than any test needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What is on: by the frame number on a 30 Hz grid.
#[derive(Clone, Copy, PartialEq)]
pub enum Show {
    Caller(u8),
    Black,
    /// Grey with the moving square standing at a place.
    Still,
}

/// A scene to code. Sound lags the picture by `lag_ms`.
pub struct Scene<'a> {
    pub seconds: f64,
    pub picture: &'a dyn Fn(usize) -> Show,
    /// The tone's caller, `None` for silence.
    pub sound: &'a dyn Fn(usize) -> Option<u8>,
    pub lag_ms: f64,
    pub video: &'a [&'a str],
}

pub const CLEAN: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-g",
    "30",
    "-pix_fmt",
    "yuv420p",
];

fn flash(counter: usize) -> bool {
    counter % 1024 % 60 < 3
}

fn fill(luma: &mut [u8], rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, value: u8) {
    for row in rows {
        luma[row * W + columns.start..row * W + columns.end].fill(value);
    }
}

fn draw(show: Show, frame: usize) -> Vec<u8> {
    let mut picture = vec![128; W * H * 3 / 2];
    let luma = &mut picture[..W * H];
    match show {
        Show::Black => luma.fill(16),
        Show::Still => fill(luma, 100..160, 100..160, 200),
        Show::Caller(id) => {
            fill(
                luma,
                0..H * 15 / 100,
                0..W,
                if flash(frame) { 235 } else { 16 },
            );
            let x = frame * 8 % (W - 60);
            fill(luma, 100..160, x..x + 60, 200);
            let cells = code::encode(id, (frame % 1024) as u16);
            for cell in 0..code::CELLS {
                let value = if cells >> (code::CELLS - 1 - cell) & 1 == 1 {
                    235
                } else {
                    16
                };
                fill(
                    luma,
                    H * 80 / 100..H * 95 / 100,
                    W * cell / 24..W * (cell + 1) / 24,
                    value,
                );
            }
        }
    }
    picture
}

fn sing(scene: &Scene<'_>) -> Vec<u8> {
    let mut phase = 0.0f64;
    (0..(scene.seconds * RATE as f64) as usize)
        .flat_map(|n| {
            let moment = n as f64 / RATE as f64 - scene.lag_ms / 1000.0;
            let frame = (moment * FPS as f64).floor().max(0.0) as usize;
            let sample = (scene.sound)(frame).map_or(0.0, |id| {
                phase += std::f64::consts::TAU * tone::frequency(id) / RATE as f64;
                phase.sin()
                    * if moment >= 0.0 && flash(frame) {
                        0.5
                    } else {
                        0.1
                    }
            });
            let [low, high] = ((sample * 32767.0) as i16).to_le_bytes();
            [low, high, low, high]
        })
        .collect()
}

/// Codes a scene to a transport stream.
pub fn film(scene: &Scene<'_>) -> Vec<u8> {
    let mut sound = tempfile::NamedTempFile::new().unwrap();
    sound.write_all(&sing(scene)).unwrap();
    let out = tempfile::NamedTempFile::new().unwrap();
    let size = format!("{W}x{H}");
    let mut child = Command::new("ffmpeg")
        .args([
            "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size,
            "-r", "30",
        ])
        .args([
            "-i", "pipe:0", "-f", "s16le", "-ar", "48000", "-ac", "2", "-i",
        ])
        .arg(sound.path())
        .args(scene.video)
        .args(["-c:a", "aac", "-b:a", "96k", "-f", "mpegts"])
        .arg(out.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for frame in 0..(scene.seconds * FPS as f64) as usize {
        pipe.write_all(&draw((scene.picture)(frame), frame))
            .unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
    std::fs::read(out.path()).unwrap()
}

/// Caller 7 in picture and sound for 5 s.
pub fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        film(&Scene {
            seconds: 5.0,
            picture: &|_| Show::Caller(7),
            sound: &|_| Some(7),
            lag_ms: 0.0,
            video: CLEAN,
        })
    })
}

/// One PES packet's content.
#[derive(Clone)]
pub struct Unit {
    pub video: bool,
    pub pts: i64,
    pub dts: i64,
    pub data: Vec<u8>,
}

/// Takes a stream apart.
pub fn units(stream: &[u8]) -> Vec<Unit> {
    let (mut demux, mut units) = (Demux::default(), Vec::new());
    let mut take = |fact| {
        if let Fact::Pes(pes) = fact {
            let pts = pes.pts.unwrap();
            units.push(Unit {
                video: pes.stream_type == 0x1b,
                pts,
                dts: pes.dts.unwrap_or(pts),
                data: pes.payload,
            });
        }
    };
    for packet in stream.chunks_exact(PACKET_LEN) {
        demux.packet(packet.first_chunk().unwrap(), 0, &mut take);
    }
    demux.flush(&mut take);
    units
}

pub fn writer() -> TsWriter {
    TsWriter::new(&[(VIDEO, 0x1b), (AUDIO, 0x0f)])
}

pub fn put(writer: &mut TsWriter, unit: &Unit) {
    let (pid, id) = if unit.video {
        (VIDEO, 0xe0)
    } else {
        (AUDIO, 0xc0)
    };
    writer.unit(
        pid,
        id,
        unit.pts,
        unit.dts,
        unit.video.then_some(unit.dts - 9000),
        &unit.data,
    );
}

/// Puts units together, with tables every ten.
pub fn mux(units: &[Unit]) -> Vec<u8> {
    let mut writer = writer();
    for (index, unit) in units.iter().enumerate() {
        if index % 10 == 0 {
            writer.tables();
        }
        put(&mut writer, unit);
    }
    writer.take()
}

/// Packets only: for what needs no eyes.
pub fn blind() -> Options {
    Options {
        decode: false,
        ..Options::default()
    }
}

pub fn judge(stream: &[u8], options: Options) -> Report {
    let input = JudgeInput::Reader("test".into(), Box::new(Cursor::new(stream.to_vec())));
    let judge = Judge::spawn(input, options).unwrap();
    judge.wait_for_end(PATIENCE).unwrap();
    judge.finish()
}

#[track_caller]
pub fn assert_only(report: &Report, classes: &[DefectClass]) {
    let found: Vec<DefectClass> = report.defects.iter().map(|d| d.class).collect();
    assert_eq!(found, classes, "\n{}", booth_judge::text::render(report));
}
