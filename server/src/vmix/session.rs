//! One conversation with a vMix, without sockets and clocks: what to ask next, and what the answers mean.
//!
//! ```text
//!   SUBSCRIBE TALLY ─▶ TALLY ─▶ [XML, when an input goes by name] ⇄ SetText, one for each title that is not right yet
//!                                        every 5 s of silence: TALLY, which must be answered
//! ```
//!
//! vMix wants one request at a time. None is queued: the next one follows from what is wanted and what was answered, so
//! a repeat after a reconnect comes by itself. Asked by the link alone.

use std::collections::BTreeMap;
use std::time::Duration;

use booth_core::{Showing, SlotId, State, VmixTitle};
use tokio::time::Instant;

use super::inputs::Inputs;
use super::tallies::{SlotVmix, Tally};
use super::wire::{Broken, Heard, set_text};

/// An answer takes milliseconds; one that is not there by then does not come.
pub const ANSWER: Duration = Duration::from_secs(5);
/// Silence after which vMix is asked whether it is still there.
const PROBE: Duration = Duration::from_secs(5);
/// Names are looked up again this often: a move of inputs is no event. As large as vMix's state is, this costs it little.
const LOOK: Duration = Duration::from_secs(2);
/// A refused title is tried again after this: somebody may add the input.
const REFUSED: Duration = Duration::from_secs(5);
/// Messages in one second beyond which a peer is cut off. vMix sends a tally for each cut.
const MESSAGES_MAX: u32 = 1_000;

/// What one slot wants of its vMix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    pub input: String,
    pub title: Option<VmixTitle>,
    /// Name of the caller who shows; empty when nobody does.
    pub text: String,
}

/// What all slots of one vMix want.
pub type Plan = BTreeMap<SlotId, Want>;

/// The plans of all vMixes, by address.
pub fn plans(state: &State) -> BTreeMap<String, Plan> {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for slot in state.slots.values() {
        let Some(vmix) = &slot.settings.vmix else {
            continue;
        };
        // What is observed, not what is wanted: a title must not name somebody before they are seen. While the picture
        // stands still, its owner does not change.
        let shown = match &slot.showing {
            Showing::Caller { caller } | Showing::Frozen { caller } => state.callers.get(caller),
            Showing::Idle | Showing::Armed { .. } => None,
        };
        let want = Want {
            input: vmix.input.clone(),
            title: vmix.title.clone(),
            text: shown
                .map(|caller| caller.name.as_str().to_owned())
                .unwrap_or_default(),
        };
        let plan = plans.entry(vmix.address.clone()).or_default();
        plan.insert(slot.id.clone(), want);
    }
    plans
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("it does not answer")]
    Silent,
    #[error("it refuses to tell its tally: {0}")]
    NoTally(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Subscribe,
    Tally,
    Xml,
    Title(VmixTitle, String),
}

impl Asked {
    fn command(&self) -> &'static str {
        match self {
            Self::Subscribe => "SUBSCRIBE",
            Self::Tally => "TALLY",
            Self::Xml => "XML",
            Self::Title(..) => "FUNCTION",
        }
    }
}

/// One text field: what it should say, and what vMix has taken.
#[derive(Debug, Default)]
struct Title {
    wanted: String,
    /// No slot has it any more: it is emptied, and forgotten then.
    left: bool,
    taken: Option<String>,
    refused: Option<(String, Instant)>,
}

impl Title {
    fn is_settled(&self) -> bool {
        self.taken.as_ref() == Some(&self.wanted)
    }
}

#[derive(Debug)]
pub struct Session {
    plan: Plan,
    titles: BTreeMap<VmixTitle, Title>,
    asked: Option<(Asked, Instant)>,
    subscribed: bool,
    heard: Instant,
    /// One for each input, in order.
    tally: Option<Vec<u8>>,
    inputs: Option<Inputs>,
    /// Why the inputs are not known.
    unread: Option<String>,
    look: Instant,
    second: Instant,
    messages: u32,
}

