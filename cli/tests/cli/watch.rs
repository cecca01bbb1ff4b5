//! The watch: lines, resuming, ending.

use serde_json::{Value, json};
use tonic::Code;

use crate::fake::{Fake, Reply, Step};

fn change(revision: u64) -> Step {
    Step::Send(json!({ "revision": revision.to_string(), "change": {
        "time": "2026-11-21T05:10:02Z", "actor": "operators/anna",
        "events": [{ "type": "CALLER_APPROVED", "resource": "shows/main/callers/c1", "text": format!("event {revision}") }],
    }}))
}

fn snapshot(revision: u64, more: bool) -> Step {
    Step::Send(
        json!({ "revision": revision.to_string(), "snapshot": { "shows": [{ "name": "shows/main" }], "more": more } }),
    )
}

fn revision(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()["revision"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_broken_connection_it_goes_on_at_the_last_revision() {
    let fake = Fake::start().await;
    fake.stream(vec![snapshot(41, false), change(42)])
        .stream(vec![change(43)]);
    let mut watch = fake.running(&["watch", "-o", "ndjson"]);
    assert_eq!(revision(&watch.line().await), "41");
    assert_eq!(revision(&watch.line().await), "42");
    fake.cut();
    assert_eq!(revision(&watch.line().await), "43");
    let since: Vec<Value> = fake
        .calls_of("watch")
        .iter()
        .map(|call| call.request["since"].clone())
        .collect();
    assert_eq!(since, [Value::Null, json!("42")]);
    watch.interrupt();
    let done = watch
        .end()
        .await
        .exits(130)
        .says("connecting again")
        .says("connected again");
    assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_snapshot_is_nothing_to_go_on_from() {
    let fake = Fake::start().await;
    fake.stream(vec![snapshot(41, true)])
        .stream(vec![snapshot(41, false)]);
    let mut watch = fake.running(&["watch", "-o", "ndjson"]);
    watch.line().await;
    fake.cut();
    watch.line().await;
    assert_eq!(fake.calls_of("watch")[1].request.get("since"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_server_ends_is_opened_again() {
    let fake = Fake::start().await;
    fake.stream(vec![change(42), Step::End(Code::Ok)])
        .stream(vec![change(43), Step::End(Code::Unavailable)])
        .stream(vec![change(44)]);
    let mut watch = fake.running(&["watch", "-o", "ndjson", "--since", "41"]);
    for expected in ["42", "43", "44"] {
        assert_eq!(revision(&watch.line().await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_ends_it() {
    let fake = Fake::start().await;
    fake.stream(vec![change(42), Step::End(Code::Unauthenticated)]);
    let mut watch = fake.running(&["watch"]);
    watch.line().await;
    watch.end().await.exits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_at_the_first_try_is_not_tried_again() {
    let fake = Fake::start().await;
    for (code, exit) in [(Code::Unavailable, 6), (Code::PermissionDenied, 4)] {
        fake.once("watch", Reply::Status(code, "no"));
        fake.booth(&["watch"]).await.exits(exit);
    }
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_one_line_per_event() {
    let fake = Fake::start().await;
    fake.stream(vec![snapshot(41, false), change(42)]);
    let mut watch = fake.running(&["watch"]);
    assert!(
        watch
            .line()
            .await
            .starts_with("at revision 41: 1 shows, 0 slots; callers: 0 waiting")
    );
    assert_eq!(watch.line().await, "05:10:02  anna        event 42");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_silence_when_its_reader_goes_even_if_nothing_happens() {
    let fake = Fake::start().await;
    let heartbeat = Step::Send(json!({ "revision": "41", "heartbeat": {} }));
    fake.stream(vec![snapshot(41, false)])
        .stream(vec![heartbeat]);
    let mut watch = fake.running(&["watch"]);
    watch.line().await;
    watch.close_stdout();
    // The next stream brings a heartbeat, for which nothing is printed.
    fake.cut();
    let done = watch.end().await.exits(0);
    assert!(!done.stderr.contains("error"), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn meters_are_lines_or_json() {
    let fake = Fake::start().await;
    let reading = || {
        Step::Send(json!({ "atMs": "1795237802500",
            "slots": [{ "name": "slots/1", "rmsDbfs": [-20.5, -21.0], "peakDbfs": [-9.0, -9.5], "clients": 2, "rttMs": 12.0 }],
            "callers": [{ "name": "shows/main/callers/c1", "levelDbfs": -30.0, "clipping": true, "score": 4, "loss": 0.015 }],
        }))
    };
    fake.stream(vec![reading()]).stream(vec![reading()]);
    let mut watch = fake.running(&["watch", "--meters"]);
    let line = watch.line().await;
    assert!(
        line.starts_with("05:10:02  slot 1 ")
            && line.contains("-20.5  -21.0 dBFS")
            && line.contains("2 receivers"),
        "{line}"
    );
    let line = watch.line().await;
    assert!(
        line.contains("caller c1")
            && line.contains("CLIP")
            && line.contains("4/5")
            && line.contains("loss 1.5 %"),
        "{line}"
    );
    let mut watch = fake.running(&["watch", "--meters", "-o", "ndjson"]);
    let reading: Value = serde_json::from_str(&watch.line().await).unwrap();
    assert_eq!(reading["slots"][0]["clients"], 2);
}
