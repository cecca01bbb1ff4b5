//! RunChecks: what a client meets, and what the checks make of the rooms' state.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use booth_core::{ChannelShowing, DestinationState, Fact, Role, State, SwitchCause, Text};
use booth_proto::checks::SERVER;
use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::check::Result as Found;
use booth_proto::v1::destination_service_client::DestinationServiceClient;
use booth_proto::v1::run_checks_response::Message;
use booth_proto::v1::system_service_client::SystemServiceClient;
use booth_proto::v1::{self, Check};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::channels::create;
use super::destinations::{add, custom};
use super::{Booth, admin, assert_refused, bearing};
use crate::checks::{self, Progress, Verdict};
use crate::config::Config;
use crate::secrets::Keyring;

/// A data directory, and a child that has looked at a machine without x264.
fn config(dir: &std::path::Path) -> Config {
    let child = dir.join("boothd");
    let survey = r#"{"gstreamer":"1.22.0","new_enough":true,"elements":33,"lacking":[{"element":"x264enc","package":"gstreamer1.0-plugins-ugly","version":null}],"srt":{"Ok":"1.5.1"},"clock_kept":true}"#;
    std::fs::write(&child, format!("#!/bin/sh\necho noise\necho '{survey}'\n")).unwrap();
    std::fs::set_permissions(&child, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = Config::default();
    config.data.dir = dir.to_owned();
    config.workers.binary = Some(child);
    config.rtc.bind_ip = Some([127, 0, 0, 1].into());
    config
}

async fn run(booth: &Booth, names: &[&str]) -> (Vec<String>, Vec<Check>) {
    let names = names.iter().map(|n| (*n).to_owned()).collect();
    let mut client = SystemServiceClient::new(booth.channel());
    let stream = client
        .run_checks(admin(v1::RunChecksRequest { names }))
        .await;
    let mut stream = stream.unwrap().into_inner();
    let (mut running, mut found) = (Vec::new(), Vec::new());
    while let Some(message) = stream.message().await.unwrap() {
        match message.message.unwrap() {
            Message::Running(name) => running.push(name),
            Message::Check(check) => {
                assert_eq!(Some(&check.name), running.last(), "told under its own name");
                found.push(check);
            }
        }
    }
    (running, found)
}

#[tokio::test]
async fn all_checks_run_in_order_and_each_finds_something() {
    let dir = tempfile::tempdir().unwrap();
    let booth = Booth::with(config(dir.path())).await;
    let (running, found) = run(&booth, &[]).await;
    assert_eq!(running, SERVER);
    for name in SERVER {
        let mut of = found.iter().filter(|check| check.name == name);
        assert!(of.next().is_some(), "{name} found nothing");
    }
    for check in &found {
        let ok = check.result == Found::Ok as i32;
        assert_eq!(
            check.mend.is_empty(),
            ok,
            "what is not well can be mended: {check:?}"
        );
        assert!(!check.text.is_empty() && check.result != 0, "{check:?}");
    }
    let of = |name: &str, subject: &str| {
        let mut all = found.iter();
        all.find(|c| c.name == name && c.subject == subject)
            .unwrap()
    };
    assert_eq!(
        of("gstreamer", "elements/x264enc").result,
        Found::Failed as i32
    );
    assert_eq!(of("libsrt", "").text, "libsrt 1.5.1");
    assert!(of("srt-clients", "slots/1").mend.contains(":9001"));
    assert_eq!(of("disk", "").name, "disk");
}

#[tokio::test]
async fn only_those_named_run_and_a_wrong_name_says_which_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let booth = Booth::with(config(dir.path())).await;
    let (running, _) = run(&booth, &["ledger", "workers"]).await;
    assert_eq!(running, ["workers", "ledger"]);
    let mut client = SystemServiceClient::new(booth.channel());
    let wrong = v1::RunChecksRequest {
        names: vec!["luck".into()],
    };
    let refused = client.run_checks(admin(wrong)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("secure-context"), "{refused:?}");
}

