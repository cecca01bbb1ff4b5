use booth_proto::v1;
use tonic::Code;

use super::{Booth, admin, assert_refused};

fn update(request_id: &str, settings: v1::SlotSettings) -> v1::UpdateSlotRequest {
    v1::UpdateSlotRequest {
        name: "slots/1".into(),
        settings: Some(settings),
        request_id: request_id.into(),
        ..Default::default()
    }
}

fn latency(ms: u32) -> v1::SlotSettings {
    v1::SlotSettings {
        latency_ms: Some(ms),
        ..Default::default()
    }
}

fn fps(fps: u32) -> v1::SlotSettings {
    v1::SlotSettings {
        fps: Some(fps),
        ..Default::default()
    }
}

#[tokio::test]
async fn changes_of_different_settings_at_the_same_time_are_both_kept() {
    let booth = Booth::start().await;
    let (mut one, mut two, mut three) = (booth.slots(), booth.slots(), booth.slots());
    let title = v1::SlotSettings {
        title: Some("Main".into()),
        ..Default::default()
    };
    let (a, b, c) = tokio::join!(
        one.update_slot(admin(update("", latency(300)))),
        two.update_slot(admin(update("", fps(25)))),
        three.update_slot(admin(update("", title))),
    );
    for answer in [a, b, c] {
        answer.unwrap();
    }
    let get = v1::GetSlotRequest {
        name: "slots/1".into(),
    };
    let settings = booth
        .slots()
        .get_slot(admin(get))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap()
        .settings
        .unwrap();
    assert_eq!(
        (settings.latency_ms, settings.fps, settings.title.as_deref()),
        (Some(300), Some(25), Some("Main"))
    );
    assert_eq!(
        (settings.width, settings.output),
        (Some(1280), Some(v1::slot_settings::Output::Port(9001)))
    );
}

#[tokio::test]
async fn a_repeated_change_gets_its_first_answer_whatever_was_changed_since() {
    let booth = Booth::start().await;
    let secret = v1::SlotSettings {
        passphrase: Some("correct horse".into()),
        ..latency(300)
    };
    let first = booth
        .slots()
        .update_slot(admin(update("r1", secret.clone())))
        .await
        .unwrap()
        .into_inner();
    booth
        .slots()
        .update_slot(admin(update("r2", latency(500))))
        .await
        .unwrap();
    let again = booth
        .slots()
        .update_slot(admin(update("r1", secret)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.revision, first.revision);
    assert_eq!(again.slot.unwrap().settings.unwrap().latency_ms, Some(500));
    assert_refused(
        booth
            .slots()
            .update_slot(admin(update("r1", fps(25))))
            .await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );

    let open = |open, request_id: &str| v1::UpdateShowRequest {
        name: "shows/main".into(),
        settings: Some(v1::ShowSettings {
            open: Some(open),
            ..Default::default()
        }),
        request_id: request_id.into(),
        ..Default::default()
    };
    let first = booth
        .shows()
        .update_show(admin(open(false, "s1")))
        .await
        .unwrap()
        .into_inner();
    booth
        .shows()
        .update_show(admin(open(true, "s2")))
        .await
        .unwrap();
    let again = booth
        .shows()
        .update_show(admin(open(false, "s1")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.revision, first.revision);
    assert_eq!(again.show.unwrap().settings.unwrap().open, Some(true));
}

#[tokio::test]
async fn new_slots_take_the_next_free_port_even_when_made_at_the_same_time() {
    let booth = Booth::start().await;
    let create = |id: &str| v1::CreateSlotRequest {
        slot_id: id.into(),
        request_id: id.into(),
        ..Default::default()
    };
    let (mut one, mut two) = (booth.slots(), booth.slots());
    let (a, b) = tokio::join!(
        one.create_slot(admin(create("a"))),
        two.create_slot(admin(create("b")))
    );
    let port = |slot: Option<v1::Slot>| match slot.unwrap().settings.unwrap().output {
        Some(v1::slot_settings::Output::Port(port)) => port,
        other => panic!("{other:?}"),
    };
    let a = a.unwrap().into_inner();
    let b = b.unwrap().into_inner();
    assert_eq!(a.slot.as_ref().unwrap().show, "shows/main");
    let again = booth
        .slots()
        .create_slot(admin(create("a")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, a);
    let mut ports = [port(a.slot), port(b.slot)];
    ports.sort_unstable();
    assert_eq!(ports, [9003, 9004]);
}

#[tokio::test]
async fn settings_out_of_range_name_their_field() {
    let booth = Booth::start().await;
    let odd = v1::SlotSettings {
        width: Some(1281),
        ..Default::default()
    };
    let port = v1::SlotSettings {
        output: Some(v1::slot_settings::Output::Port(0)),
        ..Default::default()
    };
    for (field, settings) in [
        ("settings.latency_ms", latency(1)),
        ("settings.fps", fps(31)),
        ("settings.width", odd),
        ("settings.port", port),
    ] {
        let status = assert_refused(
            booth.slots().update_slot(admin(update("", settings))).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(
            status.message().starts_with(&format!("{field}: ")),
            "{status:?}"
        );
    }
    let nothing = v1::UpdateSlotRequest {
        name: "slots/1".into(),
        ..Default::default()
    };
    assert_refused(
        booth.slots().update_slot(admin(nothing)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    let missing = v1::UpdateSlotRequest {
        name: "slots/9".into(),
        ..update("", fps(25))
    };
    assert_refused(
        booth.slots().update_slot(admin(missing)).await,
        Code::NotFound,
        "SLOT_NOT_FOUND",
    );
}
