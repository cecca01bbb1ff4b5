//! What to do next, for every well-known reason. Placeholders are filled from the error's metadata or from the command.

use crate::errors::{Exit, Failure};
use crate::names;

/// What the command was about, for hints that name it.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    pub caller: Option<String>,
    pub slot: Option<String>,
    pub show: Option<String>,
    pub channel: Option<String>,
    pub destination: Option<String>,
    pub operator: Option<String>,
}

impl Subject {
    pub fn caller(name: &str) -> Self {
        Self {
            caller: Some(names::last_part(name).to_owned()),
            ..Self::default()
        }
    }
    pub fn slot(name: &str) -> Self {
        Self {
            slot: Some(names::last_part(name).to_owned()),
            ..Self::default()
        }
    }
    pub fn show(name: &str) -> Self {
        Self {
            show: Some(names::last_part(name).to_owned()),
            ..Self::default()
        }
    }
    pub fn channel(name: &str) -> Self {
        Self {
            channel: Some(names::last_part(name).to_owned()),
            ..Self::default()
        }
    }
    /// `channels/radio/destinations/youtube`.
    pub fn destination(name: &str) -> Self {
        let parent = name.split("/destinations/").next().unwrap_or_default();
        Self {
            destination: Some(names::last_part(name).to_owned()),
            ..Self::channel(parent)
        }
    }
    pub fn operator(name: &str) -> Self {
        Self {
            operator: Some(names::last_part(name).to_owned()),
            ..Self::default()
        }
    }
    pub fn and_caller(mut self, name: Option<&str>) -> Self {
        self.caller = name.map(|name| names::last_part(name).to_owned());
        self
    }
}

/// Reason → next step.
const HINTS: &[(&str, &str)] = &[
    ("SHOW_NOT_FOUND", "booth show list"),
    ("SHOW_EXISTS", "booth show get {show}"),
    ("SHOW_CLOSED", "booth show update {show} --open true"),
    ("SHOW_WRONG_STATE", "booth show get {show}"),
    (
        "SHOW_IN_USE",
        "booth caller drop --all --show {show}, and booth slot delete its slots",
    ),
    (
        "SHOW_FULL",
        "booth show update {show} --max-callers N, or booth caller drop CALLER",
    ),
    ("CALLER_NOT_FOUND", "booth caller list"),
    ("CALLER_EXISTS", "booth caller list"),
    (
        "CALLER_ENDED",
        "booth caller list; they can join again by a new link: booth invite create",
    ),
    ("CALLER_WRONG_STATE", "booth caller get {caller}"),
    ("CALLER_NOT_READY", "booth caller approve {caller}"),
    (
        "CALLER_NOT_CONNECTED",
        "wait until media arrives (booth watch), or take again with --override",
    ),
    ("CALLER_ON_AIR", "booth slot release {slot}"),
    (
        "CALLER_OTHER_SHOW",
        "booth slot list shows which slot belongs to their show",
    ),
    (
        "NO_CALLER_READY",
        "booth caller list, then booth caller approve CALLER",
    ),
    ("INVITE_NOT_FOUND", "booth invite list"),
    ("INVITE_EXISTS", "booth invite list"),
    ("INVITE_UNKNOWN", "booth invite create"),
    ("INVITE_EXPIRED", "booth invite create"),
    ("INVITE_USED_UP", "booth invite create"),
    ("REJOIN_UNKNOWN", "booth invite create"),
    ("SLOT_NOT_FOUND", "booth slot list"),
    ("SLOT_EXISTS", "booth slot get {slot}"),
    (
        "SLOT_PORT_TAKEN",
        "booth slot list shows the ports; without --port the next free one is taken",
    ),
    (
        "SLOT_OCCUPIED",
        "booth slot release {slot}, or take again with --override",
    ),
    ("SLOT_FREE", "booth slot list"),
    (
        "SLOT_OFFLINE",
        "booth status shows the slot's worker; wait, or take again with --override",
    ),
    ("CHANNEL_NOT_FOUND", "booth channel list"),
    ("CHANNEL_EXISTS", "booth channel get {channel}"),
    ("CHANNEL_RUNNING", "booth channel stop {channel}"),
    ("CHANNEL_OFF", "booth channel start {channel}"),
    (
        "CHANNEL_BUSY",
        "booth channel kick {channel}, or wait until it has been silent for a while",
    ),
    (
        "NO_PUBLISHER",
        "booth channel url {channel} says how to publish",
    ),
    (
        "PORT_TAKEN",
        "booth slot list and booth channel list show the ports; --srt-port 0 takes the next free one",
    ),
    ("DESTINATION_NOT_FOUND", "booth destination list {channel}"),
    (
        "DESTINATION_EXISTS",
        "booth destination get {channel} {destination}",
    ),
    (
        "DESTINATIONS_FULL",
        "booth destination remove {channel} NAME",
    ),
    (
        "CHECK_FAILED",
        "the server's log has more; booth channel check FILE looks at one file",
    ),
    (
        "DRILL_RUNNING",
        "wait until the other rehearsal of this channel has ended",
    ),
    ("DRILL_FAILED", "booth status; the server's log has more"),
    ("OPERATOR_NOT_FOUND", "booth operator list"),
    ("OPERATOR_EXISTS", "booth operator token {operator}"),
    ("LAST_ADMIN", "booth operator add NAME --role admin"),
    (
        "ROLE_TOO_LOW",
        "booth operator whoami shows your role; an admin can add another with booth operator add",
    ),
    (
        "REVISION_MISMATCH",
        "look at it again, then repeat with its revision in --expect-revision",
    ),
    (
        "TOKEN_UNKNOWN",
        "the server does not know this token: ask an admin for one (booth operator token NAME)",
    ),
    (
        "TOKEN_REVOKED",
        "ask an admin for a new token (booth operator token NAME)",
    ),
    (
        "LEDGER_READ_ONLY",
        "booth status says why; commands work again once the disk does, media goes on meanwhile",
    ),
    ("SERVER_BUSY", "repeat in a moment"),
    ("SERVER_STOPPING", "repeat once it has started again"),
    (
        "TOO_MANY_OWN_STREAMS",
        "end a watch of this token, or give each program its own: booth operator add NAME",
    ),
    ("TOO_MANY_WATCHERS", "end a watch or a console somewhere"),
    (
        "TILE_NOT_FOUND",
        "pictures exist of slots, and of callers who are armed or on air",
    ),
    (
        "UNKNOWN_METHOD",
        "the server is older than this command: compare booth status and booth version",
    ),
    (
        "BACKUP_FAILED",
        "booth status shows what is wrong with the ledger",
    ),
    ("INTERNAL", "the server's log has more"),
    (
        "REQUEST_ID_REUSED",
        "repeat with another --request-id, or without one",
    ),
];

