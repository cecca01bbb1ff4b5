//! Refusals over HTTP: RFC 9457 problem bodies with a stable `reason`. The one place where errors become statuses.

use axum::Json;
use axum::response::{IntoResponse, Response};
use booth_core::{Denied, DeniedKind};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::director::CommandError;
use crate::rtc::engine::EngineError;
use crate::rtc::{OpenError, PatchError, sdp::SdpError};

#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub reason: &'static str,
    pub detail: String,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<u32>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'static str,
}

impl Problem {
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            detail: detail.into(),
            retry_after: None,
        }
    }

    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
    }

    pub fn too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BAD_REQUEST",
            format!("the body is larger than {most} bytes"),
        )
    }

    pub fn media_type(wanted: &str) -> Self {
        let detail = format!("the content type has to be {wanted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", detail)
    }

    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn unavailable(reason: &'static str, detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail).after(seconds)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: self.reason,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (status, retry_after) = match denied.kind() {
            DeniedKind::NotFound => (StatusCode::NOT_FOUND, None),
            DeniedKind::AlreadyExists | DeniedKind::Precondition => (StatusCode::CONFLICT, None),
            DeniedKind::Conflict => (StatusCode::PRECONDITION_FAILED, None),
            DeniedKind::Invalid => (StatusCode::BAD_REQUEST, None),
            DeniedKind::Exhausted => (StatusCode::SERVICE_UNAVAILABLE, Some(30)),
            DeniedKind::NotAllowed => (StatusCode::FORBIDDEN, None),
            DeniedKind::Unauthenticated => (StatusCode::UNAUTHORIZED, None),
        };
        Self {
            status,
            reason: denied.reason(),
            detail: denied.to_string(),
            retry_after,
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::Denied(denied) => denied.into(),
            // What the disk says is the operators' business.
            CommandError::Ledger(_) => Self::unavailable(
                "LEDGER_READ_ONLY",
                "the server cannot save anything now: try again later",
                30,
            ),
            CommandError::Busy => Self::unavailable("SERVER_FULL", detail, 1),
            CommandError::Stopping => Self::unavailable("STOPPING", detail, 2),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(detail) => Self::bad(detail),
            EngineError::Bind(detail) => {
                tracing::warn!(%detail, "a caller cannot connect");
                Self::unavailable("SERVER_FULL", "the server has no free port", 10)
            }
            EngineError::Failed(detail) => {
                tracing::warn!(%detail, "a caller cannot connect");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "INTERNAL",
                    "the session could not be set up",
                )
            }
        }
    }
}

impl From<SdpError> for Problem {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BAD_REQUEST",
                error.to_string(),
            ),
            _ => Self::bad(error.to_string()),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full => Self::unavailable("SERVER_FULL", error.to_string(), 10),
            OpenError::Stopping => Self::unavailable("STOPPING", error.to_string(), 2),
            OpenError::Engine(error) => error.into(),
            OpenError::Secret(_) => Self::internal(&error),
        }
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let detail = error.to_string();
        match error {
            PatchError::NotFound => Self::not_found(detail),
            PatchError::NoMatch => {
                Self::new(StatusCode::PRECONDITION_REQUIRED, "BAD_REQUEST", detail)
            }
            PatchError::Mismatch => {
                Self::new(StatusCode::PRECONDITION_FAILED, "BAD_REQUEST", detail)
            }
            PatchError::Sdp(error) => error.into(),
            PatchError::Engine(error) => error.into(),
            PatchError::Secret(error) => Self::internal(&error),
        }
    }
}

impl Problem {
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a caller's request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the server could not do that",
        )
    }
}
