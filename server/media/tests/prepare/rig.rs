//! A worker process with a boothd around it, and a directory for files.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{PrepareDesired, PrepareReport};

use crate::boothd::{Boothd, PATIENCE};

pub struct Rig {
    pub boothd: Boothd,
    pub worker: Child,
    pub dir: tempfile::TempDir,
}

impl Rig {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub fn start_in(dir: tempfile::TempDir) -> Self {
        let boothd = Boothd::listen(&dir.path().join("workers.sock"));
        let worker = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "worker_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("BOOTH_TEST_WORKER", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let rig = Self {
            boothd,
            worker,
            dir,
        };
        rig.boothd.hear("hello", |said| match said {
            Said::Hello(hello) => Some(hello.clone()),
            _ => None,
        });
        rig
    }

    pub fn backup(&self) -> PathBuf {
        self.dir.path().join("backup.loop")
    }

    pub fn slate(&self) -> PathBuf {
        self.dir.path().join("slate.loop")
    }

    pub fn order(&self, files: &[&Path]) -> PrepareDesired {
        PrepareDesired {
            key: "k1".to_owned(),
            files: files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            backup_path: self.backup().display().to_string(),
            width: 320,
            height: 180,
            fps: 30,
            video_bitrate_kbps: 500,
            preset: "ultrafast".to_owned(),
            copy: true,
            ..PrepareDesired::default()
        }
    }

    pub fn say(&self, order: &PrepareDesired) {
        self.boothd.say(Say::Prepare(order.clone()));
    }

    /// How the order ended.
    #[track_caller]
    pub fn outcome(&self, key: &str) -> PrepareReport {
        self.boothd.hear("the outcome", |said| match said {
            Said::Prepare(report)
                if report.key == key && (report.done || !report.error.is_empty()) =>
            {
                Some(report.clone())
            }
            _ => None,
        })
    }

    #[track_caller]
    pub fn prepare(&self, order: &PrepareDesired) -> PrepareReport {
        self.say(order);
        self.outcome(&order.key)
    }

    /// Ends the worker as boothd does, and gives its exit code.
    #[track_caller]
    pub fn exit_code(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.worker.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the worker does not end");
            // Waits for the child without busy looping; the value waited for is its exit.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}
