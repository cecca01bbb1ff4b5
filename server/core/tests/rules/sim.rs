//! The seeded simulation: random commands, facts, time, crashes and repeats, against the reference model.
//!
//! `BOOTH_SIM_SEED` runs one seed, `BOOTH_SIM_STEPS` sets how many steps each one has.

mod channel;
mod compare;
mod make;

use std::collections::BTreeMap;

use booth_core::*;

use crate::air24::worker_up;
use crate::model::{Model, Programme, Said};
use crate::world::*;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;
const STEPS: usize = 4_000;
const SLOTS: [&str; 4] = ["1", "2", "3", "4"];

/// Events and refusals that the default run has to meet.
const MUST_COME: [&str; 69] = [
    "CALLER_ENDED",
    "CALLER_NOT_CONNECTED",
    "CALLER_NOT_FOUND",
    "CALLER_NOT_READY",
    "CALLER_ON_AIR",
    "CALLER_OTHER_SHOW",
    "CALLER_WRONG_STATE",
    "INVALID_ARGUMENT",
    "INVITE_UNKNOWN",
    "NO_CALLER_READY",
    "REJOIN_UNKNOWN",
    "REQUEST_ID_REUSED",
    "REVISION_MISMATCH",
    "SHOW_CLOSED",
    "SHOW_FULL",
    "SLOT_EXISTS",
    "SLOT_FREE",
    "SLOT_NOT_FOUND",
    "SLOT_OCCUPIED",
    "SLOT_OFFLINE",
    "SLOT_PORT_TAKEN",
    "CallerForgotten",
    "CallerMoved",
    "CallerMuted",
    "Ended(Completed)",
    "Ended(Dropped)",
    "Ended(Left)",
    "Ended(Lost)",
    "Ended(Rejected)",
    "SlotArmed",
    "Released",
    "Replaced",
    "MediaLost",
    "SlotDeleted",
    "CHANNEL_BUSY",
    "CHANNEL_EXISTS",
    "CHANNEL_NOT_FOUND",
    "CHANNEL_OFF",
    "CHANNEL_RUNNING",
    "DESTINATION_EXISTS",
    "DESTINATION_NOT_FOUND",
    "NO_PUBLISHER",
    "PORT_TAKEN",
    "ChannelAlertCleared(DestinationDown)",
    "ChannelAlertCleared(OnBackup)",
    "ChannelAlertRaised(DestinationDown)",
    "ChannelAlertRaised(OnBackup)",
    "ChannelCreated",
    "ChannelDeleted",
    "ChannelForced",
    "ChannelKeyRotated",
    "ChannelLive",
    "ChannelStarted",
    "ChannelStopped",
    "ChannelSwitched(LiveStable)",
    "ChannelSwitched(Stopped)",
    "ChannelSwitched(WorkerLost)",
    "ChannelUpdated",
    "ChannelWorker",
    "DestinationAdded",
    "DestinationEnabled",
    "DestinationRemoved",
    "DestinationState",
    "DestinationUpdated",
    "PublisherConnected",
    "PublisherDisconnected",
    "taken over",
    "key rotated",
    "the ingest worker is gone",
];

/// Says how to run a failure again.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the simulation failed: run it again with BOOTH_SIM_SEED={}",
                self.0
            );
        }
    }
}

