//! Live goes and comes back.

use std::sync::Arc;

use booth_stream::{
    BackupStart, Cause, Force, LiveState, LoopSource, MILLISECOND, Nanos, Policy, SECOND, Showing,
    Track, Verdict,
};

use crate::sim::{Arrivals, Sim};
use crate::sources::{Loop, Pictures, Publisher, Stamp, audio_config};

pub const MS: Nanos = MILLISECOND;

/// A loop of 10 s with a key frame every second.
pub fn backup(fps: u32) -> Option<Arc<dyn LoopSource>> {
    let pictures = Pictures {
        fps,
        gop: fps,
        b: 0,
        open: false,
    };
    Some(Arc::new(Loop::new(
        1,
        1,
        pictures,
        i64::from(fps) * 10,
        &audio_config(48_000, 2),
    )))
}

/// A loop of 2 s.
pub fn slate(fps: u32) -> Option<Arc<dyn LoopSource>> {
    let pictures = Pictures {
        fps,
        gop: fps,
        b: 0,
        open: false,
    };
    Some(Arc::new(Loop::new(
        2,
        2,
        pictures,
        i64::from(fps) * 2,
        &audio_config(48_000, 2),
    )))
}

pub fn frame(fps: u32) -> Nanos {
    SECOND / Nanos::from(fps)
}

pub fn sim() -> Sim {
    Sim::with_loops(Policy::default(), backup(30), slate(30))
}

/// On backup for a second, then live for the rest of `seconds`.
pub fn live_for(sim: &mut Sim, publisher: &Publisher, seconds: Nanos) {
    let start = sim.now + SECOND;
    sim.run(start);
    sim.begin(publisher.source.into());
    sim.feed(
        start + seconds * SECOND,
        publisher.send(start, seconds * SECOND),
    );
}

