//! What all services share: the rooms, and the few steps every handler takes.

use std::sync::Arc;

use booth_core::{
    Actor, CallerId, Command, Denied, InviteId, Meta, RequestId, ShowId, State, Target, Timestamp,
};
use booth_proto::convert::{self, names};
use booth_proto::v1;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tracing::error;

use super::auth::Identity;
use super::meters::Ticker;
use super::places::Places;
use super::status::{self, Reason};
use super::tally;
use crate::checks::Turns;
use crate::director::Accepted;
use crate::secrets::{Secret, SecretError, new_token, token_hash};
use crate::server::Rooms;
use crate::vmix::TallyMap;

/// Cloned into each service.
#[derive(Debug, Clone)]
pub struct Api {
    pub rooms: Rooms,
    pub started: Timestamp,
    pub stop: CancellationToken,
    pub ticker: Ticker,
    pub places: Places,
    pub checks: Turns,
    /// Held while settings are read, merged and written. Only this room writes settings, so no change is lost, and
    /// nobody is refused for a change of something else on the same resource.
    pub settings: Arc<Mutex<()>>,
}

/// What a mutation is asked with.
#[derive(Debug, Clone)]
pub struct Asked {
    pub by: Identity,
    pub request_id: String,
    pub expected_revision: u64,
}

impl Api {
    pub fn new(rooms: Rooms, stop: CancellationToken) -> Self {
        Self {
            started: rooms.clock.now(),
            ticker: Ticker::start(&rooms, stop.clone()),
            places: Places::default(),
            checks: Turns::default(),
            settings: Arc::default(),
            rooms,
            stop,
        }
    }

    pub fn state(&self) -> Arc<State> {
        self.rooms.board.state()
    }

    pub async fn command(&self, asked: &Asked, command: Command) -> Result<Accepted, Status> {
        let request_id = match asked.request_id.as_str() {
            "" => None,
            id => {
                let id = RequestId::new(id).map_err(|e| invalid("request_id", e.to_string()))?;
                Some(id)
            }
        };
        let meta = Meta {
            actor: Actor::Operator(asked.by.id.clone()),
            request_id,
            expected_revision: Some(asked.expected_revision).filter(|r| *r != 0),
        };
        let answer = self.rooms.director.command(meta, command).await;
        answer.map_err(|e| status::failed(&e))
    }

    /// The caller a request names. Whether they exist is for the core to say, after it has looked for a repeat; that
    /// they belong to the show named is checked here.
    pub fn caller_named(&self, field: &str, name: &str) -> Result<CallerId, Status> {
        let (show, caller) = names::parse_caller(field, name).map_err(refused)?;
        let state = self.state();
        match (show, state.callers.get(&caller)) {
            (Some(show), Some(found)) if found.show != show => {
                Err(refused(Denied::CallerNotFound { caller }))
            }
            _ => Ok(caller),
        }
    }

    pub fn invite_named(&self, field: &str, name: &str) -> Result<InviteId, Status> {
        let (show, invite) = names::parse_invite(field, name).map_err(refused)?;
        let state = self.state();
        match (show, state.invites.get(&invite)) {
            (Some(show), Some(found)) if found.show != show => {
                Err(refused(Denied::InviteNotFound { invite }))
            }
            _ => Ok(invite),
        }
    }

    /// A show that a list is limited to; `None` for all.
    pub fn show_filter(&self, field: &str, name: &str) -> Result<Option<ShowId>, Status> {
        if matches!(name, "" | "shows/-") {
            return Ok(None);
        }
        let show = names::parse_show(field, name).map_err(refused)?;
        if self.state().shows.contains_key(&show) {
            Ok(Some(show))
        } else {
            Err(refused(Denied::ShowNotFound { show }))
        }
    }

