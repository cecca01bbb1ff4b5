//! gRPC-web as browsers and Companion speak it: HTTP/1.1 and frames, byte by byte.

use std::time::Duration;

use booth_proto::v1;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::sync::oneshot;

use super::{ADMIN, Booth};

pub async fn send(booth: &Booth, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let io = TokioIo::new(booth.connect());
    let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    client.send_request(request).await.unwrap()
}

fn post(path: &str, message: &impl Message) -> http::request::Builder {
    let _ = message;
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "booth")
        .header("origin", "https://panel.example")
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
}

/// Flag 0, length, message.
fn framed(message: &impl Message) -> Full<Bytes> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    Full::new(frame.into())
}

/// The frames of an answer: flag and content.
struct Frames {
    body: Incoming,
    read: BytesMut,
}

impl Frames {
    async fn next(&mut self) -> Option<(u8, Bytes)> {
        loop {
            if self.read.len() >= 5 {
                let length = (&self.read[1..5]).get_u32() as usize;
                if self.read.len() >= 5 + length {
                    let mut frame = self.read.split_to(5 + length).freeze();
                    let flag = frame.get_u8();
                    frame.advance(4);
                    return Some((flag, frame));
                }
            }
            match self.body.frame().await {
                Some(part) => self.read.extend(part.unwrap().into_data().unwrap()),
                None => return None,
            }
        }
    }
}

fn frames(answer: Response<Incoming>) -> Frames {
    Frames {
        body: answer.into_body(),
        read: BytesMut::new(),
    }
}

#[tokio::test]
async fn a_unary_call_over_http_1_answers_a_message_and_trailers_as_frames() {
    let booth = Booth::start().await;
    let list = v1::ListSlotsRequest {};
    let request = post("/booth.v1.SlotService/ListSlots", &list)
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(framed(&list))
        .unwrap();
    let answer = send(&booth, request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(
        answer.headers()["content-type"],
        "application/grpc-web+proto"
    );
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://panel.example"
    );
    let exposed = answer.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap()
        .to_owned();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let mut frames = frames(answer);
    let (flag, message) = frames.next().await.unwrap();
    assert_eq!(flag, 0);
    assert_eq!(
        v1::ListSlotsResponse::decode(message).unwrap().slots.len(),
        2
    );
    let (flag, trailers) = frames.next().await.unwrap();
    assert_eq!(flag, 0x80);
    assert!(
        String::from_utf8_lossy(&trailers).contains("grpc-status:0"),
        "{trailers:?}"
    );
    assert_eq!(frames.next().await, None);
}

#[tokio::test]
async fn a_watch_over_http_1_streams_its_messages_as_they_come() {
    let booth = Booth::start().await;
    let watch = v1::WatchRequest::default();
    let request = post("/booth.v1.WatchService/Watch", &watch)
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(framed(&watch))
        .unwrap();
    let mut frames = frames(send(&booth, request).await);
    let (_, first) = frames.next().await.unwrap();
    let first = v1::WatchResponse::decode(first).unwrap();
    assert!(
        matches!(
            first.message,
            Some(v1::watch_response::Message::Snapshot(_))
        ),
        "{first:?}"
    );
    booth.caller("c1", "Bravo").await;
    let (_, second) = frames.next().await.unwrap();
    let second = v1::WatchResponse::decode(second).unwrap();
    assert_eq!(second.revision, first.revision + 1);
    booth.stop.cancel();
    let trailers = loop {
        match frames.next().await.unwrap() {
            (0, _) => {}
            (_, trailers) => break String::from_utf8_lossy(&trailers).into_owned(),
        }
    };
    assert!(trailers.contains("grpc-status:14"), "{trailers}");
}

#[tokio::test]
async fn meters_stream_over_http_1_too() {
    let booth = Booth::start().await;
    let watch = v1::WatchMetersRequest::default();
    let request = post("/booth.v1.WatchService/WatchMeters", &watch)
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(framed(&watch))
        .unwrap();
    let mut frames = frames(send(&booth, request).await);
    for _ in 0..2 {
        let (flag, frame) = frames.next().await.unwrap();
        assert_eq!(flag, 0);
        assert!(v1::WatchMetersResponse::decode(frame).unwrap().at_ms > 0);
    }
}

#[tokio::test]
async fn a_refusal_over_http_1_has_its_code_and_details() {
    let booth = Booth::start().await;
    let list = v1::ListSlotsRequest {};
    let request = post("/booth.v1.SlotService/ListSlots", &list)
        .body(framed(&list))
        .unwrap();
    let answer = send(&booth, request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "16");
    assert!(answer.headers().contains_key("grpc-status-details-bin"));
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://panel.example"
    );
}

#[tokio::test]
async fn a_refusal_over_http_1_lets_its_request_be_written_and_the_connection_stay() {
    let booth = Booth::start().await;
    let io = TokioIo::new(booth.connect());
    let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let list = v1::ListSlotsRequest {};
    let (written, rest) = oneshot::channel::<Bytes>();
    let slow = StreamBody::new(stream::once(rest).map(|rest| rest.map(Frame::data)));
    let unsigned = post("/booth.v1.SlotService/ListSlots", &list)
        .body(BodyExt::boxed(slow))
        .unwrap();
    let mut refused = tokio::spawn(client.send_request(unsigned));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut refused).await;
    assert!(early.is_err(), "overtook its request: {early:?}");
    let message = framed(&list).collect().await.unwrap().to_bytes();
    written.send(message.clone()).unwrap();
    let refused = refused.await.unwrap().unwrap();
    assert_eq!(refused.headers()["grpc-status"], "16");
    refused.into_body().collect().await.unwrap();

    client.ready().await.unwrap();
    let body = Full::new(message).map_err(|never| match never {});
    let signed = post("/booth.v1.SlotService/ListSlots", &list)
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(BodyExt::boxed(body))
        .unwrap();
    let answer = client.send_request(signed).await.unwrap();
    assert!(!answer.headers().contains_key("grpc-status"));
    let (flag, _) = frames(answer).next().await.unwrap();
    assert_eq!(flag, 0);
}

#[tokio::test]
async fn a_preflight_is_answered_for_origins_that_are_allowed_and_for_no_others() {
    let booth = Booth::start().await;
    let preflight = |origin: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/booth.v1.SlotService/TakeSlot")
            .header("host", "booth")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,x-grpc-web,x-user-agent",
            )
            .body(Full::default())
            .unwrap()
    };
    let answer = send(&booth, preflight("https://panel.example")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://panel.example"
    );
    let allowed = answer.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap()
        .to_owned();
    for name in [
        "authorization",
        "content-type",
        "x-grpc-web",
        "x-user-agent",
    ] {
        assert!(allowed.contains(name), "{allowed}");
    }
    assert!(
        answer.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("POST")
    );
    let answer = send(&booth, preflight("https://evil.example")).await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn with_a_star_every_origin_is_allowed() {
    let mut config = crate::config::Config::default();
    config.grpc.cors_origins = vec!["*".into()];
    let booth = Booth::with(config).await;
    let list = v1::ListSlotsRequest {};
    let request = post("/booth.v1.SlotService/ListSlots", &list)
        .body(framed(&list))
        .unwrap();
    assert_eq!(
        send(&booth, request).await.headers()["access-control-allow-origin"],
        "*"
    );
}