#[test]
fn a_simulated_show_goes_as_the_reference_model_says() {
    let set = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let steps = set("BOOTH_SIM_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let seeds = set("BOOTH_SIM_SEED").map_or(SEEDS, |seed| seed..=seed);
    let mut seen = BTreeMap::new();
    for seed in seeds.clone() {
        let _seed = Seed(seed);
        let mut sim = Sim::new(seed);
        for step in 0..steps {
            sim.step();
            sim.compare();
            if step % 50 == 0 {
                sim.compare_all();
            }
        }
        sim.compare_all();
        sim.replay();
        for (what, times) in sim.seen {
            *seen.entry(what).or_insert(0) += times;
        }
    }
    // Otherwise it would agree about very little.
    let missing = MUST_COME
        .iter()
        .filter(|what| seen.get(**what).is_none_or(|times| *times < 5));
    let missing: Vec<_> = missing.collect();
    assert!(
        seeds != SEEDS || steps < STEPS || missing.is_empty(),
        "too rare: {missing:?}"
    );
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

struct Sim {
    dice: Dice,
    state: State,
    model: Model,
    journal: Vec<Record>,
    /// What the store would have folded already: the state at some acknowledged revision, as rows.
    checkpoint: State,
    /// An acknowledged state after the checkpoint, to be found again.
    witness: State,
    requests: Vec<(Meta, Command)>,
    joined: usize,
    session: u64,
    /// How often each kind of event and refusal came.
    seen: BTreeMap<String, usize>,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut world = World::empty();
        for command in State::initial(Some(token("admin")), &[9_001, 9_002]) {
            world.ok(command);
        }
        let late = show("late");
        world.ok(Command::CreateShow {
            id: late.clone(),
            title: text("Late"),
        });
        world.ok(Command::StartShow { id: late });
        world.ok(open_invite("main"));
        world.ok(open_invite("late"));
        let mut model = Model {
            now: NOW.0,
            ..Model::default()
        };
        for id in ["main", "late"] {
            let settings = ShowSettings::default();
            model.shows.push(Programme {
                id: id.into(),
                live: true,
                settings,
            });
        }
        for (id, port) in [("1", 9_001), ("2", 9_002)] {
            model.ask(&meta(), &create_slot(id, port)).unwrap();
        }
        Self {
            dice: Dice(seed),
            checkpoint: world.state.clone(),
            witness: world.state.clone(),
            state: world.state,
            journal: world.journal,
            model,
            requests: Vec::new(),
            joined: 0,
            session: 0,
            seen: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..=54 => {
                let command = if self.dice.one_in(3) {
                    self.channel_command()
                } else {
                    self.command()
                };
                self.new_command(command);
            }
            55..=59 => self.repeat(),
            60..=84 => {
                let fact = if self.dice.one_in(2) {
                    self.channel_fact()
                } else {
                    self.fact()
                };
                self.tell(&fact);
            }
            85..=97 => self.time(),
            _ => self.crash(),
        }
    }

    fn new_command(&mut self, command: Command) {
        let request_id = self.dice.one_in(3).then(|| {
            // Sometimes one that was used for something else.
            let reused = self.dice.one_in(20);
            let n = if reused {
                self.dice.below(self.requests.len())
            } else {
                self.requests.len()
            };
            RequestId::new(&format!("r{n}")).unwrap()
        });
        let expected_revision = match self.dice.below(20) {
            0 => Some(0),
            1..=3 => Some(u64::MAX),
            _ => None,
        };
        let asked = Meta {
            request_id,
            expected_revision,
            ..meta()
        };
        if asked.request_id.is_some() {
            self.requests.push((asked.clone(), command.clone()));
        }
        self.ask(&asked, &command);
    }

    /// A client that did not hear the answer asks again; the edge makes new random parts.
    fn repeat(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let (meta, mut command) = self.dice.pick(&self.requests).clone();
        if let Command::Join { id, rejoin, .. } = &mut command {
            self.joined += 1;
            let again = format!("c{}", self.joined);
            (*id, *rejoin) = (caller(&again), token(&again));
        }
        self.ask(&meta, &command);
    }

    fn ask(&mut self, meta: &Meta, command: &Command) {
        let input = Input::Command(meta.clone(), command.clone());
        let now = Timestamp(self.model.now);
        if self.dice.one_in(50) {
            // Decided, but the server died before it was durable: it never happened.
            drop(decide(&self.state, now, &input));
            return;
        }
        let said: Said = match decide(&self.state, now, &input) {
            Ok(decision) => {
                self.acknowledge(decision.record);
                let answer = decision.answer.expect("a command has an answer");
                assert!(answer.revision <= self.state.revision);
                Ok(name(&answer.target))
            }
            Err(refusal) => {
                self.acknowledge(refusal.record);
                Err(refusal.denied.reason())
            }
        };
        if let Err(reason) = said {
            *self.seen.entry(reason.into()).or_default() += 1;
        }
        assert_eq!(said, self.model.ask(meta, command), "{meta:?} {command:?}");
    }

    fn tell(&mut self, fact: &Fact) {
        let input = Input::Fact(fact.clone());
        let decision = decide(&self.state, Timestamp(self.model.now), &input).unwrap();
        self.acknowledge(decision.record);
        self.model.tell(fact);
    }

    fn acknowledge(&mut self, record: Option<Record>) {
        let Some(record) = record else {
            return;
        };
        assert_eq!(record.revision, self.state.revision + 1);
        self.state.fold(&record);
        for event in &record.events {
            let kind = match event {
                Event::SlotReleased { cause, .. } => format!("{cause:?}"),
                Event::CallerStateChanged { state, .. } => format!("{state:?}"),
                Event::ChannelSwitched { cause, .. } => format!("ChannelSwitched({cause:?})"),
                Event::ChannelAlertRaised { alert, .. } => format!("ChannelAlertRaised({alert:?})"),
                Event::ChannelAlertCleared { alert, .. } => {
                    format!("ChannelAlertCleared({alert:?})")
                }
                Event::PublisherDisconnected { reason, .. } => {
                    let said = reason.as_str();
                    let of = ["taken over", "key rotated", "the ingest worker is gone"];
                    let known = of.into_iter().find(|of| said.starts_with(of));
                    known.unwrap_or("PublisherDisconnected").into()
                }
                other => {
                    let said = format!("{other:?}");
                    said.split(' ').next().unwrap().to_owned()
                }
            };
            // Whichever destination it is.
            let kind = match kind.split_once("(DestinationDown") {
                Some((kind, _)) => format!("{kind}(DestinationDown)"),
                None => kind,
            };
            *self.seen.entry(kind).or_default() += 1;
        }
        self.journal.push(record);
        if self.dice.one_in(40) {
            self.witness = self.state.clone();
        }
    }

    /// Most steps are short; some are a grace period or a night. The tick comes on time, late, or not yet.
    fn time(&mut self) {
        let span = match self.dice.below(200) {
            0 => 7 * 3_600_000,
            1..=4 => 300_000,
            _ => *self.dice.pick(&[1, 40, 900, 4_000, 12_000]),
        };
        let end = self.model.now + i64::try_from(self.dice.below(span + 1)).unwrap();
        if self.dice.one_in(3) {
            self.model.now = end;
        }
        while let Some((at, _)) = self.state.poll_timeout()
            && at.0 <= end
            && !self.dice.one_in(10)
        {
            self.model.now = self.model.now.max(at.0);
            let now = Timestamp(self.model.now);
            let decision = decide(&self.state, now, &Input::Tick).unwrap();
            assert!(decision.record.is_some(), "something was due");
            self.acknowledge(decision.record);
            self.model.tick();
            self.compare();
        }
        self.model.now = end;
    }

    /// The server dies: what was acknowledged is found again from rows and journal, and nobody is connected.
    fn crash(&mut self) {
        let rows = self.checkpoint.rows().map(|(_, row)| row);
        let mut found = State::from_rows(self.checkpoint.revision, rows);
        let done = usize::try_from(found.revision).unwrap();
        for record in &self.journal[done..] {
            assert_eq!(record.revision, found.revision + 1);
            found.fold(record);
            if found.revision == self.witness.revision {
                assert!(found == self.witness, "another state at {}", found.revision);
            }
        }
        assert!(found == self.state, "the journal holds another state");
        assert_eq!(found.invariants(), Ok(()));
        self.state = found;
        if self.dice.one_in(2) {
            self.checkpoint = self.state.clone();
            self.witness = self.state.clone();
        }
        self.tell(&Fact::Started);
        for id in SLOTS {
            if !self.dice.one_in(4) {
                self.tell(&Fact::WorkerUp {
                    slot: slot(id),
                    showing: Showing::Idle,
                });
            }
        }
        for id in channel::CHANNELS {
            if !self.dice.one_in(3) {
                self.tell(&worker_up(id));
            }
        }
    }
}

fn name(target: &Target) -> String {
    match target {
        Target::Show(id) => id.to_string(),
        Target::Invite(id) => id.to_string(),
        Target::Caller(id) => id.to_string(),
        Target::Slot(id) => id.to_string(),
        Target::Channel(id) => id.to_string(),
        Target::Destination(channel, id) => format!("{channel}/{id}"),
        Target::Operator(id) => id.to_string(),
    }
}
