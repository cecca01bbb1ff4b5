//! Slots: callers in, pictures out.

use booth_core::{
    CallerId, CallerRole, CallerState, Command, Disposition, Fact, InviteId, Meta, Pick, RequestId,
    SessionId, ShowId, Showing, SlotId, State, Text, Transition,
};
use booth_proto::worker::{
    KeyframeRequest, Medium, SlotDesired, SlotReport, Source, from_worker, slot_report, to_worker,
};
use bytes::Bytes;
use tokio::net::UnixStream;

use super::{FakeWorker, SOON, server, system, until};
use crate::relay::{SourceRx, SourceTx};
use crate::secrets::token_hash;
use crate::start::Server;

impl FakeWorker {
    async fn slot(&mut self, what: &str, like: impl Fn(&SlotDesired) -> bool) -> SlotDesired {
        let pick = |m| match m {
            to_worker::Message::Slot(desired) if like(&desired) => Some(desired),
            _ => None,
        };
        self.next(what, pick).await
    }
}

async fn report(worker: &mut FakeWorker, showing: slot_report::Showing, caller: &str) {
    let report = SlotReport {
        showing: showing.into(),
        caller: caller.into(),
        generation: 0,
    };
    worker.say(from_worker::Message::Slot(report)).await;
}

fn slot_one(state: &State) -> &booth_core::Slot {
    &state.slots[&SlotId::new("1").unwrap()]
}

/// A caller whose media arrives as session 7.
async fn join(server: &Server) -> (CallerId, SourceTx, SourceRx) {
    let id = CallerId::new("c1").unwrap();
    let invite = Command::Invite {
        id: InviteId::new("i1").unwrap(),
        show: ShowId::new("main").unwrap(),
        role: CallerRole::Caller,
        name: Text::default(),
        token: token_hash("invite"),
        uses: None,
        expires_at: None,
    };
    let join = Command::Join {
        id: id.clone(),
        invite: token_hash("invite"),
        rejoin: token_hash("rejoin"),
        name: Text::name("Alpha"),
        topic: Text::default(),
    };
    let director = &server.rooms.director;
    for command in [invite, join] {
        director.command(system(), command).await.unwrap();
    }
    let source = Source {
        caller: "c1".into(),
        session: 7,
        audio: None,
        video: None,
    };
    let (tx, rx) = server.rooms.hub.open(source);
    director
        .fact(Fact::MediaUp {
            caller: id.clone(),
            session: SessionId(7),
            audio: true,
            video: true,
        })
        .await;
    until(server, "a waiting caller", |s| {
        s.callers[&CallerId::new("c1").unwrap()].state == CallerState::Waiting
    })
    .await;
    (id, tx, rx)
}

