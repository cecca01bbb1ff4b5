//! A channel's worker: what it is ordered, what it reports, and that it does not notice a new boothd.

use booth_core::{
    ChannelSettings, ChannelShowing, Command, DestinationId, DestinationPreset,
    DestinationSettings, DestinationState, Force, LiveState, PublishProtocol, Publisher,
    PublisherId, SrtInput, SwitchCause, Text, Timestamp, WorkerState,
};
use booth_proto::worker::{
    self, ChannelFigures, ChannelReport, ChannelSwitch, DestinationFigures, DestinationReport,
    Hello, LiveFormat, PublishEnd, PublishStart, from_worker, to_worker,
};
use bytes::Bytes;

use super::{FakeWorker, SOON, channel, command, create, id, running, server, start, until};
use crate::secrets::{Keyring, channel_passphrase_context, destination_key_context};
use crate::start::Server;

fn destination(name: &str) -> DestinationId {
    DestinationId::new(name).unwrap()
}

async fn add(server: &Server, keys: &Keyring, name: &str, enabled: bool) {
    let context = destination_key_context(&id("radio"), &destination(name));
    let settings = DestinationSettings {
        preset: DestinationPreset::Custom,
        url: format!("rtmp://{name}.example.org/live"),
        key: Some(keys.seal(&context, &format!("secret-of-{name}")).unwrap()),
        session_max_s: 3_600,
        latency_ms: 200,
        stream_id: None,
    };
    let add = Command::AddDestination {
        channel: id("radio"),
        id: destination(name),
        settings,
        enabled,
    };
    command(server, add).await;
}

async fn enable(server: &Server, name: &str, enabled: bool) {
    let set = Command::SetDestinationEnabled {
        channel: id("radio"),
        id: destination(name),
        enabled,
    };
    command(server, set).await;
}

fn with_srt(server: &Server) -> ChannelSettings {
    let context = channel_passphrase_context(&id("radio"));
    let sealed = server.rooms.keys.seal(&context, "correct horse").unwrap();
    ChannelSettings {
        srt_input: Some(SrtInput {
            port: 9_100,
            latency_ms: 120,
            stream_id: None,
            passphrase: Some(sealed),
        }),
        hls: true,
        ..ChannelSettings::default()
    }
}

fn report(showing: worker::ChannelShowing, live: worker::LiveState) -> ChannelReport {
    ChannelReport {
        showing: showing.into(),
        live: live.into(),
        ..ChannelReport::default()
    }
}

