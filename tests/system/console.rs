//! The console on a real terminal, against a real server.

use std::time::Duration;

use booth_tests::pty::Pty;
use booth_tests::{Booth, wait_for};

use crate::SOON;

/// Raw mode, the other screen, the mouse and a hidden cursor are all given back.
#[track_caller]
fn assert_given_back(pty: &Pty, code: &str) {
    let screen = pty.wait_for(&[&format!("left {code}"), "icanon"], SOON);
    assert!(
        !screen.contains("-icanon") && !screen.contains("-echo "),
        "{screen}"
    );
    let modes = pty.ask("#{alternate_on} #{mouse_any_flag} #{cursor_flag}");
    assert_eq!(modes, "0 0 1", "{screen}");
}

#[track_caller]
fn assert_ends(pid: i32) {
    wait_for("end of the console", SOON, || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

#[test]
fn a_caller_goes_on_air_by_keys_and_every_other_client_sees_it() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let file = booth.dir.path().join("session.jsonl");
    let file = file.to_str().unwrap();
    let pty = Pty::console(&booth, &["--record", file], 100, 30);
    pty.wait_for(&["Nobody waits", "main ● LIVE"], SOON);
    let other = Pty::console(&booth, &[], 80, 24);
    let _demo = booth.demo(1, &[]);
    booth.wait_connected("caller 1");
    pty.wait_for(&["caller 1", "WAITING"], SOON);
    pty.keys(&["a"]);
    pty.wait_for(&["READY", "1 ready", "armed ✓"], SOON);

    // Armed, not taken.
    pty.keys(&["t"]);
    pty.wait_for(&["TAKE 1 ← caller 1?  Enter to air"], SOON);
    assert_eq!(booth.slot("1")["assignedCaller"], serde_json::Value::Null);
    pty.keys(&["Enter"]);
    pty.wait_for(&["caller 1 is ON AIR on 1", "1 ·  ON AIR"], SOON);
    booth.wait_showing(1, "CALLER", SOON);
    other.wait_for(&["1 ·  ON AIR", "caller 1"], SOON);

    // Another client's doing is seen at once.
    booth.cli(&["slot", "release", "1", "--requeue"]);
    pty.wait_for(&["1 ·  idle", "READY"], SOON);
    pty.keys(&["t", "Enter"]);
    pty.wait_for(&["1 ·  ON AIR"], SOON);
    pty.keys(&["u"]);
    pty.wait_for(&["UNDO: RELEASE 1, caller 1 back to place 1"], SOON);
    pty.keys(&["Enter"]);
    pty.wait_for(&["1 ·  idle", "READY"], SOON);
    assert_eq!(booth.slot("1")["assignedCaller"], serde_json::Value::Null);

    // A console that is opened now begins its log with what happened before.
    let late = Pty::console(&booth, &[], 120, 40);
    late.wait_for(&["queue", "main ● LIVE"], SOON);
    late.keys(&["g", "l"]);
    late.wait_for(&["caller 1 taken to slot 1", "released from slot 1"], SOON);

    pty.resize(80, 24);
    pty.wait_for(&["waits", "? help"], SOON);
    pty.keys(&["q"]);
    assert_given_back(&pty, "0");

    // The recording tells the same story without a server.
    let out = booth.cli_output(&[
        "console",
        "--replay",
        file,
        "--snapshot",
        "text",
        "--size",
        "120x40",
    ]);
    let screen = String::from_utf8(out.stdout).unwrap();
    assert!(
        screen.contains("caller 1") && screen.lines().count() == 40,
        "{screen}"
    );
    let out = booth.cli_output(&["console", "--replay", file, "--snapshot", "svg"]);
    assert!(String::from_utf8(out.stdout).unwrap().starts_with("<svg"));
}

#[test]
fn a_lost_server_blocks_the_keys_and_comes_back_by_itself() {
    let mut booth = Booth::start();
    booth.wait_for_workers();
    let pty = Pty::console(&booth, &[], 100, 30);
    pty.wait_for(&["Nobody waits"], SOON);
    booth.kill();
    pty.wait_for(&["on-air keys are blocked"], SOON);
    pty.keys(&["t"]);
    pty.wait_for(&["nothing is sent while the state is unknown"], SOON);
    booth.boot();
    let back = pty.wait_for(&["main ● LIVE", "queue"], SOON);
    assert!(!back.contains("blocked"), "{back}");
}

#[test]
fn the_terminal_is_given_back_when_the_console_is_ended_from_outside() {
    let booth = Booth::start();
    let pty = Pty::console(&booth, &[], 100, 30);
    pty.wait_for(&["queue"], SOON);
    let pid = wait_for("console", SOON, || pty.child("booth"));
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
    assert_given_back(&pty, "143");
}

#[test]
fn a_hang_up_ends_the_console() {
    let booth = Booth::start();
    let pty = Pty::console(&booth, &[], 100, 30);
    pty.wait_for(&["queue"], SOON);
    let pid = wait_for("console", SOON, || pty.child("booth"));
    pty.hang_up();
    assert_ends(pid);
}

#[test]
fn it_is_suspended_and_comes_back_under_a_shell() {
    let booth = Booth::start();
    let server = format!("http://127.0.0.1:{}", booth.setup.grpc);
    let token = booth.data().join("admin.token");
    let envs = [
        ("BOOTH_SERVER", server.as_str()),
        ("BOOTH_TOKEN_FILE", token.to_str().unwrap()),
        ("XDG_CONFIG_HOME", booth.dir.path().to_str().unwrap()),
        ("LANG", "C.UTF-8"),
    ];
    let pty = Pty::start(
        "exec env PS1='shell> ' bash --norc --noprofile -i",
        &envs,
        100,
        30,
    );
    pty.wait_for(&["shell>"], SOON);
    let booth_bin = booth_tests::bin("booth");
    pty.keys(&[&format!("{} console", booth_bin.display()), "Enter"]);
    pty.wait_for(&["Nobody waits"], SOON);
    pty.keys(&["C-z"]);
    pty.wait_for(&["Stopped", "shell>"], SOON);
    assert_eq!(pty.ask("#{alternate_on}"), "0");
    pty.keys(&["fg", "Enter"]);
    pty.wait_for(&["Nobody waits", "? help"], SOON);
    pty.keys(&["q"]);
    pty.wait_for(&["shell>"], SOON);
    assert_eq!(pty.ask("#{alternate_on} #{cursor_flag}"), "0 1");
}

#[test]
fn it_says_what_it_needs_when_it_cannot_open() {
    let booth = Booth::start();
    let out = booth.cli_output(&["console"]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("needs a terminal") && said.contains("booth watch"),
        "{said}"
    );

    let config = booth.dir.path().join("console.toml");
    std::fs::write(&config, "[console]\ntheme = \"blue\"\n").unwrap();
    let out = booth.cli_output(&["console", "--config", config.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("console.toml:2: console.theme") && said.contains("dark, light"),
        "{said}"
    );
}

#[test]
fn practice_callers_come_and_leave_with_the_console() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let pty = Pty::console(&booth, &[], 100, 30);
    pty.wait_for(&["Nobody waits"], SOON);
    pty.keys(&["P"]);
    pty.wait_for(
        &["caller 1", "caller 2", "caller 3"],
        Duration::from_secs(30),
    );
    pty.keys(&["q"]);
    pty.wait_for(&["the synthetic callers leave with you"], SOON);
    pty.keys(&["q"]);
    assert_given_back(&pty, "0");
    wait_for("callers' end", SOON, || {
        let left = booth.callers();
        left.iter()
            .all(|c| c["state"] == "STATE_ENDED" || c["connected"] != true)
            .then_some(())
    });
}
