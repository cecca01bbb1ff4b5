//! What a channel in copy mode takes from the machine: 50 of them are to fit on one.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::{ChannelShowing, DestinationState};

use crate::film::Film;
use crate::receiver::{destination, free_tcp_port, wait_until_listening};
use crate::rig::Rig;

/// The goal, with all that it shares with others.
const MEMORY_MAX_KIB: u64 = 30 << 10;
/// Unoptimised dependencies and a busy machine included; the bench measures the goal of 1 %.
const SHARE_MAX: f64 = 0.10;
const FOR: Duration = Duration::from_secs(10);

struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes what comes, and looks at nothing.
fn sink(port: u16) -> Sink {
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-hide_banner",
        "-loglevel",
        "error",
        "-listen",
        "1",
        "-i",
        &url,
    ]);
    command.args(["-c", "copy", "-f", "null", "-"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_listening(port);
    Sink(child)
}

/// Time on the processor so far, in seconds.
fn worked_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields 14 and 15, in ticks of 10 ms (proc(5)); the name before them may hold blanks.
    let (_, after) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<u64> = after
        .split(' ')
        .filter_map(|field| field.parse().ok())
        .collect();
    (fields[10] + fields[11]) as f64 / 100.0
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_channel_in_copy_mode_with_two_destinations_costs_little() {
    let film = Arc::new(Film::heavy(1));
    let ports = [free_tcp_port(), free_tcp_port()];
    let _sinks = ports.map(sink);
    let mut rig = Rig::start(|desired| {
        desired.destinations = vec![destination("a", ports[0]), destination("b", ports[1])];
    });
    let _publisher = rig.publish(7, &film);
    rig.shows(ChannelShowing::Live);
    rig.destination("a", DestinationState::Live);
    rig.destination("b", DestinationState::Live);
    let (from, before) = (Instant::now(), worked_s(rig.pid()));
    // Two figures a second are the clock of this test.
    let figures = |said: &Said| matches!(said, Said::ChannelFigures(_));
    rig.boothd().forget();
    let wanted = FOR.as_secs() as usize * 2;
    while rig.boothd().count(figures) < wanted {
        assert!(from.elapsed() < FOR * 2, "figures come too slowly");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let rate = rig.boothd().hear("figures", |said| match said {
        Said::ChannelFigures(figures) => Some(figures.output_rate_kbps),
        _ => None,
    });
    let share = (worked_s(rig.pid()) - before) / from.elapsed().as_secs_f64();
    let memory = memory_kib(rig.pid());
    eprintln!(
        "{:.2} % of a core, {} KiB, at {rate:.0} kb/s",
        share * 100.0,
        memory
    );
    assert!(rate > 2_000.0, "{rate}");
    assert!(share < SHARE_MAX, "{share}");
    assert!(memory < MEMORY_MAX_KIB, "{memory}");
}
