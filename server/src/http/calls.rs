//! Joining and the caller's own verbs.

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use booth_core::{
    Actor, Answer, Caller, CallerId, Command, Denied, Meta, RequestId, ShowId, State as Board,
    TOPIC_MAX, Target, Text, TokenHash,
};
use http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{Client, Door, events};
use crate::rtc::ice::IceServer;
use crate::secrets::{self, Secret, token_hash};

const BODY_MAX: usize = 16 * 1024;
type Refused = Problem;

#[derive(Deserialize)]
struct Join {
    #[serde(default)]
    show: String,
    invite: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    topic: String,
    /// The page's own random name for this join: when the answer is lost on the way, asking again costs no second use.
    attempt: Option<String>,
}

/// Shortest name of an attempt: whoever knows it and the invite gets the call's token again.
const ATTEMPT_MIN: usize = 22;
const ATTEMPT_MAX: usize = 64;

#[derive(Deserialize, Default)]
struct Rejoin {
    name: Option<String>,
    topic: Option<String>,
}

#[derive(Deserialize)]
struct Chat {
    text: String,
}

#[derive(Deserialize, Default)]
struct Leave {
    rejoin: Option<String>,
}

#[derive(Serialize)]
struct Joined {
    caller: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejoin: Option<String>,
    whip: String,
    show: String,
    show_title: String,
    ice_servers: Vec<IceServer>,
}

/// A caller who was let in, and the token by which they come back.
pub(super) struct Entered {
    pub caller: CallerId,
    pub rejoin: Secret<String>,
}

pub(super) async fn join(
    State(door): State<Door>,
    Extension(client): Extension<Client>,
    request: Request<axum::body::Body>,
) -> Result<Response, Refused> {
    door.attempt(client)?;
    let join: Join = body(request).await?;
    let entered = enter(
        &door,
        new_caller()?,
        &join.show,
        &join.invite,
        &join.name,
        &join.topic,
        join.attempt.as_deref(),
    )
    .await?;
    // The caller's own secret, said once, to them.
    let rejoin = entered.rejoin.expose().clone();
    let joined = joined(&door, &entered.caller, Some(rejoin))?;
    Ok((StatusCode::CREATED, NO_STORE, Json(joined)).into_response())
}

/// A name for somebody who may become a caller.
pub(super) fn new_caller() -> Result<CallerId, Refused> {
    CallerId::new(&secrets::new_id('c').map_err(|e| Problem::internal(&e))?)
        .map_err(|e| Problem::internal(&e))
}

/// Lets somebody in by an invite, under this name if nobody was let in by the same attempt before.
pub(super) async fn enter(
    door: &Door,
    id: CallerId,
    show: &str,
    invite: &str,
    name: &str,
    topic: &str,
    attempt: Option<&str>,
) -> Result<Entered, Refused> {
    let show = show_id(show)?;
    let invite = token_hash(invite);
    let state = door.rooms.board.state();
    // An invite opens its own show only.
    if state
        .invite_by_token(&invite)
        .is_none_or(|known| known.show != show)
    {
        return Err(Denied::InviteUnknown.into());
    }
    let (rejoin, request_id) = match attempt {
        Some(attempt) => {
            let request_id = attempt_id(attempt)?;
            (
                door.rooms.keys.token_for("join", request_id.as_str()),
                Some(request_id),
            )
        }
        None => (
            secrets::new_token().map_err(|e| Problem::internal(&e))?,
            None,
        ),
    };
    let command = Command::Join {
        id: id.clone(),
        invite,
        rejoin: token_hash(rejoin.expose()),
        name: Text::name(name),
        topic: Text::scrub(topic, TOPIC_MAX),
    };
    let meta = Meta {
        request_id,
        ..meta(Actor::Caller(id))
    };
    let accepted = door.rooms.director.command(meta, command).await?;
    // A repeat is answered with the caller of the first time.
    let Target::Caller(caller) = accepted.answer.target else {
        return Err(Problem::internal(
            &"a join was answered with something else",
        ));
    };
    Ok(Entered { caller, rejoin })
}

fn attempt_id(attempt: &str) -> Result<RequestId, Refused> {
    let fits = (ATTEMPT_MIN..=ATTEMPT_MAX).contains(&attempt.len());
    RequestId::new(&format!("join:{attempt}"))
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "BAD_REQUEST",
                format!(
                    "attempt: {ATTEMPT_MIN} to {ATTEMPT_MAX} printable characters without spaces"
                ),
            )
        })
}

