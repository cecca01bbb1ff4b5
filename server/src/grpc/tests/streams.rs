//! How streams go on and end: silence, slow readers, tokens taken back, a stopping server, levels.

use std::collections::BTreeMap;
use std::time::Duration;

use booth_core::{Command, Role, Text};
use booth_proto::v1;
use tonic::codec::Streaming;
use tonic::{Code, Status};
use v1::watch_response::Message;

use super::watch::{next, next_change, next_snapshot, texts, watch};
use super::{ADMIN, Booth, admin, bearing, reason};
use crate::board::LAG;

/// How a stream ended.
async fn end<T>(stream: &mut Streaming<T>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a reason"),
            Err(status) => return status,
        }
    }
}

#[tokio::test]
async fn in_silence_a_heartbeat_comes_as_often_as_asked_for() {
    let booth = Booth::start().await;
    let every = |heartbeat_s| v1::WatchRequest {
        heartbeat_s,
        ..Default::default()
    };
    let mut usual = watch(&booth, ADMIN, every(0)).await;
    let mut seldom = watch(&booth, ADMIN, every(60)).await;
    let (at, _) = next_snapshot(&mut usual).await;
    next_snapshot(&mut seldom).await;
    tokio::time::pause();
    for (stream, seconds) in [(&mut usual, 5), (&mut seldom, 60)] {
        // The first one may be counted from before the pause.
        let (_, first) = next(stream).await;
        assert!(matches!(first, Message::Heartbeat(_)), "{first:?}");
        for _ in 0..2 {
            let before = tokio::time::Instant::now();
            let (revision, message) = next(stream).await;
            assert!(matches!(message, Message::Heartbeat(_)), "{message:?}");
            assert_eq!(revision, at);
            let silence = before.elapsed();
            let want = Duration::from_secs(seconds);
            assert!(
                silence.abs_diff(want) < Duration::from_millis(50),
                "{silence:?}"
            );
        }
    }
}

#[tokio::test]
async fn one_who_never_reads_slows_nobody_and_gets_a_snapshot_in_the_end() {
    let booth = Booth::start().await;
    let id = booth.caller("c1", "Bravo").await;
    let start = booth.rooms.board.state().revision;
    // On a connection of its own, which fills up.
    let mut stuck = v1::watch_service_client::WatchServiceClient::new(booth.new_channel())
        .watch(admin(v1::WatchRequest::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next_snapshot(&mut stuck).await.0, start);
    let mut brisk = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    assert_eq!(next_snapshot(&mut brisk).await.0, start);

    let meta = booth_core::Meta {
        actor: booth_core::Actor::Operator("admin".parse().unwrap()),
        request_id: None,
        expected_revision: None,
    };
    // Long lines make changes large, until nothing fits the stuck one's connection.
    let line = Text::scrub(&"x".repeat(2_000), 2_000);
    let chat = |n: usize| {
        let text = if n < 60 {
            line.clone()
        } else {
            Text::scrub("short", 10)
        };
        Command::Chat {
            id: id.clone(),
            text,
        }
    };
    let mut told = start;
    let total = LAG + 400;
    for begin in (0..total).step_by(100) {
        let batch =
            (begin..begin + 100).map(|n| booth.rooms.director.command(meta.clone(), chat(n)));
        for answer in futures_util::future::join_all(batch).await {
            answer.unwrap();
        }
        // The brisk one has every change, in order, before the next ones are made.
        let goal = booth.rooms.board.state().revision;
        while told < goal {
            let (at, _) = next_change(&mut brisk).await;
            assert_eq!(at, told + 1);
            told = at;
        }
    }

    let (mut at, mut snapshots) = (start, 0);
    while at < told {
        match next(&mut stuck).await {
            (revision, Message::Change(_)) => {
                assert_eq!(revision, at + 1, "a gap");
                at = revision;
            }
            (revision, Message::Snapshot(snapshot)) => {
                assert!(revision > at);
                assert_eq!(snapshot.callers.len(), 1);
                (at, snapshots) = (revision, snapshots + 1);
            }
            (_, Message::Heartbeat(_)) => {}
        }
    }
    assert_eq!((at, snapshots), (told, 1));
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts_that_clients_can_take() {
    let booth = Booth::start().await;
    let line = Text::scrub(&"\u{1f399}".repeat(2_000), 2_000);
    for n in 0..12 {
        let id = booth.caller(&format!("c{n}"), &format!("Caller {n}")).await;
        let meta = booth_core::Meta {
            actor: booth_core::Actor::Operator("admin".parse().unwrap()),
            request_id: None,
            expected_revision: None,
        };
        let chats = (0..100).map(|_| {
            let chat = Command::Chat {
                id: id.clone(),
                text: line.clone(),
            };
            booth.rooms.director.command(meta.clone(), chat)
        });
        for answer in futures_util::future::join_all(chats).await {
            answer.unwrap();
        }
    }
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let mut names = BTreeMap::new();
    let mut parts = 0;
    loop {
        let (revision, part) = next_snapshot(&mut stream).await;
        assert_eq!(revision, booth.rooms.board.state().revision);
        parts += 1;
        for caller in part.callers {
            assert!(!caller.chat.is_empty());
            assert_eq!(names.insert(caller.name, caller.display_name), None);
        }
        if !part.more {
            assert_eq!(part.invites.len(), 12);
            break;
        }
    }
    assert!(
        parts > 1 && names.len() == 12,
        "{parts} parts, {} callers",
        names.len()
    );

    // The list fits one message of the size that clients take.
    let list = v1::ListCallersRequest::default();
    let listed = booth.callers().list_callers(admin(list)).await.unwrap();
    let listed = listed.into_inner().callers;
    assert_eq!(listed.len(), 12);
    for caller in &listed {
        let last = &caller.chat.last().unwrap().text;
        assert_eq!(last, line.as_str());
    }
}

#[tokio::test]
async fn a_token_taken_back_ends_its_streams_and_no_others() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let mut hers = watch(&booth, "vera", v1::WatchRequest::default()).await;
    let mut mine = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let mut levels = booth
        .watches()
        .watch_meters(bearing("vera", v1::WatchMetersRequest::default()))
        .await
        .unwrap()
        .into_inner();
    next_snapshot(&mut hers).await;
    next_snapshot(&mut mine).await;
    levels.message().await.unwrap().unwrap();
    let revoke = v1::RevokeOperatorRequest {
        name: "operators/vera".into(),
        ..Default::default()
    };
    booth
        .operators()
        .revoke_operator(admin(revoke))
        .await
        .unwrap();
    for status in [end(&mut hers).await, end(&mut levels).await] {
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "TOKEN_REVOKED")
        );
    }
    let (_, change) = next_change(&mut mine).await;
    assert_eq!(texts(&change), ["operator vera removed by admin"]);
}

