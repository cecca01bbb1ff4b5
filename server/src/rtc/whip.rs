//! What the WHIP door asks of the room: open, trickle, restart, close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use booth_core::CallerId;
use tokio_util::sync::CancellationToken;

use super::engine::{Answer, EngineError, Offer, Sink};
use super::ingest::Ingest;
use super::ports::Lease;
use super::session::{self, Negotiation, PeerCell, Session, Work};
use super::{OpenError, Party, REPLACE, Rtc, bus, sdp};
use crate::secrets;

const BIND_TRIES: usize = 5;

/// An answered offer.
#[derive(Debug)]
pub struct Opened {
    /// The session's unguessable name.
    pub token: String,
    pub etag: String,
    pub answer: String,
}

/// What a PATCH came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Patched {
    /// Candidates were added: 204.
    Trickled,
    /// ICE restarted: 200 with this fragment and the new ETag.
    Restarted { etag: String, fragment: String },
}

#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    #[error("there is no such session")]
    NotFound,
    #[error("If-Match is needed")]
    NoMatch,
    #[error("the session has another ETag")]
    Mismatch,
    #[error(transparent)]
    Sdp(#[from] sdp::SdpError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Secret(#[from] secrets::SecretError),
}

/// A place among the sessions, for an offer that is being answered. Dropped, it is free again.
#[derive(Debug)]
pub struct Place(Rtc);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.sessions(|s| s.pending = s.pending.saturating_sub(1));
    }
}

/// An answered offer that is nobody's session yet. Whoever drops it instead of starting it (a client that has gone, a
/// refusal) leaves nothing behind: the stack would go on with a connection that is only let go.
pub struct Prepared(Option<Parts>);

struct Parts {
    party: Party,
    token: String,
    etag: String,
    ingest: Arc<Ingest>,
    offer: sdp::Checked,
    answer: Answer,
    lease: Lease,
    place: Place,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared")
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let (Some(parts), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            parts.answer.peer.close().await;
            // Only now are the port and the place nobody's.
            drop((parts.lease, parts.place));
        });
    }
}

impl Prepared {
    /// From here on it is the party's session; one they have already is closed. Nothing fails and nothing waits.
    pub fn start(mut self) -> Option<Opened> {
        let Parts {
            party,
            token,
            etag,
            ingest,
            offer,
            answer,
            lease,
            place,
        } = self.0.take()?;
        let rtc = place.0.clone();
        let session = Arc::new(Session {
            token: token.clone(),
            party,
            cancel: rtc.0.stopping.child_token(),
            ended: CancellationToken::new(),
            negotiation: tokio::sync::Mutex::new(Negotiation {
                etag: etag.clone(),
                ufrag: ufrag(&offer.sdp),
                candidates: offer.sdp.matches("a=candidate:").count(),
                offer: offer.sdp,
            }),
            peer: PeerCell(answer.peer),
        });
        rtc.enter(&session);
        drop(place);
        let steering = rtc.clone();
        let work = Work {
            session: Arc::clone(&session),
            rooms: rtc.0.rooms.clone(),
            ingest,
            audio: offer.audio,
            video: offer.video,
            bus: Box::new(bus::Silence::new()),
            steered: Arc::new(move |caller, want| steering.note_want(caller, want)),
            lease,
        };
        tokio::spawn(async move {
            session::run(work).await;
            rtc.leave(&session);
        });
        Some(Opened {
            token,
            etag,
            answer: answer.sdp,
        })
    }
}

impl Rtc {
    /// Answers an offer of this caller. A session they have already is closed.
    pub async fn open(&self, caller: &CallerId, offer: sdp::Checked) -> Result<Opened, OpenError> {
        let party = Party::Caller(caller.clone());
        let prepared = self.prepare(&party, offer).await?;
        prepared.start().ok_or_else(lost)
    }

