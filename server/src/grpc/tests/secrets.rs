use booth_proto::v1;
use prost::Message;
use tonic::Code;

use super::{Booth, admin, assert_refused};

const PHRASE: &str = "correct horse battery";

fn with_passphrase(secret: &str) -> v1::UpdateSlotRequest {
    v1::UpdateSlotRequest {
        name: "slots/1".into(),
        settings: Some(v1::SlotSettings {
            passphrase: Some(secret.into()),
            stream_id: Some("slot1".into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_passphrase_is_shown_by_the_address_and_nowhere_else() {
    let booth = Booth::start().await;
    let mut watch = booth
        .watches()
        .watch(admin(v1::WatchRequest::default()))
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap().unwrap();

    let updated = booth
        .slots()
        .update_slot(admin(with_passphrase(PHRASE)))
        .await
        .unwrap()
        .into_inner();
    let told = watch.message().await.unwrap().unwrap();
    let listed = booth
        .slots()
        .list_slots(admin(v1::ListSlotsRequest {}))
        .await
        .unwrap()
        .into_inner();
    for bytes in [
        updated.encode_to_vec(),
        told.encode_to_vec(),
        listed.encode_to_vec(),
    ] {
        assert!(!bytes.windows(PHRASE.len()).any(|w| w == PHRASE.as_bytes()));
    }
    assert_eq!(
        updated.slot.unwrap().settings.unwrap().has_passphrase,
        Some(true)
    );
    assert!(!format!("{:?}", booth.rooms.board.state()).contains(PHRASE));
    let tail = booth.ledger.tail(10).unwrap();
    assert!(!serde_json::to_string(&tail).unwrap().contains(PHRASE));

    let get = v1::GetSlotAddressRequest {
        name: "slots/1".into(),
    };
    let address = booth
        .slots()
        .get_slot_address(admin(get))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            address.passphrase.as_str(),
            address.port,
            address.stream_id.as_str()
        ),
        (PHRASE, 9001, "slot1")
    );
    assert!(!address.push && !address.host.is_empty());

    let none = booth
        .slots()
        .update_slot(admin(with_passphrase("")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        none.slot.unwrap().settings.unwrap().has_passphrase,
        Some(false)
    );
}

#[tokio::test]
async fn a_passphrase_of_the_wrong_length_is_refused_without_being_repeated() {
    let booth = Booth::start().await;
    for secret in ["s3cr3t-9c", &"s3cr3t-".repeat(10)] {
        let status = assert_refused(
            booth
                .slots()
                .update_slot(admin(with_passphrase(secret)))
                .await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(status.message().contains("10 to 64"), "{status:?}");
        assert!(!status.message().contains("s3cr3t"), "{status:?}");
    }
}
