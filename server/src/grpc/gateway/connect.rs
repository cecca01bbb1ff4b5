//! Connect's words: content types, codes, errors, time limits. https://connectrpc.com/docs/protocol

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use booth_proto::methods::Method;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use prost::Message;
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::grpc::status::Reason;

const METERS: &str = "/booth.v1.WatchService/WatchMeters";

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Json,
    Proto,
}

/// What a request's content type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC and gRPC-web, whatever they carry.
    Grpc,
    Unary(Codec),
    Stream(Codec),
    Other,
}

impl Kind {
    pub fn of(content_type: Option<&HeaderValue>) -> Self {
        let text = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            grpc if grpc.starts_with("application/grpc") => Self::Grpc,
            "application/json" => Self::Unary(Codec::Json),
            "application/proto" => Self::Unary(Codec::Proto),
            "application/connect+json" => Self::Stream(Codec::Json),
            "application/connect+proto" => Self::Stream(Codec::Proto),
            _ => Self::Other,
        }
    }
}

impl Codec {
    /// Content type of a unary answer.
    pub fn unary(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    /// Content type of a stream.
    pub fn stream(self) -> &'static str {
        match self {
            Self::Json => "application/connect+json",
            Self::Proto => "application/connect+proto",
        }
    }

    /// A request's body as the encoded message.
    pub fn request(self, method: &Method, body: Bytes) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(body),
            // A message without fields needs no body.
            Self::Json if body.is_empty() => Ok(body),
            Self::Json => {
                let message = method.request(&body);
                message
                    .map(Bytes::from)
                    .map_err(|e| Reason::MalformedMessage.status(e.to_string()))
            }
        }
    }

    /// An encoded answer as the client wants it.
    pub fn response(self, method: &Method, message: Bytes) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(message),
            Self::Json if method.path == METERS => meters(method, message),
            Self::Json => {
                let json = method.response(&message);
                json.map(Bytes::from)
                    .map_err(|e| Reason::Internal.status(e.to_string()))
            }
        }
    }
}

/// A frame of meters is the same for all who watch: it is told in JSON once, not by each of them.
fn meters(method: &Method, frame: Bytes) -> Result<Bytes, Status> {
    static LAST: Mutex<(Bytes, Bytes)> = Mutex::new((Bytes::new(), Bytes::new()));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.0 != frame || last.1.is_empty() {
        let json = method.response(&frame);
        let json = json.map_err(|e| Reason::Internal.status(e.to_string()))?;
        *last = (frame, json.into());
    }
    Ok(last.1.clone())
}

/// Checks the protocol's version and that nothing is compressed; says how long the client waits.
pub fn conditions(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let bad = |text: String| Err(Reason::MalformedMessage.status(text));
    if let Some(version) = headers.get("connect-protocol-version")
        && version != "1"
    {
        return bad(format!(
            "connect-protocol-version: 1 is spoken here, not {version:?}"
        ));
    }
    for name in ["content-encoding", "connect-content-encoding"] {
        if let Some(encoding) = headers.get(name)
            && encoding != "identity"
        {
            return Err(
                Reason::UnknownMethod.status(format!("{name}: only identity is spoken here"))
            );
        }
    }
    let Some(timeout) = headers.get("connect-timeout-ms") else {
        return Ok(None);
    };
    let digits = timeout.to_str().unwrap_or_default();
    let sound = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(ms) if sound => Ok(Some(Duration::from_millis(ms))),
        _ => bad("connect-timeout-ms: at most ten digits".into()),
    }
}

/// The name and the HTTP status of a code.
pub fn code(code: Code) -> (&'static str, StatusCode) {
    let (name, status) = match code {
        // An error that says it is none is one all the same.
        Code::Ok | Code::Unknown => ("unknown", 500),
        Code::Cancelled => ("canceled", 499),
        Code::InvalidArgument => ("invalid_argument", 400),
        Code::DeadlineExceeded => ("deadline_exceeded", 504),
        Code::NotFound => ("not_found", 404),
        Code::AlreadyExists => ("already_exists", 409),
        Code::PermissionDenied => ("permission_denied", 403),
        Code::ResourceExhausted => ("resource_exhausted", 429),
        Code::FailedPrecondition => ("failed_precondition", 400),
        Code::Aborted => ("aborted", 409),
        Code::OutOfRange => ("out_of_range", 400),
        Code::Unimplemented => ("unimplemented", 501),
        Code::Internal => ("internal", 500),
        Code::Unavailable => ("unavailable", 503),
        Code::DataLoss => ("data_loss", 500),
        Code::Unauthenticated => ("unauthenticated", 401),
    };
    (
        name,
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    )
}

