//! Channels and destinations on the command line: what is waited for, shown and refused.

use serde_json::{Value, json};
use tonic::Code;

use crate::fake::{Fake, Reply, Step};

pub const RADIO: &str = "channels/radio";

pub fn radio(prepared: &str, note: &str) -> Value {
    json!({
        "name": RADIO, "running": true, "online": true, "showing": "SHOWING_BACKUP",
        "showingTime": "2026-11-21T05:00:00Z", "cause": "LIVE_STALLED", "live": "LIVE_STATE_LOST",
        "publisher": { "protocol": "rtmp", "peer": "192.0.2.7:5000", "agent": "obs" },
        "prepared": { "state": prepared, "note": note, "durationS": 62.5 },
        "alerts": ["destination b is down"],
        "settings": { "title": "Radio", "mode": "MODE_COPY", "policy": { "stableMs": 5000, "lostMs": 300 } },
        "destinations": [destination("a", "STATE_LIVE", ""), destination("b", "STATE_RETRYING", "refused")],
        "revision": "41",
    })
}

fn destination(id: &str, state: &str, error: &str) -> Value {
    json!({
        "name": format!("{RADIO}/destinations/{id}"), "enabled": true, "state": state, "lastError": error,
        "settings": { "url": "rtmp://live.example/app", "hasKey": true },
    })
}

fn reading(percent: f64) -> Value {
    json!({
        // 2026-11-21T05:12:30Z
        "atMs": "1795237950000",
        "channels": [{ "name": RADIO, "liveRateKbps": 0.0, "outputRateKbps": 2500.4, "preparedPercent": percent,
            "destinations": [
                { "name": format!("{RADIO}/destinations/a"), "rateKbps": 2499.6, "droppedFrames": "3" },
                { "name": format!("{RADIO}/destinations/b"), "rateKbps": 0.0, "droppedFrames": "17", "retryInS": 7.6 },
            ] }],
    })
}

fn snapshot(revision: u64, channel: Value) -> Step {
    Step::Send(json!({ "revision": revision.to_string(), "snapshot": { "channels": [channel] } }))
}

fn change(revision: u64, channel: Value) -> Step {
    Step::Send(json!({
        "revision": revision.to_string(), "change": { "resources": [{ "channel": channel }] },
    }))
}

/// A server on which `radio` was just made, with its backup still to be prepared.
async fn making() -> Fake {
    let fake = Fake::start().await;
    let created =
        json!({ "channel": radio("STATE_PREPARING", ""), "revision": "42", "key": "SECRET" });
    fake.always("create_channel", Reply::Json(created));
    fake
}

const CREATE: [&str; 5] = ["channel", "create", "radio", "--backup", "/srv/loop.mp4"];

