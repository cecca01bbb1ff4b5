//! `/tiles/slots/<s>.png` and `/tiles/callers/<c>.jpg`: pictures at an address, for what polls one (Companion, dashboards).
//!
//! A slot's says its state in words, so that it is a tally; a caller's is the worker's JPEG as it is. Where there is no
//! picture, words stand in its place. However often it is asked, a tile is made once for each thing it shows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_core::{CallerId, CallerState, Denied, Showing, SlotId, State, Timestamp, WorkerState};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tracing::warn;

use super::connect;
use super::picture::{Lettering, Picture, PictureError, Rgb, can_write};
use crate::grpc::api::refused;
use crate::grpc::auth::{Identity, admit};
use crate::grpc::gate::ANSWER_WITHIN;
use crate::grpc::slot::caller_picture;
use crate::grpc::status::Reason;
use crate::http::Limiter;
use crate::meters::Tile;
use crate::server::Rooms;

const SLOT: &str = "/booth.v1.SlotService/GetSlotTile";
const CALLER: &str = "/booth.v1.CallerService/GetCallerTile";
/// Tiles of one operator: twenty a second.
const PER_MINUTE: u32 = 1_200;
/// Being made at a time; more wait.
const AT_WORK: usize = 2;
/// Tiles kept: about 10 MB. Beyond it all are made anew.
const KEPT: usize = 256;
/// A picture older than this is not of now.
const FRESH_MS: i64 = 10_000;

const RED: Rgb = [200, 0, 0];
const GREEN: Rgb = [0, 160, 0];
const AMBER: Rgb = [224, 150, 0];
const GREY: Rgb = [90, 90, 90];

#[derive(Debug)]
pub struct Tiles {
    rooms: Rooms,
    limiter: Limiter,
    work: Arc<Semaphore>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    shows: Shown,
    bytes: Bytes,
}

/// What a tile shows; the same makes the same tile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    words: Lettering,
    picture: Option<(Timestamp, Bytes)>,
    png: bool,
}

impl Tiles {
    pub fn new(rooms: Rooms) -> Self {
        Self {
            rooms,
            limiter: Limiter::new(PER_MINUTE),
            work: Arc::new(Semaphore::new(AT_WORK)),
            kept: Mutex::default(),
        }
    }

