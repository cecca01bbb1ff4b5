//! The live monitor alone, as transcoding channels use it.

use booth_stream::{
    Available, Cause, Force, LiveMonitor, LiveState, MILLISECOND, Nanos, Policy, SECOND, Verdict,
    Want,
};

const MS: Nanos = MILLISECOND;
const LOOPS: Available = Available {
    backup: true,
    slate: true,
};
const SLATE: Available = Available {
    backup: false,
    slate: true,
};
const NOTHING: Available = Available {
    backup: false,
    slate: false,
};

/// 30 frames a second from `from` to before `to`, the first one a key frame.
fn frames(monitor: &mut LiveMonitor, from: Nanos, to: Nanos) {
    for n in 0.. {
        let at = from + n * SECOND / 30;
        if at >= to {
            break;
        }
        monitor.video_frame(at, n == 0);
    }
}

fn lost(cause: Cause) -> LiveState {
    LiveState::Lost { cause }
}

#[test]
fn live_is_stable_exactly_after_its_time_without_a_gap() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    assert_eq!((monitor.state(), monitor.due()), (LiveState::Absent, None));
    monitor.begin(SECOND);
    frames(&mut monitor, SECOND, 6 * SECOND);
    assert_eq!(monitor.state(), LiveState::Settling { since: SECOND });
    assert_eq!(monitor.want(LOOPS), Want::Backup);
    assert_eq!(monitor.due(), Some(6 * SECOND));
    monitor.advance(6 * SECOND);
    assert_eq!(monitor.state(), LiveState::Stable);
    assert_eq!(monitor.want(LOOPS), Want::Live);
}

#[test]
fn a_gap_begins_the_stable_time_anew() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    monitor.begin(0);
    frames(&mut monitor, 0, 4 * SECOND);
    // 299 ms are none, 300 ms are.
    monitor.video_frame(4 * SECOND + 265 * MS, false);
    assert_eq!(monitor.state(), LiveState::Settling { since: 0 });
    monitor.video_frame(4 * SECOND + 565 * MS, true);
    assert_eq!(
        monitor.state(),
        LiveState::Settling {
            since: 4 * SECOND + 565 * MS
        }
    );
}

#[test]
fn a_loss_is_due_by_the_frames_and_told_for_when_it_was() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    monitor.begin(0);
    frames(&mut monitor, 0, 10 * SECOND);
    let last = 10 * SECOND - SECOND / 30;
    let due = monitor.due().unwrap();
    assert!((due - last - 300 * MS).abs() < MS, "{due}");
    monitor.advance(due - 1);
    assert_eq!(monitor.state(), LiveState::Stable);
    // Nobody looked for a minute.
    monitor.advance(70 * SECOND);
    assert_eq!(monitor.state(), lost(Cause::LiveStalled));
    assert_eq!((monitor.due(), monitor.cause()), (None, Cause::LiveStalled));
    monitor.end(71 * SECOND);
    assert_eq!(
        (monitor.state(), monitor.cause()),
        (LiveState::Absent, Cause::LiveEnded)
    );
}

#[test]
fn a_publisher_that_sends_nothing_or_sound_alone_is_lost() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    monitor.begin(0);
    monitor.advance(300 * MS);
    assert_eq!(monitor.state(), lost(Cause::LiveStalled));
    monitor.begin(SECOND);
    for n in 0..100 {
        monitor.audio_frame(SECOND + n * 21 * MS);
    }
    assert_eq!(monitor.state(), lost(Cause::LiveUnusable));
    assert_eq!(monitor.want(NOTHING), Want::Slate);
    frames(&mut monitor, 4 * SECOND, 9 * SECOND + MS);
    assert_eq!(monitor.state(), LiveState::Stable);
}

#[test]
fn without_a_key_frame_there_is_nothing_to_begin_with() {
    let mut monitor = LiveMonitor::new(
        0,
        Policy {
            force: Force::Live,
            ..Policy::default()
        },
    );
    monitor.begin(0);
    for n in 0..300 {
        monitor.video_frame(n * SECOND / 30, false);
    }
    assert_eq!(monitor.state(), LiveState::Stable);
    assert_eq!(monitor.want(LOOPS), Want::Backup);
    monitor.video_frame(10 * SECOND, true);
    assert_eq!(monitor.want(LOOPS), Want::Live);
}

