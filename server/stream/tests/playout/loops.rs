//! Loops, one after the other and again and again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use booth_stream::{BackupStart, Cause, LoopSource, Nanos, Policy, SECOND, Showing, Track};

use crate::failover::{MS, backup, frame, live_for, slate};
use crate::sim::Sim;
use crate::sources::{Loop, Pictures, Publisher, audio_config};

fn looped(pictures: Pictures, count: i64, rate: u32) -> Arc<Loop> {
    Arc::new(Loop::new(1, 1, pictures, count, &audio_config(rate, 2)))
}

#[test]
fn a_thousand_passes_lose_and_gain_nothing() {
    // 1 s, and lengths that are no whole number of AAC frames or milliseconds.
    for (fps, count, b, rate) in [
        (30, 30, 0, 48_000),
        (25, 37, 0, 44_100),
        (30, 31, 2, 48_000),
        (24, 24, 3, 44_100),
        (30, 1, 0, 48_000),
    ] {
        let pictures = Pictures {
            fps,
            gop: fps,
            b,
            open: false,
        };
        let tape = looped(pictures, count, rate);
        let duration = tape.duration();
        let mut sim = Sim::with_loops(Policy::default(), Some(tape), None);
        sim.oracle.keep_media = true;
        sim.run(1000 * duration);
        let first = sim.oracle.media.first().unwrap().0;
        for (pts, stamp, track) in &sim.oracle.media {
            // Every unit is where its own time and a whole number of passes put it.
            let off = (pts - first - stamp.time).rem_euclid(duration);
            assert_eq!(off, 0, "{track:?} at {pts}");
        }
        let pictures = sim
            .oracle
            .media
            .iter()
            .filter(|(_, _, track)| *track == Track::Video)
            .count() as i64;
        assert!((pictures - 1000 * count).abs() <= 3, "{pictures}");
        // The oracle cannot tell passes apart that are shorter than a second.
        if duration >= SECOND {
            sim.oracle.is_hitless(frame(fps));
        }
        // No sound is left out or made up by more than what a seam takes.
        assert!(sim.oracle.silent <= 1000);
    }
}

#[test]
fn a_backup_that_becomes_ready_follows_the_slate_and_another_one_follows_it() {
    let slate = slate(30);
    let mut sim = Sim::with_loops(Policy::default(), None, slate.clone());
    sim.run(3 * SECOND + 100 * MS);
    sim.shows(Showing::Slate);
    sim.playout.set_loops(sim.now, backup(30), slate.clone());
    sim.run(4 * SECOND);
    sim.shows(Showing::Backup);
    let pictures = Pictures {
        fps: 25,
        gop: 50,
        b: 2,
        open: false,
    };
    let other: Arc<dyn LoopSource> =
        Arc::new(Loop::new(3, 3, pictures, 250, &audio_config(44_100, 2)));
    sim.playout
        .set_loops(sim.now, Some(Arc::clone(&other)), slate.clone());
    sim.run(6 * SECOND);
    sim.shows(Showing::Backup);
    assert_eq!(sim.oracle.switches.len(), 3);
    // The same again is no change.
    sim.playout.set_loops(sim.now, Some(other), slate.clone());
    sim.run(8 * SECOND);
    sim.playout.set_loops(sim.now, None, slate);
    sim.run(10 * SECOND);
    sim.shows(Showing::Slate);
    assert!(
        sim.oracle.showings()[1..]
            .iter()
            .all(|(_, cause)| *cause == Cause::BackupChanged)
    );
    assert_eq!(sim.oracle.switches.len(), 4);
    sim.oracle.is_hitless(frame(25));
}

#[test]
fn a_loop_that_is_taken_away_plays_on_while_there_is_nothing_else() {
    let mut sim = Sim::with_loops(Policy::default(), backup(30), None);
    sim.run(3 * SECOND);
    sim.playout.set_loops(sim.now, None, None);
    sim.run(30 * SECOND);
    assert_eq!(sim.playout.showing(), Some(Showing::Backup));
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_backup_that_cannot_be_read_any_more_is_followed_by_the_slate() {
    let tape = looped(
        Pictures {
            fps: 30,
            gop: 30,
            b: 0,
            open: false,
        },
        300,
        48_000,
    );
    let source: Arc<dyn LoopSource> = Arc::clone(&tape) as _;
    let slate = slate(30);
    let mut sim = Sim::with_loops(Policy::default(), Some(source), slate.clone());
    sim.run(5 * SECOND);
    tape.broken_from.store(0, Ordering::Relaxed);
    sim.run(10 * SECOND);
    sim.shows(Showing::Slate);
    assert_eq!(sim.oracle.unreadable, [Showing::Backup]);
    assert_eq!(sim.oracle.last_switch().cause, Cause::BackupChanged);
    sim.oracle.is_hitless(frame(30));
    // Set anew, it is tried again.
    let again = looped(
        Pictures {
            fps: 30,
            gop: 30,
            b: 0,
            open: false,
        },
        300,
        48_000,
    );
    sim.playout.set_loops(sim.now, Some(again), slate);
    sim.run(12 * SECOND);
    sim.shows(Showing::Backup);
}

#[test]
fn what_cannot_be_looped_is_not_taken() {
    let empty = looped(
        Pictures {
            fps: 30,
            gop: 30,
            b: 0,
            open: false,
        },
        0,
        48_000,
    );
    let mut sim = Sim::with_loops(Policy::default(), Some(empty), slate(30));
    sim.run(3 * SECOND);
    sim.shows(Showing::Slate);
}

#[test]
fn reordered_loops_are_left_and_entered_where_no_picture_is_missing() {
    for b in [1, 2, 3] {
        for start in [
            BackupStart::Beginning,
            BackupStart::Resume,
            BackupStart::Running,
        ] {
            let policy = Policy {
                backup_start: start,
                stable_max: 0,
                ..Policy::default()
            };
            let tape = looped(
                Pictures {
                    fps: 30,
                    gop: 30,
                    b,
                    open: false,
                },
                300,
                48_000,
            );
            let mut sim = Sim::with_loops(policy, Some(tape), slate(30));
            for round in 0..8 {
                let publisher = Publisher::new(10 + round, 30);
                live_for(&mut sim, &publisher, 9 + Nanos::from(round) / 3);
                sim.shows(Showing::Live);
                sim.end();
                sim.run(sim.now + 700 * MS + Nanos::from(round) * 77 * MS);
                sim.shows(Showing::Backup);
            }
            sim.oracle.is_hitless(frame(30) + frame(30) / 2);
        }
    }
}

#[test]
fn output_time_follows_our_clock_however_often_sources_change() {
    let policy = Policy {
        stable: SECOND,
        stable_max: 0,
        ..Policy::default()
    };
    let mut sim = Sim::with_loops(policy, backup(30), slate(30));
    sim.oracle.keep_media = true;
    for round in 0..300 {
        let publisher = Publisher::new(10 + round, 25);
        live_for(&mut sim, &publisher, 4);
        sim.end();
        sim.run(sim.now + SECOND + Nanos::from(round * 7 % 40) * MS);
    }
    assert_eq!(sim.oracle.switches.len(), 601);
    let (first, last) = (
        sim.oracle.media.first().unwrap().0,
        sim.oracle.media.last().unwrap().0,
    );
    let off = (last - first) - sim.now;
    assert!(off.abs() < SECOND, "{} ms in 600 switches", off / MS);
    sim.oracle.is_hitless(frame(25) + frame(25) / 2);
}