fn show_id(show: &str) -> Result<ShowId, Refused> {
    ShowId::new(show).map_err(|e| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "SHOW_NOT_FOUND",
            format!("there is no such show: {e}"),
        )
    })
}

pub(super) async fn rejoin(
    State(door): State<Door>,
    Extension(client): Extension<Client>,
    request: Request<axum::body::Body>,
) -> Result<Response, Refused> {
    door.attempt(client)?;
    let token = bearer(request.headers())?;
    let rejoin: Rejoin = optional_body(request).await?;
    let command = Command::Rejoin {
        rejoin: token,
        name: rejoin.name.as_deref().map(Text::name),
        topic: rejoin
            .topic
            .as_deref()
            .map(|topic| Text::scrub(topic, TOPIC_MAX)),
    };
    let actor =
        known(&door.rooms.board.state(), &token).map(|caller| Actor::Caller(caller.id.clone()))?;
    let Answer { target, .. } = door
        .rooms
        .director
        .command(meta(actor), command)
        .await?
        .answer;
    let Target::Caller(caller) = target else {
        return Err(Denied::RejoinUnknown.into());
    };
    Ok((NO_STORE, Json(joined(&door, &caller, None)?)).into_response())
}

pub(super) async fn watch(
    State(door): State<Door>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let caller = by_bearer(&door, &headers)?;
    Ok(events::stream(&door, caller))
}

pub(super) async fn chat(
    State(door): State<Door>,
    request: Request<axum::body::Body>,
) -> Result<StatusCode, Refused> {
    let id = by_bearer(&door, request.headers())?;
    let chat: Chat = body(request).await?;
    door.chatter(&id)?;
    let text = Text::scrub(&chat.text, booth_core::MESSAGE_MAX);
    let command = Command::Chat {
        id: id.clone(),
        text,
    };
    door.rooms
        .director
        .command(meta(Actor::Caller(id)), command)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn leave(
    State(door): State<Door>,
    request: Request<axum::body::Body>,
) -> Result<StatusCode, Refused> {
    let named = bearer(request.headers());
    let leave: Leave = optional_body(request).await?;
    let token = match leave.rejoin {
        Some(token) => token_hash(&token),
        None => named?,
    };
    let caller = known(&door.rooms.board.state(), &token)?.clone();
    // Beacons may come twice.
    if !caller.state.is_ended() {
        let id = caller.id.clone();
        door.rooms
            .director
            .command(meta(Actor::Caller(id.clone())), Command::Leave { id })
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn joined(door: &Door, id: &CallerId, rejoin: Option<String>) -> Result<Joined, Refused> {
    let state = door.rooms.board.state();
    let caller = state.callers.get(id).ok_or(Denied::RejoinUnknown)?;
    let title = state
        .shows
        .get(&caller.show)
        .map(|show| show.title.as_str().to_owned());
    Ok(Joined {
        caller: id.to_string(),
        rejoin,
        whip: format!("/whip/shows/{}", caller.show),
        show: caller.show.to_string(),
        show_title: title.unwrap_or_default(),
        ice_servers: door.rtc.ice().list(id.as_str(), door.now_s()),
    })
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

pub(super) fn meta(actor: Actor) -> Meta {
    Meta {
        actor,
        request_id: None,
        expected_revision: None,
    }
}

/// The digest of the bearer token.
pub(super) fn bearer(headers: &HeaderMap) -> Result<TokenHash, Refused> {
    bearer_text(headers)
        .map(token_hash)
        .ok_or_else(|| Denied::RejoinUnknown.into())
}

pub(super) fn bearer_text(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn by_bearer(door: &Door, headers: &HeaderMap) -> Result<CallerId, Refused> {
    let token = bearer(headers)?;
    known(&door.rooms.board.state(), &token).map(|caller| caller.id.clone())
}

fn known<'a>(state: &'a Board, token: &TokenHash) -> Result<&'a Caller, Refused> {
    state
        .caller_by_rejoin(token)
        .ok_or_else(|| Denied::RejoinUnknown.into())
}

/// Beacons send `text/plain`, so the content type says nothing here.
async fn body<T: serde::de::DeserializeOwned>(
    request: Request<axum::body::Body>,
) -> Result<T, Refused> {
    let bytes = super::read(request.into_body(), BODY_MAX).await?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Problem::bad(format!("the body is not what is expected: {e}")))
}

async fn optional_body<T: serde::de::DeserializeOwned + Default>(
    request: Request<axum::body::Body>,
) -> Result<T, Refused> {
    let bytes = super::read(request.into_body(), BODY_MAX).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes)
        .map_err(|e| Problem::bad(format!("the body is not what is expected: {e}")))
}
