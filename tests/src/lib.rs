//! What tests and benches share: a real boothd with its real command line, on free ports and a directory of its own.
//!
//! Everything waits for a value with a deadline; every process started here is ended here, by its number.
#![allow(
    clippy::print_stderr,
    reason = "a failed test shows the logs of what it ran"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper stops at the first surprise"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "polls of outside processes have nothing to await"
)]

pub mod film;
pub mod glass;
pub mod pty;
pub mod relay;
pub mod rtmp;
pub mod terminal;
pub mod vmix;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A directory with the built binaries: `BOOTH_BIN_DIR`, or where this test itself was built.
pub fn bin(name: &str) -> PathBuf {
    let dir = std::env::var_os("BOOTH_BIN_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let exe = std::env::current_exe().unwrap();
            let dir = exe.parent().unwrap();
            if dir.ends_with("deps") {
                dir.parent().unwrap().to_owned()
            } else {
                dir.to_owned()
            }
        });
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --workspace",
        path.display()
    );
    path
}

/// Waits until `look` has something to say.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < end, "after {limit:?} still no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ports from here up are asked for in turn, so that tests of one process never meet. Below those that the kernel gives
/// out by itself (32768 and up).
static NEXT_UDP: AtomicU16 = AtomicU16::new(0);
/// The same for TCP, where one more thing would go wrong above: who calls a closed port of the kernel's range again and
/// again is given that very port for its own end one day, and is connected to itself.
static NEXT_TCP: AtomicU16 = AtomicU16::new(0);

/// The first of `count` UDP ports in a row that are free now.
pub fn udp_ports(count: u16) -> u16 {
    let start = NEXT_UDP
        .load(Ordering::Relaxed)
        .max(15_000 + (std::process::id() % 1_000) as u16 * 16);
    let mut first = start;
    loop {
        let free = (first..first + count).all(|p| UdpSocket::bind(("0.0.0.0", p)).is_ok());
        if free {
            NEXT_UDP.store(first + count, Ordering::Relaxed);
            return first;
        }
        first += count;
        assert!(first < 32_000, "no free UDP ports");
    }
}

