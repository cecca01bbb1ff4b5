//! The commands of a publishing client, and what servers say, in the words and the order of OBS and ffmpeg.

use bytes::BytesMut;

use crate::amf::{self, Value, Writer};
use crate::chunk::{
    AUDIO, COMMAND_AMF0, COMMAND_AMF3, Message, USER_CONTROL, VIDEO, WINDOW_ACK_SIZE,
};

pub(super) const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
pub(super) const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;

const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// Longer texts are cut: they end in a status line.
const TEXT_MAX: usize = 200;

/// Each kind on a chunk stream of its own.
pub(super) fn chunk_stream(kind: u8) -> u8 {
    match kind {
        COMMAND_AMF0 => 3,
        AUDIO => 4,
        VIDEO => 6,
        _ => 5,
    }
}

pub(super) fn connect(app: &str, tc_url: &str) -> BytesMut {
    let text = |text: &str| Value::String(text.to_owned());
    Writer::default()
        .string("connect")
        .number(CONNECT)
        .object(&[
            ("app", text(app)),
            ("type", text("nonprivate")),
            ("flashVer", text("FMLE/3.0 (compatible; booth)")),
            ("swfUrl", text(tc_url)),
            ("tcUrl", text(tc_url)),
        ])
        .done()
}

pub(super) fn announce(stream: &str) -> [BytesMut; 3] {
    let named = |name: &str, transaction| {
        Writer::default()
            .string(name)
            .number(transaction)
            .null()
            .string(stream)
            .done()
    };
    [
        named("releaseStream", RELEASE_STREAM),
        named("FCPublish", FC_PUBLISH),
        Writer::default()
            .string("createStream")
            .number(CREATE_STREAM)
            .null()
            .done(),
    ]
}

pub(super) fn publish(stream: &str) -> BytesMut {
    Writer::default()
        .string("publish")
        .number(PUBLISH)
        .null()
        .string(stream)
        .string("live")
        .done()
}

/// Commands and the message streams they go on.
pub(super) fn goodbye(stream: &str, id: u32) -> [(BytesMut, u32); 2] {
    [
        (
            Writer::default()
                .string("FCUnpublish")
                .number(6.0)
                .null()
                .string(stream)
                .done(),
            0,
        ),
        (
            Writer::default()
                .string("deleteStream")
                .number(7.0)
                .null()
                .number(f64::from(id))
                .done(),
            0,
        ),
    ]
}

/// What a message means to a publisher.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Result {
        to: f64,
        stream: Option<u32>,
    },
    /// `NetStream.Publish.Start`.
    Started,
    Refused(String),
    Ended(String),
    Nothing,
}

pub(super) fn said(message: &Message) -> Said {
    let body = match message.kind {
        COMMAND_AMF0 => &message.payload[..],
        // AMF3 commands begin with a byte that says that AMF0 follows.
        COMMAND_AMF3 => message.payload.get(1..).unwrap_or_default(),
        _ => return Said::Nothing,
    };
    let Ok(values) = amf::decode(body) else {
        return Said::Nothing;
    };
    let name = values.first().and_then(Value::str).unwrap_or_default();
    let to = values.get(1).and_then(Value::number).unwrap_or_default();
    let info = values.get(3);
    match name {
        "_result" => Said::Result {
            to,
            stream: info.and_then(Value::number).map(stream_id),
        },
        // Many servers know neither releaseStream nor FCPublish, and say so.
        "_error" if to == RELEASE_STREAM || to == FC_PUBLISH => Said::Nothing,
        "_error" => Said::Refused(status(info).1),
        "onStatus" => {
            let (code, text) = status(info);
            let error = info.and_then(|i| i.get("level")).and_then(Value::str) == Some("error");
            match code.as_str() {
                "NetStream.Publish.Start" => Said::Started,
                "NetStream.Publish.BadName"
                | "NetStream.Publish.Denied"
                | "NetStream.Publish.Rejected"
                | "NetStream.Publish.BadAuth"
                | "NetStream.Publish.Failed"
                | "NetConnection.Connect.Rejected"
                | "NetConnection.Connect.InvalidApp" => Said::Refused(text),
                "NetConnection.Connect.Closed" | "NetStream.Unpublish.Success" => Said::Ended(text),
                _ if error => Said::Ended(text),
                _ => Said::Nothing,
            }
        }
        "close" => Said::Ended("the connection is closed".to_owned()),
        _ => Said::Nothing,
    }
}

/// A float that names a message stream; nonsense becomes a stream that the peer will refuse.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn stream_id(number: f64) -> u32 {
    number as u32
}

/// Code, and code with description for people.
fn status(info: Option<&Value>) -> (String, String) {
    let member = |name| info.and_then(|i| i.get(name)).and_then(Value::str);
    let code = member("code").unwrap_or_default().to_owned();
    let text = match member("description") {
        Some(description) if !description.is_empty() && description != code => {
            format!("{code}: {description}")
        }
        _ if code.is_empty() => "no reason given".to_owned(),
        _ => code.clone(),
    };
    let text = text
        .trim_start_matches(": ")
        .chars()
        .filter(|c| !c.is_control())
        .take(TEXT_MAX)
        .collect();
    (code, text)
}

/// The acknowledgement window, if that is what it is.
pub(super) fn window(message: &Message) -> Option<u32> {
    if message.kind != WINDOW_ACK_SIZE {
        return None;
    }
    let bytes = message.payload.get(..4)?.try_into().ok()?;
    // Smaller ones would make us answer every packet.
    Some(u32::from_be_bytes(bytes).max(1024))
}

/// The answer to a ping, if it is one.
pub(super) fn pong(message: &Message) -> Option<[u8; 6]> {
    if message.kind != USER_CONTROL || message.payload.get(..2)? != PING_REQUEST.to_be_bytes() {
        return None;
    }
    let mut pong = [0; 6];
    pong[..2].copy_from_slice(&PING_RESPONSE.to_be_bytes());
    pong[2..].copy_from_slice(message.payload.get(2..6)?);
    Some(pong)
}
