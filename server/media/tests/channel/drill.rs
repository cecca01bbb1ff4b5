//! A rehearsal as boothd runs it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{ChannelDesired, DrillDesired, DrillReport, DrillStep, Shutdown};

use crate::boothd::Boothd;
use crate::rig::{BACKUP, settings};

struct Rehearsal {
    boothd: Boothd,
    worker: Child,
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

fn rehearse(dir: &Path, desired: ChannelDesired) -> Rehearsal {
    let boothd = Boothd::listen(&dir.join("workers.sock"));
    let worker = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "worker_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("BOOTH_TEST_WORKER", dir)
        .env("BOOTH_TEST_UNIT", "drill-1")
        .env("BOOTH_TEST_ORPHAN_MS", "60000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    boothd.hear("Hello", |said| match said {
        Said::Hello(hello) => (hello.unit == "drill-1").then_some(()),
        _ => None,
    });
    boothd.say(Say::Drill(DrillDesired {
        channel: Some(desired),
    }));
    Rehearsal { boothd, worker }
}

impl Rehearsal {
    #[track_caller]
    fn step(&self, name: &str) -> DrillStep {
        self.boothd.hear(name, |said| match said {
            Said::Drill(DrillReport {
                step: Some(step), ..
            }) => (step.step == name).then(|| step.clone()),
            _ => None,
        })
    }

    #[track_caller]
    fn done(&mut self) -> DrillReport {
        let report = self.boothd.hear("the end", |said| match said {
            Said::Drill(report) if report.done => Some(report.clone()),
            _ => None,
        });
        self.boothd.say(Say::Shutdown(Shutdown {}));
        assert_eq!(self.worker.wait().unwrap().code(), Some(0));
        report
    }
}

#[test]
fn a_channel_in_order_passes_every_step_of_its_rehearsal() {
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("backup.loop");
    BACKUP.write_loop(&backup);
    let mut rehearsal = rehearse(
        dir.path(),
        ChannelDesired {
            settings: Some(settings(dir.path())),
            backup_path: backup.to_str().unwrap().to_owned(),
            prepared_key: "1".to_owned(),
            ..ChannelDesired::default()
        },
    );
    for name in [
        "live taken",
        "publisher killed",
        "back to live after the kill",
        "publisher stalled",
        "back to live after the stall",
        "backup forced",
        "live forced",
    ] {
        let step = rehearsal.step(name);
        // What a loaded machine adds to arrivals is no fault of the channel.
        let late = step.text.starts_with("no picture for") && step.freeze_ms < 150;
        assert!(step.passed || late, "{step:?}");
        assert_eq!(step.timestamp_step_ms, 0, "{step:?}");
        assert!(step.reaction_ms > 0, "{step:?}");
    }
    assert_eq!(rehearsal.done().error, "");
}

#[test]
fn a_channel_without_loops_has_nothing_to_rehearse_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut rehearsal = rehearse(
        dir.path(),
        ChannelDesired {
            settings: Some(settings(dir.path())),
            ..ChannelDesired::default()
        },
    );
    let error = rehearsal.done().error;
    assert!(error.contains("neither backup nor slate"), "{error}");
}
