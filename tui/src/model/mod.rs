//! All that the console knows and shows. Changed by `update` alone, read by `view` alone; it can be written down and read
//! back at any moment.

pub mod bulk;
mod flags;
pub mod line;
pub mod list;
pub mod log;
pub mod meters;
pub mod modal;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};

use booth_proto::v1;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Right, Scope};
use crate::command::Command;
use crate::key::Key;
use crate::msg::Start;
use crate::settings::Settings;
use crate::text;

use bulk::Bulk;
use list::List;
use log::Log;
use meters::Meters;
use modal::Modal;
use world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    Air,
    Queue,
    Caller,
    Channels,
    Log,
    Health,
}

impl View {
    pub fn name(self) -> &'static str {
        match self {
            Self::Air => "Air",
            Self::Queue => "Queue",
            Self::Caller => "Caller",
            Self::Channels => "Channels",
            Self::Log => "Log",
            Self::Health => "Health",
        }
    }
}

/// The connection, as far as it matters to an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Nothing has been seen yet.
    Connecting,
    Live,
    Down {
        why: String,
        next: String,
        retry_at: u64,
    },
}

/// An on-air action that waits for Enter. Pinned: what it will do does not change with what is selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    pub command: Command,
    /// `TAKE 2 ← Bravo`.
    pub sentence: String,
    /// The same for a narrow terminal, where it can be long; else empty.
    pub short: String,
    pub until: u64,
    /// Until then an Enter is the one that armed it: held, or bouncing.
    pub deaf_until: u64,
    /// Who was on the slot, or what the channel was held on, when it was armed; a change of it disarms.
    pub seen: String,
    pub undo: Option<Undo>,
    pub then: Option<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub command: Command,
    /// `take 2 ← Bravo`.
    pub what: String,
    pub since: u64,
    /// The revision at which the server accepted it.
    pub accepted: Option<u64>,
    /// Sent once this one is accepted.
    pub then: Option<Command>,
    /// How to undo it.
    pub undo: Option<Undo>,
}

/// The counter-command of something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    pub command: Command,
    /// Who must be on the slot for it; empty for nobody.
    pub on_it: String,
    pub then: Option<Command>,
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Good,
    Plain,
    Bad,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub text: String,
    pub tone: Tone,
    pub until: u64,
}

/// A conflict whose other side has not arrived on the stream yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub what: String,
    pub resource: String,
    pub since: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    pub caller: String,
    pub jpeg: Vec<u8>,
    pub at: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub start: Start,
    pub settings: Settings,
    pub width: u16,
    pub height: u16,
    /// Monotonic.
    pub now: u64,
    pub zone_s: i32,
    /// What to add to `now` for the server's wall clock.
    pub clock_offset: Option<i64>,

    pub link: LinkState,
    /// When the stream last said something.
    pub heard: Option<u64>,
    pub rtt_ms: u64,
    pub status: Option<v1::GetStatusResponse>,
    pub operator: Option<v1::Operator>,

    pub world: World,
    pub meters: Meters,
    pub log: Log,

    /// `shows/main`.
    pub show: String,
    pub view: View,
    /// Where the caller's card was opened.
    pub back_to: View,
    /// How many of the queue are waiting, ready, held.
    pub counts: [usize; 3],
    /// Callers of the queue, as sorted and filtered; those on air too in the Queue view's end.
    pub queue: List,
    /// Callers of the queue that the next action on callers is for.
    pub marked: BTreeSet<String>,
    /// An action on many of them, on its way.
    pub bulk: Option<Bulk>,
    pub slot: Option<String>,
    pub channels: List,
    pub logs: List,
    pub health: List,

    pub armed: Option<Armed>,
    /// When arming ran out: an Enter that comes a moment too late does nothing.
    pub ran_out: Option<u64>,
    /// A question closed by itself: until then what is still being typed into it means nothing.
    pub unasked: Option<u64>,
    pub pending: BTreeMap<String, Pending>,
    pub undo: Option<Undo>,
    /// The request of the last take or release: only its answer says what can be undone.
    pub last_air: Option<String>,
    pub conflict: Option<Conflict>,
    pub notice: Option<Notice>,
    pub modal: Option<Modal>,
    /// Keys typed of a sequence.
    pub prefix: Vec<Key>,
    pub picture: Option<Picture>,
    pub picture_asked: Option<u64>,
    /// The latest join link, secret included; empty for none.
    pub join_url: String,
    /// How many synthetic callers this console let in.
    pub practice: Option<u32>,
    pub calls: u64,
    /// Something that is shown has changed.
    pub dirty: bool,
}

