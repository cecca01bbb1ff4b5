//! Every RPC of the API can be reached from the command line, with what was typed in its request.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fake::{Fake, METHODS, Reply, Step};
use crate::run::finish;

pub type Typed = (Vec<&'static str>, &'static str, Value);

/// The command, the method that it calls last, and what has to be in the request.
fn commands() -> Vec<Typed> {
    const C1: &str = "shows/main/callers/c7k2m9";
    let c1 = || json!({ "name": C1 });
    vec![
        (
            vec!["caller", "list", "--show", "main", "--ended"],
            "list_callers",
            json!({ "parent": "shows/main", "includeEnded": true }),
        ),
        (vec!["caller", "get", "c7k"], "get_caller", c1()),
        (
            vec!["caller", "get", "shows/-/callers/c7k2m9"],
            "get_caller",
            json!({ "name": "shows/-/callers/c7k2m9" }),
        ),
        (vec!["caller", "screen", "Anna"], "screen_caller", c1()),
        (vec!["caller", "approve", "c7k2m9"], "approve_caller", c1()),
        (
            vec!["caller", "reject", "Anna", "--reason", "no time"],
            "reject_caller",
            json!({ "name": C1, "reason": "no time" }),
        ),
        (vec!["caller", "hold", C1], "hold_caller", c1()),
        (
            vec!["caller", "move", "Anna", "--to", "2"],
            "move_caller",
            json!({ "name": C1, "position": 2 }),
        ),
        (
            vec!["caller", "note", "Anna", "speaks", "fast"],
            "note_caller",
            json!({ "name": C1, "text": "speaks fast" }),
        ),
        (
            vec!["caller", "chat", "Anna", "You are next"],
            "chat_caller",
            json!({ "name": C1, "text": "You are next" }),
        ),
        (vec!["caller", "drop", "Anna"], "drop_caller", c1()),
        (vec!["caller", "mute", "Anna"], "mute_caller", c1()),
        (vec!["caller", "unmute", "Anna"], "unmute_caller", c1()),
        (
            vec!["caller", "tile", "Anna", "-o", "json"],
            "get_caller_tile",
            c1(),
        ),
        (
            vec![
                "invite", "create", "--role", "host", "--name", "Max", "--uses", "0", "--ttl", "2h",
            ],
            "create_invite",
            json!({ "parent": "shows/main", "kind": "KIND_HOST", "displayName": "Max", "ttl": "7200s" }),
        ),
        (
            vec!["invite", "list", "--show", "late"],
            "list_invites",
            json!({ "parent": "shows/late" }),
        ),
        (
            vec!["invite", "delete", "i9f3"],
            "delete_invite",
            json!({ "name": "shows/main/invites/i9f3" }),
        ),
        (vec!["slot", "list"], "list_slots", json!({})),
        (
            vec!["slot", "get", "slots/1"],
            "get_slot",
            json!({ "name": "slots/1" }),
        ),
        (
            vec![
                "slot",
                "create",
                "3",
                "--port",
                "9005",
                "--stream-id",
                "slot3",
                "--latency",
                "80",
                "--idle",
                "test",
                "--audio-only",
                "--size",
                "1920x1080",
                "--fps",
                "25",
                "--video-bitrate",
                "6000",
                "--encoder",
                "openh264",
            ],
            "create_slot",
            json!({ "slotId": "3", "show": "shows/main", "settings": {
                "port": 9005, "streamId": "slot3", "latencyMs": 80, "idle": { "kind": "KIND_TEST_PATTERN" }, "audioOnly": true,
                "width": 1920, "height": 1080, "fps": 25, "videoBitrateKbps": 6000, "encoder": "VIDEO_ENCODER_OPENH264",
            }}),
        ),
        (
            vec![
                "slot",
                "update",
                "1",
                "--push",
                "srt://a:1",
                "--no-passphrase",
                "--audio-only=false",
                "--idle",
                "image:/a.png",
            ],
            "update_slot",
            json!({ "name": "slots/1", "settings": {
                "pushUrl": "srt://a:1", "passphrase": "", "audioOnly": false, "idle": { "kind": "KIND_IMAGE", "path": "/a.png" },
            }}),
        ),
        (
            vec![
                "slot", "update", "1", "--vmix", "studio", "--vmix-input", "Caller 1", "--vmix-title",
                "Lower/Third/Headline.Text",
            ],
            "update_slot",
            json!({ "name": "slots/1", "settings": { "vmix": {
                "address": "studio", "input": "Caller 1", "titleInput": "Lower/Third", "titleField": "Headline.Text",
            } } }),
        ),
        (
            vec!["slot", "update", "1", "--vmix-title", "7"],
            "update_slot",
            json!({ "name": "slots/1", "settings": { "vmix": { "titleInput": "7", "titleField": "" } } }),
        ),
        (
            vec!["slot", "update", "1", "--no-vmix"],
            "update_slot",
            json!({ "name": "slots/1", "settings": { "vmix": { "address": "" } } }),
        ),
        (
            vec!["slot", "delete", "3", "--yes"],
            "delete_slot",
            json!({ "name": "slots/3" }),
        ),
        (
            vec!["slot", "take", "1", "Anna", "--fade", "400", "--override"],
            "take_slot",
            json!({ "name": "slots/1", "caller": C1, "transition": { "fadeMs": 400 }, "override": true }),
        ),
        (
            vec!["slot", "take", "1", "--next", "--cut"],
            "take_slot",
            json!({ "name": "slots/1", "next": true }),
        ),
        (
            vec!["slot", "release", "1"],
            "release_slot",
            json!({ "name": "slots/1", "disposition": "DISPOSITION_HOLD" }),
        ),
        (
            vec!["slot", "release", "1", "--requeue", "--fade", "1s"],
            "release_slot",
            json!({ "disposition": "DISPOSITION_REQUEUE", "transition": { "fadeMs": 1000 } }),
        ),
        (
            vec!["slot", "release", "1", "--drop"],
            "release_slot",
            json!({ "disposition": "DISPOSITION_DROP" }),
        ),
        (
            vec!["slot", "arm", "1", "Anna"],
            "arm_slot",
            json!({ "name": "slots/1", "caller": C1 }),
        ),
        (
            vec!["slot", "arm", "1", "--auto"],
            "arm_slot",
            json!({ "name": "slots/1" }),
        ),
        (
            vec!["slot", "tile", "1", "-o", "json"],
            "get_slot_tile",
            json!({ "name": "slots/1" }),
        ),
        (
            vec!["slot", "url", "1", "--for", "gst"],
            "get_slot_address",
            json!({ "name": "slots/1" }),
        ),
        (vec!["show", "list"], "list_shows", json!({})),
        (
            vec!["show", "get", "main"],
            "get_show",
            json!({ "name": "shows/main" }),
        ),
        (
            vec!["show", "create", "late", "--title", "Late show"],
            "create_show",
            json!({ "showId": "late", "title": "Late show" }),
        ),
        (
            vec![
                "show",
                "update",
                "late",
                "--open",
                "false",
                "--grace",
                "2m",
                "--on-air-grace",
                "5s",
                "--max-callers",
                "9",
            ],
            "update_show",
            json!({ "name": "shows/late", "settings": { "open": false, "graceMs": "120000", "onAirGraceMs": "5000", "maxCallers": 9 } }),
        ),
        (
            vec!["show", "start", "late"],
            "start_show",
            json!({ "name": "shows/late" }),
        ),
        (
            vec!["show", "stop", "late"],
            "stop_show",
            json!({ "name": "shows/late" }),
        ),
        (
            vec!["show", "delete", "late", "--yes"],
            "delete_show",
            json!({ "name": "shows/late" }),
        ),
        (vec!["operator", "list"], "list_operators", json!({})),
        (
            vec![
                "operator",
                "add",
                "anna",
                "--role",
                "screener",
                "--display-name",
                "Anna",
            ],
            "create_operator",
            json!({ "operatorId": "anna", "displayName": "Anna", "role": "ROLE_SCREENER" }),
        ),
        (
            vec!["operator", "token", "anna"],
            "create_operator_token",
            json!({ "name": "operators/anna" }),
        ),
        (
            vec!["operator", "revoke", "anna", "--yes"],
            "revoke_operator",
            json!({ "name": "operators/anna" }),
        ),
        (
            vec!["operator", "link", "--ttl", "1h"],
            "get_link_token",
            json!({ "ttl": "3600s" }),
        ),
        (vec!["operator", "whoami"], "who_am_i", json!({})),
        (vec!["status", "-o", "json"], "get_status", json!({})),
    ]
    .into_iter()
    .chain(crate::rpcs_channel::commands())
    .collect()
}