impl Session {
    pub fn new(plan: Plan, now: Instant) -> Self {
        let mut session = Self {
            plan: Plan::new(),
            titles: BTreeMap::new(),
            asked: None,
            subscribed: false,
            heard: now,
            tally: None,
            inputs: None,
            unread: None,
            look: now,
            second: now,
            messages: 0,
        };
        session.plan(plan, now);
        session
    }

    pub fn plan(&mut self, plan: Plan, now: Instant) {
        let names = |plan: &Plan| -> Vec<String> {
            let inputs = plan.values().map(|want| want.input.clone());
            inputs.filter(|input| number(input).is_none()).collect()
        };
        if names(&plan) != names(&self.plan) {
            self.look = now;
        }
        for title in self.titles.values_mut() {
            (title.left, title.wanted) = (true, String::new());
        }
        for want in plan.values() {
            let Some(title) = &want.title else { continue };
            let title = self.titles.entry(title.clone()).or_default();
            // Slots that share a title: whoever shows somebody, the first of them.
            if title.wanted.is_empty() {
                title.wanted.clone_from(&want.text);
            }
            title.left = false;
        }
        self.plan = plan;
        self.forget();
    }

    /// Titles that were never written, or are empty again, need no goodbye; one that is being written does.
    fn forget(&mut self) {
        let written = |title: &Title| title.taken.as_deref().is_some_and(|t| !t.is_empty());
        let asked = match &self.asked {
            Some((Asked::Title(title, text), _)) if !text.is_empty() => Some(title),
            _ => None,
        };
        self.titles
            .retain(|name, title| !title.left || written(title) || asked == Some(name));
    }

    /// Whether nothing is wanted any more, and nothing is left behind.
    pub fn is_over(&self) -> bool {
        self.plan.is_empty() && self.titles.is_empty()
    }

    /// The next request line, without its end. Call again after each answer.
    pub fn poll(&mut self, now: Instant) -> Option<String> {
        if self.asked.is_some() {
            return None;
        }
        let (asked, line) = self.next(now)?;
        self.asked = Some((asked, now));
        Some(line)
    }

    fn next(&self, now: Instant) -> Option<(Asked, String)> {
        if !self.subscribed {
            return Some((Asked::Subscribe, "SUBSCRIBE TALLY".into()));
        }
        // The subscription tells changes; this, what is.
        if self.tally.is_none() {
            return Some((Asked::Tally, "TALLY".into()));
        }
        for (title, field) in &self.titles {
            let waits = field
                .refused
                .as_ref()
                .is_some_and(|(_, until)| now < *until);
            if !field.is_settled() && !waits {
                let line = set_text(&title.input, title.field.as_deref(), &field.wanted);
                return Some((Asked::Title(title.clone(), field.wanted.clone()), line));
            }
        }
        if self.looks() && now >= self.look {
            return Some((Asked::Xml, "XML".into()));
        }
        (now >= self.heard + PROBE).then(|| (Asked::Tally, "TALLY".into()))
    }

    /// Whether an input goes by name.
    fn looks(&self) -> bool {
        self.plan.values().any(|want| number(&want.input).is_none())
    }

    /// When [`Self::poll`] or [`Self::check`] may have something new to say.
    pub fn due(&self) -> Instant {
        if let Some((_, since)) = &self.asked {
            return *since + ANSWER;
        }
        // What was refused and is not wanted any more is no reason to wake up.
        let unsettled = self.titles.values().filter(|title| !title.is_settled());
        let refused = unsettled.filter_map(|t| t.refused.as_ref().map(|(_, until)| *until));
        let look = self.looks().then_some(self.look);
        let probe = self.heard + PROBE;
        refused.chain(look).fold(probe, Instant::min)
    }

    pub fn check(&self, now: Instant) -> Result<(), Lost> {
        match &self.asked {
            Some((_, since)) if now >= *since + ANSWER => Err(Lost::Silent),
            _ => Ok(()),
        }
    }

