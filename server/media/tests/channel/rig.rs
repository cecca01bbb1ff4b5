//! A channel's worker process with a boothd around it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{
    ChannelDesired, ChannelMode, ChannelReport, ChannelSettings, ChannelShowing, ChannelSwitch,
    DestinationState, Force, Hello,
};

use crate::boothd::{Boothd, PATIENCE};
use crate::film::Film;
use crate::publisher::Publisher;

/// Caller 1 publishes, 2 is the backup; 3 has B-frames.
pub static LIVE: LazyLock<Arc<Film>> = LazyLock::new(|| Arc::new(Film::make(1, 0)));
pub static BACKUP: LazyLock<Arc<Film>> = LazyLock::new(|| Arc::new(Film::make(2, 0)));
pub static REORDERED: LazyLock<Arc<Film>> = LazyLock::new(|| Arc::new(Film::make(3, 2)));

/// As by default, but live is taken soon.
pub fn settings(dir: &Path) -> ChannelSettings {
    ChannelSettings {
        mode: ChannelMode::Copy.into(),
        width: 640,
        height: 360,
        fps: 30,
        video_bitrate_kbps: 500,
        audio_bitrate_kbps: 96,
        stable_ms: 1_000,
        stable_max_ms: 1_000,
        lost_ms: 300,
        delay_ms: 600,
        takeover_ms: 1_000,
        bind: "127.0.0.1".to_owned(),
        media_socket: dir.join("channel-1.media").to_str().unwrap().to_owned(),
        ..ChannelSettings::default()
    }
}

pub struct Rig {
    pub boothd: Option<Arc<Boothd>>,
    pub desired: ChannelDesired,
    worker: Child,
    pub dir: tempfile::TempDir,
}

impl Rig {
    /// A channel with the usual backup; `change` says what else it should be.
    pub fn start(change: impl FnOnce(&mut ChannelDesired)) -> Self {
        Self::start_with(Duration::from_secs(60), change)
    }

    pub fn start_with(orphan_timeout: Duration, change: impl FnOnce(&mut ChannelDesired)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backup = dir.path().join("backup.loop");
        BACKUP.write_loop(&backup);
        let mut desired = ChannelDesired {
            generation: 1,
            settings: Some(settings(dir.path())),
            force: Force::Auto.into(),
            backup_path: backup.to_str().unwrap().to_owned(),
            prepared_key: "1".to_owned(),
            ..ChannelDesired::default()
        };
        change(&mut desired);
        let boothd = Boothd::listen(&dir.path().join("workers.sock"));
        let worker = spawn(dir.path(), orphan_timeout);
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

    pub fn pid(&self) -> u32 {
        self.worker.id()
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("channel-1.media")
    }

    /// Waits for the worker's Hello and tells it the wish; the Hello is returned.
    #[track_caller]
    pub fn greet(&self) -> Hello {
        let hello = self.boothd().hear("Hello", |said| match said {
            Said::Hello(hello) => Some(hello.clone()),
            _ => None,
        });
        self.boothd().say(Say::Channel(self.desired.clone()));
        hello
    }

    pub fn want(&mut self, change: impl FnOnce(&mut ChannelDesired)) {
        change(&mut self.desired);
        self.desired.generation += 1;
        self.boothd().say(Say::Channel(self.desired.clone()));
    }

    /// A publisher that boothd let in, and its media.
    #[track_caller]
    pub fn publish(&mut self, number: u64, film: &Arc<Film>) -> Publisher {
        let publisher = Publisher::start(&self.socket(), number, film);
        self.want(|desired| desired.publisher = number);
        publisher
    }

    /// The first report, since the last `forget`, that `holds`.
    #[track_caller]
    pub fn report(&self, what: &str, holds: impl Fn(&ChannelReport) -> bool) -> ChannelReport {
        self.boothd().hear(what, |said| match said {
            Said::Channel(report) if holds(report) => Some(report.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn shows(&self, showing: ChannelShowing) -> ChannelReport {
        self.report(&format!("{showing:?}"), |report| {
            report.showing() == showing
        })
    }

    /// The first switch to `showing` since the last `forget`.
    #[track_caller]
    pub fn switched(&self, showing: ChannelShowing) -> ChannelSwitch {
        self.boothd()
            .hear(&format!("a switch to {showing:?}"), |said| match said {
                Said::Switch(switch) if switch.showing() == showing => Some(*switch),
                _ => None,
            })
    }

    /// Waits until a destination is in a state; what it says of it is returned.
    #[track_caller]
    pub fn destination(&self, id: &str, state: DestinationState) -> String {
        let find = |report: &ChannelReport| {
            let found = report
                .destinations
                .iter()
                .find(|d| d.id == id && d.state() == state);
            found.map(|destination| destination.error.clone())
        };
        let report = self.report(&format!("{id} {state:?}"), |report| find(report).is_some());
        find(&report).unwrap()
    }

    pub fn boothd_dies(&mut self) {
        self.boothd = None;
    }

    /// Another boothd listens and tells the same wish.
    #[track_caller]
    pub fn boothd_returns(&mut self) -> Hello {
        let path = self.dir.path().join("workers.sock");
        self.boothd = Some(Arc::new(Boothd::listen(&path)));
        self.greet()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.worker);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the worker's end; its exit code, if it was not killed.
    #[track_caller]
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
    #[track_caller]
    pub fn restart(&mut self) -> Hello {
        self.boothd().forget();
        self.worker = spawn(self.dir.path(), Duration::from_secs(60));
        self.greet()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// This very test binary, run as a worker: see `worker_process` in main.rs.
fn spawn(dir: &Path, orphan_timeout: Duration) -> Child {
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
