//! The console on a pseudo-terminal: how soon a key is seen, what a frame costs, what it costs to stand there.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use booth_tests::{Booth, bin, usage, wait_for};
use booth_tui::model::Model;
use booth_tui::msg::{LinkMsg, Msg};
use booth_tui::pictures::Pictures;
use booth_tui::record;
use booth_tui::update::update;
use booth_tui::view::view;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::table::{Row, percentile};

const CALLERS: usize = 500;
const KEYS: usize = 100;
const FRAMES: usize = 300;
const LOOK: Duration = Duration::from_secs(20);

/// A console with this process as its terminal.
struct Console {
    process: Child,
    keyboard: File,
    /// What it writes, with the moment of each read.
    output: Receiver<(Instant, Vec<u8>)>,
    seen: Vec<u8>,
}

impl Console {
    fn open(booth: &Booth, width: u16, height: u16, extra: &[&str]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_col: width,
            ws_row: height,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || -> OwnedFd {
            File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap()
                .into()
        };
        let process = Command::new("setsid")
            .arg("--ctty")
            .arg(bin("booth"))
            .arg("console")
            .args(extra)
            .env(
                "BOOTH_SERVER",
                format!("http://127.0.0.1:{}", booth.setup.grpc),
            )
            .env("BOOTH_TOKEN_FILE", booth.data().join("admin.token"))
            .env("XDG_CONFIG_HOME", booth.dir.path())
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                // How far away it is, as a terminal says: here.
                if buffer[..n].windows(4).any(|w| w == b"\x1b[5n") {
                    let _ = screen.write_all(b"\x1b[0n");
                }
                if tell.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            keyboard,
            output,
            seen: Vec::new(),
        }
    }

    /// When these characters were written.
    #[track_caller]
    fn wait_for(&mut self, what: &str) -> Instant {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (at, bytes) = self
                .output
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {what:?} on the screen"));
            self.seen.extend(bytes);
            if self.seen.windows(what.len()).any(|w| w == what.as_bytes()) {
                self.seen.clear();
                return at;
            }
            let surplus = self.seen.len().saturating_sub(1 << 18);
            self.seen.drain(..surplus);
        }
    }

    /// What was written so far is old.
    fn forget(&mut self) {
        while self.output.try_recv().is_ok() {}
        self.seen.clear();
    }

    fn key(&mut self, key: &str) -> Instant {
        self.forget();
        let at = Instant::now();
        self.keyboard.write_all(key.as_bytes()).unwrap();
        at
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.keyboard.write_all(b"\x03");
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn console(rows: &mut Vec<Row>) {
    let booth = Booth::start();
    booth.wait_for_workers();
    idle(&booth, rows);
    let file = booth.dir.path().join("session.jsonl");
    busy(&booth, &file, rows);
    frames(&file, rows);
}

/// Nobody there: a clock, heartbeats and silent levels.
fn idle(booth: &Booth, rows: &mut Vec<Row>) {
    let mut console = Console::open(booth, 100, 30, &[]);
    console.wait_for("Nobody");
    std::thread::sleep(Duration::from_secs(3));
    let (before, _) = usage(console.process.id());
    std::thread::sleep(LOOK);
    let (after, memory) = usage(console.process.id());
    let share = (after - before).as_secs_f64() / LOOK.as_secs_f64() * 100.0;
    rows.push(Row::goal(
        "console, nobody there: processor",
        format!("{share:.2} % of a core, {:.0} MB", memory as f64 / 1e6),
        "< 1 %",
        share < 1.0,
    ));
}

/// 500 in the queue, one of them on air with sound.
fn busy(booth: &Booth, file: &std::path::Path, rows: &mut Vec<Row>) {
    let invite = booth.invite(600);
    // One more is on air.
    for n in 1..CALLERS {
        join(booth, &invite, &format!("Caller number {n}"));
    }
    let _demo = booth.demo(1, &[]);
    let id = booth.wait_connected("caller 1");
    booth.cli(&["caller", "approve", &id]);
    booth.cli(&["slot", "take", "1", &id, "--override"]);
    booth.wait_showing(1, "CALLER", Duration::from_secs(20));
    let mut console = Console::open(booth, 200, 60, &["--record", file.to_str().unwrap()]);
    console.wait_for("499 waiting");
    std::thread::sleep(Duration::from_secs(2));
    let mut took = Vec::new();
    for _ in 0..KEYS {
        // The help's title comes with the key and with nothing else.
        let pressed = console.key("?");
        took.push((console.wait_for("j k scroll") - pressed).as_secs_f64() * 1e3);
        console.key("q");
        // The end of a frame.
        console.wait_for("\x1b[?2026l");
    }
    let (p50, p99) = (percentile(&took, 50.0), percentile(&took, 99.0));
    rows.push(Row::goal(
        "console, key to echo at 200x60 with 500 callers, p50 / p99",
        format!("{p50:.1} / {p99:.1} ms"),
        "< 50 ms",
        p99 < 50.0,
    ));
    let (before, _) = usage(console.process.id());
    std::thread::sleep(LOOK);
    let (after, memory) = usage(console.process.id());
    let share = (after - before).as_secs_f64() / LOOK.as_secs_f64() * 100.0;
    rows.push(Row::beside(
        "the same console with sound on air: processor",
        format!("{share:.1} % of a core, {:.0} MB", memory as f64 / 1e6),
    ));
}

/// The frames of that session, drawn again: from the model to the bytes for the terminal.
fn frames(file: &std::path::Path, rows: &mut Vec<Row>) {
    let (start, inputs) = record::read(file).unwrap();
    let mut model = Model::new(start);
    let mut terminal = Terminal::with_options(
        CrosstermBackend::new(std::io::sink()),
        ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(ratatui::layout::Rect::new(0, 0, 200, 60)),
        },
    )
    .unwrap();
    let pictures = Pictures::off();
    let mut took = Vec::new();
    for input in inputs {
        let moves = matches!(
            input.msg,
            Msg::Key(_) | Msg::Tick | Msg::Link(LinkMsg::Meters(_) | LinkMsg::Watch(_))
        );
        let began = Instant::now();
        let _ = update(&mut model, input);
        let whole = model
            .world
            .shows
            .values()
            .any(|s| s.queue.len() + 1 >= CALLERS);
        if moves && whole && model.dirty && took.len() < FRAMES {
            model.dirty = false;
            terminal
                .draw(|frame| view(&model, &pictures, frame))
                .unwrap();
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    assert!(took.len() >= 100, "{} frames", took.len());
    let (p50, p99) = (percentile(&took, 50.0), percentile(&took, 99.0));
    rows.push(Row::goal(
        "console, update and frame at 200x60 with 500 callers, p50 / p99",
        format!("{p50:.2} / {p99:.2} ms"),
        "< 4 ms",
        p99 < 4.0,
    ));
}

/// By the callers' door, as the page does it; without media.
fn join(booth: &Booth, invite: &str, name: &str) {
    let body = format!(
        "{{\"show\":\"main\",\"invite\":\"{invite}\",\"name\":\"{name}\",\"topic\":\"what everybody talks about\"}}"
    );
    let request = format!(
        "POST /api/join HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        booth.setup.http,
        body.len()
    );
    let reply = wait_for("an answer of the door", Duration::from_secs(20), || {
        let mut stream = TcpStream::connect(("127.0.0.1", booth.setup.http)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    });
    assert!(reply.starts_with("HTTP/1.1 20"), "{reply}");
}
