use booth_core::{DestinationState, Fact, Role, Text};
use booth_proto::v1;
use tonic::Code;
use v1::destination_settings::Preset;

use super::watch::{next_change, next_snapshot, texts, watch};
use super::{ADMIN, Booth, admin, assert_refused, bearing};

pub fn add(id: &str, settings: v1::DestinationSettings) -> v1::CreateDestinationRequest {
    v1::CreateDestinationRequest {
        parent: "channels/radio".into(),
        destination_id: id.into(),
        settings: Some(settings),
        ..Default::default()
    }
}

pub fn custom(url: &str, key: &str) -> v1::DestinationSettings {
    v1::DestinationSettings {
        url: Some(url.into()),
        key: Some(key.into()),
        ..Default::default()
    }
}

fn named(id: &str) -> String {
    format!("channels/radio/destinations/{id}")
}

impl Booth {
    async fn key_of(&self, id: &str) -> String {
        let reveal = v1::RevealDestinationKeyRequest { name: named(id) };
        let shown = self
            .destinations()
            .reveal_destination_key(admin(reveal))
            .await;
        shown.unwrap().into_inner().key
    }

    async fn destination(&self, id: &str) -> v1::Destination {
        let get = v1::GetDestinationRequest { name: named(id) };
        let got = self
            .destinations()
            .get_destination(admin(get))
            .await
            .unwrap();
        got.into_inner().destination.unwrap()
    }
}

#[tokio::test]
async fn a_destination_is_added_changed_switched_and_removed() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let youtube = v1::DestinationSettings {
        preset: Some(Preset::Youtube.into()),
        key: Some("abcd-efgh".into()),
        ..Default::default()
    };
    let made = booth
        .destinations()
        .create_destination(admin(add("youtube", youtube)))
        .await
        .unwrap()
        .into_inner()
        .destination
        .unwrap();
    assert_eq!(
        (made.name.as_str(), made.enabled),
        (named("youtube").as_str(), true)
    );
    let settings = made.settings.unwrap();
    assert_eq!(settings.url(), "rtmps://a.rtmps.youtube.com:443/live2");
    assert_eq!((settings.key, settings.has_key), (None, Some(true)));
    assert_eq!(booth.key_of("youtube").await, "abcd-efgh");

    let disabled = v1::CreateDestinationRequest {
        disabled: true,
        ..add("own", custom("rtmp://10.0.0.1/live", ""))
    };
    let made = booth
        .destinations()
        .create_destination(admin(disabled))
        .await;
    assert!(!made.unwrap().into_inner().destination.unwrap().enabled);
    assert_eq!(booth.key_of("own").await, "");
    let enable = v1::EnableDestinationRequest {
        name: named("own"),
        ..Default::default()
    };
    let enabled = booth.destinations().enable_destination(admin(enable)).await;
    assert!(enabled.unwrap().into_inner().destination.unwrap().enabled);
    let disable = v1::DisableDestinationRequest {
        name: named("own"),
        ..Default::default()
    };
    let off = booth
        .destinations()
        .disable_destination(admin(disable))
        .await;
    assert!(!off.unwrap().into_inner().destination.unwrap().enabled);

    let change = v1::UpdateDestinationRequest {
        name: named("own"),
        settings: Some(v1::DestinationSettings {
            key: Some("later".into()),
            session_max_s: Some(3_600),
            ..Default::default()
        }),
        ..Default::default()
    };
    booth
        .destinations()
        .update_destination(admin(change))
        .await
        .unwrap();
    assert_eq!(booth.key_of("own").await, "later");
    let own = booth.destination("own").await.settings.unwrap();
    assert_eq!(
        (own.url(), own.session_max_s),
        ("rtmp://10.0.0.1/live", Some(3_600))
    );

    let list = v1::ListDestinationsRequest {
        parent: "channels/radio".into(),
    };
    let list = booth
        .destinations()
        .list_destinations(admin(list))
        .await
        .unwrap();
    assert_eq!(list.into_inner().destinations.len(), 2);
    assert_eq!(booth.channel_named("radio").await.destinations.len(), 2);
    let delete = v1::DeleteDestinationRequest {
        name: named("own"),
        ..Default::default()
    };
    booth
        .destinations()
        .delete_destination(admin(delete))
        .await
        .unwrap();
    assert_eq!(booth.channel_named("radio").await.destinations.len(), 1);
}

#[tokio::test]
async fn a_key_is_shown_to_operators_for_the_record_and_opens_only_under_its_own_name() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    booth.new_channel_key("radio").await;
    for id in ["one", "two"] {
        let add = add(id, custom("rtmp://10.0.0.1/live", &format!("key-{id}")));
        booth
            .destinations()
            .create_destination(admin(add))
            .await
            .unwrap();
    }
    let reveal = v1::RevealDestinationKeyRequest { name: named("one") };
    assert_refused(
        booth
            .destinations()
            .reveal_destination_key(bearing("vera", reveal))
            .await,
        Code::PermissionDenied,
        "ROLE_TOO_LOW",
    );
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    assert_eq!(booth.key_of("one").await, "key-one");
    let (_, change) = next_change(&mut stream).await;
    assert_eq!(
        texts(&change),
        ["key of destination one of channel radio shown by admin"]
    );
    assert_eq!(change.events[0].r#type, "CHANNEL_KEY_REVEALED");

    let state = booth.rooms.board.state();
    let destinations = &state.channels[&"radio".parse().unwrap()].destinations;
    let one = destinations[&"one".parse().unwrap()]
        .settings
        .key
        .clone()
        .unwrap();
    let two =
        crate::secrets::destination_key_context(&"radio".parse().unwrap(), &"two".parse().unwrap());
    assert!(booth.rooms.keys.open(&two, &one).is_err());
}

