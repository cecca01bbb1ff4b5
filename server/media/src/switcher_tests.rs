use proptest::prelude::*;

use super::*;

type S = Switcher<u32>;

const FRAME: Duration = Duration::from_nanos(33_333_333);
const BOTH: Tracks = Tracks {
    video: true,
    audio: true,
};
const SOUND: Tracks = Tracks {
    video: false,
    audio: true,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn on_air(id: SourceId, fade: Duration) -> Desired {
    Desired {
        generation: 1,
        on_air: Some(id),
        fade,
        ..Desired::default()
    }
}

/// A source whose pictures (numbered by their millisecond) and sound have come up to `now`.
fn live(switcher: &mut S, id: SourceId, now: Duration) {
    switcher.add(id, BOTH);
    feed(switcher, id, now.saturating_sub(ms(100)), now);
}

fn feed(switcher: &mut S, id: SourceId, from: Duration, to: Duration) {
    let mut at = from;
    while at <= to {
        switcher.frame(id, at, at, u32::try_from(at.as_millis()).unwrap());
        switcher.sound(id, at);
        switcher.advance(at);
        at += FRAME;
    }
}

#[test]
fn a_fresh_switcher_shows_idle() {
    let mut switcher = S::default();
    switcher.advance(ms(0));
    assert_eq!(switcher.picture(ms(0)), Picture::Plain(Layer::Idle));
    assert_eq!(switcher.idle_gain(ms(0)), 1.0);
    assert_eq!(switcher.showing(ms(0)).showing, Showing::Idle);
}

#[test]
fn a_cut_to_an_armed_source_is_whole_at_the_very_next_tick() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, Duration::ZERO));
    switcher.advance(ms(1001));
    assert!(matches!(
        switcher.picture(ms(1001)),
        Picture::Plain(Layer::Frame(_))
    ));
    assert_eq!(
        (switcher.gain(7, ms(1001)), switcher.idle_gain(ms(1001))),
        (1.0, 0.0)
    );
    assert_eq!(
        switcher.showing(ms(1001)),
        Report {
            showing: Showing::Caller(7),
            generation: 1
        }
    );
}

#[test]
fn armed_is_told_only_after_the_first_picture() {
    let mut switcher = S::default();
    switcher.add(7, BOTH);
    switcher.want(
        ms(0),
        Desired {
            armed: Some(7),
            ..Desired::default()
        },
    );
    switcher.sound(7, ms(10));
    switcher.advance(ms(20));
    assert_eq!(switcher.showing(ms(20)).showing, Showing::Idle);
    switcher.frame(7, ms(30), ms(30), 1);
    switcher.advance(ms(33));
    assert_eq!(switcher.showing(ms(33)).showing, Showing::Armed(7));
}

#[test]
fn a_wish_for_an_undecoded_source_keeps_what_was_shown_until_its_first_picture() {
    let mut switcher = S::default();
    live(&mut switcher, 1, ms(1000));
    switcher.want(ms(1000), on_air(1, Duration::ZERO));
    switcher.advance(ms(1000));
    switcher.add(2, BOTH);
    switcher.want(ms(1010), on_air(2, Duration::ZERO));
    feed(&mut switcher, 1, ms(1010), ms(1300));
    assert_eq!(switcher.showing(ms(1300)).showing, Showing::Caller(1));
    assert_eq!(switcher.gain(1, ms(1300)), 1.0);
    switcher.frame(2, ms(1310), ms(1310), 5000);
    switcher.advance(ms(1320));
    assert_eq!(switcher.showing(ms(1320)).showing, Showing::Caller(2));
    assert_eq!(
        switcher.picture(ms(1320)),
        Picture::Plain(Layer::Frame(5000))
    );
    assert!(!switcher.uses(1, ms(1320)));
}

#[test]
fn an_audio_only_source_goes_on_air_with_its_first_sound_over_the_idle_picture() {
    let mut switcher = S::default();
    switcher.add(3, SOUND);
    switcher.want(ms(0), on_air(3, Duration::ZERO));
    switcher.advance(ms(10));
    assert_eq!(switcher.showing(ms(10)).showing, Showing::Idle);
    switcher.sound(3, ms(20));
    switcher.advance(ms(30));
    assert_eq!(switcher.showing(ms(30)).showing, Showing::Caller(3));
    assert_eq!(switcher.picture(ms(30)), Picture::Plain(Layer::Idle));
    assert_eq!(switcher.gain(3, ms(30)), 1.0);
}

