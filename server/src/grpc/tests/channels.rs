use booth_core::{
    ChannelShowing, Fact, LiveState, PublishProtocol, Publisher, PublisherId, SwitchCause, Text,
};
use booth_proto::v1;
use tonic::Code;

use super::watch::{next_change, next_snapshot, texts, watch};
use super::{ADMIN, Booth, admin, assert_refused};

pub fn create(id: &str) -> v1::CreateChannelRequest {
    v1::CreateChannelRequest {
        channel_id: id.into(),
        ..Default::default()
    }
}

pub fn update(id: &str, settings: v1::ChannelSettings) -> v1::UpdateChannelRequest {
    v1::UpdateChannelRequest {
        name: format!("channels/{id}"),
        settings: Some(settings),
        ..Default::default()
    }
}

pub fn srt(input: v1::SrtInput) -> v1::ChannelSettings {
    v1::ChannelSettings {
        srt_input: Some(input),
        ..Default::default()
    }
}

impl Booth {
    /// Channel `id` as the defaults make it; its live key.
    pub async fn new_channel_key(&self, id: &str) -> String {
        let made = self.channels().create_channel(admin(create(id))).await;
        made.unwrap().into_inner().key
    }

    pub async fn channel_named(&self, id: &str) -> v1::Channel {
        let get = v1::GetChannelRequest {
            name: format!("channels/{id}"),
        };
        let got = self.channels().get_channel(admin(get)).await.unwrap();
        got.into_inner().channel.unwrap()
    }
}

