//! The other ends of a channel: an encoder that publishes, and receivers at its destinations, judged.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use booth_judge::report::SeenFrame;
use booth_judge::{Judge, JudgeInput, Options, Report};

use crate::{tcp_port, wait_for};

/// A child process that is ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// Standard error goes to `log`; standard output where `command` says.
    #[track_caller]
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command.stdin(Stdio::null()).stderr(file).spawn();
        Self {
            child: Some(child.unwrap_or_else(|e| panic!("{command:?}: {e}"))),
            log,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn take_stdout(&mut self) -> impl Read + Send + 'static {
        self.child.as_mut().unwrap().stdout.take().unwrap()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP: it is there, its sockets are, and nothing comes.
    pub fn stall(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// ffmpeg as an encoder in real time: `film` in a loop, passed on as it is.
pub fn publish(film: &Path, url: &str, log: PathBuf) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args([
        "-hide_banner",
        "-loglevel",
        "warning",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
    ]);
    command.arg(film);
    let format = if url.starts_with("srt") {
        "mpegts"
    } else {
        "flv"
    };
    command.args([
        "-c",
        "copy",
        "-flvflags",
        "no_duration_filesize",
        "-f",
        format,
        url,
    ]);
    Process::start(command.stdout(Stdio::null()), log)
}

/// How the judge looks at a restream: where sources meet, AAC frames may be half a frame (10.7 ms) off their grid, so
/// that sound stays with its picture.
pub fn looking() -> Options {
    Options {
        live: Some(true),
        max_audio_gap_ms: 11.0,
        keep: 4_000,
        ..Options::default()
    }
}

/// An RTMP server of one stream, whose packets go to the judge.
pub struct Receiver {
    pub judge: Judge,
    pub port: u16,
    process: Process,
}

impl Receiver {
    /// `ffmpeg -listen 1`: takes one publisher, and ends with it.
    #[track_caller]
    pub fn listen(dir: &Path, name: &str) -> Self {
        Self::listen_on(tcp_port(), dir, name)
    }

    #[track_caller]
    pub fn listen_on(port: u16, dir: &Path, name: &str) -> Self {
        let url = format!("rtmp://127.0.0.1:{port}/live/{name}");
        let mut receiver = Self::judging(&["-listen", "1", "-i", &url], &[], dir, name, port);
        wait_for("a listening receiver", Duration::from_secs(10), || {
            assert!(!receiver.process.ended(), "{}", receiver.process.log());
            listens(port).then_some(())
        });
        receiver
    }

    /// Watches a stream of the application `out` of this nginx, once it is there.
    #[track_caller]
    pub fn pull(nginx: &Nginx, stream: &str, dir: &Path) -> Self {
        let stat = nginx.stat();
        wait_for("a published stream", Duration::from_secs(30), || {
            stat.publishes("out", stream).then_some(())
        });
        let url = format!("{}/{stream}", nginx.url("out"));
        Self::judging(&["-rtmp_live", "live", "-i", &url], &[], dir, stream, 0)
    }

    /// The same for a sender whose timestamps may go back: frames get those of their number at 30 a second, in order
    /// of arrival (so no B-frames), and only arrivals mean something.
    #[track_caller]
    pub fn pull_restamped(nginx: &Nginx, stream: &str, dir: &Path) -> Self {
        let stat = nginx.stat();
        wait_for("a published stream", Duration::from_secs(30), || {
            stat.publishes("out", stream).then_some(())
        });
        let url = format!("{}/{stream}", nginx.url("out"));
        let stamps = ["-bsf:v", "setts=ts=N*100/3", "-bsf:a", "setts=ts=N*64/3"];
        Self::judging(&["-rtmp_live", "live", "-i", &url], &stamps, dir, stream, 0)
    }

    fn judging(input: &[&str], stamps: &[&str], dir: &Path, name: &str, port: u16) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "warning"]);
        // It looks until it has seen both media, and timestamps stay as they came. Without `nobuffer`, which throws away
        // what was looked at.
        command.args(["-flags", "low_delay", "-probesize", "5000000"]);
        command.args(["-analyzeduration", "3000000"]).args(input);
        command
            .args(["-map", "0:v?", "-map", "0:a?", "-copyts", "-c", "copy"])
            .args(stamps);
        command.args(["-flvflags", "no_duration_filesize", "-flush_packets", "1"]);
        command.args(["-f", "flv", "pipe:1"]);
        let log = dir.join(format!("{name}.receiver.log"));
        let mut process = Process::start(command.stdout(Stdio::piped()), log);
        let packets = Box::new(process.take_stdout());
        let input = JudgeInput::Flv(name.to_owned(), packets);
        let judge = Judge::spawn(input, looking()).unwrap();
        Self {
            judge,
            port,
            process,
        }
    }

    /// What a destination is given.
    pub fn url(&self) -> String {
        format!("rtmp://127.0.0.1:{}/live", self.port)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Whether somebody listens on this TCP port; nothing is connected.
fn listens(port: u16) -> bool {
    let listening = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().unwrap_or_default();
            // State 0A is LISTEN (proc(5)).
            local.ends_with(&listening) && words.nth(1) == Some("0A")
        })
    })
}

