//! Bytes that change, files that vanish, records cut short.

use std::path::{Path, PathBuf};
use std::time::Duration;

use booth_store::{Folded, Ledger, OpenReport};

use crate::house::{Dice, append, copy_dir, filled, open, records, seed, segments, small};

/// Every file whose bytes matter: segments, sled's files.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = segments(dir);
    for room in ["sled", "sled/blobs"] {
        let Ok(items) = std::fs::read_dir(dir.join(room)) else {
            continue;
        };
        files.extend(
            items
                .map(|item| item.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    files.retain(|path| path.metadata().unwrap().len() > 0);
    files
}

fn flip(file: &Path, dice: &mut Dice) -> (u64, u8) {
    let mut bytes = std::fs::read(file).unwrap();
    // sled's file is mostly zeros that nothing reads: aim at what is written, most of the time.
    let used: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != 0).collect();
    let offset = if used.is_empty() || dice.below(8) == 0 {
        dice.below(bytes.len())
    } else {
        used[dice.below(used.len())]
    };
    let delta = 1 + dice.below(255) as u8;
    bytes[offset] ^= delta;
    std::fs::write(file, bytes).unwrap();
    (offset as u64, delta)
}

#[track_caller]
fn names_the_loss(report: &OpenReport) -> bool {
    report.lost.iter().any(|loss| !loss.kept_in_state)
}

/// sled's panics are part of this test; their messages are not news.
fn quiet_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let of_sled = info.location().is_some_and(|at| at.file().contains("sled"));
        if !of_sled {
            before(info);
        }
    }));
}

#[test]
fn one_flipped_byte_anywhere_is_survived_a_thousand_times() {
    quiet_panics();
    let seed = seed("flips");
    let mut dice = Dice::seeded(seed);
    let original = tempfile::tempdir().unwrap();
    let state = filled(original.path(), 60, &mut dice);
    let bystanders = files(original.path());
    let in_journal = segments(original.path()).len();
    let (mut repaired, mut rebuilt, mut unnoticed, mut lost) = (0, 0, 0, 0);
    for round in 0..1_000 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        // Half of them in the journal, half in sled.
        let pick = if round % 2 == 0 {
            dice.below(in_journal)
        } else {
            in_journal + dice.below(bystanders.len() - in_journal)
        };
        let name = bystanders[pick].strip_prefix(original.path()).unwrap();
        let (offset, delta) = flip(&dir.path().join(name), &mut dice);
        let what = format!(
            "seed {seed} round {round}: {} at {offset} ^ {delta:#x}",
            name.display()
        );
        let mut opened = open(dir.path());
        let report = &opened.report;
        if opened.state == state {
            if round % 2 == 0 {
                let fixed = report
                    .repaired
                    .iter()
                    .any(|r| r.file.ends_with(name) && r.offset == offset);
                assert!(fixed, "{what}: not named: {report:?}");
                assert!(
                    report.quarantined.iter().any(|q| q.saved.is_some()),
                    "{what}: the damaged file is not kept"
                );
                repaired += 1;
            } else if matches!(report.folded, Folded::Rebuilt { .. }) {
                rebuilt += 1;
            } else {
                // A byte that sled does not read.
                unnoticed += 1;
            }
        } else {
            assert!(names_the_loss(report), "{what}: silently lost: {report:?}");
            lost += 1;
        }
        if round % 50 == 0 {
            // And it works on.
            let more = records(&mut opened.state, 3, &mut dice);
            append(&opened.ledger, more).unwrap();
            assert!(opened.ledger.flush(Duration::from_secs(30)), "{what}");
            let grown = opened.state;
            drop(opened.ledger);
            let again = open(dir.path());
            assert_eq!(again.state, grown, "{what}");
            assert_eq!(again.report.warnings(), Vec::<String>::new(), "{what}");
        }
    }
    println!(
        "flips: {repaired} repaired in the journal, {rebuilt} folded states rebuilt, \
         {unnoticed} in bytes of sled that nothing reads, {lost} lost by name"
    );
    assert_eq!(
        repaired, 500,
        "one changed byte in the journal can always be repaired"
    );
}

