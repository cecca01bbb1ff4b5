//! Streams in JSON: server-sent events, and Connect's envelopes.

use std::time::Duration;

use booth_core::{Command, Role, Text};
use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::json::{ask, post, request};
use super::web::send;
use super::{ADMIN, Booth};
use crate::board::LAG;

#[derive(Debug, Default)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// As a browser's `EventSource` reads.
struct Events {
    body: Incoming,
    read: String,
    comments: usize,
}

impl Events {
    async fn open(booth: &Booth, request: http::request::Builder, body: &str) -> Self {
        let answer = send(
            booth,
            request
                .body(Full::new(Bytes::from(body.to_owned())))
                .unwrap(),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self {
            body: answer.into_body(),
            read: String::new(),
            comments: 0,
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let mut event = Event::default();
                let mut has_data = false;
                for line in block.lines() {
                    match line.split_once(':').unwrap() {
                        ("", _) => self.comments += 1,
                        ("retry", _) => {}
                        ("event", name) => event.name = name.trim().into(),
                        ("id", id) => event.id = id.trim().into(),
                        ("data", data) => {
                            has_data = true;
                            event.data = serde_json::from_str(data).unwrap();
                        }
                        other => panic!("{other:?}"),
                    }
                }
                if has_data {
                    return Some(event);
                }
            }
            let part = self.body.frame().await?.unwrap().into_data().unwrap();
            self.read.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if event.name == name {
                return event;
            }
            assert_eq!(event.name, "heartbeat", "{event:?}");
        }
    }
}

fn get(path: &str) -> http::request::Builder {
    request(Method::GET, path).header("accept", "text/event-stream")
}

fn bare(path: &str) -> http::request::Builder {
    Request::builder().uri(path).header("host", "booth")
}

async fn watch(booth: &Booth) -> Events {
    Events::open(booth, get("/booth.v1.WatchService/Watch"), "").await
}

#[tokio::test]
async fn a_watch_is_a_snapshot_and_then_changes_with_revisions_for_ids() {
    let booth = Booth::start().await;
    let mut events = watch(&booth).await;
    let snapshot = events.named("snapshot").await;
    assert_eq!(snapshot.id, snapshot.data["revision"].as_str().unwrap());
    assert_eq!(
        snapshot.data["snapshot"]["slots"].as_array().unwrap().len(),
        2
    );
    booth.caller("c1", "Bravo\nof two lines").await;
    let change = events.named("change").await;
    let at: u64 = snapshot.id.parse().unwrap();
    assert_eq!(change.id, (at + 1).to_string());
    assert_eq!(change.data["change"]["events"][0]["type"], "INVITE_CREATED");
}

#[tokio::test]
async fn a_browser_that_comes_back_goes_on_where_it_was() {
    let booth = Booth::start().await;
    let mut events = watch(&booth).await;
    let seen = events.named("snapshot").await.id;
    drop(events);
    booth.caller("c1", "Bravo").await;
    // The address still says where it began; the last event goes before.
    let again = get("/booth.v1.WatchService/Watch?since=0").header("last-event-id", &seen);
    let mut events = Events::open(&booth, again, "").await;
    let change = events.named("change").await;
    let at: u64 = seen.parse().unwrap();
    assert_eq!(change.id, (at + 1).to_string());
    // By address, as a script does it.
    let mut events = Events::open(
        &booth,
        get(&format!("/booth.v1.WatchService/Watch?since={seen}")),
        "",
    )
    .await;
    assert_eq!(events.named("change").await.id, change.id);
}