#[tokio::test]
async fn a_stopping_server_tells_its_watchers() {
    let booth = Booth::start().await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    booth.stop.cancel();
    let status = end(&mut stream).await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "SERVER_STOPPING")
    );
}

#[tokio::test]
async fn facts_that_the_ledger_cannot_keep_are_shown_by_a_snapshot() {
    let booth = Booth::start().await;
    let id = booth.caller("c1", "Bravo").await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let (at, snapshot) = next_snapshot(&mut stream).await;
    assert!(snapshot.callers[0].connected);
    let state = booth.rooms.board.state();
    let mut volatile = (*state).clone();
    let mut caller = (*volatile.callers[&id]).clone();
    caller.link = booth_core::Link::Down {
        since: booth.rooms.clock.now(),
    };
    volatile.callers.insert(id, caller.into());
    tokio::time::pause();
    booth.rooms.board.publish_volatile(volatile.into());
    let (revision, snapshot) = next_snapshot(&mut stream).await;
    assert_eq!(revision, at);
    assert!(!snapshot.callers[0].connected);
}

#[tokio::test]
async fn meters_carry_the_latest_levels_at_most_as_often_as_asked_for() {
    let booth = Booth::start().await;
    let id = booth.caller("c1", "Bravo").await;
    booth
        .rooms
        .meters
        .caller(&id, |meter| meter.level_dbfs = -20.0);
    booth
        .rooms
        .meters
        .slot(&"1".parse().unwrap(), |meter| meter.clients = 2);
    let rate = |rate| admin(v1::WatchMetersRequest { rate });
    let mut full = booth
        .watches()
        .watch_meters(rate(0))
        .await
        .unwrap()
        .into_inner();
    let levels = full.message().await.unwrap().unwrap();
    assert_eq!(
        (
            levels.callers[0].name.as_str(),
            levels.callers[0].level_dbfs
        ),
        ("shows/main/callers/c1", -20.0)
    );
    assert_eq!(
        (levels.slots[0].name.as_str(), levels.slots[0].clients),
        ("slots/1", 2)
    );

    let mut slow = booth
        .watches()
        .watch_meters(rate(2))
        .await
        .unwrap()
        .into_inner();
    tokio::time::pause();
    // Frames made before the pause bear the marks of this machine's load.
    let paused_ms = booth.rooms.clock.now().0;
    for (stream, least_ms) in [(&mut full, 60), (&mut slow, 500)] {
        let mut last = 0;
        for _ in 0..5 {
            let at = loop {
                let at = stream.message().await.unwrap().unwrap().at_ms;
                if at > paused_ms + 100 {
                    break at;
                }
            };
            assert!(at - last >= least_ms, "{} ms apart", at - last);
            last = at;
        }
    }

    let status = booth.watches().watch_meters(rate(16)).await.unwrap_err();
    assert_eq!(status.message(), "rate: 1 to 15 a second");
}

#[tokio::test]
async fn meters_of_a_channel_name_it_and_its_destinations() {
    let booth = Booth::start().await;
    let radio = "radio".parse().unwrap();
    booth.rooms.meters.channel(&radio, |meter| {
        meter.live_rate_kbps = 2_500.0;
        meter.prepared_percent = 40.0;
        let youtube = meter.destinations.entry("youtube".parse().unwrap());
        youtube.or_default().dropped_frames = 7;
    });
    let mut stream = booth
        .watches()
        .watch_meters(admin(v1::WatchMetersRequest { rate: 0 }))
        .await
        .unwrap()
        .into_inner();
    let told = stream.message().await.unwrap().unwrap().channels.remove(0);
    assert_eq!(
        (
            told.name.as_str(),
            told.live_rate_kbps,
            told.prepared_percent
        ),
        ("channels/radio", 2_500.0, 40.0)
    );
    let youtube = &told.destinations[0];
    assert_eq!(
        (youtube.name.as_str(), youtube.dropped_frames),
        ("channels/radio/destinations/youtube", 7)
    );
    booth.rooms.meters.forget_channel(&radio);
    while !stream.message().await.unwrap().unwrap().channels.is_empty() {}
}
