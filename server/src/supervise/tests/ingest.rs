//! Who may publish, over a worker that is only a voice.

use booth_core::{ChannelSettings, Command, LiveState, PublishProtocol, PublisherId};
use booth_proto::worker::{
    self, ChannelReport, Hello, PublishAsk, PublishEnd, PublishReply, from_worker, to_worker,
};

use super::{FakeWorker, KEY, NOBODY, channel, command, create, id, running, server, start, until};
use crate::publish::{PublishDesk, PublishError, Publishing};
use crate::secrets::channel_key_context;
use crate::start::Server;

const REFUSED: &str = "this stream key is not valid";

impl FakeWorker {
    async fn asks(&mut self, channel: &str, key: &str) -> PublishReply {
        self.asks_from("192.0.2.7:5000", channel, key).await
    }

    async fn asks_from(&mut self, peer: &str, channel: &str, key: &str) -> PublishReply {
        static NONCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let nonce = NONCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let ask = PublishAsk {
            nonce,
            channel: channel.into(),
            key: key.into(),
            protocol: "rtmp".into(),
            peer: peer.into(),
            agent: "FMLE/3.0\u{7} (compatible)".into(),
        };
        self.say(from_worker::Message::Publish(ask)).await;
        let pick = |m| match m {
            to_worker::Message::Publish(reply) if reply.nonce == nonce => Some(reply),
            _ => None,
        };
        self.next("answer", pick).await
    }
}

fn publisher(server: &Server, name: &str) -> Option<PublisherId> {
    let state = server.rooms.board.state();
    channel(&state, name).publisher.as_ref().map(|p| p.id)
}

/// A channel's worker that looks at its live input, which is silent.
async fn looking(dir: &tempfile::TempDir) -> FakeWorker {
    let report = ChannelReport {
        showing: worker::ChannelShowing::Slate.into(),
        live: worker::LiveState::Absent.into(),
        ..ChannelReport::default()
    };
    let hello = Hello {
        channel: Some(report),
        ..Hello::default()
    };
    FakeWorker::greet(dir, "channel-radio", hello).await
}