#[tokio::test]
async fn the_address_has_the_requests_fields_and_what_is_wrong_is_named() {
    let booth = Booth::start().await;
    let path = "/booth.v1.WatchService/Watch?show=shows%2Fmain&heartbeat_s=1";
    let mut events = Events::open(&booth, get(path), "").await;
    let snapshot = events.named("snapshot").await;
    assert!(
        snapshot.data["snapshot"].get("operators").is_none(),
        "{snapshot:?}"
    );
    tokio::time::pause();
    let heartbeat = events.next().await.unwrap();
    assert_eq!(
        (heartbeat.name.as_str(), heartbeat.id),
        ("heartbeat", snapshot.id)
    );
    for (query, reason, named) in [
        ("sinse=1", "MALFORMED_MESSAGE", "sinse"),
        ("since=x", "MALFORMED_MESSAGE", "since"),
        ("since=1&since=2", "MALFORMED_MESSAGE", "since"),
        ("heartbeat_s=61", "INVALID_ARGUMENT", "heartbeat_s"),
        ("show=shows/none", "SHOW_NOT_FOUND", "none"),
    ] {
        let answer = ask(
            &booth,
            get(&format!("/booth.v1.WatchService/Watch?{query}")),
            "",
        )
        .await;
        assert_eq!(answer.refusal().2, reason, "{query}");
        let text = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(text.contains(named), "{query}: {text}");
    }
}

#[tokio::test]
async fn a_stream_says_why_it_ends() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let request = bare("/booth.v1.WatchService/Watch").header("authorization", "Bearer vera");
    let mut events = Events::open(&booth, request, "").await;
    events.named("snapshot").await;
    let mut other = watch(&booth).await;
    other.named("snapshot").await;
    booth
        .order(Command::RevokeOperator {
            id: "vera".parse().unwrap(),
        })
        .await;
    let end = events.named("end").await;
    assert_eq!(end.data["details"][0]["debug"]["reason"], "TOKEN_REVOKED");
    assert!(events.next().await.is_none());
    other.named("change").await;
    booth.stop.cancel();
    let end = other.named("end").await;
    assert_eq!(end.data["code"], "unavailable");
}

#[tokio::test]
async fn meters_come_as_often_as_asked_for() {
    let booth = Booth::start().await;
    let mut events = Events::open(
        &booth,
        get("/booth.v1.WatchService/WatchMeters?rate=15"),
        "",
    )
    .await;
    let mut last = 0;
    for _ in 0..3 {
        let event = events.next().await.unwrap();
        assert_eq!((event.name.as_str(), event.id.as_str()), ("", ""));
        let at: i64 = event.data["atMs"].as_str().unwrap().parse().unwrap();
        assert!(at > last);
        last = at;
    }
}

#[tokio::test]
async fn one_who_reads_too_slowly_gets_a_snapshot_and_slows_nobody() {
    let booth = Booth::start().await;
    let id = booth.caller("c1", "Bravo").await;
    let mut events = watch(&booth).await;
    events.named("snapshot").await;
    let line = Text::scrub(&"x".repeat(2_000), 2_000);
    let short = Text::scrub("short", 10);
    let meta = booth_core::Meta {
        actor: booth_core::Actor::Operator("admin".parse().unwrap()),
        request_id: None,
        expected_revision: None,
    };
    let total = LAG + 400;
    for begin in (0..total).step_by(100) {
        let batch = (begin..begin + 100).map(|n| {
            let text = if n < 60 { line.clone() } else { short.clone() };
            let chat = Command::Chat {
                id: id.clone(),
                text,
            };
            booth.rooms.director.command(meta.clone(), chat)
        });
        for answer in futures_util::future::join_all(batch).await {
            answer.unwrap();
        }
    }
    let goal = booth.rooms.board.state().revision.to_string();
    let (mut snapshots, mut at) = (0, 0);
    loop {
        let event = events.next().await.unwrap();
        let revision: u64 = event.data["revision"].as_str().unwrap().parse().unwrap();
        match event.name.as_str() {
            "snapshot" => snapshots += 1,
            "change" => assert!(
                snapshots > 0 || at == 0 || revision == at + 1,
                "a gap at {at}"
            ),
            _ => {}
        }
        at = revision;
        if event.data["revision"] == goal.as_str() {
            break;
        }
    }
    assert_eq!(snapshots, 1);
}

