//! Films that the judge can read: a caller's number and a counter in the picture, their tone in the sound.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use booth_judge::sense::{code, tone};

const W: usize = 640;
const H: usize = 360;
const RATE: usize = 48_000;

/// A film to make. `Default` is what an OBS of today sends: 720p30 at 2.5 Mb/s, key frames every 2 s, B-frames.
#[derive(Debug, Clone)]
pub struct Film<'a> {
    /// Who is in the picture, 0 to 63.
    pub id: u8,
    /// Even, so that flash and beep go on over the seam.
    pub seconds: usize,
    pub fps: usize,
    pub size: &'a str,
    pub gop_s: usize,
    pub b_frames: u32,
    pub video_kbps: u32,
    pub sound: bool,
    pub picture: bool,
    /// Further ffmpeg options for the output.
    pub extra: &'a [&'a str],
}

impl Default for Film<'_> {
    fn default() -> Self {
        Self {
            id: 1,
            seconds: 12,
            fps: 30,
            size: "1280:720",
            gop_s: 2,
            b_frames: 2,
            video_kbps: 2_500,
            sound: true,
            picture: true,
            extra: &[],
        }
    }
}

impl Film<'_> {
    /// Codes it into `path`, whose ending names the container.
    #[track_caller]
    pub fn make(&self, path: &Path) {
        let wav = path.with_extension("pcm");
        std::fs::write(&wav, self.sing()).unwrap();
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-y"]);
        let (fps, gop) = (self.fps.to_string(), (self.gop_s * self.fps).to_string());
        if self.picture {
            command.args(["-f", "rawvideo", "-pix_fmt", "gray"]);
            command.args(["-s", &format!("{W}x{H}"), "-r", &fps, "-i", "pipe:0"]);
        }
        if self.sound {
            command.args(["-f", "s16le", "-ar", "48000", "-ac", "2", "-i"]);
            command.arg(&wav);
        }
        if self.picture {
            let rate = format!("{}k", self.video_kbps);
            command.args([
                "-vf",
                &format!("scale={}:flags=neighbor,format=yuv420p", self.size),
            ]);
            command.args(["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]);
            command.args(["-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate]);
            command.args([
                "-x264-params",
                &format!("nal-hrd=cbr:keyint={gop}:min-keyint={gop}:scenecut=0"),
            ]);
            command.args(["-bf", &self.b_frames.to_string(), "-profile:v", "high"]);
        }
        if self.sound {
            command.args(["-c:a", "aac", "-b:a", "128k"]);
        }
        command.args(self.extra).arg(path);
        let stdin = if self.picture {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut coder = command.stdin(stdin).spawn().unwrap();
        if let Some(mut pipe) = coder.stdin.take() {
            for frame in 0..self.seconds * self.fps {
                pipe.write_all(&self.draw(frame * 30 / self.fps)).unwrap();
            }
        }
        assert!(
            coder.wait().unwrap().success(),
            "ffmpeg made no {}",
            path.display()
        );
        std::fs::remove_file(wav).unwrap();
    }

    /// The picture of a moment on the 30 Hz grid.
    fn draw(&self, tick: usize) -> Vec<u8> {
        let mut luma = vec![128; W * H];
        let mut fill =
            |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, value: u8| {
                for row in rows {
                    luma[row * W + columns.start..row * W + columns.end].fill(value);
                }
            };
        fill(0..H * 15 / 100, 0..W, if flash(tick) { 235 } else { 16 });
        let x = tick * 8 % (W - 60);
        fill(100..160, x..x + 60, 200);
        let cells = code::encode(self.id, (tick % 1024) as u16);
        for cell in 0..code::CELLS {
            let white = cells >> (code::CELLS - 1 - cell) & 1 == 1;
            fill(
                H * 80 / 100..H * 95 / 100,
                W * cell / 24..W * (cell + 1) / 24,
                if white { 235 } else { 16 },
            );
        }
        luma
    }

    fn sing(&self) -> Vec<u8> {
        let step = std::f64::consts::TAU * tone::frequency(self.id) / RATE as f64;
        (0..self.seconds * RATE)
            .flat_map(|n| {
                let loud = if flash(n * 30 / RATE) { 0.5 } else { 0.1 };
                let sample = (step * n as f64).sin() * loud;
                let [low, high] = ((sample * 32767.0) as i16).to_le_bytes();
                [low, high, low, high]
            })
            .collect()
    }
}

fn flash(tick: usize) -> bool {
    tick % 1024 % 60 < 3
}
