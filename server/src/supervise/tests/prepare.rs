//! Backups brought to a channel's format, by workers with one task each.

use std::path::Path;

use booth_core::{Backup, ChannelSettings, Command, Prepared};
use booth_proto::worker::{ChannelReport, PrepareDesired, PrepareReport, from_worker, to_worker};

use super::{FakeWorker, SOON, channel, command, create, id, running, server, until};
use crate::start::Server;

impl FakeWorker {
    async fn task(&mut self) -> PrepareDesired {
        let pick = |m| match m {
            to_worker::Message::Prepare(desired) => Some(desired),
            _ => None,
        };
        self.next("task", pick).await
    }

    async fn prepared(&mut self, report: PrepareReport) {
        self.say(from_worker::Message::Prepare(report)).await;
    }
}

fn with_backup(digest: &str) -> ChannelSettings {
    ChannelSettings {
        backup: Some(Backup {
            files: vec!["/srv/a.mp4".into(), "/srv/b.mp4".into()],
            digest: digest.into(),
        }),
        slate: Some("/srv/slate.png".into()),
        ..ChannelSettings::default()
    }
}

/// Does what a worker does with its task, and ends.
async fn done(mut worker: FakeWorker, task: &PrepareDesired) {
    for path in [&task.backup_path, &task.slate_path] {
        std::fs::write(path, "frames").unwrap();
    }
    let report = PrepareReport {
        key: task.key.clone(),
        percent: 100.0,
        done: true,
        duration_ms: 60_000,
        note: "copied".into(),
        ..PrepareReport::default()
    };
    worker.prepared(report).await;
    worker.told_to_end().await;
}

fn percent(server: &Server) -> f64 {
    let meters = &server.rooms.meters;
    meters.update(|r| {
        r.channels
            .get(&id("radio"))
            .map_or(0.0, |m| m.prepared_percent)
    })
}

