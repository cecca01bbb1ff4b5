//! What goes wrong: callers, boothd and the worker itself die, and the output is there.

use std::time::{Duration, Instant};

use booth_media::exit;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::slot_report::Showing;
use booth_proto::worker::to_worker::Message as Say;
use rustix::process::Signal;

use crate::caller::{Sending, source};
use crate::reader::Reader;
use crate::rig::{Rig, settings};
use crate::{FIVE, SEVEN};

#[test]
fn a_caller_who_falls_silent_freezes_then_idles_and_comes_back() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &FIVE, true)));
    let sending = Sending::start(rig.boothd(), 11, &FIVE);
    reader.wait("anna's picture", |seen| seen.id == Some(5));
    drop(sending);
    rig.shows(Showing::Frozen, "anna");
    reader.wait("black and silence", |seen| {
        seen.luma <= 17 && seen.level_dbfs < -60.0
    });
    rig.boothd().forget();
    let _sending = Sending::start(rig.boothd(), 11, &FIVE);
    rig.shows(Showing::Caller, "anna");
    reader
        .wait("anna again", |seen| {
            seen.id == Some(5) && seen.tone == Some(5)
        })
        .assert_steady(30);
}

#[test]
fn without_a_picture_key_frames_are_asked_for_again_and_again() {
    let mut rig = Rig::start(settings());
    rig.want(|wish| wish.armed = Some(source("anna", 11, &FIVE, true)));
    let started = Instant::now();
    while rig
        .boothd()
        .count(|said| matches!(said, Said::Keyframe(ask) if ask.session == 11))
        < 3
    {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn the_output_outlives_boothd_and_the_next_one_adopts_it() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    let anna = source("anna", 11, &FIVE, true);
    rig.want(|wish| wish.on_air = Some(anna));
    let sending = Sending::start(rig.boothd(), 11, &FIVE);
    reader.wait("anna's picture", |seen| seen.id == Some(5));
    let digest = {
        drop(sending);
        rig.boothd_dies();
        reader.wait("the idle source", |seen| seen.luma <= 17);
        // The caller's browser reconnects to the next boothd: the same caller, a new session.
        rig.desired.on_air = Some(source("anna", 22, &FIVE, true));
        rig.desired.generation += 1;
        rig.boothd_returns()
    };
    assert_eq!(digest.unit, "slot-1");
    assert_eq!(
        digest.settings_digest,
        booth_media::settings_digest(rig.desired.settings.as_ref().unwrap())
    );
    assert_eq!(digest.showing.unwrap().showing(), Showing::Frozen);
    let _sending = Sending::start(rig.boothd(), 22, &FIVE);
    rig.shows(Showing::Caller, "anna");
    let seen = reader.wait("anna again", |seen| {
        seen.id == Some(5) && seen.tone == Some(5)
    });
    seen.assert_steady(30);
    assert!(!seen.failed);
}

#[test]
fn a_caller_who_comes_back_in_a_new_session_is_not_faded_in_again() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &FIVE, true)));
    let _old = Sending::start(rig.boothd(), 11, &FIVE);
    rig.shows(Showing::Caller, "anna");
    reader.wait("anna", |seen| seen.id == Some(5) && seen.tone == Some(5));
    rig.want(|wish| {
        wish.on_air = Some(source("anna", 22, &SEVEN, true));
        wish.fade_ms = 12_000;
    });
    let _new = Sending::start(rig.boothd(), 22, &SEVEN);
    let back = Instant::now();
    reader.wait("anna's new session", |seen| {
        seen.id == Some(7) && seen.tone == Some(7)
    });
    // A fade would need half its time to be recognised.
    assert!(
        back.elapsed() < Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
}

#[test]
fn a_killed_worker_gives_its_port_back_at_once() {
    let mut rig = Rig::start(settings());
    Reader::open(rig.port()).wait("pictures", |seen| seen.pictures >= 5);
    rig.signal(Signal::KILL);
    assert_eq!(rig.ended(), None);
    assert_eq!(booth_media::holder(&rig.lock()).unwrap(), None);
    let killed = Instant::now();
    rig.restart();
    Reader::open(rig.port()).wait("pictures", |seen| seen.pictures >= 1);
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "{:?}",
        killed.elapsed()
    );
}

