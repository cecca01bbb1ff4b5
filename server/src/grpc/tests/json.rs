//! JSON in Connect's form, as curl sends it: HTTP/1.1, byte by byte.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use booth_core::Role;
use booth_proto::methods::METHODS;
use booth_proto::v1;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use prost::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::web::send;
use super::{ADMIN, Booth, admin};

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The HTTP status, Connect's code and the reason of an error.
    #[track_caller]
    pub fn refusal(&self) -> (u16, String, String) {
        let error = self.json();
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("{error}"))
                .to_owned()
        };
        let reason = text(&error["details"][0]["debug"]["reason"]);
        (self.status.as_u16(), text(&error["code"]), reason)
    }
}

pub fn request(method: Method, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    request
        .header("host", "booth")
        .header("authorization", format!("Bearer {ADMIN}"))
}

pub async fn ask(booth: &Booth, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
    let answer = send(booth, request.body(Full::new(body.into())).unwrap()).await;
    let (head, body) = answer.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

pub async fn post(booth: &Booth, path: &str, body: &Value) -> Answer {
    let request = request(Method::POST, path).header("content-type", "application/json");
    ask(booth, request, body.to_string()).await
}

async fn post_as(booth: &Booth, token: &str, path: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "booth")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    ask(booth, request, body.to_string()).await
}

/// Every RPC of the public package: path, and whether it streams.
pub fn rpcs() -> Vec<(String, bool)> {
    let set = prost_types::FileDescriptorSet::decode(booth_proto::DESCRIPTORS).unwrap();
    let mut rpcs = Vec::new();
    for file in set.file.iter().filter(|file| file.package() == "booth.v1") {
        for service in &file.service {
            for method in &service.method {
                assert!(!method.client_streaming());
                let path = format!("/booth.v1.{}/{}", service.name(), method.name());
                rpcs.push((path, method.server_streaming()));
            }
        }
    }
    assert!(rpcs.len() > 60, "{}", rpcs.len());
    rpcs
}

#[tokio::test]
async fn every_unary_rpc_answers_json() {
    let booth = Booth::start().await;
    let known: BTreeSet<_> = METHODS
        .iter()
        .map(|m| (m.path.to_owned(), m.streams))
        .collect();
    assert_eq!(known, rpcs().into_iter().collect());
    let mut answered = 0;
    for (path, streams) in rpcs() {
        let answer = post(&booth, &path, &json!({ "nmae": 1 })).await;
        if streams {
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
            continue;
        }
        let malformed = (
            400,
            "invalid_argument".to_owned(),
            "MALFORMED_MESSAGE".to_owned(),
        );
        assert_eq!(answer.refusal(), malformed, "{path}");
        let text = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(text.contains("unknown field `nmae`"), "{path}: {text}");

        let answer = post(&booth, &path, &json!({})).await;
        if answer.status == StatusCode::OK {
            assert!(answer.json().is_object(), "{path}");
            answered += 1;
        } else {
            // What it lacks is its handler's to say.
            let (status, code, reason) = answer.refusal();
            assert!(
                matches!(
                    (status, code.as_str()),
                    (400, "invalid_argument") | (404, "not_found")
                ),
                "{path}: {status} {code} {reason}"
            );
            assert_ne!(reason, "MALFORMED_MESSAGE", "{path}");
        }

        let nobody = post_as(&booth, "guess", &path, &json!({})).await;
        let unknown = (
            401,
            "unauthenticated".to_owned(),
            "TOKEN_UNKNOWN".to_owned(),
        );
        assert_eq!(nobody.refusal(), unknown, "{path}");
    }
    assert!(answered >= 8, "{answered}");
}

