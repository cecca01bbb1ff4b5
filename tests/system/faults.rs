//! What dies is back, and the receiver does not see it.

use std::process::Command;
use std::time::{Duration, Instant};

use booth_judge::Showing;
use booth_tests::{Booth, wait_for};

use crate::{SOON, assert_unbroken, judge, put_on_air};

#[test]
fn boothd_killed_on_air_is_not_seen_by_the_receiver_and_the_caller_is_on_air_again() {
    let mut booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(2, &[]);
    let (first, second) = (
        booth.wait_connected("caller 1"),
        booth.wait_connected("caller 2"),
    );
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &first);
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    booth.cli(&["caller", "note", &second, "knows the mayor"]);
    let worker = booth.worker_pid(1).unwrap();

    booth.kill();
    // Without boothd there are no packets: the last frame, then the idle source.
    let idle = |what: Showing| what != Showing::Caller { id: 1 };
    output
        .wait_for(
            |s| {
                s.picture
                    .as_ref()
                    .and_then(|p| p.now.as_ref())
                    .is_some_and(|n| idle(n.what))
            },
            SOON,
        )
        .unwrap_or_else(|e| panic!("idle while boothd is away: {e}"));
    booth.boot();

    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("back by itself: {e}"));
    assert_eq!(
        booth.worker_pid(1),
        Some(worker),
        "the worker was adopted, not replaced"
    );
    assert_eq!(
        booth.slot("1")["assignedCaller"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next(),
        Some(first.as_str())
    );
    let second_now = booth.caller_named("caller 2").unwrap();
    assert_eq!(second_now["notes"][0]["text"], "knows the mayor");
    assert_eq!(
        second_now["name"].as_str().unwrap().rsplit('/').next(),
        Some(second.as_str())
    );
    assert_unbroken(&output.finish());
}

#[test]
fn a_worker_killed_is_back_on_its_port_within_two_seconds_and_shows_the_caller_again() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    put_on_air(&booth, 1, &caller);
    let before = judge(&booth, 1);
    before
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let other = judge(&booth, 2);
    other
        .wait_for(|s| s.video.is_some(), SOON)
        .unwrap_or_else(|e| panic!("{e}"));

    let worker = booth.worker_pid(1).unwrap();
    assert!(
        Command::new("kill")
            .args(["-KILL", &worker.to_string()])
            .status()
            .unwrap()
            .success()
    );
    let killed = Instant::now();
    // A new receiver: what it needs is the port, which a judge that is connected already would ask for 5 s later.
    let after = judge(&booth, 1);
    after
        .wait_for(|s| s.epochs_total >= 1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let took = killed.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "the port was back after {took:?}"
    );
    after
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_unbroken(&other.finish());
}

#[test]
fn a_caller_who_stalls_freezes_then_idles_and_returns_to_the_head_of_ready() {
    let booth = Booth::with(&["rtc.silence_ms=1000"]);
    booth.wait_for_workers();
    booth.cli(&["show", "update", "main", "--on-air-grace", "2s"]);
    let demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &caller);
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));

    let signal = |name: &str| {
        let pid = demo.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    booth.wait_showing(1, "FROZEN", SOON);
    let released = wait_for("the slot's release", SOON, || {
        let caller = booth.caller_named("caller 1").unwrap();
        (caller["state"] == "STATE_READY").then_some(caller)
    });
    assert_eq!(released["position"], 1);
    signal("-CONT");
    // The old session may come to life for a moment before a new one takes its place: nobody is READY in between.
    wait_for("a take", SOON, || {
        let out = booth.cli_output(&["slot", "take", "1", "--next"]);
        out.status.success().then_some(())
    });
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_unbroken(&output.finish());
}

/// A small disk of our own; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&dir.path().metadata().unwrap());
        let options = format!("size={size},mode=700,uid={owner}");
        let mount = ["mount", "-t", "tmpfs", "-o", &options, "tmpfs"];
        assert!(
            as_root(&mount, dir.path()),
            "this test mounts a tmpfs: it needs root, or sudo without a password"
        );
        Self(dir)
    }
}

/// Runs it as it is, or through sudo.
fn as_root(command: &[&str], path: &std::path::Path) -> bool {
    let run = |prefix: &[&str]| {
        let all = [prefix, command].concat();
        let done = Command::new(all[0]).args(&all[1..]).arg(path).output();
        done.is_ok_and(|out| out.status.success())
    };
    run(&[]) || run(&["sudo", "-n"])
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a worker may still have its log open.
        as_root(&["umount", "-l"], self.0.path());
    }
}

