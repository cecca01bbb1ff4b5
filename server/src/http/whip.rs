//! WHIP (RFC 9725): the door that browsers, OBS, ffmpeg and the demo all use.

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use booth_core::{CallerId, Denied};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use serde::Deserialize;

use super::calls::{bearer_text, enter, new_caller};
use super::problem::Problem;
use super::{Client, Door};
use crate::rtc::{Opened, Party, Patched, sdp};
use crate::secrets::token_hash;

pub(super) const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const BOOTH_REJOIN: HeaderName = HeaderName::from_static("booth-rejoin");
const BOOTH_CALLER: HeaderName = HeaderName::from_static("booth-caller");

#[derive(Deserialize, Default)]
pub(super) struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    topic: String,
}

pub(super) async fn publish(
    State(door): State<Door>,
    Extension(client): Extension<Client>,
    Path(show): Path<String>,
    Query(named): Query<Named>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    door.attempt(client)?;
    content_type(request.headers(), SDP)?;
    let token = bearer_text(request.headers()).map(str::to_owned);
    let token = token.ok_or_else(|| Problem::from(Denied::InviteUnknown))?;
    // Who is not let in does not get to send us anything large.
    let known = admitted(&door, &show, &token)?;
    let body = super::read(request.into_body(), sdp::SDP_MAX).await?;
    let offer = sdp::check(&body)?;
    let (caller, rejoin, opened) = match known {
        Some(caller) => {
            let opened = door.rtc.open(&caller, offer).await?;
            (caller, None, opened)
        }
        None => {
            // The offer is answered before the invite is used: a full server or an offer that cannot be answered costs
            // no use of it, and most clients of this door could not come back with anything else.
            let caller = new_caller()?;
            let prepared = door
                .rtc
                .prepare(&Party::Caller(caller.clone()), offer)
                .await?;
            let (name, topic) = (&named.name, &named.topic);
            let entered = enter(&door, caller, &show, &token, name, topic, None).await?;
            let opened = prepared.start();
            let opened = opened.ok_or_else(|| Problem::internal(&"a session was started twice"))?;
            (entered.caller, Some(entered.rejoin), opened)
        }
    };
    let mut response = created(&door, opened, caller.as_str());
    let headers = response.headers_mut();
    insert(headers, BOOTH_CALLER, caller.as_str());
    if let Some(rejoin) = rejoin {
        // The caller's own secret, said once, to them.
        insert(headers, BOOTH_REJOIN, rejoin.expose());
    }
    Ok(response)
}

/// 201 with the answer, the session's place and the ICE servers for whoever this is.
pub(super) fn created(door: &Door, opened: Opened, who: &str) -> Response {
    let mut response = (StatusCode::CREATED, opened.answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    insert(
        headers,
        header::LOCATION,
        &format!("/whip/sessions/{}", opened.token),
    );
    insert(headers, header::ETAG, &opened.etag);
    for link in door.rtc.ice().links(who, door.now_s()) {
        if let Ok(value) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, value);
        }
    }
    response
}

/// The caller whose rejoin token it is; `None` when it is an invite. Nothing has changed yet.
fn admitted(door: &Door, show: &str, token: &str) -> Result<Option<CallerId>, Problem> {
    let state = door.rooms.board.state();
    let hash = token_hash(token);
    if let Some(caller) = state.caller_by_rejoin(&hash) {
        if caller.state.is_ended() {
            return Err(Denied::CallerEnded {
                caller: caller.id.clone(),
            }
            .into());
        }
        if caller.show.as_str() != show {
            return Err(Denied::CallerOtherShow {
                caller: caller.id.clone(),
                show: caller.show.clone(),
            }
            .into());
        }
        return Ok(Some(caller.id.clone()));
    }
    match state.invite_by_token(&hash) {
        Some(invite) if invite.show.as_str() == show => Ok(None),
        _ => Err(Denied::InviteUnknown.into()),
    }
}

/// RFC 9725 §4.3: trickled candidates and ICE restarts.
pub(super) async fn patch(
    State(door): State<Door>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    if !door.rtc.has(&token) {
        return Err(Problem::not_found("there is no such session"));
    }
    content_type(request.headers(), FRAGMENT)?;
    let if_match = request
        .headers()
        .get(header::IF_MATCH)
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let body = super::read(request.into_body(), sdp::FRAGMENT_MAX).await?;
    Ok(
        match door.rtc.patch(&token, if_match.as_deref(), &body).await? {
            Patched::Trickled => StatusCode::NO_CONTENT.into_response(),
            Patched::Restarted { etag, fragment } => {
                let mut response = (StatusCode::OK, fragment).into_response();
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
                insert(response.headers_mut(), header::ETAG, &etag);
                response
            }
        },
    )
}

pub(super) async fn delete(
    State(door): State<Door>,
    Path(token): Path<String>,
) -> Result<StatusCode, Problem> {
    if door.rtc.close(&token).await {
        Ok(StatusCode::OK)
    } else {
        Err(Problem::not_found("there is no such session"))
    }
}

/// Preflights, and what a client may send.
pub(super) async fn options() -> Response {
    let headers = [
        (HeaderName::from_static("accept-post"), SDP),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "OPTIONS, POST, PATCH, DELETE",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, if-match",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Pages of other origins may publish: the bearer token is what lets them, and no cookie exists.
pub(super) fn cross_origin(headers: &mut HeaderMap) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, etag, link, retry-after, booth-rejoin, booth-caller"),
    );
}

pub(super) fn content_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(Problem::media_type(wanted))
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