#[tokio::test]
async fn a_channel_is_made_driven_and_deleted() {
    let booth = Booth::start().await;
    let made = booth
        .channels()
        .create_channel(admin(create("radio")))
        .await
        .unwrap()
        .into_inner();
    let channel = made.channel.unwrap();
    assert_eq!(channel.name, "channels/radio");
    assert_eq!((made.key.len(), channel.running), (43, false));
    assert_eq!(channel.showing(), v1::channel::Showing::Off);
    assert_eq!(channel.force(), v1::channel::Force::Auto);
    let settings = channel.settings.unwrap();
    assert_eq!(settings.mode(), v1::channel_settings::Mode::Copy);
    assert_eq!(settings.policy.unwrap().lost_ms, Some(300));

    let name = || "channels/radio".to_owned();
    let start = v1::StartChannelRequest {
        name: name(),
        ..Default::default()
    };
    let started = booth.channels().start_channel(admin(start)).await.unwrap();
    assert!(started.into_inner().channel.unwrap().running);
    let delete = v1::DeleteChannelRequest {
        name: name(),
        ..Default::default()
    };
    assert_refused(
        booth.channels().delete_channel(admin(delete.clone())).await,
        Code::FailedPrecondition,
        "CHANNEL_RUNNING",
    );
    let force = |force: v1::channel::Force| v1::ForceChannelRequest {
        name: name(),
        force: force.into(),
        ..Default::default()
    };
    let forced = booth
        .channels()
        .force_channel(admin(force(v1::channel::Force::Backup)))
        .await
        .unwrap();
    assert_eq!(
        forced.into_inner().channel.unwrap().force(),
        v1::channel::Force::Backup
    );
    assert_refused(
        booth
            .channels()
            .force_channel(admin(force(v1::channel::Force::Unspecified)))
            .await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    let kick = v1::KickChannelPublisherRequest {
        name: name(),
        ..Default::default()
    };
    assert_refused(
        booth.channels().kick_channel_publisher(admin(kick)).await,
        Code::FailedPrecondition,
        "NO_PUBLISHER",
    );
    let stop = v1::StopChannelRequest {
        name: name(),
        ..Default::default()
    };
    booth.channels().stop_channel(admin(stop)).await.unwrap();
    booth
        .channels()
        .delete_channel(admin(delete))
        .await
        .unwrap();
    let list = v1::ListChannelsRequest {};
    let list = booth.channels().list_channels(admin(list)).await.unwrap();
    assert!(list.into_inner().channels.is_empty());
}

#[tokio::test]
async fn what_a_watcher_is_told_of_a_channel() {
    let booth = Booth::start().await;
    let radio: booth_core::ChannelId = "radio".parse().unwrap();
    let mut all = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut all).await;
    let main = v1::WatchRequest {
        show: "shows/main".into(),
        ..Default::default()
    };
    let mut show_only = watch(&booth, ADMIN, main).await;
    next_snapshot(&mut show_only).await;

    booth.new_channel_key("radio").await;
    let (_, change) = next_change(&mut all).await;
    assert_eq!(texts(&change), ["channel radio created by admin"]);
    assert_eq!(change.events[0].r#type, "CHANNEL_CREATED");
    assert!(matches!(
        change.resources[0].resource,
        Some(v1::resource::Resource::Channel(_))
    ));
    let start = v1::StartChannelRequest {
        name: "channels/radio".into(),
        ..Default::default()
    };
    booth.channels().start_channel(admin(start)).await.unwrap();
    booth
        .fact(Fact::ChannelWorkerUp {
            channel: radio.clone(),
        })
        .await;
    booth
        .fact(Fact::ChannelShowing {
            channel: radio.clone(),
            showing: ChannelShowing::Slate,
            cause: SwitchCause::Started,
            gap_ms: 0,
        })
        .await;
    booth
        .fact(Fact::PublisherUp {
            channel: radio.clone(),
            publisher: Publisher {
                id: PublisherId(1),
                protocol: PublishProtocol::Srt,
                peer: Text::name("10.0.0.1:5000"),
                agent: Text::default(),
                since: booth.rooms.clock.now(),
            },
        })
        .await;
    booth
        .fact(Fact::ChannelLive {
            channel: radio.clone(),
            live: LiveState::Stable,
            format: None,
        })
        .await;
    booth
        .fact(Fact::ChannelShowing {
            channel: radio.clone(),
            showing: ChannelShowing::Live,
            cause: SwitchCause::LiveStable,
            gap_ms: 33,
        })
        .await;
    let mut told = Vec::new();
    while !told.iter().any(|t: &String| t.contains("shows its live")) {
        let (_, change) = next_change(&mut all).await;
        told.extend(texts(&change).into_iter().map(str::to_owned));
    }
    for line in [
        "channel radio started by admin",
        "channel radio shows its slate: the output began",
        "channel radio is fed by 10.0.0.1:5000 (SRT)",
        "live input of channel radio is stable",
    ] {
        assert!(told.iter().any(|t| t == line), "{line}: {told:#?}");
    }
    let last = told.last().unwrap();
    assert!(
        last.starts_with("channel radio shows its live input: the live input is stable (gap 33 ms, slate was on for "),
        "{last}"
    );
    let channel = booth.channel_named("radio").await;
    assert_eq!(
        (channel.cause.as_str(), channel.showing()),
        ("LIVE_STABLE", v1::channel::Showing::Live)
    );
    assert_eq!(channel.live(), v1::channel::LiveState::Stable);
    assert_eq!(channel.publisher.unwrap().protocol, "srt");

    // One who watches a show hears nothing of channels.
    booth.caller("c1", "Bravo").await;
    let (_, change) = next_change(&mut show_only).await;
    assert!(change.events[0].text.contains("invite"), "{change:?}");
    let mut late = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let (_, snapshot) = next_snapshot(&mut late).await;
    assert_eq!(snapshot.channels[0].name, "channels/radio");
}

#[tokio::test]
async fn a_channel_that_is_gone_is_told_by_its_name() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let since = booth.rooms.board.state().revision;
    let delete = v1::DeleteChannelRequest {
        name: "channels/radio".into(),
        ..Default::default()
    };
    booth
        .channels()
        .delete_channel(admin(delete))
        .await
        .unwrap();
    let resumed = v1::WatchRequest {
        since,
        ..Default::default()
    };
    let mut late = watch(&booth, ADMIN, resumed).await;
    let (_, change) = next_change(&mut late).await;
    assert_eq!(
        change.resources[0].resource,
        Some(v1::resource::Resource::Deleted("channels/radio".into()))
    );
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_a_repeat_is_known_whatever_changed_since() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let fps = |fps| v1::ChannelSettings {
        fps: Some(fps),
        ..Default::default()
    };
    let secret = srt(v1::SrtInput {
        port: Some(9_150),
        passphrase: Some("correct horse".into()),
        ..Default::default()
    });
    let first = v1::UpdateChannelRequest {
        request_id: "r1".into(),
        ..update("radio", secret)
    };
    let (mut one, mut two) = (booth.channels(), booth.channels());
    let (a, b) = tokio::join!(
        one.update_channel(admin(first.clone())),
        two.update_channel(admin(update("radio", fps(25)))),
    );
    b.unwrap();
    let done = a.unwrap().into_inner();
    let other = update("radio", fps(50));
    booth.channels().update_channel(admin(other)).await.unwrap();
    let again = booth.channels().update_channel(admin(first)).await;
    assert_eq!(again.unwrap().into_inner().revision, done.revision);
    let settings = booth.channel_named("radio").await.settings.unwrap();
    assert_eq!(settings.fps, Some(50));
    let input = settings.srt_input.unwrap();
    assert_eq!(
        (input.port, input.has_passphrase, input.passphrase),
        (Some(9_150), Some(true), None)
    );
    let stale = v1::UpdateChannelRequest {
        expected_revision: 1,
        ..update("radio", fps(30))
    };
    assert_refused(
        booth.channels().update_channel(admin(stale)).await,
        Code::Aborted,
        "REVISION_MISMATCH",
    );
}