#[test]
fn a_source_whose_camera_never_starts_goes_on_air_by_its_sound_after_a_while() {
    let mut switcher = S::default();
    switcher.add(3, BOTH);
    switcher.want(ms(0), on_air(3, Duration::ZERO));
    for at in (0..PICTURE_WAIT.as_millis() as u64).step_by(20) {
        switcher.sound(3, ms(at));
        switcher.advance(ms(at));
        assert_eq!(switcher.showing(ms(at)).showing, Showing::Idle);
    }
    switcher.advance(PICTURE_WAIT);
    assert_eq!(switcher.showing(PICTURE_WAIT).showing, Showing::Caller(3));
}

#[test]
fn a_caller_who_switched_the_camera_off_goes_on_air_by_the_sound() {
    let mut switcher = S::default();
    live(&mut switcher, 3, ms(100));
    for at in (100..3100).step_by(20) {
        switcher.sound(3, ms(at));
        switcher.advance(ms(at));
    }
    switcher.want(ms(3100), on_air(3, Duration::ZERO));
    switcher.advance(ms(3101));
    assert_eq!(switcher.showing(ms(3101)).showing, Showing::Caller(3));
    assert_eq!(switcher.picture(ms(3101)), Picture::Plain(Layer::Idle));
    assert_eq!(switcher.gain(3, ms(3101)), 1.0);
}

#[test]
fn a_fade_moves_picture_and_sound_together_and_keeps_the_power() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, ms(400)));
    feed(&mut switcher, 7, ms(1000), ms(1200));
    let now = ms(1200);
    let Picture::Blend { from, to, progress } = switcher.picture(now) else {
        panic!("no blend")
    };
    assert_eq!(from, Layer::Idle);
    assert!(matches!(to, Layer::Frame(_)));
    assert!((0.45..0.55).contains(&progress), "{progress}");
    let power = switcher.gain(7, now).powi(2) + switcher.idle_gain(now).powi(2);
    assert!((power - 1.0).abs() < 1e-4, "{power}");
    feed(&mut switcher, 7, ms(1200), ms(1450));
    assert!(matches!(
        switcher.picture(ms(1450)),
        Picture::Plain(Layer::Frame(_))
    ));
}

#[test]
fn a_lost_picture_is_held_half_a_second_then_idle_then_back() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, Duration::ZERO));
    feed(&mut switcher, 7, ms(1000), ms(2000));
    let last = switcher.picture(ms(2000));
    switcher.advance(ms(2450));
    assert_eq!(switcher.picture(ms(2450)), last);
    assert_eq!(switcher.showing(ms(2450)).showing, Showing::Caller(7));
    switcher.advance(ms(2510));
    assert_eq!(switcher.showing(ms(2510)).showing, Showing::Frozen(7));
    switcher.advance(ms(2900));
    assert_eq!(switcher.picture(ms(2900)), Picture::Plain(Layer::Idle));
    switcher.advance(ms(3300));
    assert_eq!(
        (switcher.gain(7, ms(3600)), switcher.idle_gain(ms(3600))),
        (0.0, 1.0)
    );
    feed(&mut switcher, 7, ms(4000), ms(4300));
    assert_eq!(switcher.showing(ms(4300)).showing, Showing::Caller(7));
    assert!(matches!(
        switcher.picture(ms(4300)),
        Picture::Plain(Layer::Frame(_))
    ));
}

#[test]
fn sound_goes_on_when_only_the_picture_is_lost_and_the_caller_counts_as_shown_by_it() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, Duration::ZERO));
    for at in (1000..3000).step_by(20) {
        switcher.sound(7, ms(at));
        switcher.advance(ms(at));
        assert_eq!(switcher.showing(ms(at)).showing, Showing::Caller(7));
    }
    assert_eq!(switcher.showing(ms(3000)).showing, Showing::Caller(7));
    assert_eq!(switcher.picture(ms(3000)), Picture::Plain(Layer::Idle));
    assert_eq!(
        (switcher.gain(7, ms(3000)), switcher.idle_gain(ms(3000))),
        (1.0, 0.0)
    );
    let silent = ms(2980) + SOUND_HOLD + ms(1);
    switcher.advance(silent);
    assert_eq!(switcher.showing(silent).showing, Showing::Frozen(7));
}

