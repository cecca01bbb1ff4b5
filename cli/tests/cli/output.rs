//! What is on stdout, in each format, and what is not.

use serde_json::{Value, json};

use crate::fake::{Fake, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn json_is_the_response_in_the_proto3_mapping_on_one_line() {
    let fake = Fake::start().await;
    fake.with_callers();
    let done = fake.booth(&["caller", "list", "-o", "json"]).await.exits(0);
    assert_eq!(done.stdout.lines().count(), 1);
    let answer = done.json();
    assert_eq!(answer["revision"], "41");
    assert_eq!(answer["callers"][0]["name"], "shows/main/callers/c7k2m9");
    assert_eq!(answer["callers"][0]["state"], "STATE_READY");
    assert_eq!(answer.as_object().unwrap().len(), 2);
    assert_eq!(done.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_a_list() {
    let fake = Fake::start().await;
    fake.always("list_callers", Reply::Json(json!({ "revision": "7" })));
    assert_eq!(
        fake.booth(&["caller", "list", "-o", "json"])
            .await
            .exits(0)
            .json(),
        json!({ "callers": [], "revision": "7" })
    );
    assert_eq!(
        fake.booth(&["caller", "list", "-o", "ndjson"])
            .await
            .exits(0)
            .stdout,
        ""
    );
    assert_eq!(
        fake.booth(&["caller", "list", "-o", "name"])
            .await
            .exits(0)
            .stdout,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_is_one_resource_per_line_and_name_one_name() {
    let fake = Fake::start().await;
    fake.with_callers();
    let done = fake
        .booth(&["caller", "list", "-o", "ndjson"])
        .await
        .exits(0);
    let names: Vec<Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
        .collect();
    assert_eq!(
        names,
        ["shows/main/callers/c7k2m9", "shows/main/callers/d4"]
    );
    let done = fake.booth(&["caller", "list", "-o", "name"]).await.exits(0);
    assert_eq!(
        done.stdout,
        "shows/main/callers/c7k2m9\nshows/main/callers/d4\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_a_pipe_has_aligned_columns_and_no_escapes() {
    let fake = Fake::start().await;
    fake.with_callers();
    let done = fake.booth(&["caller", "list"]).await.exits(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "POS  ID      NAME  STATE    LINK  SLOT  SHOW  SINCE  TOPIC",
            "1    c7k2m9  Anna  READY    av          main",
            "2    d4      Ben   WAITING  gone        main",
        ]
    );
    assert_eq!(done.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_cannot_steer_the_terminal_in_any_format() {
    let fake = Fake::start().await;
    let name = "Evil\u{1b}]52;c;AAAA\u{7}\u{9b}2J\u{202e}";
    fake.always(
        "list_callers",
        Reply::Json(
            json!({ "callers": [{ "name": "shows/main/callers/c1", "displayName": name }] }),
        ),
    );
    for format in ["table", "json", "ndjson", "name"] {
        let done = fake.booth(&["caller", "list", "-o", format]).await.exits(0);
        assert!(
            !done
                .stdout
                .contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
            "{format}: {:?}",
            done.stdout
        );
    }
    let answer = fake
        .booth(&["caller", "list", "-o", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(
        answer["callers"][0]["displayName"], name,
        "JSON keeps what was said"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_prints_the_link_alone_and_says_the_rest() {
    let fake = Fake::start().await;
    let answer = json!({
        "invite": { "name": "shows/main/invites/i9f3", "usesLeft": 1, "expireTime": "2026-11-22T05:00:00Z" },
        "token": "T", "url": "http://studio.example:8080/join/main#T", "revision": "9",
    });
    fake.always("create_invite", Reply::Json(answer));
    let done = fake
        .booth(&["invite", "create"])
        .await
        .exits(0)
        .says("2026-11-22 05:00:00Z")
        .says("one person");
    assert_eq!(done.stdout, "http://studio.example:8080/join/main#T\n");
    let done = fake
        .booth(&["invite", "create", "--qr"])
        .await
        .exits(0)
        .says("█");
    assert_eq!(done.stdout, "http://studio.example:8080/join/main#T\n");
    assert_eq!(
        fake.booth(&["invite", "create", "-o", "name"])
            .await
            .exits(0)
            .stdout,
        "shows/main/invites/i9f3\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_operators_token_is_alone_on_stdout() {
    let fake = Fake::start().await;
    let answer = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR" }, "token": "abc", "revision": "9" });
    fake.always("create_operator", Reply::Json(answer));
    let done = fake
        .booth(&["operator", "add", "anna", "--role", "operator"])
        .await
        .exits(0)
        .says("only now");
    assert_eq!(done.stdout, "abc\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_server_and_who_is_on_which_slot() {
    let fake = Fake::start().await;
    fake.with_callers();
    let status = json!({
        "version": "0.1.0", "revision": "41", "callersReady": 1, "callersWaiting": 1, "sessions": 2, "joinBaseUrl": "http://studio.example:8080",
        "ledger": { "writable": false, "problem": "disk full" },
        "units": [{ "name": "slot-1", "attached": true, "pid": 12, "restarts": 2, "cpuPercent": 41.6, "memoryBytes": "91000000" }],
        "cpuPercent": 3.2, "memoryBytes": "42000000",
    });
    fake.always("get_status", Reply::Json(status));
    let slots = json!({ "slots": [{
        "name": "slots/1", "show": "shows/main", "online": true, "settings": { "port": 9001 },
        "showing": "SHOWING_CALLER", "showingCaller": "shows/main/callers/c7k2m9", "assignedCaller": "shows/main/callers/c7k2m9",
    }]});
    fake.always("list_slots", Reply::Json(slots));
    let done = fake.booth(&["status"]).await.exits(0);
    for part in [
        "COMMANDS ARE REFUSED: disk full",
        "1 waiting, 1 ready, 0 held, 0 on air; 2 connected",
        "http://studio.example:8080/join/main",
        "slot-1  running  12   42 %  91.0 MB  2",
        "3 % CPU, 42.0 MB",
        "1     ON AIR   c7k2m9  Anna  srt :9001",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part:?} is not in\n{}",
            done.stdout
        );
    }
    let answer = fake.booth(&["status", "-o", "json"]).await.exits(0).json();
    assert_eq!(answer["units"][0]["pid"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tally_and_how_it_stands_with_vmix_are_shown() {
    let fake = Fake::start().await;
    fake.with_callers();
    let settings = json!({ "port": 9001, "vmix": { "address": "studio:8099", "input": "2", "titleInput": "7" } });
    let slot = json!({
        "name": "slots/1", "show": "shows/main", "online": true, "settings": settings, "showing": "SHOWING_IDLE",
        "tally": "TALLY_PROGRAM", "vmix": { "state": "STATE_CONNECTED", "lastError": "it refuses\u{1b}[31m" },
    });
    let lost = json!({
        "name": "slots/2", "show": "shows/main", "online": true, "settings": settings, "showing": "SHOWING_IDLE",
        "vmix": { "state": "STATE_CONNECTING" },
    });
    fake.always("get_slot", Reply::Json(json!({ "slot": slot })));
    fake.always("list_slots", Reply::Json(json!({ "slots": [slot, lost] })));
    let seen = fake.booth(&["slot", "get", "1"]).await.exits(0).stdout;
    for part in [
        "PROGRAM",
        "studio:8099",
        "7, its first field",
        "connected, but it refuses",
    ] {
        assert!(seen.contains(part), "{part:?} is not in\n{seen}");
    }
    assert!(!seen.contains('\u{1b}'), "{seen:?}");
    let seen = fake.booth(&["slot", "list"]).await.exits(0).stdout;
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lines: Vec<_> = seen.lines().map(words).collect();
    assert_eq!(lines[0][..3], ["SLOT", "SHOWING", "TALLY"]);
    assert_eq!(lines[1][..3], ["1", "idle", "PROGRAM"]);
    assert_eq!(lines[2][..3], ["2", "idle", "unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slots_address_is_a_url_for_tools_and_fields_for_vmix() {
    let fake = Fake::start().await;
    let address = json!({ "host": "192.0.2.5", "port": 9001, "latencyMs": 120, "passphrase": "open sesame!", "streamId": "slot1" });
    fake.always("get_slot_address", Reply::Json(address));
    let done = fake
        .booth(&["slot", "url", "1", "--for", "ffmpeg"])
        .await
        .exits(0)
        .says("ffplay");
    assert_eq!(
        done.stdout,
        "srt://192.0.2.5:9001?mode=caller&latency=120000&streamid=slot1&passphrase=open sesame!\n"
    );
    let done = fake
        .booth(&["slot", "url", "1", "--for", "gst", "--host", "198.51.100.7"])
        .await
        .exits(0);
    assert_eq!(
        done.stdout,
        "srt://198.51.100.7:9001?mode=caller&latency=120&streamid=slot1&passphrase=open%20sesame%21\n"
    );
    let done = fake
        .booth(&["slot", "url", "1", "--for", "vmix"])
        .await
        .exits(0);
    assert!(
        done.stdout.contains("Latency      120 ms\n"),
        "{}",
        done.stdout
    );
    let done = fake
        .booth(&["slot", "url", "1", "--for", "obs"])
        .await
        .exits(0);
    assert!(
        done.stdout.contains("latency=120000") && done.stdout.contains("1 s\n"),
        "{}",
        done.stdout
    );
    let answer = fake
        .booth(&["slot", "url", "1", "--for", "gst", "-o", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(answer["address"]["latencyMs"], 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_without_a_text_shows_the_conversation() {
    let fake = Fake::start().await;
    fake.with_callers();
    let caller = json!({ "caller": { "name": "shows/main/callers/c7k2m9", "displayName": "Anna", "chat": [
        { "time": "2026-11-21T05:00:00Z", "operator": "operators/max", "text": "You are next" },
        { "time": "2026-11-21T05:00:05Z", "text": "Great" },
    ]}});
    fake.always("get_caller", Reply::Json(caller));
    let done = fake.booth(&["caller", "chat", "Anna"]).await.exits(0);
    assert_eq!(
        done.stdout,
        "2026-11-21 05:00:00Z  max: You are next\n2026-11-21 05:00:05Z  Anna: Great\n"
    );
    assert!(fake.calls_of("chat_caller").is_empty());
}
