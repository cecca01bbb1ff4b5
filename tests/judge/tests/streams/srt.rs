//! Over SRT, with ffmpeg as the listener.

use std::{
    io::Write,
    net::UdpSocket,
    process::{Child, Command, Stdio},
};

use booth_judge::{DefectClass as D, Judge, JudgeInput, Options, SrtInput};

use crate::scene::*;

struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays the good stream once, in real time, to whoever calls.
fn send(port: u16, file: &std::path::Path, more: &str) -> Sender {
    let url = format!("srt://127.0.0.1:{port}?mode=listener&latency=20000{more}");
    let child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-re", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "mpegts", "-flush_packets", "1", &url])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Sender(child)
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn good_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(good()).unwrap();
    file
}

#[test]
fn a_stream_is_judged_over_srt_and_a_reconnection_is_a_new_epoch() {
    let (port, file) = (free_port(), good_file());
    let input = SrtInput {
        latency_ms: 20,
        ..SrtInput::new("127.0.0.1", port)
    };
    let judge = Judge::spawn(JudgeInput::Srt(input), Options::default()).unwrap();
    // The judge may call before anybody listens.
    let first = send(port, file.path(), "");
    let seen = judge
        .wait_for(
            |s| s.picture_id() == Some(7) && s.sound_id() == Some(7),
            PATIENCE,
        )
        .unwrap();
    assert_eq!((seen.epochs_total, seen.live), (1, true));
    let since = seen.picture_since(7, seen.started_at_ns).unwrap();
    assert!(since.first_packet_at_ns > seen.epochs[0].connected_at_ns);
    judge
        .wait_for(|s| s.epochs[0].disconnected_at_ns.is_some(), PATIENCE)
        .unwrap();
    drop(first);
    let _second = send(port, file.path(), "");
    let again = judge.wait_for(
        |s| {
            s.picture
                .as_ref()
                .is_some_and(|p| p.now.as_ref().is_some_and(|n| n.since.epoch == 2))
        },
        PATIENCE,
    );
    assert_eq!(again.unwrap().count(D::Reconnect), 1);
    let report = judge.finish();
    assert!(report.ended && report.transport.continuity_errors == 0);
    assert!(
        report.count(D::EpochStep) > 0,
        "the same file again goes back in time"
    );
}

#[test]
fn an_encrypted_stream_needs_its_passphrase() {
    let (port, file) = (free_port(), good_file());
    let _sender = send(port, file.path(), "&passphrase=correct-horse&pbkeylen=32");
    let wrong = SrtInput {
        passphrase: Some("wrong-battery".into()),
        reconnect: true,
        ..SrtInput::new("127.0.0.1", port)
    };
    let right = SrtInput {
        passphrase: Some("correct-horse".into()),
        key_length: Some(32),
        ..wrong.clone()
    };
    let judge = Judge::spawn(JudgeInput::Srt(wrong), blind()).unwrap();
    let refused = judge.wait_for(
        |s| {
            s.last_connect_error.as_ref().is_some_and(|e| {
                e.contains("assword")
                    || e.contains("ecret")
                    || e.contains("passphrase")
                    || e.contains("ncrypt")
            })
        },
        PATIENCE,
    );
    assert_eq!(refused.unwrap().epochs_total, 0);
    drop(judge);
    let judge = Judge::spawn(JudgeInput::Srt(right), blind()).unwrap();
    judge
        .wait_for(
            |s| s.video.as_ref().is_some_and(|v| v.frames > 10),
            PATIENCE,
        )
        .unwrap();
}

#[test]
fn waiting_in_vain_ends_in_time_and_says_what_was_there() {
    let judge = Judge::spawn(
        JudgeInput::Srt(SrtInput::new("127.0.0.1", free_port())),
        blind(),
    )
    .unwrap();
    judge
        .wait_for(|s| s.connect_failures > 0, PATIENCE)
        .unwrap();
    let error = judge
        .wait_for(|s| s.epochs_total > 0, std::time::Duration::from_millis(1))
        .unwrap_err();
    assert!(
        error.to_string().contains("calls without answer"),
        "{error}"
    );
}
