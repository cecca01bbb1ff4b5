//! `--wait` of the commands beside `slot take`: what they wait for, and what is not waited for.

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Step};

const ANNA: &str = "shows/main/callers/c7k2m9";

fn slot(shown: &str, showing: &str, armed: &str) -> Value {
    json!({ "name": "slots/1", "show": "shows/main", "showing": showing, "showingCaller": shown, "armedCaller": armed })
}

fn channel(showing: &str, to: Value) -> Value {
    json!({ "name": "channels/radio", "showing": showing, "destinations": [to] })
}

fn to(state: &str, enabled: bool) -> Value {
    json!({ "name": "channels/radio/destinations/youtube", "state": state, "enabled": enabled, "lastError": "key refused" })
}

fn snapshot(revision: u64, kind: &str, resource: Value) -> Step {
    Step::Send(json!({ "revision": revision.to_string(), "snapshot": { kind: [resource] } }))
}

fn change(revision: u64, kind: &str, resource: Value) -> Step {
    Step::Send(
        json!({ "revision": revision.to_string(), "change": { "resources": [{ kind: resource }] } }),
    )
}

async fn accepting(method: &'static str, kind: &str, resource: Value) -> Fake {
    let fake = Fake::start().await;
    fake.with_callers();
    fake.always(
        method,
        Reply::Json(json!({ kind: resource, "revision": "42" })),
    );
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_waits_until_the_caller_is_off_the_output() {
    let fake = accepting("release_slot", "slot", slot(ANNA, "SHOWING_CALLER", "")).await;
    fake.stream(vec![
        snapshot(42, "slots", slot(ANNA, "SHOWING_CALLER", "")),
        change(43, "slot", slot("", "SHOWING_IDLE", "")),
    ]);
    let args = ["slot", "release", "1", "--wait", "-o", "json"];
    let answer = fake.booth(&args).await.exits(0).json();
    assert_eq!(
        (&answer["revision"], &answer["slot"]["showing"]),
        (&json!("43"), &json!("SHOWING_IDLE"))
    );
    fake.stream(vec![snapshot(
        42,
        "slots",
        slot(ANNA, "SHOWING_FROZEN", ""),
    )]);
    let late = ["slot", "release", "1", "--wait", "--timeout", "1s"];
    fake.booth(&late)
        .await
        .exits(7)
        .says("(RELEASE_NOT_SHOWN)")
        .says("the command stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arm_waits_until_the_caller_is_ready_to_be_switched_to() {
    let fake = accepting("arm_slot", "slot", slot("", "SHOWING_IDLE", ANNA)).await;
    fake.stream(vec![
        snapshot(42, "slots", slot("", "SHOWING_IDLE", ANNA)),
        change(44, "slot", slot(ANNA, "SHOWING_ARMED", ANNA)),
    ]);
    fake.booth(&["slot", "arm", "1", "Anna", "--wait"])
        .await
        .exits(0);
    fake.stream(vec![
        snapshot(42, "slots", slot("", "SHOWING_IDLE", ANNA)),
        change(44, "slot", slot("", "SHOWING_IDLE", "")),
    ]);
    fake.booth(&["slot", "arm", "1", "Anna", "--wait"])
        .await
        .exits(5)
        .says("(ARM_UNDONE)");
    fake.booth(&["slot", "arm", "1", "--auto", "--wait"])
        .await
        .exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_waited_for_until_viewers_see_what_was_asked_for() {
    let off = channel("SHOWING_OFF", to("STATE_IDLE", true));
    let backup = channel("SHOWING_BACKUP", to("STATE_IDLE", true));
    let fake = accepting("start_channel", "channel", off.clone()).await;
    fake.stream(vec![
        snapshot(42, "channels", off.clone()),
        change(43, "channel", backup.clone()),
    ]);
    fake.booth(&["channel", "start", "radio", "--wait"])
        .await
        .exits(0);

    let fake = accepting("stop_channel", "channel", backup.clone()).await;
    fake.stream(vec![
        snapshot(42, "channels", backup.clone()),
        change(43, "channel", off),
    ]);
    fake.booth(&["channel", "stop", "radio", "--wait"])
        .await
        .exits(0);

    let fake = accepting("force_channel", "channel", backup.clone()).await;
    fake.stream(vec![snapshot(42, "channels", backup)]);
    let live = [
        "channel",
        "force",
        "radio",
        "live",
        "--wait",
        "--timeout",
        "1s",
    ];
    fake.booth(&live)
        .await
        .exits(7)
        .says("does not show LIVE yet")
        .says("booth channel get radio");
    // What automatic leads to nobody knows.
    fake.booth(&["channel", "force", "radio", "auto", "--wait"])
        .await
        .exits(0);
    assert_eq!(fake.calls_of("watch").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_waited_for_unless_it_has_given_up() {
    let with = |state: &str, enabled| channel("SHOWING_LIVE", to(state, enabled));
    let fake = accepting(
        "enable_destination",
        "destination",
        to("STATE_CONNECTING", true),
    )
    .await;
    fake.stream(vec![
        snapshot(42, "channels", with("STATE_CONNECTING", true)),
        change(43, "channel", with("STATE_LIVE", true)),
    ]);
    let args = [
        "destination",
        "enable",
        "radio",
        "youtube",
        "--wait",
        "-o",
        "json",
    ];
    let answer = fake.booth(&args).await.exits(0).json();
    assert_eq!(answer["destination"]["state"], "STATE_LIVE");
    fake.stream(vec![snapshot(43, "channels", with("STATE_FAILED", true))]);
    fake.booth(&args[..5])
        .await
        .exits(5)
        .says("key refused")
        .says("(DESTINATION_FAILED)");

    let fake = accepting(
        "disable_destination",
        "destination",
        to("STATE_LIVE", false),
    )
    .await;
    fake.stream(vec![snapshot(42, "channels", with("STATE_IDLE", false))]);
    fake.booth(&["destination", "disable", "radio", "youtube", "--wait"])
        .await
        .exits(0);
}
