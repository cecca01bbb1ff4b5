//! The control chain with workers that are only voices: orders, packets and wishes out, facts in.

mod channels;
mod drill;
mod ingest;
mod prepare;
mod slots;

use std::time::Duration;

use booth_core::{Actor, Channel, ChannelId, ChannelSettings, Command, Meta, State};
use booth_media::UnitLock;
use booth_proto::worker::{
    ChannelDesired, FromWorker, Hello, IngestDesired, Pong, ToWorker, from_worker, to_worker,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::config::Config;
use crate::secrets::channel_key_context;
use crate::start::Server;

const SOON: Duration = Duration::from_secs(10);
/// A process number that no system gives out.
const NOBODY: u32 = i32::MAX as u32;

/// The live key of channels here.
const KEY: &str = "the-live-key-of-this-channel";

async fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (start(&dir, |_| {}).await, dir)
}

async fn start(dir: &tempfile::TempDir, set: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::default();
    config.data.dir = dir.path().join("data");
    config.data.ledger = "memory".into();
    config.grpc.listen.set_port(0);
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.rtc.bind_ip = Some([127, 0, 0, 1].into());
    // Real workers are not wanted here: what is started in their place ends at once, and waits longer each time.
    config.workers.binary = Some("/bin/false".into());
    set(&mut config);
    Server::start(config).await.unwrap()
}

struct FakeWorker {
    wire: Framed<UnixStream, LengthDelimitedCodec>,
    _lock: UnitLock,
}

impl FakeWorker {
    async fn attach(dir: &tempfile::TempDir, unit: &str) -> Self {
        Self::greet(dir, unit, Hello::default()).await
    }

    async fn greet(dir: &tempfile::TempDir, unit: &str, hello: Hello) -> Self {
        let run = dir.path().join("data/run");
        let path = run.join(format!("{unit}.lock"));
        // What is started in its place may have it for a moment.
        let lock = tokio::time::timeout(SOON, async {
            loop {
                match UnitLock::take(&path).unwrap() {
                    Some(lock) => return lock,
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await
        .expect("nobody else has the unit");
        // Not this process's own number: a worker that will not end is killed.
        std::fs::write(&path, NOBODY.to_string()).unwrap();
        let stream = UnixStream::connect(run.join("workers.sock")).await.unwrap();
        let mut worker = Self {
            wire: LengthDelimitedCodec::builder().new_framed(stream),
            _lock: lock,
        };
        let hello = Hello {
            unit: unit.into(),
            pid: NOBODY,
            ..hello
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
                let Some(message) = ToWorker::decode(frame).unwrap().message else {
                    continue;
                };
                if let to_worker::Message::Ping(ping) = &message {
                    let nonce = ping.nonce;
                    self.say(from_worker::Message::Pong(Pong { nonce })).await;
                }
                if let Some(found) = pick(message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(SOON, found)
            .await
            .unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn channel(
        &mut self,
        what: &str,
        like: impl Fn(&ChannelDesired) -> bool,
    ) -> ChannelDesired {
        let pick = |m| match m {
            to_worker::Message::Channel(desired) if like(&desired) => Some(desired),
            _ => None,
        };
        self.next(what, pick).await
    }

    async fn ingest(&mut self, what: &str, like: impl Fn(&IngestDesired) -> bool) -> IngestDesired {
        let pick = |m| match m {
            to_worker::Message::Ingest(desired) if like(&desired) => Some(desired),
            _ => None,
        };
        self.next(what, pick).await
    }

    async fn told_to_end(&mut self) {
        let ended = |m| matches!(m, to_worker::Message::Shutdown(_)).then_some(());
        self.next("order to end", ended).await;
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

async fn command(server: &Server, command: Command) {
    let director = &server.rooms.director;
    director.command(system(), command).await.unwrap();
}

fn id(channel: &str) -> ChannelId {
    ChannelId::new(channel).unwrap()
}

fn channel<'a>(state: &'a State, id: &str) -> &'a Channel {
    &state.channels[&ChannelId::new(id).unwrap()]
}

/// A channel with [`KEY`].
async fn create(server: &Server, channel: &str, settings: ChannelSettings) {
    let id = id(channel);
    let sealed = server
        .rooms
        .keys
        .seal(&channel_key_context(&id), KEY)
        .unwrap();
    let create = Command::CreateChannel {
        id,
        settings,
        key: sealed,
    };
    command(server, create).await;
}

/// The same, on air.
async fn running(server: &Server, channel: &str, settings: ChannelSettings) {
    create(server, channel, settings).await;
    command(server, Command::StartChannel { id: id(channel) }).await;
}
