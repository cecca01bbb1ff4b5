//! What goes wrong on the way, and what is left behind.

use std::time::{Duration, Instant};

use booth_media::exit;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{PrepareDesired, Shutdown};
use booth_stream::SECOND;

use crate::clips::{Clip, FITTING};
use crate::played::Played;
use crate::rig::Rig;

/// Names of what is in the directory besides sockets and locks.
fn loops(rig: &Rig) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(rig.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".loop"))
        .collect();
    names.sort();
    names
}

#[test]
fn the_slate_is_ready_in_about_a_second_and_is_black_without_a_picture() {
    let rig = Rig::start();
    let order = PrepareDesired {
        slate_path: rig.slate().display().to_string(),
        backup_path: String::new(),
        ..rig.order(&[])
    };
    let start = Instant::now();
    let report = rig.prepare(&order);
    assert_eq!(report.error, "");
    // Twice the goal: the tests share their machine.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let played = Played::rounds(&rig.slate(), 3);
    assert_eq!(played.file.info().duration, 2 * SECOND);
    assert_eq!(played.luma.len(), 180);
    assert!(played.luma.iter().all(|luma| *luma < 20));
    assert!(played.sound.iter().all(|sample| *sample == 0.0));
    rig.boothd.say(Say::Shutdown(Shutdown {}));
    assert_eq!(rig.exit_code(), Some(exit::SHUTDOWN.into()));
}

#[test]
fn a_still_picture_becomes_a_slate_with_the_parameter_sets_of_the_backup() {
    let rig = Rig::start();
    let still = rig.dir.path().join("still.png");
    crate::clips::ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "color=c=white:size=640x640",
        "-frames:v",
        "1",
        &still.display().to_string(),
    ]);
    let clip = Clip {
        size: "640x360",
        ..FITTING
    }
    .make(rig.dir.path(), "a.mp4");
    let order = PrepareDesired {
        slate: still.display().to_string(),
        slate_path: rig.slate().display().to_string(),
        ..rig.order(&[&clip])
    };
    assert_eq!(rig.prepare(&order).error, "");
    let (slate, backup) = (
        Played::rounds(&rig.slate(), 2),
        Played::rounds(&rig.backup(), 1),
    );
    assert_eq!(slate.file.info().video, backup.file.info().video);
    assert_eq!(slate.file.info().audio, backup.file.info().audio);
    // Square in a wide picture: white between black borders.
    assert!(
        slate.luma.iter().all(|luma| (100..200).contains(luma)),
        "{:?}",
        slate.luma
    );
}

#[test]
fn an_unusable_file_is_told_and_the_worker_ends() {
    let rig = Rig::start();
    let missing = rig.dir.path().join("missing.mp4");
    let report = rig.prepare(&rig.order(&[&missing]));
    assert!(
        report.error.contains("missing.mp4: there is no such file"),
        "{}",
        report.error
    );
    assert!(loops(&rig).is_empty());
    assert_eq!(rig.exit_code(), Some(exit::SHUTDOWN.into()));
}

#[test]
fn damage_in_the_middle_is_told_and_the_rest_is_used() {
    let rig = Rig::start();
    let path = Clip {
        seconds: 6.0,
        sound_s: Some(6.0),
        ..FITTING
    }
    .make(rig.dir.path(), "a.ts");
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (bytes.len() * 4 / 10, bytes.len() * 5 / 10);
    for (n, byte) in bytes[from..to].iter_mut().enumerate() {
        *byte = ((n * 7919) >> 3) as u8;
    }
    std::fs::write(&path, bytes).unwrap();
    let report = rig.prepare(&rig.order(&[&path]));
    assert_eq!(report.error, "");
    assert!(!report.note.is_empty());
    let played = Played::rounds(&rig.backup(), 2);
    assert!(
        played.seconds() > 4.5,
        "{} s: {}",
        played.seconds(),
        report.note
    );
}

#[test]
fn another_order_calls_the_present_one_off() {
    let rig = Rig::start();
    let long = Clip {
        size: "640x360",
        seconds: 40.0,
        sound_s: Some(40.0),
        ..FITTING
    }
    .make(rig.dir.path(), "long.mp4");
    let short = FITTING.make(rig.dir.path(), "short.mp4");
    rig.say(&PrepareDesired {
        preset: "medium".to_owned(),
        ..rig.order(&[&long])
    });
    rig.boothd.hear("progress", |said| match said {
        Said::Prepare(report) if report.percent > 0.0 => Some(()),
        _ => None,
    });
    let report = rig.prepare(&PrepareDesired {
        key: "k2".to_owned(),
        ..rig.order(&[&short])
    });
    assert_eq!(report.error, "");
    assert_eq!(
        Played::rounds(&rig.backup(), 1).file.info().duration,
        3 * SECOND
    );
    assert_eq!(loops(&rig), ["backup.loop"]);
}

