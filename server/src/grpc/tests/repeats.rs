use booth_core::{Command, Role};
use booth_proto::v1;
use tonic::Code;

use super::{Booth, admin, assert_refused, bearing};
use crate::secrets::token_hash;

fn invite(request_id: &str, uses: u32) -> v1::CreateInviteRequest {
    v1::CreateInviteRequest {
        parent: "shows/main".into(),
        uses,
        request_id: request_id.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_repeated_invite_is_the_same_invite_with_the_same_token_and_link() {
    let booth = Booth::start().await;
    let first = booth
        .callers()
        .create_invite(admin(invite("r1", 1)))
        .await
        .unwrap()
        .into_inner();
    let again = booth
        .callers()
        .create_invite(admin(invite("r1", 1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    assert_eq!(
        first.url,
        format!("https://call.example/join/main#{}", first.token)
    );
    assert_eq!(booth.rooms.board.state().invites.len(), 1);
    let other = booth
        .callers()
        .create_invite(admin(invite("r2", 1)))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(first.token, other.token);
    let (one, two) = (invite("", 1), invite("", 1));
    let one = booth
        .callers()
        .create_invite(admin(one))
        .await
        .unwrap()
        .into_inner();
    let two = booth
        .callers()
        .create_invite(admin(two))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(one.token, two.token);
}

#[tokio::test]
async fn an_invite_s_token_lets_a_caller_in_and_is_stored_only_as_a_hash() {
    let booth = Booth::start().await;
    let made = booth
        .callers()
        .create_invite(admin(invite("r1", 1)))
        .await
        .unwrap()
        .into_inner();
    let wire = made.invite.unwrap();
    assert_eq!((wire.uses_left, wire.unlimited), (1, false));
    let ttl = wire.expire_time.unwrap().seconds - wire.create_time.unwrap().seconds;
    assert_eq!(ttl, 24 * 3_600);
    assert!(!format!("{:?}", booth.rooms.board.state()).contains(&made.token));
    booth
        .order(Command::Join {
            id: "c1".parse().unwrap(),
            invite: token_hash(&made.token),
            rejoin: token_hash("back"),
            name: booth_core::Text::name("Bravo"),
            topic: booth_core::Text::default(),
        })
        .await;
    assert_eq!(booth.rooms.board.state().callers.len(), 1);
}

#[tokio::test]
async fn a_request_id_used_for_something_else_is_refused() {
    let booth = Booth::start().await;
    booth
        .callers()
        .create_invite(admin(invite("r1", 1)))
        .await
        .unwrap();
    assert_refused(
        booth.callers().create_invite(admin(invite("r1", 2))).await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
    // Another operator's request of that id neither succeeds nor learns the token.
    booth.operator("otto", Role::Operator, "otto").await;
    assert_refused(
        booth
            .callers()
            .create_invite(bearing("otto", invite("r1", 1)))
            .await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
}

#[tokio::test]
async fn a_repeated_operator_gets_the_same_token_and_it_works() {
    let booth = Booth::start().await;
    let create = v1::CreateOperatorRequest {
        operator_id: "anna".into(),
        role: v1::Role::Screener.into(),
        request_id: "r1".into(),
        ..Default::default()
    };
    let first = booth
        .operators()
        .create_operator(admin(create.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = booth
        .operators()
        .create_operator(admin(create))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let me = booth
        .operators()
        .who_am_i(bearing(&first.token, v1::WhoAmIRequest {}))
        .await
        .unwrap();
    assert_eq!(me.into_inner().operator.unwrap().name, "operators/anna");

    let more = v1::CreateOperatorTokenRequest {
        name: "operators/anna".into(),
        request_id: "r2".into(),
        ..Default::default()
    };
    let second = booth
        .operators()
        .create_operator_token(admin(more.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = booth
        .operators()
        .create_operator_token(admin(more))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second, again);
    assert_ne!(first.token, second.token);
    assert_eq!(second.operator.unwrap().tokens, 2);
    booth
        .operators()
        .who_am_i(bearing(&second.token, v1::WhoAmIRequest {}))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_forgotten_request_id_does_not_bring_an_old_token_back() {
    let booth = Booth::start().await;
    booth
        .callers()
        .create_invite(admin(invite("r1", 1)))
        .await
        .unwrap();
    // As many other answers as are remembered.
    let meta = |n: usize| booth_core::Meta {
        actor: booth_core::Actor::System,
        request_id: Some(booth_core::RequestId::new(&format!("flood-{n}")).unwrap()),
        expected_revision: None,
    };
    let id: booth_core::ShowId = "main".parse().unwrap();
    for n in (0..booth_core::ANSWERS_KEPT).step_by(256) {
        let flood = (n..n + 256).map(|n| {
            booth
                .rooms
                .director
                .command(meta(n), Command::StartShow { id: id.clone() })
        });
        for answer in futures_util::future::join_all(flood).await {
            answer.unwrap();
        }
    }
    assert_refused(
        booth.callers().create_invite(admin(invite("r1", 1))).await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
}

#[tokio::test]
async fn a_repeated_take_is_taken_once_and_a_repeated_refusal_stays_one() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    let take = v1::TakeSlotRequest {
        name: "slots/1".into(),
        pick: Some(v1::take_slot_request::Pick::Next(true)),
        request_id: "early".into(),
        ..Default::default()
    };
    assert_refused(
        booth.slots().take_slot(admin(take.clone())).await,
        Code::FailedPrecondition,
        "NO_CALLER_READY",
    );
    for id in ["a", "b"] {
        booth.caller(id, id).await;
        let approve = v1::ApproveCallerRequest {
            name: format!("shows/main/callers/{id}"),
            ..Default::default()
        };
        booth
            .callers()
            .approve_caller(admin(approve))
            .await
            .unwrap();
    }
    assert_refused(
        booth.slots().take_slot(admin(take.clone())).await,
        Code::FailedPrecondition,
        "NO_CALLER_READY",
    );
    let take = v1::TakeSlotRequest {
        request_id: "press".into(),
        ..take
    };
    let first = booth
        .slots()
        .take_slot(admin(take.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = booth
        .slots()
        .take_slot(admin(take))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    assert_eq!(first.slot.unwrap().assigned_caller, "shows/main/callers/a");
}

#[tokio::test]
async fn a_bad_request_id_is_refused() {
    let booth = Booth::start().await;
    for id in ["with space", "\u{1b}[2J", &"x".repeat(129)] {
        let status = assert_refused(
            booth.callers().create_invite(admin(invite(id, 1))).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(status.message().starts_with("request_id: "), "{status:?}");
    }
}