#[tokio::test]
async fn a_stream_that_does_something_is_not_opened_by_get() {
    let booth = Booth::start().await;
    let drill = "/booth.v1.ChannelService/DrillChannel";
    for path in [drill, "/booth.v1.SystemService/Backup"] {
        let answer = ask(&booth, get(&format!("{path}?name=channels/radio")), "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    let json = |path| {
        request(Method::POST, path)
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
    };
    let mut backup = Events::open(&booth, json("/booth.v1.SystemService/Backup"), "{}").await;
    let chunk = backup.next().await.unwrap().data;
    assert_eq!(
        (&chunk["chunk"], &chunk["totalBytes"]),
        (&json!("Ym8="), &json!("5"))
    );
    assert_eq!(backup.next().await.unwrap().data["chunk"], "b3Ro");
    let end = backup.next().await.unwrap();
    assert_eq!((end.name.as_str(), end.data), ("end", json!({})));

    let none = ask(&booth, json(drill), r#"{"name":"channels/none"}"#).await;
    assert_eq!(none.refusal().2, "CHANNEL_NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_said_a_comment_keeps_the_connection() {
    let booth = Booth::start().await;
    let path = "/booth.v1.WatchService/Watch?heartbeat_s=60";
    let mut events = Events::open(&booth, get(path), "").await;
    events.named("snapshot").await;
    let before = tokio::time::Instant::now();
    events.named("heartbeat").await;
    assert!(before.elapsed() >= Duration::from_secs(59));
    assert!((3..=4).contains(&events.comments), "{}", events.comments);
}

async fn link(booth: &Booth, token: &str, ttl: &str) -> String {
    let request = bare("/booth.v1.OperatorService/GetLinkToken")
        .method(Method::POST)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let answer = ask(booth, request, json!({ "ttl": ttl }).to_string()).await;
    let answer = answer.json();
    assert!(answer["expireTime"].is_string(), "{answer}");
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_token_opens_streams_by_their_address_and_nothing_else() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let token = link(&booth, "vera", "60s").await;
    let path = |path: &str| format!("{path}?token={token}");
    for stream in [
        "/booth.v1.WatchService/Watch",
        "/booth.v1.WatchService/WatchMeters",
    ] {
        let mut events = Events::open(&booth, bare(&path(stream)), "").await;
        events.next().await.unwrap();
    }
    // Not even with the least role.
    for method in [
        "/booth.v1.SlotService/ListSlots",
        "/booth.v1.OperatorService/GetLinkToken",
    ] {
        let request = bare(&path(method))
            .method(Method::POST)
            .header("content-type", "application/json");
        let (status, _, reason) = ask(&booth, request, "{}").await.refusal();
        assert_eq!(
            (status, reason.as_str()),
            (403, "LINK_TOO_NARROW"),
            "{method}"
        );
    }
    // Tokens that last do not belong into addresses.
    let lasting = bare("/booth.v1.WatchService/Watch?token=vera");
    assert_eq!(ask(&booth, lasting, "").await.refusal().2, "TOKEN_UNKNOWN");
    let forged = format!(
        "/booth.v1.WatchService/Watch?token={}x",
        &token[..token.len() - 1]
    );
    assert_eq!(
        ask(&booth, bare(&forged), "").await.refusal().2,
        "TOKEN_UNKNOWN"
    );
    // It ends with the token that it was made with.
    booth
        .order(Command::RevokeOperator {
            id: "vera".parse().unwrap(),
        })
        .await;
    let gone = ask(&booth, bare(&path("/booth.v1.WatchService/Watch")), "").await;
    assert_eq!(gone.refusal().2, "TOKEN_UNKNOWN");
}

#[tokio::test]
async fn a_link_token_expires() {
    let booth = Booth::start().await;
    let hash = crate::secrets::token_hash(ADMIN);
    for (ms, status) in [(-1, 401), (60_000, 200)] {
        let expires = booth_core::Timestamp(booth.rooms.clock.now().0 + ms);
        let token = booth.rooms.keys.link_token(&hash, expires);
        let path = format!("/tiles/slots/1.png?token={}", token.expose());
        let answer = ask(&booth, bare(&path), "").await;
        assert_eq!(answer.status.as_u16(), status);
        if status == 401 {
            assert_eq!(answer.refusal().2, "LINK_EXPIRED");
        }
    }
    for ttl in ["0s", "-5s", "86401s"] {
        let answer = post(
            &booth,
            "/booth.v1.OperatorService/GetLinkToken",
            &json!({ "ttl": ttl }),
        )
        .await;
        assert_eq!(answer.refusal().2, "INVALID_ARGUMENT", "{ttl}");
    }
}

/// The envelopes of a Connect stream: flag and message.
struct Envelopes {
    body: Incoming,
    read: BytesMut,
}

impl Envelopes {
    async fn open(booth: &Booth, path: &str, token: &str, message: &Value) -> Self {
        let mut body = vec![0];
        let message = message.to_string();
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message.as_bytes());
        let request = bare(path)
            .method(Method::POST)
            .header("content-type", "application/connect+json")
            .header("connect-protocol-version", "1")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::from(body)));
        let answer = send(booth, request.unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/connect+json");
        Self {
            body: answer.into_body(),
            read: BytesMut::new(),
        }
    }

    async fn next(&mut self) -> Option<(u8, Value)> {
        loop {
            if self.read.len() >= 5 {
                let length = (&self.read[1..5]).get_u32() as usize;
                if self.read.len() >= 5 + length {
                    let mut frame = self.read.split_to(5 + length);
                    let flag = frame.get_u8();
                    frame.advance(4);
                    return Some((flag, serde_json::from_slice(&frame).unwrap()));
                }
            }
            let part = self.body.frame().await?.unwrap();
            self.read.extend(part.into_data().unwrap());
        }
    }
}

#[tokio::test]
async fn a_connect_stream_has_its_messages_in_envelopes_and_its_end_in_the_last() {
    let booth = Booth::start().await;
    let path = "/booth.v1.WatchService/Watch";
    let mut watch = Envelopes::open(&booth, path, ADMIN, &json!({})).await;
    let (flag, first) = watch.next().await.unwrap();
    assert_eq!(flag, 0);
    assert!(first["snapshot"].is_object(), "{first}");
    booth.caller("c1", "Bravo").await;
    let (_, second) = watch.next().await.unwrap();
    assert!(second["change"].is_object(), "{second}");
    booth.stop.cancel();
    let end = loop {
        match watch.next().await.unwrap() {
            (0, _) => {}
            (flag, end) => break (flag, end),
        }
    };
    assert_eq!((end.0, &end.1["error"]["code"]), (2, &json!("unavailable")));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn an_error_before_the_first_message_is_the_end_of_a_connect_stream() {
    let booth = Booth::start().await;
    let mut whole =
        Envelopes::open(&booth, "/booth.v1.SystemService/Backup", ADMIN, &json!({})).await;
    let mut flags = Vec::new();
    while let Some((flag, _)) = whole.next().await {
        flags.push(flag);
    }
    assert_eq!(flags, [0, 0, 2]);
    for (token, message, reason) in [
        ("guess", json!({}), "TOKEN_UNKNOWN"),
        (ADMIN, json!({ "sinse": 1 }), "MALFORMED_MESSAGE"),
        (ADMIN, json!({ "heartbeatS": 61 }), "INVALID_ARGUMENT"),
    ] {
        let path = "/booth.v1.WatchService/Watch";
        let mut stream = Envelopes::open(&booth, path, token, &message).await;
        let (flag, end) = stream.next().await.unwrap();
        assert_eq!(flag, 2);
        assert_eq!(end["error"]["details"][0]["debug"]["reason"], reason);
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_link_that_opened_it_expires() {
    let booth = Booth::start().await;
    let hash = crate::secrets::token_hash(ADMIN);
    for stream in [
        "/booth.v1.WatchService/Watch",
        "/booth.v1.WatchService/WatchMeters",
    ] {
        let expires = booth_core::Timestamp(booth.rooms.clock.now().0 + 300);
        let token = booth.rooms.keys.link_token(&hash, expires);
        let path = format!("{stream}?token={}", token.expose());
        let answer = ask(&booth, bare(&path), "").await;
        // The body was read to its end: it has one.
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(body.contains("LINK_EXPIRED"), "{stream}: {body}");
    }
}