#[test]
fn a_killed_publisher_is_followed_by_the_backup_one_frame_later() {
    let mut sim = sim();
    live_for(&mut sim, &Publisher::new(10, 30), 20);
    sim.shows(Showing::Live);
    sim.end();
    sim.run(30 * SECOND);
    sim.shows(Showing::Backup);
    assert_eq!(
        sim.oracle.showings(),
        [
            (Showing::Backup, Cause::Started),
            (Showing::Live, Cause::LiveStable),
            (Showing::Backup, Cause::LiveEnded)
        ]
    );
    assert!(
        sim.oracle.last_switch().gap <= frame(30) + MS,
        "{:?}",
        sim.oracle.last_switch()
    );
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_stalled_publisher_is_followed_by_the_backup_one_frame_later() {
    let mut sim = sim();
    live_for(&mut sim, &Publisher::new(10, 30), 20);
    let last = sim.now;
    sim.run(30 * SECOND);
    sim.shows(Showing::Backup);
    let lost = sim.oracle.states.last().unwrap();
    assert_eq!(
        lost.1,
        LiveState::Lost {
            cause: Cause::LiveStalled
        }
    );
    assert!(
        lost.0 - last <= 300 * MS,
        "by frames that arrive, not by a poll"
    );
    assert_eq!(sim.oracle.last_switch().cause, Cause::LiveStalled);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn every_rate_and_order_of_frames_changes_to_every_other_without_a_hole() {
    for loop_fps in [25, 30, 50] {
        for fps in [24, 25, 30, 50, 60] {
            for b in [0, 1, 2, 3] {
                for jitter in [0, 60 * MS] {
                    let mut sim =
                        Sim::with_loops(Policy::default(), backup(loop_fps), slate(loop_fps));
                    let mut publisher = Publisher::new(10, fps);
                    publisher.pictures.b = b;
                    publisher.jitter = jitter;
                    live_for(&mut sim, &publisher, 20);
                    sim.shows(Showing::Live);
                    sim.run(25 * SECOND);
                    live_for(&mut sim, &publisher, 20);
                    sim.end();
                    sim.run(60 * SECOND);
                    assert_eq!(
                        sim.oracle.switches.len(),
                        5,
                        "{loop_fps} {fps} {b} {jitter}"
                    );
                    let slowest = frame(fps.min(loop_fps));
                    sim.oracle.is_hitless(slowest + jitter / 30);
                    // Only where the loop begins at its beginning it has no sound for what the lost source lacks.
                    assert!(
                        sim.oracle.silent <= 3,
                        "{} silent frames",
                        sim.oracle.silent
                    );
                    let fastest = frame(fps.max(loop_fps));
                    let (pts, dts) = (
                        sim.oracle.pts_step_min.unwrap(),
                        sim.oracle.dts_step_min.unwrap(),
                    );
                    assert!(pts >= fastest - 2 * MS, "{} ms", pts / MS);
                    // Where reordered pictures come first, three are decoded in the time of one.
                    assert!(dts >= fastest / 3 - 2 * MS, "{} us", dts / 1000);
                }
            }
        }
    }
}

#[test]
fn live_is_back_after_the_stable_time_and_one_gop_at_most() {
    for begin in [0, 130, 777, 1500] {
        let mut sim = sim();
        sim.run(3 * SECOND);
        let start = sim.now + begin * MS;
        sim.run(start);
        sim.begin(1);
        let publisher = Publisher::new(10, 30);
        sim.feed(start + 20 * SECOND, publisher.send(start, 20 * SECOND));
        let switch = sim.oracle.last_switch();
        assert_eq!(
            (switch.showing, switch.cause),
            (Showing::Live, Cause::LiveStable)
        );
        let gop = 2 * SECOND;
        assert!(
            switch.at - start <= 5 * SECOND + gop,
            "after {} ms",
            (switch.at - start) / MS
        );
        assert!(switch.gap <= 2 * frame(30), "{} ms", switch.gap / MS);
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn a_key_frame_that_is_held_when_live_becomes_stable_is_taken() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    let mut publisher = Publisher::new(10, 30);
    // Key frames every 5 s less 300 ms: one is held for 300 ms when the 5 s are over.
    publisher.pictures.gop = 141;
    sim.feed(10 * SECOND, publisher.send(SECOND, 9 * SECOND));
    let switch = sim.oracle.last_switch();
    assert_eq!(switch.showing, Showing::Live);
    assert!(
        switch.at < SECOND + 4700 * MS + 600 * MS + 50 * MS,
        "at {} ms",
        switch.at / MS
    );
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_key_frame_whose_time_is_past_is_not_taken() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    let mut publisher = Publisher::new(10, 30);
    // Its time was 167 ms before the 5 s were over; taken all the same, it would stay as latency.
    publisher.pictures.gop = 127;
    sim.feed(12 * SECOND, publisher.send(SECOND, 11 * SECOND));
    sim.shows(Showing::Live);
    assert!(sim.oracle.last_switch().at > 9 * SECOND);
    assert!(sim.playout.figures().held <= 620 * MS);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn flapping_is_held_off_for_longer_each_time() {
    let mut sim = sim();
    let mut waits = Vec::new();
    for round in 0..6_u32 {
        let start = sim.now + SECOND;
        sim.run(start);
        sim.begin(u64::from(round));
        let before = sim.oracle.switches.len();
        let publisher = Publisher::new(10 + round, 30);
        // Goes away 10 s after it is back on air.
        let mut arrivals = Arrivals::new(publisher.send(start, 200 * SECOND));
        while sim.oracle.switches.len() == before {
            sim.go(sim.now + 100 * MS, &mut arrivals);
        }
        waits.push((sim.oracle.last_switch().at - start) / SECOND);
        sim.go(sim.now + 10 * SECOND, &mut arrivals);
        sim.end();
        sim.run(sim.now + 5 * SECOND);
    }
    // 5, 10, 20, 40, 60, 60 s and up to a GOP.
    let needed = [5, 10, 20, 40, 60, 60];
    for (wait, needed) in waits.iter().zip(needed) {
        assert!((needed..=needed + 2).contains(wait), "{waits:?}");
    }
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn two_publishers_in_succession_never_mix() {
    let mut sim = sim();
    live_for(&mut sim, &Publisher::new(10, 30), 15);
    sim.shows(Showing::Live);
    let mut second = Publisher::new(11, 25);
    second.base = 7_000_000 * MS;
    let start = sim.now;
    sim.begin(11);
    sim.feed(start + 15 * SECOND, second.send(start, 15 * SECOND));
    assert_eq!(
        sim.oracle.showings()[1..],
        [
            (Showing::Live, Cause::LiveStable),
            (Showing::Backup, Cause::LiveEnded),
            (Showing::Live, Cause::LiveStable)
        ]
    );
    sim.oracle.is_hitless(frame(25));
}

#[test]
fn parameter_sets_are_sent_again_from_live_to_slate_and_back() {
    let policy = Policy {
        stable_max: 0,
        ..Policy::default()
    };
    let mut sim = Sim::with_loops(policy, None, slate(30));
    for _ in 0..3 {
        live_for(&mut sim, &Publisher::new(10, 30), 10);
        sim.shows(Showing::Live);
        sim.end();
        sim.run(sim.now + 3 * SECOND);
        sim.shows(Showing::Slate);
    }
    // The oracle has compared the config of every picture; slate, and live and slate three times.
    assert_eq!(sim.oracle.configs, 7);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn forced_backup_pins_the_backup_and_auto_lets_live_back() {
    let mut sim = sim();
    let start = SECOND;
    sim.run(start);
    sim.begin(1);
    let mut publisher = Publisher::new(10, 30);
    publisher.pictures.b = 2;
    sim.oracle.keep_media = true;
    let mut arrivals = Arrivals::new(publisher.send(start, 60 * SECOND));
    sim.go(15 * SECOND, &mut arrivals);
    sim.shows(Showing::Live);
    sim.set(Policy {
        force: Force::Backup,
        ..Policy::default()
    });
    sim.go(16 * SECOND, &mut arrivals);
    sim.shows(Showing::Backup);
    assert_eq!(sim.oracle.last_switch().cause, Cause::Forced);
    assert!(
        sim.oracle.last_switch().at - 15 * SECOND <= 2 * frame(30),
        "at once"
    );
    // What was heard with the last picture is heard to its end.
    let media = &sim.oracle.media;
    let of_live =
        |of| move |(_, stamp, track): &&(Nanos, Stamp, Track)| stamp.source == 10 && *track == of;
    let last = |of| media.iter().filter(of_live(of)).map(|(pts, ..)| *pts).max();
    let seen = last(Track::Video).unwrap() + frame(30);
    let heard = last(Track::Audio).unwrap() + audio_config(48_000, 2).frame();
    assert!(
        (seen - heard).abs() <= 13 * MS,
        "{} ms",
        (seen - heard) / MS
    );
    sim.go(40 * SECOND, &mut arrivals);
    sim.shows(Showing::Backup);
    sim.set(Policy::default());
    sim.go(44 * SECOND, &mut arrivals);
    sim.shows(Showing::Live);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn forced_live_is_taken_at_its_first_key_frame_and_covered_while_it_is_away() {
    let mut sim = sim();
    sim.set(Policy {
        force: Force::Live,
        ..Policy::default()
    });
    sim.run(2 * SECOND);
    // Nothing is dropped on air while live is not there.
    sim.shows(Showing::Backup);
    let start = sim.now;
    sim.begin(1);
    sim.feed(
        start + 5 * SECOND,
        Publisher::new(10, 30).send(start, 5 * SECOND),
    );
    let switch = sim.oracle.last_switch();
    assert_eq!(
        (switch.showing, switch.cause),
        (Showing::Live, Cause::Forced)
    );
    assert!(
        switch.at - start <= 650 * MS,
        "after {} ms",
        (switch.at - start) / MS
    );
    sim.run(sim.now + 5 * SECOND);
    sim.shows(Showing::Backup);
    assert_eq!(sim.oracle.last_switch().cause, Cause::LiveStalled);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn frozen_black_and_silent_input_is_lost_after_its_time_and_back_when_it_moves() {
    let policy = Policy {
        frozen: 5 * SECOND,
        black: 3 * SECOND,
        silent: 10 * SECOND,
        ..Policy::default()
    };
    type Says = fn(bool) -> Verdict;
    let cases: [(Says, Nanos, Cause); 3] = [
        (Verdict::Frozen, 5, Cause::LiveFrozen),
        (Verdict::Black, 3, Cause::LiveBlack),
        (Verdict::Silent, 10, Cause::LiveSilent),
    ];
    for (verdict, seconds, cause) in cases {
        let mut sim = Sim::with_loops(policy, backup(30), slate(30));
        sim.run(SECOND);
        sim.begin(1);
        let mut arrivals = Arrivals::new(Publisher::new(10, 30).send(SECOND, 60 * SECOND));
        sim.go(10 * SECOND, &mut arrivals);
        sim.playout.verdict(sim.now, verdict(true));
        sim.go((10 + seconds) * SECOND - 100 * MS, &mut arrivals);
        sim.shows(Showing::Live);
        sim.go((10 + seconds) * SECOND + 200 * MS, &mut arrivals);
        sim.shows(Showing::Backup);
        assert_eq!(sim.oracle.last_switch().cause, cause);
        sim.go(30 * SECOND, &mut arrivals);
        sim.playout.verdict(sim.now, verdict(false));
        // Lost soon after it was back: twice the stable time.
        sim.go(39 * SECOND, &mut arrivals);
        sim.shows(Showing::Backup);
        sim.go(43 * SECOND, &mut arrivals);
        sim.shows(Showing::Live);
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn without_delay_the_hole_is_the_time_to_notice_and_live_comes_back_all_the_same() {
    let policy = Policy {
        delay: 0,
        ..Policy::default()
    };
    let mut sim = Sim::with_loops(policy, backup(30), slate(30));
    let mut publisher = Publisher::new(10, 30);
    publisher.jitter = 40 * MS;
    live_for(&mut sim, &publisher, 20);
    sim.shows(Showing::Live);
    sim.run(25 * SECOND);
    sim.shows(Showing::Backup);
    let slack = policy.lost - policy.delay + 2 * frame(30) + publisher.jitter;
    assert!(
        sim.oracle.silence <= slack,
        "{} ms",
        sim.oracle.silence / MS
    );
    assert!(sim.oracle.pts_step <= frame(30) + 2 * MS);
    assert!(
        sim.oracle.burst <= 3,
        "nothing is caught up: {} at once",
        sim.oracle.burst
    );
}

#[test]
fn a_long_time_to_notice_makes_a_hole_of_its_length_less_the_delay() {
    let policy = Policy {
        lost: 5 * SECOND,
        ..Policy::default()
    };
    let mut sim = Sim::with_loops(policy, backup(30), slate(30));
    live_for(&mut sim, &Publisher::new(10, 30), 20);
    sim.run(40 * SECOND);
    sim.shows(Showing::Backup);
    let hole = policy.lost - policy.delay + frame(30) + MS;
    assert!(sim.oracle.silence <= hole, "{} ms", sim.oracle.silence / MS);
    assert!(sim.oracle.last_switch().gap > 4 * SECOND, "and it is told");
    // The timestamps go on all the same.
    assert!(sim.oracle.pts_step <= frame(30) + 2 * MS);
}

#[test]
fn without_any_loop_live_starts_the_output_and_goes_on_after_a_gap() {
    let mut sim = Sim::new(Policy::default());
    sim.run(3 * SECOND);
    assert_eq!(sim.playout.showing(), None);
    sim.begin(1);
    sim.feed(
        13 * SECOND,
        Publisher::new(10, 30).send(3 * SECOND, 10 * SECOND),
    );
    sim.shows(Showing::Live);
    assert_eq!(sim.oracle.last_switch().cause, Cause::Started);
    assert!(
        sim.oracle.last_switch().at <= 3 * SECOND + 650 * MS,
        "nothing else could be shown meanwhile"
    );
    sim.run(20 * SECOND);
    sim.begin(2);
    sim.feed(
        30 * SECOND,
        Publisher::new(11, 30).send(20 * SECOND, 10 * SECOND),
    );
    sim.shows(Showing::Live);
    assert!(sim.oracle.pts_step <= frame(30) + 2 * MS);
}

#[test]
fn the_backup_goes_on_where_it_is_told_to() {
    let first_shown = |start: BackupStart| {
        let policy = Policy {
            backup_start: start,
            ..Policy::default()
        };
        let mut sim = Sim::with_loops(policy, backup(30), slate(30));
        sim.oracle.keep_media = true;
        // On backup until 1 s + 5 s and up to a GOP, then live until 24.2 s.
        live_for(&mut sim, &Publisher::new(10, 30), 23);
        sim.end();
        sim.run(sim.now + 3 * SECOND);
        let media = &sim.oracle.media;
        let live = media
            .iter()
            .position(|(_, stamp, _)| stamp.source == 10)
            .unwrap();
        let is_backup = |track| {
            move |(_, stamp, of): &&(Nanos, Stamp, Track)| stamp.source == 1 && *of == track
        };
        let left = media[..live]
            .iter()
            .rev()
            .find(is_backup(Track::Video))
            .unwrap()
            .1
            .time;
        let back = sim.oracle.last_switch().at;
        let (_, first, _) = media[live..].iter().find(is_backup(Track::Video)).unwrap();
        (left, back, first.time)
    };
    let (_, _, first) = first_shown(BackupStart::Beginning);
    assert_eq!(first, 0);
    let (left, _, first) = first_shown(BackupStart::Resume);
    assert!(
        (left..=left + SECOND).contains(&first),
        "left at {left}, resumed at {first}"
    );
    let (_, back, first) = first_shown(BackupStart::Running);
    let would_be = back % (10 * SECOND);
    assert!(
        (first - would_be).abs() <= SECOND / 2 + frame(30),
        "{first} instead of {would_be}"
    );
}
