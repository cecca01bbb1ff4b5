//! One watcher's stream:
//!
//! ```text
//!   since = 0, too old, unknown ──▶ snapshot ──┐
//!   since known ──────────▶ missed changes ────┴──▶ changes ⇄ heartbeats ──▶ (token taken back | server stops)
//!                                                     │  ▲
//!                                          lagged ────┴──┘ new snapshot
//! ```
//!
//! Nothing is pushed at a watcher: it takes from the board's bounded queue when its connection has room. Who is slow
//! loses the queue's tail and gets a snapshot instead; nobody waits for anybody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use booth_core::{Key, Record, ShowId, State};
use booth_proto::convert::event::{Lookup, show_of};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, watch_response::Message};
use prost::Message as _;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::{Api, invalid};
use super::auth::{Identity, link_expired, still_admitted};
use super::places::Place;
use super::status::Reason;
use crate::board::{Board, Change, Resume};
use crate::clock::Clock;
use crate::vmix::TallyMap;

const HEARTBEAT_DEFAULT_S: u32 = 5;
const HEARTBEAT_MAX_S: u32 = 60;
/// Encoded size of one part of a snapshot. Clients take 4 MiB unless told otherwise, and one resource stays below 1 MiB.
const PART_BYTES: usize = 1024 * 1_024;
/// Facts while the ledger refuses to write change the state without a revision: they are shown by snapshots, no oftener.
const VOLATILE_PAUSE: Duration = Duration::from_secs(1);

pub struct Watcher {
    board: Board,
    clock: Clock,
    who: Identity,
    stop: CancellationToken,
    show: Option<ShowId>,
    heartbeat: Duration,
    changes: broadcast::Receiver<Change>,
    states: watch::Receiver<Arc<State>>,
    tallies: watch::Receiver<TallyMap>,
    /// What the reader knows of vMixes.
    told: TallyMap,
    /// Whether a reader who resumes still has to be told what vMixes say.
    tell_all: bool,
    /// The state at the last change told, and the different one before it, which still has what that change deleted.
    current: Arc<State>,
    before: Arc<State>,
    /// Revision the reader is at.
    at: u64,
    missed: VecDeque<(Arc<Record>, BTreeSet<Key>)>,
    parts: VecDeque<v1::WatchResponse>,
    next_beat: Instant,
    volatile_due: Option<Instant>,
    /// When the link token that opened the stream expires.
    over: Option<Instant>,
    volatile_told: Instant,
    ended: bool,
    _place: Place,
}