#[test]
fn a_full_disk_refuses_commands_with_a_reason_while_the_caller_stays_on_air() {
    let disk = SmallDisk::new("24m");
    let data = format!("data.dir={}", disk.0.path().join("data").display());
    let booth = Booth::with(&[&data]);
    let token = disk.0.path().join("data/admin.token");
    let run = |args: &[&str]| {
        booth
            .command(args)
            .env("BOOTH_TOKEN_FILE", &token)
            .output()
            .unwrap()
    };
    std::fs::create_dir_all(booth.data()).unwrap();
    std::fs::copy(&token, booth.data().join("admin.token")).unwrap();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &caller);
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));

    let filler = disk.0.path().join("filler");
    let _ = std::io::copy(
        &mut std::io::repeat(7),
        &mut std::fs::File::create(&filler).unwrap(),
    );
    let refused = wait_for("a refusal", SOON, || {
        let out = run(&["caller", "note", &caller, "a note that has no room"]);
        (!out.status.success()).then(|| String::from_utf8_lossy(&out.stderr).into_owned())
    });
    assert!(refused.contains("LEDGER_READ_ONLY"), "{refused}");
    let frames = |s: &booth_judge::Snapshot| s.picture.as_ref().map_or(0, |p| p.decoded);
    let then = frames(&output.snapshot());
    output
        .wait_for(|s| frames(s) > then + 60 && s.picture_id() == Some(1), SOON)
        .unwrap_or_else(|e| panic!("on air while the disk is full: {e}"));

    std::fs::remove_file(&filler).unwrap();
    wait_for("commands taken again", SOON, || {
        run(&["caller", "note", &caller, "there is room"])
            .status
            .success()
            .then_some(())
    });
    assert_unbroken(&output.finish());
}

#[test]
fn what_happens_while_the_disk_is_full_is_in_the_journal_when_there_is_room_again() {
    let disk = SmallDisk::new("24m");
    let data = format!("data.dir={}", disk.0.path().join("data").display());
    let mut booth = Booth::with(&[&data, "rtc.silence_ms=1000"]);
    std::fs::create_dir_all(booth.data()).unwrap();
    std::fs::copy(
        disk.0.path().join("data/admin.token"),
        booth.data().join("admin.token"),
    )
    .unwrap();
    booth.wait_for_workers();
    booth.cli(&["show", "update", "main", "--on-air-grace", "1s"]);
    let first_demo = booth.demo(1, &[]);
    let _second_demo = booth.demo(1, &["--first-id", "2"]);
    let (first, second) = (
        booth.wait_connected("caller 1"),
        booth.wait_connected("caller 2"),
    );
    put_on_air(&booth, 1, &first);
    booth.cli(&["caller", "approve", &second]);

    let filler = disk.0.path().join("filler");
    let _ = std::io::copy(
        &mut std::io::repeat(7),
        &mut std::fs::File::create(&filler).unwrap(),
    );
    // The caller's media goes, and a second later the slot is let go: facts, which no full disk holds up.
    drop(first_demo);
    wait_for("the slot's release in memory", SOON, || {
        booth.slot("1")["assignedCaller"]
            .as_str()
            .is_none_or(str::is_empty)
            .then_some(())
    });
    std::fs::remove_file(&filler).unwrap();
    wait_for("a take", SOON, || {
        booth
            .cli_output(&["slot", "take", "1", &second])
            .status
            .success()
            .then_some(())
    });

    booth.kill();
    booth.boot();
    let on_air = booth.slot("1")["assignedCaller"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(on_air.ends_with(&second), "{on_air}");
    let first_now = booth.caller_named("caller 1").unwrap();
    assert_eq!(
        first_now["state"], "STATE_READY",
        "the release came before the take"
    );
}

#[test]
fn boothd_stalled_on_air_costs_the_caller_and_not_the_output() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &caller);
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let signal = |name: &str| {
        let sent = Command::new("kill")
            .args([name, &booth.pid().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    // Long enough for the worker to give the link up: the idle source shows, and pictures keep coming.
    let frames = |s: &booth_judge::Snapshot| s.picture.as_ref().map_or(0, |p| p.decoded);
    let idle = output
        .wait_for(|s| s.picture_id().is_none() && s.is_idle(), SOON)
        .unwrap_or_else(|e| panic!("idle while boothd stands still: {e}"));
    let then = frames(&idle);
    output
        .wait_for(|s| frames(s) > then + 150, SOON)
        .unwrap_or_else(|e| panic!("pictures while boothd stands still: {e}"));
    signal("-CONT");
    output
        .wait_for_picture(1, SOON)
        .unwrap_or_else(|e| panic!("back by itself: {e}"));
    assert_unbroken(&output.finish());
}