/// Debian's nginx with its RTMP module: what people restream through. Applications `in` and `out`.
pub struct Nginx {
    pub port: u16,
    http: u16,
    process: Process,
}

impl Nginx {
    #[track_caller]
    pub fn start(dir: &Path) -> Self {
        let (port, http) = (tcp_port(), tcp_port());
        let home = dir.join("nginx");
        std::fs::create_dir_all(home.join("logs")).unwrap();
        let conf = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             daemon off;\nmaster_process off;\npid {home}/nginx.pid;\nerror_log {home}/error.log warn;\n\
             events {{ worker_connections 64; }}\n\
             rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 4096;\n\
             application in {{ live on; }}\napplication out {{ live on; }} }} }}\n\
             http {{ access_log off; server {{ listen 127.0.0.1:{http};\n\
             location /stat {{ rtmp_stat all; }} }} }}\n",
            home = home.display()
        );
        let file = home.join("nginx.conf");
        std::fs::write(&file, conf).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-c").arg(&file).arg("-p").arg(&home);
        let mut process = Process::start(command.stdout(Stdio::null()), home.join("nginx.log"));
        wait_for("a listening nginx", Duration::from_secs(10), || {
            assert!(!process.ended(), "{}", process.log());
            listens(port).then_some(())
        });
        Self {
            port,
            http,
            process,
        }
    }

    pub fn stat(&self) -> Stat {
        Stat { port: self.http }
    }

    pub fn url(&self, app: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{app}", self.port)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// nginx's own statistics.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    port: u16,
}

impl Stat {
    /// Whether bytes come in for this stream of this application: as a controller asks that cannot see frames.
    pub fn publishes(&self, app: &str, stream: &str) -> bool {
        let Some(page) = self.page() else {
            return false;
        };
        let between = |text: &str, from: &str, to: &str| {
            let (_, rest) = text.split_once(from)?;
            Some(rest.split_once(to)?.0.to_owned())
        };
        let of_app = |page: &str| {
            let mut apps = page.split("<application>");
            apps.find(|a| a.contains(&format!("<name>{app}</name>")))
                .map(str::to_owned)
        };
        let rate = of_app(&page)
            .and_then(|app| {
                let mut streams = app.split("<stream>");
                streams
                    .find(|s| s.contains(&format!("<name>{stream}</name>")))
                    .map(str::to_owned)
            })
            .filter(|stream| stream.contains("<publishing/>"))
            .and_then(|stream| between(&stream, "<bw_in>", "</bw_in>"));
        rate.and_then(|rate| rate.parse::<u64>().ok())
            .is_some_and(|rate| rate > 0)
    }

    fn page(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream
            .write_all(b"GET /stat HTTP/1.0\r\nHost: nginx\r\n\r\n")
            .ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    }
}

/// What a viewer saw of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Longest time for which the picture did not change, in milliseconds.
    pub freeze_ms: f64,
    /// Largest step between presentation times, in milliseconds.
    pub step_ms: f64,
    /// Presentation times that did not rise.
    pub back: u32,
    pub frames: usize,
}

/// How far back a viewer's player looks to know how late frames come.
const SETTLED_NS: u64 = 2_000_000_000;

/// Plays the frames that arrived between two moments of `CLOCK_MONOTONIC` as a player does that holds no more than it
/// needed in the two seconds before: each is shown at its presentation time, or when it has arrived, whichever is later.
pub fn seen_between(report: &Report, from_ns: u64, to_ns: u64) -> Seen {
    let picture = report.picture.as_ref().expect("decoded pictures");
    let nanos = |ticks: i64| i128::from(ticks) * 100_000 / 9;
    let late =
        |frame: &SeenFrame| i128::from(frame.stamp.first_packet_at_ns) - nanos(frame.stamp.pts);
    let arrived = |frame: &SeenFrame| frame.stamp.first_packet_at_ns;
    let before = picture.recent.iter().filter(|f| {
        let at = arrived(f);
        at < from_ns && at + SETTLED_NS >= from_ns
    });
    let held = before.map(late).max();
    let mut seen = Seen {
        freeze_ms: 0.0,
        step_ms: 0.0,
        back: 0,
        frames: 0,
    };
    let mut last: Option<&SeenFrame> = None;
    // When the picture that is seen came on.
    let mut since: Option<i128> = None;
    let mut shown = i128::MIN;
    for frame in &picture.recent {
        let at = arrived(frame);
        if at + SETTLED_NS < from_ns || at > to_ns {
            continue;
        }
        let due = held.map_or(i128::MIN, |held| nanos(frame.stamp.pts) + held);
        shown = shown.max(due).max(i128::from(at));
        let same = last.is_some_and(|last| last.code == frame.code && frame.code.is_some());
        if at >= from_ns {
            seen.frames += 1;
            let freeze = since.map_or(0, |since| shown - since);
            seen.freeze_ms = seen.freeze_ms.max(freeze as f64 / 1e6);
            if let Some(last) = last {
                let step = frame.stamp.pts - last.stamp.pts;
                seen.step_ms = seen.step_ms.max(step as f64 / 90.0);
                seen.back += u32::from(step <= 0);
            }
        }
        if !same {
            since = Some(shown);
        }
        last = Some(frame);
    }
    seen
}
