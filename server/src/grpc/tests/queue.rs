use booth_core::Fact;
use booth_proto::v1;
use tonic::Code;

use super::{Booth, admin, assert_refused};

fn caller(id: &str) -> String {
    format!("shows/main/callers/{id}")
}

#[tokio::test]
async fn a_caller_is_screened_approved_taken_and_released() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    booth.caller("c1", "Bravo").await;
    let (mut callers, mut slots) = (booth.callers(), booth.slots());

    let screen = v1::ScreenCallerRequest {
        name: caller("c1"),
        ..Default::default()
    };
    let answer = callers
        .screen_caller(admin(screen))
        .await
        .unwrap()
        .into_inner();
    let bravo = answer.caller.unwrap();
    assert_eq!(
        (bravo.state(), bravo.position, bravo.connected),
        (v1::caller::State::Screening, 1, true)
    );
    assert_eq!(
        (bravo.name.as_str(), bravo.revision),
        ("shows/main/callers/c1", answer.revision)
    );

    let approve = v1::ApproveCallerRequest {
        name: "shows/-/callers/c1".into(),
        ..Default::default()
    };
    let bravo = callers
        .approve_caller(admin(approve))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(bravo.state(), v1::caller::State::Ready);

    let arm = v1::ArmSlotRequest {
        name: "slots/1".into(),
        caller: caller("c1"),
        ..Default::default()
    };
    let slot = slots
        .arm_slot(admin(arm))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap();
    assert_eq!(slot.armed_caller, caller("c1"));

    let take = v1::TakeSlotRequest {
        name: "slots/1".into(),
        pick: Some(v1::take_slot_request::Pick::Next(true)),
        transition: Some(v1::Transition { fade_ms: 500 }),
        ..Default::default()
    };
    let slot = slots
        .take_slot(admin(take))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap();
    assert_eq!(
        (slot.assigned_caller.as_str(), slot.showing()),
        ("shows/main/callers/c1", v1::slot::Showing::Idle)
    );
    assert!(slot.online);

    let mute = v1::MuteCallerRequest {
        name: caller("c1"),
        ..Default::default()
    };
    let bravo = callers
        .mute_caller(admin(mute))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(
        (bravo.muted, bravo.slot.as_str(), bravo.position),
        (true, "slots/1", 0)
    );
    let unmute = v1::UnmuteCallerRequest {
        name: caller("c1"),
        ..Default::default()
    };
    assert!(
        !callers
            .unmute_caller(admin(unmute))
            .await
            .unwrap()
            .into_inner()
            .caller
            .unwrap()
            .muted
    );

    let release = v1::ReleaseSlotRequest {
        name: "slots/1".into(),
        disposition: v1::release_slot_request::Disposition::Requeue.into(),
        ..Default::default()
    };
    let slot = slots
        .release_slot(admin(release))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap();
    assert_eq!(slot.assigned_caller, "");
    let get = v1::GetCallerRequest { name: caller("c1") };
    let bravo = callers
        .get_caller(admin(get))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(
        (bravo.state(), bravo.position),
        (v1::caller::State::Ready, 1)
    );
}