async fn gone(path: &str) {
    tokio::time::timeout(SOON, async {
        while Path::new(path).exists() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{path} is still there"));
}

#[tokio::test]
async fn a_backup_is_prepared_shown_with_its_progress_and_played_until_another_one_is_ready() {
    let (server, dir) = server().await;
    running(&server, "radio", with_backup("one")).await;
    let mut output = FakeWorker::attach(&dir, "channel-radio").await;
    let before = output.channel("order", |_| true).await;
    assert_eq!(
        (before.backup_path.as_str(), before.slate_path.as_str()),
        ("", "")
    );

    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let first = worker.task().await;
    assert_eq!(first.files, ["/srv/a.mp4", "/srv/b.mp4"]);
    assert_eq!(first.slate, "/srv/slate.png");
    assert!(first.copy && first.width == 1280 && !first.check);
    let halfway = PrepareReport {
        key: first.key.clone(),
        percent: 50.0,
        ..PrepareReport::default()
    };
    worker.prepared(halfway).await;
    tokio::time::timeout(SOON, async {
        while (percent(&server) - 50.0).abs() > 0.1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("progress is shown");
    done(worker, &first).await;
    let played = output.channel("loops", |d| !d.backup_path.is_empty()).await;
    assert_eq!(
        (
            &played.backup_path,
            &played.slate_path,
            &played.prepared_key
        ),
        (&first.backup_path, &first.slate_path, &first.key)
    );
    until(&server, "loops", |s| {
        matches!(&channel(s, "radio").prepared, Some(Prepared::Ready { duration_ms: 60_000, note, .. }) if note.as_str() == "copied")
    })
    .await;

    // Another backup: the old one stays on air until the new one is there.
    let update = Command::UpdateChannel {
        id: id("radio"),
        settings: with_backup("two"),
    };
    command(&server, update).await;
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let second = worker.task().await;
    assert_ne!(second.key, first.key);
    // What an earlier run says counts no more.
    let stale = PrepareReport {
        key: first.key.clone(),
        error: "too late".into(),
        ..PrepareReport::default()
    };
    worker.prepared(stale).await;
    done(worker, &second).await;
    let order = output
        .channel("the new loops", |d| {
            assert!(!d.backup_path.is_empty());
            d.prepared_key == second.key
        })
        .await;
    assert!(
        Path::new(&first.backup_path).exists(),
        "it may still be read"
    );
    let report = ChannelReport {
        generation: order.generation,
        ..ChannelReport::default()
    };
    output.say(from_worker::Message::Channel(report)).await;
    gone(&first.backup_path).await;
    gone(&first.slate_path).await;
    assert!(Path::new(&second.backup_path).exists());
    server.stop().await;
}

#[tokio::test]
async fn loops_that_are_lost_are_not_named_to_a_worker_until_they_are_made_again() {
    let (server, dir) = server().await;
    running(&server, "radio", with_backup("one")).await;
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let task = worker.task().await;
    done(worker, &task).await;
    let mut output = FakeWorker::attach(&dir, "channel-radio").await;
    output.channel("loops", |d| !d.backup_path.is_empty()).await;
    for path in [&task.backup_path, &task.slate_path] {
        std::fs::remove_file(path).unwrap();
    }
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let again = worker.task().await;
    assert_eq!(again.key, task.key);
    // One that comes now has nothing open.
    drop(output);
    let mut output = FakeWorker::attach(&dir, "channel-radio").await;
    let order = output.channel("order", |_| true).await;
    assert_eq!(
        (order.backup_path.as_str(), order.slate_path.as_str()),
        ("", "")
    );
    done(worker, &again).await;
    let order = output.channel("loops", |d| !d.backup_path.is_empty()).await;
    assert_eq!(order.slate_path, again.slate_path);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_prepared_is_said_once_and_tried_again_only_when_it_changes() {
    let (server, dir) = server().await;
    create(&server, "radio", with_backup("one")).await;
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let first = worker.task().await;
    let failed = PrepareReport {
        key: first.key.clone(),
        error: "/srv/a.mp4: no video \u{1b}[2J".into(),
        ..PrepareReport::default()
    };
    worker.prepared(failed).await;
    until(&server, "the reason", |s| {
        matches!(&channel(s, "radio").prepared, Some(Prepared::Failed { reason, .. }) if reason.as_str() == "/srv/a.mp4: no video [2J")
    })
    .await;
    worker.told_to_end().await;
    drop(worker);
    tokio::time::timeout(SOON, async {
        while server
            .rooms
            .system
            .units()
            .iter()
            .any(|u| u.name == "prepare-radio")
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nothing more is tried");
    let update = Command::UpdateChannel {
        id: id("radio"),
        settings: with_backup("mended"),
    };
    command(&server, update).await;
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    assert_ne!(worker.task().await.key, first.key);
    server.stop().await;
}

#[tokio::test]
async fn a_backup_that_is_replaced_while_it_is_prepared_is_given_up() {
    let (server, dir) = server().await;
    create(&server, "radio", with_backup("one")).await;
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let first = worker.task().await;
    let update = Command::UpdateChannel {
        id: id("radio"),
        settings: with_backup("two"),
    };
    command(&server, update).await;
    // Its process is killed, which ends this.
    drop(worker);
    let mut worker = FakeWorker::attach(&dir, "prepare-radio").await;
    let second = worker.task().await;
    assert_ne!(second.key, first.key);
    done(worker, &second).await;
    until(&server, "the second", |s| {
        channel(s, "radio").loops.as_ref() == Some(&second.key)
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_without_a_word_three_times_is_a_failure() {
    let (server, _dir) = server().await;
    // What stands in for workers here ends at once.
    create(&server, "radio", with_backup("one")).await;
    until(&server, "a failure", |s| {
        matches!(&channel(s, "radio").prepared, Some(Prepared::Failed { reason, .. }) if reason.as_str().contains("exit status"))
    })
    .await;
    server.stop().await;
}