#[test]
fn a_slow_source_is_not_taken_for_a_lost_one() {
    let mut switcher = S::default();
    switcher.add(7, BOTH);
    switcher.want(ms(0), on_air(7, Duration::ZERO));
    for second in 0..20u64 {
        switcher.frame(7, ms(second * 700), ms(second * 700), 1);
        switcher.advance(ms(second * 700));
    }
    switcher.advance(ms(19 * 700 + 650));
    assert_eq!(
        switcher.showing(ms(19 * 700 + 650)).showing,
        Showing::Caller(7)
    );
}

#[test]
fn a_muted_caller_is_seen_but_not_heard() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(
        ms(1000),
        Desired {
            muted: true,
            ..on_air(7, Duration::ZERO)
        },
    );
    switcher.advance(ms(1001));
    assert_eq!(switcher.gain(7, ms(1001)), 0.0);
    assert_eq!(switcher.idle_gain(ms(1001)), 0.0);
    assert_eq!(switcher.showing(ms(1001)).showing, Showing::Caller(7));
}

#[test]
fn a_change_that_is_changed_goes_on_from_what_is_seen() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, ms(400)));
    feed(&mut switcher, 7, ms(1000), ms(1200));
    switcher.shown(999);
    switcher.want(
        ms(1200),
        Desired {
            fade: ms(400),
            ..Desired::default()
        },
    );
    switcher.advance(ms(1201));
    let Picture::Blend { from, to, progress } = switcher.picture(ms(1201)) else {
        panic!("no blend")
    };
    assert_eq!((from, to), (Layer::Frame(999), Layer::Idle));
    assert!(progress < 0.01);
}

#[test]
fn a_source_removed_under_a_fade_leaves_its_last_picture_until_the_fade_is_over() {
    let mut switcher = S::default();
    live(&mut switcher, 7, ms(1000));
    switcher.want(ms(1000), on_air(7, Duration::ZERO));
    switcher.advance(ms(1000));
    switcher.want(
        ms(1010),
        Desired {
            fade: ms(400),
            ..Desired::default()
        },
    );
    switcher.advance(ms(1020));
    switcher.remove(7);
    let Picture::Blend { from, .. } = switcher.picture(ms(1100)) else {
        panic!("no blend")
    };
    assert!(matches!(from, Layer::Frame(_)));
    assert_eq!(switcher.picture(ms(1500)), Picture::Plain(Layer::Idle));
}

#[test]
fn a_caller_who_comes_back_in_a_new_session_replaces_the_old_one_without_black() {
    let mut switcher = S::default();
    live(&mut switcher, 1, ms(1000));
    switcher.want(ms(1000), on_air(1, Duration::ZERO));
    switcher.advance(ms(1000));
    switcher.add(2, BOTH);
    switcher.want(ms(1200), on_air(2, Duration::ZERO));
    switcher.advance(ms(1300));
    assert!(matches!(
        switcher.picture(ms(1300)),
        Picture::Plain(Layer::Frame(_))
    ));
    assert!(switcher.uses(1, ms(1300)));
    switcher.frame(2, ms(1310), ms(1310), 4242);
    switcher.advance(ms(1320));
    assert_eq!(
        switcher.picture(ms(1320)),
        Picture::Plain(Layer::Frame(4242))
    );
    assert!(!switcher.uses(1, ms(1320)));
}

#[test]
fn a_report_is_given_once_per_change() {
    let mut switcher = S::default();
    assert!(switcher.poll_report(ms(0)).is_some());
    assert!(switcher.poll_report(ms(10)).is_none());
    switcher.want(
        ms(20),
        Desired {
            generation: 5,
            ..Desired::default()
        },
    );
    assert_eq!(switcher.poll_report(ms(20)).unwrap().generation, 5);
}

#[test]
fn pictures_wait_for_their_time() {
    let mut switcher = S::default();
    switcher.add(7, BOTH);
    switcher.want(ms(0), on_air(7, Duration::ZERO));
    switcher.frame(7, ms(0), ms(50), 1);
    switcher.frame(7, ms(33), ms(83), 2);
    for (at, expected) in [(40, None), (60, Some(1)), (90, Some(2))] {
        switcher.advance(ms(at));
        let seen = match switcher.picture(ms(at)) {
            Picture::Plain(Layer::Frame(frame)) => Some(frame),
            _ => None,
        };
        assert_eq!(seen, expected, "at {at} ms");
    }
}