#[tokio::test]
async fn an_srt_input_gets_a_port_that_neither_channel_nor_slot_has() {
    let booth = Booth::start().await;
    let slot = v1::CreateSlotRequest {
        slot_id: "s".into(),
        settings: Some(v1::SlotSettings {
            output: Some(v1::slot_settings::Output::Port(9_100)),
            ..Default::default()
        }),
        ..Default::default()
    };
    booth.slots().create_slot(admin(slot)).await.unwrap();
    let with = |id: &str, port| v1::CreateChannelRequest {
        settings: Some(srt(v1::SrtInput {
            port,
            ..Default::default()
        })),
        ..create(id)
    };
    for (id, want) in [("a", 9_101), ("b", 9_102)] {
        let made = booth
            .channels()
            .create_channel(admin(with(id, Some(0))))
            .await;
        let settings = made.unwrap().into_inner().channel.unwrap().settings;
        assert_eq!(settings.unwrap().srt_input.unwrap().port, Some(want));
    }
    assert_refused(
        booth
            .channels()
            .create_channel(admin(with("c", Some(9_001))))
            .await,
        Code::AlreadyExists,
        "PORT_TAKEN",
    );
}

#[tokio::test]
async fn refusals_of_the_core_name_the_field_as_requests_call_it() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let policy = |policy| v1::ChannelSettings {
        policy: Some(policy),
        ..Default::default()
    };
    for (field, settings) in [
        (
            "settings.policy.lost_ms",
            policy(v1::FailoverPolicy {
                lost_ms: Some(1),
                ..Default::default()
            }),
        ),
        (
            "settings.policy.frozen_ms",
            policy(v1::FailoverPolicy {
                frozen_ms: Some(1),
                ..Default::default()
            }),
        ),
        (
            "settings.srt_input.latency_ms",
            srt(v1::SrtInput {
                latency_ms: Some(1),
                ..Default::default()
            }),
        ),
        (
            "settings.width",
            v1::ChannelSettings {
                width: Some(1),
                ..Default::default()
            },
        ),
    ] {
        let status = assert_refused(
            booth
                .channels()
                .update_channel(admin(update("radio", settings)))
                .await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(
            status.message().starts_with(&format!("{field}: ")),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_not_found_by_any_verb() {
    let booth = Booth::start().await;
    let mut client = booth.channels();
    let name = || "channels/nope".to_owned();
    macro_rules! not_found {
        ($($call:ident($request:expr)),* $(,)?) => {$(
            let answer = client.$call(admin($request)).await;
            assert_refused(answer, Code::NotFound, "CHANNEL_NOT_FOUND");
        )*};
    }
    macro_rules! verb {
        ($request:ident) => {
            v1::$request {
                name: name(),
                ..Default::default()
            }
        };
    }
    not_found!(
        get_channel(v1::GetChannelRequest { name: name() }),
        delete_channel(verb!(DeleteChannelRequest)),
        start_channel(verb!(StartChannelRequest)),
        stop_channel(verb!(StopChannelRequest)),
        rotate_channel_key(verb!(RotateChannelKeyRequest)),
        kick_channel_publisher(verb!(KickChannelPublisherRequest)),
        get_channel_address(verb!(GetChannelAddressRequest)),
    );
    let reveal = v1::GetChannelAddressRequest {
        name: "channels/nope".into(),
        reveal: true,
    };
    assert_refused(
        client.get_channel_address(admin(reveal)).await,
        Code::NotFound,
        "CHANNEL_NOT_FOUND",
    );
    let patch = update("nope", v1::ChannelSettings::default());
    assert_refused(
        client.update_channel(admin(patch)).await,
        Code::NotFound,
        "CHANNEL_NOT_FOUND",
    );
    booth.new_channel_key("radio").await;
    assert_refused(
        client.create_channel(admin(create("radio"))).await,
        Code::AlreadyExists,
        "CHANNEL_EXISTS",
    );
    for id in ["", "Radio", "-", "a/b", "\u{1b}[2J", &"x".repeat(64)] {
        let status = assert_refused(
            client.create_channel(admin(create(id))).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(status.message().starts_with("channel_id: "), "{status:?}");
    }
}
