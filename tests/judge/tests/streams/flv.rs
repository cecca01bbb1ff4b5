//! FLV, as it comes from RTMP.

use std::io::{Cursor, Read, Write};
use std::process::{Command, Stdio};

use booth_judge::{DefectClass as D, Judge, JudgeInput, Options};

use crate::scene::*;

/// The good film in another container, by ffmpeg.
fn flv() -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "mpegts",
            "-i",
            "pipe:0",
            "-c",
            "copy",
            "-bsf:a",
            "aac_adtstoasc",
        ])
        .args(["-f", "flv", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || pipe.write_all(good()).unwrap());
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    feed.join().unwrap();
    assert!(child.wait().unwrap().success());
    out
}

/// Gives its bytes in pieces of all lengths, as a pipe does.
struct Dribble(Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 1_500 + 1;
        let length = self.1.min(out.len());
        self.0.read(&mut out[..length])
    }
}

fn judge_flv(bytes: Vec<u8>) -> booth_judge::Report {
    let input = JudgeInput::Flv("test".into(), Box::new(Dribble(Cursor::new(bytes), 0)));
    let judge = Judge::spawn(input, Options::default()).unwrap();
    judge.wait_for_end(PATIENCE).unwrap();
    judge.finish()
}

#[test]
fn a_film_is_judged_the_same_as_from_a_transport_stream() {
    let report = judge_flv(flv());
    // RTMP's milliseconds make steps of 33 and 34 ms: within what is allowed.
    assert_only(&report, &[]);
    let picture = report.picture.as_ref().unwrap();
    assert_eq!((picture.decoded, picture.undecoded), (150, 0));
    assert_eq!((report.picture_id(), report.sound_id()), (Some(7), Some(7)));
    let skew = report.av_skew.median_ms.unwrap();
    assert!(skew.abs() < 5.0, "{skew}");
}

#[test]
fn a_frame_left_out_is_found() {
    let bytes = flv();
    // Tags: 11 bytes of header, the body, 4 bytes of length. The 60th video tag is dropped.
    let (mut out, mut at, mut seen) = (bytes[..13].to_vec(), 13, 0);
    while at + 11 <= bytes.len() {
        let size = u32::from_be_bytes([0, bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let end = at + 11 + size + 4;
        seen += usize::from(bytes[at] == 9);
        if bytes[at] != 9 || seen != 60 {
            out.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    let report = judge_flv(out);
    assert_eq!(report.count(D::PtsGap), 1, "{:?}", report.defects);
}

#[test]
fn garbage_ends_without_a_word() {
    let report = judge_flv(
        (0..100_000u32)
            .map(|n| (n.wrapping_mul(n) >> 3) as u8)
            .collect(),
    );
    assert!(report.video.is_none());
}
