//! `slot take --wait`.

use serde_json::{Value, json};
use tonic::Code;

use crate::fake::{Fake, Reply, Step};

const ANNA: &str = "shows/main/callers/c7k2m9";

fn slot(assigned: &str, showing: &str) -> Value {
    let shown = if showing == "SHOWING_CALLER" {
        assigned
    } else {
        ""
    };
    json!({ "name": "slots/1", "assignedCaller": assigned, "showing": showing, "showingCaller": shown })
}

fn snapshot(revision: u64, slot: Value) -> Step {
    Step::Send(json!({ "revision": revision.to_string(), "snapshot": { "slots": [slot] } }))
}

fn change(revision: u64, slot: Value) -> Step {
    Step::Send(
        json!({ "revision": revision.to_string(), "change": { "resources": [{ "slot": slot }] } }),
    )
}

async fn taken() -> Fake {
    let fake = Fake::start().await;
    fake.with_callers();
    fake.always(
        "take_slot",
        Reply::Json(json!({ "slot": slot(ANNA, "SHOWING_IDLE"), "revision": "42" })),
    );
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_fact_and_answers_with_the_slot_as_it_is_then() {
    let fake = taken().await;
    fake.stream(vec![
        snapshot(42, slot(ANNA, "SHOWING_IDLE")),
        change(43, slot(ANNA, "SHOWING_CALLER")),
    ]);
    let answer = fake
        .booth(&["slot", "take", "1", "--next", "--wait", "-o", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(answer["revision"], "43");
    assert_eq!(answer["slot"]["showing"], "SHOWING_CALLER");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_is_already_shown_ends_the_wait_at_the_snapshot() {
    let fake = taken().await;
    fake.stream(vec![snapshot(44, slot(ANNA, "SHOWING_CALLER"))]);
    fake.booth(&["slot", "take", "1", "Anna", "--wait"])
        .await
        .exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fact_it_times_out_and_says_that_the_take_stands() {
    let fake = taken().await;
    fake.stream(vec![snapshot(42, slot(ANNA, "SHOWING_IDLE"))]);
    let done = fake
        .booth(&["slot", "take", "1", "Anna", "--wait", "--timeout", "300ms"])
        .await
        .exits(7);
    let done = done.says("the take stands").says("booth caller get c7k2m9");
    assert_eq!(done.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_that_somebody_undoes_is_refused_at_once() {
    let fake = taken().await;
    fake.stream(vec![
        snapshot(42, slot(ANNA, "SHOWING_IDLE")),
        change(43, slot("", "SHOWING_IDLE")),
    ]);
    fake.booth(&["slot", "take", "1", "Anna", "--wait"])
        .await
        .exits(5)
        .says("(TAKE_UNDONE)");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_on_through_a_restart_of_the_server() {
    let fake = taken().await;
    fake.stream(vec![
        snapshot(42, slot(ANNA, "SHOWING_IDLE")),
        Step::End(Code::Ok),
    ]);
    fake.stream(vec![snapshot(43, slot(ANNA, "SHOWING_CALLER"))]);
    fake.booth(&["slot", "take", "1", "Anna", "--wait"])
        .await
        .exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_wait_an_accepted_take_is_the_answer() {
    let fake = taken().await;
    let answer = fake
        .booth(&["slot", "take", "1", "Anna", "-o", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(answer["revision"], "42");
    assert!(fake.calls_of("watch").is_empty());
}
