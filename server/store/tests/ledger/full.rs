//! Disks that are full or fail. Real ones: a small tmpfs, a file size limit, a file system that is shut down.

use std::path::{Path, PathBuf};
use std::process::Command;

use booth_core::{Event, Record, ShowId, SlotId, SlotSettings, State};
use booth_store::{Ledger, LedgerError, Opened, Options};

use crate::house::{Dice, append, copy_dir, loudly, record, until};

const LIMITED: &str = "BOOTH_STORE_LIMITED_DIR";

fn options() -> Options {
    Options {
        segment_bytes: 256 << 10,
        ballast_bytes: 256 << 10,
        ..Options::default()
    }
}

#[track_caller]
fn open(dir: &Path) -> Opened {
    Ledger::open(dir, options()).unwrap()
}

/// A mounted file system, gone with the value.
struct Mount {
    at: PathBuf,
}

impl Mount {
    fn new(at: &Path, args: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(args).arg(at).output().ok()?;
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            loudly(&format!("not mounted: {}", why.trim()));
        }
        mounted.status.success().then(|| Self { at: at.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a thread that the ledger left behind may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// A record of about `bytes` that does not grow the state.
fn heavy(revision: u64, bytes: usize, dice: &mut Dice) -> Record {
    let mut record = record(revision, dice);
    let mut settings = SlotSettings::listening(9_100);
    settings.stream_id = Some(
        (0..bytes)
            .map(|_| char::from(b'a' + dice.below(26) as u8))
            .collect(),
    );
    record.events.push(Event::SlotCreated {
        id: SlotId::new("heavy").unwrap(),
        show: ShowId::new("main").unwrap(),
        settings,
    });
    record
}

/// Appends until the disk refuses; answers the refusal.
#[track_caller]
fn fill(ledger: &Ledger, state: &mut State, dice: &mut Dice) -> LedgerError {
    for _ in 0..100_000 {
        let batch = 1 + dice.below(4);
        let mut next = state.clone();
        let records: Vec<_> = (0..batch)
            .map(|_| {
                let size = 100 + dice.below(5_000);
                let record = heavy(next.revision + 1, size, dice);
                next.fold(&record);
                record
            })
            .collect();
        match append(ledger, records) {
            Ok(_) => *state = next,
            Err(error) => return error,
        }
    }
    panic!("the disk does not get full");
}

#[test]
fn on_a_full_disk_changes_are_refused_and_taken_again_when_there_is_space() {
    let room = tempfile::tempdir().unwrap();
    let at = room.path().join("small");
    let Some(_mount) = Mount::new(&at, &["-t", "tmpfs", "-o", "size=8m", "tmpfs"]) else {
        loudly(
            "A FULL TMPFS CANNOT BE TESTED HERE (not root): the file size limit stands in for it",
        );
        return a_file_size_limit_is_a_full_disk_too();
    };
    let dir = at.join("data");
    let mut dice = Dice::seeded(crate::house::seed("full"));
    let mut opened = open(&dir);
    let mut state = opened.state.clone();
    for round in 0..4 {
        std::fs::write(at.join("filler"), vec![1; 1 << 20]).unwrap();
        let refused = fill(&opened.ledger, &mut state, &mut dice);
        assert!(matches!(refused, LedgerError::Full { .. }), "{refused}");
        let health = opened.ledger.health();
        assert!(!health.writable);
        assert_eq!(health.reason, Some(refused.to_string()));
        assert!(refused.to_string().contains("No space left"), "{refused}");
        assert_eq!(health.revision, state.revision);
        // A crash now: the refused records stay refused.
        let crashed = tempfile::tempdir().unwrap();
        copy_dir(&dir, crashed.path());
        assert_eq!(open(crashed.path()).state, state, "round {round}");
        // So do more of them, and a restart on the full disk.
        let small = vec![record(state.revision + 1, &mut dice)];
        assert!(matches!(
            append(&opened.ledger, small),
            Err(LedgerError::Full { .. })
        ));
        if round % 2 == 1 {
            drop(opened.ledger);
            opened = open(&dir);
            assert_eq!(opened.state, state, "round {round}");
            assert!(!opened.ledger.health().writable);
            let small = vec![record(state.revision + 1, &mut dice)];
            assert!(matches!(
                append(&opened.ledger, small),
                Err(LedgerError::Full { .. })
            ));
        }
        std::fs::remove_file(at.join("filler")).unwrap();
        if round % 2 == 0 {
            until("the ledger is writable again by itself", || {
                opened.ledger.health().writable
            });
        }
        let again = heavy(state.revision + 1, 50, &mut dice);
        state.fold(&again);
        append(&opened.ledger, vec![again]).unwrap();
        assert!(opened.ledger.health().writable);
        drop(opened.ledger);
        opened = open(&dir);
        assert_eq!(opened.state, state, "round {round}");
        assert!(opened.report.is_complete(), "{:?}", opened.report);
        assert!(opened.report.repaired.is_empty(), "{:?}", opened.report);
        // Make room for the next round: what a restore to a larger disk would do.
        let larger = tempfile::tempdir().unwrap();
        let mut backup = Vec::new();
        opened.ledger.backup(&mut backup).unwrap();
        drop(opened.ledger);
        booth_store::restore(&mut &backup[..], larger.path()).unwrap();
        assert_eq!(open(larger.path()).state, state);
        std::fs::remove_dir_all(&dir).unwrap();
        opened = open(&dir);
        state = State::default();
    }
}

#[test]
fn a_file_size_limit_is_a_full_disk_too() {
    if let Ok(dir) = std::env::var(LIMITED) {
        return limited(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    // 64 KiB a file; without the signal, so that writing says "file too large".
    // Its output is read by a pipe: a log file that this test writes to may be larger than the limit already.
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" full::a_file_size_limit_is_a_full_disk_too --exact --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, dir.path())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Runs where no file may be larger than 64 KiB.
fn limited(dir: &Path) {
    let options = Options {
        ballast_bytes: 16 << 10,
        ..Options::default()
    };
    let mut dice = Dice::seeded(crate::house::seed("limited"));
    let mut opened = Ledger::open(dir, options.clone()).unwrap();
    let mut state = opened.state.clone();
    for _ in 0..3 {
        let refused = fill(&opened.ledger, &mut state, &mut dice);
        assert!(matches!(refused, LedgerError::Full { .. }), "{refused}");
        // The next segment has space.
        until("writable again", || opened.ledger.health().writable);
        let again = record(state.revision + 1, &mut dice);
        state.fold(&again);
        append(&opened.ledger, vec![again]).unwrap();
        drop(opened.ledger);
        opened = Ledger::open(dir, options.clone()).unwrap();
        assert_eq!(opened.state, state);
        assert!(opened.report.lost.is_empty(), "{:?}", opened.report);
        assert!(opened.report.repaired.is_empty(), "{:?}", opened.report);
    }
}

/// Ends all I/O on the file system, as a power cut does; what was not synced is gone.
fn shut_down(mount: &Path) -> bool {
    const EXT4_IOC_SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
    const NO_LOG_FLUSH: u32 = 2;
    let dir = std::fs::File::open(mount).unwrap();
    // SAFETY: the request reads one u32.
    unsafe {
        let request = rustix::ioctl::Setter::<EXT4_IOC_SHUTDOWN, u32>::new(NO_LOG_FLUSH);
        rustix::ioctl::ioctl(&dir, request).is_ok()
    }
}

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_a_dead_disk_is_refused_in_plain_words() {
    let room = tempfile::tempdir().unwrap();
    let image = room.path().join("disk");
    let at = room.path().join("mount");
    std::fs::File::create(&image)
        .unwrap()
        .set_len(32 << 20)
        .unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F"])
        .arg(&image)
        .status();
    let image = image.display().to_string();
    let mount = || Mount::new(&at, &["-o", "loop", &image]);
    if !made.is_ok_and(|status| status.success()) {
        loudly("A POWER CUT CANNOT BE TESTED HERE (no mkfs.ext4): the kill test stands in for it");
        return;
    }
    let mut dice = Dice::seeded(crate::house::seed("power"));
    let mut state = State::default();
    for round in 0..6 {
        let Some(mounted) = mount() else {
            loudly(
                "A POWER CUT CANNOT BE TESTED HERE (no loop mount): the kill test stands in for it",
            );
            return;
        };
        let dir = at.join("data");
        let opened = open(&dir);
        assert_eq!(opened.state, state, "round {round}: {:?}", opened.report);
        assert!(opened.report.is_complete());
        for _ in 0..dice.below(40) {
            let record = heavy(state.revision + 1, 300, &mut dice);
            state.fold(&record);
            append(&opened.ledger, vec![record]).unwrap();
        }
        assert!(shut_down(&at));
        let refused = append(&opened.ledger, vec![record(state.revision + 1, &mut dice)]);
        assert!(
            matches!(refused, Err(LedgerError::Io { .. })),
            "{refused:?}"
        );
        assert!(!opened.ledger.health().writable);
        drop(opened);
        drop(mounted);
    }
}
