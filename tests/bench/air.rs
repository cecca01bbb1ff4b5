//! What a receiver gets: how fast a take is, how late a voice, how even the packets.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use booth_judge::{Judge, JudgeInput, Options, SrtInput, clock};
use booth_proto::v1::slot_service_client::SlotServiceClient;
use booth_proto::v1::{TakeSlotRequest, take_slot_request::Pick};
use booth_tests::{Booth, udp_ports, wait_for};

use crate::control::{address, signed};
use crate::table::{Row, percentile};

const SOON: Duration = Duration::from_secs(20);
const TAKES: u32 = 30;

fn pull(port: u16) -> Judge {
    let mut input = SrtInput::new("127.0.0.1", port);
    input.latency_ms = 20;
    Judge::spawn(JudgeInput::Srt(input), Options::default()).unwrap()
}

/// Command sent → first packet with the new picture, for a caller who is armed. Also leaves a recording of each caller
/// for the way without booth.
pub fn take(rows: &mut Vec<Row>) {
    let booth = Booth::start();
    booth.wait_for_workers();
    booth.update_slot(1, &["--latency", "20"]);
    let _demo = booth.demo(2, &[]);
    let callers = [
        booth.wait_connected("caller 1"),
        booth.wait_connected("caller 2"),
    ];
    for caller in &callers {
        booth.cli(&["caller", "approve", caller]);
    }
    let judge = pull(booth.slot_port(1));
    judge
        .wait_for(|s| s.video.is_some(), SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut client = runtime
        .block_on(SlotServiceClient::connect(address(&booth)))
        .unwrap();

    let mut took = Vec::new();
    for round in 0..TAKES {
        let id = 1 + (round % 2) as u8;
        let caller = &callers[usize::from(id - 1)];
        booth.cli(&["slot", "arm", "1", caller]);
        wait_for("an armed caller", SOON, || {
            let slot = booth.slot("1");
            let armed = slot["showing"] == "SHOWING_ARMED"
                && slot["showingCaller"]
                    .as_str()
                    .is_some_and(|c| c.ends_with(caller.as_str()));
            armed.then_some(())
        });
        // Off the frame grid, otherwise every take would meet it at the same place.
        std::thread::sleep(Duration::from_millis(rand::random_range(0..100)));
        let request = signed(
            &booth,
            TakeSlotRequest {
                name: "slots/1".into(),
                pick: Some(Pick::Caller(format!("shows/main/callers/{caller}"))),
                ..Default::default()
            },
        );
        let sent = clock::monotonic_ns();
        runtime.block_on(client.take_slot(request)).unwrap();
        let seen = judge
            .wait_for(|s| s.picture_since(id, sent).is_some(), SOON)
            .unwrap_or_else(|e| panic!("{e}"));
        if let Some(stamp) = seen.picture_since(id, sent) {
            took.push(clock::between_ms(sent, stamp.first_packet_at_ns));
        }
        booth.cli(&["slot", "release", "1", "--requeue"]);
    }
    let (p50, p95) = (percentile(&took, 50.0), percentile(&took, 95.0));
    rows.push(Row::goal(
        "take of an armed caller → its picture at SRT, p50 / p95",
        format!("{p50:.0} / {p95:.0} ms"),
        "≤ 80 / ≤ 120 ms",
        p50 <= 80.0 && p95 <= 120.0,
    ));
    let without = restarted_process(&booth, &callers);
    rows.push(Row::beside(
        "an ffmpeg SRT process restarted per switch, p50 / worst",
        format!(
            "{:.0} / {:.0} ms",
            percentile(&without, 50.0),
            percentile(&without, 100.0)
        ),
    ));
    let gap = judge.finish().arrivals.largest_gap_ms;
    rows.push(Row::goal(
        "largest gap between output packets, over all takes",
        format!("{gap:.0} ms"),
        "≤ 50 ms",
        gap <= 50.0,
    ));
}

/// The way without booth: to switch, the process that serves the port is ended and another one started.
fn restarted_process(booth: &Booth, callers: &[String; 2]) -> Vec<f64> {
    let files: Vec<PathBuf> = (0..2).map(|i| record(booth, &callers[i], i)).collect();
    let port = udp_ports(1);
    let mut server = serve(&files[0], port);
    let judge = pull(port);
    judge
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let mut took = Vec::new();
    for round in 1..=6 {
        let id = 1 + (round % 2) as u8;
        let sent = clock::monotonic_ns();
        end(server);
        server = serve(&files[usize::from(id - 1)], port);
        let seen = judge
            .wait_for(|s| s.picture_since(id, sent).is_some(), SOON)
            .unwrap_or_else(|e| panic!("{e}"));
        if let Some(stamp) = seen.picture_since(id, sent) {
            took.push(clock::between_ms(sent, stamp.first_packet_at_ns));
        }
    }
    end(server);
    took
}

/// Eight seconds of a caller as the slot shows them.
fn record(booth: &Booth, caller: &str, index: usize) -> PathBuf {
    booth.cli(&["slot", "take", "1", caller]);
    booth.wait_showing(1, "CALLER", SOON);
    let file = booth.dir.path().join(format!("caller-{index}.ts"));
    let url = format!("srt://127.0.0.1:{}?mode=caller", booth.slot_port(1));
    let done = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-y",
            "-i",
            &url,
            "-t",
            "8",
            "-c",
            "copy",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
    booth.cli(&["slot", "release", "1", "--requeue"]);
    file
}

fn serve(file: &Path, port: u16) -> Child {
    let url = format!("srt://127.0.0.1:{port}?mode=listener&latency=20000");
    Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "quiet",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ])
        .arg(file)
        .args(["-c", "copy", "-f", "mpegts", &url])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut process: Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// From the caller's mouth (the instant the synthetic caller's beep is handed to the network) to the audio packet read