/// `{code, message, details: [{type, value, debug}]}`; the reason is `details[0].debug.reason`.
pub fn error(status: &Status) -> Value {
    let details = pb::Status::decode(status.details())
        .unwrap_or_default()
        .details;
    let details: Vec<Value> = details
        .iter()
        .map(|any| {
            let name = any.type_url.rsplit('/').next().unwrap_or_default();
            let mut detail = json!({ "type": name, "value": STANDARD_NO_PAD.encode(&any.value) });
            if let Some(debug) = debug(name, &any.value) {
                detail["debug"] = debug;
            }
            detail
        })
        .collect();
    let mut error = json!({ "code": code(status.code()).0, "message": status.message() });
    if !details.is_empty() {
        error["details"] = details.into();
    }
    error
}

/// A detail for readers; `None` for kinds that this server does not send.
fn debug(name: &str, value: &[u8]) -> Option<Value> {
    match name {
        "google.rpc.ErrorInfo" => {
            let info = pb::ErrorInfo::decode(value).ok()?;
            let mut debug = json!({ "reason": info.reason, "domain": info.domain });
            if !info.metadata.is_empty() {
                debug["metadata"] = json!(info.metadata);
            }
            Some(debug)
        }
        "google.rpc.BadRequest" => {
            let violations = pb::BadRequest::decode(value).ok()?.field_violations;
            let violations: Vec<Value> = violations
                .into_iter()
                .map(|v| json!({ "field": v.field, "description": v.description }))
                .collect();
            Some(json!({ "fieldViolations": violations }))
        }
        _ => None,
    }
}

/// An error as the whole answer.
pub fn refused(status: &Status) -> Response<Body> {
    let mut response = whole(Codec::Json.unary(), error(status).to_string().into());
    *response.status_mut() = code(status.code()).1;
    if status.code() == Code::Unauthenticated {
        let bearer = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// An answer that is complete; nobody may keep it.
pub fn whole(content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(body)));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The names and values of a query. Bytes that are not UTF-8 become replacement characters, which no name has.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart_by_their_essence() {
        for (text, kind) in [
            ("application/json", Kind::Unary(Codec::Json)),
            ("Application/JSON; charset=utf-8", Kind::Unary(Codec::Json)),
            ("application/proto", Kind::Unary(Codec::Proto)),
            ("application/connect+json", Kind::Stream(Codec::Json)),
            ("application/connect+proto", Kind::Stream(Codec::Proto)),
            ("application/grpc", Kind::Grpc),
            ("application/grpc+proto", Kind::Grpc),
            ("application/grpc-web-text", Kind::Grpc),
            ("application/jsonx", Kind::Other),
            ("text/plain", Kind::Other),
        ] {
            assert_eq!(
                Kind::of(Some(&HeaderValue::from_static(text))),
                kind,
                "{text}"
            );
        }
        assert_eq!(Kind::of(None), Kind::Other);
    }

    #[test]
    fn every_code_has_the_http_status_that_connect_gives_it() {
        // From the table in Connect's protocol, in gRPC's order.
        let statuses = [
            (1, "canceled", 499),
            (2, "unknown", 500),
            (3, "invalid_argument", 400),
            (4, "deadline_exceeded", 504),
            (5, "not_found", 404),
            (6, "already_exists", 409),
            (7, "permission_denied", 403),
            (8, "resource_exhausted", 429),
            (9, "failed_precondition", 400),
            (10, "aborted", 409),
            (11, "out_of_range", 400),
            (12, "unimplemented", 501),
            (13, "internal", 500),
            (14, "unavailable", 503),
            (15, "data_loss", 500),
            (16, "unauthenticated", 401),
        ];
        for (number, name, status) in statuses {
            let (said, http) = code(Code::from_i32(number));
            assert_eq!((said, http.as_u16()), (name, status));
        }
    }

    #[test]
    fn each_frame_of_meters_is_told_as_it_is() {
        let method = Method::find(METERS).unwrap();
        let told = |at_ms| {
            let frame = booth_proto::v1::WatchMetersResponse {
                at_ms,
                ..Default::default()
            };
            let json = Codec::Json.response(method, frame.encode_to_vec().into());
            String::from_utf8(json.unwrap().to_vec()).unwrap()
        };
        for at_ms in [0, 1, 1, 2, 1, 0] {
            let json = if at_ms == 0 {
                "{}".to_owned()
            } else {
                format!("{{\"atMs\":\"{at_ms}\"}}")
            };
            assert_eq!(told(at_ms), json);
        }
        let broken = Codec::Json.response(method, Bytes::from_static(b"\xff"));
        assert_eq!(broken.unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn a_time_limit_is_ten_digits_at_most() {
        let asked = |name: &'static str, value: &'static str| {
            conditions(&HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))
        };
        let waits = asked("connect-timeout-ms", "9999999999").unwrap();
        assert_eq!(waits, Some(Duration::from_millis(9_999_999_999)));
        for value in ["", "-1", "+5", "1.5", "99999999999", "ten"] {
            assert!(asked("connect-timeout-ms", value).is_err(), "{value}");
        }
        assert!(asked("connect-protocol-version", "1").is_ok());
        assert!(asked("connect-protocol-version", "2").is_err());
        assert!(asked("content-encoding", "identity").is_ok());
        let status = asked("content-encoding", "gzip").unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}
