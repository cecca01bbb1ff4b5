use std::collections::BTreeMap;
use std::sync::Arc;

use booth_core::{
    Actor, ChannelId, ChannelSettings, Command, DENIALS, Denied, DeniedKind, Fact, Meta,
    PublishProtocol, Publisher, PublisherId, Record, Role, Sealed, Text, Timestamp,
};
use booth_proto::v1;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Booth, admin, assert_refused, reason};
use crate::director::CommandError;
use crate::grpc::status::{self, Reason};

#[test]
fn every_class_of_refusal_has_its_code() {
    let codes = [
        (DeniedKind::NotFound, Code::NotFound),
        (DeniedKind::AlreadyExists, Code::AlreadyExists),
        (DeniedKind::Precondition, Code::FailedPrecondition),
        (DeniedKind::Conflict, Code::Aborted),
        (DeniedKind::Invalid, Code::InvalidArgument),
        (DeniedKind::Exhausted, Code::ResourceExhausted),
        (DeniedKind::NotAllowed, Code::PermissionDenied),
        (DeniedKind::Unauthenticated, Code::Unauthenticated),
    ];
    for (kind, code) in codes {
        assert_eq!(status::code(kind), code, "{kind:?}");
    }
}

#[test]
fn a_refusal_carries_reason_domain_and_the_values_it_names() {
    let occupied = Denied::SlotOccupied {
        slot: "1".parse().unwrap(),
        by: "c7".parse().unwrap(),
    };
    let status = status::denied(&occupied);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("SLOT_OCCUPIED", "booth")
    );
    assert_eq!(info.metadata.get("slot").map(String::as_str), Some("1"));
    assert_eq!(info.metadata.get("by").map(String::as_str), Some("c7"));
    let full = status::denied(&Denied::ShowFull {
        show: "main".parse().unwrap(),
        max: 5,
    });
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert_eq!(
        full.get_details_error_info()
            .unwrap()
            .metadata
            .get("max")
            .map(String::as_str),
        Some("5")
    );
    let low = status::denied(&Denied::RoleTooLow {
        needed: Role::Admin,
        has: Role::Viewer,
    });
    assert_eq!(
        low.get_details_error_info()
            .unwrap()
            .metadata
            .get("needed")
            .map(String::as_str),
        Some("admin")
    );
}

#[test]
fn an_invalid_argument_names_the_field_as_requests_call_it() {
    let status = status::denied(&Denied::Invalid {
        field: "video.width".into(),
        why: "an even number".into(),
    });
    let violation = &status.get_details_bad_request().unwrap().field_violations[0];
    assert_eq!(
        (violation.field.as_str(), violation.description.as_str()),
        ("settings.width", "an even number")
    );
    assert_eq!(status.message(), "settings.width: an even number");
    assert_eq!(reason(&status), "INVALID_ARGUMENT");
}

#[test]
fn what_the_director_cannot_do_is_unavailable() {
    for (error, why) in [
        (CommandError::Ledger("disk full".into()), "LEDGER_READ_ONLY"),
        (CommandError::Busy, "SERVER_BUSY"),
        (CommandError::Stopping, "SERVER_STOPPING"),
    ] {
        let status = status::failed(&error);
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, why)
        );
    }
    assert!(
        status::failed(&CommandError::Ledger("disk full".into()))
            .message()
            .contains("disk full")
    );
}

