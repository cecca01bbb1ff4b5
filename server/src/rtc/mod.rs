//! The rtc room: WebRTC sessions of callers, and of publishers that feed channels. It answers offers, relays packets to the hub, tells the director what
//! arrives, and carries wishes (key frames, video rates) back. No codec is parsed here.
//!
//! Used by the WHIP door ([`crate::http`]); `webrtc` itself stays behind [`engine::Engine`].

pub mod bus;
pub mod codecs;
pub mod engine;
pub mod ice;
mod ingest;
mod party;
pub mod ports;
pub mod receive;
pub mod sdp;
mod session;
pub mod stack;
pub mod tap;
mod whip;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::CallerId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::engine::{Engine, EngineError};
use self::ice::IceServers;
use self::ports::Ports;
use self::session::Session;
use crate::relay::VideoWant;
use crate::server::Rooms;

pub use self::party::Party;
pub use self::whip::{Opened, PatchError, Patched, Prepared};

/// How long a session may take to close before its successor goes on without waiting.
const REPLACE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the server has all the sessions it takes")]
    Full,
    #[error("the server is stopping")]
    Stopping,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Secret(#[from] crate::secrets::SecretError),
}

#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    #[error("rtc.udp_ports: {0}")]
    Ports(String),
    #[error("rtc.ice_servers: {0}")]
    IceServers(#[from] std::io::Error),
}

/// The room; cloned freely.
#[derive(Debug, Clone)]
pub struct Rtc(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: Rooms,
    engine: Box<dyn Engine>,
    addresses: Vec<IpAddr>,
    ports: Ports,
    ice: IceServers,
    sessions: Mutex<Sessions>,
    wants: watch::Sender<BTreeMap<CallerId, VideoWant>>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Sessions {
    by_token: BTreeMap<String, Arc<Session>>,
    by_party: BTreeMap<Party, String>,
    /// Being answered now; they count.
    pending: usize,
    /// How many events streams a caller has open.
    steering: BTreeMap<CallerId, usize>,
}

/// While it lives, the caller's own client follows the wanted video rate.
#[derive(Debug)]
pub struct Steering {
    rtc: Rtc,
    caller: CallerId,
}

impl Rtc {
    /// The room on the real stack. Starts a task that closes the sessions of callers whose call has ended.
    pub fn new(rooms: &Rooms) -> Result<Self, RtcError> {
        Self::with_engine(rooms, Box::new(stack::Stack))
    }

    pub fn with_engine(rooms: &Rooms, engine: Box<dyn Engine>) -> Result<Self, RtcError> {
        let config = &rooms.config.rtc;
        let rtc = Self(Arc::new(Inner {
            rooms: rooms.clone(),
            engine,
            addresses: ports::addresses(config.bind_ip),
            ports: Ports::new(config.udp_range().map_err(RtcError::Ports)?),
            ice: IceServers::load(&config.ice_servers)?,
            sessions: Mutex::default(),
            wants: watch::Sender::default(),
            stopping: CancellationToken::new(),
        }));
        tokio::spawn(close_ended(rtc.clone()));
        Ok(rtc)
    }

    pub fn ice(&self) -> &IceServers {
        &self.0.ice
    }

    /// Sessions there are, those being answered included.
    pub fn count(&self) -> usize {
        self.sessions(|s| s.by_token.len() + s.pending)
    }

    /// UDP ports that sessions hold now.
    pub fn ports_used(&self) -> Vec<u16> {
        self.0.ports.used()
    }

    /// What each caller's video should be; who is not in it has no session.
    pub fn wants(&self) -> watch::Receiver<BTreeMap<CallerId, VideoWant>> {
        self.0.wants.subscribe()
    }

    pub fn steer(&self, caller: &CallerId) -> Steering {
        self.sessions(|s| *s.steering.entry(caller.clone()).or_default() += 1);
        Steering {
            rtc: self.clone(),
            caller: caller.clone(),
        }
    }

    /// Closes every session and takes no new ones.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        let all: Vec<_> = self.sessions(|s| s.by_token.values().cloned().collect());
        for session in &all {
            session.cancel.cancel();
        }
        for session in all {
            let _ = tokio::time::timeout(REPLACE, session.ended.cancelled()).await;
        }
    }

    /// Notes a caller's wanted rate (`None`: no session any more); says whether their client steers itself.
    fn note_want(&self, caller: &CallerId, want: Option<VideoWant>) -> bool {
        let party = Party::Caller(caller.clone());
        let gone = want.is_none() && self.sessions(|s| s.by_party.contains_key(&party));
        if !gone {
            self.0.wants.send_if_modified(|wants| match want {
                Some(want) => wants.insert(caller.clone(), want) != Some(want),
                None => wants.remove(caller).is_some(),
            });
        }
        self.sessions(|s| s.steering.contains_key(caller))
    }

    fn sessions<T>(&self, look: impl FnOnce(&mut Sessions) -> T) -> T {
        look(
            &mut self
                .0
                .sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.rtc.sessions(|s| {
            if let Some(count) = s.steering.get_mut(&self.caller) {
                *count -= 1;
                if *count == 0 {
                    s.steering.remove(&self.caller);
                }
            }
        });
    }
}

/// Follows the board: a call that has ended has no session, nor has a publisher that was disconnected.
async fn close_ended(rtc: Rtc) {
    let mut states = rtc.0.rooms.board.follow();
    let stopping = rtc.0.stopping.clone();
    loop {
        let state = states.borrow_and_update().clone();
        for session in rtc.sessions(|s| s.by_token.values().cloned().collect::<Vec<_>>()) {
            if session.party.is_over(&state) {
                session.cancel.cancel();
            }
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            () = stopping.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests;