/// Then, or never.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Watcher {
    pub fn start(api: &Api, who: Identity, request: &v1::WatchRequest) -> Result<Self, Status> {
        let show = api.show_filter("show", &request.show)?;
        let heartbeat = match request.heartbeat_s {
            0 => HEARTBEAT_DEFAULT_S,
            s @ 1..=HEARTBEAT_MAX_S => s,
            _ => {
                return Err(invalid(
                    "heartbeat_s",
                    format!("1 to {HEARTBEAT_MAX_S} seconds, or 0 for {HEARTBEAT_DEFAULT_S}"),
                ));
            }
        };
        let place = api.places.enter(&who)?;
        let board = api.rooms.board.clone();
        // Subscribed first: what comes in between is seen twice, and told once.
        let changes = board.reader().changes;
        let mut states = board.follow();
        let state = states.borrow_and_update().clone();
        let mut watcher = Self {
            clock: api.rooms.clock,
            over: who.until.map(|until| api.rooms.clock.instant(until)),
            stop: api.stop.clone(),
            who,
            show,
            heartbeat: Duration::from_secs(u64::from(heartbeat)),
            changes,
            states,
            tallies: api.rooms.tallies.follow(),
            told: TallyMap::default(),
            tell_all: false,
            current: Arc::clone(&state),
            before: state,
            at: 0,
            missed: VecDeque::new(),
            parts: VecDeque::new(),
            next_beat: Instant::now(),
            volatile_due: None,
            volatile_told: Instant::now(),
            ended: false,
            board,
            _place: place,
        };
        watcher.begin(request.since);
        Ok(watcher)
    }

    /// The next message; `None` after the error that ended the stream.
    pub async fn next(&mut self) -> Option<Result<v1::WatchResponse, Status>> {
        if self.ended {
            return None;
        }
        let next = self.step().await;
        self.ended = next.is_err();
        self.next_beat = Instant::now() + self.heartbeat;
        Some(next)
    }

    async fn step(&mut self) -> Result<v1::WatchResponse, Status> {
        loop {
            self.look()?;
            if let Some(part) = self.parts.pop_front() {
                return Ok(part);
            }
            if let Some((record, keys)) = self.missed.pop_front() {
                if let Some(told) = self.tell(&record, &keys) {
                    return Ok(told);
                }
                continue;
            }
            if std::mem::take(&mut self.tell_all)
                && let Some(told) = self.tallied(&TallyMap::default())
            {
                return Ok(told);
            }
            let volatile = at(self.volatile_due);
            let over = at(self.over);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(stopping()),
                () = over => return Err(link_expired()),
                state = self.states.changed() => state.map_err(|_| stopping())?,
                tallies = self.tallies.changed() => {
                    tallies.map_err(|_| stopping())?;
                    let before = self.told.clone();
                    if let Some(told) = self.tallied(&before) {
                        return Ok(told);
                    }
                }
                change = self.changes.recv() => match change {
                    Ok(change) => {
                        if let Some(told) = self.follow(&change) {
                            return Ok(told);
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => self.snapshot(),
                    Err(broadcast::error::RecvError::Closed) => return Err(stopping()),
                },
                () = volatile => self.snapshot(),
                () = tokio::time::sleep_until(self.next_beat) => return Ok(self.beat()),
            }
        }
    }

    /// Looks at the latest state: whether the reader may still see it, and whether it changed without a record.
    fn look(&mut self) -> Result<(), Status> {
        let state = self.states.borrow_and_update().clone();
        still_admitted(&state, &self.who)?;
        if state.revision == self.at
            && !Arc::ptr_eq(&state, &self.current)
            && self.volatile_due.is_none()
        {
            self.volatile_due = Some(self.volatile_told + VOLATILE_PAUSE);
        }
        Ok(())
    }

    fn begin(&mut self, since: u64) {
        if since == 0 {
            return self.snapshot();
        }
        match self.board.resume(since) {
            Resume::Missed(missed) => {
                self.at = since;
                if !self.resume(missed) {
                    self.snapshot();
                }
            }
            Resume::Snapshot => self.snapshot(),
        }
    }

    /// Plans the missed changes; each resource goes with the last change that touched it, as it is now. False when one
    /// is gone and nobody knows its full name any more.
    fn resume(&mut self, missed: Vec<(Arc<Record>, Arc<BTreeSet<Key>>)>) -> bool {
        self.current = self.states.borrow_and_update().clone();
        self.before = Arc::clone(&self.current);
        self.told = self.tallies.borrow_and_update().clone();
        self.tell_all = true;
        let last: BTreeMap<&Key, usize> = missed
            .iter()
            .enumerate()
            .flat_map(|(n, (_, keys))| keys.iter().map(move |key| (key, n)))
            .collect();
        let nameless = last.keys().any(|key| match key {
            Key::Caller(id) => !self.current.callers.contains_key(id),
            Key::Invite(id) => !self.current.invites.contains_key(id),
            // Which show it belonged to decides whether it is told.
            Key::Slot(id) => self.show.is_some() && !self.current.slots.contains_key(id),
            _ => false,
        });
        if nameless {
            return false;
        }
        let planned = missed.iter().enumerate().map(|(n, (record, keys))| {
            let keys = keys
                .iter()
                .filter(|key| last.get(key) == Some(&n))
                .cloned()
                .collect();
            (Arc::clone(record), keys)
        });
        self.missed = planned.collect();
        if self.missed.is_empty() {
            // Says at once that the reader is up to date.
            let beat = self.beat();
            self.parts.push_back(beat);
        }
        true
    }

    fn follow(&mut self, change: &Change) -> Option<v1::WatchResponse> {
        if change.record.revision <= self.at {
            return None;
        }
        // Changes that became durable together share one state.
        if !Arc::ptr_eq(&self.current, &change.state) {
            self.before = std::mem::replace(&mut self.current, Arc::clone(&change.state));
        }
        self.tell(&change.record, &change.touched)
    }

    /// `None` when nothing of it is the reader's business.
    fn tell(&mut self, record: &Record, keys: &BTreeSet<Key>) -> Option<v1::WatchResponse> {
        self.at = record.revision;
        let states = [&*self.current, &*self.before];
        let lookup = Lookup(&states);
        let wanted = |show: Option<&ShowId>| self.show.is_none() || show == self.show.as_ref();
        let events: Vec<_> = record
            .events
            .iter()
            .filter(|event| wanted(show_of(event, lookup).as_ref()))
            .map(|event| convert::event::event(event, &record.actor, lookup))
            .collect();
        let resources: Vec<_> = keys
            .iter()
            .filter_map(|key| {
                let (show, resource) = resource(&self.current, &self.told, lookup, key)?;
                wanted(show.as_ref()).then_some(v1::Resource {
                    resource: Some(resource),
                })
            })
            .collect();
        if events.is_empty() && resources.is_empty() {
            return None;
        }
        let change = v1::Change {
            time: Some(convert::time(record.at)),
            actor: convert::operator::actor(&record.actor, &states),
            events,
            resources,
        };
        Some(message(self.at, Message::Change(change)))
    }

    /// What vMixes say differently now, at the revision the reader is at: it is no change of the state.
    fn tallied(&mut self, before: &TallyMap) -> Option<v1::WatchResponse> {
        self.told = self.tallies.borrow_and_update().clone();
        let changed = self.told.changed_from(before).into_iter();
        let slots = changed.filter_map(|id| self.current.slots.get(&id));
        let slots = slots.filter(|slot| self.show.as_ref().is_none_or(|show| *show == slot.show));
        let resources: Vec<_> = slots
            .map(|slot| v1::Resource {
                resource: Some(v1::resource::Resource::Slot(super::tally::slot(
                    slot,
                    &self.current,
                    &self.told,
                ))),
            })
            .collect();
        if resources.is_empty() {
            return None;
        }
        let change = v1::Change {
            time: Some(convert::time(self.clock.now())),
            actor: convert::operator::actor(&booth_core::Actor::System, &[&*self.current]),
            resources,
            ..v1::Change::default()
        };
        Some(message(self.at, Message::Change(change)))
    }

    fn snapshot(&mut self) {
        // What is queued is older than the state that is read next.
        self.changes = self.changes.resubscribe();
        let state = self.states.borrow_and_update().clone();
        self.missed.clear();
        self.tell_all = false;
        self.volatile_due = None;
        self.volatile_told = Instant::now();
        self.at = state.revision;
        self.told = self.tallies.borrow_and_update().clone();
        self.parts = parts(&state, &self.told, self.show.as_ref());
        self.current = Arc::clone(&state);
        self.before = state;
    }

    fn beat(&self) -> v1::WatchResponse {
        let time = Some(convert::time(self.clock.now()));
        message(self.at, Message::Heartbeat(v1::Heartbeat { time }))
    }
}