/// Overwrites, cuts, deletes, swaps: more than a byte.
fn maul(file: &Path, dice: &mut Dice) -> String {
    let mut bytes = std::fs::read(file).unwrap();
    let at = dice.below(bytes.len());
    match dice.below(5) {
        0 => {
            let end = (at + 1 + dice.below(300)).min(bytes.len());
            for byte in &mut bytes[at..end] {
                *byte = dice.next() as u8;
            }
            std::fs::write(file, bytes).unwrap();
            format!("overwrote {at}..{end}")
        }
        1 => {
            bytes.truncate(at);
            std::fs::write(file, bytes).unwrap();
            format!("cut at {at}")
        }
        2 => {
            std::fs::remove_file(file).unwrap();
            "deleted".to_owned()
        }
        3 => {
            let end = (at + 1 + dice.below(300)).min(bytes.len());
            bytes.drain(at..end);
            std::fs::write(file, bytes).unwrap();
            format!("took out {at}..{end}")
        }
        _ => {
            for _ in 0..2 + dice.below(5) {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 + dice.below(255) as u8;
            }
            std::fs::write(file, bytes).unwrap();
            "changed several bytes".to_owned()
        }
    }
}

#[test]
fn while_the_folded_state_is_sound_no_damage_to_the_journal_loses_anything() {
    let seed = seed("maul journal");
    let mut dice = Dice::seeded(seed);
    let original = tempfile::tempdir().unwrap();
    let state = filled(original.path(), 60, &mut dice);
    for round in 0..200 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let mut what = format!("seed {seed} round {round}:");
        for _ in 0..=dice.below(2) {
            let files = segments(dir.path());
            let Some(file) = (!files.is_empty()).then(|| &files[dice.below(files.len())]) else {
                continue;
            };
            if file.metadata().unwrap().len() > 0 {
                what += &format!(" {} {}", file.display(), maul(file, &mut dice));
            }
        }
        let opened = open(dir.path());
        assert_eq!(opened.state, state, "{what}: {:?}", opened.report);
        assert!(
            !names_the_loss(&opened.report),
            "{what}: {:?}",
            opened.report
        );
        let mut grown = opened.state;
        append(&opened.ledger, records(&mut grown, 4, &mut dice)).unwrap();
        drop(opened.ledger);
        // The journal has taken over what only the folded state knew.
        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let again = open(dir.path());
        assert_eq!(again.state, grown, "{what}: {:?}", again.report);
        assert_eq!(again.report.warnings(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn whatever_happens_to_the_folded_state_the_journal_has_it_all() {
    quiet_panics();
    let seed = seed("maul sled");
    let mut dice = Dice::seeded(seed);
    let original = tempfile::tempdir().unwrap();
    let state = filled(original.path(), 60, &mut dice);
    for round in 0..100 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let all = files(dir.path());
        let sleds: Vec<_> = all
            .iter()
            .filter(|f| f.extension().is_none_or(|e| e != "seg"))
            .collect();
        let what = maul(sleds[dice.below(sleds.len())], &mut dice);
        let opened = open(dir.path());
        assert_eq!(opened.state, state, "seed {seed} round {round}: {what}");
        assert!(opened.report.is_complete());
    }
}

#[test]
fn without_a_folded_state_damage_is_named_later_records_load_and_the_loss_is_told_once() {
    let seed = seed("maul without sled");
    let mut dice = Dice::seeded(seed);
    let original = tempfile::tempdir().unwrap();
    let state = filled(original.path(), 60, &mut dice);
    std::fs::remove_dir_all(original.path().join("sled")).unwrap();
    for round in 0..200 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let files = segments(dir.path());
        // Not the last one: cut cleanly between two records, nobody could tell.
        let file = &files[dice.below(files.len() - 1)];
        let what = format!(
            "seed {seed} round {round}: {} {}",
            file.display(),
            maul(file, &mut dice)
        );
        let opened = open(dir.path());
        let report = opened.report;
        assert_eq!(opened.state.revision, 60, "{what}");
        if !names_the_loss(&report) {
            assert_eq!(opened.state, state, "{what}: silently lost: {report:?}");
        }
        let missing: u64 = report.lost.iter().map(|l| l.to - l.from + 1).sum();
        assert_eq!(report.records + missing, 60, "{what}: {report:?}");
        let mut grown = opened.state;
        append(&opened.ledger, records(&mut grown, 4, &mut dice)).unwrap();
        drop(opened.ledger);
        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let again = open(dir.path());
        assert_eq!(again.state, grown, "{what}: {:?}", again.report);
        assert_eq!(again.report.warnings(), Vec::<String>::new(), "{what}");
        let known: Vec<_> = report.lost.iter().map(|l| (l.from, l.to)).collect();
        assert_eq!(again.report.lost_before, known, "{what}");
    }
}

#[test]
fn damage_to_both_is_survived_and_never_passed_over_in_silence() {
    quiet_panics();
    let seed = seed("maul both");
    let mut dice = Dice::seeded(seed);
    let original = tempfile::tempdir().unwrap();
    let state = filled(original.path(), 60, &mut dice);
    for round in 0..150 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let all = files(dir.path());
        let segments = segments(dir.path());
        let sled = &all[segments.len() + dice.below(all.len() - segments.len())];
        let mut what = format!("seed {seed} round {round}: sled {}", maul(sled, &mut dice));
        let file = &segments[dice.below(segments.len())];
        what += &format!(", {} {}", file.display(), maul(file, &mut dice));
        let opened = open(dir.path());
        assert!(
            opened.state == state || !opened.report.warnings().is_empty(),
            "{what}: silently lost"
        );
        let mut grown = opened.state;
        append(&opened.ledger, records(&mut grown, 4, &mut dice)).unwrap();
        drop(opened.ledger);
        assert_eq!(open(dir.path()).state, grown, "{what}");
    }
}