#[tokio::test(flavor = "multi_thread")]
async fn a_new_channel_is_waited_for_until_its_backup_is_prepared() {
    let fake = making().await;
    fake.stream(vec![
        snapshot(42, radio("STATE_PREPARING", "")),
        change(43, radio("STATE_READY", "copied")),
    ]);
    let done = fake.booth(&CREATE).await.exits(0);
    let done = done
        .says("preparing the backup of radio")
        .says("prepared: copied")
        .says("booth channel url radio --reveal");
    assert!(!done.stderr.contains("SECRET") && !done.stdout.contains("SECRET"));
    assert!(fake.calls_of("start_channel").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_for_scripts_has_the_channel_as_it_is_then_and_its_key() {
    let fake = making().await;
    fake.stream(vec![snapshot(44, radio("STATE_READY", "copied"))]);
    let answer = fake.booth(&[&CREATE[..], &["-o", "json"]].concat()).await;
    let answer = answer.exits(0).json();
    assert_eq!(answer["channel"]["prepared"]["state"], "STATE_READY");
    assert_eq!(
        (&answer["revision"], &answer["key"]),
        (&json!("44"), &json!("SECRET"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_started_once_it_is_prepared_and_each_step_has_its_own_request_id() {
    let fake = making().await;
    fake.always(
        "start_channel",
        Reply::Json(json!({ "channel": radio("STATE_READY", "") })),
    );
    fake.stream(vec![snapshot(43, radio("STATE_READY", ""))]);
    let args = [&CREATE[..], &["--start", "--request-id", "r1"]].concat();
    fake.booth(&args).await.exits(0);
    let calls: Vec<_> = fake.calls();
    let ids: Vec<_> = calls
        .iter()
        .filter(|call| call.request.get("requestId").is_some())
        .map(|call| (call.method, call.request["requestId"].as_str().unwrap()))
        .collect();
    assert_eq!(
        ids,
        [("create_channel", "r1"), ("start_channel", "r1.start")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_prepared_is_a_refusal_and_nothing_is_started() {
    let fake = making().await;
    fake.stream(vec![
        snapshot(42, radio("STATE_PREPARING", "")),
        change(43, radio("STATE_FAILED", "no video")),
    ]);
    fake.booth(&[&CREATE[..], &["--start"]].concat())
        .await
        .exits(5)
        .says("no video (PREPARE_FAILED)");
    assert!(fake.calls_of("start_channel").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_goes_on_through_a_restart_of_the_server() {
    let fake = making().await;
    fake.stream(vec![
        snapshot(42, radio("STATE_PREPARING", "")),
        Step::End(Code::Ok),
    ]);
    // The meters of the first connection, then both of the second.
    fake.stream(vec![]);
    fake.stream(vec![snapshot(43, radio("STATE_READY", ""))]);
    fake.booth(&CREATE).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_an_accepted_channel_is_the_answer() {
    let fake = making().await;
    fake.booth(&[&CREATE[..], &["--no-wait"]].concat())
        .await
        .exits(0);
    assert!(fake.calls_of("watch").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_source_time_on_it_publisher_destinations_and_alerts() {
    let fake = Fake::start().await;
    fake.always(
        "list_channels",
        Reply::Json(json!({ "channels": [radio("STATE_READY", "")] })),
    );
    fake.stream(vec![Step::Send(reading(0.0))]);
    let done = fake.booth(&["channel", "list"]).await.exits(0);
    let mut lines = done.stdout.lines();
    let words = |line: &str| {
        line.split("  ")
            .map(str::trim)
            .map(str::to_owned)
            .filter(|w| !w.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines.next().unwrap()),
        [
            "CHANNEL",
            "SHOWING",
            "FOR",
            "LIVE INPUT",
            "PUBLISHER",
            "DESTINATIONS",
            "ALERTS",
            "TITLE"
        ]
    );
    assert_eq!(
        words(lines.next().unwrap()),
        [
            "radio",
            "BACKUP",
            "12 m 30 s",
            "LOST",
            "rtmp 192.0.2.7:5000",
            "1/2",
            "destination b is down",
            "Radio"
        ]
    );
    // Without figures it says since when.
    fake.stream(vec![Step::End(Code::Unavailable)]);
    let done = fake.booth(&["channel", "list"]).await.exits(0);
    assert!(
        done.stdout.contains("SINCE") && done.stdout.contains("2026-11-21 05:00:00Z"),
        "{}",
        done.stdout
    );
    let names = fake
        .booth(&["channel", "list", "-o", "name"])
        .await
        .exits(0);
    assert_eq!(names.stdout, "channels/radio\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_show_state_bit_rate_dropped_frames_and_last_error() {
    let fake = Fake::start().await;
    let list = json!({ "destinations": radio("", "")["destinations"] });
    fake.always("list_destinations", Reply::Json(list));
    fake.stream(vec![Step::Send(reading(0.0))]);
    let done = fake.booth(&["destination", "list", "radio"]).await.exits(0);
    for part in [
        "a            LIVE             2500 kb/s  3",
        "b            RETRYING in 8 s             17",
        "rtmp://live.example/app  refused",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part:?} is not in\n{}",
            done.stdout
        );
    }
    let answer = fake
        .booth(&["destination", "list", "radio", "-o", "json"])
        .await;
    assert_eq!(
        answer.exits(0).json()["destinations"][1]["lastError"],
        "refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channels_page_has_its_policy_its_loops_and_its_destinations() {
    let fake = Fake::start().await;
    fake.always(
        "get_channel",
        Reply::Json(json!({ "channel": radio("STATE_READY", "copied") })),
    );
    fake.stream(vec![Step::Send(reading(0.0))]);
    let done = fake.booth(&["channel", "get", "radio"]).await.exits(0);
    let page: Vec<String> = done
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "Because live stalled",
        "Lost after 300 ms",
        "Prepared 00:01:02.5 copied",
        "Bit rate 2500 kb/s out, 0 kb/s live",
        "Alert destination b is down",
        "a LIVE 2500 kb/s 3 rtmp://live.example/app",
    ] {
        assert!(
            page.contains(&line.to_owned()),
            "{line:?} is not in {page:#?}"
        );
    }
}

fn drill_step(step: &str, passed: bool) -> Step {
    Step::Send(json!({ "step": {
        "step": step, "reactionMs": 310, "freezeMs": 33, "timestampStepMs": 0, "passed": passed,
        "text": if passed { "" } else { "longer than 50 ms" },
    } }))
}

fn drill_end(failed: u32) -> Step {
    Step::Send(json!({ "summary": { "passed": failed == 0, "steps": 2, "failed": failed } }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_tells_its_steps_as_they_come_and_ends_with_a_table() {
    let fake = Fake::start().await;
    fake.stream(vec![
        Step::Send(json!({ "progress": "a synthetic publisher starts" })),
        drill_step("publisher killed", true),
        drill_step("publisher stalled", true),
        drill_end(0),
    ]);
    let done = fake.booth(&["channel", "drill", "radio"]).await.exits(0);
    let done = done
        .says("a synthetic publisher starts\nok  publisher killed  reaction 310 ms, freeze 33 ms\n")
        .says("all 2 steps passed");
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines[0].starts_with("STEP"), "{lines:?}");
    assert!(
        lines[1].starts_with("publisher killed   ok      310 ms"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_failed_exits_5_in_every_format() {
    for format in ["table", "json", "ndjson", "name"] {
        let fake = Fake::start().await;
        fake.stream(vec![
            drill_step("publisher killed", true),
            drill_step("publisher stalled", false),
            drill_end(1),
        ]);
        let done = fake
            .booth(&["channel", "drill", "radio", "-o", format])
            .await;
        let done = done.exits(5).says("DRILL_NOT_PASSED");
        match format {
            "table" => assert!(done.stdout.contains("FAILED  310 ms"), "{}", done.stdout),
            "json" => assert_eq!(done.json()["steps"][1]["step"], "publisher stalled"),
            "ndjson" => assert_eq!(done.stdout.lines().count(), 3),
            _ => assert_eq!(done.stdout, "publisher killed\npublisher stalled\n"),
        }
    }
    let fake = Fake::start().await;
    fake.stream(vec![
        drill_step("publisher killed", true),
        Step::End(Code::Ok),
    ]);
    fake.booth(&["channel", "drill", "radio"])
        .await
        .exits(6)
        .says("without a summary");
}

#[tokio::test(flavor = "multi_thread")]
async fn checked_files_say_what_would_be_done_to_them() {
    let fake = Fake::start().await;
    let checked = json!({ "files": [
        { "path": "/a.mp4", "durationS": 60.0, "video": "H.264 High 1280x720 30 fps", "audio": "AAC-LC 48000 Hz stereo" },
        { "path": "/b.mp4", "durationS": 2.5, "video": "H.264 Main 1280x720 25 fps", "changes": ["25 fps brought to 30"] },
    ], "durationS": 62.5 });
    fake.always("check_backup", Reply::Json(checked));
    let done = fake.booth(&["channel", "check", "/a.mp4", "/b.mp4"]).await;
    let done = done.exits(0).says("00:01:02.5 in all");
    for part in [
        "none, it is copied as it is",
        "25 fps brought to 30",
        "00:00:02.5",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part:?} is not in\n{}",
            done.stdout
        );
    }
    let names = fake
        .booth(&["channel", "check", "/a.mp4", "-o", "name"])
        .await;
    assert_eq!(names.exits(0).stdout, "/a.mp4\n/b.mp4\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_channels_say_what_to_do_next() {
    let fake = Fake::start().await;
    for (method, code, reason, metadata, args, next) in [
        (
            "delete_channel",
            Code::FailedPrecondition,
            "CHANNEL_RUNNING",
            json!({ "channel": RADIO }),
            &["channel", "delete", "radio", "--yes"][..],
            "next: booth channel stop radio",
        ),
        (
            "kick_channel_publisher",
            Code::FailedPrecondition,
            "NO_PUBLISHER",
            json!({}),
            &["channel", "kick", "radio"],
            "next: booth channel url radio says how to publish",
        ),
        (
            "enable_destination",
            Code::NotFound,
            "DESTINATION_NOT_FOUND",
            json!({}),
            &["destination", "enable", "radio", "yt"],
            "next: booth destination list radio",
        ),
        (
            "create_destination",
            Code::AlreadyExists,
            "DESTINATION_EXISTS",
            json!({}),
            &["destination", "add", "radio", "yt", "--preset", "youtube"],
            "next: booth destination get radio yt",
        ),
    ] {
        fake.once(method, Reply::Refused(code, reason, metadata));
        let exit = if code == Code::NotFound { 3 } else { 5 };
        fake.booth(args).await.exits(exit).says(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_reaches_no_server() {
    let fake = Fake::start().await;
    for args in [
        &["channel", "update", "radio"][..],
        &["destination", "update", "radio", "a"],
        &["channel", "create", "Radio"],
        &[
            "channel",
            "create",
            "radio",
            "--expect-revision",
            "4",
            "--no-wait",
        ],
        &[
            "channel",
            "create",
            "radio",
            "--backup",
            "/a",
            "--no-backup",
        ],
        &["channel", "force", "radio", "slate"],
        &["channel", "check"],
        &["channel", "delete", "radio"],
        &["destination", "remove", "radio", "a"],
        &["destination", "get", "radio", "channels/tv/destinations/a"],
        &[
            "destination",
            "update",
            "radio",
            "a",
            "--session-max",
            "1500ms",
        ],
    ] {
        let done = fake.booth(args).await.exits(2);
        assert_eq!(done.stdout, "", "{args:?}");
    }
    assert!(fake.calls().is_empty(), "{:?}", fake.calls());
}
