use booth_stream::MILLISECOND;

use super::*;

/// What a file with pictures at `times_ms`, each numbered, shows at `fps`.
fn shown(fps: u32, times_ms: &[f64], last_ms: f64) -> Vec<usize> {
    let mut grid = PictureGrid::new(fps, None);
    let mut out = Vec::new();
    for (n, ms) in times_ms.iter().enumerate() {
        let next = times_ms.get(n + 1).copied().unwrap_or(ms + last_ms);
        let ns = |ms: f64| (ms * MILLISECOND as f64) as Nanos;
        out.extend(grid.push(ns(*ms), Some(ns(next - ms)), n));
    }
    out.extend(grid.finish());
    out
}

fn even(fps: f64, count: usize, jitter: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..count)
        .map(|n| (n as f64 * 1000.0 / fps + jitter(n)).max(0.0))
        .collect()
}

#[test]
fn the_same_rate_with_rounded_stamps_shows_each_picture_once() {
    let times = even(30.0, 300, |n| if n % 3 == 0 { 0.5 } else { -0.5 });
    assert_eq!(shown(30, &times, 33.3), (0..300).collect::<Vec<_>>());
}

#[test]
fn twice_the_rate_shows_every_other_picture_and_half_the_rate_shows_each_twice() {
    let out = shown(30, &even(60.0, 600, |n| (n % 2) as f64 * 0.9), 16.6);
    assert_eq!(out.len(), 300);
    assert!(out.windows(2).all(|pair| pair[1] - pair[0] == 2), "{out:?}");
    let out = shown(60, &even(30.0, 300, |n| (n % 2) as f64 * 0.9), 33.3);
    assert_eq!(out.len(), 600);
    assert!(out.chunks(2).all(|pair| pair[0] == pair[1]), "{out:?}");
}

#[test]
fn twenty_five_becomes_thirty_without_leaving_a_picture_out() {
    let out = shown(30, &even(25.0, 250, |_| 0.0), 40.0);
    assert_eq!(out.len(), 300);
    assert!(out.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{out:?}");
    assert_eq!(out.last(), Some(&249));
}

#[test]
fn a_picture_that_stands_long_is_held_and_a_wrong_stamp_is_not() {
    assert_eq!(
        shown(10, &[0.0, 1000.0], 100.0),
        [vec![0; 10], vec![1]].concat()
    );
    let mut grid = PictureGrid::new(10, Some(SECOND));
    assert!(grid.push(0, None, 0).is_empty());
    assert!(grid.push(3600 * SECOND, None, 1).is_empty());
    assert_eq!(grid.finish(), [0]);
}

#[test]
fn one_picture_lasts_for_one_frame() {
    assert_eq!(shown(30, &[0.0], 33.0), [0]);
    assert_eq!(shown(30, &[0.0], 1.0), [0]);
}

fn block(frames: usize, value: f32) -> Vec<f32> {
    vec![value; frames * CHANNELS]
}

#[test]
fn sound_that_begins_late_is_preceded_by_silence_and_early_sound_is_cut() {
    let mut grid = SoundGrid::default();
    grid.push(100 * MILLISECOND, &block(4800, 1.0));
    let out = grid.finish(9600);
    assert_eq!(out.len(), 9600 * CHANNELS);
    assert_eq!((out[4800 * CHANNELS - 1], out[4800 * CHANNELS]), (0.0, 1.0));

    let mut grid = SoundGrid::default();
    grid.push(-50 * MILLISECOND, &block(4800, 1.0));
    let out = grid.finish(4800);
    assert_eq!(
        out.iter().filter(|sample| **sample == 1.0).count(),
        2400 * CHANNELS
    );
    assert_eq!(out[0], 1.0);
}

#[test]
fn stamps_that_jitter_leave_no_hole_and_a_hole_is_silent() {
    let mut grid = SoundGrid::default();
    for n in 0..10 {
        grid.push(
            n * 10 * MILLISECOND + (n % 3) * MILLISECOND,
            &block(480, 1.0),
        );
    }
    assert!(grid.take_until(4800).iter().all(|sample| *sample == 1.0));
    grid.push(300 * MILLISECOND, &block(480, 1.0));
    let out = grid.finish(14_880);
    assert_eq!(
        out.iter().filter(|sample| **sample == 0.0).count(),
        9600 * CHANNELS
    );
}

#[test]
fn sound_is_as_long_as_the_pictures_whatever_came() {
    let mut grid = SoundGrid::default();
    grid.push(0, &block(48_000, 1.0));
    assert_eq!(grid.take_until(1600).len(), 1600 * CHANNELS);
    assert_eq!(grid.past(24_000), 24_000);
    assert_eq!(grid.finish(24_000).len(), 22_400 * CHANNELS);
    assert_eq!(SoundGrid::default().finish(1600), block(1600, 0.0));
}

#[test]
fn frames_of_the_usual_rates_begin_at_whole_samples() {
    for fps in [24, 25, 30, 50, 60] {
        assert_eq!(sample_of(u64::from(fps) * 3600, fps), 48_000 * 3600);
        assert_eq!(time_of(u64::from(fps) * 3600, fps.into()), 3600 * SECOND);
    }
}

#[test]
fn what_a_demuxer_loses_of_the_last_frame_is_filled_without_a_step() {
    let mut grid = SoundGrid::default();
    let ramp: Vec<f32> = (0..4800).flat_map(|n| [n as f32; CHANNELS]).collect();
    grid.push(0, &ramp);
    let out = grid.finish(4800 + 640);
    assert_eq!(out.len(), 5440 * CHANNELS);
    assert!(
        out.chunks(CHANNELS)
            .map(|frame| frame[0])
            .collect::<Vec<_>>()
            .windows(2)
            .all(|pair| (pair[0] - pair[1]).abs() <= 1.0)
    );
}
