//! `booth doctor` against servers in all states of health.

use serde_json::json;
use tonic::Code;

use crate::fake::{Fake, Reply, Step};
use crate::run::{booth, finish};

async fn server(version: &str) -> Fake {
    let fake = Fake::start().await;
    let who = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR" } });
    fake.always("who_am_i", Reply::Json(who));
    fake.always("get_status", Reply::Json(json!({ "version": version })));
    fake
}

const OURS: &str = env!("CARGO_PKG_VERSION");

fn found(name: &str, subject: &str, result: &str, mend: &str) -> Step {
    Step::Send(json!({ "check": {
        "name": name, "subject": subject, "result": result, "text": "as it is", "mend": mend,
    }}))
}

fn running(name: &str) -> Step {
    Step::Send(json!({ "running": name }))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_is_a_line_with_what_mends_it_below_and_a_failure_is_exit_1() {
    let fake = server(OURS).await;
    fake.stream(vec![
        running("disk"),
        found("disk", "", "RESULT_OK", ""),
        running("srt-clients"),
        found("srt-clients", "slots/1", "RESULT_WARNING", "enter it"),
        running("turn"),
        found("turn", "turn:a\u{1b}[2J", "RESULT_FAILED", "start it"),
        Step::End(Code::Ok),
    ]);
    let done = fake
        .booth(&["doctor"])
        .await
        .exits(1)
        .says("1 checks failed (CHECKS_FAILED)");
    let server = format!("ok    server          http://{} answers", fake.address);
    let expected = [
        server.as_str(),
        "ok    token           signed in as anna (OPERATOR)",
        &format!("ok    version         server and command line are both {OURS}"),
        "ok    disk            as it is",
        "warn  srt-clients     slots/1: as it is",
        "                      mend: enter it",
        "FAIL  turn            turn:a [2J: as it is",
        "                      mend: start it",
    ];
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(
        done.stderr.contains("4 ok, 1 warnings, 1 failed"),
        "{}",
        done.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_every_result_with_its_counts_or_the_names_to_look_at() {
    let steps = || {
        vec![
            found("disk", "", "RESULT_OK", ""),
            found("srt-clients", "slots/1", "RESULT_WARNING", "enter it"),
            found("srt-clients", "slots/2", "RESULT_WARNING", "enter it"),
            Step::End(Code::Ok),
        ]
    };
    let fake = server(OURS).await;
    fake.stream(steps());
    let answer = fake.booth(&["doctor", "-o", "json"]).await.exits(0).json();
    assert_eq!(
        (&answer["ok"], &answer["warnings"], &answer["failed"]),
        (&json!(4), &json!(2), &json!(0))
    );
    assert_eq!(
        answer["checks"][4],
        json!({ "name": "srt-clients", "subject": "slots/1", "result": "RESULT_WARNING", "text": "as it is", "mend": "enter it" })
    );
    fake.stream(steps());
    let names = fake.booth(&["doctor", "-o", "name"]).await.exits(0).stdout;
    assert_eq!(names, "srt-clients\n");
    fake.stream(steps());
    let lines = fake
        .booth(&["doctor", "-o", "ndjson"])
        .await
        .exits(0)
        .stdout;
    assert_eq!(lines.lines().count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_version_is_named_and_asked_all_the_same() {
    let fake = server("9.9.9").await;
    fake.stream(vec![
        found("disk", "", "RESULT_OK", ""),
        Step::End(Code::Ok),
    ]);
    let done = fake.booth(&["doctor"]).await.exits(0);
    assert!(
        done.stdout
            .contains(&format!("the server is 9.9.9, this command line is {OURS}"))
            && done.stdout.contains("ok    disk"),
        "{}",
        done.stdout
    );
    fake.always(
        "run_checks",
        Reply::Status(Code::Unimplemented, "no such method"),
    );
    let done = fake.booth(&["doctor"]).await.exits(0);
    assert!(
        done.stdout.contains("cannot check itself"),
        "{}",
        done.stdout
    );
    // Status too goes on without what an older server lacks.
    fake.always(
        "list_channels",
        Reply::Status(Code::Unimplemented, "no such method"),
    );
    let done = fake.booth(&["status"]).await.exits(0);
    assert!(
        done.stdout
            .contains(&format!("version 9.9.9; this command line is {OURS}")),
        "{}",
        done.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_start_the_servers_checks_still_gets_their_own() {
    let fake = server(OURS).await;
    fake.always(
        "run_checks",
        Reply::Refused(Code::PermissionDenied, "ROLE_TOO_LOW", json!({})),
    );
    let done = fake.booth(&["doctor"]).await.exits(0);
    assert!(
        done.stdout
            .contains("warn  token           the server checks itself for operators only")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_and_a_bad_token_are_results_with_a_way_to_mend_them() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = booth(&["--server", &format!("http://{address}"), "doctor"]);
    command.env("BOOTH_TOKEN", "t");
    let done = finish(command).await.exits(1);
    assert!(
        done.stdout.starts_with("FAIL  server") && done.stdout.contains("mend: is boothd running"),
        "{}",
        done.stdout
    );
    let fake = server(OURS).await;
    fake.always(
        "who_am_i",
        Reply::Refused(Code::Unauthenticated, "TOKEN_UNKNOWN", json!({})),
    );
    let answer = fake.booth(&["doctor", "-o", "json"]).await.exits(1).json();
    assert_eq!(answer["checks"][0]["name"], "server");
    assert_eq!(answer["checks"][1]["name"], "token");
    assert_eq!(answer["checks"][1]["result"], "RESULT_FAILED");
    assert!(fake.calls_of("run_checks").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_checks_named_are_run_and_a_wrong_name_lists_them() {
    let fake = server(OURS).await;
    fake.booth(&["doctor", "version"]).await.exits(0);
    assert!(fake.calls_of("run_checks").is_empty());
    fake.booth(&["doctor", "luck"])
        .await
        .exits(2)
        .says("secure-context");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let fake = server(OURS).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "secret").unwrap();
    let file = file.to_str().unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        let done = fake
            .booth(&["doctor", "token", "--token-file", file])
            .await
            .exits(0);
        assert_eq!(done.stdout.contains("chmod 600"), warned, "{}", done.stdout);
    }
}