/// Mutations always carry a request id; what else was not expected was not typed.
#[track_caller]
fn assert_sent(args: &[&str], sent: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&sent[key], value, "{key} of {args:?}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_is_reached_with_what_was_typed_and_the_token() {
    let fake = Fake::start().await;
    fake.with_callers();
    fake.always(
        "get_slot_address",
        Reply::Json(json!({ "host": "a", "port": 1 })),
    );
    fake.always("get_channel_address", Reply::Json(json!({ "host": "a" })));
    let mut reached = BTreeSet::new();
    for (args, method, expected) in commands() {
        fake.booth(&args).await.exits(0);
        let call = fake.calls().pop().unwrap();
        assert_eq!(call.method, method, "{args:?}");
        assert_eq!(call.token, "Bearer secret-token");
        assert_sent(&args, &call.request, &expected);
        reached.insert(method);
    }
    // The streams end when told to.
    fake.stream(vec![Step::End(tonic::Code::NotFound)]);
    fake.booth(&["watch", "--show", "late", "--since", "40"])
        .await
        .exits(3);
    let call = fake.calls().pop().unwrap();
    assert_sent(
        &["watch"],
        &call.request,
        &json!({ "since": "40", "show": "shows/late" }),
    );
    reached.insert(call.method);
    fake.stream(vec![Step::End(tonic::Code::NotFound)]);
    fake.booth(&["watch", "--meters", "--rate", "15"])
        .await
        .exits(3);
    let call = fake.calls().pop().unwrap();
    assert_sent(&["watch"], &call.request, &json!({ "rate": 15 }));
    reached.insert(call.method);
    fake.stream(vec![Step::End(tonic::Code::NotFound)]);
    fake.booth(&["channel", "drill", "radio"]).await.exits(3);
    let call = fake.calls().pop().unwrap();
    assert_sent(
        &["drill"],
        &call.request,
        &json!({ "name": "channels/radio" }),
    );
    reached.insert(call.method);
    fake.stream(vec![Step::End(tonic::Code::Ok)]);
    fake.booth(&["doctor", "disk"]).await.exits(0);
    let call = fake.calls().pop().unwrap();
    assert_sent(&["doctor"], &call.request, &json!({ "names": ["disk"] }));
    reached.insert(call.method);
    fake.stream(vec![Step::End(tonic::Code::Internal)]);
    let dir = tempfile::tempdir().unwrap();
    let mut command = fake.command(&["backup", "b"]);
    command.current_dir(dir.path());
    finish(command).await.exits(1);
    reached.insert(fake.calls().pop().unwrap().method);

    let missing: Vec<&&str> = METHODS
        .iter()
        .filter(|method| !reached.contains(**method))
        .collect();
    assert!(missing.is_empty(), "no command reaches {missing:?}");
}