#[test]
fn a_worker_that_is_told_to_end_closes_its_connections_at_once() {
    let end: [fn(&Rig); 2] = [
        |rig| rig.signal(Signal::TERM),
        |rig| {
            rig.boothd()
                .say(Say::Shutdown(booth_proto::worker::Shutdown {}))
        },
    ];
    for end in end {
        let mut rig = Rig::start(settings());
        let reader = Reader::open_once(rig.port());
        reader.wait("pictures", |seen| seen.pictures >= 5);
        assert_eq!(booth_media::holder(&rig.lock()).unwrap(), Some(rig.pid()));
        end(&rig);
        let told = Instant::now();
        assert_eq!(rig.ended(), Some(i32::from(exit::SHUTDOWN)));
        reader.wait("the end", |seen| seen.failed);
        assert!(
            told.elapsed() < Duration::from_secs(3),
            "{:?}",
            told.elapsed()
        );
    }
}

#[test]
fn changed_output_settings_end_the_worker_for_a_restart_and_others_do_not() {
    let mut rig = Rig::start(settings());
    rig.want(|wish| {
        wish.settings
            .as_mut()
            .unwrap()
            .set_idle(booth_proto::worker::IdleKind::TestPattern)
    });
    rig.shows(Showing::Idle, "");
    rig.want(|wish| wish.settings.as_mut().unwrap().fps = 25);
    assert_eq!(rig.ended(), Some(i32::from(exit::SETTINGS_CHANGED)));
}

#[test]
fn an_end_while_the_output_is_being_opened_is_no_crash() {
    // Before, while and after the encoder, the pacer and the socket start.
    for moment_ms in (0..80).step_by(8) {
        let mut rig = Rig::start(settings());
        std::thread::park_timeout(Duration::from_millis(moment_ms));
        rig.want(|wish| wish.settings.as_mut().unwrap().fps = 25);
        assert_eq!(
            rig.ended(),
            Some(i32::from(exit::SETTINGS_CHANGED)),
            "after {moment_ms} ms"
        );
    }
}

#[test]
fn settings_that_cannot_be_built_are_told_and_better_ones_accepted() {
    let mut rig = Rig::start(booth_proto::worker::SlotSettings {
        fps: 500,
        ..settings()
    });
    rig.boothd().hear("the problem", |said| match said {
        Said::Problem(problem) => (problem.reason == "SETTINGS_INVALID").then_some(()),
        _ => None,
    });
    rig.want(|wish| wish.settings.as_mut().unwrap().fps = 25);
    Reader::open(rig.port()).wait("pictures", |seen| seen.pictures >= 5);
}

#[test]
fn an_orphan_ends_after_its_time() {
    let mut rig = Rig::start_with(settings(), Duration::from_millis(300));
    rig.boothd_dies();
    assert_eq!(rig.ended(), Some(i32::from(exit::ORPHANED)));
}

#[test]
fn a_damaged_frame_or_an_unknown_session_disturbs_nothing() {
    let rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    reader.wait("pictures", |seen| seen.pictures >= 5);
    let junk = booth_proto::worker::Packets {
        session: 99,
        medium: booth_proto::worker::Medium::Video.into(),
        rtcp: false,
        data: vec![vec![0; 3].into(), vec![0xFF; 1400].into()],
    };
    rig.boothd().say(Say::Packets(junk));
    rig.boothd().say_raw(&[0, 0, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF]);
    rig.boothd().forget();
    rig.greet();
    reader.more(30).assert_steady(30);
}

#[test]
fn a_caller_who_pauses_is_back_at_once_afterwards() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &FIVE, true)));
    let sending = Sending::start(rig.boothd(), 11, &FIVE);
    reader.wait("anna", |seen| seen.id == Some(5) && seen.tone == Some(5));
    sending.pause(true);
    reader.wait("the idle source", |seen| {
        seen.luma <= 17 && seen.level_dbfs < -60.0
    });
    // A long pause: a jitter buffer that waits for what was never sent would wait as long again.
    reader.more(150);
    sending.pause(false);
    let back = Instant::now();
    reader.wait("anna again", |seen| {
        seen.id == Some(5) && seen.tone == Some(5)
    });
    assert!(
        back.elapsed() < Duration::from_secs(3),
        "{:?}",
        back.elapsed()
    );
}

#[test]
fn lost_packets_cost_neither_the_output_nor_the_caller() {
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &FIVE, true)));
    let sending = Sending::start(rig.boothd(), 11, &FIVE);
    reader.wait("anna", |seen| seen.id == Some(5) && seen.tone == Some(5));
    rig.boothd().forget();
    sending.lose_every(50);
    rig.boothd().hear("a request for a key frame", |said| {
        matches!(said, Said::Keyframe(_)).then_some(())
    });
    reader.more(60).assert_steady(30);
    sending.lose_every(0);
    reader.wait("anna again", |seen| {
        seen.id == Some(5) && seen.tone == Some(5)
    });
}