#[tokio::test]
async fn a_repeated_change_gets_its_first_answer_whatever_was_changed_since() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let make = v1::CreateDestinationRequest {
        request_id: "r1".into(),
        ..add("own", custom("rtmp://10.0.0.1/live", "first"))
    };
    let made = booth
        .destinations()
        .create_destination(admin(make.clone()))
        .await;
    let made = made.unwrap().into_inner();
    let again = booth.destinations().create_destination(admin(make)).await;
    assert_eq!(again.unwrap().into_inner(), made);

    let change = |request_id: &str, settings| v1::UpdateDestinationRequest {
        name: named("own"),
        settings: Some(settings),
        request_id: request_id.into(),
        ..Default::default()
    };
    let key = v1::DestinationSettings {
        key: Some("second".into()),
        ..Default::default()
    };
    let url = v1::DestinationSettings {
        url: Some("rtmp://10.0.0.2/live".into()),
        ..Default::default()
    };
    let first = booth
        .destinations()
        .update_destination(admin(change("r2", key.clone())))
        .await
        .unwrap()
        .into_inner();
    booth
        .destinations()
        .update_destination(admin(change("r3", url)))
        .await
        .unwrap();
    let again = booth
        .destinations()
        .update_destination(admin(change("r2", key.clone())))
        .await;
    assert_eq!(again.unwrap().into_inner().revision, first.revision);
    let delete = v1::DeleteDestinationRequest {
        name: named("own"),
        ..Default::default()
    };
    booth
        .destinations()
        .delete_destination(admin(delete))
        .await
        .unwrap();
    // Still known, though there is nothing to show any more.
    let again = booth
        .destinations()
        .update_destination(admin(change("r2", key.clone())))
        .await;
    let again = again.unwrap().into_inner();
    assert_eq!((again.revision, again.destination), (first.revision, None));
    assert_refused(
        booth
            .destinations()
            .update_destination(admin(change("r9", key)))
            .await,
        Code::NotFound,
        "DESTINATION_NOT_FOUND",
    );
}

#[tokio::test]
async fn what_a_destination_does_is_told_with_its_channel() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let own = add("own", custom("rtmp://10.0.0.1/live", "k"));
    booth
        .destinations()
        .create_destination(admin(own))
        .await
        .unwrap();
    let start = v1::StartChannelRequest {
        name: "channels/radio".into(),
        ..Default::default()
    };
    booth.channels().start_channel(admin(start)).await.unwrap();
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    let radio: booth_core::ChannelId = "radio".parse().unwrap();
    booth
        .fact(Fact::ChannelWorkerUp {
            channel: radio.clone(),
        })
        .await;
    booth
        .fact(Fact::DestinationState {
            channel: radio,
            id: "own".parse().unwrap(),
            state: DestinationState::Retrying,
            error: Text::name("connection refused"),
        })
        .await;
    let want = "destination own of channel radio is tried again: connection refused";
    let change = loop {
        let (_, change) = next_change(&mut stream).await;
        if texts(&change).contains(&want) {
            break change;
        }
    };
    assert_eq!(change.events[0].resource, named("own"));
    let Some(v1::resource::Resource::Channel(channel)) = &change.resources[0].resource else {
        panic!("{change:?}");
    };
    let told = &channel.destinations[0];
    assert_eq!(
        (told.state(), told.last_error.as_str()),
        (v1::destination::State::Retrying, "connection refused")
    );
}

#[tokio::test]
async fn what_cannot_be_a_destination_is_refused_with_its_field_and_without_its_secret() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    for (field, settings) in [
        ("settings.url", custom("http://10.0.0.1/live", "s3cr3t")),
        ("settings.url", custom("rtmp://", "s3cr3t")),
        ("settings.url", custom("rtmp://u:s3cr3t@10.0.0.1/live", "")),
        ("settings.url", custom("srt://10.0.0.1", "s3cr3ts3cr3t")),
        ("settings.key", custom("rtmp://10.0.0.1/live", "s3cr3t\n")),
        (
            "settings.latency_ms",
            v1::DestinationSettings {
                latency_ms: Some(1),
                ..custom("srt://10.0.0.1:9000", "s3cr3ts3cr3t")
            },
        ),
    ] {
        let status = assert_refused(
            booth
                .destinations()
                .create_destination(admin(add("own", settings)))
                .await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        let text = status.message();
        assert!(text.starts_with(&format!("{field}: ")), "{text}");
        assert!(!format!("{status:?}").contains("s3cr3t"), "{status:?}");
    }
    let orphan = v1::CreateDestinationRequest {
        parent: "channels/nope".into(),
        ..add("own", custom("rtmp://10.0.0.1/live", ""))
    };
    assert_refused(
        booth.destinations().create_destination(admin(orphan)).await,
        Code::NotFound,
        "CHANNEL_NOT_FOUND",
    );
    let get = v1::GetDestinationRequest {
        name: named("nope"),
    };
    assert_refused(
        booth.destinations().get_destination(admin(get)).await,
        Code::NotFound,
        "DESTINATION_NOT_FOUND",
    );
    let reveal = v1::RevealDestinationKeyRequest {
        name: named("nope"),
    };
    assert_refused(
        booth
            .destinations()
            .reveal_destination_key(admin(reveal))
            .await,
        Code::NotFound,
        "DESTINATION_NOT_FOUND",
    );
}