#[tokio::test]
async fn a_viewer_may_not_start_checks() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "veras-token").await;
    let mut client = SystemServiceClient::new(booth.channel());
    let refused = client
        .run_checks(bearing("veras-token", v1::RunChecksRequest::default()))
        .await;
    assert_refused(refused, Code::PermissionDenied, "ROLE_TOO_LOW");
}

#[tokio::test]
async fn secrets_of_another_key_are_found_before_they_are_needed() {
    let booth = Booth::start().await;
    let mut channels = ChannelServiceClient::new(booth.channel());
    channels
        .create_channel(admin(create("radio")))
        .await
        .unwrap();
    let (_, found) = run(&booth, &["keys"]).await;
    assert_eq!(found[0].text, "all 1 sealed secrets open");
    let mut rooms = booth.rooms.clone();
    rooms.keys = Arc::new(Keyring::new(&[8; 32]).unwrap());
    let (to, mut told) = mpsc::channel(8);
    checks::run(rooms, checks::Turns::default(), vec!["keys"], to).await;
    assert_eq!(told.recv().await, Some(Progress::Running("keys")));
    let Some(Progress::Found("keys", found)) = told.recv().await else {
        panic!("nothing was found");
    };
    assert_eq!(
        (found.subject.as_str(), found.verdict),
        ("channels/radio", Verdict::Failed)
    );
    assert!(
        found.mend.contains("booth channel rotate-key radio"),
        "{found:?}"
    );
}

/// What goes out, from a channel that is off to one that is live with a destination that is not.
#[tokio::test]
async fn channels_and_destinations_are_judged_by_what_their_workers_report() {
    let dir = tempfile::tempdir().unwrap();
    let booth = Booth::with(config(dir.path())).await;
    let mut channels = ChannelServiceClient::new(booth.channel());
    channels
        .create_channel(admin(create("radio")))
        .await
        .unwrap();
    let own = add("own", custom("rtmp://10.0.0.1/live", "k"));
    let mut destinations = DestinationServiceClient::new(booth.channel());
    destinations.create_destination(admin(own)).await.unwrap();
    let judged = async || {
        let (_, found) = run(&booth, &["channels", "destinations"]).await;
        let brief = |check: &Check| (check.result(), check.text.clone());
        found.iter().map(brief).collect::<Vec<_>>()
    };
    assert_eq!(
        judged().await,
        [
            (Found::Ok, "off".to_owned()),
            (Found::Ok, "idle: its channel is off".to_owned())
        ]
    );
    let start = v1::StartChannelRequest {
        name: "channels/radio".into(),
        ..Default::default()
    };
    channels.start_channel(admin(start)).await.unwrap();
    let radio: booth_core::ChannelId = "radio".parse().unwrap();
    booth
        .fact(Fact::ChannelWorkerUp {
            channel: radio.clone(),
        })
        .await;
    assert_eq!(judged().await[0].0, Found::Failed, "nothing goes out yet");
    let shows = |showing, cause| Fact::ChannelShowing {
        channel: "radio".parse().unwrap(),
        showing,
        cause,
        gap_ms: 0,
    };
    booth
        .fact(shows(ChannelShowing::Slate, SwitchCause::Started))
        .await;
    let own = |s: &State| {
        let channel = &s.channels[&"radio".parse::<booth_core::ChannelId>().unwrap()];
        channel.destinations.values().next().unwrap().clone()
    };
    let state = |state, error: &str| Fact::DestinationState {
        channel: "radio".parse().unwrap(),
        id: "own".parse().unwrap(),
        state,
        error: Text::name(error),
    };
    booth
        .fact(state(DestinationState::Retrying, "connection refused"))
        .await;
    booth
        .until(|s| own(s).state == DestinationState::Retrying)
        .await;
    let told = judged().await;
    assert_eq!(told[0].0, Found::Warning);
    assert!(
        told[0].1.contains("nobody publishes, and no backup"),
        "{told:?}"
    );
    assert_eq!(told[1].0, Found::Failed);
    assert!(
        told[1].1.ends_with("tried again: connection refused"),
        "{told:?}"
    );
    booth
        .fact(shows(ChannelShowing::Live, SwitchCause::LiveStable))
        .await;
    booth.fact(state(DestinationState::Live, "")).await;
    booth
        .until(|s| own(s).state == DestinationState::Live)
        .await;
    let told = judged().await;
    assert!(
        told.iter().all(|(result, _)| *result == Found::Ok),
        "{told:?}"
    );
}

