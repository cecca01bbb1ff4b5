//! What an operator sets, seen from outside: locked slots, backups.

use std::time::Duration;

use booth_judge::{Judge, JudgeInput, Options, SrtInput};
use booth_tests::{Booth, wait_for};

use crate::{SOON, assert_unbroken};

#[test]
fn a_slot_with_a_stream_id_and_a_passphrase_opens_to_those_who_have_both() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let secret = booth.dir.path().join("passphrase");
    std::fs::write(&secret, "correct horse battery\n").unwrap();
    booth.update_slot(
        2,
        &[
            "--encoder",
            "openh264",
            "--stream-id",
            "slot2",
            "--passphrase-file",
            secret.to_str().unwrap(),
        ],
    );

    let reader = |stream_id: &str, passphrase: &str| {
        let mut input = SrtInput::new("127.0.0.1", booth.slot_port(2));
        input.stream_id = Some(stream_id.into());
        input.passphrase = (!passphrase.is_empty()).then(|| passphrase.into());
        input.connect_timeout = Duration::from_secs(1);
        Judge::spawn(JudgeInput::Srt(input), Options::default()).unwrap()
    };
    let with_both = [
        reader("slot2", "correct horse battery"),
        reader("#!::m=request,r=slot2", "correct horse battery"),
    ];
    for judge in with_both {
        judge
            .wait_for(|s| s.picture.as_ref().is_some_and(|p| p.decoded > 30), SOON)
            .unwrap_or_else(|e| panic!("{e}"));
        assert_unbroken(&judge.finish());
    }
    for (stream_id, passphrase) in [
        ("slot1", "correct horse battery"),
        ("slot2", "wrong horse battery"),
        ("slot2", ""),
    ] {
        let judge = reader(stream_id, passphrase);
        let refused = judge
            .wait_for(|s| s.connect_failures >= 2, SOON)
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            refused.transport.packets, 0,
            "{stream_id} with {passphrase:?}"
        );
    }

    // Told to those who may ask for it, and to nobody else.
    let shown =
        String::from_utf8(booth.cli_output(&["slot", "get", "2", "-o", "json"]).stdout).unwrap();
    assert!(
        shown.contains("hasPassphrase") && !shown.contains("horse"),
        "{shown}"
    );
    assert!(!booth.log().contains("horse"));
    let journal = booth.data().join("journal");
    for file in std::fs::read_dir(journal)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !bytes.windows(5).any(|w| w == b"horse"),
            "{} holds the passphrase in the clear",
            file.display()
        );
    }
}

#[test]
fn a_backup_of_a_running_server_restores_into_a_stopped_one() {
    let mut booth = Booth::start();
    booth.cli(&["operator", "add", "anna", "--role", "screener"]);
    let file = booth.dir.path().join("booth.backup");
    let (file, data) = (file.to_str().unwrap().to_owned(), booth.data());
    let restore = ["restore", &file, "--data", data.to_str().unwrap(), "--yes"];
    assert!(booth.cli_output(&["backup", &file]).status.success());
    booth.cli(&["operator", "add", "bert", "--role", "viewer"]);

    let running = booth.cli_output(&restore);
    assert!(
        !running.status.success(),
        "a running server's state is not replaced"
    );
    booth.stop();
    let restored = booth.cli_output(&restore);
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
    booth.boot();
    let operators = wait_for("operators", SOON, || {
        booth.cli(&["operator", "list"])["operators"]
            .as_array()
            .cloned()
    });
    let names: Vec<_> = operators
        .iter()
        .map(|o| o["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["operators/admin", "operators/anna"]);
}
