//! What a vMix says, from its TCP API to watchers and answers; the vMix is played by each test, line by line.

use booth_core::{Fact, Showing, SlotId};
use booth_proto::v1;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tonic::codec::Streaming;
use v1::slot::Tally;
use v1::vmix_status::State;

use super::watch::{next_change, next_snapshot, watch};
use super::{ADMIN, Booth, admin, assert_refused};

/// One connection, from vMix's side.
struct Peer {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let (from, to) = stream.into_split();
        Self {
            lines: BufReader::new(from).lines(),
            to,
        }
    }

    /// Accepts, and answers up to the first tally.
    async fn greet(listener: &TcpListener, tally: &str) -> Self {
        let mut peer = Self::accept(listener).await;
        peer.say("VERSION OK 27.0.0.49").await;
        assert_eq!(peer.asked().await, "SUBSCRIBE TALLY");
        peer.say("SUBSCRIBE OK TALLY").await;
        assert_eq!(peer.asked().await, "TALLY");
        peer.say(&format!("TALLY OK {tally}")).await;
        peer
    }

    async fn asked(&mut self) -> String {
        self.lines.next_line().await.unwrap().unwrap()
    }

    async fn say(&mut self, line: &str) {
        self.to
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .unwrap();
    }
}

/// A server with the vMix room, and where a vMix listens.
async fn with_vmix() -> (Booth, TcpListener, String) {
    let booth = Booth::start().await;
    let rooms = booth.rooms.clone();
    tokio::spawn(crate::vmix::run(
        rooms.board,
        rooms.tallies,
        booth.stop.clone(),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (booth, listener, address)
}

fn update(slot: &str, vmix: v1::VmixSettings) -> v1::UpdateSlotRequest {
    v1::UpdateSlotRequest {
        name: slot.into(),
        settings: Some(v1::SlotSettings {
            vmix: Some(vmix),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn at(address: &str, input: &str) -> v1::VmixSettings {
    v1::VmixSettings {
        address: Some(address.into()),
        input: Some(input.into()),
        ..Default::default()
    }
}

async fn set(booth: &Booth, slot: &str, vmix: v1::VmixSettings) -> v1::Slot {
    let answer = booth.slots().update_slot(admin(update(slot, vmix))).await;
    answer.unwrap().into_inner().slot.unwrap()
}

fn changed_slot(change: &v1::Change) -> v1::Slot {
    match change.resources.as_slice() {
        [
            v1::Resource {
                resource: Some(v1::resource::Resource::Slot(slot)),
            },
        ] => slot.clone(),
        other => panic!("{other:?}"),
    }
}

/// Reads on until the slot is told like this.
async fn until_slot(
    stream: &mut Streaming<v1::WatchResponse>,
    wanted: impl Fn(&v1::Slot) -> bool,
) -> (u64, v1::Change) {
    loop {
        let (revision, change) = next_change(stream).await;
        if wanted(&changed_slot(&change)) {
            return (revision, change);
        }
    }
}

fn state(slot: &v1::Slot) -> State {
    State::try_from(slot.vmix.as_ref().unwrap().state).unwrap()
}

#[tokio::test]
async fn a_tally_reaches_watchers_lists_and_answers_without_a_revision() {
    let (booth, listener, address) = with_vmix().await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    let set = set(&booth, "slots/1", at(&address, "2")).await;
    let settings = set.settings.unwrap().vmix.unwrap();
    assert_eq!(
        (settings.address.as_ref(), settings.input()),
        (Some(&address), "2")
    );
    let mut vmix = Peer::greet(&listener, "01").await;
    let revision = booth.rooms.board.state().revision;
    for (digits, tally) in [
        ("01", Tally::Program),
        ("02", Tally::Preview),
        ("00", Tally::Off),
    ] {
        vmix.say(&format!("TALLY OK {digits}")).await;
        let (told_at, change) = until_slot(&mut stream, |slot| slot.tally() == tally).await;
        assert_eq!(told_at, revision, "it is no change of the state");
        assert!(change.events.is_empty() && change.actor == "system" && change.time.is_some());
        assert_eq!(state(&changed_slot(&change)), State::Connected);
    }
    assert_eq!(booth.rooms.board.state().revision, revision);

    let list = booth
        .slots()
        .list_slots(admin(v1::ListSlotsRequest {}))
        .await;
    let tallies: Vec<_> = list
        .unwrap()
        .into_inner()
        .slots
        .iter()
        .map(|s| (s.tally(), s.vmix.is_some()))
        .collect();
    assert_eq!(tallies, [(Tally::Off, true), (Tally::Unspecified, false)]);
    // Commands answer with it, and a new reader has it in the snapshot.
    let answer = self::set(
        &booth,
        "slots/1",
        v1::VmixSettings {
            input: Some("1".into()),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(answer.tally(), Tally::Off);
    let mut other = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let (_, snapshot) = next_snapshot(&mut other).await;
    assert_eq!(snapshot.slots[0].tally(), Tally::Off);
    assert_eq!(state(&snapshot.slots[0]), State::Connected);
}

#[tokio::test]
async fn a_reader_who_resumes_is_told_what_vmix_says_and_one_of_another_show_is_not() {
    let (booth, listener, address) = with_vmix().await;
    booth
        .order(booth_core::Command::CreateShow {
            id: booth_core::ShowId::new("other").unwrap(),
            title: booth_core::Text::name("Other"),
        })
        .await;
    let since = booth.rooms.board.state().revision;
    set(&booth, "slots/1", at(&address, "1")).await;
    let mut vmix = Peer::greet(&listener, "1").await;
    let mut tallies = booth.rooms.tallies.follow();
    let slot = SlotId::new("1").unwrap();
    tallies
        .wait_for(|now| now.of(&slot).is_some_and(|told| told.tally.is_some()))
        .await
        .unwrap();

    let resume = v1::WatchRequest {
        since,
        ..Default::default()
    };
    let mut stream = watch(&booth, ADMIN, resume).await;
    let (_, change) = next_change(&mut stream).await;
    assert_eq!(
        changed_slot(&change).tally(),
        Tally::Program,
        "with the change that was missed"
    );
    let up_to_date = v1::WatchRequest {
        since: booth.rooms.board.state().revision,
        ..Default::default()
    };
    let mut stream = watch(&booth, ADMIN, up_to_date).await;
    let (_, change) = next_change(&mut stream).await;
    assert_eq!(
        changed_slot(&change).tally(),
        Tally::Program,
        "with nothing missed"
    );

    let other = v1::WatchRequest {
        show: "shows/other".into(),
        ..Default::default()
    };
    let mut other = watch(&booth, ADMIN, other).await;
    next_snapshot(&mut other).await;
    vmix.say("TALLY OK 2").await;
    until_slot(&mut stream, |slot| slot.tally() == Tally::Preview).await;
    // Told after the tally, so that anything of the tally would have come before.
    booth
        .order(booth_core::Command::UpdateShow {
            id: booth_core::ShowId::new("other").unwrap(),
            title: Some(booth_core::Text::name("Another")),
            settings: None,
        })
        .await;
    let (_, change) = next_change(&mut other).await;
    assert_eq!(change.events.len(), 1, "{change:?}");
}

#[tokio::test]
async fn what_is_no_vmix_is_named_cut_off_and_tried_again() {
    let (booth, listener, address) = with_vmix().await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    next_snapshot(&mut stream).await;
    set(&booth, "slots/1", at(&address, "1")).await;
    for (said, named) in [
        (
            "HTTP/1.1 400 Bad Request\u{1b}[31m\r\n".to_owned(),
            "protocol",
        ),
        ("A".repeat(10_000), "line"),
        ("XML 5\r\n".into(), "nobody asked"),
        ("SUBSCRIBE ER no\r\n".into(), "refuses to tell"),
    ] {
        let mut peer = Peer::accept(&listener).await;
        peer.asked().await;
        // It may be cut off before all is said.
        let _ = peer.to.write_all(said.as_bytes()).await;
        let error = |slot: &v1::Slot| {
            slot.vmix
                .as_ref()
                .map(|vmix| vmix.last_error.clone())
                .unwrap_or_default()
        };
        let (_, change) = until_slot(&mut stream, |slot| error(slot).contains(named)).await;
        let slot = changed_slot(&change);
        assert_eq!(
            (state(&slot), slot.tally()),
            (State::Connecting, Tally::Unspecified)
        );
        assert!(!error(&slot).chars().any(char::is_control));
        while let Ok(Some(_)) = peer.lines.next_line().await {}
    }
    let _vmix = Peer::greet(&listener, "1").await;
    until_slot(&mut stream, |slot| slot.tally() == Tally::Program).await;
}

#[tokio::test]
async fn slots_of_one_vmix_share_a_connection_and_a_title_names_who_is_seen() {
    let (booth, listener, address) = with_vmix().await;
    let title = v1::VmixSettings {
        title_input: Some("Lower Third".into()),
        title_field: Some("Headline.Text".into()),
        ..at(&address, "1")
    };
    set(&booth, "slots/1", title).await;
    let mut vmix = Peer::greet(&listener, "12").await;
    let head = "FUNCTION SetText Input=Lower%20Third&SelectedName=Headline.Text&Value=";
    assert_eq!(vmix.asked().await, head, "whatever was there before");
    vmix.say("FUNCTION OK SetText").await;
    set(&booth, "slots/2", at(&address.to_uppercase(), "2")).await;
    booth
        .rooms
        .tallies
        .follow()
        .wait_for(|now| {
            now.of(&SlotId::new("2").unwrap())
                .is_some_and(|t| t.tally.is_some())
        })
        .await
        .unwrap();

    booth.worker("1").await;
    let caller = booth.caller("c1", "Ada & Bea\r\nFUNCTION Cut").await;
    booth
        .order(booth_core::Command::Approve { id: caller.clone() })
        .await;
    booth
        .order(booth_core::Command::Take {
            slot: SlotId::new("1").unwrap(),
            pick: booth_core::Pick::Caller(caller.clone()),
            transition: booth_core::Transition::Cut,
            override_checks: true,
        })
        .await;
    // Wanted is not shown: nothing is sent until the output has them.
    let showing = |showing| Fact::SlotShowing {
        slot: SlotId::new("1").unwrap(),
        showing,
    };
    booth
        .fact(showing(Showing::Armed {
            caller: caller.clone(),
        }))
        .await;
    booth
        .fact(showing(Showing::Caller {
            caller: caller.clone(),
        }))
        .await;
    assert_eq!(
        vmix.asked().await,
        format!("{head}Ada%20%26%20Bea%20FUNCTION%20Cut")
    );
    vmix.say("FUNCTION OK SetText").await;
    booth.fact(showing(Showing::Idle)).await;
    assert_eq!(vmix.asked().await, head);
    vmix.say("FUNCTION OK SetText").await;

    // Off both slots, the connection ends by itself; there was never a second one.
    for slot in ["slots/1", "slots/2"] {
        let off = v1::VmixSettings {
            address: Some(String::new()),
            ..Default::default()
        };
        assert_eq!(set(&booth, slot, off).await.settings.unwrap().vmix, None);
    }
    assert_eq!(vmix.lines.next_line().await.unwrap(), None);
    let second = tokio::time::timeout(std::time::Duration::ZERO, listener.accept());
    assert!(second.await.is_err(), "another connection");
}

#[tokio::test]
async fn settings_that_make_no_sense_name_their_field() {
    let (booth, _listener, address) = with_vmix().await;
    for (field, vmix) in [
        ("settings.vmix.address", at("http://vmix", "1")),
        (
            "settings.vmix.address",
            v1::VmixSettings {
                input: Some("1".into()),
                ..Default::default()
            },
        ),
        ("settings.vmix.input", at(&address, "0")),
        (
            "settings.vmix.title_input",
            v1::VmixSettings {
                title_input: Some("-1".into()),
                ..at(&address, "1")
            },
        ),
    ] {
        let refused = booth
            .slots()
            .update_slot(admin(update("slots/1", vmix)))
            .await;
        let status = assert_refused(refused, tonic::Code::InvalidArgument, "INVALID_ARGUMENT");
        assert!(status.message().starts_with(field), "{status:?}");
    }
}
