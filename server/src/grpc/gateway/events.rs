//! Streams as server-sent events: each message is one event, named by what it has (`snapshot`, `change`, `heartbeat`).
//!
//! A change's id is the revision it leaves the reader at, so a browser that connects again by itself goes on from there
//! (`Last-Event-ID`). A stream says in its last event, `end`, why it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use booth_proto::methods::Method;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::body::Body;

use super::call::{Fields, body, streaming, within};
use super::connect::{self, Codec};
use super::frames::Messages;
use crate::grpc::status::Reason;

const WATCH: &str = "/booth.v1.WatchService/Watch";
/// A comment this often where nothing else is said, so that nothing in between takes the connection for dead.
const BEAT: Duration = Duration::from_secs(15);
/// Says how long browsers wait before they connect again, in milliseconds.
const OPENING: &[u8] = b"retry: 1000\n\n";

/// The request in an address: fields by their names.
pub fn asked(method: &Method, query: &str, headers: &HeaderMap) -> Result<Fields, Status> {
    let mut fields = Fields::new();
    for (name, value) in connect::pairs(query) {
        if name == "token" {
            continue;
        }
        // Numbers may be written as texts.
        if fields
            .insert(name.clone().into_owned(), value.into())
            .is_some()
        {
            return Err(Reason::MalformedMessage.status(format!("{name} is there twice")));
        }
    }
    let seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    if let (WATCH, Some(seen)) = (method.path, seen.filter(|seen| !seen.is_empty())) {
        fields.insert("since".into(), seen.into());
    }
    Ok(fields)
}

pub fn answer(method: &'static Method, messages: Messages, until: Instant) -> Response<Body> {
    let opening = stream::iter([Bytes::from_static(OPENING)]);
    let rest = stream::unfold(Some(messages), move |messages| async move {
        let mut messages = messages?;
        let next = match timeout(BEAT, within(until, messages.next())).await {
            Err(_) => return Some((Bytes::from_static(b": beat\n\n"), Some(messages))),
            Ok(next) => next.and_then(|next| next),
        };
        let told = next.and_then(|message| {
            message
                .map(|message| Codec::Json.response(method, message))
                .transpose()
        });
        Some(match told {
            Ok(Some(json)) => (event(method, &json), Some(messages)),
            Ok(None) => (end(&json!({})), None),
            Err(status) => (end(&connect::error(&status)), None),
        })
    });
    streaming("text/event-stream", body(opening.chain(rest)))
}

fn end(why: &Value) -> Bytes {
    Bytes::from(format!("event: end\ndata: {why}\n\n"))
}

/// What an event's name and id are made of.
#[derive(Debug, Default, Deserialize)]
struct Peek {
    revision: Option<String>,
    snapshot: Option<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    more: bool,
}

/// One message, which has no line breaks.
fn event(method: &Method, message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len() + 64);
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(message).unwrap_or_default();
    if let Some(name) = method.kinds.iter().find(|name| fields.contains_key(**name)) {
        event.put_slice(format!("event: {name}\n").as_bytes());
    }
    let peek: Peek = serde_json::from_slice(message).unwrap_or_default();
    // One who loses the connection between the parts of a snapshot has to begin it anew.
    let whole = !peek.snapshot.is_some_and(|part| part.more);
    if let Some(revision) = peek.revision.filter(|_| whole) {
        event.put_slice(format!("id: {revision}\n").as_bytes());
    }
    event.put_slice(b"data: ");
    event.put_slice(message);
    event.put_slice(b"\n\n");
    event.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_name_and_the_revision_to_go_on_from() {
        let drill = "/booth.v1.ChannelService/DrillChannel";
        let meters = "/booth.v1.WatchService/WatchMeters";
        for (path, message, told) in [
            (
                WATCH,
                r#"{"revision":"41","change":{}}"#,
                "event: change\nid: 41\n",
            ),
            (
                WATCH,
                r#"{"revision":"41","heartbeat":{}}"#,
                "event: heartbeat\nid: 41\n",
            ),
            (
                WATCH,
                r#"{"revision":"41","snapshot":{}}"#,
                "event: snapshot\nid: 41\n",
            ),
            (
                WATCH,
                r#"{"revision":"41","snapshot":{"more":true}}"#,
                "event: snapshot\n",
            ),
            (
                drill,
                r#"{"progress":"loop prepared"}"#,
                "event: progress\n",
            ),
            (meters, r#"{"atMs":"5","slots":[]}"#, ""),
        ] {
            let event = event(Method::find(path).unwrap(), message.as_bytes());
            assert_eq!(event, format!("{told}data: {message}\n\n"));
        }
    }

    #[test]
    fn the_address_has_the_messages_fields_and_the_last_event_goes_before_since() {
        let watch = Method::find(WATCH).unwrap();
        let query = "since=7&show=shows%2Fmain&token=link.x";
        let fields = asked(watch, query, &HeaderMap::new()).unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({ "since": "7", "show": "shows/main" })
        );
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", "41".parse().unwrap());
        let fields = asked(watch, query, &headers).unwrap();
        assert_eq!(fields["since"], "41");
        assert!(asked(watch, "since=1&since=2", &HeaderMap::new()).is_err());
    }
}