/// Heartbeats come every second: three are missing.
pub const STALE_MS: u64 = 3_500;
/// Of a name in a sentence.
pub const NAME_CELLS: usize = 16;
/// They come fifteen times a second.
const LEVELS_STALE_MS: u64 = 2_000;

impl Model {
    pub fn new(start: Start) -> Self {
        Self {
            settings: start.settings.clone(),
            width: start.width,
            height: start.height,
            now: 0,
            zone_s: start.zone_s,
            clock_offset: None,
            link: LinkState::Connecting,
            heard: None,
            rtt_ms: 0,
            status: None,
            operator: None,
            world: World::default(),
            meters: Meters::default(),
            log: Log::default(),
            show: format!("shows/{}", text::id(&start.show)),
            view: View::Air,
            back_to: View::Air,
            counts: [0; 3],
            queue: List::default(),
            marked: BTreeSet::new(),
            bulk: None,
            slot: None,
            channels: List::default(),
            logs: List::default(),
            health: List::default(),
            armed: None,
            ran_out: None,
            unasked: None,
            pending: BTreeMap::new(),
            undo: None,
            last_air: None,
            conflict: None,
            notice: None,
            modal: None,
            prefix: Vec::new(),
            picture: None,
            picture_asked: None,
            join_url: start.join_url.clone(),
            practice: None,
            calls: 0,
            dirty: true,
            start,
        }
    }

    /// Whether what is shown may be old: then nothing goes on air from here.
    pub fn stale(&self) -> bool {
        match (&self.link, self.heard) {
            (LinkState::Live, Some(heard)) => self.now >= heard + STALE_MS,
            _ => true,
        }
    }

    /// Whether the levels are old: shown grey, and still.
    pub fn levels_stale(&self) -> bool {
        self.stale() || self.now >= self.meters.at_ms + LEVELS_STALE_MS
    }

    /// A caller by name, and by id too where somebody else in the show looks the same. Short enough for a sentence: callers
    /// choose their names, and what stands after one must stay in sight.
    pub fn who(&self, caller: &str) -> String {
        self.who_within(caller, NAME_CELLS)
    }

    pub fn who_within(&self, caller: &str, cells: usize) -> String {
        let shown = |name: &str| text::fit(&self.world.caller_name(name), cells).into_owned();
        let name = shown(caller);
        let alike = self.world.callers.values().any(|other| {
            other.name != caller
                && other.state() != v1::caller::State::Ended
                && shown(&other.name) == name
        });
        if !alike {
            return name;
        }
        let id = format!(" ({})", text::id(caller));
        let room = cells.saturating_sub(text::width(&id)).max(2);
        format!("{}{id}", text::fit(&name, room))
    }

    /// What may be typed to mean a caller; first what is asked for: never a name that is cut.
    pub fn names_of(&self, caller: &str) -> Vec<String> {
        let (who, name) = (self.who(caller), self.world.caller_name(caller));
        let id = text::id(caller).to_owned();
        match who.starts_with(&name) {
            true => vec![who, name, id],
            false => vec![id, name],
        }
    }

    /// The server's wall clock, in milliseconds since the Unix epoch.
    pub fn server_ms(&self) -> Option<i64> {
        let offset = self.clock_offset?;
        Some(offset.saturating_add(i64::try_from(self.now).unwrap_or(i64::MAX)))
    }

    /// Time since, by the server's clock; frozen while that is unknown.
    pub fn since(&self, time: Option<&pbjson_types::Timestamp>) -> Option<i64> {
        Some((self.server_ms()? - world::millis(time)?).max(0))
    }

    pub fn right(&self) -> Right {
        match self.operator.as_ref().map(|o| o.role()) {
            Some(v1::Role::Viewer) => Right::Viewer,
            Some(v1::Role::Screener) => Right::Screener,
            // An old server that cannot say: it will refuse what is not allowed.
            None | Some(_) => Right::Operator,
        }
    }