fn stopping() -> Status {
    Reason::ServerStopping.status("the server is stopping")
}

fn message(revision: u64, message: Message) -> v1::WatchResponse {
    v1::WatchResponse {
        revision,
        message: Some(message),
    }
}

/// A row as the wire has it, and the show it belongs to; `None` for rows that are not resources.
fn resource(
    state: &State,
    tallies: &TallyMap,
    lookup: Lookup<'_>,
    key: &Key,
) -> Option<(Option<ShowId>, v1::resource::Resource)> {
    use v1::resource::Resource;
    Some(match key {
        Key::Show(id) => {
            let found = state
                .shows
                .get(id)
                .map(|show| Resource::Show(convert::show::show(show)));
            (
                Some(id.clone()),
                found.unwrap_or_else(|| Resource::Deleted(names::show(id))),
            )
        }
        Key::Caller(id) => {
            let show = lookup.caller_show(id)?;
            let found = state
                .callers
                .get(id)
                .map(|c| Resource::Caller(convert::caller::caller(c, state)));
            let gone = || Resource::Deleted(names::caller(&show, id));
            let resource = found.unwrap_or_else(gone);
            (Some(show), resource)
        }
        Key::Invite(id) => {
            let show = lookup.invite_show(id)?;
            let found = state
                .invites
                .get(id)
                .map(|invite| Resource::Invite(convert::caller::invite(invite)));
            let gone = || Resource::Deleted(names::invite(&show, id));
            let resource = found.unwrap_or_else(gone);
            (Some(show), resource)
        }
        Key::Slot(id) => {
            let show = lookup
                .0
                .iter()
                .find_map(|s| s.slots.get(id))
                .map(|slot| slot.show.clone());
            let found = state
                .slots
                .get(id)
                .map(|slot| Resource::Slot(super::tally::slot(slot, state, tallies)));
            (
                show,
                found.unwrap_or_else(|| Resource::Deleted(names::slot(id))),
            )
        }
        // Channels belong to no show.
        Key::Channel(id) => {
            let found = state
                .channels
                .get(id)
                .map(|channel| Resource::Channel(convert::channel::channel(channel)));
            (
                None,
                found.unwrap_or_else(|| Resource::Deleted(names::channel(id))),
            )
        }
        Key::Operator(id) => {
            let found = state
                .operators
                .get(id)
                .map(|o| Resource::Operator(convert::operator::operator(o)));
            (
                None,
                found.unwrap_or_else(|| Resource::Deleted(names::operator(id))),
            )
        }
        Key::Answer(_) => return None,
    })
}

