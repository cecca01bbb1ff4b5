//! A loop file as a player has it: played round after round, decoded by ffmpeg.

use std::path::Path;
use std::process::{Command, Stdio};

use booth_stream::loopfile::LoopFile;
use booth_stream::{Nanos, SECOND, Track};

/// See the module.
pub struct Played {
    pub file: LoopFile,
    /// Mean luma of each picture, of all rounds.
    pub luma: Vec<u8>,
    /// Of the left channel, all rounds.
    pub sound: Vec<f32>,
    /// Sound frames of all rounds, when each is heard.
    pub heard_at: Vec<Nanos>,
}

impl Played {
    #[track_caller]
    pub fn rounds(path: &Path, rounds: u32) -> Self {
        let file = LoopFile::open(path).unwrap();
        file.verify().unwrap();
        let info = file.info().clone();
        let (mut video, mut audio, mut heard_at) = (Vec::new(), Vec::new(), Vec::new());
        let frame = info.audio.frame();
        for round in 0..rounds {
            let base = Nanos::from(round) * info.duration;
            for index in 0..info.units as usize {
                let unit = file.entry(index).unwrap();
                let data = file.data(index).unwrap();
                match unit.track {
                    Track::Video => {
                        if unit.key {
                            video.extend(parameter_sets(&info.video.record));
                        }
                        video.extend(annex_b(&data));
                    }
                    Track::Audio => {
                        let at = base + unit.pts;
                        // As the playout does: the frame nearest to where the sound has got to.
                        let next = heard_at.last().map_or(at, |last| last + frame);
                        if next - at <= frame / 2 {
                            assert!(at - next <= frame / 2, "a hole in the sound at {next} ns");
                            heard_at.push(next);
                            audio.extend(adts(&data));
                        }
                    }
                }
            }
        }
        let luma = decode(
            &video,
            &["-f", "h264"],
            &["-vf", "scale=1:1:flags=area,format=gray", "-f", "rawvideo"],
        );
        let sound = decode(&audio, &["-f", "aac"], &["-ac", "1", "-f", "f32le"]);
        let samples = info.duration * Nanos::from(rounds) * 48 / 1_000_000;
        Self {
            file,
            luma,
            // The last frame goes on past the end, with the beginning, and is up to half a frame early.
            sound: sound
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .take(samples as usize - 600)
                .collect(),
            heard_at,
        }
    }

    pub fn seconds(&self) -> f64 {
        self.file.info().duration as f64 / SECOND as f64
    }

    /// Numbers of the pictures with which a flash begins.
    pub fn flashes(&self) -> Vec<usize> {
        let bright = |n: usize| self.luma[n] > 180;
        (0..self.luma.len())
            .filter(|n| bright(*n) && (*n == 0 || !bright(*n - 1)))
            .collect()
    }

    /// When beeps begin, in seconds.
    pub fn beeps(&self) -> Vec<f64> {
        // Loudness by the millisecond.
        let loud: Vec<bool> = self
            .sound
            .chunks(48)
            .map(|block| {
                block
                    .iter()
                    .fold(0.0f32, |peak, sample| peak.max(sample.abs()))
                    > 0.1
            })
            .collect();
        (0..loud.len())
            .filter(|ms| loud[*ms] && !loud[ms.saturating_sub(20)..*ms].contains(&true))
            .map(|ms| ms as f64 / 1000.0)
            .collect()
    }

    /// Both begin each second together, to half an AAC frame: that far off a round's first frame may be.
    #[track_caller]
    pub fn assert_in_sync(&self, seconds: usize) {
        self.assert_in_sync_within(seconds, 0.012);
    }

    #[track_caller]
    pub fn assert_in_sync_within(&self, seconds: usize, tolerance: f64) {
        let fps = f64::from(self.file.info().video_units) / self.seconds();
        let (flashes, beeps) = (self.flashes(), self.beeps());
        assert_eq!(flashes.len(), seconds, "flashes at {flashes:?}");
        assert_eq!(beeps.len(), seconds, "beeps at {beeps:?}");
        for (flash, beep) in flashes.iter().zip(&beeps) {
            let flash = *flash as f64 / fps;
            assert!(
                (flash - beep).abs() < tolerance,
                "flash at {flash:.3} s, beep at {beep:.3} s; sound frames at {:?} ms",
                self.heard_at
                    .iter()
                    .map(|at| at / 1_000_000)
                    .collect::<Vec<_>>()
            );
        }
    }
}

fn decode(data: &[u8], input: &[&str], output: &[&str]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror"])
        .args(input)
        .args(["-i", "pipe:0", "-fps_mode", "passthrough"])
        .args(output)
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let data = data.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&data);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "ffmpeg: {errors}"
    );
    output.stdout
}

fn annex_b(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = unit;
    while rest.len() > 4 {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        out.extend([0, 0, 0, 1]);
        out.extend(&rest[4..4 + length]);
        rest = &rest[4 + length..];
    }
    assert!(rest.is_empty(), "length prefixes do not add up");
    out
}

/// Out of an AVCDecoderConfigurationRecord.
fn parameter_sets(record: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &record[5..];
    for mask in [0x1F, 0xFF] {
        let count = rest[0] & mask;
        rest = &rest[1..];
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            out.extend([0, 0, 0, 1]);
            out.extend(&rest[2..2 + length]);
            rest = &rest[2 + length..];
        }
    }
    out
}

/// AAC-LC at 48 kHz, stereo.
fn adts(frame: &[u8]) -> Vec<u8> {
    let length = frame.len() + 7;
    let mut out = vec![
        0xFF,
        0xF1,
        0x4C,
        0x80 | (length >> 11) as u8,
        (length >> 3) as u8,
        ((length & 7) << 5) as u8 | 0x1F,
        0xFC,
    ];
    out.extend(frame);
    out
}
