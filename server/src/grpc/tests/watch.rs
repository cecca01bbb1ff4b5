use booth_core::Role;
use booth_proto::v1;
use tonic::Code;
use tonic::codec::Streaming;
use v1::watch_response::Message;

use super::{ADMIN, Booth, admin, bearing, reason};

pub(super) async fn watch(
    booth: &Booth,
    token: &str,
    request: v1::WatchRequest,
) -> Streaming<v1::WatchResponse> {
    booth
        .watches()
        .watch(bearing(token, request))
        .await
        .unwrap()
        .into_inner()
}

pub(super) async fn next(stream: &mut Streaming<v1::WatchResponse>) -> (u64, Message) {
    let message = stream.message().await.unwrap().unwrap();
    (message.revision, message.message.unwrap())
}

pub(super) async fn next_change(stream: &mut Streaming<v1::WatchResponse>) -> (u64, v1::Change) {
    loop {
        match next(stream).await {
            (revision, Message::Change(change)) => return (revision, change),
            (_, Message::Heartbeat(_)) => {}
            (_, Message::Snapshot(snapshot)) => panic!("{snapshot:?}"),
        }
    }
}

pub(super) async fn next_snapshot(
    stream: &mut Streaming<v1::WatchResponse>,
) -> (u64, v1::Snapshot) {
    match next(stream).await {
        (revision, Message::Snapshot(snapshot)) => (revision, snapshot),
        (_, other) => panic!("{other:?}"),
    }
}

pub(super) fn texts(change: &v1::Change) -> Vec<&str> {
    change
        .events
        .iter()
        .map(|event| event.text.as_str())
        .collect()
}

#[tokio::test]
async fn a_watcher_gets_a_snapshot_and_then_each_change_with_what_it_left() {
    let booth = Booth::start().await;
    booth.operator("anna", Role::Operator, "anna").await;
    booth.worker("1").await;
    booth.caller("c1", "Bravo").await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let (revision, snapshot) = next_snapshot(&mut stream).await;
    assert_eq!(revision, booth.rooms.board.state().revision);
    assert!(!snapshot.more);
    assert_eq!(snapshot.callers[0].display_name, "Bravo");
    assert_eq!(
        (
            snapshot.shows.len(),
            snapshot.slots.len(),
            snapshot.operators.len()
        ),
        (1, 2, 2)
    );
    assert_eq!(snapshot.invites.len(), 1);

    let approve = v1::ApproveCallerRequest {
        name: "shows/main/callers/c1".into(),
        ..Default::default()
    };
    let approved = booth
        .callers()
        .approve_caller(bearing("anna", approve))
        .await
        .unwrap()
        .into_inner();
    let (at, change) = next_change(&mut stream).await;
    assert_eq!(
        (at, change.actor.as_str()),
        (approved.revision, "operators/anna")
    );
    assert_eq!(texts(&change), ["caller Bravo is ready for air by anna"]);

    let take = v1::TakeSlotRequest {
        name: "slots/1".into(),
        pick: Some(v1::take_slot_request::Pick::Next(true)),
        ..Default::default()
    };
    booth
        .slots()
        .take_slot(bearing("anna", take))
        .await
        .unwrap();
    let (at, change) = next_change(&mut stream).await;
    assert_eq!(at, approved.revision + 1);
    let taken = &change.events[0];
    assert_eq!(
        (
            taken.r#type.as_str(),
            taken.resource.as_str(),
            taken.text.as_str()
        ),
        (
            "SLOT_TAKEN",
            "slots/1",
            "caller Bravo taken to slot 1 by anna"
        )
    );
    use v1::resource::Resource;
    let caller = change.resources.iter().find_map(|r| match &r.resource {
        Some(Resource::Caller(caller)) => Some(caller),
        _ => None,
    });
    assert_eq!(caller.unwrap().state(), v1::caller::State::OnAir);
    let slot = change.resources.iter().find_map(|r| match &r.resource {
        Some(Resource::Slot(slot)) => Some(slot),
        _ => None,
    });
    assert_eq!(slot.unwrap().assigned_caller, "shows/main/callers/c1");
    let queue = change.resources.iter().find_map(|r| match &r.resource {
        Some(Resource::Show(show)) => Some(&show.queue),
        _ => None,
    });
    assert!(queue.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_deleted_is_told_by_its_name() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    let name = "shows/main/invites/i-c1".to_owned();
    let delete = v1::DeleteInviteRequest {
        name: name.clone(),
        ..Default::default()
    };
    booth.callers().delete_invite(admin(delete)).await.unwrap();
    let (_, change) = next_change(&mut stream).await;
    assert_eq!(change.events[0].resource, name);
    assert_eq!(
        change.resources,
        [v1::Resource {
            resource: Some(v1::resource::Resource::Deleted(name))
        }]
    );
    let delete = v1::DeleteSlotRequest {
        name: "slots/2".into(),
        ..Default::default()
    };
    booth.slots().delete_slot(admin(delete)).await.unwrap();
    let (_, change) = next_change(&mut stream).await;
    let gone = v1::resource::Resource::Deleted("slots/2".into());
    assert_eq!(
        change.resources,
        [v1::Resource {
            resource: Some(gone)
        }]
    );
}

#[tokio::test]
async fn one_who_was_there_before_gets_what_was_missed_and_no_snapshot() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    let since = booth.rooms.board.state().revision;
    let name = "shows/main/callers/c1".to_owned();
    let screen = v1::ScreenCallerRequest {
        name: name.clone(),
        ..Default::default()
    };
    booth.callers().screen_caller(admin(screen)).await.unwrap();
    let hold = v1::HoldCallerRequest {
        name,
        ..Default::default()
    };
    booth
        .callers()
        .hold_caller(admin(hold.clone()))
        .await
        .unwrap();

    let mut stream = watch(
        &booth,
        ADMIN,
        v1::WatchRequest {
            since,
            ..Default::default()
        },
    )
    .await;
    let (first, change) = next_change(&mut stream).await;
    assert_eq!(
        (first, texts(&change)),
        (since + 1, vec!["caller Bravo is being screened by admin"])
    );
    let (second, change) = next_change(&mut stream).await;
    assert_eq!(
        (second, texts(&change)),
        (since + 2, vec!["caller Bravo is on hold by admin"])
    );
    assert_eq!(change.resources.len(), 1);

    // Up to date already: said at once by a heartbeat.
    let mut stream = watch(
        &booth,
        ADMIN,
        v1::WatchRequest {
            since: second,
            ..Default::default()
        },
    )
    .await;
    let (at, message) = next(&mut stream).await;
    assert!(
        at == second && matches!(message, Message::Heartbeat(_)),
        "{message:?}"
    );
    booth
        .callers()
        .screen_caller(admin(v1::ScreenCallerRequest {
            name: hold.name,
            ..Default::default()
        }))
        .await
        .unwrap();
    assert_eq!(next_change(&mut stream).await.0, second + 1);
}