#[tokio::test]
async fn an_answer_is_the_same_as_grpcs() {
    let booth = Booth::start().await;
    booth.caller("c1", "Åse “A” Bravo").await;
    let over_grpc = booth
        .callers()
        .list_callers(admin(v1::ListCallersRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let answer = post(&booth, "/booth.v1.CallerService/ListCallers", &json!({})).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let over_json = answer.json();
    assert_eq!(over_json, serde_json::to_value(&over_grpc).unwrap());
    assert_eq!(over_json["callers"][0]["displayName"], "Åse “A” Bravo");
    assert_eq!(over_json["revision"], over_grpc.revision.to_string());
}

#[tokio::test]
async fn a_take_by_json_is_a_take() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    booth.caller("c1", "Bravo").await;
    let approve = json!({ "name": "shows/-/callers/c1" });
    let approved = post(&booth, "/booth.v1.CallerService/ApproveCaller", &approve).await;
    assert_eq!(approved.json()["caller"]["state"], "STATE_READY");
    let take = json!({ "name": "slots/1", "next": true, "requestId": "r1" });
    let first = post(&booth, "/booth.v1.SlotService/TakeSlot", &take).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(
        first.json()["slot"]["assignedCaller"],
        "shows/main/callers/c1"
    );
    // A repeat gets the first answer; nothing else is taken.
    let again = post(&booth, "/booth.v1.SlotService/TakeSlot", &take).await;
    assert_eq!(again.json()["revision"], first.json()["revision"]);
    let stale = json!({ "name": "slots/1", "expectedRevision": "1" });
    let stale = post(&booth, "/booth.v1.SlotService/ReleaseSlot", &stale).await;
    let mismatch = (409, "aborted".to_owned(), "REVISION_MISMATCH".to_owned());
    assert_eq!(stale.refusal(), mismatch);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_told_which_is_needed() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let take = json!({ "name": "slots/1", "next": true });
    let answer = post_as(&booth, "vera", "/booth.v1.SlotService/TakeSlot", &take).await;
    let low = (
        403,
        "permission_denied".to_owned(),
        "ROLE_TOO_LOW".to_owned(),
    );
    assert_eq!(answer.refusal(), low);
    let error = answer.json();
    assert!(
        error["message"].as_str().unwrap().contains("Operator"),
        "{error}"
    );
    assert_eq!(
        error["details"][0]["debug"]["metadata"]["needed"],
        "operator"
    );
}

#[tokio::test]
async fn an_error_has_connects_form_and_its_details_are_the_protos() {
    let booth = Booth::start().await;
    let answer = post(
        &booth,
        "/booth.v1.SlotService/GetSlot",
        &json!({ "name": "slot/1" }),
    )
    .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = answer.json();
    assert_eq!(error["code"], "invalid_argument");
    assert_eq!(error["details"][0]["type"], "google.rpc.ErrorInfo");
    let value = error["details"][0]["value"].as_str().unwrap();
    let info =
        tonic_types::pb::ErrorInfo::decode(STANDARD_NO_PAD.decode(value).unwrap().as_slice());
    assert_eq!(info.unwrap().reason, "INVALID_ARGUMENT");
    let violation = &error["details"][1]["debug"]["fieldViolations"][0];
    assert_eq!(violation["field"], "name");

    let request = Request::builder()
        .method(Method::POST)
        .uri("/booth.v1.SlotService/ListSlots")
        .header("host", "booth")
        .header("content-type", "application/json; charset=utf-8");
    let answer = ask(&booth, request, "{}").await;
    let missing = (
        401,
        "unauthenticated".to_owned(),
        "TOKEN_MISSING".to_owned(),
    );
    assert_eq!(answer.refusal(), missing);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn messages_may_be_protobuf_too_and_none_needs_no_body() {
    let booth = Booth::start().await;
    let get = v1::GetSlotRequest {
        name: "slots/2".into(),
    };
    let proto = request(Method::POST, "/booth.v1.SlotService/GetSlot")
        .header("content-type", "application/proto")
        .header("connect-protocol-version", "1");
    let answer = ask(&booth, proto, get.encode_to_vec()).await;
    assert_eq!(answer.headers["content-type"], "application/proto");
    let slot = v1::GetSlotResponse::decode(answer.body)
        .unwrap()
        .slot
        .unwrap();
    assert_eq!(slot.name, "slots/2");

    let empty = request(Method::POST, "/booth.v1.SlotService/ListSlots")
        .header("content-type", "application/json");
    let answer = ask(&booth, empty, "").await;
    assert_eq!(answer.json()["slots"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_asked_in_no_known_way_is_told_the_known_ones() {
    let booth = Booth::start().await;
    let path = "/booth.v1.SlotService/ListSlots";
    let get = ask(&booth, request(Method::GET, path), "").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get.headers["allow"], "POST");
    let form =
        request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
    let form = ask(&booth, form, "a=b").await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        form.headers["accept-post"]
            .to_str()
            .unwrap()
            .contains("application/json")
    );
    let stream = post(&booth, "/booth.v1.WatchService/Watch", &json!({})).await;
    assert_eq!(stream.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        stream.headers["accept-post"]
            .to_str()
            .unwrap()
            .contains("connect+json")
    );
    for path in ["/booth.v1.SlotService/Explode", "/", "/nothing"] {
        let answer = post(&booth, path, &json!({})).await;
        let unknown = (404, "unimplemented".to_owned(), "UNKNOWN_METHOD".to_owned());
        assert_eq!(answer.refusal(), unknown, "{path}");
    }
    for (name, value) in [
        ("connect-protocol-version", "2"),
        ("connect-timeout-ms", "soon"),
    ] {
        let odd = request(Method::POST, path)
            .header("content-type", "application/json")
            .header(name, value);
        let (status, _, reason) = ask(&booth, odd, "{}").await.refusal();
        assert_eq!(
            (status, reason.as_str()),
            (400, "MALFORMED_MESSAGE"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused() {
    let booth = Booth::start().await;
    let note = |bytes: usize| json!({ "name": "shows/main/callers/c1", "text": "x".repeat(bytes) });
    let path = "/booth.v1.CallerService/NoteCaller";
    let answer = post(&booth, path, &note(1024 * 1024)).await;
    let large = (
        429,
        "resource_exhausted".to_owned(),
        "MESSAGE_TOO_LARGE".to_owned(),
    );
    assert_eq!(answer.refusal(), large);
    let answer = post(&booth, path, &note(1024 * 1024 - 100)).await;
    assert_eq!(answer.refusal().2, "INVALID_ARGUMENT");
}

/// Sends a head and the beginning of a body, and waits for the answer without sending the rest.
async fn unfinished(booth: &Booth, token: &str, more: &str) -> String {
    let mut connection = booth.connect();
    let head = format!(
        "POST /booth.v1.SlotService/TakeSlot HTTP/1.1\r\nhost: booth\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\n{more}content-length: 100000\r\n\r\n{{\"name\":"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"\"}") {
        let read = connection.read(&mut part).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..read]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let booth = Booth::start().await;
    let answer = unfinished(&booth, "guess", "").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn a_refusal_is_heard_by_one_who_sends_the_body_after_the_head() {
    let booth = Booth::start().await;
    for content_type in [
        "application/json",
        "application/grpc-web+proto",
        "text/plain",
    ] {
        let mut connection = booth.connect();
        let head = format!(
            "POST /booth.v1.SlotService/TakeSlot HTTP/1.1\r\nhost: booth\r\ncontent-type: {content_type}\r\n\
             authorization: Bearer guess\r\ncontent-length: 2\r\n\r\n"
        );
        // The same connection is there for the next one.
        for _ in 0..2 {
            connection.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            connection.write_all(b"{}").await.unwrap();
            let mut answer = vec![0; 4096];
            let read = connection.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]);
            assert!(answer.starts_with("HTTP/1.1 "), "{content_type}: {answer}");
            assert!(
                !answer.contains("connection: close"),
                "{content_type}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_has_a_deadline() {
    let booth = Booth::start().await;
    let before = tokio::time::Instant::now();
    let answer = unfinished(&booth, ADMIN, "connect-timeout-ms: 50\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(before.elapsed() >= Duration::from_millis(50));
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let answer = unfinished(&booth, ADMIN, "").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("TIMED_OUT"), "{answer}");
    let waited = before.elapsed().as_secs();
    assert!((9..=11).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn a_body_of_grpc_web_that_does_not_come_has_the_same_deadline() {
    let booth = Booth::start().await;
    let mut connection = booth.connect();
    let head = format!(
        "POST /booth.v1.SlotService/TakeSlot HTTP/1.1\r\nhost: booth\r\ncontent-length: 100000\r\n\
         content-type: application/grpc-web+proto\r\nauthorization: Bearer {ADMIN}\r\n\r\n\0\0"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let mut answer = vec![0; 4096];
    let read = connection.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.contains("grpc-status: 4"), "{answer}");
    let waited = before.elapsed().as_secs();
    assert!((9..=11).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask_and_read() {
    let booth = Booth::start().await;
    let path = "/booth.v1.SlotService/ListSlots";
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri(path)
        .header("host", "booth")
        .header("origin", "https://panel.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,connect-protocol-version,content-type",
        );
    let answer = ask(&booth, preflight, "").await;
    let allowed = answer.headers["access-control-allow-headers"]
        .to_str()
        .unwrap();
    for name in [
        "authorization",
        "content-type",
        "connect-protocol-version",
        "connect-timeout-ms",
        "last-event-id",
    ] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let methods = answer.headers["access-control-allow-methods"]
        .to_str()
        .unwrap();
    assert!(
        methods.contains("GET") && methods.contains("POST"),
        "{methods}"
    );
    for (origin, allowed) in [
        ("https://panel.example", true),
        ("https://evil.example", false),
    ] {
        for (method, path) in [
            (Method::POST, path),
            (Method::GET, "/tiles/slots/1.png"),
            (Method::GET, "/tiles/slots/none.png"),
            (Method::GET, "/openapi.json"),
        ] {
            let asked = request(method, path)
                .header("origin", origin)
                .header("content-type", "application/json");
            let answer = ask(&booth, asked, "").await;
            let said = answer.headers.contains_key("access-control-allow-origin");
            assert_eq!(said, allowed, "{origin} {path}");
        }
    }
}