    /// Answers an offer for somebody who need not be a caller or a publisher yet. Everything that may be refused is done here.
    pub async fn prepare(&self, party: &Party, offer: sdp::Checked) -> Result<Prepared, OpenError> {
        if self.0.stopping.is_cancelled() {
            return Err(OpenError::Stopping);
        }
        let place = self.admit(party).await?;
        let (rtc, party) = (self.clone(), party.clone());
        // On a task of its own: a request is dropped where it stands when its client leaves, and in the middle of an
        // answer that would lose a running connection. An outcome that nobody waits for is dropped, which closes it.
        let preparing = tokio::spawn(async move {
            let ingest = Arc::new(Ingest::new(
                party.caller().cloned(),
                rtc.0.rooms.meters.clone(),
                Duration::from_millis(rtc.0.rooms.config.rtc.silence_ms),
            ));
            let token = secrets::new_token()?.expose().clone();
            let etag = new_etag()?;
            let (answer, lease) = rtc.answer(&offer, &ingest, party.is_publisher()).await?;
            Ok(Prepared(Some(Parts {
                party,
                token,
                etag,
                ingest,
                offer,
                answer,
                lease,
                place,
            })))
        });
        preparing.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Answers on a free port. Another program may take a port between the look and the bind: then another is tried.
    async fn answer(
        &self,
        offer: &sdp::Checked,
        ingest: &Arc<Ingest>,
        publisher: bool,
    ) -> Result<(Answer, Lease), OpenError> {
        let mut refused = EngineError::Bind("rtc.udp_ports has no free port".into());
        // Held until an answer is there, so that the next look is at another port.
        let mut taken = Vec::new();
        for _ in 0..BIND_TRIES {
            let Some(lease) = self.0.ports.lease(&self.0.addresses) else {
                break;
            };
            let to_answer = Offer {
                sdp: offer.sdp.clone(),
                audio: offer.audio,
                video: offer.video,
                publisher,
                bind: self
                    .0
                    .addresses
                    .iter()
                    .map(|ip| SocketAddr::new(*ip, lease.port()))
                    .collect(),
                public_ip: self.0.rooms.config.rtc.public_ip,
            };
            let sink = Arc::clone(ingest) as Arc<dyn Sink>;
            match self.0.engine.answer(to_answer, sink).await {
                Ok(answer) => return Ok((answer, lease)),
                Err(error @ EngineError::Bind(_)) => refused = error,
                Err(error) => return Err(error.into()),
            }
            taken.push(lease);
        }
        Err(refused.into())
    }

    /// A place for one more session; the party's own old one gives way when there is no other.
    async fn admit(&self, party: &Party) -> Result<Place, OpenError> {
        let most = usize::try_from(self.0.rooms.config.rtc.max_sessions).unwrap_or(usize::MAX);
        let take = || {
            self.sessions(|s| {
                let room = s.by_token.len() + s.pending < most;
                s.pending += usize::from(room);
                room
            })
        };
        if take() {
            return Ok(Place(self.clone()));
        }
        if let Some(old) = self.of_party(party) {
            old.cancel.cancel();
            let _ = tokio::time::timeout(REPLACE, old.ended.cancelled()).await;
            self.leave(&old);
            if take() {
                return Ok(Place(self.clone()));
            }
        }
        Err(OpenError::Full)
    }

    fn of_party(&self, party: &Party) -> Option<Arc<Session>> {
        self.sessions(|s| {
            s.by_party
                .get(party)
                .and_then(|token| s.by_token.get(token))
                .cloned()
        })
    }

    /// From here on the session is the party's; the one before it is closed.
    fn enter(&self, session: &Arc<Session>) {
        let old = self.sessions(|s| {
            s.by_token
                .insert(session.token.clone(), Arc::clone(session));
            let old = s
                .by_party
                .insert(session.party.clone(), session.token.clone());
            old.and_then(|token| s.by_token.get(&token).cloned())
        });
        if let Some(old) = old {
            old.cancel.cancel();
        }
        // The call may have ended, or the server stopped, while the offer was being answered.
        if session.party.is_over(&self.0.rooms.board.state()) {
            session.cancel.cancel();
        }
    }

    fn leave(&self, session: &Arc<Session>) {
        let last = self.sessions(|s| {
            s.by_token.remove(&session.token);
            let current = s.by_party.get(&session.party) == Some(&session.token);
            if current {
                s.by_party.remove(&session.party);
            }
            current
        });
        if let Some(caller) = session.party.caller().filter(|_| last) {
            self.0.rooms.meters.forget_caller(caller);
            self.note_want(caller, None);
        }
    }

    /// Whether there is such a session, for answers that need no more.
    pub fn has(&self, token: &str) -> bool {
        self.find(token).is_some()
    }

    fn find(&self, token: &str) -> Option<Arc<Session>> {
        self.sessions(|s| s.by_token.get(token).cloned())
            .filter(|s| !s.cancel.is_cancelled())
    }

    /// Closes the session and waits until it is; `false` when there is none.
    pub async fn close(&self, token: &str) -> bool {
        let Some(session) = self.find(token) else {
            return false;
        };
        session.cancel.cancel();
        let _ = tokio::time::timeout(REPLACE, session.ended.cancelled()).await;
        true
    }

    /// Trickles candidates or restarts ICE (RFC 9725 §4.3).
    pub async fn patch(
        &self,
        token: &str,
        if_match: Option<&str>,
        body: &[u8],
    ) -> Result<Patched, PatchError> {
        let session = self.find(token).ok_or(PatchError::NotFound)?;
        let if_match = if_match.ok_or(PatchError::NoMatch)?.to_owned();
        let fragment = sdp::fragment(body)?;
        // As with an offer: whether the client waits or not, what the stack did is noted. A client that missed the
        // answer to a restart restarts again, with `*`.
        let patching = tokio::spawn(apply(session, if_match, fragment));
        patching.await.unwrap_or_else(|_| {
            Err(EngineError::Rejected("the fragment cannot be understood".into()).into())
        })
    }
}

async fn apply(
    session: Arc<Session>,
    if_match: String,
    fragment: sdp::Fragment,
) -> Result<Patched, PatchError> {
    let mut negotiation = session.negotiation.lock().await;
    if if_match != "*" && if_match != negotiation.etag {
        return Err(PatchError::Mismatch);
    }
    let other = |ufrag: &String| *ufrag != negotiation.ufrag;
    if fragment.ufrag.as_ref().is_some_and(other) && fragment.pwd.is_some() {
        if if_match != "*" {
            return Err(PatchError::Mismatch);
        }
        let offer = sdp::with_credentials(&negotiation.offer, &fragment);
        let answer = session.peer.0.restart(offer.clone()).await?;
        negotiation.etag = new_etag()?;
        negotiation.ufrag = fragment.ufrag.unwrap_or_default();
        negotiation.candidates = fragment.candidates.len();
        negotiation.offer = offer;
        return Ok(Patched::Restarted {
            etag: negotiation.etag.clone(),
            fragment: sdp::restart_fragment(&answer),
        });
    }
    negotiation.candidates += fragment.candidates.len();
    if negotiation.candidates > sdp::CANDIDATES_MAX {
        return Err(sdp::SdpError::TooManyCandidates.into());
    }
    for (mid, candidate) in &fragment.candidates {
        session.peer.0.add_candidate(mid, candidate).await?;
    }
    Ok(Patched::Trickled)
}

/// A task of the room that ended without a word.
fn lost() -> OpenError {
    EngineError::Failed("answering ended early".into()).into()
}

fn ufrag(sdp: &str) -> String {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"))
        .unwrap_or_default()
        .to_owned()
}

/// A strong entity tag, quotes included.
fn new_etag() -> Result<String, secrets::SecretError> {
    let random: [u8; 8] = secrets::random()?;
    Ok(format!("\"{:016x}\"", u64::from_be_bytes(random)))
}