    pub fn right_name(&self) -> &'static str {
        match self.right() {
            Right::Viewer => "VIEWER",
            Right::Screener => "SCREENER",
            Right::Operator => "OPERATOR",
        }
    }

    pub fn me(&self) -> &str {
        self.operator.as_ref().map_or("", |o| text::id(&o.name))
    }

    pub fn can(&self, capability: &str) -> bool {
        let Some(status) = &self.status else {
            return capability.is_empty() || capability == "slots" || capability == "callers";
        };
        capability.is_empty()
            || status.capabilities.iter().any(|c| c == capability)
            // Servers had channels before they said so.
            || (capability == "channels" && !self.world.channels.is_empty())
    }

    /// Whether an action has a meaning here: the view, the server, and this console's ways out.
    pub fn works(&self, action: Action) -> bool {
        let spec = action.spec();
        let here = match spec.scope {
            Scope::Anywhere => true,
            Scope::Callers => matches!(self.view, View::Air | View::Queue | View::Caller),
            Scope::Queue => matches!(self.view, View::Air | View::Queue),
            Scope::Channels => self.view == View::Channels,
        };
        let changes = spec.right > Right::Viewer;
        here && self.can(spec.capability)
            && !(changes && self.settings.read_only)
            && match action {
                Action::Practice => self.start.can_practice,
                Action::Suspend => self.start.can_suspend,
                _ => true,
            }
    }

    /// Whether the operator may.
    pub fn may(&self, action: Action) -> bool {
        self.right() >= action.spec().right
    }

    pub fn views(&self) -> Vec<View> {
        [
            (View::Air, ""),
            (View::Queue, "callers"),
            (View::Channels, "channels"),
            (View::Log, ""),
            (View::Health, ""),
        ]
        .into_iter()
        .filter(|(_, needs)| self.can(needs))
        .map(|(view, _)| view)
        .collect()
    }

    pub fn slots(&self) -> Vec<&v1::Slot> {
        self.world.slots_of(&self.show)
    }

    pub fn selected_slot(&self) -> Option<&v1::Slot> {
        let slots = self.slots();
        let chosen = self.slot.as_ref();
        let found = slots.iter().find(|s| Some(&s.name) == chosen).copied();
        found.or_else(|| slots.first().copied())
    }

    /// The list that keys move in.
    pub fn list(&self) -> &List {
        match self.view {
            View::Air | View::Queue | View::Caller => &self.queue,
            View::Channels => &self.channels,
            View::Log => &self.logs,
            View::Health => &self.health,
        }
    }

    pub fn list_mut(&mut self) -> &mut List {
        match self.view {
            View::Air | View::Queue | View::Caller => &mut self.queue,
            View::Channels => &mut self.channels,
            View::Log => &mut self.logs,
            View::Health => &mut self.health,
        }
    }

    /// Everybody in the queue, in its order.
    pub fn in_queue(&self) -> impl Iterator<Item = &v1::Caller> {
        let queue = self
            .world
            .shows
            .get(&self.show)
            .map_or(&[][..], |show| &show.queue);
        queue.iter().filter_map(|name| self.world.callers.get(name))
    }

    pub fn queue_length(&self) -> usize {
        self.world
            .shows
            .get(&self.show)
            .map_or(0, |show| show.queue.len())
    }

    /// 1-based place in the queue.
    pub fn place(&self, caller: &str) -> Option<u32> {
        let queue = &self.world.shows.get(&self.show)?.queue;
        let at = queue.iter().position(|name| name == caller)?;
        u32::try_from(at + 1).ok()
    }

    pub fn selected_caller(&self) -> Option<&v1::Caller> {
        self.world.callers.get(self.queue.selected.as_ref()?)
    }

    pub fn selected_channel(&self) -> Option<&v1::Channel> {
        self.world.channels.get(self.channels.selected.as_ref()?)
    }

    /// What is on its way for a resource.
    pub fn pending_on(&self, resource: &str) -> Option<&Pending> {
        let on_it = |p: &&Pending| {
            p.command.resource() == resource
                || matches!(&p.command, Command::Take { caller, .. } if caller == resource)
        };
        self.pending.values().find(on_it)
    }

    /// When something changes by time alone; `None` while nothing does.
    pub fn next_tick(&self) -> u64 {
        // The wall clock and the elapsed times turn with the second.
        let phase = self
            .server_ms()
            .map_or(0, |ms| ms.rem_euclid(1_000).unsigned_abs());
        let second = self.now + 1_000 - phase.min(999);
        let armed = self.armed.as_ref().map(|a| (self.now + 100).min(a.until));
        let notice = self.notice.as_ref().map(|n| n.until);
        let due = [Some(second), armed, notice].into_iter().flatten().min();
        due.unwrap_or(second).max(self.now + 1)
    }
}
