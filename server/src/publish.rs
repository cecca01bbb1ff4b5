//! Who may feed a channel's live input: keys compared, publishers told apart. It answers the ingest worker, and the WHIP
//! door asks it too.
//!
//! Before a key has been found right, every refusal is the same, after the same work: it tells neither whether the channel
//! exists nor how much of a key was right.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use booth_core::{
    Actor, ChannelId, Command, Denied, Fact, KEY_NOT_VALID, Meta, NAME_MAX, PublishProtocol,
    Publisher, PublisherId, Sealed, State, TOPIC_MAX, Text, Timestamp,
};
use booth_proto::worker::{IngestDesired, PublishAsk, PublishReply, to_worker};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{error, info};

use crate::board::Board;
use crate::clock::Clock;
use crate::director::{CommandError, Director};
use crate::http::Limiter;
use crate::secrets::{Keyring, SecretError, channel_key_context};
use crate::supervise::{Supervisor, UnitId};

/// Wrong keys of one address in a minute; encoders try again every few seconds.
const FAILURES_PER_MINUTE: u32 = 60;
/// Longest key that is looked at.
const KEY_MAX: usize = 512;
/// Asked at a time; further ones wait. The ingest worker has its own limits.
const ASKED_AT_A_TIME: usize = 64;
/// How long an accepted publisher may take to be in the ingest worker's orders.
const ORDERED_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct PublishDesk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    board: Board,
    director: Director,
    clock: Clock,
    keys: Arc<Keyring>,
    failures: Limiter,
    asked: Arc<Semaphore>,
    last: AtomicU64,
    /// Opened where there is no channel, so that it takes as long.
    decoy: (ChannelId, Sealed),
}

/// Somebody whose key was right.
#[derive(Debug, Clone, Copy)]
pub struct Publishing<'a> {
    /// From [`PublishDesk::next_id`].
    pub id: PublisherId,
    pub protocol: PublishProtocol,
    /// Address and, where there is one, port.
    pub peer: &'a str,
    pub agent: &'a str,
    /// What [`PublishDesk::channel_of`] found right.
    pub key: &'a Sealed,
}

