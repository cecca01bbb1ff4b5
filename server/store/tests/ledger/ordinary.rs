//! Good days.

use std::sync::mpsc;
use std::time::Duration;

use booth_core::State;
use booth_store::{Folded, Ledger, LedgerError, OpenError, Options, RestoreError, restore};
use proptest::prelude::*;

use crate::house::{Dice, append, filled, open, record, records, segments, small};

#[test]
fn what_was_appended_is_there_after_reopening_and_the_folded_state_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(1);
    let state = filled(dir.path(), 100, &mut dice);
    assert!(
        segments(dir.path()).len() > 2,
        "the test wants several segments"
    );
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert_eq!(opened.report.records, 100);
    assert_eq!(opened.report.warnings(), Vec::<String>::new());
    assert_eq!(
        opened.report.folded,
        Folded::Used {
            revision: 100,
            replayed: 0
        }
    );
}

#[test]
fn an_empty_ledger_reopens_quietly() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let opened = open(dir.path());
        assert_eq!(opened.state, State::default());
        assert_eq!(opened.report.warnings(), Vec::<String>::new());
        assert!(opened.ledger.health().writable);
    }
}

#[test]
fn without_the_folded_state_it_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path(), 50, &mut Dice::seeded(2));
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert!(matches!(opened.report.folded, Folded::Rebuilt { .. }));
    assert!(opened.ledger.flush(Duration::from_secs(30)));
    drop(opened);
    let again = open(dir.path());
    assert!(matches!(
        again.report.folded,
        Folded::Used { revision: 50, .. }
    ));
    assert_eq!(again.state, state);
}

#[test]
fn an_older_folded_state_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(3);
    filled(dir.path(), 20, &mut dice);
    crate::house::copy_dir(&dir.path().join("sled"), &old.path().join("sled"));
    let state = filled(dir.path(), 30, &mut dice);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    std::fs::rename(old.path().join("sled"), dir.path().join("sled")).unwrap();
    let opened = open(dir.path());
    assert_eq!(
        opened.report.folded,
        Folded::Used {
            revision: 20,
            replayed: 30
        }
    );
    assert_eq!(opened.state, state);
}

#[test]
fn the_folded_state_of_another_journal_is_not_believed() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = filled(a.path(), 20, &mut Dice::seeded(4));
    filled(b.path(), 20, &mut Dice::seeded(5));
    std::fs::remove_dir_all(a.path().join("sled")).unwrap();
    crate::house::copy_dir(&b.path().join("sled"), &a.path().join("sled"));
    let opened = open(a.path());
    assert_eq!(opened.state, state);
    assert!(matches!(opened.report.folded, Folded::Rebuilt { .. }));
    assert_eq!(opened.report.quarantined.len(), 1);
}

#[test]
fn a_record_that_does_not_follow_is_refused_and_the_rest_goes_on() {
    for opened in [Ledger::memory(), open(tempfile::tempdir().unwrap().path())] {
        let mut dice = Dice::seeded(6);
        let mut state = State::default();
        append(&opened.ledger, records(&mut state, 2, &mut dice)).unwrap();
        let skipped = append(&opened.ledger, vec![record(4, &mut dice)]);
        assert_eq!(skipped, Err(LedgerError::OutOfOrder { last: 2, got: 4 }));
        let half = vec![record(3, &mut dice), record(5, &mut dice)];
        assert_eq!(
            append(&opened.ledger, half),
            Err(LedgerError::OutOfOrder { last: 3, got: 5 })
        );
        let good = append(&opened.ledger, vec![record(3, &mut dice)]).unwrap();
        assert_eq!(good.revision, 3);
    }
}

#[test]
fn the_tail_is_what_came_last_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, memory) = (open(dir.path()), Ledger::memory());
    let mut dice = Dice::seeded(7);
    let all = records(&mut State::default(), 60, &mut dice);
    for opened in [&disk, &memory] {
        for record in &all {
            append(&opened.ledger, vec![record.clone()]).unwrap();
        }
        for n in [0, 1, 7, 59, 60, 61] {
            let tail = opened.ledger.tail(n).unwrap();
            assert_eq!(tail, all[60_usize.saturating_sub(n)..]);
        }
        assert_eq!(opened.ledger.health().records, 60);
        assert_eq!(opened.ledger.health().revision, 60);
    }
}

#[test]
fn a_second_opener_is_told_who_holds_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let held = open(dir.path());
    match Ledger::open(dir.path(), small()) {
        Err(error @ OpenError::Locked { .. }) => {
            let pid = std::process::id().to_string();
            assert!(error.to_string().contains(&pid), "{error}");
        }
        other => panic!("opened twice: {:?}", other.map(|o| o.report)),
    }
    let refused = restore(&mut &b""[..], dir.path());
    assert!(matches!(
        refused,
        Err(RestoreError::Data(OpenError::Locked { .. }))
    ));
    drop(held);
    open(dir.path());
}