#[tokio::test]
async fn real_requests_meet_each_class() {
    let booth = Booth::start().await;
    let take = |name: &str| v1::TakeSlotRequest {
        name: name.into(),
        pick: Some(v1::take_slot_request::Pick::Next(true)),
        ..Default::default()
    };
    let get = v1::GetShowRequest {
        name: "shows/nope".into(),
    };
    assert_refused(
        booth.shows().get_show(admin(get)).await,
        Code::NotFound,
        "SHOW_NOT_FOUND",
    );
    assert_refused(
        booth.slots().take_slot(admin(take("slots/9"))).await,
        Code::NotFound,
        "SLOT_NOT_FOUND",
    );
    assert_refused(
        booth.slots().take_slot(admin(take("slots/1"))).await,
        Code::FailedPrecondition,
        "NO_CALLER_READY",
    );
    let screen = v1::ScreenCallerRequest {
        name: "shows/main/callers/c9".into(),
        ..Default::default()
    };
    assert_refused(
        booth.callers().screen_caller(admin(screen)).await,
        Code::NotFound,
        "CALLER_NOT_FOUND",
    );
    let delete = v1::DeleteInviteRequest {
        name: "shows/main/invites/i9".into(),
        ..Default::default()
    };
    assert_refused(
        booth.callers().delete_invite(admin(delete)).await,
        Code::NotFound,
        "INVITE_NOT_FOUND",
    );
    let create = v1::CreateShowRequest {
        show_id: "main".into(),
        ..Default::default()
    };
    assert_refused(
        booth.shows().create_show(admin(create)).await,
        Code::AlreadyExists,
        "SHOW_EXISTS",
    );
    let create = v1::CreateSlotRequest {
        slot_id: "3".into(),
        settings: Some(v1::SlotSettings {
            output: Some(v1::slot_settings::Output::Port(9001)),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_refused(
        booth.slots().create_slot(admin(create)).await,
        Code::AlreadyExists,
        "SLOT_PORT_TAKEN",
    );
    let revoke = v1::RevokeOperatorRequest {
        name: "operators/admin".into(),
        ..Default::default()
    };
    assert_refused(
        booth.operators().revoke_operator(admin(revoke)).await,
        Code::FailedPrecondition,
        "LAST_ADMIN",
    );
    let release = v1::ReleaseSlotRequest {
        name: "slots/1".into(),
        ..Default::default()
    };
    assert_refused(
        booth.slots().release_slot(admin(release)).await,
        Code::FailedPrecondition,
        "SLOT_FREE",
    );
    let fade = v1::TakeSlotRequest {
        transition: Some(v1::Transition { fade_ms: 10_001 }),
        ..take("slots/1")
    };
    let status = assert_refused(
        booth.slots().take_slot(admin(fade)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "transition.fade_ms"
    );
    let tile = v1::GetSlotTileRequest {
        name: "slots/1".into(),
    };
    assert_refused(
        booth.slots().get_slot_tile(admin(tile)).await,
        Code::NotFound,
        "TILE_NOT_FOUND",
    );
}

#[tokio::test]
async fn a_resource_that_changed_meanwhile_is_aborted() {
    let booth = Booth::start().await;
    let main = booth
        .shows()
        .get_show(admin(v1::GetShowRequest {
            name: "shows/main".into(),
        }))
        .await
        .unwrap()
        .into_inner()
        .show
        .unwrap();
    let update = |title: &str| v1::UpdateShowRequest {
        name: "shows/main".into(),
        title: Some(title.into()),
        expected_revision: main.revision,
        ..Default::default()
    };
    booth
        .shows()
        .update_show(admin(update("one")))
        .await
        .unwrap();
    assert_refused(
        booth.shows().update_show(admin(update("two"))).await,
        Code::Aborted,
        "REVISION_MISMATCH",
    );
    let title = &booth.rooms.board.state().shows[&"main".parse().unwrap()].title;
    assert_eq!(title.as_str(), "one");
}

#[tokio::test]
async fn of_two_desks_that_press_take_on_the_same_sight_one_is_refused() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    for id in ["a", "b"] {
        booth.caller(id, id).await;
    }
    let get = v1::GetSlotRequest {
        name: "slots/1".into(),
    };
    let seen = booth.slots().get_slot(admin(get)).await.unwrap();
    let seen = seen.into_inner().slot.unwrap().revision;
    let take = |id: &str| v1::TakeSlotRequest {
        name: "slots/1".into(),
        pick: Some(v1::take_slot_request::Pick::Caller(format!(
            "shows/main/callers/{id}"
        ))),
        r#override: true,
        expected_revision: seen,
        ..Default::default()
    };
    let (mut one, mut two) = (booth.slots(), booth.slots());
    let (a, b) = tokio::join!(
        one.take_slot(admin(take("a"))),
        two.take_slot(admin(take("b")))
    );
    let (taken, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_refused(refused, Code::Aborted, "REVISION_MISMATCH");
    let slot = taken.unwrap().into_inner().slot.unwrap();
    let state = booth.rooms.board.state();
    let on_it = state.slots[&"1".parse().unwrap()].assigned.clone().unwrap();
    assert_eq!(
        slot.assigned_caller,
        format!("shows/main/callers/{}", on_it.caller)
    );
}

#[tokio::test]
async fn a_ledger_that_does_not_write_refuses_commands_and_says_so() {
    let booth = Booth::start().await;
    // A record behind the director's back: its own next one does not follow the journal's last.
    let (done, appended) = tokio::sync::oneshot::channel();
    let record = Record {
        revision: booth.rooms.board.state().revision + 1,
        at: booth.rooms.clock.now(),
        actor: Actor::System,
        answered: None,
        events: Vec::new(),
    };
    Arc::clone(&booth.ledger).append(vec![record], |result| done.send(result.is_ok()).unwrap());
    assert!(appended.await.unwrap());

    let create = v1::CreateShowRequest {
        show_id: "late".into(),
        ..Default::default()
    };
    assert_refused(
        booth.shows().create_show(admin(create)).await,
        Code::Unavailable,
        "LEDGER_READ_ONLY",
    );
    let shows = booth
        .shows()
        .list_shows(admin(v1::ListShowsRequest {}))
        .await
        .unwrap()
        .into_inner()
        .shows;
    assert_eq!(shows.len(), 1, "{shows:?}");
}

#[tokio::test]
async fn an_encoder_comes_back_also_while_the_ledger_does_not_write() {
    let booth = Booth::start().await;
    let id: ChannelId = "radio".parse().unwrap();
    let meta = || Meta {
        actor: Actor::System,
        request_id: None,
        expected_revision: None,
    };
    let key = Sealed("sealed".into());
    let create = Command::CreateChannel {
        id: id.clone(),
        settings: ChannelSettings::default(),
        key: key.clone(),
    };
    let director = &booth.rooms.director;
    for command in [create, Command::StartChannel { id: id.clone() }] {
        director.command(meta(), command).await.unwrap();
    }
    let (done, appended) = tokio::sync::oneshot::channel();
    let record = Record {
        revision: booth.rooms.board.state().revision + 1,
        at: booth.rooms.clock.now(),
        actor: Actor::System,
        answered: None,
        events: Vec::new(),
    };
    Arc::clone(&booth.ledger).append(vec![record], |result| done.send(result.is_ok()).unwrap());
    assert!(appended.await.unwrap());

    let publish = |n, key: &Sealed| Command::Publish {
        channel: id.clone(),
        publisher: Publisher {
            id: PublisherId(n),
            protocol: PublishProtocol::Rtmp,
            peer: Text::default(),
            agent: Text::default(),
            since: Timestamp(0),
        },
        key: key.clone(),
    };
    let on = || {
        let state = booth.rooms.board.state();
        state.channels[&id].publisher.as_ref().map(|p| p.id.0)
    };
    let accepted = director.command(meta(), publish(1, &key)).await.unwrap();
    assert!(accepted.state.channels[&id].publisher.is_some());
    assert_eq!(on(), Some(1));
    // The rules are the same: one at a time, with the right key.
    for (n, key) in [(2, &key), (1, &Sealed("another".into()))] {
        let refused = director.command(meta(), publish(n, key)).await.unwrap_err();
        assert!(matches!(refused, CommandError::Denied(_)), "{refused}");
    }
    let stop = Command::StopChannel { id: id.clone() };
    let refused = director.command(meta(), stop).await.unwrap_err();
    assert!(matches!(refused, CommandError::Ledger(_)), "{refused}");
    assert_eq!(on(), Some(1), "it stays");
    director
        .fact(Fact::PublisherDown {
            channel: id.clone(),
            id: PublisherId(1),
            reason: Text::default(),
        })
        .await;
    director.command(meta(), publish(3, &key)).await.unwrap();
    assert_eq!(on(), Some(3));
}

/// What each refusal of the core asks for, in a few words.
fn meaning(reason: &str) -> &'static str {
    match reason {
        "SHOW_NOT_FOUND" => "there is no such show",
        "SHOW_EXISTS" => "choose another id",
        "SHOW_CLOSED" => "the show is not live, or not open to new callers",
        "SHOW_WRONG_STATE" => "the show is not in a state for this: stop it before deleting it",
        "SHOW_IN_USE" => "it still has callers or slots",
        "SHOW_FULL" => "it has as many callers as its settings allow",
        "CALLER_NOT_FOUND" => "there is no such caller, or not in this show",
        "CALLER_EXISTS" => "a caller with this id is there already",
        "CALLER_ENDED" => "the call is over",
        "CALLER_WRONG_STATE" => "the verb does not apply to the caller's state",
        "CALLER_NOT_READY" => "approve the caller first, or take with override",
        "CALLER_NOT_CONNECTED" => "no media arrives: wait, or take with override",
        "CALLER_ON_AIR" => "the caller is on a slot: release it first",
        "CALLER_OTHER_SHOW" => "the caller belongs to another show than the slot",
        "NO_CALLER_READY" => "nobody in the queue is READY and connected",
        "INVITE_NOT_FOUND" => "there is no such invite, or not in this show",
        "INVITE_EXISTS" => "an invite with this id is there already",
        "INVITE_UNKNOWN" => "the link is not valid",
        "INVITE_EXPIRED" => "the link has expired: make a new one",
        "INVITE_USED_UP" => "the link has been used as often as it may: make a new one",
        "REJOIN_UNKNOWN" => "the call is not known any more: join anew",
        "SLOT_NOT_FOUND" => "there is no such slot",
        "SLOT_EXISTS" => "choose another id",
        "SLOT_PORT_TAKEN" => "another slot listens on this port",
        "SLOT_OCCUPIED" => "somebody is on the slot: release it, or take with override",
        "SLOT_FREE" => "nobody is on the slot",
        "SLOT_OFFLINE" => "the slot's worker is not running: wait, or take with override",
        "CHANNEL_NOT_FOUND" => "there is no such channel",
        "CHANNEL_EXISTS" => "choose another id",
        "CHANNEL_RUNNING" => "the channel is on air: stop it first",
        "CHANNEL_OFF" => "the channel is off: start it first",
        "CHANNEL_BUSY" => {
            "another publisher feeds the channel: disconnect it, or wait until it is silent"
        }
        "NO_PUBLISHER" => "nobody publishes to the channel",
        "PORT_TAKEN" => "a slot or a channel listens on this port: choose another one",
        "DESTINATION_NOT_FOUND" => "the channel has no such destination",
        "DESTINATION_EXISTS" => "choose another id",
        "DESTINATIONS_FULL" => "the channel has as many destinations as it may have",
        "OPERATOR_NOT_FOUND" => "there is no such operator",
        "OPERATOR_EXISTS" => "choose another id",
        "LAST_ADMIN" => "add another admin first",
        "ROLE_TOO_LOW" => "the token's role may not do this; `needed` says which may",
        "INVALID_ARGUMENT" => "`BadRequest` names the field and what is allowed",
        "REVISION_MISMATCH" => "it changed after `expected_revision`: look again, then decide",
        "REQUEST_ID_REUSED" => "the request id was used for something else: take a new one",
        other => panic!("say in a few words what {other} asks for"),
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        other => panic!("no reason has {other:?}"),
    }
}

/// What only HTTP says (`http::problem`).
const OVER_HTTP: [(&str, &str, &str); 5] = [
    (
        "BAD_REQUEST",
        "4xx",
        "`detail` says what is wrong with the request",
    ),
    ("NOT_FOUND", "404", "there is nothing at this address"),
    (
        "SERVER_FULL",
        "503",
        "the server is busy, or has no free port: try again after `Retry-After` seconds",
    ),
    ("STOPPING", "503", "the server is stopping: try again soon"),
    (
        "STREAM_KEY_INVALID",
        "401",
        "publishing by WHIP: the Bearer token is not this channel's live key",
    ),
];

fn page() -> String {
    let mut rows = BTreeMap::new();
    for (reason, kind) in DENIALS {
        rows.insert(*reason, (status::code(*kind), meaning(reason)));
    }
    for (reason, code, meaning) in Reason::ALL.map(Reason::describe) {
        assert!(
            rows.insert(reason, (code, meaning)).is_none(),
            "{reason} is there twice"
        );
    }
    let mut page = "# Errors of the API\n\n\
        Made by a test from the server's own tables; run it with `BOOTH_UPDATE_DOCS=1` after a change.\n\n\
        Every error is a `google.rpc.Status` with `ErrorInfo{reason, domain: \"booth\", metadata}` among its details\n\
        (`grpc-status-details-bin`; in JSON `details[].debug`, see `docs/api.md`). Reasons are stable; texts are for people and may change. `metadata` has the values that\n\
        the reason is about (`slot`, `by`, `needed`, …). An invalid argument also has `BadRequest` with the field.\n\n\
        A repeat of a mutation with the same `request_id` gets its first answer, refusals included.\n\n\
        | reason | gRPC code | what it asks for |\n|---|---|---|\n"
        .to_owned();
    for (reason, (code, meaning)) in rows {
        page.push_str(&format!(
            "| `{reason}` | {} | {meaning} |\n",
            code_name(code)
        ));
    }
    page.push_str(
        "\nThe callers' page and WHIP answer over HTTP: `application/problem+json` (RFC 9457) with `reason` from the same\n\
        table, or one of these.\n\n\
        | reason | status | what it asks for |\n|---|---|---|\n",
    );
    for (reason, status, meaning) in OVER_HTTP {
        page.push_str(&format!("| `{reason}` | {status} | {meaning} |\n"));
    }
    page
}

#[test]
fn the_page_of_errors_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let page = page();
    if std::env::var_os("BOOTH_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/errors.md is out of date: run this test once with BOOTH_UPDATE_DOCS=1"
    );
}
