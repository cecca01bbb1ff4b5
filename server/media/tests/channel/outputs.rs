//! The channel watched by SRT and HLS, and fed by SRT.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use booth_judge::{DefectClass, Judge, JudgeInput, Options, SrtInput, clock};
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::{ChannelShowing, DestinationSettings, DestinationState, SwitchCause};

use crate::boothd::PATIENCE;
use crate::receiver::{Receiver, seen_since};
use crate::rig::{LIVE, Rig};

fn free_udp_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn watch(port: u16) -> Judge {
    let input = SrtInput {
        latency_ms: 200,
        ..SrtInput::new("127.0.0.1", port)
    };
    let options = Options {
        // Sound that is passed on undecoded meets the other source's within half a frame.
        max_audio_gap_ms: 11.0,
        ..Options::default()
    };
    Judge::spawn(JudgeInput::Srt(input), options).unwrap()
}

#[test]
fn the_judge_finds_nothing_wrong_with_what_is_watched_by_srt() {
    let port = free_udp_port();
    let mut rig = Rig::start(|desired| {
        desired.settings.as_mut().unwrap().monitor_port = port.into();
    });
    let judge = watch(port);
    judge.wait_for_picture(2, PATIENCE).unwrap();
    let publisher = rig.publish(7, &LIVE);
    judge.wait_for_picture(1, PATIENCE).unwrap();
    judge.wait_for_sound(1, PATIENCE).unwrap();
    rig.boothd().hear("a client", |said| match said {
        Said::ChannelFigures(figures) => (figures.monitor_clients == 1).then_some(()),
        _ => None,
    });
    publisher.kill();
    judge.wait_for_picture(2, PATIENCE).unwrap();
    let report = judge.finish();
    let wrong: Vec<_> = report
        .defects
        .iter()
        // Arrival gaps are the load of the machine.
        .filter(|defect| defect.class != DefectClass::ArrivalGap)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn hls_files_are_whole_and_go_when_the_channel_ends() {
    let dir = tempfile::tempdir().unwrap();
    let hls = dir.path().join("hls");
    let mut rig = Rig::start(|desired| {
        desired.settings.as_mut().unwrap().hls_dir = hls.to_str().unwrap().to_owned();
    });
    let playlist = hls.join("index.m3u8");
    wait_for("a playlist of two segments", || {
        let text = std::fs::read_to_string(&playlist).unwrap_or_default();
        (text.matches("#EXTINF").count() >= 2).then_some(())
    });
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ])
        .arg(&playlist)
        .output()
        .unwrap();
    let text = String::from_utf8(probe.stdout).unwrap();
    assert!(text.contains("h264") && text.contains("aac"), "{text}");
    rig.signal(rustix::process::Signal::TERM);
    assert_eq!(rig.ended(), Some(0));
    assert_eq!(std::fs::read_dir(&hls).unwrap().count(), 0);
}

#[test]
fn an_srt_destination_gets_the_stream_and_is_found_again() {
    let port = free_udp_port();
    let rig = Rig::start(|desired| {
        desired.destinations = vec![DestinationSettings {
            id: "a".to_owned(),
            url: format!("srt://127.0.0.1:{port}"),
            key: "correct-horse".to_owned(),
            stream_id: "in".to_owned(),
            latency_ms: 100,
            ..DestinationSettings::default()
        }];
    });
    let error = rig.destination("a", DestinationState::Retrying);
    assert!(!error.contains("horse"), "{error}");
    rig.boothd().forget();
    let dir = tempfile::tempdir().unwrap();
    let _listener = srt_listener(port, "correct-horse", dir.path());
    rig.destination("a", DestinationState::Live);
    wait_for("a file of some seconds", || {
        let written = std::fs::metadata(dir.path().join("taken.ts")).ok()?.len();
        (written > 50_000).then_some(())
    });
}

