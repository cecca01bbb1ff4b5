//! The control chain with a worker that is only a voice: orders, packets and wishes out, facts in.

use std::time::Duration;

use booth_core::{
    Actor, CallerId, CallerState, Command, Fact, Meta, Pick, RequestId, SessionId, Showing, SlotId,
    Text,
};
use booth_core::{CallerRole, Disposition, InviteId, ShowId, State, Transition};
use booth_media::UnitLock;
use booth_proto::worker::{
    FromWorker, Hello, KeyframeRequest, Medium, SlotDesired, SlotReport, Source, ToWorker,
    from_worker, slot_report, to_worker,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::config::Config;
use crate::relay::{SourceRx, SourceTx};
use crate::secrets::token_hash;
use crate::start::Server;

const SOON: Duration = Duration::from_secs(10);
/// A process number that no system gives out.
const NOBODY: u32 = i32::MAX as u32;

async fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.data.dir = dir.path().join("data");
    config.data.ledger = "memory".into();
    config.grpc.listen.set_port(0);
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.rtc.bind_ip = Some([127, 0, 0, 1].into());
    // Real workers are not wanted here: what is started in their place ends at once, and waits longer each time.
    config.workers.binary = Some("/bin/false".into());
    (Server::start(config).await.unwrap(), dir)
}

struct FakeWorker {
    wire: Framed<UnixStream, LengthDelimitedCodec>,
    _lock: UnitLock,
}

impl FakeWorker {
    async fn attach(dir: &tempfile::TempDir) -> Self {
        let run = dir.path().join("data/run");
        let path = run.join("slot-1.lock");
        let lock = UnitLock::take(&path)
            .unwrap()
            .expect("nobody else has the unit");
        // Not this process's own number: a worker that will not end is killed.
        std::fs::write(&path, NOBODY.to_string()).unwrap();
        let stream = UnixStream::connect(run.join("workers.sock")).await.unwrap();
        let mut worker = Self {
            wire: LengthDelimitedCodec::builder().new_framed(stream),
            _lock: lock,
        };
        let hello = Hello {
            unit: "slot-1".into(),
            pid: NOBODY,
            ..Hello::default()
        };
        worker.say(from_worker::Message::Hello(hello)).await;
        worker
    }

    async fn say(&mut self, message: from_worker::Message) {
        let message = FromWorker {
            message: Some(message),
        };
        self.wire
            .send(Bytes::from(message.encode_to_vec()))
            .await
            .unwrap();
    }

    async fn report(&mut self, showing: slot_report::Showing, caller: &str) {
        let report = SlotReport {
            showing: showing.into(),
            caller: caller.into(),
            generation: 0,
        };
        self.say(from_worker::Message::Slot(report)).await;
    }

    /// The next frame that `pick` takes; others are passed over.
    async fn next<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(to_worker::Message) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let frame = self
                    .wire
                    .next()
                    .await
                    .expect("boothd closed the link")
                    .unwrap();
                if let Some(found) = ToWorker::decode(frame).unwrap().message.and_then(&mut pick) {
                    return found;
                }
            }
        };
        tokio::time::timeout(SOON, found)
            .await
            .unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn order(&mut self, what: &str, like: impl Fn(&SlotDesired) -> bool) -> SlotDesired {
        let pick = |m| match m {
            to_worker::Message::Slot(desired) if like(&desired) => Some(desired),
            _ => None,
        };
        self.next(what, pick).await
    }
}

fn system() -> Meta {
    Meta {
        actor: Actor::System,
        request_id: None,
        expected_revision: None,
    }
}

async fn until(server: &Server, what: &str, holds: impl Fn(&State) -> bool) {
    let mut states = server.rooms.board.follow();
    let seen = tokio::time::timeout(SOON, states.wait_for(|s| holds(s))).await;
    assert!(seen.is_ok(), "the state never had: {what}");
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
    let mut worker = FakeWorker::attach(&dir).await;
    let first = worker.order("first order", |_| true).await;
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
    let armed = worker.order("armed caller", |d| d.armed.is_some()).await;
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
    let on_air = worker.order("caller on air", |d| d.on_air.is_some()).await;
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
    worker.report(slot_report::Showing::Caller, "c1").await;
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
    assert!(worker.order("mute", |d| d.muted).await.on_air.is_some());
    // The session is gone: the caller stays assigned, with nothing to decode.
    drop(tx);
    let fact = Fact::MediaDown {
        caller: caller.clone(),
        session: SessionId(7),
    };
    server.rooms.director.fact(fact).await;
    let gone = worker
        .order("no session", |d| {
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
    worker.order("idle", |d| d.on_air.is_none()).await;

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
    let mut worker = FakeWorker::attach(&dir).await;
    let first = worker.order("first order", |_| true).await;
    drop(worker);
    until(&server, "a worker that is down", |s| {
        slot_one(s).worker == booth_core::WorkerState::Down
    })
    .await;
    let mut worker = FakeWorker::attach(&dir).await;
    let second = worker.order("the same order", |_| true).await;
    assert_eq!(second.settings, first.settings);
    server.stop().await;
}

#[tokio::test]
async fn garbage_on_the_workers_socket_ends_that_link_only() {
    let (server, dir) = server().await;
    let mut worker = FakeWorker::attach(&dir).await;
    worker.order("first order", |_| true).await;
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
    worker.report(slot_report::Showing::Idle, "").await;
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
    let mut worker = FakeWorker::attach(&dir).await;
    worker.order("first order", |_| true).await;
    let (caller, tx, _rx) = join(&server).await;
    let approve = Command::Approve { id: caller };
    server
        .rooms
        .director
        .command(system(), approve)
        .await
        .unwrap();
    worker.order("armed caller", |d| d.armed.is_some()).await;
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