/// Holds the writer in a callback until it is let go.
fn hold(ledger: &Ledger, revision: u64, dice: &mut Dice) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (tell, entered) = mpsc::channel();
    ledger.append(vec![record(revision, dice)], move |answer| {
        answer.unwrap();
        tell.send(()).unwrap();
        let _ = wait.recv();
    });
    entered.recv().unwrap();
    go
}

#[test]
fn what_waits_together_is_synced_together_and_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let mut dice = Dice::seeded(8);
    let go = hold(&opened.ledger, 1, &mut dice);
    let (tell, told) = mpsc::channel();
    for revision in 2..=101 {
        let tell = tell.clone();
        opened
            .ledger
            .append(vec![record(revision, &mut dice)], move |answer| {
                tell.send(answer.unwrap()).unwrap();
            });
    }
    drop((go, tell));
    let answers: Vec<_> = told.iter().collect();
    let revisions: Vec<_> = answers.iter().map(|a| a.revision).collect();
    assert_eq!(revisions, (2..=101).collect::<Vec<_>>());
    // One sync, so one measurement of it.
    assert!(answers.iter().all(|a| a.sync == answers[0].sync));
}

#[test]
fn a_full_queue_refuses_at_once_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        queue: 2,
        ..small()
    };
    let opened = Ledger::open(dir.path(), options).unwrap();
    let mut dice = Dice::seeded(9);
    let go = hold(&opened.ledger, 1, &mut dice);
    let (tell, told) = mpsc::channel();
    for revision in 2..=4 {
        let tell = tell.clone();
        opened
            .ledger
            .append(vec![record(revision, &mut dice)], move |answer| {
                tell.send((revision, answer.map(|a| a.revision))).unwrap();
            });
    }
    assert_eq!(told.recv().unwrap(), (4, Err(LedgerError::Busy)));
    drop(go);
    assert_eq!(told.recv().unwrap(), (2, Ok(2)));
    assert_eq!(told.recv().unwrap(), (3, Ok(3)));
    drop(opened.ledger);
    assert_eq!(open(dir.path()).state.revision, 3);
}

#[test]
fn a_caller_that_panics_when_answered_does_not_end_the_ledger() {
    let opened = Ledger::memory();
    let mut dice = Dice::seeded(10);
    opened.ledger.append(vec![record(1, &mut dice)], |_| {
        panic!("a caller's own fault")
    });
    let good = append(&opened.ledger, vec![record(2, &mut dice)]).unwrap();
    assert_eq!(good.revision, 2);
}

#[test]
fn dropping_the_ledger_writes_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let mut dice = Dice::seeded(11);
    let go = hold(&opened.ledger, 1, &mut dice);
    for revision in 2..=50 {
        opened
            .ledger
            .append(vec![record(revision, &mut dice)], |_| ());
    }
    drop(go);
    drop(opened);
    assert_eq!(open(dir.path()).state.revision, 50);
}

#[test]
fn without_a_place_for_the_folded_state_the_journal_goes_on_and_health_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sled"), b"in the way").unwrap();
    let opened = open(dir.path());
    let mut state = opened.state;
    append(
        &opened.ledger,
        records(&mut state, 5, &mut Dice::seeded(12)),
    )
    .unwrap();
    assert!(!opened.ledger.flush(Duration::from_secs(30)));
    let health = opened.ledger.health();
    assert!(health.writable && health.folded_off.is_some(), "{health:?}");
    drop(opened.ledger);
    assert_eq!(open(dir.path()).state, state);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_batches_are_appended_reopening_finds_the_same_state(
        seed: u64,
        batches in proptest::collection::vec(1_usize..12, 1..8),
        reopen_each in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut dice = Dice::seeded(seed);
        let mut opened = open(dir.path());
        let memory = Ledger::memory();
        let mut state = State::default();
        for batch in batches {
            let records = records(&mut state, batch, &mut dice);
            let on_disk = append(&opened.ledger, records.clone()).unwrap();
            let in_memory = append(&memory.ledger, records).unwrap();
            prop_assert_eq!(on_disk.revision, in_memory.revision);
            if reopen_each {
                drop(opened);
                opened = open(dir.path());
                prop_assert_eq!(&opened.state, &state);
            }
        }
        drop(opened);
        let last = open(dir.path());
        prop_assert_eq!(&last.state, &state);
        prop_assert_eq!(last.report.warnings(), Vec::<String>::new());
        prop_assert_eq!(last.ledger.tail(1_000).unwrap(), memory.ledger.tail(1_000).unwrap());
    }
}
