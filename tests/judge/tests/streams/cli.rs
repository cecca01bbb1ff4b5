//! The command: what it prints, and its exit status.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use crate::scene::*;

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_booth-judge"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // The judge may have seen enough before everything is written.
    let _ = pipe.write_all(input);
    drop(pipe);
    child.wait_with_output().unwrap()
}

#[test]
fn a_good_stream_from_a_pipe_ends_well_in_text_and_json() {
    let text = run(&["-", "--fail-on", "all"], good());
    assert_eq!(
        text.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&text.stderr)
    );
    assert!(String::from_utf8_lossy(&text.stdout).contains("defects     none"));
    let json = run(&["-", "--json"], good());
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["picture"]["now"]["showing"], "caller");
    assert_eq!(report["picture"]["now"]["id"], 7);
    assert_eq!(report["sound"]["timeline"][0]["hearing"], "caller");
    assert_eq!(report["defects"], serde_json::json!([]));
    assert!(report["transport"]["bit_rate"].as_f64().unwrap() > 100_000.0);
}

#[test]
fn a_file_with_a_defect_fails_only_when_its_class_is_asked_for() {
    let mut stream = good().to_vec();
    stream.drain(188 * 300..188 * 301);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&stream).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(run(&[path, "--no-decode"], &[]).status.code(), Some(0));
    assert_eq!(
        run(&[path, "--no-decode", "--fail-on", "pts-back,sync"], &[])
            .status
            .code(),
        Some(0)
    );
    let found = run(
        &[path, "--no-decode", "--fail-on", "pts-back,continuity"],
        &[],
    );
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&found.stderr).contains("continuity"));
}

#[test]
fn waiting_for_an_id_tells_by_the_exit_status_whether_it_came() {
    assert_eq!(
        run(&["-", "--until-id", "7", "--until-tone", "7"], good())
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        run(&["-", "--until-id", "8"], good()).status.code(),
        Some(1)
    );
    assert_eq!(run(&["-", "--until-idle"], good()).status.code(), Some(1));
}

#[test]
fn wrong_usage_and_a_missing_stream_have_their_own_status() {
    for wrong in [
        &["-", "--fail-on", "nonsense"][..],
        &["srt://nowhere"],
        &["-", "--until-id", "64"],
        &["ftp://a"],
        &[],
    ] {
        assert_eq!(run(wrong, &[]).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(
        run(&["-"], b"no transport stream at all").status.code(),
        Some(3)
    );
    assert_eq!(run(&["/nonexistent/stream.ts"], &[]).status.code(), Some(3));
}
