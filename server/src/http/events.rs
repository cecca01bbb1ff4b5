//! The caller's own stream of views (server-sent events, read with `fetch`).

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Streams of one caller at a time. A page that is loaded again leaves its old stream open until the network notices, so
/// the newest is let in and the oldest closed.
const STREAMS_MAX: usize = 4;

/// Open streams by caller, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<BTreeMap<CallerId, VecDeque<CancellationToken>>>>);

impl Streams {
    /// One more; it ends when the token is cancelled.
    fn enter(&self, caller: &CallerId) -> CancellationToken {
        let token = CancellationToken::new();
        self.with(|open| {
            let of_caller = open.entry(caller.clone()).or_default();
            of_caller.push_back(token.clone());
            while of_caller.len() > STREAMS_MAX {
                if let Some(oldest) = of_caller.pop_front() {
                    oldest.cancel();
                }
            }
        });
        token
    }

    fn leave(&self, caller: &CallerId, token: &CancellationToken) {
        token.cancel();
        self.with(|open| {
            if let Some(of_caller) = open.get_mut(caller) {
                of_caller.retain(|other| !other.is_cancelled());
                if of_caller.is_empty() {
                    open.remove(caller);
                }
            }
        });
    }

    fn with<T>(
        &self,
        look: impl FnOnce(&mut BTreeMap<CallerId, VecDeque<CancellationToken>>) -> T,
    ) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) fn stream(door: &Door, caller: CallerId) -> Response {
    let (tx, rx) = mpsc::channel::<Result<Bytes, Infallible>>(QUEUE);
    let (door, turn) = (door.clone(), door.streams.enter(&caller));
    tokio::spawn(async move {
        let following = follow(&door, &caller, tx, door.shutdown.clone());
        // Also one whose reader takes nothing.
        turn.run_until_cancelled(following).await;
        door.streams.leave(&caller, &turn);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that buffer would hold the events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(ReceiverStream::new(rx))).into_response()
}

async fn follow(
    door: &Door,
    caller: &CallerId,
    tx: mpsc::Sender<Result<Bytes, Infallible>>,
    stop: CancellationToken,
) {
    // While somebody listens, the video rate is theirs to set.
    let _steering = door.rtc.steer(caller);
    let (mut states, mut wants) = (door.rooms.board.follow(), door.rtc.wants());
    let mut tallies = door.rooms.tallies.follow();
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
        let want = wants.borrow_and_update().get(caller).copied();
        let Some(known) = state.callers.get(caller) else {
            return;
        };
        let tally = tallies.borrow_and_update().clone();
        let mut current = view(&state, known, want, &tally);
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
            changed = tallies.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_has_ended_gives_its_place_back() {
        let (streams, caller) = (Streams::default(), CallerId::new("c1").unwrap());
        let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| streams.enter(&caller)).collect();
        streams.leave(&caller, &open.remove(1));
        open.push(streams.enter(&caller));
        assert!(open.iter().all(|token| !token.is_cancelled()));
        open.push(streams.enter(&caller));
        assert!(open.remove(0).is_cancelled());
        for token in open {
            streams.leave(&caller, &token);
        }
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