#[test]
fn an_srt_publisher_is_taken_and_replaced_when_it_goes() {
    let port = free_udp_port();
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| {
        desired.destinations = vec![receiver.destination("a")];
        let settings = desired.settings.as_mut().unwrap();
        settings.srt_port = port.into();
        settings.srt_latency_ms = 100;
        settings.srt_stream_id = "radio".to_owned();
        settings.srt_passphrase = "correct-horse".to_owned();
    });
    receiver.wait_for_picture(2);
    let film = Film::start();
    let mut refused = film.publish(port, "video", "correct-horse");
    rig.boothd().hear("a refusal", |said| match said {
        Said::Problem(problem) => (problem.reason == "SRT_STREAM_ID_REFUSED").then_some(()),
        _ => None,
    });
    refused.kill().unwrap();
    refused.wait().unwrap();
    let mut publisher = film.publish(port, "#!::r=radio,m=publish", "correct-horse");
    let start = rig.boothd().hear("a publisher", |said| match said {
        Said::PublishStart(start) => Some(start.clone()),
        _ => None,
    });
    assert_eq!(start.protocol, "srt");
    assert!(start.peer.starts_with("127.0.0.1:"), "{}", start.peer);
    rig.want(|desired| desired.publisher = start.publisher);
    receiver.wait_for_picture(1);
    let from = clock::monotonic_ns();
    rig.boothd().forget();
    // Its connection stays for as long as SRT believes in it; its frames tell.
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    receiver.wait_for_picture(2);
    let cause = rig.switched(ChannelShowing::Backup).cause();
    assert!(
        matches!(cause, SwitchCause::LiveStalled | SwitchCause::LiveEnded),
        "{cause:?}"
    );
    let end = rig.boothd().hear("its end", |said| match said {
        Said::PublishEnd(end) => Some(end.clone()),
        _ => None,
    });
    assert_eq!(
        (end.publisher, end.channel.as_str()),
        (start.publisher, "1")
    );
    let seen = seen_since(&receiver.more(10), from);
    assert!(seen.step_ms < 35.0 && seen.back == 0, "{seen:?}");
}

#[test]
fn an_srt_publisher_without_pictures_is_hung_up_on_so_that_it_can_come_back() {
    let port = free_udp_port();
    let rig = Rig::start(|desired| {
        let settings = desired.settings.as_mut().unwrap();
        settings.srt_port = port.into();
        settings.srt_latency_ms = 100;
        settings.srt_stream_id = "radio".to_owned();
    });
    rig.shows(ChannelShowing::Backup);
    let url = format!("srt://127.0.0.1:{port}?streamid=radio");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-hide_banner",
        "-loglevel",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine",
    ]);
    command.args(["-c:a", "aac", "-f", "mpegts", &url]);
    let _publisher = Running(command.stdin(Stdio::null()).spawn().unwrap());
    let end = rig.boothd().hear("its end", |said| match said {
        Said::PublishEnd(end) => Some(end.clone()),
        _ => None,
    });
    assert!(end.reason.contains("no picture"), "{}", end.reason);
}

#[test]
fn an_srt_publisher_is_refused_while_another_one_is_healthy() {
    let port = free_udp_port();
    let mut rig = Rig::start(|desired| {
        let settings = desired.settings.as_mut().unwrap();
        settings.srt_port = port.into();
        settings.srt_latency_ms = 100;
        settings.srt_stream_id = "radio".to_owned();
        settings.srt_passphrase = "correct-horse".to_owned();
    });
    let _healthy = rig.publish(7, &LIVE);
    rig.shows(ChannelShowing::Live);
    let film = Film::start();
    let mut second = film.publish(port, "radio", "correct-horse");
    assert!(!second.wait().unwrap().success());
    let came = |said: &Said| matches!(said, Said::PublishStart(_));
    assert_eq!(rig.boothd().count(came), 0);
}

#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never saw {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn srt_listener(port: u16, passphrase: &str, dir: &Path) -> Running {
    let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase={passphrase}");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-hide_banner",
        "-loglevel",
        "error",
        "-i",
        &url,
        "-c",
        "copy",
    ]);
    command
        .args(["-flush_packets", "1"])
        .arg(dir.join("taken.ts"));
    Running(command.stdin(Stdio::null()).spawn().unwrap())
}

/// Caller 1's film as a file, for ffmpeg to publish.
struct Film {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Film {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.flv");
        crate::film::code_film(1, 0, crate::film::Look::Code, dir.path(), &path, &[]);
        Self { _dir: dir, path }
    }

    fn publish(&self, port: u16, stream_id: &str, passphrase: &str) -> Child {
        let url = format!(
            "srt://127.0.0.1:{port}?streamid={stream_id}&passphrase={passphrase}&latency=100000"
        );
        let mut command = Command::new("ffmpeg");
        command.args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ]);
        command
            .arg(&self.path)
            .args(["-c", "copy", "-f", "mpegts", &url]);
        command.stdin(Stdio::null()).spawn().unwrap()
    }
}
