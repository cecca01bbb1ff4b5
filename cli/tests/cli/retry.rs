//! Request ids, and what happens when the connection breaks under a command.

use serde_json::json;
use tonic::Code;

use crate::fake::{Fake, Reply};

const HOLD: &[&str] = &["caller", "hold", "shows/main/callers/c1"];

fn request_ids(fake: &Fake, method: &str) -> Vec<String> {
    fake.calls_of(method)
        .iter()
        .map(|call| {
            call.request["requestId"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_repeated_once_with_the_same_request_id() {
    let fake = Fake::start().await;
    fake.once("hold_caller", Reply::Cut);
    fake.once(
        "hold_caller",
        Reply::Json(json!({ "caller": { "name": "shows/main/callers/c1" }, "revision": "5" })),
    );
    let done = fake.booth(&[HOLD, &["-o", "name"]].concat()).await.exits(0);
    assert_eq!(done.stdout, "shows/main/callers/c1\n");
    let ids = request_ids(&fake, "hold_caller");
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert!(!ids[0].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_twice_is_unreachable() {
    let fake = Fake::start().await;
    fake.always("hold_caller", Reply::Cut);
    fake.booth(HOLD).await.exits(6).says("connection");
    assert_eq!(fake.calls_of("hold_caller").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_not_repeated() {
    let fake = Fake::start().await;
    for code in [
        Code::Unavailable,
        Code::Aborted,
        Code::Internal,
        Code::Unknown,
        Code::Cancelled,
    ] {
        fake.once("hold_caller", Reply::Status(code, "no"));
        fake.booth(HOLD).await;
    }
    assert_eq!(fake.calls_of("hold_caller").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_its_own_request_id_unless_one_is_given() {
    let fake = Fake::start().await;
    fake.booth(HOLD).await.exits(0);
    fake.booth(HOLD).await.exits(0);
    fake.booth(&[HOLD, &["--request-id", "mine-1", "--expect-revision", "41"]].concat())
        .await
        .exits(0);
    let ids = request_ids(&fake, "hold_caller");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[2], "mine-1");
    assert_eq!(
        fake.calls_of("hold_caller")[2].request["expectedRevision"],
        "41"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_everybody_is_one_command_per_caller_that_can_be_repeated_as_a_whole() {
    let fake = Fake::start().await;
    fake.with_callers();
    let line = [
        "caller",
        "drop",
        "--all",
        "--yes",
        "--request-id",
        "clear-1",
    ];
    fake.booth(&line).await.exits(0);
    let first = request_ids(&fake, "drop_caller");
    assert_eq!(first, ["c7k2m9.clear-1", "d4.clear-1"]);
    fake.booth(&line).await.exits(0);
    assert_eq!(request_ids(&fake, "drop_caller")[2..], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_first_does_not_stop_dropping_the_others() {
    let fake = Fake::start().await;
    fake.with_callers();
    fake.once(
        "drop_caller",
        Reply::Refused(Code::FailedPrecondition, "CALLER_ENDED", json!({})),
    );
    fake.once(
        "drop_caller",
        Reply::Json(json!({ "caller": { "name": "shows/main/callers/d4" }, "revision": "8" })),
    );
    let done = fake
        .booth(&["caller", "drop", "--all", "--yes", "-o", "name"])
        .await
        .exits(0);
    assert_eq!(done.stdout, "shows/main/callers/d4\n");
}
