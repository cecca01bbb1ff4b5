//! What is seen and heard.

use std::collections::BTreeSet;

use booth_judge::{
    DefectClass as D, Hearing, Options, Showing,
    sense::{Heard, Listener},
    timeline::Stamp,
};

use crate::scene::*;

fn film_of(
    seconds: f64,
    picture: &dyn Fn(usize) -> Show,
    sound: &dyn Fn(usize) -> Option<u8>,
    lag_ms: f64,
) -> Vec<u8> {
    film(&Scene {
        seconds,
        picture,
        sound,
        lag_ms,
        video: CLEAN,
    })
}

#[test]
fn a_good_caller_is_seen_and_heard_without_any_defect() {
    let report = judge(good(), Options::default());
    assert_only(&report, &[]);
    assert_eq!((report.picture_id(), report.sound_id()), (Some(7), Some(7)));
    let picture = report.picture.as_ref().unwrap();
    assert_eq!(
        (picture.decoded, picture.undecoded, picture.timeline.len()),
        (150, 0, 1)
    );
    assert_eq!(
        (
            picture.counter_repeats,
            picture.counter_skips,
            picture.counter_back
        ),
        (0, 0, 0)
    );
    assert!(
        picture
            .recent
            .iter()
            .all(|f| f.code.is_some_and(|c| c.0 == 7) && f.stamp.first_packet_at_ns > 0)
    );
    // Flashes at 2 s and 4 s; the one at 0 s has no picture before it.
    assert_eq!(
        (
            picture.flashes_total,
            report.sound.as_ref().unwrap().beeps_total
        ),
        (2, 2)
    );
    let skew = report.av_skew;
    assert_eq!(skew.pairs, 2);
    assert!(skew.median_ms.unwrap().abs() < 5.0, "{skew:?}");
    let level = report.sound.unwrap().peak_dbfs.unwrap();
    assert!((-7.0..-5.0).contains(&level), "{level}");
}

#[test]
fn a_skew_of_known_size_is_measured_both_ways() {
    for lag_ms in [120.0, -80.0] {
        let stream = film_of(5.0, &|_| Show::Caller(5), &|_| Some(5), lag_ms);
        let report = judge(&stream, Options::default());
        assert_only(&report, &[D::AvSkew]);
        let skew = report.av_skew.median_ms.unwrap();
        assert!((skew - lag_ms).abs() < 5.0, "{skew} for {lag_ms}");
    }
}

#[test]
fn a_take_is_dated_in_picture_and_sound() {
    let stream = film_of(
        4.0,
        &|f| {
            if f < 40 {
                Show::Black
            } else if f < 80 {
                Show::Caller(3)
            } else {
                Show::Caller(42)
            }
        },
        &|f| {
            if f < 40 {
                None
            } else if f < 80 {
                Some(3)
            } else {
                Some(42)
            }
        },
        0.0,
    );
    let report = judge(&stream, Options::default());
    assert_only(&report, &[D::Frozen, D::Black, D::Silent]);
    let picture = report.picture.unwrap();
    let first = picture.timeline[0].since.pts;
    let seen: Vec<_> = picture
        .timeline
        .iter()
        .map(|s| (s.what, (s.since.pts - first) / 3000))
        .collect();
    let caller = |id| Showing::Caller { id };
    assert_eq!(
        seen,
        [(Showing::Black, 0), (caller(3), 40), (caller(42), 80)]
    );
    assert!(
        picture
            .timeline
            .iter()
            .all(|s| s.since.first_packet_at_ns <= s.since.last_packet_at_ns)
    );
    let heard: Vec<_> = report
        .sound
        .as_ref()
        .unwrap()
        .timeline
        .iter()
        .map(|s| s.what)
        .collect();
    assert_eq!(
        heard,
        [
            Hearing::Silence,
            Hearing::Caller { id: 3 },
            Hearing::Caller { id: 42 }
        ]
    );
    for (span, seconds) in report
        .sound
        .unwrap()
        .timeline
        .iter()
        .skip(1)
        .zip([40.0 / 30.0, 80.0 / 30.0])
    {
        let off_ms = (span.since.pts - first) as f64 / 90.0 - seconds * 1000.0;
        assert!(off_ms.abs() < 25.0, "{off_ms} ms off");
    }
}

