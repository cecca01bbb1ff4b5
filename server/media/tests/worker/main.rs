//! The worker as a process: a boothd of the tests on one side, SRT receivers on the other.

// Clippy knows test functions, but not their helpers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod boothd;
mod caller;
mod faults;
mod pictures;
mod reader;
mod rig;
mod srt;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use booth_judge::{DefectClass, Judge, JudgeInput, Options, SrtInput};
use booth_media::WorkerArgs;
use booth_media::demo::DemoCodec;
use booth_proto::worker::slot_report::Showing;

use boothd::PATIENCE;
use caller::{Media, Sending, source};
use reader::Reader;
use rig::{Rig, settings};

static FIVE: LazyLock<Arc<Media>> = LazyLock::new(|| Media::make(5, 640, 360, DemoCodec::Vp8));
static SEVEN: LazyLock<Arc<Media>> = LazyLock::new(|| Media::make(7, 640, 360, DemoCodec::H264));

/// Not a test: the worker's process, when [`Rig`] runs this binary again.
#[test]
fn worker_process() {
    let Some(dir) = std::env::var_os("BOOTH_TEST_WORKER").map(PathBuf::from) else {
        return;
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let orphan_ms = std::env::var("BOOTH_TEST_ORPHAN_MS")
        .unwrap()
        .parse()
        .unwrap();
    let code = booth_media::run_worker(WorkerArgs {
        unit: "slot-1".to_owned(),
        socket: dir.join("workers.sock"),
        lock: dir.join("slot-1.lock"),
        orphan_timeout: Duration::from_millis(orphan_ms),
    });
    booth_media::leave(code);
}

#[test]
fn an_idle_slot_sends_black_and_silence_without_pause() {
    let rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    let seen = reader.wait("two seconds of black", |seen| seen.pictures >= 60);
    assert!(seen.luma <= 17 && seen.level_dbfs < -90.0, "{seen:?}");
    seen.assert_steady(30);
    rig.shows(Showing::Idle, "");
}

#[test]
fn a_caller_is_taken_and_released_with_picture_and_sound() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    let anna = source("anna", 11, &FIVE, true);
    rig.want(|wish| wish.armed = Some(anna.clone()));
    let _sending = Sending::start(rig.boothd(), 11, &FIVE);
    rig.shows(Showing::Armed, "anna");
    assert_eq!(reader.now().id, None);
    rig.want(|wish| (wish.armed, wish.on_air) = (None, Some(anna)));
    rig.shows(Showing::Caller, "anna");
    reader.wait("anna's picture", |seen| seen.id == Some(5));
    reader.wait("anna's tone", |seen| seen.tone == Some(5));
    rig.want(|wish| wish.on_air = None);
    rig.shows(Showing::Idle, "");
    let seen = reader.wait("black and silence", |seen| {
        seen.luma <= 17 && seen.level_dbfs < -90.0
    });
    seen.assert_steady(30);
}

#[test]
fn a_fade_takes_its_time_in_picture_and_sound() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    let anna = source("anna", 11, &SEVEN, true);
    rig.want(|wish| wish.armed = Some(anna.clone()));
    let _sending = Sending::start(rig.boothd(), 11, &SEVEN);
    rig.shows(Showing::Armed, "anna");
    reader.more(1);
    reader.reset();
    rig.want(|wish| (wish.armed, wish.on_air, wish.fade_ms) = (None, Some(anna), 500));
    reader.wait("the caller", |seen| {
        seen.id == Some(7) && seen.tone == Some(7)
    });
    let seen = reader.more(20);
    // 15 pictures on the way: neither black nor the full picture, each brighter than the one before.
    let full = seen.luma;
    let rising = seen
        .lumas
        .windows(2)
        .filter(|pair| pair[1] > pair[0])
        .count();
    assert!(
        rising >= 10,
        "{rising} steps up to {full}: {:?}",
        seen.lumas
    );
    seen.assert_steady(30);
}

#[test]
fn picture_and_sound_of_a_caller_come_out_together() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &FIVE, true)));
    let _sending = Sending::start(rig.boothd(), 11, &FIVE);
    // ITU-R BT.1359: noticed from 45 ms (sound early) and 125 ms (late) on.
    reader.wait("two flashes with their beeps", |seen| {
        let near = |flash: &&f64| seen.beeps.iter().any(|beep| (beep - **flash).abs() < 45.0);
        seen.flashes.iter().filter(near).count() >= 2
    });
}

#[test]
fn the_judge_finds_nothing_wrong_with_a_slot_whose_callers_come_and_go() {
    let mut rig = Rig::start(settings());
    let input = SrtInput {
        latency_ms: 200,
        ..SrtInput::new("127.0.0.1", rig.port())
    };
    let judge = Judge::spawn(JudgeInput::Srt(input), Options::default()).unwrap();
    let (anna, ben) = (
        source("anna", 11, &FIVE, true),
        source("ben", 12, &SEVEN, true),
    );
    rig.want(|wish| (wish.on_air, wish.armed) = (Some(anna), Some(ben.clone())));
    let _sending = [
        Sending::start(rig.boothd(), 11, &FIVE),
        Sending::start(rig.boothd(), 12, &SEVEN),
    ];
    judge.wait_for_picture(5, PATIENCE).unwrap();
    rig.want(|wish| (wish.on_air, wish.armed, wish.fade_ms) = (Some(ben), None, 300));
    judge.wait_for_picture(7, PATIENCE).unwrap();
    judge.wait_for_sound(7, PATIENCE).unwrap();
    rig.want(|wish| wish.on_air = None);
    judge.wait_for(|seen| seen.is_idle(), PATIENCE).unwrap();
    let report = judge.finish();
    // Black, silence and stillness are the idle source; arrival gaps are the load of the machine.
    let expected = [
        DefectClass::Black,
        DefectClass::Silent,
        DefectClass::Frozen,
        DefectClass::ArrivalGap,
    ];
    let wrong: Vec<_> = report
        .defects
        .iter()
        .filter(|defect| !expected.contains(&defect.class))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
