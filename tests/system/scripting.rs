//! The scripting page, typed as it stands, against a real server with callers in its queue.

use std::path::Path;
use std::process::{Command, Stdio};

use booth_tests::pty::Pty;
use booth_tests::{Booth, bin, wait_for};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scripting.md");
    std::fs::read_to_string(path).unwrap()
}

fn blocks(page: &str) -> Vec<&str> {
    let mut rest = page;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once("```sh\n") {
        let (block, after) = after.split_once("```").unwrap();
        blocks.push(block);
        rest = after;
    }
    blocks
}

#[test]
fn every_example_of_the_scripting_page_does_what_it_says() {
    let page = page();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 9, "{}", blocks.len());
    let booth = Booth::start();
    booth.wait_for_workers();
    let _callers = booth.demo(2, &[]);
    booth.wait_connected("caller 1");
    booth.wait_connected("caller 2");
    let dir = tempfile::tempdir().unwrap();
    let programs = bin("booth").parent().unwrap().display().to_string();
    let mut said = String::new();
    for block in &blocks {
        let done = Command::new("bash")
            .args(["--norc", "-euo", "pipefail", "-c", block])
            .current_dir(dir.path())
            .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
            .env(
                "BOOTH_SERVER",
                format!("http://127.0.0.1:{}", booth.setup.grpc),
            )
            .env("BOOTH_TOKEN_FILE", booth.data().join("admin.token"))
            .env("XDG_CONFIG_HOME", dir.path())
            .env_remove("BOOTH_TOKEN")
            .env_remove("BOOTH_CONTEXT")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "{}\n{block}\n--- stdout:\n{out}\n--- stderr:\n{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
        said.push_str(&out);
    }
    // What the page promises beside each of them.
    for words in [
        "ROLE_OPERATOR",
        "SLOT_FREE",
        "caller 1",
        &format!("srt://127.0.0.1:{}", booth.slot_port(1)),
        "[\"slots/1\",",
        "slot-1\ttrue\t",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    assert_eq!(
        booth.cli(&["show", "get", "main"])["show"]["title"],
        "Monday at nine"
    );
    // The repeat with the same request id did nothing a second time.
    let approved = booth.cli(&["caller", "list"]);
    let approved = approved["callers"].as_array().unwrap();
    let states: Vec<_> = approved
        .iter()
        .map(|c| c["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states.iter().filter(|s| **s == "STATE_READY").count(),
        1,
        "{states:?}"
    );
    let backups = std::fs::read_dir(dir.path()).unwrap();
    let backups = backups.filter(|f| {
        let name = f.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".backup")
    });
    assert_eq!(backups.count(), 1);
}

#[test]
fn a_call_is_ended_at_a_terminal_by_a_yes_and_by_nothing_else() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _callers = booth.demo(1, &[]);
    booth.wait_connected("caller 1");
    let state = || {
        let list = booth.cli(&["caller", "list", "--ended"]);
        list["callers"][0]["state"].as_str().unwrap().to_owned()
    };
    let server = format!("http://127.0.0.1:{}", booth.setup.grpc);
    let token = booth.data().join("admin.token");
    let envs = [
        ("BOOTH_SERVER", server.as_str()),
        ("BOOTH_TOKEN_FILE", token.to_str().unwrap()),
        ("XDG_CONFIG_HOME", booth.dir.path().to_str().unwrap()),
    ];
    let drop = format!("'{}' caller drop 'caller 1'", bin("booth").display());
    let command = format!("{drop}; echo left $?; {drop}; echo then $?; exec sleep 1000");
    let pty = Pty::start(&command, &envs, 120, 20);
    let asked = pty.wait_for(&["[y/N]"], crate::SOON);
    assert!(
        asked.contains("End the call of caller caller 1 (") && asked.contains("who is WAITING?"),
        "{asked}"
    );
    pty.keys(&["n", "Enter"]);
    pty.wait_for(&["nothing was done", "left 1"], crate::SOON);
    assert_eq!(state(), "STATE_WAITING");
    wait_for("the second question", crate::SOON, || {
        (pty.screen().matches("[y/N]").count() == 2).then_some(())
    });
    pty.keys(&["y", "Enter"]);
    pty.wait_for(&["then 0"], crate::SOON);
    assert_eq!(state(), "STATE_ENDED");
}

#[test]
fn synthetic_callers_come_to_a_page_that_signed_its_own_certificate() {
    let booth = Booth::with(&["http.self_signed=true"]);
    let mut callers = booth
        .command(&["demo", "--callers", "1"])
        .env("BOOTH_DATA", booth.data())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    booth.wait_connected("caller 1");
    callers.kill().unwrap();
    callers.wait().unwrap();
}

#[test]
fn the_doctor_finds_a_real_server_well_and_says_who_is_missing() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let report = booth.cli(&["doctor"]);
    assert_eq!(report["failed"], 0, "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let of = |name: &str, subject: &str| {
        let found = checks
            .iter()
            .find(|c| c["name"] == name && c["subject"].as_str().unwrap_or_default() == subject);
        found
            .unwrap_or_else(|| panic!("{name} {subject}: {report:#}"))
            .clone()
    };
    let listener = of("srt-clients", "slots/1");
    assert_eq!(listener["result"], "RESULT_WARNING");
    let address = format!("srt://127.0.0.1:{}", booth.slot_port(1));
    assert!(
        listener["mend"].as_str().unwrap().contains(&address),
        "{listener}"
    );
    assert_eq!(of("gstreamer", "")["result"], "RESULT_OK");
    assert_eq!(of("udp-ports", "")["result"], "RESULT_OK");
    assert_eq!(of("listeners", "slots/1")["result"], "RESULT_OK");

    // boothd has looked by itself, and has loaded nothing for it.
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", booth.pid())).unwrap();
    assert!(
        !maps.contains("libgstcoreelements"),
        "GStreamer's plug-ins are in boothd"
    );
    let units = booth.cli(&["status"])["units"].as_array().unwrap().clone();
    assert!(units.iter().all(|u| u["attached"] == true), "{units:?}");
}

#[test]
fn status_tells_what_each_worker_uses() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let used = booth_tests::wait_for("use of the workers", crate::SOON, || {
        let status = booth.cli(&["status"]);
        let units = status["units"].as_array()?.clone();
        let busy = |u: &serde_json::Value| u["cpuPercent"].as_f64().unwrap_or(0.0) > 0.5;
        (units.len() == 2 && units.iter().all(busy)).then_some(status)
    });
    for unit in used["units"].as_array().unwrap() {
        let bytes: u64 = unit["memoryBytes"].as_str().unwrap().parse().unwrap();
        assert!((5 << 20..2 << 30).contains(&bytes), "{unit}");
    }
    assert!(
        used["memoryBytes"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 1 << 20
    );
    assert!(
        used["ledger"]["journalBytes"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
}