#[test]
fn force_decides_over_everything_but_what_there_is() {
    let cases = [
        // force, frames come, stable, what there is, wanted
        (Force::Auto, true, true, LOOPS, Want::Live),
        (Force::Auto, true, false, LOOPS, Want::Backup),
        (Force::Auto, true, false, SLATE, Want::Slate),
        (Force::Auto, true, false, NOTHING, Want::Live),
        (Force::Auto, false, false, NOTHING, Want::Slate),
        (Force::Live, true, false, LOOPS, Want::Live),
        (Force::Live, false, false, LOOPS, Want::Backup),
        (Force::Live, false, false, SLATE, Want::Slate),
        (Force::Backup, true, true, LOOPS, Want::Backup),
        (Force::Backup, true, true, SLATE, Want::Slate),
        (Force::Backup, true, true, NOTHING, Want::Slate),
    ];
    for (force, come, stable, have, wanted) in cases {
        let mut monitor = LiveMonitor::new(
            0,
            Policy {
                force,
                ..Policy::default()
            },
        );
        monitor.begin(0);
        if come {
            frames(&mut monitor, 0, if stable { 6 * SECOND } else { SECOND });
        }
        assert_eq!(
            monitor.want(have),
            wanted,
            "{force:?} {come} {stable} {have:?}"
        );
    }
}

#[test]
fn forced_live_stays_on_air_when_it_is_frozen() {
    let mut monitor = LiveMonitor::new(
        0,
        Policy {
            force: Force::Live,
            frozen: SECOND,
            ..Policy::default()
        },
    );
    monitor.begin(0);
    frames(&mut monitor, 0, 10 * SECOND);
    monitor.verdict(5 * SECOND, Verdict::Frozen(true));
    frames(&mut monitor, 10 * SECOND, 12 * SECOND);
    assert_eq!(monitor.state(), lost(Cause::LiveFrozen));
    assert_eq!(monitor.want(LOOPS), Want::Live);
}

#[test]
fn verdicts_count_from_when_they_began_and_not_at_all_without_a_limit() {
    for (limit, expected) in [(3 * SECOND, lost(Cause::LiveBlack)), (0, LiveState::Stable)] {
        let mut monitor = LiveMonitor::new(
            0,
            Policy {
                black: limit,
                ..Policy::default()
            },
        );
        monitor.begin(0);
        frames(&mut monitor, 0, 10 * SECOND);
        monitor.verdict(10 * SECOND, Verdict::Black(true));
        frames(&mut monitor, 10 * SECOND, 12 * SECOND);
        monitor.verdict(12 * SECOND, Verdict::Black(true));
        frames(&mut monitor, 12 * SECOND, 12_990 * MS);
        assert_eq!(monitor.state(), LiveState::Stable);
        frames(&mut monitor, 13 * SECOND, 13_100 * MS);
        assert_eq!(monitor.state(), expected);
    }
}

#[test]
fn losses_soon_after_a_return_double_the_time_and_a_minute_on_air_resets_it() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    let mut now = 0;
    let mut on_air_for = |monitor: &mut LiveMonitor, seconds: Nanos| {
        monitor.begin(now);
        let start = now;
        while monitor.state() != LiveState::Stable {
            monitor.video_frame(now, now == start);
            now += SECOND / 10;
        }
        let needed = now - start;
        monitor.on_air(now, true);
        let until = now + seconds * SECOND;
        while now < until {
            monitor.video_frame(now, false);
            now += SECOND / 10;
        }
        monitor.end(now);
        monitor.on_air(now, false);
        now += SECOND;
        (needed + SECOND / 2) / SECOND
    };
    let mut needed: Vec<_> = (0..6).map(|_| on_air_for(&mut monitor, 10)).collect();
    needed.push(on_air_for(&mut monitor, 61));
    needed.push(on_air_for(&mut monitor, 1));
    needed.push(on_air_for(&mut monitor, 1));
    assert_eq!(needed, [5, 10, 20, 40, 60, 60, 60, 5, 10]);
    // What is lost while something else is on air does not count.
    for _ in 0..5 {
        monitor.begin(10_000 * SECOND);
        monitor.end(10_000 * SECOND);
    }
    assert_eq!(monitor.needed(), 20 * SECOND);
}

#[test]
fn a_shorter_stable_time_holds_from_when_it_is_set() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    monitor.begin(0);
    frames(&mut monitor, 0, 3 * SECOND);
    monitor.set(
        3 * SECOND,
        Policy {
            stable: 2 * SECOND,
            ..Policy::default()
        },
    );
    assert_eq!(monitor.state(), LiveState::Stable);
    assert_eq!(monitor.want(LOOPS), Want::Live);
}

#[test]
fn what_cannot_be_used_is_lost_until_it_can_and_has_been_stable() {
    let mut monitor = LiveMonitor::new(0, Policy::default());
    monitor.begin(0);
    frames(&mut monitor, 0, 6 * SECOND);
    monitor.unusable(6 * SECOND, true);
    assert_eq!(monitor.state(), lost(Cause::LiveUnusable));
    assert!(!monitor.flowing());
    monitor.unusable(6 * SECOND + 100 * MS, false);
    frames(&mut monitor, 6 * SECOND + 100 * MS, 11 * SECOND);
    assert_eq!(monitor.want(LOOPS), Want::Backup);
    frames(&mut monitor, 11 * SECOND, 12 * SECOND);
    assert_eq!(monitor.want(LOOPS), Want::Live);
}
