//! The caller's own stream of views (server-sent events, read with `fetch`).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use booth_core::CallerId;
use bytes::Bytes;
use http::header;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Door;
use super::view::{CallView, view};

const BEAT: Duration = Duration::from_secs(5);
/// A reader that is this far behind gets the newest view when it reads again; nothing piles up.
const QUEUE: usize = 2;

pub(super) fn stream(door: &Door, caller: CallerId) -> Response {
    let (tx, rx) = mpsc::channel::<Result<Bytes, Infallible>>(QUEUE);
    tokio::spawn(follow(door.clone(), caller, tx, door.shutdown.clone()));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that buffer would hold the events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(ReceiverStream::new(rx))).into_response()
}

async fn follow(
    door: Door,
    caller: CallerId,
    tx: mpsc::Sender<Result<Bytes, Infallible>>,
    stop: CancellationToken,
) {
    // While somebody listens, the video rate is theirs to set.
    let _steering = door.rtc.steer(&caller);
    let (mut states, mut wants) = (door.rooms.board.follow(), door.rtc.wants());
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.tick().await;
    let mut last: Option<CallView> = None;
    loop {
        // The room first, the view then: what is sent is always the newest.
        let Ok(place) = tx.reserve().await else {
            return;
        };
        let state = states.borrow_and_update().clone();
        let want = wants.borrow_and_update().get(&caller).copied();
        let Some(known) = state.callers.get(&caller) else {
            return;
        };
        let mut current = view(&state, known, want);
        current.rev = last.as_ref().map_or(0, |last| last.rev);
        if last.as_ref() != Some(&current) {
            current.rev += 1;
            let Ok(json) = serde_json::to_string(&current) else {
                return;
            };
            place.send(Ok(Bytes::from(format!("event: call\ndata: {json}\n\n"))));
            let over = current.ended.is_some();
            last = Some(current);
            if over {
                return;
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tx.closed() => return,
            _ = beat.tick() => place.send(Ok(Bytes::from_static(b": beat\n\n"))),
            changed = states.changed() => if changed.is_err() { return },
            changed = wants.changed() => if changed.is_err() { return },
        }
    }
}
