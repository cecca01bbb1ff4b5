//! Rehearsals on shadows.

use booth_core::{ChannelSettings, Command, FailoverPolicy};
use booth_proto::worker::{DrillDesired, DrillReport, DrillStep, Force, from_worker, to_worker};

use super::{FakeWorker, SOON, command, create, id, server};
use crate::drills::DrillRoom;
use crate::server::{DrillError, Drills};
use crate::start::Server;

impl FakeWorker {
    async fn rehearsal(&mut self) -> DrillDesired {
        let pick = |m| match m {
            to_worker::Message::Drill(desired) => Some(desired),
            _ => None,
        };
        self.next("rehearsal", pick).await
    }
}

async fn units_without_drill(server: &Server) {
    tokio::time::timeout(SOON, async {
        while server
            .rooms
            .system
            .units()
            .iter()
            .any(|u| u.name == "drill-radio")
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its worker is gone");
}

#[tokio::test]
async fn a_rehearsal_has_the_channels_policy_and_none_of_its_doors_and_its_reports_are_handed_on() {
    let (server, dir) = server().await;
    let settings = ChannelSettings {
        policy: FailoverPolicy {
            lost_ms: 450,
            ..FailoverPolicy::default()
        },
        monitor_port: Some(9_500),
        hls: true,
        ..ChannelSettings::default()
    };
    create(&server, "radio", settings).await;
    let force = Command::ForceChannel {
        id: id("radio"),
        force: booth_core::Force::Backup,
    };
    command(&server, force).await;
    let mut reports = server.rooms.drills.start(&id("radio")).await.unwrap();
    assert_eq!(
        server.rooms.drills.start(&id("radio")).await.unwrap_err(),
        DrillError::Running
    );
    let mut worker = FakeWorker::attach(&dir, "drill-radio").await;
    let shadow = worker.rehearsal().await.channel.unwrap();
    let settings = shadow.settings.unwrap();
    assert_eq!(settings.lost_ms, 450);
    assert_eq!((settings.srt_port, settings.monitor_port), (0, 0));
    assert!(settings.hls_dir.is_empty() && settings.media_socket.is_empty());
    assert!(shadow.destinations.is_empty() && shadow.publisher == 0);
    assert_eq!(shadow.force, i32::from(Force::Auto));
    let step = DrillReport {
        step: Some(DrillStep {
            step: "publisher killed".into(),
            freeze_ms: 33,
            passed: true,
            ..DrillStep::default()
        }),
        ..DrillReport::default()
    };
    let last = DrillReport {
        done: true,
        ..DrillReport::default()
    };
    for report in [step.clone(), last.clone()] {
        worker.say(from_worker::Message::Drill(report)).await;
    }
    assert_eq!(reports.recv().await, Some(step));
    assert_eq!(reports.recv().await, Some(last));
    worker.told_to_end().await;
    drop(worker);
    units_without_drill(&server).await;
    assert!(server.rooms.drills.start(&id("radio")).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_rehearsal_that_nobody_waits_for_is_over_and_one_without_a_worker_fails() {
    let (server, dir) = server().await;
    create(&server, "radio", ChannelSettings::default()).await;
    let reports = server.rooms.drills.start(&id("radio")).await.unwrap();
    let mut worker = FakeWorker::attach(&dir, "drill-radio").await;
    worker.rehearsal().await;
    drop(reports);
    worker.told_to_end().await;
    drop(worker);
    units_without_drill(&server).await;
    // What stands in for workers here ends at once.
    let mut reports = server.rooms.drills.start(&id("radio")).await.unwrap();
    let report = tokio::time::timeout(SOON, reports.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(
        report.done && report.error.contains("exit status"),
        "{report:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn each_rehearsal_of_a_channel_has_another_number_and_the_one_before_is_forgotten() {
    let room = DrillRoom::new(std::sync::Arc::default());
    let first = room.start(&id("radio")).await.unwrap();
    let before = room.running();
    let done = DrillReport {
        done: true,
        ..DrillReport::default()
    };
    room.report(&id("radio"), done);
    assert!(room.running().is_empty());
    let second = room.start(&id("radio")).await.unwrap();
    let now = room.running();
    assert!(now.contains_key(&id("radio")) && now != before);
    drop((first, second));
}