    /// The token of what a request creates: a repeat gets the same one, as long as the same operator asks for the same.
    pub fn token_for(&self, asked: &Asked, purpose: &str) -> Result<Secret<String>, Status> {
        if asked.request_id.is_empty() {
            return new_token().map_err(broken);
        }
        let purpose = format!("{purpose}\0{}", asked.by.id);
        let token = self.rooms.keys.token_for(&purpose, &asked.request_id);
        // First answers are forgotten in the end. A request id that comes again after that must not bring an old token
        // back to life, nor make a second thing with the same one.
        let state = self.state();
        let hash = token_hash(token.expose());
        let in_use =
            state.invite_by_token(&hash).is_some() || state.operator_by_token(&hash).is_some();
        if in_use && !asked.is_repeat(&state) {
            return Err(refused(Denied::RequestReused));
        }
        Ok(token)
    }
}

impl Asked {
    /// Whether this request has had its first answer, as far as that is remembered.
    pub fn is_repeat(&self, state: &State) -> bool {
        RequestId::new(&self.request_id).is_ok_and(|id| state.answers.contains_key(&id))
    }
}

/// Takes a request apart into who asks and what.
pub fn opened<T>(request: Request<T>) -> Result<(Identity, T), Status> {
    let (_, extensions, message) = request.into_parts();
    // The gate puts it there; without it the table would be wrong.
    let by = extensions.get::<Identity>().cloned();
    let by = by.ok_or_else(|| Reason::Internal.status("nobody is known to ask this"))?;
    Ok((by, message))
}

/// Who asks a mutation, under which conditions.
pub fn asked(by: Identity, request_id: &str, expected_revision: u64) -> Asked {
    Asked {
        by,
        request_id: request_id.to_owned(),
        expected_revision,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn refused(denied: Denied) -> Status {
    status::denied(&denied)
}

pub fn invalid(field: &str, why: impl Into<String>) -> Status {
    refused(convert::invalid(field, why))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn broken(error: SecretError) -> Status {
    error!(%error, "secrets");
    Reason::Internal.status(error.to_string())
}

/// The resources that commands are answered with, as they are now; `None` when a repeat asks after one that is gone.
pub trait Answered {
    fn show(&self) -> Option<v1::Show>;
    fn caller(&self) -> Option<v1::Caller>;
    fn invite(&self) -> Option<v1::Invite>;
    fn slot(&self, tallies: &TallyMap) -> Option<v1::Slot>;
    fn channel(&self) -> Option<v1::Channel>;
    fn destination(&self) -> Option<v1::Destination>;
    fn operator(&self) -> Option<v1::Operator>;
    fn revision(&self) -> u64;
}

impl Answered for Accepted {
    fn show(&self) -> Option<v1::Show> {
        let Target::Show(id) = &self.answer.target else {
            return None;
        };
        self.state
            .shows
            .get(id)
            .map(|found| convert::show::show(found))
    }
    fn caller(&self) -> Option<v1::Caller> {
        let Target::Caller(id) = &self.answer.target else {
            return None;
        };
        self.state
            .callers
            .get(id)
            .map(|found| convert::caller::caller(found, &self.state))
    }
    fn invite(&self) -> Option<v1::Invite> {
        let Target::Invite(id) = &self.answer.target else {
            return None;
        };
        self.state
            .invites
            .get(id)
            .map(|found| convert::caller::invite(found))
    }
    fn slot(&self, tallies: &TallyMap) -> Option<v1::Slot> {
        let Target::Slot(id) = &self.answer.target else {
            return None;
        };
        self.state
            .slots
            .get(id)
            .map(|found| tally::slot(found, &self.state, tallies))
    }
    fn channel(&self) -> Option<v1::Channel> {
        let Target::Channel(id) = &self.answer.target else {
            return None;
        };
        self.state
            .channels
            .get(id)
            .map(|found| convert::channel::channel(found))
    }
    fn destination(&self) -> Option<v1::Destination> {
        let Target::Destination(channel, id) = &self.answer.target else {
            return None;
        };
        let found = self.state.channels.get(channel)?.destinations.get(id)?;
        Some(convert::destination::destination(channel, found))
    }
    fn operator(&self) -> Option<v1::Operator> {
        let Target::Operator(id) = &self.answer.target else {
            return None;
        };
        self.state
            .operators
            .get(id)
            .map(|found| convert::operator::operator(found))
    }
    fn revision(&self) -> u64 {
        self.answer.revision
    }
}
