//! A channel as its viewers see it: whatever dies, the destinations get one stream that never goes back.

use std::path::Path;
use std::process::{Command, Stdio};

use booth_judge::{DefectClass, Snapshot};
use booth_tests::film::Film;
use booth_tests::rtmp::{Process, Receiver, publish};
use booth_tests::{tcp_port, udp_ports, wait_for};

use crate::radio::*;

#[test]
fn a_channel_stays_on_air_whatever_dies() {
    // It flaps on purpose, and is not to be held off for that.
    let mut radio = Radio::start(&["--stable", "1s", "--stable-max", "1s"]);
    let (mut a, b) = (radio.destination("a"), radio.destination("b"));
    shows(&a, BACKUP);
    shows(&b, BACKUP);

    // The publisher: comes, is killed, comes again, stalls, comes again.
    let film = live_film();
    let mut encoder = radio.publish(&film);
    shows(&a, LIVE);
    encoder.kill();
    shows(&a, BACKUP);
    let encoder = radio.publish(&film);
    shows(&a, LIVE);
    encoder.stall();
    shows(&a, BACKUP);
    // A second one takes over from the one that is silent; like any encoder it tries until it is let in.
    let mut encoder = radio.publish(&film);
    wait_for("a takeover", SOON, || {
        if encoder.ended() {
            encoder = radio.publish(&film);
        }
        (radio.channel()["live"] == "LIVE_STATE_SETTLING").then_some(())
    });
    shows(&a, LIVE);
    one_stream(&shows(&b, LIVE));

    // A destination: the other one does not notice.
    a.process().kill();
    wait_for("a destination that is down", SOON, || {
        (radio.destination_state("a") == "STATE_RETRYING").then_some(())
    });
    one_stream(&shows(&b, LIVE));
    let a = Receiver::listen_on(a.port, radio.booth.dir.path(), "a");
    shows(&a, LIVE);
    assert_eq!(radio.destination_state("b"), "STATE_LIVE");

    // boothd: nobody notices, and the next one knows.
    radio.booth.kill();
    encoder.kill();
    shows(&a, BACKUP);
    radio.booth.boot();
    radio.wait_showing("BACKUP");
    let encoder = radio.publish(&film);
    shows(&a, LIVE);
    radio.booth.kill();
    radio.booth.boot();
    radio.wait_showing("LIVE");
    let channel = radio.channel();
    assert_eq!(channel["publisher"]["protocol"], "rtmp", "{channel}");

    // The ingest worker: the encoder is cut off, and comes back to the next one.
    radio.kill_unit("ingest");
    shows(&a, BACKUP);
    drop(encoder);
    let _encoder = radio.publish(&film);
    shows(&a, LIVE);
    one_stream(&shows(&b, LIVE));
    one_stream(&a.judge.snapshot());

    // The channel's own worker: the destinations are reconnected, the encoder stays.
    radio.kill_unit("channel-radio");
    let again = [(a.port, "a"), (b.port, "b")];
    drop((a, b));
    for (port, name) in again {
        let receiver = Receiver::listen_on(port, radio.booth.dir.path(), name);
        one_stream(&shows(&receiver, LIVE));
    }
}

#[test]
fn a_new_key_disconnects_who_has_the_old_one() {
    let mut radio = Radio::start(&[]);
    let film = live_film();
    let mut old = radio.publish(&film);
    radio.wait_showing("LIVE");
    let rotated = radio.booth.cli(&["channel", "rotate-key", "radio"]);
    wait_for("a disconnected encoder", SOON, || old.ended().then_some(()));
    radio.wait_showing("BACKUP");
    let mut refused = radio.publish(&film);
    wait_for("a refused encoder", SOON, || refused.ended().then_some(()));
    assert!(radio.channel()["publisher"].is_null());
    radio.key = rotated["key"].as_str().unwrap().to_owned();
    let _new = radio.publish(&film);
    radio.wait_showing("LIVE");
}

#[test]
fn one_who_publishes_beside_another_is_refused() {
    let radio = Radio::start(&[]);
    let film = live_film();
    let mut first = radio.publish(&film);
    radio.wait_showing("LIVE");
    let mut second = radio.publish(&film);
    wait_for("a refused encoder", SOON, || second.ended().then_some(()));
    assert!(!first.ended());
    assert_eq!(radio.channel()["showing"], "SHOWING_LIVE");
}

