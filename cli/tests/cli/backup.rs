//! `booth backup`: whole or not at all.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use tonic::Code;

use crate::fake::{Fake, Step};

/// `YWJj` is "abc".
fn chunk(total: u64) -> Step {
    Step::Send(json!({ "chunk": "YWJj", "totalBytes": total.to_string() }))
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_backup_is_one_file_that_only_its_owner_can_read() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.booth");
    fake.stream(vec![chunk(6), chunk(6), Step::End(Code::Ok)]);
    let done = fake
        .booth(&["backup", file.to_str().unwrap()])
        .await
        .exits(0)
        .says("6 B");
    assert_eq!(done.stdout, "");
    assert_eq!(std::fs::read(&file).unwrap(), b"abcabc");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(dir.path()), ["b.booth"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_grows_meanwhile_is_backed_up_all_the_same() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.booth");
    fake.stream(vec![chunk(3), chunk(3), Step::End(Code::Ok)]);
    fake.booth(&["backup", file.to_str().unwrap()])
        .await
        .exits(0);
    assert_eq!(std::fs::read(&file).unwrap(), b"abcabc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_breaks_off_leaves_the_one_before_it() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.booth");
    std::fs::write(&file, "yesterday").unwrap();
    let end = |code| vec![chunk(6), Step::End(code)];
    for (steps, exit) in [
        (end(Code::Ok), 1),
        (end(Code::Internal), 1),
        (end(Code::Unavailable), 6),
        (vec![Step::End(Code::Ok)], 1),
    ] {
        fake.stream(steps);
        fake.booth(&["backup", file.to_str().unwrap()])
            .await
            .exits(exit);
        assert_eq!(std::fs::read(&file).unwrap(), b"yesterday");
        assert_eq!(names(dir.path()), ["b.booth"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_does_not_hold_a_backup_for_ever() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    fake.stream(vec![chunk(6)]);
    let file = dir.path().join("b.booth");
    fake.booth(&["backup", file.to_str().unwrap(), "--timeout", "300ms"])
        .await
        .exits(7);
    assert!(names(dir.path()).is_empty());
}