/// What helps when the reason is not known.
fn by_exit(exit: Exit) -> Option<&'static str> {
    match exit {
        Exit::NotAllowed => Some(
            "point --token-file at a valid token; on the server's machine it is admin.token in its data directory",
        ),
        Exit::Unreachable => {
            Some("is boothd running there? start it, or name another server with --server URL")
        }
        Exit::TimedOut => Some("booth status; wait longer with --timeout 30s"),
        _ => None,
    }
}

/// The line after an error.
pub fn next_step(failure: &Failure, subject: &Subject) -> Option<String> {
    let known = failure
        .reason
        .as_deref()
        .and_then(|reason| HINTS.iter().find(|(known, _)| *known == reason));
    match known {
        Some((_, template)) => Some(fill(template, failure, subject)),
        None => by_exit(failure.exit).map(str::to_owned),
    }
}

fn fill(template: &str, failure: &Failure, subject: &Subject) -> String {
    let mut text = template.to_owned();
    for (key, own) in [
        ("caller", &subject.caller),
        ("slot", &subject.slot),
        ("show", &subject.show),
        ("channel", &subject.channel),
        ("destination", &subject.destination),
        ("operator", &subject.operator),
    ] {
        let value = failure
            .metadata
            .get(key)
            .map(|value| names::last_part(value))
            .or(own.as_deref());
        // Only a plain id may become part of a command that people copy.
        let value = value
            .filter(|value| names::is_id(value))
            .map_or_else(|| key.to_uppercase(), str::to_owned);
        text = text.replace(&format!("{{{key}}}"), &value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(reason: &str, metadata: &[(&str, &str)], subject: &Subject) -> String {
        let mut failure = Failure::refused("no").reason(reason);
        failure.metadata = metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        next_step(&failure, subject).unwrap_or_default()
    }

    #[test]
    fn a_hint_names_the_resource_of_the_error_before_that_of_the_command() {
        let subject = Subject::caller("shows/main/callers/c1");
        assert_eq!(
            hint("CALLER_NOT_READY", &[], &subject),
            "booth caller approve c1"
        );
        assert_eq!(
            hint(
                "CALLER_NOT_READY",
                &[("caller", "shows/main/callers/c2")],
                &subject
            ),
            "booth caller approve c2"
        );
        assert_eq!(
            hint("CALLER_NOT_READY", &[], &Subject::default()),
            "booth caller approve CALLER"
        );
    }

    #[test]
    fn a_hint_never_carries_shell_syntax_from_the_server() {
        assert_eq!(
            hint(
                "CALLER_NOT_READY",
                &[("caller", "x; rm -rf ~")],
                &Subject::default()
            ),
            "booth caller approve CALLER"
        );
    }

    #[test]
    fn an_unknown_reason_falls_back_to_its_exit_code() {
        let failure = Failure::not_allowed("no").reason("SOMETHING_NEW");
        assert!(
            next_step(&failure, &Subject::default())
                .is_some_and(|hint| hint.contains("--token-file"))
        );
        assert_eq!(
            next_step(
                &Failure::refused("no").reason("SOMETHING_NEW"),
                &Subject::default()
            ),
            None
        );
    }

    #[test]
    fn no_hint_leaves_a_placeholder_open() {
        for (reason, _) in HINTS {
            let text = hint(reason, &[], &Subject::default());
            assert!(!text.contains('{'), "{reason}: {text}");
        }
    }

    #[test]
    fn every_refusal_of_the_core_has_a_next_step() {
        // What is wrong with an argument is said by its own message.
        let needed = booth_core::DENIALS
            .iter()
            .map(|(reason, _)| *reason)
            .filter(|reason| *reason != "INVALID_ARGUMENT");
        let missing: Vec<&str> = needed
            .filter(|reason| hint(reason, &[], &Subject::default()).is_empty())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn no_hint_is_given_twice() {
        let mut reasons: Vec<&str> = HINTS.iter().map(|(reason, _)| *reason).collect();
        reasons.sort_unstable();
        assert!(reasons.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
