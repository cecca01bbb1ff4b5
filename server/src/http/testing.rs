//! A whole door for tests: real director, ledger in memory, real HTTP on a free port.

use std::sync::Arc;
use std::time::Duration;

use booth_core::{Actor, CallerId, CallerRole, Command, InviteId, ShowId, State, Text};
use booth_proto::worker::Codec;
use bytes::Bytes;
use http::Method;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::publisher::{Outgoing, Publisher};
use crate::demo::web::{Reply, Web};
use crate::director;
use crate::meters::Meters;
use crate::publish::PublishDesk;
use crate::relay::Hub;
use crate::rtc::Rtc;
use crate::rtc::engine::Engine;
use crate::secrets::{self, Keyring, token_hash};
use crate::server::{LedgerStatus, Rooms, SystemView, UnitStatus};

pub const LOCAL: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Far beyond what anything here takes; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Well;

impl SystemView for Well {
    fn ledger(&self) -> LedgerStatus {
        LedgerStatus {
            writable: true,
            ..LedgerStatus::default()
        }
    }
    fn units(&self) -> Vec<UnitStatus> {
        Vec::new()
    }
    fn backup(&self) -> std::io::Result<(u64, mpsc::Receiver<std::io::Result<Bytes>>)> {
        Err(std::io::Error::other("no backup here"))
    }
}

pub struct Site {
    pub rooms: Rooms,
    pub rtc: Rtc,
    pub web: Web,
    pub address: std::net::SocketAddr,
    pub stop: CancellationToken,
    pub served: tokio::task::JoinHandle<()>,
}

pub fn config() -> Config {
    let mut config = Config::default();
    config.rtc.bind_ip = Some(LOCAL);
    config.rtc.udp_ports = "20000-32000".into();
    config.http.joins_per_minute = 100_000;
    config
}

impl Site {
    pub async fn start() -> Self {
        Self::with(config(), None).await
    }

    pub async fn with(config: Config, engine: Option<Box<dyn Engine>>) -> Self {
        let clock = Clock::anchored();
        let board = Board::new(State::default(), Vec::new());
        let ledger = Arc::new(booth_store::Ledger::memory().ledger);
        let stop = CancellationToken::new();
        let (director, mut effects, _) = director::start(
            State::default(),
            board.clone(),
            ledger,
            clock,
            stop.child_token(),
        );
        tokio::spawn(async move { while effects.recv().await.is_some() {} });
        for command in State::initial(None, &[]) {
            director
                .command(super::calls::meta(Actor::System), command)
                .await
                .unwrap();
        }
        let rooms = Rooms {
            config: Arc::new(config),
            clock,
            director,
            board,
            meters: Meters::default(),
            hub: Hub::default(),
            keys: Arc::new(Keyring::new(&[7; 32]).unwrap()),
            system: Arc::new(Well),
            probe: Arc::new(crate::probe::Children::new("boothd".into())),
            drills: Arc::new(crate::server::NoDrills),
            tallies: crate::vmix::Tallies::default(),
        };
        let rtc = match engine {
            Some(engine) => Rtc::with_engine(&rooms, engine),
            None => Rtc::new(&rooms),
        }
        .unwrap();
        let listener = tokio::net::TcpListener::bind((LOCAL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let publish = PublishDesk::new(
            rooms.board.clone(),
            rooms.director.clone(),
            clock,
            Arc::clone(&rooms.keys),
        )
        .unwrap();
        let (r, s, door) = (rooms.clone(), stop.clone(), rtc.clone());
        let served =
            tokio::spawn(async move { super::serve(r, door, publish, listener, s).await.unwrap() });
        let web = Web::new(&format!("http://{address}"), None).unwrap();
        Self {
            rooms,
            rtc,
            web,
            address,
            stop,
            served,
        }
    }

    /// Until so many WebRTC sessions are there; they close beside what closed them.
    #[track_caller]
    pub fn sessions(&self, count: usize) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let there = async {
                while self.rtc.count() != count {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let waited = tokio::time::timeout(PATIENCE, there).await;
            assert!(
                waited.is_ok(),
                "{} sessions, not {count} ({caller})",
                self.rtc.count()
            );
        }
    }

    /// A link for any number of callers; its token.
    pub async fn invite(&self, uses: Option<u32>) -> String {
        let token = secrets::new_token().unwrap().expose().clone();
        let command = Command::Invite {
            id: InviteId::new(&secrets::new_id('i').unwrap()).unwrap(),
            show: ShowId::new("main").unwrap(),
            role: CallerRole::Caller,
            name: Text::default(),
            token: token_hash(&token),
            uses,
            expires_at: None,
        };
        self.system(command).await;
        token
    }

    #[track_caller]
    pub fn system(&self, command: Command) -> impl Future<Output = ()> {
        let director = self.rooms.director.clone();
        async move {
            director
                .command(super::calls::meta(Actor::System), command)
                .await
                .unwrap();
        }
    }

    pub async fn join(&self, invite: &str, name: &str) -> (CallerId, String) {
        let body =
            serde_json::json!({"show": "main", "invite": invite, "name": name, "topic": "t"});
        let reply = self.post("/api/join", &[], body.to_string()).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        let joined: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        (
            CallerId::new(joined["caller"].as_str().unwrap()).unwrap(),
            joined["rejoin"].as_str().unwrap().to_owned(),
        )
    }

    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.web
            .request(Method::POST, path, headers, body)
            .await
            .unwrap()
    }

    pub async fn whip(&self, token: &str, offer: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/sdp"),
        ];
        self.post("/whip/shows/main", &headers, offer.to_owned())
            .await
    }