    /// The command whose data may come now.
    pub fn asks_for(&self) -> Option<&'static str> {
        self.asked.as_ref().map(|(asked, _)| asked.command())
    }

    pub fn hear(&mut self, heard: Heard, now: Instant) -> Result<(), Lost> {
        if now >= self.second + Duration::from_secs(1) {
            (self.second, self.messages) = (now, 0);
        }
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            return Err(Broken::Flood.into());
        }
        self.heard = now;
        let command = match &heard {
            Heard::Ok { command, .. }
            | Heard::Error { command, .. }
            | Heard::Data { command, .. } => command,
        };
        if let Heard::Ok { text, .. } = &heard
            && command == "TALLY"
        {
            self.tallied(text, now)?;
        }
        // Events come at any time; an answer is known by its command.
        if self.asks_for() != Some(command.as_str()) {
            return Ok(());
        }
        match (self.asked.take().map(|(asked, _)| asked), heard) {
            (Some(Asked::Subscribe), Heard::Ok { .. }) => self.subscribed = true,
            (Some(Asked::Subscribe | Asked::Tally), Heard::Error { text, .. }) => {
                return Err(Lost::NoTally(text));
            }
            (Some(Asked::Xml), Heard::Data { bytes, .. }) => {
                self.look = now + LOOK;
                match Inputs::parse(&bytes) {
                    Ok(inputs) => (self.inputs, self.unread) = (Some(inputs), None),
                    Err(why) => self.unread = Some(super::wire::clean(&why, 100)),
                }
            }
            (Some(Asked::Xml), Heard::Ok { text, .. } | Heard::Error { text, .. }) => {
                (self.look, self.unread) = (now + LOOK, Some(text));
            }
            (Some(Asked::Title(title, text)), answer) => self.titled(&title, text, answer, now),
            _ => {}
        }
        Ok(())
    }

    fn titled(&mut self, title: &VmixTitle, text: String, answer: Heard, now: Instant) {
        if let Some(field) = self.titles.get_mut(title) {
            match answer {
                // A title that is gone for good is not tried for ever.
                Heard::Error { .. } if field.left => field.taken = None,
                Heard::Error { text, .. } => field.refused = Some((text, now + REFUSED)),
                _ => (field.taken, field.refused) = (Some(text), None),
            }
        }
        self.forget();
    }

    fn tallied(&mut self, digits: &str, now: Instant) -> Result<(), Lost> {
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            let said = super::wire::clean(digits, 40);
            return Err(Broken::Garbage(format!("TALLY OK {said}")).into());
        }
        let digits = digits.as_bytes().to_vec();
        // Inputs came or went, so names may stand elsewhere.
        if self
            .tally
            .as_ref()
            .is_some_and(|old| old.len() != digits.len())
        {
            self.look = now;
        }
        self.tally = Some(digits);
        Ok(())
    }

    /// How it stands with each slot.
    pub fn told(&self) -> BTreeMap<SlotId, SlotVmix> {
        let each = self.plan.iter();
        each.map(|(slot, want)| (slot.clone(), self.of(want)))
            .collect()
    }

    fn of(&self, want: &Want) -> SlotVmix {
        let Some(tally) = self.tally.as_ref().filter(|_| self.subscribed) else {
            return SlotVmix::default();
        };
        let place = number(&want.input).or_else(|| self.inputs.as_ref()?.number(&want.input));
        let found = place.and_then(|place| tally.get(place.checked_sub(1)?));
        let error = match (found, &self.unread) {
            (Some(_), _) => None,
            (None, Some(why)) if number(&want.input).is_none() => {
                Some(format!("its state cannot be read: {why}"))
            }
            // Not looked up yet.
            (None, None) if number(&want.input).is_none() && self.inputs.is_none() => None,
            (None, _) => Some(format!("it has no input «{}»", want.input)),
        };
        let refused = || {
            let title = want.title.as_ref()?;
            let field = self.titles.get(title).filter(|field| !field.is_settled())?;
            let (why, _) = field.refused.as_ref()?;
            Some(format!("it refuses the title «{}»: {why}", title.input))
        };
        SlotVmix {
            connected: true,
            tally: found.map(|digit| match digit {
                b'1' => Tally::Program,
                b'2' => Tally::Preview,
                _ => Tally::Off,
            }),
            error: error.or_else(refused).unwrap_or_default(),
        }
    }
}

fn number(input: &str) -> Option<usize> {
    input.parse().ok()
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
