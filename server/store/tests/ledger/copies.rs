//! Backup of a running ledger, restore into a stopped one.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use booth_core::State;
use booth_store::{Ledger, RestoreError, restore};

use crate::house::{Dice, append, copy_dir, filled, open, record, records, segments, until};

fn backup(ledger: &Ledger) -> Vec<u8> {
    let mut bytes = Vec::new();
    let done = ledger.backup(&mut bytes).unwrap();
    assert_eq!(done.bytes, bytes.len() as u64);
    bytes
}

/// Every file below, with its contents.
fn contents(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

#[test]
fn a_backup_taken_while_appends_go_on_restores_to_the_state_at_its_revision() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut dice = Dice::seeded(21);
    let opened = open(from.path());
    let mut state = opened.state;
    let all = records(&mut state, 3_000, &mut dice);
    let enough = AtomicBool::new(false);
    let backups = std::thread::scope(|scope| {
        let (ledger, enough, all) = (&opened.ledger, &enough, &all);
        scope.spawn(move || {
            for batch in all.chunks(5) {
                if !enough.load(Ordering::SeqCst) {
                    append(ledger, batch.to_vec()).unwrap();
                }
            }
        });
        let mut backups: Vec<(u64, Vec<u8>)> = Vec::new();
        for n in 0..12 {
            until("it moved on", || ledger.health().revision > n * 10);
            let mut bytes = Vec::new();
            let done = ledger.backup(&mut bytes).unwrap();
            assert!(done.revision > n * 10);
            backups.push((done.revision, bytes));
        }
        enough.store(true, Ordering::SeqCst);
        backups
    });
    for (revision, bytes) in backups {
        let restored = restore(&mut &bytes[..], to.path()).unwrap();
        assert_eq!(restored.revision, revision);
        let mut expected = State::default();
        for record in &all[..revision as usize] {
            expected.fold(record);
        }
        let opened = open(to.path());
        assert_eq!(opened.state, expected);
        assert_eq!(opened.report.warnings(), Vec::<String>::new());
    }
}

#[test]
fn a_restored_ledger_goes_on_and_the_old_journal_is_kept() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut dice = Dice::seeded(22);
    let state = filled(from.path(), 40, &mut dice);
    let bytes = backup(&open(from.path()).ledger);
    // The same ledger further on, and another one altogether.
    copy_dir(from.path(), to.path());
    let further = filled(to.path(), 25, &mut dice);
    assert_ne!(further, state);
    let restored = restore(&mut &bytes[..], to.path()).unwrap();
    assert_eq!((restored.revision, restored.records), (40, 40));
    let old = restored.previous.unwrap();
    assert!(old.read_dir().unwrap().count() > 1);
    let opened = open(to.path());
    assert_eq!(opened.state, state);
    assert!(opened.report.lost.is_empty(), "{:?}", opened.report);
    let mut grown = opened.state;
    append(&opened.ledger, records(&mut grown, 5, &mut dice)).unwrap();
    drop(opened.ledger);
    assert_eq!(open(to.path()).state, grown);
}

#[test]
fn a_memory_ledger_is_backed_up_like_any_other() {
    let to = tempfile::tempdir().unwrap();
    let opened = Ledger::memory();
    let mut state = opened.state;
    append(
        &opened.ledger,
        records(&mut state, 30, &mut Dice::seeded(23)),
    )
    .unwrap();
    restore(&mut &backup(&opened.ledger)[..], to.path()).unwrap();
    assert_eq!(open(to.path()).state, state);
}

#[test]
fn rubbish_cuts_and_changes_are_refused_and_nothing_is_touched() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut dice = Dice::seeded(24);
    filled(from.path(), 20, &mut dice);
    let bytes = backup(&open(from.path()).ledger);
    let state = filled(to.path(), 10, &mut dice);
    let before = contents(to.path());
    let refused = |bytes: &[u8]| restore(&mut &bytes[..], to.path()).unwrap_err();
    assert!(matches!(refused(b""), RestoreError::NotABackup));
    assert!(matches!(refused(&[b'x'; 5_000]), RestoreError::NotABackup));
    for length in (8..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let error = refused(&bytes[..length]);
        assert!(
            matches!(error, RestoreError::Truncated),
            "{length}: {error}"
        );
    }
    for offset in (0..bytes.len()).step_by(61) {
        let mut changed = bytes.clone();
        changed[offset] ^= 0x20;
        refused(&changed);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(refused(&longer), RestoreError::Damaged(_)));
    assert_eq!(contents(to.path()), before);
    assert_eq!(open(to.path()).state, state);
}

#[test]
fn a_restore_that_was_interrupted_is_finished_or_forgotten() {
    let mut dice = Dice::seeded(25);
    let (new, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let restored = filled(new.path(), 20, &mut dice);
    let before = filled(old.path(), 10, &mut dice);
    // Before the old journal was moved: it never happened.
    copy_dir(
        &new.path().join("journal"),
        &old.path().join("journal.incoming"),
    );
    assert_eq!(open(old.path()).state, before);
    assert!(!old.path().join("journal.incoming").exists());
    // After it was moved: it is finished.
    copy_dir(
        &new.path().join("journal"),
        &old.path().join("journal.incoming"),
    );
    std::fs::rename(
        old.path().join("journal"),
        old.path().join("journal.before-restore"),
    )
    .unwrap();
    std::fs::remove_dir_all(old.path().join("sled")).unwrap();
    assert_eq!(open(old.path()).state, restored);
}

/// Takes nothing until it is let.
struct Slow(mpsc::Receiver<()>, mpsc::Sender<()>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.1.send(());
        let _ = self.0.recv();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_backup_to_a_slow_receiver_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let (go, wait) = mpsc::channel();
    let (tell, started) = mpsc::channel();
    std::thread::scope(|scope| {
        let copying = scope.spawn(|| opened.ledger.backup(&mut Slow(wait, tell)).unwrap());
        started.recv().unwrap();
        let mut dice = Dice::seeded(26);
        for revision in 1..=50 {
            append(&opened.ledger, vec![record(revision, &mut dice)]).unwrap();
        }
        drop(go);
        assert_eq!(copying.join().unwrap().revision, 0);
    });
    assert_eq!(opened.ledger.health().revision, 50);
    assert!(segments(dir.path()).len() > 1);
}