/// from SRT that holds it.
pub fn mouth(rows: &mut Vec<Row>, audio_only: bool) {
    let booth = Booth::start();
    booth.wait_for_workers();
    let settings: &[&str] = if audio_only {
        &["--latency", "20", "--audio-only=true"]
    } else {
        &["--latency", "20"]
    };
    booth.update_slot(1, settings);
    let mut demo = booth.demo(1, &["--mouth-log"]);
    let lines = BufReader::new(demo.process.stdout.take().unwrap()).lines();
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = tx.send(line);
        }
    });
    let caller = booth.wait_connected("caller 1");
    booth.cli(&["caller", "approve", &caller]);
    booth.cli(&["slot", "take", "1", &caller]);
    let judge = pull(booth.slot_port(1));
    let seen = judge
        .wait_for(
            |s| s.sound.as_ref().is_some_and(|a| a.beeps_total >= 24),
            Duration::from_secs(90),
        )
        .unwrap_or_else(|e| panic!("{e}"));
    // The newest word counts: a key frame asked for jumps the caller's clock, sound and all.
    let clock_of = |line: String| -> Option<u64> {
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        line["counter0_monotonic_ns"].as_u64()
    };
    let counter0 = rx.try_iter().filter_map(clock_of).last().unwrap();
    const EVERY_NS: u64 = 2_000_000_000;
    let beeps = &seen.sound.as_ref().unwrap().beeps;
    let late: Vec<f64> = beeps
        .iter()
        // The first ones came before the last jump, or were cut by the take.
        .skip(4)
        .map(|b| (b.stamp.first_packet_at_ns.saturating_sub(counter0) % EVERY_NS) as f64 / 1e6)
        .collect();
    let (p50, p95) = (percentile(&late, 50.0), percentile(&late, 95.0));
    let what = if audio_only {
        "mouth → SRT audio, audio-only slot"
    } else {
        "mouth → SRT audio, 720p30 slot"
    };
    rows.push(Row::goal(
        &format!("{what}, latency 20, p50 / p95"),
        format!("{p50:.0} / {p95:.0} ms"),
        "≤ 130 ms",
        p50 <= 130.0,
    ));
}