/// The fake is made of what this crate knows; the descriptors are the API itself.
#[test]
fn the_fake_has_every_rpc_of_the_public_api_and_no_other() {
    use prost::Message;
    let set = prost_types::FileDescriptorSet::decode(booth_proto::DESCRIPTORS).unwrap();
    let public = set.file.iter().filter(|file| file.package() == "booth.v1");
    let methods = public
        .flat_map(|file| &file.service)
        .flat_map(|s| &s.method);
    let rpcs: BTreeSet<String> = methods.map(|method| snake(method.name())).collect();
    let known: BTreeSet<String> = METHODS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(rpcs, known);
}

/// `WhoAmI` → `who_am_i`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_carries_a_request_id() {
    let fake = Fake::start().await;
    fake.with_callers();
    fake.always(
        "get_slot_address",
        Reply::Json(json!({ "host": "a", "port": 1 })),
    );
    fake.always("get_channel_address", Reply::Json(json!({ "host": "a" })));
    for (args, method, _) in commands() {
        fake.booth(&args).await.exits(0);
        let reads = ["list_", "get_", "who_", "check_", "reveal_"]
            .iter()
            .any(|start| method.starts_with(start));
        let sent = fake.calls().pop().unwrap().request;
        assert_eq!(sent.get("requestId").is_some(), !reads, "{args:?}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_comes_from_a_file_without_its_line_end() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass");
    std::fs::write(&file, " open sesame \n").unwrap();
    fake.booth(&[
        "slot",
        "update",
        "1",
        "--passphrase-file",
        file.to_str().unwrap(),
    ])
    .await
    .exits(0);
    assert_eq!(
        fake.calls()[0].request["settings"]["passphrase"],
        " open sesame "
    );
    std::fs::write(&file, "short\n").unwrap();
    fake.booth(&[
        "slot",
        "update",
        "1",
        "--passphrase-file",
        file.to_str().unwrap(),
    ])
    .await
    .exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_fits_two_callers_reaches_no_mutation() {
    let fake = Fake::start().await;
    let twins = json!({ "callers": [
        { "name": "shows/main/callers/c1", "displayName": "Anna", "state": "STATE_READY" },
        { "name": "shows/main/callers/c2", "displayName": "Anna", "state": "STATE_READY" },
    ]});
    fake.always("list_callers", Reply::Json(twins));
    fake.booth(&["slot", "take", "1", "Anna"])
        .await
        .exits(2)
        .says("c1 (Anna), c2 (Anna)");
    fake.booth(&["slot", "take", "1", "Zoë"])
        .await
        .exits(3)
        .says("(CALLER_NOT_FOUND)");
    assert!(fake.calls_of("take_slot").is_empty());
}