#[test]
fn jitter_at_the_tick_neither_repeats_nor_skips_pictures() {
    // A camera whose clock is 50 ppm slow, each picture up to 2 ms off, for ten minutes: the two clocks drift apart by
    // 30 ms, so one picture may have to be shown twice for each time they pass each other.
    let mut switcher = S::default();
    switcher.add(7, BOTH);
    switcher.want(ms(0), on_air(7, Duration::ZERO));
    let mut sent = 0u32;
    let mut last = None;
    let mut uneven = 0;
    for n in 0..18_000u32 {
        let now = FRAME * n;
        loop {
            let dice = u64::from(sent.wrapping_mul(2_654_435_761) >> 20);
            let due =
                (FRAME + Duration::from_nanos(1_667)) * sent + Duration::from_micros(dice % 2000);
            if due > now + ms(10) {
                break;
            }
            switcher.frame(7, due, due, sent);
            sent += 1;
        }
        switcher.advance(now);
        if let Picture::Plain(Layer::Frame(frame)) = switcher.picture(now) {
            if last.is_some_and(|last| frame != last + 1) {
                uneven += 1;
            }
            last = Some(frame);
        }
    }
    assert!(uneven <= 4, "{uneven}");
}

#[test]
fn more_waiting_pictures_than_fit_are_shown_early_instead_of_never() {
    let mut switcher = S::default();
    switcher.add(7, BOTH);
    switcher.want(ms(0), on_air(7, Duration::ZERO));
    for n in 0..60 {
        switcher.frame(7, ms(n * 16), ms(n * 16 + 300), u32::try_from(n).unwrap());
        switcher.advance(ms(n * 16));
    }
    assert_eq!(switcher.picture(ms(960)), Picture::Plain(Layer::Frame(47)));
}

#[derive(Debug, Clone)]
enum Step {
    Want {
        on_air: Option<u64>,
        armed: Option<u64>,
        fade_ms: u64,
        muted: bool,
    },
    Picture(u64),
    Sound(u64),
    Add(u64),
    Remove(u64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1u64..4;
    let who = proptest::option::of(1u64..4);
    let step = prop_oneof![
        (who.clone(), who, 0u64..600, any::<bool>()).prop_map(|(on_air, armed, fade_ms, muted)| {
            Step::Want {
                on_air,
                armed,
                fade_ms,
                muted,
            }
        }),
        id.clone().prop_map(Step::Picture),
        id.clone().prop_map(Step::Picture),
        id.clone().prop_map(Step::Sound),
        id.clone().prop_map(Step::Add),
        id.prop_map(Step::Remove),
        (1u64..900).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_gains_stay_within_power_and_a_caller_on_air_was_wished_for(steps in steps()) {
        let mut switcher = S::default();
        let mut now = ms(0);
        let mut wished = Vec::new();
        for step in steps {
            match step {
                Step::Want { on_air, armed, fade_ms, muted } => {
                    wished.push(on_air);
                    switcher.want(now, Desired { generation: 1, on_air, armed, fade: ms(fade_ms), muted });
                }
                Step::Picture(id) => switcher.frame(id, now, now, 1),
                Step::Sound(id) => switcher.sound(id, now),
                Step::Add(id) => switcher.add(id, BOTH),
                Step::Remove(id) => switcher.remove(id),
                Step::Wait(by) => now += ms(by),
            }
            now += ms(10);
            switcher.advance(now);
            switcher.shown(0);
            let gains: Vec<f32> = (1..4).map(|id| switcher.gain(id, now)).chain([switcher.idle_gain(now)]).collect();
            prop_assert!(gains.iter().all(|gain| (0.0..=1.0).contains(gain)), "{:?}", gains);
            prop_assert!(gains.iter().map(|gain| gain * gain).sum::<f32>() <= 1.001, "{:?}", gains);
            if let Showing::Caller(id) | Showing::Frozen(id) = switcher.showing(now).showing {
                prop_assert!(wished.contains(&Some(id)));
            }
        }
    }
}