/// Why somebody may not publish.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    #[error("{KEY_NOT_VALID}")]
    Key,
    #[error("too many attempts with a wrong stream key: wait a little")]
    TooMany,
    /// The key was right.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl PublishDesk {
    pub fn new(
        board: Board,
        director: Director,
        clock: Clock,
        keys: Arc<Keyring>,
    ) -> Result<Self, SecretError> {
        let nobody = ChannelId::new("x").map_err(|_| SecretError::Seal)?;
        let secret = crate::secrets::new_token()?;
        let sealed = keys.seal(&channel_key_context(&nobody), secret.expose())?;
        Ok(Self(Arc::new(Inner {
            board,
            director,
            clock,
            keys,
            failures: Limiter::new(FAILURES_PER_MINUTE),
            asked: Arc::new(Semaphore::new(ASKED_AT_A_TIME)),
            last: AtomicU64::new(0),
            decoy: (nobody, sealed),
        })))
    }

    /// Answers the ingest worker behind this link, in its own time.
    pub(crate) fn ask(&self, supervisor: Supervisor, serial: u64, ask: PublishAsk) {
        let desk = self.clone();
        tokio::spawn(async move {
            // Closed never.
            let _turn = Arc::clone(&desk.0.asked).acquire_owned().await;
            let answered = desk.answer(&supervisor, &ask).await;
            let accepted = answered.as_ref().ok().cloned();
            let reply = match answered {
                Ok((channel, publisher)) => PublishReply {
                    nonce: ask.nonce,
                    publisher: publisher.0,
                    media_socket: path(&supervisor, &channel),
                    reason: String::new(),
                },
                Err(refused) => PublishReply {
                    nonce: ask.nonce,
                    reason: refused.to_string(),
                    ..PublishReply::default()
                },
            };
            let said = supervisor.say(&UnitId::Ingest, serial, to_worker::Message::Publish(reply));
            // Nobody holds the connection any more.
            if let (false, Some((channel, id))) = (said, accepted) {
                let reason = Text::scrub("its connection was lost", TOPIC_MAX);
                desk.0
                    .director
                    .fact(Fact::PublisherDown {
                        channel,
                        id,
                        reason,
                    })
                    .await;
            }
        });
    }

    async fn answer(
        &self,
        supervisor: &Supervisor,
        ask: &PublishAsk,
    ) -> Result<(ChannelId, PublisherId), PublishError> {
        let address = address(&ask.peer);
        let (channel, key) = self.channel_of(&ask.channel, &ask.key, address)?;
        let protocol = if ask.protocol == "rtmps" {
            PublishProtocol::Rtmps
        } else {
            PublishProtocol::Rtmp
        };
        let id = self.next_id();
        let publishing = Publishing {
            id,
            protocol,
            peer: &ask.peer,
            agent: &ask.agent,
            key: &key,
        };
        self.publish(&channel, publishing).await?;
        self.ordered(supervisor, id).await;
        Ok((channel, id))
    }

    /// The channel that this key opens, and the key as it is sealed. Without a channel's name the key says which.
    pub fn channel_of(
        &self,
        channel: &str,
        key: &str,
        address: Option<IpAddr>,
    ) -> Result<(ChannelId, Sealed), PublishError> {
        let now = Instant::now();
        if address.is_some_and(|address| self.0.failures.is_spent(address, now)) {
            return Err(PublishError::TooMany);
        }
        let state = self.0.board.state();
        let found = if channel.is_empty() {
            self.by_key(&state, key)
        } else {
            self.by_name(&state, channel, key)
        };
        found.ok_or_else(|| {
            if let Some(address) = address {
                let _ = self.0.failures.take(address, now);
            }
            PublishError::Key
        })
    }

    fn by_name(&self, state: &State, channel: &str, key: &str) -> Option<(ChannelId, Sealed)> {
        let known = ChannelId::new(channel)
            .ok()
            .and_then(|id| state.channels.get(&id));
        let (id, sealed) = known.map_or((&self.0.decoy.0, &self.0.decoy.1), |c| (&c.id, &c.key));
        let same = self.is_key(id, sealed, key);
        known
            .filter(|_| same)
            .map(|channel| (channel.id.clone(), channel.key.clone()))
    }

    /// Looks at every channel, found or not.
    fn by_key(&self, state: &State, key: &str) -> Option<(ChannelId, Sealed)> {
        let mut found = None;
        for channel in state.channels.values() {
            if self.is_key(&channel.id, &channel.key, key) {
                found = Some((channel.id.clone(), channel.key.clone()));
            }
        }
        found
    }

    /// Digests are compared, which takes the same time wherever they differ ([`blake3::Hash`] says so).
    fn is_key(&self, id: &ChannelId, sealed: &Sealed, given: &str) -> bool {
        let secret = match self.0.keys.open(&channel_key_context(id), sealed) {
            Ok(secret) => secret,
            Err(error) => {
                error!(channel = %id, %error, "the channel's key cannot be opened: rotate it");
                return false;
            }
        };
        // Exposed to its digest only.
        let same = blake3::hash(secret.expose().as_bytes()) == blake3::hash(given.as_bytes());
        same && !given.is_empty() && given.len() <= KEY_MAX
    }

    /// Begins to feed the channel, if nobody else does.
    pub async fn publish(
        &self,
        channel: &ChannelId,
        publishing: Publishing<'_>,
    ) -> Result<(), PublishError> {
        let Publishing {
            id,
            protocol,
            peer,
            agent,
            key,
        } = publishing;
        let publisher = Publisher {
            id,
            protocol,
            peer: Text::scrub(peer, NAME_MAX),
            agent: Text::scrub(agent, TOPIC_MAX),
            since: Timestamp(0),
        };
        let command = Command::Publish {
            channel: channel.clone(),
            publisher,
            key: key.clone(),
        };
        let meta = Meta {
            actor: Actor::System,
            request_id: None,
            expected_revision: None,
        };
        let accepted = self.0.director.command(meta, command).await;
        accepted.map_err(|error| match error {
            // It was replaced since it was compared.
            CommandError::Denied(Denied::Invalid { field, .. }) if field == "key" => {
                PublishError::Key
            }
            other => other.into(),
        })?;
        info!(%channel, publisher = id.0, ?protocol, peer, "publishes");
        Ok(())
    }

    /// Rises with time, over restarts too: the wall clock in microseconds.
    pub fn next_id(&self) -> PublisherId {
        let now = u64::try_from(self.0.clock.now().0).unwrap_or(0) * 1_000;
        let last = self.0.last.fetch_max(now, Ordering::AcqRel);
        if now > last {
            return PublisherId(now);
        }
        PublisherId(self.0.last.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Waits until the ingest worker's orders name the publisher: an older order behind the answer would end it.
    async fn ordered(&self, supervisor: &Supervisor, id: PublisherId) {
        let Some(link) = supervisor.link(&UnitId::Ingest) else {
            return;
        };
        let mut orders = link.desired.subscribe();
        drop(link);
        let named = orders.wait_for(|order| {
            matches!(
                order.as_ref().and_then(|o| o.message.as_ref()),
                Some(to_worker::Message::Ingest(IngestDesired { publishers, .. }))
                    if publishers.iter().any(|p| p.id == id.0)
            )
        });
        let _ = tokio::time::timeout(ORDERED_WITHIN, named).await;
    }
}

fn path(supervisor: &Supervisor, channel: &ChannelId) -> String {
    let path = supervisor.places().media_socket(channel);
    path.to_string_lossy().into_owned()
}

/// `192.0.2.1:5000`, or without the port.
fn address(peer: &str) -> Option<IpAddr> {
    let with_port = peer.parse::<SocketAddr>().map(|a| a.ip());
    with_port.or_else(|_| peer.parse()).ok()
}
