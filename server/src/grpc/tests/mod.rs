//! The API as clients meet it: real clients and the real server with director and ledger, over in-memory connections.

mod canary;
mod channels;
mod checks;
mod destinations;
mod doctor;
mod drills;
mod errors;
mod events;
mod fakes;
mod hostile;
mod json;
mod keys;
mod openapi;
mod queue;
mod repeats;
mod roles;
mod secrets;
mod settings;
mod streams;
mod tally;
mod tiles;
mod tls;
mod watch;
mod web;

use std::sync::Arc;

use booth_core::{
    Actor, CallerId, Command, Fact, Meta, Role, SessionId, Showing, SlotId, State, Text,
};
use booth_proto::v1;
use booth_store::Ledger;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::director;
use crate::meters::Meters;
use crate::relay::Hub;
use crate::secrets::{Keyring, token_hash};
use crate::server::{LedgerStatus, Rooms, SystemView, UnitStatus};

pub const ADMIN: &str = "the-admin-token";

/// A server of its own: show `main`, slots `1` (9001) and `2` (9002), operator `admin`.
pub struct Booth {
    pub rooms: Rooms,
    pub ledger: Arc<Ledger>,
    pub stop: CancellationToken,
    pub probe: Arc<fakes::FakeProbe>,
    pub drills: Arc<fakes::FakeDrills>,
    connections: mpsc::UnboundedSender<std::io::Result<DuplexStream>>,
    channel: Channel,
}

impl Drop for Booth {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
struct NoWorkers;

impl SystemView for NoWorkers {
    fn ledger(&self) -> LedgerStatus {
        LedgerStatus {
            writable: true,
            ..LedgerStatus::default()
        }
    }
    fn units(&self) -> Vec<UnitStatus> {
        vec![UnitStatus {
            name: "slot-1".into(),
            attached: true,
            pid: 7,
            ..UnitStatus::default()
        }]
    }
    fn backup(&self) -> std::io::Result<(u64, mpsc::Receiver<std::io::Result<bytes::Bytes>>)> {
        let (to, from) = mpsc::channel(2);
        for chunk in ["bo", "oth"] {
            to.try_send(Ok(chunk.into()))
                .map_err(|_| std::io::ErrorKind::Other)?;
        }
        Ok((5, from))
    }
}

impl Booth {
    pub async fn start() -> Self {
        let mut config = Config::default();
        config.http.public_url = Some("https://call.example".into());
        config.grpc.cors_origins = vec!["https://panel.example".into()];
        Self::with(config).await
    }

    pub async fn with(config: Config) -> Self {
        Self::upon(config, Ledger::memory().ledger).await
    }

    /// With an empty ledger of its own.
    pub async fn upon(config: Config, ledger: Ledger) -> Self {
        let stop = CancellationToken::new();
        let ledger = Arc::new(ledger);
        let probe = Arc::new(fakes::FakeProbe::default());
        let drills = Arc::new(fakes::FakeDrills::default());
        let board = Board::new(State::default(), Vec::new());
        let clock = Clock::anchored();
        let (director, mut effects, _) = director::start(
            State::default(),
            board.clone(),
            Arc::clone(&ledger),
            clock,
            stop.clone(),
        );
        tokio::spawn(async move { while effects.recv().await.is_some() {} });
        let rooms = Rooms {
            config: Arc::new(config),
            clock,
            director,
            board,
            meters: Meters::default(),
            hub: Hub::default(),
            keys: Arc::new(Keyring::new(&[7; 32]).unwrap()),
            system: Arc::new(NoWorkers),
            probe: Arc::clone(&probe) as _,
            drills: Arc::clone(&drills) as _,
            tallies: crate::vmix::Tallies::default(),
        };
        for command in State::initial(Some(token_hash(ADMIN)), &[9001, 9002]) {
            rooms
                .director
                .command(
                    Meta {
                        actor: Actor::System,
                        request_id: None,
                        expected_revision: None,
                    },
                    command,
                )
                .await
                .unwrap();
        }
        let (connections, incoming) = mpsc::unbounded_channel();
        tokio::spawn(super::serve_connections(
            rooms.clone(),
            UnboundedReceiverStream::new(incoming),
            stop.clone(),
        ));
        let channel = channel_over(connections.clone());
        Self {
            rooms,
            ledger,
            stop,
            probe,
            drills,
            connections,
            channel,
        }
    }

    /// The client's end of a new connection, for raw bytes.
    pub fn connect(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(64 * 1024);
        self.connections.send(Ok(server)).unwrap();
        client
    }

