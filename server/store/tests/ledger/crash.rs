//! Processes that are killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use booth_core::{Record, State};

use crate::house::{Dice, open, record, seed};

const DIR: &str = "BOOTH_STORE_CHILD_DIR";
const SEED: &str = "BOOTH_STORE_CHILD_SEED";
/// Appends under way at once.
const WINDOW: usize = 16;

/// The same record for the same revision, in whatever process.
fn nth(revision: u64, seed: u64) -> Record {
    record(revision, &mut Dice::seeded(seed ^ revision))
}

/// Appends for ever and says what was acknowledged.
fn child(dir: &Path, seed: u64) {
    let opened = open(dir);
    let mut next = opened.state.revision + 1;
    let window = Arc::new((Mutex::new(0_usize), Condvar::new()));
    loop {
        let (count, changed) = &*window;
        let mut under_way = changed
            .wait_while(count.lock().unwrap(), |n| *n >= WINDOW)
            .unwrap();
        *under_way += 1;
        drop(under_way);
        let batch = 1 + next % 3;
        let records = (next..next + batch).map(|r| nth(r, seed)).collect();
        next += batch;
        let window = Arc::clone(&window);
        opened.ledger.append(records, move |answer| {
            println!("acknowledged {}", answer.unwrap().revision);
            *window.0.lock().unwrap() -= 1;
            window.1.notify_one();
        });
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let (Ok(dir), Ok(seed)) = (std::env::var(DIR), std::env::var(SEED)) {
        child(Path::new(&dir), seed.parse().unwrap());
    }
    let seed = seed("kill");
    let mut dice = Dice::seeded(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..25 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "crash::nothing_acknowledged_is_lost_when_the_process_is_killed",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(DIR, dir.path())
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let kill_after = 1 + dice.below(300);
        let mut acknowledged = 0;
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            let Some((_, revision)) = line.split_once("acknowledged ") else {
                continue;
            };
            // A line cut off by the kill has no meaning; it cannot claim more than was acknowledged.
            acknowledged = revision.parse().unwrap_or(acknowledged);
            seen += 1;
            if seen == kill_after {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        assert!(seen >= kill_after, "the child ended by itself");
        total += seen;
        let opened = open(dir.path());
        assert!(
            opened.state.revision >= acknowledged,
            "seed {seed} round {round}: {acknowledged} was acknowledged, found {}",
            opened.state.revision
        );
        let mut expected = State::default();
        for revision in 1..=opened.state.revision {
            expected.fold(&nth(revision, seed));
        }
        assert_eq!(opened.state, expected, "seed {seed} round {round}");
        assert!(opened.report.is_complete() && opened.report.repaired.is_empty());
    }
    println!("kill: 25 kills, {total} acknowledgements seen, none lost");
}