    /// GET of a path below `/tiles/`.
    pub async fn answer(&self, path: &str, headers: &HeaderMap) -> Response<Body> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.tile(path, headers)).await;
        let late = || Err(Reason::TimedOut.status("the picture was not made in time"));
        match answer.unwrap_or_else(|_| late()) {
            Ok((content_type, bytes)) => tagged(content_type, bytes, headers),
            Err(status) => {
                let mut response = connect::refused(&status);
                if status.code() == tonic::Code::ResourceExhausted {
                    let second = HeaderValue::from_static("1");
                    response.headers_mut().insert(header::RETRY_AFTER, second);
                }
                response
            }
        }
    }

    async fn tile(&self, path: &str, headers: &HeaderMap) -> Result<(&'static str, Bytes), Status> {
        let nothing = || {
            Reason::UnknownMethod
                .status("tiles are at /tiles/slots/<slot>.png and /tiles/callers/<caller>.jpg")
        };
        let slot = path
            .strip_prefix("/tiles/slots/")
            .and_then(|s| s.strip_suffix(".png"));
        let caller = path
            .strip_prefix("/tiles/callers/")
            .and_then(|c| c.strip_suffix(".jpg"));
        let method = match (slot, caller) {
            (Some(_), _) => SLOT,
            (_, Some(_)) => CALLER,
            _ => return Err(nothing()),
        };
        let who = admit(&self.rooms, method, headers)?;
        self.take(who.as_ref())?;
        let state = self.rooms.board.state();
        if let Some(id) = slot {
            let id = SlotId::new(id).map_err(|_| nothing())?;
            let shown = self.slot(&state, &id)?;
            return Ok(("image/png", self.make(path, shown).await?));
        }
        let id = CallerId::new(caller.unwrap_or_default()).map_err(|_| nothing())?;
        let shown = self.caller(&state, &id)?;
        let bytes = match shown.picture {
            Some((_, jpeg)) => jpeg,
            None => self.make(path, shown).await?,
        };
        Ok(("image/jpeg", bytes))
    }

    /// Counts one; the limiter knows addresses, so each operator gets one of a private range.
    fn take(&self, who: Option<&Identity>) -> Result<(), Status> {
        let name = who.map_or("", |who| who.id.as_str());
        let mut octets = [0_u8; 16];
        octets.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
        octets[0] = 0xfd;
        let taken = self.limiter.take(IpAddr::from(octets), Instant::now());
        taken.map_err(|_: Duration| {
            Reason::RateLimited.status("at most twenty tiles a second for one operator")
        })
    }

    fn slot(&self, state: &State, id: &SlotId) -> Result<Shown, Status> {
        let slot = state
            .slots
            .get(id)
            .ok_or_else(|| refused(Denied::SlotNotFound { slot: id.clone() }))?;
        let up = slot.worker == WorkerState::Up;
        let (word, colour, caller) = match &slot.showing {
            _ if !up => ("OFFLINE", AMBER, None),
            Showing::Idle => ("IDLE", GREY, None),
            Showing::Armed { caller } => ("ARMED", GREEN, Some(caller)),
            Showing::Caller { caller } => ("ON AIR", RED, Some(caller)),
            Showing::Frozen { caller } => ("FROZEN", AMBER, Some(caller)),
        };
        let title = match slot.settings.title.as_str() {
            title if !title.is_empty() && can_write(title) => title.to_owned(),
            _ => format!("slot {id}"),
        };
        let picture = self.rooms.meters.update(|r| r.slot_tiles.get(id).cloned());
        Ok(Shown {
            words: Lettering {
                title,
                state: word.into(),
                who: caller.map(|caller| name(state, caller)).unwrap_or_default(),
                colour,
            },
            picture: picture.filter(|_| up).and_then(|tile| self.fresh(tile)),
            png: true,
        })
    }

    fn caller(&self, state: &State, id: &CallerId) -> Result<Shown, Status> {
        let caller = state
            .callers
            .get(id)
            .ok_or_else(|| refused(Denied::CallerNotFound { caller: id.clone() }))?;
        let (word, colour) = match caller.state {
            CallerState::Joining => ("JOINING", GREY),
            CallerState::Waiting => ("WAITING", GREY),
            CallerState::Screening => ("SCREENING", GREY),
            CallerState::Ready => ("READY", GREEN),
            CallerState::Held => ("HELD", AMBER),
            CallerState::OnAir => ("ON AIR", RED),
            CallerState::Ended(_) => ("ENDED", GREY),
        };
        let picture = caller_picture(&self.rooms, state, id);
        Ok(Shown {
            words: Lettering {
                title: name(state, id),
                state: word.into(),
                who: id.to_string(),
                colour,
            },
            picture: picture.and_then(|tile| self.fresh(tile)),
            png: false,
        })
    }

    fn fresh(&self, tile: Tile) -> Option<(Timestamp, Bytes)> {
        let age_ms = self.rooms.clock.now().0 - tile.at.0;
        (age_ms <= FRESH_MS).then_some((tile.at, tile.jpeg))
    }

    /// The tile as it was made before, or made now, off the threads that answer.
    async fn make(&self, path: &str, shown: Shown) -> Result<Bytes, Status> {
        if let Some(bytes) = self.kept(path, &shown) {
            return Ok(bytes);
        }
        let failed =
            |why: &dyn std::fmt::Display| Reason::Internal.status(format!("no tile: {why}"));
        let place = Arc::clone(&self.work)
            .acquire_owned()
            .await
            .map_err(|e| failed(&e))?;
        // Whoever waited may find that another made it.
        if let Some(bytes) = self.kept(path, &shown) {
            return Ok(bytes);
        }
        let drawn = shown.clone();
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            draw(&drawn)
        });
        let bytes = made
            .await
            .map_err(|e| failed(&e))?
            .map_err(|e| failed(&e))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(path) {
            kept.clear();
        }
        kept.insert(
            path.to_owned(),
            Kept {
                shows: shown,
                bytes: bytes.clone(),
            },
        );
        Ok(bytes)
    }

    fn kept(&self, path: &str, shown: &Shown) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(path).filter(|kept| kept.shows == *shown)?;
        Some(found.bytes.clone())
    }
}

fn draw(shown: &Shown) -> Result<Bytes, PictureError> {
    let words = || Picture::of_words(&shown.words);
    let picture = match &shown.picture {
        Some((_, jpeg)) => Picture::of_jpeg(jpeg, &shown.words).unwrap_or_else(|error| {
            warn!(%error, "a worker's tile");
            words()
        }),
        None => words(),
    };
    let bytes = if shown.png {
        picture.png()
    } else {
        picture.jpeg()
    };
    bytes.map(Bytes::from)
}

/// A caller's name in letters that are there, or else the id.
fn name(state: &State, id: &CallerId) -> String {
    let name = state.callers.get(id).map(|caller| caller.name.as_str());
    match name {
        Some(name) if !name.is_empty() && can_write(name) => name.to_owned(),
        _ => id.to_string(),
    }
}

/// With a tag, for those who ask whether it is still the same.
fn tagged(content_type: &'static str, bytes: Bytes, asked: &HeaderMap) -> Response<Body> {
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    let mut response = connect::whole(content_type, if same { Bytes::new() } else { bytes });
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