#[test]
fn a_channel_takes_srt_as_well_and_is_watched_by_srt() {
    let (input, monitor) = (udp_ports(1), udp_ports(1));
    let pass = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&pass, "correct-horse").unwrap();
    let radio = Radio::start(&[
        "--srt-port",
        &input.to_string(),
        "--srt-passphrase-file",
        pass.path().to_str().unwrap(),
        "--monitor-port",
        &monitor.to_string(),
    ]);
    let watcher = booth_judge::SrtInput::new("127.0.0.1", monitor);
    let judge = booth_judge::Judge::spawn(
        booth_judge::JudgeInput::Srt(watcher),
        booth_tests::rtmp::looking(),
    )
    .unwrap();
    judge
        .wait_for_picture(BACKUP, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    let film = live_film();
    let url = |pass: &str| {
        format!("srt://127.0.0.1:{input}?mode=caller&streamid=radio&passphrase={pass}&pbkeylen=16")
    };
    let log = radio.booth.dir.path().join("encoder.log");
    let mut wrong = publish(&film, &url("wrong-horses"), log.clone());
    wait_for("a refused encoder", SOON, || wrong.ended().then_some(()));
    let mut encoder = publish(&film, &url("correct-horse"), log);
    judge
        .wait_for_picture(LIVE, SOON)
        .unwrap_or_else(|e| panic!("{e}\n{}", encoder.log()));
    assert_eq!(radio.channel()["publisher"]["protocol"], "srt");
    encoder.kill();
    let seen = judge
        .wait_for_picture(BACKUP, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    one_stream(&seen);
}

#[test]
fn the_output_plays_as_hls() {
    let radio = Radio::start(&["--hls"]);
    radio.wait_showing("BACKUP");
    let hls = radio.booth.data().join("run/hls/radio/index.m3u8");
    wait_for("a playlist of three segments", SOON, || {
        let text = std::fs::read_to_string(&hls).unwrap_or_default();
        (text.matches("#EXTINF").count() >= 3).then_some(())
    });
    let url = radio.booth.cli(&["channel", "url", "radio"])["address"]["hlsUrl"].clone();
    let url = url.as_str().unwrap();
    let mut player = Command::new("ffmpeg");
    player.args(["-hide_banner", "-loglevel", "warning", "-i", url]);
    player.args(["-map", "0", "-t", "6", "-c", "copy"]);
    player
        .args(["-f", "mpegts", "pipe:1"])
        .stdout(Stdio::piped());
    let mut player = Process::start(&mut player, radio.booth.dir.path().join("player.log"));
    let packets = Box::new(player.take_stdout());
    let input = booth_judge::JudgeInput::Reader("hls".to_owned(), packets);
    // It plays as fast as it is let: arrivals mean nothing.
    let options = booth_judge::Options {
        live: Some(false),
        ..booth_tests::rtmp::looking()
    };
    let judge = booth_judge::Judge::spawn(input, options).unwrap();
    let seen = judge
        .wait_for_end(SOON)
        .unwrap_or_else(|e| panic!("{e}\n{}", player.log()));
    assert_eq!(
        (seen.picture_id(), seen.sound_id()),
        (Some(BACKUP), Some(BACKUP)),
        "{}\n{}",
        booth_judge::text::render(&seen),
        player.log()
    );
    one_stream(&seen);
}

#[test]
fn odd_publishers_leave_the_channel_on_air() {
    let radio = Radio::start(&["--stable", "1s"]);
    let a = radio.destination("a");
    shows(&a, BACKUP);
    let dir = radio.booth.dir.path();
    let odd = |name: &str, film: Film<'_>| {
        let path = dir.join(name);
        film.make(&path);
        path
    };
    // Each one may come to air or not; what the viewer gets stays one stream, and the backup is there afterwards.
    let usable = [
        odd(
            "25.flv",
            Film {
                id: LIVE,
                fps: 25,
                seconds: 6,
                ..Film::default()
            },
        ),
        odd(
            "small.flv",
            Film {
                id: LIVE,
                size: "640:360",
                seconds: 6,
                ..Film::default()
            },
        ),
        odd(
            "silent.flv",
            Film {
                id: LIVE,
                sound: false,
                seconds: 6,
                ..Film::default()
            },
        ),
    ];
    for film in &usable {
        let mut encoder = radio.publish(film);
        a.judge
            .wait_for_picture(LIVE, SOON)
            .unwrap_or_else(|e| panic!("{}: {e}", film.display()));
        encoder.kill();
        shows(&a, BACKUP);
    }
    let deaf = odd(
        "sound-only.flv",
        Film {
            id: LIVE,
            picture: false,
            seconds: 6,
            ..Film::default()
        },
    );
    let encoder = radio.publish(&deaf);
    wait_for("a publisher without pictures", SOON, || {
        (!radio.channel()["publisher"].is_null()).then_some(())
    });
    // Three seconds of pictures, where one second of a stable publisher would do.
    let decoded = |s: &Snapshot| s.picture.as_ref().map_or(0, |p| p.decoded);
    let now = decoded(&a.judge.snapshot());
    a.judge
        .wait_for(|s| decoded(s) >= now + 90, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(radio.channel()["showing"], "SHOWING_BACKUP");
    drop(encoder);
    let seen = shows(&a, BACKUP);
    let wrong = seen.found(&[DefectClass::PtsBack, DefectClass::DtsOrder]);
    assert!(wrong.is_empty(), "{}", booth_judge::text::render(&seen));
    assert_eq!(seen.epochs_total, 1);
}

/// Nobody who reads logs, process lists, files or lists may learn a key.
#[test]
fn keys_are_found_nowhere() {
    let radio = Radio::start(&[]);
    let secret = "canary-4c1d-secret";
    let file = radio.booth.dir.path().join("key");
    std::fs::write(&file, secret).unwrap();
    let file_name = file.to_str().unwrap();
    // Refused at once by a port that nobody has: errors are made and logged.
    let url = format!("rtmp://127.0.0.1:{}/live", tcp_port());
    radio.booth.cli(&[
        "destination",
        "add",
        "radio",
        "x",
        "--url",
        &url,
        "--key-file",
        file_name,
    ]);
    wait_for("a failed attempt", SOON, || {
        (radio.destination_state("x") == "STATE_RETRYING").then_some(())
    });
    let mut wrong = publish(
        &live_film(),
        &format!(
            "rtmp://127.0.0.1:{}/live/radio?token=canary-wrong-key",
            radio.rtmp
        ),
        radio.booth.dir.path().join("encoder.log"),
    );
    wait_for("a refused encoder", SOON, || wrong.ended().then_some(()));
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(radio.booth.dir.path().join("encoder.log")).unwrap();
    drop(wrong);

    let mut shown = vec![radio.booth.log()];
    for args in [
        &["channel", "get", "radio"][..],
        &["channel", "list"],
        &["channel", "url", "radio"],
        &["destination", "list", "radio"],
        &["status"],
    ] {
        shown.push(radio.booth.cli(args).to_string());
    }
    for unit in ["channel-radio", "ingest"] {
        let pid = radio.pid(unit);
        for part in ["cmdline", "environ"] {
            let path = Path::new("/proc").join(pid.to_string()).join(part);
            shown.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
        }
    }
    let grep = Command::new("grep")
        .args([
            "-r",
            "-l",
            "-a",
            "-e",
            secret,
            "-e",
            &radio.key,
            "-e",
            "canary-wrong-key",
        ])
        .arg(radio.booth.dir.path())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&grep.stdout),
        "",
        "files with a key"
    );
    for text in shown {
        for key in [secret, &radio.key, "canary-wrong-key"] {
            assert!(!text.contains(key), "{key} in {text}");
        }
    }
}