    /// gRPC over a connection of its own.
    pub fn new_channel(&self) -> Channel {
        channel_over(self.connections.clone())
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn shows(&self) -> v1::show_service_client::ShowServiceClient<Channel> {
        v1::show_service_client::ShowServiceClient::new(self.channel())
    }
    pub fn callers(&self) -> v1::caller_service_client::CallerServiceClient<Channel> {
        v1::caller_service_client::CallerServiceClient::new(self.channel())
    }
    pub fn slots(&self) -> v1::slot_service_client::SlotServiceClient<Channel> {
        v1::slot_service_client::SlotServiceClient::new(self.channel())
    }
    pub fn channels(&self) -> v1::channel_service_client::ChannelServiceClient<Channel> {
        v1::channel_service_client::ChannelServiceClient::new(self.channel())
    }
    pub fn destinations(
        &self,
    ) -> v1::destination_service_client::DestinationServiceClient<Channel> {
        v1::destination_service_client::DestinationServiceClient::new(self.channel())
    }
    pub fn operators(&self) -> v1::operator_service_client::OperatorServiceClient<Channel> {
        v1::operator_service_client::OperatorServiceClient::new(self.channel())
    }
    pub fn system(&self) -> v1::system_service_client::SystemServiceClient<Channel> {
        v1::system_service_client::SystemServiceClient::new(self.channel())
    }
    pub fn watches(&self) -> v1::watch_service_client::WatchServiceClient<Channel> {
        v1::watch_service_client::WatchServiceClient::new(self.channel())
    }

    /// A command past the door.
    pub async fn order(&self, command: Command) {
        let meta = Meta {
            actor: Actor::System,
            request_id: None,
            expected_revision: None,
        };
        self.rooms.director.command(meta, command).await.unwrap();
    }

    pub async fn operator(&self, id: &str, role: Role, token: &str) {
        self.order(Command::CreateOperator {
            id: id.parse().unwrap(),
            name: Text::name(id),
            role,
            token: token_hash(token),
        })
        .await;
    }

    /// A caller of show `main` whose media arrives: WAITING.
    pub async fn caller(&self, id: &str, name: &str) -> CallerId {
        let caller = self.joined(id, name).await;
        let session = self.rooms.board.state().revision;
        self.fact(Fact::MediaUp {
            caller: caller.clone(),
            session: SessionId(session),
            audio: true,
            video: true,
        })
        .await;
        self.until(|state| state.callers[&caller].state == booth_core::CallerState::Waiting)
            .await;
        caller
    }

    /// One who has a place but no media yet: JOINING.
    pub async fn joined(&self, id: &str, name: &str) -> CallerId {
        let caller: CallerId = id.parse().unwrap();
        self.order(Command::Invite {
            id: format!("i-{id}").parse().unwrap(),
            show: "main".parse().unwrap(),
            role: booth_core::CallerRole::Caller,
            name: Text::default(),
            token: token_hash(&format!("invite {id}")),
            uses: None,
            expires_at: None,
        })
        .await;
        self.order(Command::Join {
            id: caller.clone(),
            invite: token_hash(&format!("invite {id}")),
            rejoin: token_hash(&format!("rejoin {id}")),
            name: Text::name(name),
            topic: Text::default(),
        })
        .await;
        caller
    }

    /// A worker for the slot.
    pub async fn worker(&self, slot: &str) {
        let slot: SlotId = slot.parse().unwrap();
        self.fact(Fact::WorkerUp {
            slot: slot.clone(),
            showing: Showing::Idle,
        })
        .await;
        self.until(|state| state.slots[&slot].worker == booth_core::WorkerState::Up)
            .await;
    }

    pub async fn fact(&self, fact: Fact) {
        self.rooms.director.fact(fact).await;
    }

    /// Waits until the board shows it.
    pub async fn until(&self, shows: impl Fn(&State) -> bool) {
        let mut states = self.rooms.board.follow();
        states.wait_for(|state| shows(state)).await.unwrap();
    }
}

fn channel_over(connections: mpsc::UnboundedSender<std::io::Result<DuplexStream>>) -> Channel {
    Endpoint::from_static("http://booth").connect_with_connector_lazy(tower::service_fn(
        move |_: Uri| {
            let (client, server) = tokio::io::duplex(64 * 1024);
            let sent = connections.send(Ok(server));
            async move {
                sent.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
                Ok::<_, std::io::Error>(TokioIo::new(client))
            }
        },
    ))
}

/// `message` with the admin's token.
pub fn admin<T>(message: T) -> Request<T> {
    bearing(ADMIN, message)
}

pub fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The reason a status gives; none is a fault.
#[track_caller]
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "booth");
    info.reason
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(
    result: Result<tonic::Response<T>, Status>,
    code: Code,
    why: &str,
) -> Status {
    let status = result.expect_err("should have been refused");
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, why),
        "{status:?}"
    );
    status
}
