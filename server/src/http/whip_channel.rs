//! WHIP for channels: whoever shows the live key feeds the channel, as by RTMP. Sessions are those of [`super::whip`].

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use booth_core::PublishProtocol;
use http::{HeaderMap, Request, StatusCode, header};

use super::calls::bearer_text;
use super::problem::Problem;
use super::{Client, Door, whip};
use crate::publish::{PublishError, Publishing};
use crate::rtc::{Party, sdp};

pub(super) async fn publish(
    State(door): State<Door>,
    Extension(client): Extension<Client>,
    Path(channel): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    door.attempt(client)?;
    whip::content_type(request.headers(), whip::SDP)?;
    let key = bearer_text(request.headers()).ok_or(PublishError::Key)?;
    // Who is not let in does not get to send us anything large.
    let (channel, key) = door.publish.channel_of(&channel, key, Some(client.0))?;
    let agent = agent(request.headers());
    let body = super::read(request.into_body(), sdp::SDP_MAX).await?;
    let offer = sdp::check(&body)?;
    if !(offer.video && sdp::offers(&offer.sdp, "H264")) {
        return Err(Problem::bad(
            "a channel takes H.264 video, with Opus sound: the offer has no H.264",
        ));
    }
    let id = door.publish.next_id();
    let party = Party::Publisher(channel.clone(), id);
    // The offer is answered before anybody is taken off: one that cannot be answered changes nothing.
    let prepared = door.rtc.prepare(&party, offer).await?;
    let desk = door.publish.clone();
    let peer = client.0.to_string();
    // A client that leaves in between leaves a session behind, which ends by itself, never a publisher without one.
    let opened = tokio::spawn(async move {
        let publishing = Publishing {
            id,
            protocol: PublishProtocol::Whip,
            peer: &peer,
            agent: &agent,
            key: &key,
        };
        desk.publish(&channel, publishing).await?;
        prepared
            .start()
            .ok_or_else(|| Problem::internal(&"a session was started twice"))
    });
    let opened = opened.await.map_err(|e| Problem::internal(&e))??;
    Ok(whip::created(&door, opened, &party.to_string()))
}

fn agent(headers: &HeaderMap) -> String {
    let value = headers.get(header::USER_AGENT);
    let text = value.and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.to_owned()
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Key => Self::new(
                StatusCode::UNAUTHORIZED,
                "STREAM_KEY_INVALID",
                error.to_string(),
            ),
            PublishError::TooMany => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                error.to_string(),
            )
            .after(60),
            PublishError::Command(error) => error.into(),
        }
    }
}
