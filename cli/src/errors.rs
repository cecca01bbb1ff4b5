//! Every way a command can end: one table from gRPC codes to exit codes, and one shape for people and for scripts.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::args::Format;
use crate::hints::{self, Subject};
use crate::render::text::scrub;

/// What the shell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Error = 1,
    Usage = 2,
    NotFound = 3,
    NotAllowed = 4,
    Refused = 5,
    Unreachable = 6,
    TimedOut = 7,
}

/// Ended by ctrl-c, as shells count it.
pub const INTERRUPTED: i32 = 130;

pub const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  ok
  1  error
  2  usage: the command or a value in it is wrong
  3  not found
  4  not allowed: no token, an unknown one, or a role too low
  5  refused by the state of things: precondition, conflict, exists already, limit reached
  6  server not reachable
  7  timed out
  130  interrupted

Environment:
  BOOTH_SERVER      address of boothd (default: that of the context in use, else http://127.0.0.1:7400)
  BOOTH_CONTEXT     context to use instead of the one in use
  BOOTH_TOKEN_FILE  file with the bearer token
  BOOTH_TOKEN       the bearer token itself
  BOOTH_CA_FILE     PEM file of authorities to trust beside the system's, for https://
  BOOTH_DATA        boothd's data directory, where admin.token is (else BOOTH_DATA_DIR, else ./data)
  NO_COLOR          no colours

A flag comes before the environment, that before the context in use (booth context list), that before the default. A
--context by flag comes before the environment as well. Contexts are in config.toml in $XDG_CONFIG_HOME/booth or
~/.config/booth; their tokens are in files that only their owner can read.

JSON is the API's own proto3 JSON mapping. Data goes to stdout, everything else to stderr.";

/// The one table from gRPC codes to exit codes.
pub fn exit_of(code: Code) -> Exit {
    match code {
        Code::NotFound => Exit::NotFound,
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotAllowed,
        Code::FailedPrecondition
        | Code::Aborted
        | Code::AlreadyExists
        | Code::ResourceExhausted => Exit::Refused,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::Unavailable => Exit::Unreachable,
        Code::DeadlineExceeded => Exit::TimedOut,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Error,
    }
}

/// The code's name on the wire, which scripts compare.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    pub code: &'static str,
    /// Stable API reason, when there is one.
    pub reason: Option<String>,
    pub message: String,
    pub metadata: BTreeMap<String, String>,
    /// What to do next.
    pub next: Option<String>,
    /// The connection broke, so that nobody knows whether the command arrived.
    pub lost: bool,
    /// The reader of stdout went away: that is an end, not an error.
    pub closed_pipe: bool,
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            reason: None,
            message: message.into(),
            metadata: BTreeMap::new(),
            next: None,
            lost: false,
            closed_pipe: false,
        }
    }

    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, "ERROR", message)
    }
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "NOT_FOUND", message)
    }
    pub fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(Exit::NotAllowed, "UNAUTHENTICATED", message)
    }
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "FAILED_PRECONDITION", message)
    }
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self {
            lost: true,
            ..Self::new(Exit::Unreachable, "UNAVAILABLE", message)
        }
    }
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, "DEADLINE_EXCEEDED", message)
    }
    pub fn reason(self, reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..self
        }
    }
    pub fn saying(self, message: String) -> Self {
        Self { message, ..self }
    }
    pub fn next(self, next: impl Into<String>) -> Self {
        Self {
            next: Some(next.into()),
            ..self
        }
    }

    /// A failed write of data.
    pub fn stdout(error: &io::Error) -> Self {
        let closed_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            closed_pipe,
            ..Self::error(format!("cannot write the answer: {error}"))
        }
    }

    /// What the server, or the way to it, answered.
    pub fn from_status(status: &Status, subject: &Subject) -> Self {
        // A status that came by the wire has no source; one that tonic made of a broken connection has.
        let lost = status.source().is_some() && status.code() != Code::DeadlineExceeded;
        let mut failure = Self::new(
            exit_of(status.code()),
            code_name(status.code()),
            scrub(status.message()),
        );
        if lost {
            failure.exit = Exit::Unreachable;
            failure.code = code_name(Code::Unavailable);
            failure.lost = true;
            failure.message = format!("the connection to the server broke: {}", root_cause(status));
        }
        let details = status.get_error_details();
        if let Some(info) = details.error_info() {
            failure.reason = Some(scrub(&info.reason));
            failure.metadata = info
                .metadata
                .iter()
                .map(|(k, v)| (scrub(k), scrub(v)))
                .collect();
        }
        // The server is there and answers; what stands in the way is the state of its disk.
        if failure.reason.as_deref() == Some("LEDGER_READ_ONLY") {
            failure.exit = Exit::Refused;
        }
        if failure.message.is_empty() {
            failure.message = status.code().description().to_owned();
        }
        failure.next = hints::next_step(&failure, subject);
        failure
    }

    pub fn exit_code(&self) -> i32 {
        if self.closed_pipe {
            0
        } else {
            self.exit as i32
        }
    }

    /// The text for stderr: a line or two for people, one object for scripts.
    pub fn to_text(&self, format: Format) -> String {
        if matches!(format, Format::Json | Format::Ndjson) {
            let object = ErrorObject {
                error: ErrorBody {
                    code: self.code,
                    reason: self.reason.as_deref(),
                    message: &self.message,
                    metadata: &self.metadata,
                    next: self.next.as_deref(),
                    exit: self.exit_code(),
                },
            };
            return serde_json::to_string(&object).unwrap_or_default();
        }
        let mut text = format!("error: {}", self.message);
        if let Some(reason) = &self.reason {
            text.push_str(&format!(" ({reason})"));
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("\nnext: {next}"));
        }
        text
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    exit: i32,
}

