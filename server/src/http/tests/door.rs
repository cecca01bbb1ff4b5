//! Join, the caller's own verbs and stream, the page, limits, TLS, the end.

use std::time::Duration;

use booth_core::{CallerId, CallerState, Command, EndReason, Text};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{SDP, refused};
use crate::demo::web::Web;
use crate::http::testing::{self, LOCAL, PATIENCE, Site, config, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_join_whose_answer_was_lost_is_answered_again_and_costs_one_use() {
    let site = Site::start().await;
    let invite = site.invite(Some(1)).await;
    let mut body = serde_json::json!({"show": "main", "invite": invite, "name": "Ann", "attempt": "0123456789abcdefghijkl"});
    let first = site.post("/api/join", &[], body.to_string()).await;
    let again = site.post("/api/join", &[], body.to_string()).await;
    assert_eq!(first.status, 201);
    assert_eq!(again.status, 201);
    assert_eq!(first.body, again.body, "the same caller, the same token");
    assert_eq!(site.rooms.board.state().callers.len(), 1);

    body["attempt"] = "another-attempt-0123456789".into();
    refused(
        &site.post("/api/join", &[], body.to_string()).await,
        401,
        "INVITE_USED_UP",
    );
    body["attempt"] = "short".into();
    refused(
        &site.post("/api/join", &[], body.to_string()).await,
        400,
        "BAD_REQUEST",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_joins_comes_back_writes_and_leaves() {
    let site = Site::start().await;
    let invite = site.invite(Some(1)).await;
    let body = serde_json::json!({"show": "main", "invite": invite, "name": "Ann\u{1b}[31m", "topic": "Trees"});
    let reply = site.post("/api/join", &[], body.to_string()).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let joined: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(joined["whip"], "/whip/shows/main");
    assert_eq!(joined["show_title"], "main");
    assert!(joined["ice_servers"].as_array().unwrap().is_empty());
    let rejoin = joined["rejoin"].as_str().unwrap().to_owned();
    let caller = CallerId::new(joined["caller"].as_str().unwrap()).unwrap();
    assert_eq!(
        site.rooms.board.state().callers[&caller].name.as_str(),
        "Ann[31m"
    );

    refused(
        &site.post("/api/join", &[], body.to_string()).await,
        401,
        "INVITE_USED_UP",
    );
    refused(&site.post("/api/join", &[], "{}").await, 400, "BAD_REQUEST");
    refused(
        &site.post("/api/join", &[], vec![b' '; 20_000]).await,
        413,
        "BAD_REQUEST",
    );
    let bad = serde_json::json!({"show": "../..", "invite": "x"});
    refused(
        &site.post("/api/join", &[], bad.to_string()).await,
        404,
        "SHOW_NOT_FOUND",
    );

    let bearer = format!("Bearer {rejoin}");
    let auth = ("authorization", bearer.as_str());
    let back = site
        .post("/api/rejoin", &[auth], r#"{"topic":"Birds"}"#)
        .await;
    assert_eq!(back.status, 200, "{:?}", back.body);
    let again: Value = serde_json::from_slice(&back.body).unwrap();
    assert_eq!(again["caller"], joined["caller"]);
    assert_eq!(again.get("rejoin"), None);
    assert_eq!(
        site.rooms.board.state().callers[&caller].topic.as_str(),
        "Birds"
    );
    refused(
        &site
            .post("/api/rejoin", &[("authorization", "Bearer x")], "")
            .await,
        401,
        "REJOIN_UNKNOWN",
    );

    assert_eq!(
        site.post("/api/call/chat", &[auth], r#"{"text":"hello"}"#)
            .await
            .status,
        204
    );
    refused(
        &site
            .post("/api/call/chat", &[auth], r#"{"text":"\u0007"}"#)
            .await,
        400,
        "INVALID_ARGUMENT",
    );
    refused(
        &site.post("/api/call/chat", &[], r#"{"text":"x"}"#).await,
        401,
        "REJOIN_UNKNOWN",
    );

    // As a beacon does: no header, and perhaps twice.
    let beacon = serde_json::json!({ "rejoin": rejoin }).to_string();
    for _ in 0..2 {
        let left = site
            .post(
                "/api/call/leave",
                &[("content-type", "text/plain")],
                beacon.clone(),
            )
            .await;
        assert_eq!(left.status, 204);
    }
    let state = site.until(|s| s.callers[&caller].state.is_ended()).await;
    assert_eq!(
        state.callers[&caller].state,
        CallerState::Ended(EndReason::Left)
    );
    refused(
        &site.post("/api/rejoin", &[auth], "").await,
        409,
        "CALLER_ENDED",
    );
}

/// Reads the stream up to the next view.
pub(super) async fn next_view(
    body: &mut hyper::body::Incoming,
    pending: &mut String,
) -> Option<Value> {
    loop {
        if let Some((event, rest)) = pending.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *pending = rest;
            if let Some((_, data)) = event.split_once("data: ") {
                assert!(event.starts_with("event: call\n"), "{event}");
                return Some(serde_json::from_str(data).unwrap());
            }
            continue;
        }
        let frame = tokio::time::timeout(PATIENCE, body.frame())
            .await
            .expect("the stream hangs")?;
        pending.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_own_stream_tells_every_change_and_closes_with_the_call() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let (first, _) = site.join(&invite, "Zoe").await;
    let (caller, rejoin) = site.join(&invite, "Ann").await;
    let bearer = format!("Bearer {rejoin}");
    let auth = ("authorization", bearer.as_str());
    assert!(site.web.stream("/api/call/events", &[]).await.is_err());
    let mut body = site.web.stream("/api/call/events", &[auth]).await.unwrap();
    let mut pending = String::new();
    let view = next_view(&mut body, &mut pending).await.unwrap();
    assert_eq!(view["state"], "joining");
    assert_eq!(view["position"], 2);
    assert_eq!(view["waiting"], 2);
    assert_eq!(view["video"], "low");
    assert_eq!(view["show_title"], "main");
    assert_eq!(view["connected"], false);
    site.system(Command::Drop { id: first }).await;
    let moved = next_view(&mut body, &mut pending).await.unwrap();
    assert_eq!(moved["position"], 1);
    assert!(moved["rev"].as_u64() > view["rev"].as_u64());
    site.post("/api/call/chat", &[auth], r#"{"text":"hello"}"#)
        .await;
    let said = next_view(&mut body, &mut pending).await.unwrap();
    assert_eq!(said["messages"][0]["from"], "you");
    assert_eq!(said["messages"][0]["text"], "hello");
    // The wanted video rate comes the same way.
    let (publisher, _) = publish(&site, &rejoin, true, None).await;
    // Until it is heard: the server's end of the connection may be ready a little after the publisher's.
    let sound = async {
        for n in 0.. {
            publisher.send(testing::opus(n, 40)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let state = tokio::select! {
        state = site.until(|s| s.callers[&caller].link.is_up()) => state,
        () = sound => unreachable!(),
    };
    let booth_core::Link::Up { session, .. } = state.callers[&caller].link else {
        unreachable!()
    };
    site.rooms
        .hub
        .set_want(session, crate::relay::VideoWant::Full);
    loop {
        let view = next_view(&mut body, &mut pending).await.unwrap();
        if view["video"] == "full" {
            break;
        }
    }
    let reason = Text::scrub("not today", 200);
    site.until(|s| s.callers[&caller].state == CallerState::Waiting)
        .await;
    site.system(Command::Reject {
        id: caller.clone(),
        reason,
    })
    .await;
    let mut last = Value::Null;
    while let Some(view) = next_view(&mut body, &mut pending).await {
        last = view;
    }
    assert_eq!(last["state"], "ended");
    assert_eq!(last["ended"]["reason"], "rejected");
    assert_eq!(last["ended"]["note"], "not today");
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_fifth_stream_closes_their_oldest_and_nobody_elses() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let (_, ann) = site.join(&invite, "Ann").await;
    let (_, bob) = site.join(&invite, "Bob").await;
    let open = async |rejoin: &str| {
        let bearer = format!("Bearer {rejoin}");
        let auth = ("authorization", bearer.as_str());
        let mut body = site.web.stream("/api/call/events", &[auth]).await.unwrap();
        let mut pending = String::new();
        next_view(&mut body, &mut pending).await.unwrap();
        (body, pending)
    };
    let mut others = open(&bob).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(open(&ann).await);
    }
    let mut oldest = streams.remove(0);
    assert!(next_view(&mut oldest.0, &mut oldest.1).await.is_none());
    // The others are still told.
    site.join(&invite, "Cid").await;
    for (body, pending) in streams.iter_mut().chain([&mut others]) {
        assert_eq!(next_view(body, pending).await.unwrap()["waiting"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_strictly() {
    let site = Site::start().await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        site.web
            .request(Method::GET, path, headers, "")
            .await
            .unwrap()
    };
    let home = get("/", &[]).await;
    assert_eq!(
        (home.status.as_u16(), home.header("location")),
        (302, Some("/join/main"))
    );
    let page = get("/join/main", &[]).await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(
        page.header("permissions-policy"),
        Some("camera=(self), microphone=(self), display-capture=()")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let etag = page.header("etag").unwrap().to_owned();
    assert_eq!(
        get("/join/main", &[("if-none-match", &etag)]).await.status,
        304
    );
    // Whatever the page names is there.
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let named: Vec<_> = html
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(str::to_owned)
        .collect();
    assert!(!named.is_empty());
    for path in named {
        assert_eq!(get(&path, &[]).await.status, 200, "{path}");
    }
    for module in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../web-join")).unwrap() {
        let name = module.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".js") || name.ends_with(".css") {
            assert_eq!(
                get(&format!("/assets/{name}"), &[]).await.status,
                200,
                "{name}"
            );
        }
    }
    refused(
        &get("/assets/..%2f..%2fCargo.toml", &[]).await,
        404,
        "NOT_FOUND",
    );
    refused(&get("/nothing", &[]).await, 404, "NOT_FOUND");
    refused(&site.post("/join/main", &[], "").await, 405, "BAD_REQUEST");
    assert_eq!(get("/healthz", &[]).await.status, 200);
    let metrics = String::from_utf8(get("/metrics", &[]).await.body.to_vec()).unwrap();
    assert!(
        metrics.contains("booth_callers{state=\"waiting\"} 0")
            && metrics.contains("booth_ledger_writable 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_limited_by_the_address_a_trusted_proxy_names() {
    let mut config = config();
    config.http.joins_per_minute = 3;
    config.http.trusted_proxies = vec![LOCAL];
    let site = Site::with(config, None).await;
    let from = ("x-forwarded-for", "203.0.113.5");
    for _ in 0..3 {
        refused(
            &site.post("/api/rejoin", &[from], "").await,
            401,
            "REJOIN_UNKNOWN",
        );
    }
    let limited = site.post("/api/rejoin", &[from], "").await;
    refused(&limited, 429, "RATE_LIMITED");
    assert!(limited.header("retry-after").is_some());
    refused(
        &site.post("/whip/shows/main", &[from, SDP], "x").await,
        429,
        "RATE_LIMITED",
    );
    let other = ("x-forwarded-for", "203.0.113.6");
    refused(
        &site.post("/api/rejoin", &[other], "").await,
        401,
        "REJOIN_UNKNOWN",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let site = Site::start().await;
    let mut silent = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(site.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open");
    }
    let mut garbage = tokio::net::TcpStream::connect(site.address).await.unwrap();
    garbage
        .write_all(&[
            0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, b'\r', b'\n', b'\r', b'\n',
        ])
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, garbage.read_to_end(&mut rest))
        .await
        .unwrap();
    assert_eq!(
        site.web
            .request(Method::GET, "/healthz", &[], "")
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn https_with_a_self_signed_certificate_serves_the_same_door() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.data.dir = dir.path().to_owned();
    config.http.self_signed = true;
    let site = Site::with(config, None).await;
    let ca = dir.path().join("tls/cert.pem");
    // The door makes it while it opens.
    let made = async {
        while !ca.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, made).await.unwrap();
    let secure = Web::new(&format!("https://{}", site.address), Some(&ca)).unwrap();
    assert_eq!(
        secure
            .request(Method::GET, "/join/main", &[], "")
            .await
            .unwrap()
            .status,
        200
    );
    assert!(
        site.web
            .request(Method::GET, "/join/main", &[], "")
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_closes_streams_and_sessions_in_time() {
    let mut site = Site::start().await;
    let (_, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let bearer = format!("Bearer {rejoin}");
    let mut body = site
        .web
        .stream("/api/call/events", &[("authorization", &bearer)])
        .await
        .unwrap();
    let (publisher, _) = publish(&site, &rejoin, true, None).await;
    site.stop.cancel();
    tokio::time::timeout(PATIENCE, &mut site.served)
        .await
        .expect("the door stays open")
        .unwrap();
    while let Ok(Some(Ok(_))) = tokio::time::timeout(PATIENCE, body.frame()).await {}
    site.sessions(0).await;
    publisher.close().await;
}