#[tokio::test]
async fn the_key_of_a_channel_lets_one_publisher_in_and_every_other_key_is_refused_alike() {
    let (server, dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    create(&server, "off", ChannelSettings::default()).await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let order = ingest.ingest("order", |_| true).await;
    assert_eq!(order.rtmp_listen, "0.0.0.0:1935");
    assert!(order.publishers.is_empty() && order.rtmps_listen.is_empty());

    let wrong = [
        ("radio", "wrong"),
        ("radio", ""),
        ("nobody", KEY),
        ("../radio", KEY),
        ("", "wrong"),
        ("", ""),
        ("off", "wrong"),
        ("radio", &KEY[..KEY.len() - 1]),
    ];
    for (name, key) in wrong {
        let reply = ingest.asks(name, key).await;
        assert_eq!(
            (reply.publisher, reply.reason.as_str()),
            (0, REFUSED),
            "{name} {key}"
        );
        assert!(reply.media_socket.is_empty());
    }
    // Whoever has the key is told more.
    let reply = ingest.asks("off", KEY).await;
    assert_eq!(reply.publisher, 0);
    assert!(reply.reason.contains("is off"), "{}", reply.reason);

    let accepted = ingest.asks("radio", KEY).await;
    assert!(accepted.publisher > 0 && accepted.reason.is_empty());
    assert!(accepted.media_socket.ends_with("/run/channel-radio.media"));
    assert_eq!(
        publisher(&server, "radio"),
        Some(PublisherId(accepted.publisher))
    );
    let state = server.rooms.board.state();
    let known = channel(&state, "radio").publisher.clone().unwrap();
    assert_eq!(known.protocol, PublishProtocol::Rtmp);
    assert_eq!(known.peer.as_str(), "192.0.2.7:5000");
    assert_eq!(known.agent.as_str(), "FMLE/3.0 (compatible)");

    let end = PublishEnd {
        publisher: accepted.publisher,
        channel: "radio".into(),
        reason: "the encoder hung up".into(),
    };
    ingest.say(from_worker::Message::PublishEnd(end)).await;
    ingest.ingest("nobody", |d| d.publishers.is_empty()).await;
    assert_eq!(publisher(&server, "radio"), None);
    server.stop().await;
}

#[tokio::test]
async fn an_order_that_names_the_publisher_goes_out_before_the_answer() {
    let (server, dir) = server().await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    ingest.ingest("order", |_| true).await;
    for name in ["radio", "tv", "news"] {
        running(&server, name, ChannelSettings::default()).await;
        let ask = PublishAsk {
            nonce: 5,
            channel: name.into(),
            key: KEY.into(),
            ..PublishAsk::default()
        };
        ingest.say(from_worker::Message::Publish(ask)).await;
        let mut named = Vec::new();
        let pick = |m| match m {
            to_worker::Message::Publish(reply) => Some(reply.publisher),
            to_worker::Message::Ingest(order) => {
                named = order.publishers.iter().map(|p| p.id).collect();
                None
            }
            _ => None,
        };
        let id = ingest.next("answer", pick).await;
        // An order without it, behind the answer, would end it again.
        assert!(id > 0);
        if !named.contains(&id) {
            let order = ingest.ingest("order behind the answer", |_| true).await;
            assert!(order.publishers.iter().any(|p| p.id == id), "{order:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_alone_says_which_channel_it_opens() {
    let (server, dir) = server().await;
    for (name, key) in [("radio", "key-of-radio"), ("tv", "key-of-tv")] {
        let sealed = server
            .rooms
            .keys
            .seal(&channel_key_context(&id(name)), key)
            .unwrap();
        let create = Command::CreateChannel {
            id: id(name),
            settings: ChannelSettings::default(),
            key: sealed,
        };
        command(&server, create).await;
        command(&server, Command::StartChannel { id: id(name) }).await;
    }
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let reply = ingest.asks("", "key-of-tv").await;
    assert!(reply.media_socket.ends_with("/channel-tv.media"));
    assert_eq!(publisher(&server, "tv"), Some(PublisherId(reply.publisher)));
    // The key of one is none of another's.
    assert_eq!(ingest.asks("radio", "key-of-tv").await.reason, REFUSED);
    server.stop().await;
}

#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_is_healthy_and_takes_over_when_it_is_silent()
{
    let (server, dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let mut worker = looking(&dir).await;
    let first = ingest.asks("radio", KEY).await.publisher;
    worker
        .channel("its publisher", |d| d.publisher == first)
        .await;
    let stable = ChannelReport {
        showing: worker::ChannelShowing::Slate.into(),
        live: worker::LiveState::Stable.into(),
        publisher: first,
        ..ChannelReport::default()
    };
    worker
        .say(from_worker::Message::Channel(stable.clone()))
        .await;
    until(&server, "a healthy publisher", |s| {
        channel(s, "radio").live == LiveState::Stable
    })
    .await;
    let busy = ingest.asks("radio", KEY).await;
    assert_eq!(busy.publisher, 0);
    assert!(
        busy.reason.contains("is fed by RTMP from 192.0.2.7"),
        "{}",
        busy.reason
    );

    let lost = ChannelReport {
        live: worker::LiveState::Lost.into(),
        live_cause: worker::SwitchCause::LiveStalled.into(),
        ..stable
    };
    worker.say(from_worker::Message::Channel(lost)).await;
    let second = loop {
        let reply = ingest.asks("radio", KEY).await;
        if reply.publisher != 0 {
            break reply.publisher;
        }
    };
    assert!(second > first, "later publishers have larger numbers");
    worker
        .channel("the new publisher", |d| d.publisher == second)
        .await;
    let left: Vec<u64> = ingest_publishers(&mut ingest, &server).await;
    assert_eq!(left, [second]);
    server.stop().await;
}

/// Whom the worker may go on with, once it was told of a change that follows.
async fn ingest_publishers(ingest: &mut FakeWorker, server: &Server) -> Vec<u64> {
    running(server, "mark", ChannelSettings::default()).await;
    let marked = ingest.asks("mark", KEY).await.publisher;
    let end = PublishEnd {
        publisher: marked,
        ..PublishEnd::default()
    };
    ingest.say(from_worker::Message::PublishEnd(end)).await;
    let order = ingest
        .ingest("order without the mark", |d| {
            !d.publishers.iter().any(|p| p.id == marked)
        })
        .await;
    order.publishers.iter().map(|p| p.id).collect()
}

#[tokio::test]
async fn a_kick_and_a_new_key_disconnect_at_once() {
    let (server, dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let first = ingest.asks("radio", KEY).await.publisher;
    assert!(first > 0);
    command(&server, Command::KickPublisher { id: id("radio") }).await;
    ingest.ingest("nobody", |d| d.publishers.is_empty()).await;
    let second = ingest.asks("radio", KEY).await.publisher;
    assert!(second > first, "who was kicked may come back");
    let rotate = Command::RotateChannelKey {
        id: id("radio"),
        key: server
            .rooms
            .keys
            .seal(&channel_key_context(&id("radio")), "another key")
            .unwrap(),
    };
    command(&server, rotate).await;
    ingest.ingest("nobody", |d| d.publishers.is_empty()).await;
    assert_eq!(ingest.asks("radio", KEY).await.reason, REFUSED);
    assert!(ingest.asks("radio", "another key").await.publisher > second);
    server.stop().await;
}

#[tokio::test]
async fn wrong_keys_of_one_address_are_limited_and_right_ones_of_others_are_not() {
    let (server, dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let mut refusals = Vec::new();
    for _ in 0..70 {
        refusals.push(
            ingest
                .asks_from("198.51.100.9:1", "radio", "guess")
                .await
                .reason,
        );
    }
    assert_eq!(refusals[0], REFUSED);
    assert!(refusals[69].contains("too many"), "{}", refusals[69]);
    // Also the right one: otherwise guessing would go on.
    let late = ingest.asks_from("198.51.100.9:2", "radio", KEY).await;
    assert!(late.reason.contains("too many"));
    assert!(ingest.asks("radio", KEY).await.publisher > 0);
    server.stop().await;
}

#[tokio::test]
async fn publishers_outlive_a_lost_link_and_boothd_but_not_the_ingest_worker() {
    let dir = tempfile::tempdir().unwrap();
    let set = |config: &mut crate::config::Config| {
        config.data.ledger = "disk".into();
        config.workers.keep_on_stop = true;
    };
    let server = start(&dir, set).await;
    running(&server, "radio", ChannelSettings::default()).await;
    running(&server, "tv", ChannelSettings::default()).await;
    let mut ingest = FakeWorker::attach(&dir, "ingest").await;
    let radio = ingest.asks("radio", KEY).await.publisher;
    let tv = ingest.asks("tv", KEY).await.publisher;
    assert!(radio > 0 && tv > 0);
    server.stop().await;

    let server = start(&dir, set).await;
    assert_eq!(publisher(&server, "radio"), Some(PublisherId(radio)));
    // It comes back without the one that left meanwhile.
    let path = dir.path().join("data/run/workers.sock");
    ingest.wire = tokio_util::codec::LengthDelimitedCodec::builder()
        .new_framed(tokio::net::UnixStream::connect(path).await.unwrap());
    let hello = Hello {
        unit: "ingest".into(),
        pid: NOBODY,
        publishers: vec![radio],
        ..Hello::default()
    };
    ingest.say(from_worker::Message::Hello(hello)).await;
    until(&server, "one of two", |s| {
        channel(s, "tv").publisher.is_none() && channel(s, "radio").publisher.is_some()
    })
    .await;
    let order = ingest.ingest("order", |d| d.publishers.len() == 1).await;
    assert_eq!(order.publishers[0].id, radio);
    let later = ingest.asks("tv", KEY).await.publisher;
    assert!(later > tv, "numbers rise over restarts too");

    // The process ends, and with it every connection.
    drop(ingest);
    until(&server, "nobody", |s| {
        channel(s, "tv").publisher.is_none() && channel(s, "radio").publisher.is_none()
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_replaced_after_it_was_compared_is_a_wrong_key() {
    let (server, _dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    let rooms = &server.rooms;
    let desk = PublishDesk::new(
        rooms.board.clone(),
        rooms.director.clone(),
        rooms.clock,
        rooms.keys.clone(),
    )
    .unwrap();
    let (compared, key) = desk.channel_of("radio", KEY, None).unwrap();
    let sealed = rooms.keys.seal(&channel_key_context(&compared), "another");
    let rotate = Command::RotateChannelKey {
        id: id("radio"),
        key: sealed.unwrap(),
    };
    command(&server, rotate).await;
    let publishing = Publishing {
        id: desk.next_id(),
        protocol: PublishProtocol::Whip,
        peer: "192.0.2.7",
        agent: "",
        key: &key,
    };
    let refused = desk.publish(&compared, publishing).await.unwrap_err();
    assert!(matches!(refused, PublishError::Key), "{refused}");
    assert_eq!(refused.to_string(), REFUSED);
    assert_eq!(publisher(&server, "radio"), None);
    server.stop().await;
}