#[tokio::test]
async fn a_revision_of_another_ledger_starts_with_a_snapshot() {
    let booth = Booth::start().await;
    let mut stream = watch(
        &booth,
        ADMIN,
        v1::WatchRequest {
            since: 1_000_000,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(
        next_snapshot(&mut stream).await.0,
        booth.rooms.board.state().revision
    );
}

#[tokio::test]
async fn when_something_missed_is_gone_and_nameless_a_snapshot_says_it() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    let since = booth.rooms.board.state().revision;
    let delete = v1::DeleteInviteRequest {
        name: "shows/-/invites/i-c1".into(),
        ..Default::default()
    };
    booth.callers().delete_invite(admin(delete)).await.unwrap();
    let mut stream = watch(
        &booth,
        ADMIN,
        v1::WatchRequest {
            since,
            ..Default::default()
        },
    )
    .await;
    let (at, snapshot) = next_snapshot(&mut stream).await;
    assert_eq!((at, snapshot.invites.len()), (since + 1, 0));
}

#[tokio::test]
async fn a_watcher_of_one_show_hears_of_that_show_alone() {
    let booth = Booth::start().await;
    let create = v1::CreateShowRequest {
        show_id: "late".into(),
        ..Default::default()
    };
    booth.shows().create_show(admin(create)).await.unwrap();
    let only = |show: &str| v1::WatchRequest {
        show: show.into(),
        ..Default::default()
    };
    let mut stream = watch(&booth, ADMIN, only("shows/late")).await;
    let (_, snapshot) = next_snapshot(&mut stream).await;
    assert_eq!(snapshot.shows.len(), 1);
    assert!(snapshot.slots.is_empty() && snapshot.operators.is_empty());
    booth.caller("c1", "Bravo").await;
    booth.operator("anna", Role::Viewer, "anna").await;
    let start = v1::StartShowRequest {
        name: "shows/late".into(),
        ..Default::default()
    };
    let started = booth
        .shows()
        .start_show(admin(start))
        .await
        .unwrap()
        .into_inner();
    let (at, change) = next_change(&mut stream).await;
    assert_eq!(
        (at, texts(&change)),
        (started.revision, vec!["show late is live by admin"])
    );

    let status = booth
        .watches()
        .watch(admin(only("shows/nope")))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::NotFound, "SHOW_NOT_FOUND")
    );
    let status = booth
        .watches()
        .watch(admin(only("main")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let long = v1::WatchRequest {
        heartbeat_s: 61,
        ..Default::default()
    };
    let status = booth.watches().watch(admin(long)).await.unwrap_err();
    assert!(status.message().starts_with("heartbeat_s: "), "{status:?}");
}