#[test]
fn killed_in_between_it_leaves_the_old_loop_as_it_was() {
    let mut rig = Rig::start();
    let long = Clip {
        size: "640x360",
        seconds: 40.0,
        sound_s: Some(40.0),
        ..FITTING
    }
    .make(rig.dir.path(), "long.mp4");
    std::fs::write(rig.backup(), "the old one").unwrap();
    rig.say(&PrepareDesired {
        preset: "medium".to_owned(),
        ..rig.order(&[&long])
    });
    rig.boothd.hear("progress", |said| match said {
        Said::Prepare(report) if report.percent > 0.0 => Some(()),
        _ => None,
    });
    rig.worker.kill().unwrap();
    rig.worker.wait().unwrap();
    assert_eq!(
        std::fs::read_to_string(rig.backup()).unwrap(),
        "the old one"
    );
}

#[test]
fn progress_goes_up_and_comes_at_most_five_times_a_second() {
    let rig = Rig::start();
    let path = Clip {
        size: "640x360",
        seconds: 20.0,
        sound_s: Some(20.0),
        ..FITTING
    }
    .make(rig.dir.path(), "a.mp4");
    let start = Instant::now();
    assert_eq!(rig.prepare(&rig.order(&[&path])).error, "");
    let most = start.elapsed().as_secs_f64() * 5.0 + 2.0;
    let mut told = Vec::new();
    rig.boothd.hear("all of it", |said| {
        if let Said::Prepare(report) = said {
            told.push(report.percent);
        }
        told.last()
            .is_some_and(|percent| *percent == 100.0)
            .then_some(())
    });
    assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{told:?}");
    assert!((told.len() as f64) < most, "{told:?}");
}

/// A small file system of its own, until it is dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: std::path::PathBuf, size: &str) -> Self {
        std::fs::create_dir(&at).unwrap();
        let options = format!("size={size}");
        let mount = ["mount", "-t", "tmpfs", "-o", &options, "tmpfs"];
        assert!(
            as_root(&mount, &at),
            "this test mounts a tmpfs: it needs root, or sudo without a password"
        );
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy"], &self.0);
    }
}

fn as_root(command: &[&str], path: &std::path::Path) -> bool {
    let root = rustix::process::geteuid().is_root();
    let words: Vec<&str> = if root {
        command.to_vec()
    } else {
        [&["sudo", "-n"], command].concat()
    };
    let status = std::process::Command::new(words[0])
        .args(&words[1..])
        .arg(path)
        .status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_is_told_in_plain_words_and_nothing_is_left_on_it() {
    let rig = Rig::start();
    let small = Small::mount(rig.dir.path().join("small"), "64k");
    let clip = Clip {
        size: "640x360",
        seconds: 10.0,
        sound_s: Some(10.0),
        ..FITTING
    }
    .make(rig.dir.path(), "a.mp4");
    let order = PrepareDesired {
        backup_path: small.0.join("backup.loop").display().to_string(),
        video_bitrate_kbps: 2_000,
        ..rig.order(&[&clip])
    };
    let report = rig.prepare(&order);
    assert!(
        report.error.starts_with("the disk is full"),
        "{}",
        report.error
    );
    let left: Vec<_> = std::fs::read_dir(&small.0).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_slate_that_is_no_picture_is_black_and_the_backup_is_made_all_the_same() {
    let rig = Rig::start();
    let clip = FITTING.make(rig.dir.path(), "a.mp4");
    let order = PrepareDesired {
        slate: rig.dir.path().join("missing.png").display().to_string(),
        slate_path: rig.slate().display().to_string(),
        ..rig.order(&[&clip])
    };
    let report = rig.prepare(&order);
    assert_eq!(report.error, "");
    assert!(
        report.note.starts_with("The slate is black"),
        "{}",
        report.note
    );
    assert!(
        Played::rounds(&rig.slate(), 1)
            .luma
            .iter()
            .all(|luma| *luma < 20)
    );
    assert_eq!(
        Played::rounds(&rig.backup(), 1).file.info().duration,
        3 * SECOND
    );
}
