//! Shapes, sizes and idle sources; levels and tiles.

use std::path::Path;

use booth_media::demo::DemoCodec;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::slot_report::Showing;
use booth_proto::worker::{IdleKind, SlotSettings};
use gst::prelude::*;

use crate::caller::{Media, Sending, source};
use crate::reader::Reader;
use crate::rig::{Rig, settings};
use crate::{FIVE, SEVEN};

/// Runs a pipeline to its end.
fn make_file(description: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(message.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
}

fn idle(kind: IdleKind, path: &Path) -> SlotSettings {
    SlotSettings {
        idle: kind.into(),
        idle_path: path.display().to_string(),
        ..settings()
    }
}

#[test]
fn a_portrait_caller_is_letterboxed() {
    let portrait = Media::make(9, 360, 640, DemoCodec::Vp8);
    let mut rig = Rig::start(settings());
    let reader = Reader::open(rig.port());
    rig.want(|wish| wish.on_air = Some(source("anna", 11, &portrait, true)));
    let _sending = Sending::start(rig.boothd(), 11, &portrait);
    rig.shows(Showing::Caller, "anna");
    // 360 x 640 in 640 x 360 leaves 219 columns black on each side.
    let seen = reader.wait("a picture between black bars", |seen| seen.luma > 24);
    assert!(seen.luma_left <= 18, "{seen:?}");
    rig.boothd().hear("the size as sent", |said| match said {
        Said::Source(report) => ((report.width, report.height) == (360, 640)).then_some(()),
        _ => None,
    });
}

#[test]
fn a_change_of_size_in_mid_call_is_survived() {
    for codec in [DemoCodec::Vp8, DemoCodec::H264] {
        let sizes = [(640, 360), (320, 180), (960, 540)];
        let media = sizes.map(|(width, height)| Media::make(5, width, height, codec));
        let mut rig = Rig::start(settings());
        let reader = Reader::open(rig.port());
        rig.want(|wish| wish.on_air = Some(source("anna", 11, &media[0], true)));
        let _sending = Sending::start_all(rig.boothd(), 11, media.to_vec());
        for (width, height) in sizes {
            rig.boothd()
                .hear(&format!("{codec:?} {width}x{height}"), |said| match said {
                    Said::Source(report) => {
                        ((report.width, report.height) == (width, height)).then_some(())
                    }
                    _ => None,
                });
            reader.more(3);
        }
        reader
            .wait("anna's picture", |seen| seen.id == Some(5))
            .assert_steady(30);
        assert_eq!(
            rig.boothd()
                .count(|said| matches!(said, Said::Slot(r) if r.showing() == Showing::Frozen)),
            0
        );
    }
}

#[test]
fn the_test_pattern_moves_and_sounds() {
    let rig = Rig::start(idle(IdleKind::TestPattern, Path::new("")));
    let reader = Reader::open(rig.port());
    // A sine of -20 dBFS peak.
    reader.wait("bars and tone", |seen| {
        seen.luma > 60 && (seen.level_dbfs + 23.0).abs() < 1.5
    });
    rig.boothd().hear("its level", |said| match said {
        Said::Meters(meters) => (meters
            .peak_dbfs
            .iter()
            .all(|peak| (peak + 20.0).abs() < 0.5))
        .then_some(()),
        _ => None,
    });
}

#[test]
fn an_idle_picture_is_shown_and_another_takes_its_place_live() {
    let dir = tempfile::tempdir().unwrap();
    let (white, grey) = (dir.path().join("white.png"), dir.path().join("grey.jpg"));
    make_file(&format!(
        "videotestsrc num-buffers=1 pattern=white ! video/x-raw,width=640,height=360 ! pngenc ! filesink location={}",
        white.display()
    ));
    make_file(&format!(
        "videotestsrc num-buffers=1 pattern=solid-color foreground-color=0xff808080 ! video/x-raw,width=320,height=180 ! jpegenc ! filesink location={}",
        grey.display()
    ));
    let mut rig = Rig::start(idle(IdleKind::Image, &white));
    let reader = Reader::open(rig.port());
    reader.wait("white", |seen| seen.luma > 220);
    rig.want(|wish| wish.settings.as_mut().unwrap().idle_path = grey.display().to_string());
    reader
        .wait("grey", |seen| (110..140).contains(&seen.luma))
        .assert_steady(30);
}

#[test]
fn an_idle_video_loops_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("idle.mkv");
    // One second: 15 white pictures, then 15 black ones, with a tone.
    make_file(&format!(
        "matroskamux name=mux ! filesink location={} \
         videotestsrc num-buffers=30 pattern=white ! video/x-raw,width=320,height=180,framerate=30/1 ! vp8enc deadline=1 ! mux. \
         audiotestsrc num-buffers=50 samplesperbuffer=960 freq=650 volume=0.1 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! mux.",
        file.display()
    ));
    let rig = Rig::start(idle(IdleKind::Video, &file));
    let reader = Reader::open(rig.port());
    reader.wait("the file", |seen| seen.luma > 220 && seen.tone == Some(5));
    // Four rounds later it still plays.
    let seen = reader.more(120);
    assert!(seen.luma > 220, "{seen:?}");
    reader
        .wait("its tone", |seen| seen.tone == Some(5))
        .assert_steady(30);
}

#[test]
fn an_unreadable_idle_file_is_told_and_black_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken");
    std::fs::write(&broken, vec![7; 10_000]).unwrap();
    for (kind, path) in [
        (IdleKind::Image, dir.path().join("missing.png")),
        (IdleKind::Image, broken.clone()),
        (IdleKind::Video, dir.path().join("missing.mp4")),
        (IdleKind::Video, broken),
    ] {
        let rig = Rig::start(idle(kind, &path));
        rig.boothd().hear(
            &format!("the problem with {kind:?} {path:?}"),
            |said| match said {
                Said::Problem(problem) => {
                    (problem.reason == "IDLE_FILE_UNREADABLE" && !problem.fatal).then_some(())
                }
                _ => None,
            },
        );
        let seen = Reader::open(rig.port()).wait("black", |seen| seen.pictures >= 5);
        assert!(seen.luma <= 17, "{seen:?}");
    }
}

#[test]
fn levels_and_tiles_of_the_output_and_of_the_armed_caller_are_told() {
    let mut rig = Rig::start(settings());
    let (anna, ben) = (
        source("anna", 11, &FIVE, true),
        source("ben", 12, &SEVEN, true),
    );
    rig.want(|wish| (wish.on_air, wish.armed) = (Some(anna), Some(ben)));
    let _sending = [
        Sending::start(rig.boothd(), 11, &FIVE),
        Sending::start(rig.boothd(), 12, &SEVEN),
    ];
    rig.shows(Showing::Caller, "anna");
    rig.boothd().forget();
    for caller in ["", "ben"] {
        let jpeg = rig
            .boothd()
            .hear(&format!("a tile of {caller:?}"), |said| match said {
                Said::Tile(tile) => (tile.caller == caller).then(|| tile.jpeg.clone()),
                _ => None,
            });
        assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.len() < 40_000);
    }
    rig.boothd().hear("anna's level", |said| match said {
        Said::Meters(meters) => {
            (meters.rms_dbfs.iter().all(|rms| (rms + 23.0).abs() < 1.0)).then_some(())
        }
        _ => None,
    });
    // Muted, she is silent at once, and the picture stays.
    rig.want(|wish| wish.muted = true);
    rig.boothd().forget();
    rig.boothd().hear("silence", |said| match said {
        Said::Meters(meters) => (meters.peak_dbfs.iter().all(|peak| *peak < -90.0)).then_some(()),
        _ => None,
    });
}
