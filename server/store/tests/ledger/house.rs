//! Records to store, and small helpers that speak the ledger's language.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use booth_core::{
    Actor, CallerId, CallerRole, ChatMessage, Event, InviteId, OperatorId, Record, Role, ShowId,
    SlotId, SlotSettings, State, Text, Timestamp, TokenHash,
};
use booth_store::{Appended, Ledger, LedgerError, Opened, Options};

/// A small seeded generator (SplitMix64): the same everywhere, and a failure can be run again.
pub struct Dice(u64);

impl Dice {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The seed of this run, printed so that a failure can be repeated.
pub fn seed(name: &str) -> u64 {
    let seed = std::env::var("BOOTH_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| {
            let mut raw = [0; 8];
            std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut raw)
                .unwrap();
            u64::from_le_bytes(raw)
        });
    println!("{name}: seed {seed} (repeat with BOOTH_SEED={seed})");
    seed
}

/// Small files and no long waits.
pub fn small() -> Options {
    Options {
        segment_bytes: 4 << 10,
        ballast_bytes: 64 << 10,
        ..Options::default()
    }
}

#[track_caller]
pub fn open(dir: &Path) -> Opened {
    Ledger::open(dir, small()).unwrap()
}

fn events(revision: u64, dice: &mut Dice) -> Vec<Event> {
    let show = ShowId::new("main").unwrap();
    let n = dice.below(24);
    let caller = CallerId::new(&format!("c{n}")).unwrap();
    let text = Text::scrub(&format!("message {} of {revision}", dice.next()), 200);
    match dice.below(6) {
        0 => vec![Event::CallerJoined {
            id: caller,
            show,
            invite: InviteId::new("door").unwrap(),
            role: CallerRole::Caller,
            name: Text::name(&format!("Caller {n}")),
            topic: text,
            rejoin: TokenHash([n as u8; 32]),
        }],
        1 => vec![Event::OperatorCreated {
            id: OperatorId::new(&format!("o{n}")).unwrap(),
            name: text,
            role: Role::Operator,
            token: TokenHash([revision as u8; 32]),
        }],
        2 => vec![Event::OperatorRevoked {
            id: OperatorId::new(&format!("o{n}")).unwrap(),
        }],
        3 => vec![Event::SlotCreated {
            id: SlotId::new(&format!("{n}")).unwrap(),
            show,
            settings: SlotSettings::listening(9000 + n as u16),
        }],
        _ => vec![Event::CallerChatted {
            id: caller,
            message: ChatMessage {
                at: Timestamp(revision as i64),
                from: None,
                text,
            },
        }],
    }
}

pub fn record(revision: u64, dice: &mut Dice) -> Record {
    let events = if revision == 1 {
        vec![Event::ShowCreated {
            id: ShowId::new("main").unwrap(),
            title: Text::name("Main"),
        }]
    } else {
        events(revision, dice)
    };
    Record {
        revision,
        at: Timestamp(1_700_000_000_000 + revision as i64),
        actor: Actor::System,
        answered: None,
        events,
    }
}

/// `n` records that follow `state`, folded into it.
pub fn records(state: &mut State, n: usize, dice: &mut Dice) -> Vec<Record> {
    (0..n)
        .map(|_| {
            let record = record(state.revision + 1, dice);
            state.fold(&record);
            record
        })
        .collect()
}

/// Appends and waits for the answer.
#[track_caller]
pub fn append(ledger: &Ledger, records: Vec<Record>) -> Result<Appended, LedgerError> {
    let (tell, told) = mpsc::channel();
    ledger.append(records, move |answer| tell.send(answer).unwrap());
    told.recv_timeout(Duration::from_secs(60))
        .expect("the ledger answers")
}

/// A ledger in `dir` with `n` records, closed again; answers the state it holds.
pub fn filled(dir: &Path, n: usize, dice: &mut Dice) -> State {
    let opened = open(dir);
    let mut state = opened.state;
    for batch in 0..n.div_ceil(3) {
        let count = 3.min(n - batch * 3);
        let records = records(&mut state, count, dice);
        append(&opened.ledger, records).unwrap();
    }
    assert!(opened.ledger.flush(Duration::from_secs(30)));
    state
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_dir(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Segment files in order.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("journal"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    files.sort();
    files
}

/// Waits until it holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < give_up, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Says it even when the test passes and its output is captured.
pub fn loudly(text: &str) {
    use std::io::Write;
    let mut terminal = std::io::stderr().lock();
    writeln!(terminal, "\n!!! {text}").unwrap();
}
