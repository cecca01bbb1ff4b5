//! The one place that maps refusals and failures to gRPC: a code, a text for people, and `ErrorInfo{reason, domain,
//! metadata}` for programs. Reasons are stable and listed in `docs/errors.md`.

use std::collections::BTreeMap;

use booth_core::{Denied, DeniedKind};
use booth_proto::convert::wire_field;
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, FieldViolation, StatusExt};

use crate::director::CommandError;

/// Domain of every reason.
pub const DOMAIN: &str = "booth";

/// Reasons that the core does not know: they come from the door itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    TokenMissing,
    TokenUnknown,
    TokenRevoked,
    LinkExpired,
    LinkTooNarrow,
    RateLimited,
    LedgerReadOnly,
    ServerBusy,
    ServerStopping,
    TooManyWatchers,
    TooManyOwnStreams,
    TimedOut,
    MalformedMessage,
    MessageTooLarge,
    UnknownMethod,
    TileNotFound,
    BackupFailed,
    CheckFailed,
    DrillRunning,
    DrillFailed,
    Internal,
}

impl Reason {
    /// All of them, for the documentation.
    pub const ALL: [Self; 21] = [
        Self::TokenMissing,
        Self::TokenUnknown,
        Self::TokenRevoked,
        Self::LinkExpired,
        Self::LinkTooNarrow,
        Self::RateLimited,
        Self::LedgerReadOnly,
        Self::ServerBusy,
        Self::ServerStopping,
        Self::TooManyWatchers,
        Self::TooManyOwnStreams,
        Self::TimedOut,
        Self::MalformedMessage,
        Self::MessageTooLarge,
        Self::UnknownMethod,
        Self::TileNotFound,
        Self::BackupFailed,
        Self::CheckFailed,
        Self::DrillRunning,
        Self::DrillFailed,
        Self::Internal,
    ];

    /// Name, code, and what it means and asks for.
    pub fn describe(self) -> (&'static str, Code, &'static str) {
        match self {
            Self::TokenMissing => (
                "TOKEN_MISSING",
                Code::Unauthenticated,
                "send `authorization: Bearer TOKEN`",
            ),
            Self::TokenUnknown => (
                "TOKEN_UNKNOWN",
                Code::Unauthenticated,
                "the token is not valid here, or was taken back",
            ),
            Self::TokenRevoked => (
                "TOKEN_REVOKED",
                Code::Unauthenticated,
                "the token was taken back while the stream was open",
            ),
            Self::LinkExpired => (
                "LINK_EXPIRED",
                Code::Unauthenticated,
                "the link token is over: ask for a new one (`GetLinkToken`)",
            ),
            Self::LinkTooNarrow => (
                "LINK_TOO_NARROW",
                Code::PermissionDenied,
                "a link token opens tiles and event streams only: use the operator's token",
            ),
            Self::RateLimited => (
                "RATE_LIMITED",
                Code::ResourceExhausted,
                "too many attempts: wait for `Retry-After` seconds",
            ),
            Self::LedgerReadOnly => (
                "LEDGER_READ_ONLY",
                Code::Unavailable,
                "the ledger cannot write, so nothing is changed; media goes on. `booth status` says why",
            ),
            Self::ServerBusy => (
                "SERVER_BUSY",
                Code::Unavailable,
                "too many commands wait; try again with the same request id",
            ),
            Self::ServerStopping => (
                "SERVER_STOPPING",
                Code::Unavailable,
                "the server is stopping; connect again soon",
            ),
            Self::TooManyWatchers => (
                "TOO_MANY_WATCHERS",
                Code::ResourceExhausted,
                "too many streams are open; close one",
            ),
            Self::TooManyOwnStreams => (
                "TOO_MANY_OWN_STREAMS",
                Code::ResourceExhausted,
                "this token has 64 streams open; close one, or give each program a token of its own",
            ),
            Self::TimedOut => (
                "TIMED_OUT",
                Code::DeadlineExceeded,
                "no answer in time; ask again with the same request id to learn what became of it",
            ),
            Self::MalformedMessage => (
                "MALFORMED_MESSAGE",
                Code::InvalidArgument,
                "the request is not the message of this method; in JSON, the text names the field",
            ),
            Self::MessageTooLarge => (
                "MESSAGE_TOO_LARGE",
                Code::ResourceExhausted,
                "a request has at most 1 MiB",
            ),
            Self::UnknownMethod => (
                "UNKNOWN_METHOD",
                Code::Unimplemented,
                "this server does not have that method",
            ),
            Self::TileNotFound => (
                "TILE_NOT_FOUND",
                Code::NotFound,
                "there is no picture (yet): nothing is decoded",
            ),
            Self::BackupFailed => (
                "BACKUP_FAILED",
                Code::Internal,
                "the ledger could not be copied",
            ),
            Self::CheckFailed => (
                "CHECK_FAILED",
                Code::Internal,
                "media files could not be looked into; the server's log has more",
            ),
            Self::DrillRunning => (
                "DRILL_RUNNING",
                Code::FailedPrecondition,
                "a rehearsal of this channel is running: wait for its end",
            ),
            Self::DrillFailed => (
                "DRILL_FAILED",
                Code::Internal,
                "the rehearsal could not begin or go on; the text says why",
            ),
            Self::Internal => (
                "INTERNAL",
                Code::Internal,
                "a fault of the server; its log has more",
            ),
        }
    }

