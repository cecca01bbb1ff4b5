//! Where and how to publish, and the keys for it.

use booth_core::Role;
use booth_proto::v1;
use tonic::Code;

use super::channels::{create, srt, update};
use super::{ADMIN, Booth, admin, assert_refused, bearing};

impl Booth {
    pub async fn address(
        &self,
        id: &str,
        token: &str,
        reveal: bool,
    ) -> v1::GetChannelAddressResponse {
        let get = v1::GetChannelAddressRequest {
            name: format!("channels/{id}"),
            reveal,
        };
        let got = self
            .channels()
            .get_channel_address(bearing(token, get))
            .await;
        got.unwrap().into_inner()
    }
}

#[tokio::test]
async fn the_address_is_masked_for_viewers_and_shown_to_operators_for_the_record() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    booth.operator("otto", Role::Operator, "otto").await;
    let key = booth.new_channel_key("radio").await;
    let settings = v1::ChannelSettings {
        hls: Some(true),
        monitor_port: Some(9_201),
        ..srt(v1::SrtInput {
            passphrase: Some("correct horse".into()),
            ..Default::default()
        })
    };
    booth
        .channels()
        .update_channel(admin(update("radio", settings)))
        .await
        .unwrap();

    let before = booth.rooms.board.state().revision;
    let masked = booth.address("radio", "vera", false).await;
    assert_eq!(
        (
            masked.stream.as_str(),
            masked.key.as_str(),
            masked.srt_passphrase.as_str()
        ),
        ("radio?token=…", "…", "…")
    );
    assert_eq!((masked.rtmp_port, masked.rtmps_port), (1935, 0));
    assert_eq!((masked.app.as_str(), masked.srt_port), ("live", 9_100));
    assert_eq!(
        (masked.srt_stream_id.as_str(), masked.srt_latency_ms),
        ("radio", 200)
    );
    assert_eq!(masked.whip_url, "https://call.example/whip/channels/radio");
    assert_eq!(masked.monitor_port, 9_201);
    assert_eq!(
        masked.hls_url,
        "https://call.example/hls/channels/radio/index.m3u8"
    );
    assert_eq!(booth.rooms.board.state().revision, before);

    let ask = v1::GetChannelAddressRequest {
        name: "channels/radio".into(),
        reveal: true,
    };
    assert_refused(
        booth
            .channels()
            .get_channel_address(bearing("vera", ask))
            .await,
        Code::PermissionDenied,
        "ROLE_TOO_LOW",
    );
    assert_eq!(booth.rooms.board.state().revision, before);

    let shown = booth.address("radio", "otto", true).await;
    assert_eq!(shown.key, key);
    assert_eq!(shown.stream, format!("radio?token={key}"));
    assert_eq!(shown.srt_passphrase, "correct horse");
    let last = booth.ledger.tail(1).unwrap().pop().unwrap();
    assert_eq!(
        last.events,
        [booth_core::Event::ChannelKeyRevealed {
            id: "radio".parse().unwrap(),
            destination: None,
        }]
    );
    assert_eq!(
        last.actor,
        booth_core::Actor::Operator("otto".parse().unwrap())
    );
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_the_old_one_and_a_repeat_gives_the_same() {
    let booth = Booth::start().await;
    let first = v1::CreateChannelRequest {
        request_id: "r1".into(),
        ..create("radio")
    };
    let made = booth.channels().create_channel(admin(first.clone())).await;
    let made = made.unwrap().into_inner();
    let again = booth.channels().create_channel(admin(first)).await;
    assert_eq!(again.unwrap().into_inner(), made);

    let rotate = |request_id: &str| v1::RotateChannelKeyRequest {
        name: "channels/radio".into(),
        request_id: request_id.into(),
        ..Default::default()
    };
    let rotated = booth
        .channels()
        .rotate_channel_key(admin(rotate("r2")))
        .await;
    let rotated = rotated.unwrap().into_inner();
    assert_ne!(rotated.key, made.key);
    let again = booth
        .channels()
        .rotate_channel_key(admin(rotate("r2")))
        .await;
    assert_eq!(again.unwrap().into_inner(), rotated);
    assert_eq!(booth.address("radio", ADMIN, true).await.key, rotated.key);

    let one = booth.channels().rotate_channel_key(admin(rotate(""))).await;
    let two = booth.channels().rotate_channel_key(admin(rotate(""))).await;
    let (one, two) = (one.unwrap().into_inner().key, two.unwrap().into_inner().key);
    assert_ne!(one, two);
    let url_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    for key in [&made.key, &rotated.key, &one, &two] {
        assert!(key.len() == 43 && key.bytes().all(url_safe), "{key}");
    }
    // Another operator's request of that id neither succeeds nor learns the key.
    booth.operator("otto", Role::Operator, "otto").await;
    assert_refused(
        booth
            .channels()
            .rotate_channel_key(bearing("otto", rotate("r2")))
            .await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
}