/// The state in parts of [`PART_BYTES`], all but the last marked `more`; at least one.
fn parts(state: &State, tallies: &TallyMap, show: Option<&ShowId>) -> VecDeque<v1::WatchResponse> {
    let wanted = |of: &ShowId| show.is_none_or(|show| show == of);
    let mut done = VecDeque::new();
    let mut part = v1::Snapshot::default();
    let mut bytes = 0;
    let mut room = |part: &mut v1::Snapshot, size: usize| {
        if bytes > 0 && bytes + size > PART_BYTES {
            bytes = 0;
            part.more = true;
            done.push_back(message(
                state.revision,
                Message::Snapshot(std::mem::take(part)),
            ));
        }
        bytes += size;
    };
    for found in state.shows.values().filter(|found| wanted(&found.id)) {
        let wire = convert::show::show(found);
        room(&mut part, wire.encoded_len());
        part.shows.push(wire);
    }
    for found in convert::caller::in_order(state, true, |caller| wanted(&caller.show)) {
        let wire = convert::caller::caller(found, state);
        room(&mut part, wire.encoded_len());
        part.callers.push(wire);
    }
    for found in state.slots.values().filter(|found| wanted(&found.show)) {
        let wire = super::tally::slot(found, state, tallies);
        room(&mut part, wire.encoded_len());
        part.slots.push(wire);
    }
    // Channels and operators belong to no show.
    for found in state.channels.values().filter(|_| show.is_none()) {
        let wire = convert::channel::channel(found);
        room(&mut part, wire.encoded_len());
        part.channels.push(wire);
    }
    for found in state.operators.values().filter(|_| show.is_none()) {
        let wire = convert::operator::operator(found);
        room(&mut part, wire.encoded_len());
        part.operators.push(wire);
    }
    for found in state.invites.values().filter(|found| wanted(&found.show)) {
        let wire = convert::caller::invite(found);
        room(&mut part, wire.encoded_len());
        part.invites.push(wire);
    }
    done.push_back(message(state.revision, Message::Snapshot(part)));
    done
}