#[test]
fn a_record_cut_short_at_any_byte_is_cut_off_and_the_ones_before_stay() {
    let original = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(11);
    let before = filled(original.path(), 10, &mut dice);
    let file = segments(original.path()).pop().unwrap();
    let start = file.metadata().unwrap().len();
    let after = filled(original.path(), 1, &mut dice);
    std::fs::remove_dir_all(original.path().join("sled")).unwrap();
    let end = file.metadata().unwrap().len();
    assert!(end > start, "the last record is in the last segment");
    for length in start..=end {
        // What a crash leaves: short, filled up with zeros, or with what was on the disk before.
        for filling in [None, Some(0_u8), Some(0xA7)] {
            let dir = tempfile::tempdir().unwrap();
            copy_dir(original.path(), dir.path());
            let file = segments(dir.path()).pop().unwrap();
            let mut bytes = std::fs::read(&file).unwrap();
            bytes.truncate(length as usize);
            if let Some(filling) = filling {
                bytes.resize(end as usize, filling);
            }
            let whole = bytes == std::fs::read(&file).unwrap();
            std::fs::write(&file, bytes).unwrap();
            let mut opened = open(dir.path());
            let report = &opened.report;
            // One wrong byte is not torn but repaired.
            if whole || !report.repaired.is_empty() {
                assert_eq!(
                    opened.state, after,
                    "length {length} filled with {filling:?}"
                );
            } else {
                assert_eq!(
                    opened.state, before,
                    "length {length} filled with {filling:?}"
                );
                assert!(report.lost.is_empty());
                let torn = report.torn.as_ref().map(|t| (t.offset, t.bytes));
                let expected = if filling.is_some() { end } else { length } - start;
                assert_eq!(torn, (expected > 0).then_some((start, expected)));
            }
            let more = records(&mut opened.state, 2, &mut dice);
            append(&opened.ledger, more).unwrap();
            drop(opened.ledger);
            let again = open(dir.path());
            assert_eq!(again.state, opened.state);
            assert_eq!(again.report.warnings(), Vec::<String>::new());
        }
    }
}

