//! A destination of the tests: `ffmpeg -listen 1`, whose packets go to the judge as they come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use booth_judge::report::Report;
use booth_judge::{Judge, JudgeInput, Options, clock};
use booth_proto::worker::DestinationSettings;

use crate::boothd::PATIENCE;

pub struct Receiver {
    pub judge: Option<Judge>,
    pub port: u16,
    process: Child,
}

impl Receiver {
    #[track_caller]
    pub fn start() -> Self {
        Self::start_at(free_tcp_port())
    }

    #[track_caller]
    pub fn start_at(port: u16) -> Self {
        let url = format!("rtmp://127.0.0.1:{port}/live/key");
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error"]);
        command.args(["-analyzeduration", "500000", "-listen", "1", "-i", &url]);
        command.args(["-map", "0:v?", "-map", "0:a?", "-copyts", "-c", "copy"]);
        command.args(["-flvflags", "no_duration_filesize", "-flush_packets", "1"]);
        command.args(["-f", "flv", "pipe:1"]);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let packets = process.stdout.take().unwrap();
        let input = JudgeInput::Flv(format!("port {port}"), Box::new(packets));
        let options = Options {
            live: Some(true),
            keep: 4_000,
            ..Options::default()
        };
        let judge = Judge::spawn(input, options).unwrap();
        wait_until_listening(port);
        Self {
            judge: Some(judge),
            port,
            process,
        }
    }

    pub fn destination(&self, id: &str) -> DestinationSettings {
        destination(id, self.port)
    }

    #[track_caller]
    pub fn wait_for_picture(&self, id: u8) -> Report {
        let judge = self.judge.as_ref().unwrap();
        judge.wait_for_picture(id, PATIENCE).unwrap()
    }

    /// Waits for so many more pictures.
    #[track_caller]
    pub fn more(&self, frames: u64) -> Report {
        let judge = self.judge.as_ref().unwrap();
        let count = |seen: &Report| seen.picture.as_ref().map_or(0, |picture| picture.decoded);
        let wanted = count(&judge.snapshot()) + frames;
        judge
            .wait_for(|seen| count(seen) >= wanted, PATIENCE)
            .unwrap()
    }

    pub fn report(mut self) -> Report {
        self.judge.take().unwrap().finish()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A way to receivers, one after the other, through which little fits, and that can be stopped up: a socket's own buffer
/// would take what is sent for a while.
pub struct Narrow {
    pub port: u16,
    stopped: Arc<AtomicBool>,
}

impl Narrow {
    #[track_caller]
    pub fn start(to: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Accepted sockets inherit it.
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4 << 10).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let to = to.to_vec();
        std::thread::spawn(move || {
            for to in to {
                let (near, _) = listener.accept().unwrap();
                let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (mut answers, mut back) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || pass(near, far, &stop));
            }
        });
        Self { port, stopped }
    }

    pub fn stop_reading(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, stopped: &AtomicBool) {
    let mut some = [0; 2048];
    while !stopped.load(Ordering::Relaxed) {
        match from.read(&mut some) {
            Ok(n @ 1..) if to.write_all(&some[..n]).is_ok() => {}
            _ => return,
        }
    }
    // Held open for as long as the test lasts.
    std::thread::park();
}

pub fn destination(id: &str, port: u16) -> DestinationSettings {
    DestinationSettings {
        id: id.to_owned(),
        url: format!("rtmp://127.0.0.1:{port}/live"),
        key: "key".to_owned(),
        attempt: 1,
        ..DestinationSettings::default()
    }
}

/// A port below those that the kernel gives away by itself, and each once in a process: destinations of another test that
/// try a port again and again must not find the receiver of this one behind it.
pub fn free_tcp_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let from = u16::try_from(std::process::id() % 97).unwrap() * 100;
        let port = 20_000 + (from + next) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[track_caller]
pub fn wait_until_listening(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while !listens(port) {
        assert!(Instant::now() < deadline, "nobody listens on {port}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether somebody listens on this port; nothing is connected, for the receiver would take it for its publisher.
fn listens(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        // State 0A is LISTEN (proc(5)).
        words
            .next()
            .is_some_and(|local| local.ends_with(&listening))
            && words.nth(1) == Some("0A")
    })
}

/// What a viewer saw of a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Longest time between two pictures on the receiver's clock.
    pub freeze_ms: f64,
    /// Largest step of presentation times.
    pub step_ms: f64,
    /// Presentation times that did not rise.
    pub back: u32,
    pub frames: usize,
}

/// Looks at the pictures since a moment of [`clock::monotonic_ns`].
pub fn seen_since(report: &Report, from_ns: u64) -> Seen {
    let picture = report.picture.as_ref().expect("decoded pictures");
    let stamps: Vec<_> = picture.recent.iter().map(|shown| shown.stamp).collect();
    let mut seen = Seen {
        freeze_ms: 0.0,
        step_ms: 0.0,
        back: 0,
        frames: 0,
    };
    for pair in stamps
        .windows(2)
        .filter(|pair| pair[1].first_packet_at_ns >= from_ns)
    {
        seen.frames += 1;
        let gap = clock::between_ms(pair[0].first_packet_at_ns, pair[1].first_packet_at_ns);
        seen.freeze_ms = seen.freeze_ms.max(gap);
        let step = pair[1].pts - pair[0].pts;
        seen.step_ms = seen.step_ms.max(step as f64 / 90.0);
        seen.back += u32::from(step <= 0);
    }
    seen
}

/// Longer than what a busy machine adds to arrivals, and shorter than any way to lose a picture: the publisher's loss is
/// noticed after 300 ms, and a wait for a key frame takes a second.
const NOBODY_SEES_MS: f64 = 290.0;

/// Nothing was to be seen since `from`: the next picture had the next time, and came.
#[track_caller]
pub fn assert_untouched(receiver: &Receiver, from: u64) {
    let seen = seen_since(&receiver.more(30), from);
    assert!(seen.step_ms < 35.0 && seen.back == 0, "{seen:?}");
    assert!(seen.freeze_ms < NOBODY_SEES_MS, "{seen:?}");
}