/// A TCP port that is free now.
pub fn tcp_port() -> u16 {
    let first = 10_000 + (std::process::id() % 300) as u16 * 16;
    let _ = NEXT_TCP.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    loop {
        let port = NEXT_TCP.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_000, "no free TCP ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How a boothd of the tests is set up; the same for each of its lives.
#[derive(Debug, Clone)]
pub struct Setup {
    pub grpc: u16,
    pub http: u16,
    pub first_slot_port: u16,
    pub rtc_first: u16,
    pub extra: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl Setup {
    fn free(settings: &[&str], env: &[(&str, &str)]) -> Self {
        let slots = udp_ports(4);
        let rtc = udp_ports(120);
        Self {
            grpc: tcp_port(),
            http: tcp_port(),
            first_slot_port: slots,
            rtc_first: rtc,
            extra: settings.iter().map(|s| (*s).to_owned()).collect(),
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }
}

/// A running boothd; dropping it stops it and its workers.
#[derive(Debug)]
pub struct Booth {
    pub setup: Setup,
    pub dir: tempfile::TempDir,
    process: Option<Child>,
    /// From start to `ready`.
    pub start_took: Duration,
    _alone: MutexGuard<'static, ()>,
}

/// One at a time: a server with its outputs, its callers and its judge keeps two cores busy, and they keep real time.
static ALONE: Mutex<()> = Mutex::new(());

/// The turn of a test that starts its servers in another way.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Booth {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings beside the usual ones. Ports are chosen when it is this one's turn, not before.
    pub fn with(settings: &[&str]) -> Self {
        Self::with_env(settings, &[])
    }

    /// The same with variables of the environment.
    pub fn with_env(settings: &[&str], env: &[(&str, &str)]) -> Self {
        let alone = alone();
        let setup = Setup::free(settings, env);
        let dir = tempfile::Builder::new().prefix("booth").tempdir().unwrap();
        let mut booth = Self {
            setup,
            dir,
            process: None,
            start_took: Duration::ZERO,
            _alone: alone,
        };
        booth.boot();
        booth
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Starts the process (again) and waits for `ready`.
    pub fn boot(&mut self) {
        let s = &self.setup;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("boothd.log"))
            .unwrap();
        let began = Instant::now();
        let mut command = Command::new(bin("boothd"));
        command.arg("--data").arg(self.data());
        for set in [
            format!("grpc.listen=127.0.0.1:{}", s.grpc),
            format!("http.listen=127.0.0.1:{}", s.http),
            format!("slots.first_port={}", s.first_slot_port),
            "slots.bind=127.0.0.1".into(),
            // Channels' tests name a port of their own; others open none.
            "rtmp.listen=".into(),
            "rtc.bind_ip=127.0.0.1".into(),
            format!("rtc.udp_ports={}-{}", s.rtc_first, s.rtc_first + 119),
            "http.joins_per_minute=100000".into(),
            "workers.orphan_timeout_s=30".into(),
        ]
        .iter()
        .chain(&s.extra)
        {
            command.arg("--set").arg(set);
        }
        command
            .envs(s.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|l| l.ok().filter(|l| l.starts_with("ready")));
        self.process = Some(process);
        assert!(ready.is_some(), "boothd did not get ready:\n{}", self.log());
        self.start_took = began.elapsed();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("boothd.log")).unwrap_or_default()
    }

    /// As a power cut sees it.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// As an operator does it.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill")
                .arg("-TERM")
                .arg(process.id().to_string())
                .status();
            let end = Instant::now() + Duration::from_secs(10);
            while process.try_wait().unwrap().is_none() {
                if Instant::now() > end {
                    let _ = process.kill();
                    let _ = process.wait();
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Runs the command line against this server.
    pub fn cli_output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("booth"));
        command
            .env(
                "BOOTH_SERVER",
                format!("http://127.0.0.1:{}", self.setup.grpc),
            )
            .env("BOOTH_TOKEN_FILE", self.data().join("admin.token"))
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Runs `booth … -o json` and reads the answer.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Value {
        let out = self.cli_output(&[args, &["-o", "json"]].concat());
        assert!(
            out.status.success(),
            "booth {args:?}: {}\n{}\n--- boothd:\n{}",
            out.status,
            String::from_utf8_lossy(&out.stderr),
            self.log()
        );
        if out.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&out.stdout).unwrap()
        }
    }

    pub fn callers(&self) -> Vec<Value> {
        self.cli(&["caller", "list"])["callers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    pub fn caller_named(&self, name: &str) -> Option<Value> {
        self.callers()
            .into_iter()
            .find(|c| c["displayName"] == name)
    }

    pub fn slot(&self, id: &str) -> Value {
        self.cli(&["slot", "get", id])["slot"].clone()
    }

    /// Where slot `number` (1, 2, …) is pulled.
    pub fn slot_port(&self, number: u16) -> u16 {
        self.setup.first_slot_port + number - 1
    }

    /// The number of the process that runs a slot's output.
    pub fn worker_pid(&self, number: u16) -> Option<i32> {
        let status = self.cli(&["status"]);
        let unit = status["units"]
            .as_array()?
            .iter()
            .find(|u| u["name"] == format!("slot-{number}"))?
            .clone();
        unit["attached"]
            .as_bool()
            .unwrap_or(false)
            .then(|| unit["pid"].as_i64().unwrap() as i32)
    }

    /// Waits until the workers of slots 1 and 2 are attached.
    #[track_caller]
    pub fn wait_for_workers(&self) {
        wait_for("attached workers", Duration::from_secs(15), || {
            (self.worker_pid(1).is_some() && self.worker_pid(2).is_some()).then_some(())
        });
    }

    /// Changes settings of a slot that restart its output, and waits for the new one.
    #[track_caller]
    pub fn update_slot(&self, number: u16, settings: &[&str]) {
        let before = self.worker_pid(number);
        let id = number.to_string();
        self.cli(&[&["slot", "update", &id], settings].concat());
        wait_for("restarted worker", Duration::from_secs(15), || {
            self.worker_pid(number).filter(|pid| Some(*pid) != before)
        });
    }

    /// A fresh join secret of show `main`.
    pub fn invite(&self, uses: u32) -> String {
        self.cli(&["invite", "create", "--uses", &uses.to_string()])["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Starts `count` synthetic callers, named `caller 1`, …; dropping the result ends them.
    pub fn demo(&self, count: u32, extra: &[&str]) -> Demo {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("demo.log"))
            .unwrap();
        let process = Command::new(bin("boothd"))
            .arg("demo")
            .args(["--url", &format!("http://127.0.0.1:{}", self.setup.http)])
            .args(["--callers", &count.to_string()])
            .args(extra)
            .env("BOOTH_INVITE", self.invite(count))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        Demo { process }
    }

    /// Waits until a caller of this name is connected, and says its id.
    #[track_caller]
    pub fn wait_connected(&self, name: &str) -> String {
        let caller = wait_for(
            &format!("connected {name}"),
            Duration::from_secs(30),
            || {
                self.caller_named(name)
                    .filter(|c| c["connected"] == true && c["state"] != "STATE_JOINING")
            },
        );
        caller["name"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }

    /// Waits until slot `number` shows this: `IDLE`, `ARMED`, `CALLER`, `FROZEN`.
    #[track_caller]
    pub fn wait_showing(&self, number: u16, showing: &str, limit: Duration) {
        let wanted = format!("SHOWING_{showing}");
        wait_for(&format!("slot {number} {showing}"), limit, || {
            (self.slot(&number.to_string())["showing"] == wanted.as_str()).then_some(())
        });
    }
}

impl Drop for Booth {
    fn drop(&mut self) {
        if self.process.is_none() && self.data().exists() {
            // Killed on purpose: its workers wait for the next one. Start it, so that it stops them; a failure to start
            // must not hide the failure that led here.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.boot()));
        }
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- boothd:\n{}", tail(&self.log(), 60));
            let run = self.data().join("run");
            for name in [
                "slot-1.log",
                "slot-2.log",
                "channel-radio.log",
                "ingest.log",
            ] {
                let text = std::fs::read_to_string(run.join(name)).unwrap_or_default();
                eprintln!("--- {name}:\n{}", tail(&text, 30));
            }
            let demo =
                std::fs::read_to_string(self.dir.path().join("demo.log")).unwrap_or_default();
            eprintln!("--- demo:\n{}", tail(&demo, 20));
        }
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Synthetic callers.
#[derive(Debug)]
pub struct Demo {
    pub process: Child,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg("-TERM")
            .arg(self.process.id().to_string())
            .status();
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A process's processor time so far and resident memory, from `/proc`.
pub fn usage(pid: u32) -> (Duration, u64) {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    // utime and stime are fields 14 and 15 of proc(5), rss is 24; the ones before `)` are cut off. 100 ticks a second.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let pages: u64 = fields[21].parse().unwrap();
    (Duration::from_millis(ticks * 10), pages * 4_096)
}