#[test]
fn segments_that_are_there_twice_or_from_elsewhere_are_put_aside() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut dice = Dice::seeded(12);
    let state = filled(dir.path(), 60, &mut dice);
    filled(other.path(), 60, &mut dice);
    let files = segments(dir.path());
    let journal = dir.path().join("journal");
    std::fs::copy(&files[0], journal.join("000000000999.seg")).unwrap();
    std::fs::copy(&files[1], journal.join("000000000003.seg")).unwrap();
    std::fs::copy(&segments(other.path())[1], journal.join("000000000777.seg")).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert_eq!(opened.report.quarantined.len(), 3, "{:?}", opened.report);
    assert!(opened.report.lost.is_empty());
    assert_eq!(opened.report.records, 60);
    drop(opened);
    assert_eq!(segments(dir.path()), files);
}

#[test]
fn a_segment_that_was_renamed_is_read_where_it_belongs() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path(), 60, &mut Dice::seeded(13));
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let files = segments(dir.path());
    std::fs::rename(&files[1], dir.path().join("journal/000000000900.seg")).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert!(opened.report.lost.is_empty());
}

#[test]
fn any_missing_segment_is_named() {
    let original = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(14);
    let state = filled(original.path(), 60, &mut dice);
    let count = segments(original.path()).len();
    for missing in 0..count {
        for with_folded in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            copy_dir(original.path(), dir.path());
            let files = segments(dir.path());
            std::fs::remove_file(&files[missing]).unwrap();
            if !with_folded {
                std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
            }
            let opened = open(dir.path());
            if with_folded {
                assert_eq!(opened.state, state);
                assert!(opened.report.lost.iter().all(|l| l.kept_in_state));
            }
            // Without the folded state nothing points at a last segment that is gone.
            if with_folded || missing + 1 < count {
                assert_eq!(opened.report.lost.len(), 1, "{:?}", opened.report);
                assert_eq!(opened.state.revision, 60);
            }
        }
    }
}

#[test]
fn a_journal_that_is_gone_altogether_is_carried_on_from_the_folded_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(15);
    let state = filled(dir.path(), 30, &mut dice);
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert_eq!(
        opened
            .report
            .lost
            .iter()
            .map(|l| (l.from, l.to, l.kept_in_state))
            .collect::<Vec<_>>(),
        [(1, 30, true)]
    );
    let mut grown = opened.state;
    append(&opened.ledger, records(&mut grown, 3, &mut dice)).unwrap();
    drop(opened.ledger);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert_eq!(open(dir.path()).state, grown);
}

#[test]
fn what_sled_leaves_behind_when_killed_does_not_keep_the_ledger_closed() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path(), 30, &mut Dice::seeded(16));
    std::fs::write(
        dir.path().join("sled/snap.0000000000000123.generating"),
        b"half",
    )
    .unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert!(matches!(opened.report.folded, Folded::Used { .. }));
}

#[test]
fn a_start_that_died_inside_sled_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path(), 30, &mut Dice::seeded(17));
    std::fs::write(dir.path().join("sled.opening"), b"").unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert!(matches!(opened.report.folded, Folded::Rebuilt { .. }));
    drop(opened);
    assert!(matches!(
        open(dir.path()).report.folded,
        Folded::Used { .. }
    ));
}

#[test]
fn a_folded_state_that_another_process_holds_is_done_without() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path(), 30, &mut Dice::seeded(18));
    let held = std::fs::File::open(dir.path().join("sled/db")).unwrap();
    // sled's own lock outlives its drop a little.
    held.lock().unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.state, state);
    assert!(matches!(opened.report.folded, Folded::Rebuilt { .. }));
    assert!(opened.ledger.flush(Duration::from_secs(30)));
}

#[test]
fn a_journal_of_a_later_booth_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3, &mut Dice::seeded(19));
    let file = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..52]);
    bytes[52..56].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let refused = Ledger::open(dir.path(), small()).map(|o| o.report);
    assert!(refused.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}
