//! A channel's output as HLS: the playlist and the segments that its worker writes to `<run>/hls/<channel>/`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use booth_core::ChannelId;
use booth_media::hls::{PLAYLIST, segment};
use http::{HeaderMap, HeaderValue, header};

use super::Door;
use super::problem::Problem;

const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
const SEGMENT_TYPE: &str = "video/mp2t";
/// A segment of some seconds at the highest bit rate is a tenth of it.
const FILE_MAX: u64 = 64 << 20;

pub(super) async fn file(
    State(door): State<Door>,
    Path((channel, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("there is no such stream, or it is off");
    let kind = kind(&name).ok_or_else(nothing)?;
    let state = door.rooms.board.state();
    let id = ChannelId::new(&channel).map_err(|_| nothing())?;
    let on = |channel: &booth_core::Channel| channel.running && channel.settings.hls;
    if !state.channels.get(&id).is_some_and(|channel| on(channel)) {
        return Err(nothing());
    }
    let path = door.hls.join(id.as_str()).join(&name);
    let about = tokio::fs::metadata(&path).await.map_err(|_| nothing())?;
    if !about.is_file() || about.len() > FILE_MAX {
        return Err(nothing());
    }
    // The window may have moved on meanwhile.
    let bytes = tokio::fs::read(&path).await.map_err(|_| nothing())?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let keep = if kind == PLAYLIST_TYPE {
        "no-cache"
    } else {
        "public, max-age=60"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Ok(response)
}

/// Players on pages of any origin may look.
pub(super) fn cross_origin(headers: &mut HeaderMap) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
}

/// The content type of what may be asked for: the playlist and segments, nothing else.
fn kind(name: &str) -> Option<&'static str> {
    if name == PLAYLIST {
        return Some(PLAYLIST_TYPE);
    }
    segment(name).map(|_| SEGMENT_TYPE)
}
