//! Callers come on air and leave it.

use booth_judge::{Hearing, Showing};
use booth_tests::{Booth, wait_for};

use crate::{SOON, assert_unbroken, judge, put_on_air};

#[test]
fn a_caller_is_seen_and_heard_on_an_output_that_was_there_before_and_stays_after() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let output = judge(&booth, 1);
    output
        .wait_for(
            |s| {
                let black = s
                    .picture
                    .as_ref()
                    .and_then(|p| p.now.as_ref())
                    .is_some_and(|n| n.what == Showing::Black);
                let silent = s
                    .sound
                    .as_ref()
                    .and_then(|a| a.now.as_ref())
                    .is_some_and(|n| n.what == Hearing::Silence);
                black && silent
            },
            SOON,
        )
        .unwrap_or_else(|e| panic!("idle: {e}"));

    let _demo = booth.demo(2, &[]);
    let (first, second) = (
        booth.wait_connected("caller 1"),
        booth.wait_connected("caller 2"),
    );
    put_on_air(&booth, 1, &first);
    output
        .wait_for(
            |s| s.picture_id() == Some(1) && s.sound_id() == Some(1),
            SOON,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    booth.wait_showing(1, "CALLER", SOON);

    // The second crossfades in over the first, who stays on the line.
    booth.cli(&["caller", "approve", &second]);
    booth.cli(&["slot", "take", "1", "--next", "--fade", "300", "--override"]);
    output
        .wait_for(
            |s| s.picture_id() == Some(2) && s.sound_id() == Some(2),
            SOON,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        booth.caller_named("caller 1").unwrap()["state"],
        "STATE_HELD"
    );

    booth.cli(&["slot", "release", "1", "--requeue"]);
    output
        .wait_for(
            |s| {
                s.picture
                    .as_ref()
                    .and_then(|p| p.now.as_ref())
                    .is_some_and(|n| n.what == Showing::Black)
            },
            SOON,
        )
        .unwrap_or_else(|e| panic!("released: {e}"));
    assert_eq!(
        booth.caller_named("caller 2").unwrap()["state"],
        "STATE_READY"
    );

    let report = output.finish();
    assert_unbroken(&report);
    let video = report.video.as_ref().unwrap();
    let size = video.sps.as_ref().map(|s| (s.width, s.height));
    assert_eq!(size, Some((1280, 720)));
}

#[test]
fn sound_and_picture_of_a_caller_belong_together() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &caller);
    let seen = output
        .wait_for(|s| s.av_skew.pairs >= 4, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    // EBU R37: sound no more than 40 ms early and 60 ms late.
    let skew = seen.av_skew.median_ms.unwrap();
    assert!((-40.0..=60.0).contains(&skew), "{skew} ms");
}

#[test]
fn two_slots_show_two_callers_and_several_receivers_see_the_same() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(2, &["--codec", "h264"]);
    for number in [1, 2] {
        let caller = booth.wait_connected(&format!("caller {number}"));
        put_on_air(&booth, number, &caller);
    }
    let outputs = [
        (judge(&booth, 1), 1),
        (judge(&booth, 1), 1),
        (judge(&booth, 2), 2),
    ];
    for (output, id) in &outputs {
        output
            .wait_for(
                |s| s.picture_id() == Some(*id) && s.sound_id() == Some(*id),
                SOON,
            )
            .unwrap_or_else(|e| panic!("{e}"));
    }
    for (output, _) in outputs {
        assert_unbroken(&output.finish());
    }
}

#[test]
fn an_operators_mute_is_heard_and_undone() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    let output = judge(&booth, 1);
    put_on_air(&booth, 1, &caller);
    output
        .wait_for_sound(1, SOON)
        .unwrap_or_else(|e| panic!("{e}"));
    booth.cli(&["caller", "mute", &caller]);
    output
        .wait_for(
            |s| {
                s.sound
                    .as_ref()
                    .and_then(|a| a.now.as_ref())
                    .is_some_and(|n| n.what == Hearing::Silence)
            },
            SOON,
        )
        .unwrap_or_else(|e| panic!("muted: {e}"));
    booth.cli(&["caller", "unmute", &caller]);
    output
        .wait_for_sound(1, SOON)
        .unwrap_or_else(|e| panic!("unmuted: {e}"));
    assert_unbroken(&output.finish());
}

#[test]
fn tiles_and_meters_tell_what_is_on_the_slot() {
    let booth = Booth::start();
    booth.wait_for_workers();
    let _demo = booth.demo(1, &[]);
    let caller = booth.wait_connected("caller 1");
    put_on_air(&booth, 1, &caller);
    let _output = judge(&booth, 1);
    let tile = booth.dir.path().join("tile.jpg");
    let jpeg = wait_for("a tile", SOON, || {
        let out = booth.cli_output(&["slot", "tile", "1", "--out", tile.to_str().unwrap()]);
        out.status
            .success()
            .then(|| std::fs::read(&tile).unwrap_or_default())
            .filter(|t| !t.is_empty())
    });
    assert_eq!(jpeg[..3], [0xff, 0xd8, 0xff], "a JPEG");
}