/// The innermost error says what happened; the outer ones only say "transport error".
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    scrub(&cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn every_grpc_code_has_the_exit_code_of_the_help_table() {
        let table = [
            (Code::Cancelled, 1),
            (Code::Unknown, 1),
            (Code::InvalidArgument, 2),
            (Code::DeadlineExceeded, 7),
            (Code::NotFound, 3),
            (Code::AlreadyExists, 5),
            (Code::PermissionDenied, 4),
            (Code::ResourceExhausted, 5),
            (Code::FailedPrecondition, 5),
            (Code::Aborted, 5),
            (Code::OutOfRange, 2),
            (Code::Unimplemented, 1),
            (Code::Internal, 1),
            (Code::Unavailable, 6),
            (Code::DataLoss, 1),
            (Code::Unauthenticated, 4),
        ];
        for (code, exit) in table {
            assert_eq!(exit_of(code) as i32, exit, "{code:?}");
            let status = Status::new(code, "x");
            assert_eq!(
                Failure::from_status(&status, &Subject::default()).exit_code(),
                exit,
                "{code:?}"
            );
        }
    }

    fn occupied() -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "SLOT_OCCUPIED",
            "booth",
            [("slot".to_owned(), "slots/1".to_owned())],
        );
        Status::with_error_details(Code::FailedPrecondition, "slot 1 shows caller c7", details)
    }

    #[test]
    fn a_refusal_names_its_reason_and_the_next_step() {
        let failure = Failure::from_status(&occupied(), &Subject::default());
        assert_eq!(
            failure.to_text(Format::Table),
            "error: slot 1 shows caller c7 (SLOT_OCCUPIED)\nnext: booth slot release 1, or take again with --override"
        );
    }

    #[test]
    fn a_refusal_is_one_json_object_for_scripts() {
        let failure = Failure::from_status(&occupied(), &Subject::default());
        let json: serde_json::Value = serde_json::from_str(&failure.to_text(Format::Json)).unwrap();
        assert_eq!(json["error"]["code"], "FAILED_PRECONDITION");
        assert_eq!(json["error"]["reason"], "SLOT_OCCUPIED");
        assert_eq!(json["error"]["metadata"]["slot"], "slots/1");
        assert_eq!(json["error"]["exit"], 5);
    }

    #[test]
    fn control_characters_of_a_hostile_server_do_not_reach_the_terminal() {
        let status = Status::not_found("no\u{1b}]52;c;AAAA\u{7}thing\u{202e}");
        let text = Failure::from_status(&status, &Subject::default()).to_text(Format::Table);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'),
            "{text:?}"
        );
    }

    #[test]
    fn a_closed_pipe_is_an_end_and_not_an_error() {
        assert_eq!(
            Failure::stdout(&io::ErrorKind::BrokenPipe.into()).exit_code(),
            0
        );
        assert_eq!(
            Failure::stdout(&io::ErrorKind::StorageFull.into()).exit_code(),
            1
        );
    }
}