#[test]
fn a_standing_picture_is_frozen_for_as_long_as_it_stands() {
    let stream = film_of(
        5.0,
        &|f| {
            if (30..90).contains(&f) {
                Show::Still
            } else {
                Show::Caller(9)
            }
        },
        &|_| Some(9),
        0.0,
    );
    let report = judge(&stream, Options::default());
    assert_only(&report, &[D::Frozen]);
    let frozen = report.picture.unwrap().frozen;
    assert_eq!(frozen.list.len(), 1);
    assert!((frozen.longest_ms - 2000.0).abs() < 1.0, "{frozen:?}");
}

#[test]
fn silence_and_black_are_stretches_only_from_their_length_on() {
    let stream = film_of(
        4.0,
        &|f| {
            if (30..60).contains(&f) {
                Show::Black
            } else {
                Show::Caller(9)
            }
        },
        &|f| (!(60..90).contains(&f)).then_some(9),
        0.0,
    );
    let report = judge(
        &stream,
        Options {
            frozen_after_ms: 1500.0,
            ..Options::default()
        },
    );
    assert_only(&report, &[D::Black, D::Silent]);
    let (black, silent) = (
        report.picture.unwrap().black.longest_ms,
        report.sound.unwrap().silent.longest_ms,
    );
    assert!((black - 1000.0).abs() < 1.0, "{black}");
    assert!((silent - 1000.0).abs() < 60.0, "{silent}");
    let longer = Options {
        frozen_after_ms: 1500.0,
        black_after_ms: 1500.0,
        silent_after_ms: 1500.0,
        ..Options::default()
    };
    assert_only(&judge(&stream, longer), &[]);
}

#[test]
fn every_kind_of_id_is_read_from_picture_and_tone() {
    let ids = [0u8, 1, 31, 32, 63];
    let at = |f: usize| ids[(f / 15).min(ids.len() - 1)];
    let stream = film_of(2.5, &|f| Show::Caller(at(f)), &|f| Some(at(f)), 0.0);
    let report = judge(&stream, Options::default());
    let seen: Vec<_> = report
        .picture
        .unwrap()
        .timeline
        .iter()
        .map(|s| s.what)
        .collect();
    assert_eq!(seen, ids.map(|id| Showing::Caller { id }));
    let heard: Vec<_> = report
        .sound
        .unwrap()
        .timeline
        .iter()
        .map(|s| s.what)
        .collect();
    assert_eq!(heard, ids.map(|id| Hearing::Caller { id }));
}

#[test]
fn pictures_that_cannot_be_decoded_do_not_shift_the_others() {
    let mut all = units(good());
    // Key frames come every second; what lies between them is lost with its reference.
    let middle = all
        .iter()
        .position(|u| u.video && u.pts > all[0].pts + 135_000)
        .unwrap();
    all[middle].data.truncate(8);
    let report = judge(&mux(&all), Options::default());
    let picture = report.picture.unwrap();
    let first = picture.recent[0];
    for frame in picture
        .recent
        .iter()
        .filter(|f| f.stamp.pts > first.stamp.pts + 190_000)
    {
        let expected = (frame.stamp.pts - first.stamp.pts) / 3000;
        assert_eq!(frame.code.map(|c| i64::from(c.1)), Some(expected));
    }
}

#[test]
fn two_callers_at_once_are_both_heard_and_a_stray_tone_is_no_caller() {
    let second =
        |n: usize, hz: f64| (0.1 * (std::f64::consts::TAU * hz * n as f64 / 48e3).sin()) as f32;
    let listen = |frequencies: &[f64]| {
        let mut listener = Listener::new(&Options::default());
        let samples: Vec<i16> = (0..48_000)
            .map(|n| (frequencies.iter().map(|&f| second(n, f)).sum::<f32>() * 32_767.0) as i16)
            .collect();
        let heard = listener.hear(&samples, 1, 48_000, Stamp::default());
        let last = heard.into_iter().rev().find_map(|h| match h {
            Heard::Window(window) => Some(window),
            _ => None,
        });
        let window = last.unwrap();
        (
            window.dominant,
            window.tones.into_iter().collect::<BTreeSet<u8>>(),
        )
    };
    assert_eq!(listen(&[550.0]), (Some(3), BTreeSet::from([3])));
    assert_eq!(listen(&[550.0, 2500.0]), (None, BTreeSet::from([3, 42])));
    assert_eq!(listen(&[425.0]).0, None);
}
