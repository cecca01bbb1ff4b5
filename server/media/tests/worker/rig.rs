//! A worker process with a boothd around it.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::slot_report::Showing;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{SlotDesired, SlotSettings};

use crate::boothd::{Boothd, PATIENCE};

/// A slot of the tests: small pictures, so that many run at once.
pub fn settings() -> SlotSettings {
    SlotSettings {
        port: u32::from(free_port()),
        bind: "127.0.0.1".to_owned(),
        latency_ms: 20,
        width: 640,
        height: 360,
        fps: 30,
        video_bitrate_kbps: 800,
        preset: "ultrafast".to_owned(),
        ..SlotSettings::default()
    }
}

pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub struct Rig {
    pub boothd: Option<Arc<Boothd>>,
    pub desired: SlotDesired,
    worker: Child,
    dir: tempfile::TempDir,
}

impl Rig {
    pub fn start(settings: SlotSettings) -> Self {
        Self::start_with(settings, Duration::from_secs(60))
    }

    pub fn start_with(settings: SlotSettings, orphan_timeout: Duration) -> Self {
        // The senders and receivers of the tests are as much in time as the worker. Without the right to it: as they are.
        let _ = rustix::process::setpriority_process(None, -5);
        gst::init().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let boothd = Boothd::listen(&dir.path().join("workers.sock"));
        let worker = spawn(dir.path(), orphan_timeout);
        let desired = SlotDesired {
            generation: 1,
            settings: Some(settings),
            ..SlotDesired::default()
        };
        let rig = Self {
            boothd: Some(Arc::new(boothd)),
            desired,
            worker,
            dir,
        };
        rig.greet();
        rig
    }

    pub fn boothd(&self) -> &Arc<Boothd> {
        self.boothd.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        u16::try_from(self.desired.settings.as_ref().unwrap().port).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.worker.id()
    }

    /// Waits for the worker's Hello and tells it the wish; the Hello is returned.
    pub fn greet(&self) -> booth_proto::worker::Hello {
        let hello = self.boothd().hear("Hello", |said| match said {
            Said::Hello(hello) => Some(hello.clone()),
            _ => None,
        });
        self.boothd().say(Say::Slot(self.desired.clone()));
        hello
    }

    pub fn want(&mut self, change: impl FnOnce(&mut SlotDesired)) {
        change(&mut self.desired);
        self.desired.generation += 1;
        self.boothd().say(Say::Slot(self.desired.clone()));
    }

    /// Waits for the report that answers the present wish with this.
    #[track_caller]
    pub fn shows(&self, showing: Showing, caller: &str) {
        let generation = self.desired.generation;
        self.boothd()
            .hear(&format!("{showing:?} {caller}"), |said| match said {
                Said::Slot(report) => (report.showing() == showing
                    && report.caller == caller
                    && report.generation == generation)
                    .then_some(()),
                _ => None,
            });
    }

    /// boothd dies: the socket is gone.
    pub fn boothd_dies(&mut self) {
        self.boothd = None;
    }

    /// Another boothd listens and tells the same wish.
    pub fn boothd_returns(&mut self) -> booth_proto::worker::Hello {
        self.boothd = Some(Arc::new(Boothd::listen(
            &self.dir.path().join("workers.sock"),
        )));
        self.greet()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the worker's end; its exit code, if it was not killed.
    pub fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.worker.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the worker does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// A new worker of the same unit, as the supervisor would start.
    pub fn restart(&mut self) {
        self.boothd().forget();
        self.worker = spawn(self.dir.path(), Duration::from_secs(60));
        self.greet();
    }

    pub fn lock(&self) -> std::path::PathBuf {
        self.dir.path().join("slot-1.lock")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// This very test binary, run as a worker: see `worker_process` in main.rs.
fn spawn(dir: &std::path::Path, orphan_timeout: Duration) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "worker_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("BOOTH_TEST_WORKER", dir)
        .env(
            "BOOTH_TEST_ORPHAN_MS",
            orphan_timeout.as_millis().to_string(),
        )
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