#[tokio::test]
async fn a_channel_is_ordered_with_its_secrets_and_its_reports_come_home() {
    let (server, dir) = server().await;
    let keys = std::sync::Arc::clone(&server.rooms.keys);
    running(&server, "radio", with_srt(&server)).await;
    add(&server, &keys, "one", true).await;
    add(&server, &keys, "two", false).await;
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    let order = worker.channel("order", |d| d.destinations.len() == 1).await;
    let settings = order.settings.unwrap();
    assert_eq!(
        (
            settings.srt_port,
            settings.srt_passphrase.as_str(),
            settings.srt_stream_id.as_str()
        ),
        (9_100, "correct horse", "radio")
    );
    assert_eq!((settings.lost_ms, settings.delay_ms), (300, 600));
    assert!(settings.media_socket.ends_with("/run/channel-radio.media"));
    assert!(settings.hls_dir.ends_with("/run/hls/radio"));
    let sent = &order.destinations[0];
    assert_eq!(
        (sent.id.as_str(), sent.key.as_str(), sent.session_max_s),
        ("one", "secret-of-one", 3_600)
    );
    assert_eq!((order.publisher, order.backup_path.as_str()), (0, ""));
    until(&server, "an attached worker", |s| {
        channel(s, "radio").worker == WorkerState::Up
    })
    .await;

    let switch = ChannelSwitch {
        showing: worker::ChannelShowing::Slate.into(),
        cause: worker::SwitchCause::Started.into(),
        gap_ms: 0,
    };
    worker.say(from_worker::Message::Switch(switch)).await;
    let hostile = "refused \u{202e}by\u{1b}[31m peer";
    let now = ChannelReport {
        destinations: vec![DestinationReport {
            id: "one".into(),
            state: worker::DestinationState::Retrying.into(),
            error: hostile.into(),
        }],
        live_cause: worker::SwitchCause::LiveStalled.into(),
        live_format: Some(LiveFormat {
            video: "H.264 High 4.0".into(),
            ..LiveFormat::default()
        }),
        generation: order.generation,
        ..report(worker::ChannelShowing::Slate, worker::LiveState::Lost)
    };
    worker.say(from_worker::Message::Channel(now.clone())).await;
    until(&server, "all that was reported", |s| {
        let radio = channel(s, "radio");
        let one = &radio.destinations[&destination("one")];
        radio.showing == ChannelShowing::Slate
            && radio.cause == SwitchCause::Started
            && radio.live
                == LiveState::Lost {
                    cause: SwitchCause::LiveStalled,
                }
            && radio
                .live_format
                .as_ref()
                .is_some_and(|f| f.video.as_str() == "H.264 High 4.0")
            && one.state == DestinationState::Retrying
            && one.last_error.as_str() == "refused by[31m peer"
    })
    .await;
    let switch = ChannelSwitch {
        showing: worker::ChannelShowing::Live.into(),
        cause: worker::SwitchCause::LiveStable.into(),
        gap_ms: 33,
    };
    worker.say(from_worker::Message::Switch(switch)).await;
    until(&server, "the live input shown", |s| {
        channel(s, "radio").showing == ChannelShowing::Live
    })
    .await;
    let figures = ChannelFigures {
        output_rate_kbps: 2_500.0,
        destinations: vec![DestinationFigures {
            id: "one".into(),
            sent_bytes: 17,
            ..DestinationFigures::default()
        }],
        ..ChannelFigures::default()
    };
    worker
        .say(from_worker::Message::ChannelFigures(figures))
        .await;
    let force = Command::ForceChannel {
        id: id("radio"),
        force: Force::Backup,
    };
    command(&server, force).await;
    let forced = worker
        .channel("force", |d| d.force == i32::from(worker::Force::Backup))
        .await;
    assert!(forced.generation > order.generation);
    let meters = &server.rooms.meters;
    let meter = tokio::time::timeout(SOON, async {
        loop {
            match meters.update(|r| r.channels.get(&id("radio")).cloned()) {
                Some(meter) => return meter,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .expect("figures are shown");
    assert!((meter.output_rate_kbps - 2_500.0).abs() < 0.1);
    assert_eq!(meter.destinations[&destination("one")].sent_bytes, 17);

    // Off and on again is another attempt; the one that was off comes with its own key.
    enable(&server, "one", false).await;
    worker
        .channel("no destination", |d| d.destinations.is_empty())
        .await;
    enable(&server, "one", true).await;
    enable(&server, "two", true).await;
    let both = worker.channel("both", |d| d.destinations.len() == 2).await;
    assert_ne!(both.destinations[0].attempt, sent.attempt);
    assert_eq!(both.destinations[1].key, "secret-of-two");

    command(&server, Command::StopChannel { id: id("radio") }).await;
    worker.told_to_end().await;
    server.stop().await;
}

#[tokio::test]
async fn a_secret_of_another_key_keeps_back_what_needs_it_and_nothing_else() {
    let (server, dir) = server().await;
    let other = Keyring::new(&[9; 32]).unwrap();
    let keys = std::sync::Arc::clone(&server.rooms.keys);
    let mut settings = with_srt(&server);
    let context = channel_passphrase_context(&id("radio"));
    settings.srt_input.as_mut().unwrap().passphrase = Some(other.seal(&context, "x").unwrap());
    running(&server, "radio", settings).await;
    add(&server, &other, "lost", true).await;
    add(&server, &keys, "good", true).await;
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    let order = worker.channel("order", |d| d.destinations.len() == 1).await;
    assert_eq!(order.destinations[0].id, "good");
    // Not an open listener in place of a closed one.
    assert_eq!(order.settings.unwrap().srt_port, 0);
    until(&server, "a failed destination", |s| {
        let lost = &channel(s, "radio").destinations[&destination("lost")];
        lost.state == DestinationState::Failed && lost.last_error.as_str().contains("set it again")
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_off_has_no_worker_and_one_that_is_gone_is_told_to_end() {
    let (server, dir) = server().await;
    create(&server, "radio", ChannelSettings::default()).await;
    // One of before, that nobody wants.
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    worker.told_to_end().await;
    let mut stranger = FakeWorker::attach(&dir, "channel-gone").await;
    stranger.told_to_end().await;
    server.stop().await;
}

#[tokio::test]
async fn an_srt_publisher_that_the_worker_took_is_known_until_the_worker_lets_go() {
    let (server, dir) = server().await;
    running(&server, "radio", with_srt(&server)).await;
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    worker.channel("order", |_| true).await;
    let start = |publisher| PublishStart {
        publisher,
        protocol: "srt".into(),
        peer: "192.0.2.1:4000".into(),
        agent: "libsrt".into(),
    };
    worker
        .say(from_worker::Message::PublishStart(start(1_000)))
        .await;
    worker
        .channel("its publisher", |d| d.publisher == 1_000)
        .await;
    let state = server.rooms.board.state();
    let publisher = channel(&state, "radio").publisher.clone().unwrap();
    assert_eq!(publisher.protocol, PublishProtocol::Srt);
    // One who may not stay: the order comes again and names who may.
    worker
        .say(from_worker::Message::PublishStart(start(2_000)))
        .await;
    worker
        .channel("the first once more", |d| d.publisher == 1_000)
        .await;
    let end = PublishEnd {
        publisher: 1_000,
        channel: String::new(),
        reason: "went away".into(),
    };
    worker.say(from_worker::Message::PublishEnd(end)).await;
    worker.channel("nobody", |d| d.publisher == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_new_boothd_adopts_a_channels_worker_with_what_happened_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let set = |config: &mut crate::config::Config| {
        config.data.ledger = "disk".into();
        config.workers.keep_on_stop = true;
    };
    let server = start(&dir, set).await;
    running(&server, "radio", with_srt(&server)).await;
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    let before = worker.channel("order", |_| true).await;
    let live = ChannelSwitch {
        showing: worker::ChannelShowing::Live.into(),
        cause: worker::SwitchCause::LiveStable.into(),
        gap_ms: 0,
    };
    worker.say(from_worker::Message::Switch(live)).await;
    let start_of = PublishStart {
        publisher: 1_000,
        ..PublishStart::default()
    };
    worker
        .say(from_worker::Message::PublishStart(start_of))
        .await;
    until(&server, "live with its publisher", |s| {
        let radio = channel(s, "radio");
        radio.showing == ChannelShowing::Live && radio.publisher.is_some()
    })
    .await;
    // The link ends with boothd, and the worker goes on: the publisher hangs up while nobody listens.
    let hang_up = tokio::spawn(async move {
        let FakeWorker { mut wire, _lock } = worker;
        while futures_util::StreamExt::next(&mut wire).await.is_some() {}
        _lock
    });
    server.stop().await;
    let lock = hang_up.await.unwrap();

    let server = start(&dir, set).await;
    drop(lock);
    let hello = Hello {
        channel: Some(report(
            worker::ChannelShowing::Backup,
            worker::LiveState::Absent,
        )),
        ..Hello::default()
    };
    let mut worker = FakeWorker::greet(&dir, "channel-radio", hello).await;
    let again = worker.channel("order", |_| true).await;
    assert_eq!(again.settings, before.settings);
    assert!(again.generation > before.generation);
    until(&server, "what happened meanwhile", |s| {
        let radio = channel(s, "radio");
        radio.worker == WorkerState::Up
            && radio.showing == ChannelShowing::Backup
            && radio.cause == SwitchCause::LiveEnded
            && radio.publisher.is_none()
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn packets_of_a_whip_publisher_reach_the_channels_worker_and_nobody_elses() {
    let (server, dir) = server().await;
    running(&server, "radio", ChannelSettings::default()).await;
    let mut worker = FakeWorker::attach(&dir, "channel-radio").await;
    worker.channel("order", |_| true).await;
    let publisher = Publisher {
        id: PublisherId(7_000),
        protocol: PublishProtocol::Whip,
        peer: Text::default(),
        agent: Text::default(),
        since: Timestamp(0),
    };
    let key = channel(&server.rooms.board.state(), "radio").key.clone();
    let publish = Command::Publish {
        channel: id("radio"),
        publisher,
        key,
    };
    command(&server, publish).await;
    let order = worker
        .channel("its publisher", |d| d.publisher == 7_000)
        .await;
    assert_eq!(order.whip, None);
    let source = worker::Source {
        caller: "channels/radio".into(),
        session: 9,
        audio: None,
        video: None,
    };
    let (tx, mut rx) = server
        .rooms
        .hub
        .open_publisher(source.clone(), PublisherId(7_000));
    let order = worker.channel("its session", |d| d.whip.is_some()).await;
    assert_eq!(order.whip, Some(source));
    tx.send(
        worker::Medium::Video,
        false,
        Bytes::from_static(b"a packet"),
    );
    let packets = |m| match m {
        to_worker::Message::Packets(p) => Some((p.session, p.data)),
        _ => None,
    };
    assert_eq!(
        worker.next("packets", packets).await,
        (9, vec![Bytes::from_static(b"a packet")])
    );
    let wish = worker::KeyframeRequest { session: 9 };
    worker.say(from_worker::Message::Keyframe(wish)).await;
    let asked = tokio::time::timeout(SOON, rx.keyframe.recv()).await;
    assert!(asked.unwrap().is_some());
    // Without its session there is nothing to take.
    drop(tx);
    let gone = booth_core::Fact::PublisherDown {
        channel: id("radio"),
        id: PublisherId(7_000),
        reason: Text::default(),
    };
    server.rooms.director.fact(gone).await;
    let order = worker.channel("nobody", |d| d.publisher == 0).await;
    assert_eq!(order.whip, None);
    server.stop().await;
}

#[test]
fn a_socket_has_a_name_that_fits_however_long_the_channels_is() {
    let places = |run: &str| super::super::Places {
        run: run.into(),
        binary: "boothd".into(),
        orphan_timeout: SOON,
    };
    let long = id(&"x".repeat(63));
    let deep = format!("/srv/{}/run", "d".repeat(60));
    let (short, deep) = (places("/srv/booth/run"), places(&deep));
    assert!(
        short
            .media_socket(&long)
            .ends_with(format!("channel-{long}.media"))
    );
    assert!(
        deep.media_socket(&id("radio"))
            .ends_with("channel-radio.media")
    );
    let path = deep.media_socket(&long);
    assert!(path.as_os_str().len() < 108 && path != deep.media_socket(&id(&"y".repeat(63))));
    assert!(std::os::unix::net::SocketAddr::from_pathname(&path).is_ok());
    assert!(deep.fits_sockets());
    assert!(!places(&format!("/srv/{}/run", "d".repeat(90))).fits_sockets());
}