#[tokio::test]
async fn lists_are_in_queue_order_then_on_air_and_show_the_ended_on_request() {
    let booth = Booth::start().await;
    for (id, name) in [
        ("a", "Alfa"),
        ("b", "Bravo"),
        ("c", "Charlie"),
        ("d", "Delta"),
    ] {
        booth.caller(id, name).await;
    }
    let mut callers = booth.callers();
    let to_head = v1::MoveCallerRequest {
        name: caller("c"),
        position: 1,
        ..Default::default()
    };
    callers.move_caller(admin(to_head)).await.unwrap();
    let take = v1::TakeSlotRequest {
        name: "slots/1".into(),
        pick: Some(v1::take_slot_request::Pick::Caller(caller("a"))),
        r#override: true,
        ..Default::default()
    };
    booth.slots().take_slot(admin(take)).await.unwrap();
    let drop = v1::DropCallerRequest {
        name: caller("b"),
        ..Default::default()
    };
    let gone = callers
        .drop_caller(admin(drop))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(
        (gone.state(), gone.end_reason()),
        (v1::caller::State::Ended, v1::caller::EndReason::Dropped)
    );

    let mut list = async |parent: &str, include_ended| {
        let list = v1::ListCallersRequest {
            parent: parent.into(),
            include_ended,
        };
        let callers = callers
            .list_callers(admin(list))
            .await?
            .into_inner()
            .callers;
        Ok::<_, tonic::Status>(
            callers
                .into_iter()
                .map(|c| c.display_name)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        list("shows/main", false).await.unwrap(),
        ["Charlie", "Delta", "Alfa"]
    );
    assert_eq!(
        list("", true).await.unwrap(),
        ["Charlie", "Delta", "Alfa", "Bravo"]
    );
    assert_eq!(
        list("shows/other", false).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_caller_is_not_found_under_another_show() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    let create = v1::CreateShowRequest {
        show_id: "late".into(),
        ..Default::default()
    };
    booth.shows().create_show(admin(create)).await.unwrap();
    let name = "shows/late/callers/c1".to_owned();
    let hold = v1::HoldCallerRequest {
        name: name.clone(),
        ..Default::default()
    };
    assert_refused(
        booth.callers().hold_caller(admin(hold)).await,
        Code::NotFound,
        "CALLER_NOT_FOUND",
    );
    let get = v1::GetCallerRequest { name };
    assert_refused(
        booth.callers().get_caller(admin(get)).await,
        Code::NotFound,
        "CALLER_NOT_FOUND",
    );
}

#[tokio::test]
async fn a_show_lives_from_creation_to_deletion() {
    let booth = Booth::start().await;
    let mut shows = booth.shows();
    let create = v1::CreateShowRequest {
        show_id: "late".into(),
        title: "Late\u{7}".into(),
        ..Default::default()
    };
    let late = shows
        .create_show(admin(create))
        .await
        .unwrap()
        .into_inner()
        .show
        .unwrap();
    assert_eq!(
        (late.name.as_str(), late.title.as_str(), late.state()),
        ("shows/late", "Late", v1::show::State::Stopped)
    );
    let name = late.name;
    let start = v1::StartShowRequest {
        name: name.clone(),
        ..Default::default()
    };
    let late = shows
        .start_show(admin(start))
        .await
        .unwrap()
        .into_inner()
        .show
        .unwrap();
    assert_eq!(late.state(), v1::show::State::Live);
    let settings = v1::ShowSettings {
        max_callers: Some(3),
        ..Default::default()
    };
    let update = v1::UpdateShowRequest {
        name: name.clone(),
        settings: Some(settings),
        ..Default::default()
    };
    let late = shows
        .update_show(admin(update))
        .await
        .unwrap()
        .into_inner()
        .show
        .unwrap();
    let settings = late.settings.unwrap();
    assert_eq!(
        (settings.max_callers, settings.grace_ms),
        (Some(3), Some(300_000))
    );
    let delete = v1::DeleteShowRequest {
        name: name.clone(),
        ..Default::default()
    };
    assert_refused(
        shows.delete_show(admin(delete.clone())).await,
        Code::FailedPrecondition,
        "SHOW_WRONG_STATE",
    );
    let stop = v1::StopShowRequest {
        name,
        ..Default::default()
    };
    shows.stop_show(admin(stop)).await.unwrap();
    shows.delete_show(admin(delete)).await.unwrap();
    let left = shows
        .list_shows(admin(v1::ListShowsRequest {}))
        .await
        .unwrap()
        .into_inner()
        .shows;
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn status_counts_callers_by_state_and_names_the_units() {
    let booth = Booth::start().await;
    booth.caller("c1", "Alfa").await;
    booth.caller("c2", "Bravo").await;
    let approve = v1::ApproveCallerRequest {
        name: caller("c2"),
        ..Default::default()
    };
    booth
        .callers()
        .approve_caller(admin(approve))
        .await
        .unwrap();
    let status = booth
        .system()
        .get_status(admin(v1::GetStatusRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            status.callers_waiting,
            status.callers_ready,
            status.callers_on_air
        ),
        (1, 1, 0)
    );
    assert_eq!(status.revision, booth.rooms.board.state().revision);
    assert_eq!(
        (status.units[0].name.as_str(), status.units[0].pid),
        ("slot-1", 7)
    );
    assert!(status.ledger.unwrap().writable);
    assert_eq!(status.join_base_url, "https://call.example");

    let mut chunks = booth
        .system()
        .backup(admin(v1::BackupRequest {}))
        .await
        .unwrap()
        .into_inner();
    let mut copy = Vec::new();
    while let Some(part) = chunks.message().await.unwrap() {
        assert_eq!(part.total_bytes, 5);
        copy.extend(part.chunk);
    }
    assert_eq!(copy, b"booth");
}

#[tokio::test]
async fn pictures_and_the_slot_s_observed_state_are_passed_on() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    let id = booth.caller("c1", "Bravo").await;
    let tile = crate::meters::Tile {
        jpeg: "jpeg".into(),
        at: booth_core::Timestamp(42),
    };
    booth
        .rooms
        .meters
        .update(|r| r.caller_tiles.insert(id.clone(), tile));
    let get = v1::GetCallerTileRequest { name: caller("c1") };
    let tile = booth
        .callers()
        .get_caller_tile(admin(get))
        .await
        .unwrap()
        .into_inner()
        .tile
        .unwrap();
    assert_eq!((tile.jpeg.as_slice(), tile.at_ms), (b"jpeg".as_slice(), 42));

    let one: booth_core::SlotId = "1".parse().unwrap();
    let showing = booth_core::Showing::Frozen { caller: id };
    booth
        .fact(Fact::SlotShowing {
            slot: one.clone(),
            showing: showing.clone(),
        })
        .await;
    booth
        .until(|state| state.slots[&one].showing == showing)
        .await;
    let get = v1::GetSlotRequest {
        name: "slots/1".into(),
    };
    let slot = booth
        .slots()
        .get_slot(admin(get))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap();
    assert_eq!(
        (slot.showing(), slot.showing_caller),
        (v1::slot::Showing::Frozen, caller("c1"))
    );
}