#[tokio::test]
async fn a_slot_is_ordered_from_armed_to_air_and_back_and_its_facts_come_home() {
    let (server, dir) = server().await;
    let mut worker = FakeWorker::attach(&dir, "slot-1").await;
    let first = worker.slot("first order", |_| true).await;
    assert_eq!(first.settings.as_ref().unwrap().port, 9001);
    assert!(first.on_air.is_none() && first.armed.is_none());
    until(&server, "an attached worker", |s| {
        slot_one(s).worker == booth_core::WorkerState::Up
    })
    .await;

    let (caller, tx, mut rx) = join(&server).await;
    tx.send(
        Medium::Audio,
        false,
        Bytes::from_static(b"nobody listens yet"),
    );
    server
        .rooms
        .director
        .command(system(), Command::Approve { id: caller.clone() })
        .await
        .unwrap();
    let armed = worker.slot("armed caller", |d| d.armed.is_some()).await;
    assert_eq!(armed.armed.unwrap().session, 7);
    assert!(armed.generation > first.generation);
    rx.want
        .wait_for(|w| *w == crate::relay::VideoWant::Full)
        .await
        .unwrap();

    tx.send(Medium::Video, false, Bytes::from_static(b"a packet"));
    let packets = worker
        .next("packets", |m| {
            if let to_worker::Message::Packets(p) = m {
                Some(p)
            } else {
                None
            }
        })
        .await;
    assert_eq!(
        (packets.session, packets.data),
        (7, vec![Bytes::from_static(b"a packet")])
    );
    worker
        .say(from_worker::Message::Keyframe(KeyframeRequest {
            session: 7,
        }))
        .await;
    tokio::time::timeout(SOON, rx.keyframe.recv())
        .await
        .unwrap()
        .unwrap();

    let meta = Meta {
        request_id: RequestId::new("take-1").ok(),
        ..system()
    };
    let take = Command::Take {
        slot: SlotId::new("1").unwrap(),
        pick: Pick::Next,
        transition: Transition::Fade { ms: 300 },
        override_checks: false,
    };
    let accepted = server
        .rooms
        .director
        .command(meta.clone(), take.clone())
        .await
        .unwrap();
    let on_air = worker.slot("caller on air", |d| d.on_air.is_some()).await;
    assert_eq!(
        (
            on_air.on_air.unwrap().caller.as_str(),
            on_air.fade_ms,
            on_air.armed
        ),
        ("c1", 300, None)
    );
    // Desired is not observed: the slot shows the caller when the worker says so.
    assert_eq!(slot_one(&server.rooms.board.state()).showing, Showing::Idle);
    report(&mut worker, slot_report::Showing::Caller, "c1").await;
    until(&server, "the caller shown", |s| {
        slot_one(s).showing
            == Showing::Caller {
                caller: caller.clone(),
            }
    })
    .await;
    // A repeat gets the first answer and orders nothing.
    let again = server.rooms.director.command(meta, take).await.unwrap();
    assert_eq!(again.answer, accepted.answer);

    server
        .rooms
        .director
        .command(
            system(),
            Command::SetMuted {
                id: caller.clone(),
                muted: true,
            },
        )
        .await
        .unwrap();
    assert!(worker.slot("mute", |d| d.muted).await.on_air.is_some());
    // The session is gone: the caller stays assigned, with nothing to decode.
    drop(tx);
    let fact = Fact::MediaDown {
        caller: caller.clone(),
        session: SessionId(7),
    };
    server.rooms.director.fact(fact).await;
    let gone = worker
        .slot("no session", |d| {
            d.on_air.as_ref().is_some_and(|s| s.session == 0)
        })
        .await;
    assert_eq!(gone.on_air.unwrap().caller, "c1");
    let release = Command::Release {
        slot: SlotId::new("1").unwrap(),
        disposition: Disposition::Hold,
        transition: Transition::Cut,
    };
    server
        .rooms
        .director
        .command(system(), release)
        .await
        .unwrap();
    worker.slot("idle", |d| d.on_air.is_none()).await;

    drop(worker);
    until(&server, "a worker that is down", |s| {
        slot_one(s).worker == booth_core::WorkerState::Down
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_that_attaches_anew_is_told_everything_again() {
    let (server, dir) = server().await;
    let mut worker = FakeWorker::attach(&dir, "slot-1").await;
    let first = worker.slot("first order", |_| true).await;
    drop(worker);
    until(&server, "a worker that is down", |s| {
        slot_one(s).worker == booth_core::WorkerState::Down
    })
    .await;
    let mut worker = FakeWorker::attach(&dir, "slot-1").await;
    let second = worker.slot("the same order", |_| true).await;
    assert_eq!(second.settings, first.settings);
    server.stop().await;
}

#[tokio::test]
async fn garbage_on_the_workers_socket_ends_that_link_only() {
    let (server, dir) = server().await;
    let mut worker = FakeWorker::attach(&dir, "slot-1").await;
    worker.slot("first order", |_| true).await;
    let mut stranger = UnixStream::connect(dir.path().join("data/run/workers.sock"))
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stranger, &[0, 0, 0, 3, 9, 9, 9])
        .await
        .unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(
        SOON,
        tokio::io::AsyncReadExt::read_to_end(&mut stranger, &mut rest),
    )
    .await
    .unwrap()
    .unwrap();
    report(&mut worker, slot_report::Showing::Idle, "").await;
    server
        .rooms
        .director
        .command(
            system(),
            Command::StopShow {
                id: ShowId::new("main").unwrap(),
            },
        )
        .await
        .unwrap();
    assert_eq!(
        slot_one(&server.rooms.board.state()).worker,
        booth_core::WorkerState::Up
    );
    server.stop().await;
}

#[tokio::test]
async fn the_worker_of_a_deleted_slot_is_told_to_end_and_gets_no_more_packets() {
    let (server, dir) = server().await;
    let mut worker = FakeWorker::attach(&dir, "slot-1").await;
    worker.slot("first order", |_| true).await;
    let (caller, tx, _rx) = join(&server).await;
    let approve = Command::Approve { id: caller };
    server
        .rooms
        .director
        .command(system(), approve)
        .await
        .unwrap();
    worker.slot("armed caller", |d| d.armed.is_some()).await;
    let delete = Command::DeleteSlot {
        id: SlotId::new("1").unwrap(),
    };
    server
        .rooms
        .director
        .command(system(), delete)
        .await
        .unwrap();
    let ended = |m| matches!(m, to_worker::Message::Shutdown(_)).then_some(());
    worker.next("order to end", ended).await;
    drop(worker);
    tokio::time::timeout(SOON, async {
        while tx.wanted()
            || server
                .rooms
                .system
                .units()
                .iter()
                .any(|u| u.name == "slot-1")
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the unit is forgotten, and nobody wants the caller's packets");
    server.stop().await;
}
