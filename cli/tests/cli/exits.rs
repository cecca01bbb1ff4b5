//! Exit codes and errors.

use std::process::Stdio;

use serde_json::json;
use tonic::Code;

use crate::fake::{Fake, Reply};
use crate::run::{booth, finish};

#[tokio::test(flavor = "multi_thread")]
async fn every_grpc_code_becomes_its_exit_code_with_nothing_on_stdout() {
    let fake = Fake::start().await;
    let table = [
        (Code::Cancelled, 1),
        (Code::Unknown, 1),
        (Code::InvalidArgument, 2),
        (Code::DeadlineExceeded, 7),
        (Code::NotFound, 3),
        (Code::AlreadyExists, 5),
        (Code::PermissionDenied, 4),
        (Code::ResourceExhausted, 5),
        (Code::FailedPrecondition, 5),
        (Code::Aborted, 5),
        (Code::OutOfRange, 2),
        (Code::Unimplemented, 1),
        (Code::Internal, 1),
        (Code::Unavailable, 6),
        (Code::DataLoss, 1),
        (Code::Unauthenticated, 4),
    ];
    for (code, exit) in table {
        fake.once("get_slot", Reply::Status(code, "so it is"));
        let done = fake
            .booth(&["slot", "get", "1"])
            .await
            .exits(exit)
            .says("error: so it is");
        assert_eq!(done.stdout, "", "{code:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_its_reason_and_what_to_do_next() {
    let fake = Fake::start().await;
    fake.with_callers();
    let refusal = Reply::Refused(
        Code::FailedPrecondition,
        "CALLER_NOT_READY",
        json!({ "caller": "d4" }),
    );
    fake.always("take_slot", refusal);
    let done = fake.booth(&["slot", "take", "1", "Ben"]).await.exits(5);
    assert_eq!(
        done.stderr,
        "error: refused by CALLER_NOT_READY (CALLER_NOT_READY)\nnext: booth caller approve d4\n"
    );

    let error = fake
        .booth(&["slot", "take", "1", "Ben", "-o", "json"])
        .await
        .exits(5)
        .error_json();
    assert_eq!(
        error,
        json!({ "error": {
            "code": "FAILED_PRECONDITION",
            "reason": "CALLER_NOT_READY",
            "message": "refused by CALLER_NOT_READY",
            "metadata": { "caller": "d4" },
            "next": "booth caller approve d4",
            "exit": 5,
        }})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_write_is_a_refusal_and_not_an_absent_server() {
    let fake = Fake::start().await;
    fake.once(
        "hold_caller",
        Reply::Refused(Code::Unavailable, "LEDGER_READ_ONLY", json!({})),
    );
    fake.booth(&["caller", "hold", "shows/main/callers/c1"])
        .await
        .exits(5)
        .says("next: booth status");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_is_unreachable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = booth(&["--server", &format!("http://{address}"), "slot", "list"]);
    command.env("BOOTH_TOKEN", "t");
    let done = finish(command)
        .await
        .exits(6)
        .says("(SERVER_UNREACHABLE)")
        .says("next: ");
    assert_eq!(done.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_times_out() {
    let fake = Fake::start().await;
    fake.always("get_slot", Reply::Silence);
    fake.booth(&["slot", "get", "1", "--timeout", "200ms"])
        .await
        .exits(7)
        .says("next: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_the_error_says_where_tokens_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = booth(&["slot", "list"]);
    command.current_dir(dir.path());
    finish(command)
        .await
        .exits(4)
        .says("(TOKEN_MISSING)")
        .says("--token-file");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_found_in_the_data_directory_or_in_a_named_file() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/admin.token"), "from-data\n").unwrap();
    std::fs::write(dir.path().join("mine"), "from-file\n").unwrap();
    for (args, variable, expected) in [
        (&["slot", "list"][..], None, "Bearer from-data"),
        (
            &["slot", "list", "--token-file", "mine"][..],
            None,
            "Bearer from-file",
        ),
        (
            &["slot", "list"][..],
            Some("from-variable"),
            "Bearer from-variable",
        ),
    ] {
        let mut command = fake.command(args);
        command.current_dir(dir.path()).env_remove("BOOTH_TOKEN");
        command.envs(variable.map(|token| ("BOOTH_TOKEN", token)));
        finish(command).await.exits(0);
        assert_eq!(fake.calls().last().unwrap().token, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_2_and_reaches_no_server() {
    let fake = Fake::start().await;
    for args in [
        &["slot", "take", "1"][..],
        &["slot", "take", "1", "c1", "--next"],
        &["slot", "take", "1", "--next", "--cut", "--fade", "300"],
        &["slot", "get", "No Slot"],
        &["slot", "update", "1"],
        &["show", "update", "main"],
        &["caller", "drop", "c1", "--all"],
        &["caller", "drop", "c1", "--show", "main"],
        &["caller", "move", "c1", "--to", "0"],
        &["slot", "create", "3", "--port", "0"],
        &["slot", "list", "--request-id", "two words"],
        &["show", "create", "late", "--expect-revision", "4"],
        &["--timeout", "soon", "slot", "list"],
        &["no-such-command"],
    ] {
        let done = fake.booth(args).await.exits(2);
        assert_eq!(done.stdout, "", "{args:?}");
    }
    assert!(fake.calls().is_empty(), "{:?}", fake.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_needs_a_yes_when_there_is_nobody_to_ask() {
    let fake = Fake::start().await;
    fake.with_callers();
    for (args, method) in [
        (&["slot", "delete", "1"][..], "delete_slot"),
        (&["show", "delete", "late"], "delete_show"),
        (&["operator", "revoke", "anna"], "revoke_operator"),
        (&["caller", "drop", "--all"], "drop_caller"),
    ] {
        fake.booth(args)
            .await
            .exits(2)
            .says("(CONFIRMATION_NEEDED)")
            .says("--yes");
        assert!(fake.calls_of(method).is_empty());
        fake.booth(&[args, &["--yes"]].concat()).await.exits(0);
        assert!(!fake.calls_of(method).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_ends_in_silence() {
    let fake = Fake::start().await;
    fake.with_callers();
    for args in [
        &["caller", "list"][..],
        &["completions", "bash"],
        &["--help"],
        &["version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = fake.command(args);
        command.stdout(Stdio::from(writer));
        let done = finish(command).await.exits(0);
        assert_eq!(done.stderr, "", "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_an_older_server_does_not_have_says_which_versions_meet() {
    let fake = Fake::start().await;
    let unknown = Reply::Refused(Code::Unimplemented, "UNKNOWN_METHOD", json!({}));
    fake.always("arm_slot", unknown);
    fake.always("get_status", Reply::Json(json!({ "version": "0.0.9" })));
    let versions = format!(
        "; the server is 0.0.9, this command line is {}",
        env!("CARGO_PKG_VERSION")
    );
    fake.booth(&["slot", "arm", "1", "--auto"])
        .await
        .exits(1)
        .says(&versions)
        .says("(UNKNOWN_METHOD)");
    // The rest goes on working.
    fake.booth(&["slot", "list"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_show_that_failed_is_tried_again_and_only_as_it_was_seen() {
    let fake = Fake::start().await;
    let show = |state: &str| {
        Reply::Json(json!({ "show": { "name": "shows/late", "state": state, "revision": "7" } }))
    };
    fake.once("get_show", show("STATE_LIVE"));
    fake.booth(&["show", "retry", "late"])
        .await
        .exits(5)
        .says("it is LIVE, and has not failed (SHOW_WRONG_STATE)");
    assert!(fake.calls_of("start_show").is_empty());
    fake.once("get_show", show("STATE_ERROR"));
    fake.booth(&["show", "retry", "late"]).await.exits(0);
    let sent = fake.calls_of("start_show").pop().unwrap().request;
    assert_eq!(
        (&sent["name"], &sent["expectedRevision"]),
        (&json!("shows/late"), &json!("7"))
    );
}