/// One run at a time; the next one waits, and is told when it has waited long enough.
#[tokio::test]
async fn a_second_run_waits_for_its_turn_and_is_refused_in_the_end() {
    let booth = Booth::start().await;
    let turns = checks::Turns::default();
    let start = |room: usize| {
        let (to, told) = mpsc::channel(room);
        let run = checks::run(booth.rooms.clone(), turns.clone(), vec!["workers"], to);
        (tokio::spawn(run), told)
    };
    // It has its turn when it says its first word, and keeps it while there is no room for the second.
    let (first, mut to_first) = start(1);
    while to_first.is_empty() {
        tokio::task::yield_now().await;
    }
    let (second, mut to_second) = start(8);
    let (left, to_left) = start(8);
    drop(to_left);
    left.await.unwrap();
    assert!(to_second.is_empty(), "two at a time");
    assert_eq!(to_first.recv().await, Some(Progress::Running("workers")));
    while let Some(word) = to_first.recv().await {
        assert!(matches!(word, Progress::Found("workers", _)), "{word:?}");
    }
    first.await.unwrap();
    assert_eq!(to_second.recv().await, Some(Progress::Running("workers")));
    second.await.unwrap();

    // A turn that does not end.
    let turn = turns.take().await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let (_third, mut told) = start(8);
    let Some(Progress::Found("workers", busy)) = told.recv().await else {
        panic!("it did not wait its turn");
    };
    let waited = began.elapsed().as_secs();
    assert_eq!(waited, 30);
    assert_eq!(busy.verdict, Verdict::Failed);
    assert!(busy.text.contains("another run") && !busy.mend.is_empty());
    assert_eq!(told.recv().await, None, "nothing is run then");
    drop(turn);
}

/// A worker that comes back binds its port whenever it likes; a check that tried the port would be in its way.
#[tokio::test(flavor = "multi_thread")]
async fn checks_never_take_the_port_of_a_slot_whose_worker_is_down() {
    let port = checks::free_ports(std::net::Ipv4Addr::UNSPECIFIED.into(), 1);
    let dir = tempfile::tempdir().unwrap();
    let booth = Booth::with(config(dir.path())).await;
    let set = booth_core::Command::CreateSlot {
        id: "3".parse().unwrap(),
        show: "main".parse().unwrap(),
        settings: booth_core::SlotSettings {
            output: booth_core::SlotOutput::Listen { port },
            ..slot_settings(&booth)
        },
    };
    booth.order(set).await;
    let over = CancellationToken::new();
    let done = over.clone();
    // Also when a check fails: the thread would go on.
    let guard = over.drop_guard();
    let worker = std::thread::spawn(move || {
        let (mut bound, mut refused) = (0, 0);
        while !done.is_cancelled() {
            match std::net::UdpSocket::bind(("0.0.0.0", port)) {
                Ok(_) => bound += 1,
                Err(_) => refused += 1,
            }
        }
        (bound, refused)
    });
    // Often: two who try the same port at once seldom meet.
    for _ in 0..3_000 {
        let (to, mut told) = mpsc::channel(8);
        let turns = checks::Turns::default();
        checks::run(booth.rooms.clone(), turns, vec!["listeners"], to).await;
        let mut subjects = Vec::new();
        while let Some(word) = told.recv().await {
            if let Progress::Found(_, found) = word {
                subjects.push(found.subject);
            }
        }
        assert_eq!(subjects, ["slots/1", "slots/2", "slots/3"]);
    }
    drop(guard);
    let (bound, refused) = worker.join().unwrap();
    assert!(bound > 0);
    assert_eq!(refused, 0, "of {bound} and {refused}");
}

fn slot_settings(booth: &Booth) -> booth_core::SlotSettings {
    let state = booth.rooms.board.state();
    let slots = &state.slots;
    slots[&"1".parse::<booth_core::SlotId>().unwrap()]
        .settings
        .clone()
}
