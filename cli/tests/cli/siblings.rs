//! `demo` and `restore` hand over to the boothd beside the binary.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use crate::fake::{Fake, Reply};
use crate::run::{command, finish};

/// A copy of the binary with a boothd beside it that tells how it was called.
fn pair(dir: &Path) -> PathBuf {
    let booth = dir.join("booth");
    if std::fs::hard_link(env!("CARGO_BIN_EXE_booth"), &booth).is_err() {
        std::fs::copy(env!("CARGO_BIN_EXE_booth"), &booth).unwrap();
    }
    let boothd = dir.join("boothd");
    std::fs::write(
        &boothd,
        "#!/bin/sh\necho \"$@\"\necho \"invite=$BOOTH_INVITE token=$BOOTH_TOKEN\"\nexit 42\n",
    )
    .unwrap();
    std::fs::set_permissions(&boothd, std::fs::Permissions::from_mode(0o755)).unwrap();
    booth
}

fn signed_in(fake: &Fake, booth: &Path, args: &[&str]) -> Command {
    let mut command = command(booth, args);
    command
        .env("BOOTH_SERVER", format!("http://{}", fake.address))
        .env("BOOTH_TOKEN", "secret-token");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_invites_its_callers_and_passes_the_secret_by_the_environment_only() {
    let fake = Fake::start().await;
    fake.always(
        "get_status",
        Reply::Json(json!({ "joinBaseUrl": "http://studio.example:8080" })),
    );
    fake.always("create_invite", Reply::Json(json!({ "token": "INVITE" })));
    let dir = tempfile::tempdir().unwrap();
    let booth = pair(dir.path());
    let done = finish(signed_in(
        &fake,
        &booth,
        &["demo", "--callers", "3", "--seconds", "20"],
    ))
    .await
    .exits(42);
    assert_eq!(
        done.stdout,
        "demo --url http://studio.example:8080 --show main --callers 3 --seconds 20\ninvite=INVITE token=\n"
    );
    let invite = fake.calls_of("create_invite").pop().unwrap().request;
    assert_eq!(
        (&invite["uses"], &invite["parent"]),
        (&json!(3), &json!("shows/main"))
    );
    let done = finish(signed_in(
        &fake,
        &booth,
        &["demo", "--base", "http://127.0.0.1:1", "--show", "late"],
    ))
    .await
    .exits(42);
    assert!(
        done.stdout
            .starts_with("demo --url http://127.0.0.1:1 --show late --callers 3\n"),
        "{}",
        done.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_needs_a_yes_and_then_hands_over() {
    let dir = tempfile::tempdir().unwrap();
    let booth = pair(dir.path());
    let file = dir.path().join("b.booth");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    finish(command(&booth, &["restore", file]))
        .await
        .exits(2)
        .says("--yes");
    let done = finish(command(
        &booth,
        &["restore", file, "--data", "/somewhere", "--yes"],
    ))
    .await
    .exits(42);
    assert_eq!(
        done.stdout.lines().next(),
        Some(format!("restore --data /somewhere {file}").as_str())
    );
    finish(command(&booth, &["restore", "no-such-file", "--yes"]))
        .await
        .exits(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_boothd_nobody_is_invited() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let booth = pair(dir.path());
    std::fs::remove_file(dir.path().join("boothd")).unwrap();
    finish(signed_in(&fake, &booth, &["demo"]))
        .await
        .exits(1)
        .says("(BOOTHD_MISSING)");
    assert!(fake.calls().is_empty());
}
