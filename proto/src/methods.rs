//! Every RPC of the public API with the two translations that JSON needs, made by the build from the protos: a new RPC
//! needs no line of its own.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::v1;

/// One RPC of `booth.v1`.
#[derive(Debug)]
pub struct Method {
    /// `/booth.v1.SlotService/TakeSlot`.
    pub path: &'static str,
    /// Whether it answers with a stream.
    pub streams: bool,
    /// JSON names of the fields of which an answer has one at a time (`snapshot`, `change`, `heartbeat`).
    pub kinds: &'static [&'static str],
    wire: fn(&[u8]) -> serde_json::Result<Vec<u8>>,
    json: fn(&[u8]) -> Result<Vec<u8>, AnswerError>,
}

/// Why a request is not the message of its method.
#[derive(Debug, thiserror::Error)]
#[error("{}{why}", field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct RequestError {
    /// The field at the message's top where it is wrong, as the request calls it; `None` when it is no JSON at all.
    pub field: Option<String>,
    pub why: String,
}

/// An answer that cannot be told in JSON; a fault of the server.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("the answer is not the message of its method: {0}")]
    Wire(#[from] prost::DecodeError),
    #[error("the answer has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
}

impl Method {
    const fn new<Asked, Answer>(
        path: &'static str,
        streams: bool,
        kinds: &'static [&'static str],
    ) -> Self
    where
        Asked: Message + Default + DeserializeOwned,
        Answer: Message + Default + Serialize,
    {
        Self {
            path,
            streams,
            kinds,
            wire: wire::<Asked>,
            json: json::<Answer>,
        }
    }

    /// The method with this path (`/booth.v1.SlotService/TakeSlot`).
    pub fn find(path: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.path == path)
    }

    /// A request in proto3's JSON mapping as the encoded message. A field that the message does not have is an error that
    /// names it; `null` is the same as not there.
    pub fn request(&self, json: &[u8]) -> Result<Vec<u8>, RequestError> {
        (self.wire)(json).map_err(|error| self.blame(json, &error))
    }

    /// Finds the field at fault by looking at each alone: errors of the generated code do not say.
    fn blame(&self, json: &[u8], error: &serde_json::Error) -> RequestError {
        let fields: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(json).unwrap_or_default();
        let wrong = fields.into_iter().find_map(|(name, value)| {
            let alone = BTreeMap::from([(&name, value)]);
            let why = (self.wire)(&serde_json::to_vec(&alone).ok()?).err()?;
            // Where it stands in a text that nobody wrote helps nobody.
            let why = why.to_string();
            let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
            Some(RequestError {
                field: Some(name),
                why,
            })
        });
        wrong.unwrap_or_else(|| RequestError {
            field: None,
            why: error.to_string(),
        })
    }

    /// An encoded response in proto3's JSON mapping.
    pub fn response(&self, wire: &[u8]) -> Result<Vec<u8>, AnswerError> {
        (self.json)(wire)
    }
}

/// All of them, in the protos' order.
pub static METHODS: &[Method] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));

fn wire<M: Message + DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    match serde_json::from_slice::<M>(json) {
        Ok(message) => Ok(message.encode_to_vec()),
        // The generated code does not take `null` for scalars. Rare, so only looked for when it matters.
        Err(_) if json.windows(4).any(|text| text == b"null") => {
            let mut value = serde_json::from_slice(json)?;
            without_nulls(&mut value);
            serde_json::from_value::<M>(value).map(|message| message.encode_to_vec())
        }
        Err(error) => Err(error),
    }
}

fn without_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn json<M: Message + Default + Serialize>(wire: &[u8]) -> Result<Vec<u8>, AnswerError> {
    Ok(serde_json::to_vec(&M::decode(wire)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(json: &str) -> Result<v1::TakeSlotRequest, RequestError> {
        let method = Method::find("/booth.v1.SlotService/TakeSlot").unwrap();
        let wire = method.request(json.as_bytes())?;
        Ok(v1::TakeSlotRequest::decode(wire.as_slice()).unwrap())
    }

    #[test]
    fn a_request_is_read_by_proto3s_json_mapping() {
        let request = take(
            r#"{"name":"slots/1","next":true,"transition":{"fadeMs":500},"expected_revision":"41","requestId":"r"}"#,
        )
        .unwrap();
        let wanted = v1::TakeSlotRequest {
            name: "slots/1".into(),
            pick: Some(v1::take_slot_request::Pick::Next(true)),
            transition: Some(v1::Transition { fade_ms: 500 }),
            expected_revision: 41,
            request_id: "r".into(),
            ..Default::default()
        };
        assert_eq!(request, wanted);
    }

    #[test]
    fn null_is_the_same_as_not_there() {
        let request =
            take(r#"{"name":"slots/1","requestId":null,"caller":null,"transition":null}"#);
        let wanted = v1::TakeSlotRequest {
            name: "slots/1".into(),
            ..Default::default()
        };
        assert_eq!(request.unwrap(), wanted);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            (r#"{"nmae":"slots/1"}"#, "nmae: unknown field `nmae`"),
            (
                r#"{"nmae":"slots/1","caller":null}"#,
                "nmae: unknown field `nmae`",
            ),
            (
                r#"{"name":1}"#,
                "name: invalid type: integer `1`, expected a string",
            ),
            (
                r#"{"transition":{"fadeMs":"soon"}}"#,
                "transition: invalid digit",
            ),
            (r#"{"next":true,"caller":"c"}"#, "duplicate field `caller`"),
            (r#"{"name":"a","name":"b"}"#, "duplicate field `name`"),
            (r#"{"name":"#, "EOF"),
            ("[]", "line 1"),
            (r#"{} {}"#, "trailing characters"),
        ] {
            let error = take(json).unwrap_err().to_string();
            assert!(error.contains(named), "{json}: {error}");
        }
    }

    #[test]
    fn a_stream_knows_the_kinds_of_its_messages() {
        let kinds = |path| Method::find(path).unwrap().kinds;
        assert_eq!(
            kinds("/booth.v1.WatchService/Watch"),
            ["snapshot", "change", "heartbeat"]
        );
        assert!(kinds("/booth.v1.WatchService/WatchMeters").is_empty());
    }

    #[test]
    fn nesting_without_end_is_an_error_and_no_overflow() {
        let deep = format!("{{\"transition\":{}null", "[".repeat(100_000));
        assert!(take(&deep).is_err());
        let deep = "{\"transition\":".repeat(100_000);
        assert!(take(&deep).is_err());
    }
}