    pub fn status(self, text: impl Into<String>) -> Status {
        let (reason, code, _) = self.describe();
        build(code, text, reason, BTreeMap::new(), None)
    }
}

/// The gRPC code of a class of refusals.
pub fn code(kind: DeniedKind) -> Code {
    match kind {
        DeniedKind::NotFound => Code::NotFound,
        DeniedKind::AlreadyExists => Code::AlreadyExists,
        DeniedKind::Precondition => Code::FailedPrecondition,
        DeniedKind::Conflict => Code::Aborted,
        DeniedKind::Invalid => Code::InvalidArgument,
        DeniedKind::Exhausted => Code::ResourceExhausted,
        DeniedKind::NotAllowed => Code::PermissionDenied,
        DeniedKind::Unauthenticated => Code::Unauthenticated,
    }
}

pub fn denied(denied: &Denied) -> Status {
    let code = code(denied.kind());
    match denied {
        Denied::Invalid { field, why } => {
            let field = wire_field(field);
            let violation = FieldViolation::new(field, why.as_str());
            let metadata = BTreeMap::from([("field".to_owned(), field.to_owned())]);
            build(
                code,
                format!("{field}: {why}"),
                denied.reason(),
                metadata,
                Some(violation),
            )
        }
        _ => build(
            code,
            denied.to_string(),
            denied.reason(),
            values(denied),
            None,
        ),
    }
}

pub fn failed(error: &CommandError) -> Status {
    match error {
        CommandError::Denied(why) => denied(why),
        CommandError::Ledger(_) => Reason::LedgerReadOnly.status(error.to_string()),
        CommandError::Busy => Reason::ServerBusy.status(error.to_string()),
        CommandError::Stopping => Reason::ServerStopping.status(error.to_string()),
    }
}

/// The values that a refusal names (`slot`, `by`), as programs want them.
fn values(denied: &Denied) -> BTreeMap<String, String> {
    let Ok(serde_json::Value::Object(variant)) = serde_json::to_value(denied) else {
        return BTreeMap::new();
    };
    let fields = variant
        .into_iter()
        .next()
        .and_then(|(_, fields)| match fields {
            serde_json::Value::Object(fields) => Some(fields),
            _ => None,
        });
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    fields
        .into_iter()
        .flatten()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

fn build(
    code: Code,
    text: impl Into<String>,
    reason: &str,
    metadata: BTreeMap<String, String>,
    violation: Option<FieldViolation>,
) -> Status {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: metadata.into_iter().collect(),
    };
    let mut details = vec![ErrorDetail::from(info)];
    if let Some(violation) = violation {
        details.push(BadRequest::new(vec![violation]).into());
    }
    Status::with_error_details_vec(code, text, details)
}
