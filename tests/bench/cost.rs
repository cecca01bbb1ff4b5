//! What a slot costs, beside a bare GStreamer pipeline of the same parts.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use booth_judge::{Judge, JudgeInput, Options, SrtInput};
use booth_tests::{Booth, udp_ports, usage};

use crate::table::Row;

const SOON: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(15);

/// Per cent of one core, and memory in MB, of a process while it works.
fn cost(pid: u32) -> (f64, f64) {
    std::thread::sleep(Duration::from_secs(3));
    let (before, _) = usage(pid);
    std::thread::sleep(LOOK);
    let (after, memory) = usage(pid);
    (
        (after - before).as_secs_f64() / LOOK.as_secs_f64() * 100.0,
        memory as f64 / 1e6,
    )
}

pub fn slot(rows: &mut Vec<Row>) {
    let booth = Booth::start();
    booth.wait_for_workers();
    // One receiver each, and the judge does not decode: it must not compete.
    let options = Options {
        decode: false,
        ..Options::default()
    };
    let input = SrtInput::new("127.0.0.1", booth.slot_port(1));
    let _judge = Judge::spawn(JudgeInput::Srt(input), options).unwrap();
    let worker = u32::try_from(booth.worker_pid(1).unwrap()).unwrap();
    let (idle, memory) = cost(worker);
    let (bare_idle, bare_memory) = bare(BLACK);
    rows.push(Row::goal(
        "slot idle (black) at 720p30",
        format!("{idle:.0} % of a core, {memory:.0} MB"),
        &format!("≤ {bare_idle:.0} % + a tenth"),
        idle <= bare_idle * 1.1,
    ));
    rows.push(Row::beside(
        "bare GStreamer pipeline",
        format!("{bare_idle:.0} %, {bare_memory:.0} MB"),
    ));

    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    booth.cli(&["caller", "approve", &caller]);
    booth.cli(&["slot", "take", "1", &caller]);
    booth.wait_showing(1, "CALLER", SOON);
    let (on_air, memory) = cost(worker);
    let (bare_air, bare_memory) = bare(CALLER);
    rows.push(Row::goal(
        "slot on air at 720p30 (VP8 640x360 caller)",
        format!("{on_air:.0} % of a core, {memory:.0} MB"),
        &format!("≤ {bare_air:.0} % + a tenth"),
        on_air <= bare_air * 1.1,
    ));
    rows.push(Row::beside(
        "bare GStreamer, moving test picture through VP8 (its encoder included)",
        format!("{bare_air:.0} %, {bare_memory:.0} MB"),
    ));
}

const BLACK: &str = "videotestsrc is-live=true pattern=black ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1";
const CALLER: &str = "videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=640,height=360,framerate=30/1 \
     ! vp8enc deadline=1 cpu-used=16 threads=1 target-bitrate=600000 ! vp8dec ! videoscale ! videoconvert \
     ! video/x-raw,format=I420,width=1280,height=720";

fn bare(picture: &str) -> (f64, f64) {
    let port = udp_ports(1);
    let pipeline = format!(
        "{picture} ! x264enc tune=zerolatency speed-preset=superfast threads=1 key-int-max=30 bitrate=4000 \
         ! video/x-h264,profile=high ! h264parse config-interval=-1 ! mux. \
         audiotestsrc is-live=true wave=silence ! audio/x-raw,format=F32LE,rate=48000,channels=2 \
         ! avenc_aac bitrate=128000 aac-coder=fast ! aacparse ! mux. \
         mpegtsmux name=mux alignment=7 ! srtsink uri=srt://127.0.0.1:{port}?mode=listener wait-for-connection=false sync=false async=false"
    );
    let mut process = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(pipeline.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let options = Options {
        decode: false,
        ..Options::default()
    };
    let judge = Judge::spawn(JudgeInput::Srt(SrtInput::new("127.0.0.1", port)), options).unwrap();
    let seen = judge.wait_for(|s| s.video.is_some(), SOON);
    let cost = seen.is_ok().then(|| cost(process.id()));
    end(&mut process);
    cost.unwrap_or((f64::NAN, f64::NAN))
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