    /// Waits until the state is so.
    #[track_caller]
    pub fn until(&self, what: impl Fn(&State) -> bool) -> impl Future<Output = Arc<State>> {
        let mut states = self.rooms.board.follow();
        let place = std::panic::Location::caller();
        async move {
            let found = tokio::time::timeout(PATIENCE, states.wait_for(|state| what(state))).await;
            found
                .unwrap_or_else(|_| panic!("never so: {place}"))
                .unwrap()
                .clone()
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A publisher that is connected to the site, and its session's path.
pub async fn publish(
    site: &Site,
    token: &str,
    audio: bool,
    video: Option<Codec>,
) -> (Publisher, String) {
    let (publisher, offer) = Publisher::offer(&[LOCAL], audio, video).await.unwrap();
    let reply = site.whip(token, &offer).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let location = reply.header("location").unwrap().to_owned();
    publisher
        .accept(String::from_utf8(reply.body.to_vec()).unwrap())
        .await
        .unwrap();
    let mut state = publisher.state();
    let connected =
        state.wait_for(|s| *s == webrtc::peer_connection::RTCPeerConnectionState::Connected);
    tokio::time::timeout(PATIENCE, connected)
        .await
        .expect("never connected")
        .unwrap();
    (publisher, location)
}

/// An Opus packet of silence, the `n`-th of a sender that starts just before every wrap.
pub fn opus(n: u32, level: u8) -> Outgoing {
    Outgoing {
        medium: booth_proto::worker::Medium::Audio,
        sequence: 65_530_u16.wrapping_add(n as u16),
        timestamp: (u32::MAX - 10).wrapping_add(n.wrapping_mul(960)),
        marker: n == 0,
        payload: Bytes::from_static(&[0xf8, 0xff, 0xfe]),
        level: Some(level),
    }
}

/// A video packet that no decoder would like, which nobody here has.
pub fn picture(n: u32) -> Outgoing {
    Outgoing {
        medium: booth_proto::worker::Medium::Video,
        sequence: 65_530_u16.wrapping_add(n as u16),
        timestamp: (u32::MAX - 10).wrapping_add(n.wrapping_mul(3_000)),
        marker: true,
        payload: Bytes::from(vec![0x10; 400]),
        level: None,
    }
}