/// A command that waits and gives up: what it says.
#[track_caller]
fn gives_up(radio: &Radio, args: &[&str]) -> String {
    let done = radio
        .booth
        .cli_output(&[args, &["--wait", "--timeout", "2s"]].concat());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(7), "{args:?}: {said}");
    said
}

#[test]
fn what_is_waited_for_is_on_air_when_the_command_returns() {
    let radio = Radio::start(&["--stable", "1s"]);
    let booth = &radio.booth;
    let waits = |args: &[&str]| booth.cli(&[args, &["--wait", "--timeout", "40s"]].concat());
    let stopped = waits(&["channel", "stop", "radio"]);
    assert_eq!(stopped["channel"]["showing"], "SHOWING_OFF");
    let started = waits(&["channel", "start", "radio"]);
    assert_eq!(started["channel"]["showing"], "SHOWING_BACKUP");
    assert_eq!(radio.channel()["showing"], "SHOWING_BACKUP");

    // A place that takes what it is sent.
    let receiver = Receiver::listen(booth.dir.path(), "a");
    let add = |name: &str, url: &str| {
        let add = ["destination", "add", "radio", name, "--url", url];
        let key = booth.dir.path().join(format!("{name}.key"));
        std::fs::write(&key, name).unwrap();
        let key = ["--disabled", "--key-file", key.to_str().unwrap()];
        booth.cli(&[&add[..], &key].concat());
    };
    add("a", &receiver.url());
    let enabled = waits(&["destination", "enable", "radio", "a"]);
    assert_eq!(enabled["destination"]["state"], "STATE_LIVE");
    assert_eq!(radio.destination_state("a"), "STATE_LIVE");
    shows(&receiver, BACKUP);

    let mut encoder = radio.publish(&live_film());
    radio.wait_showing("LIVE");
    let forced = waits(&["channel", "force", "radio", "backup"]);
    assert_eq!(forced["channel"]["showing"], "SHOWING_BACKUP");
    shows(&receiver, BACKUP);
    one_stream(&receiver.judge.snapshot());

    // What does not come about is told with where it is stuck.
    encoder.kill();
    let said = gives_up(&radio, &["channel", "force", "radio", "live"]);
    assert!(
        said.contains("does not show LIVE yet, it shows ") && said.contains("the command stands"),
        "{said}"
    );
    assert_eq!(radio.channel()["force"], "FORCE_LIVE");
    // One that takes the connection and never says a word.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    add("b", &format!("rtmp://{}/live", mute.local_addr().unwrap()));
    let said = gives_up(&radio, &["destination", "enable", "radio", "b"]);
    assert!(said.contains("is not LIVE yet, it is CONNECTING"), "{said}");
    let disabled = waits(&["destination", "disable", "radio", "b"]);
    assert_eq!(disabled["destination"]["state"], "STATE_IDLE");
}
