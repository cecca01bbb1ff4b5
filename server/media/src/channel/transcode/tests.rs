//! The program as the channel's loop drives it: live units in real time, and what comes out decoded again. Each picture
//! carries its source and its number, so that none can be missed, repeated or taken for another.

mod drive;
mod faults;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use booth_proto::worker::{self, ChannelShowing, SwitchCause};
use booth_stream::loopfile::LoopFile;
use booth_stream::video::Pictures;
use booth_stream::{
    AccessUnit, LoopSource, MILLISECOND, MediaEvent, Nanos, SECOND, Track, VideoCodec, VideoConfig,
};
use bytes::Bytes;
use tokio::sync::Notify;

use super::Transcode;
use crate::channel::program::{Loops, Out, Program, Wish};
use crate::picture::Format;
use crate::prepare::Weave;
use crate::settings::VideoSettings;
use drive::*;

const ENOUGH_MS: u64 = 15_000;

async fn on_live(drive: &mut Drive) {
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Backup))
            .await,
        "{:?}",
        drive.others
    );
    drive.publish();
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Live))
            .await,
        "{:?}",
        drive.others
    );
    let at = drive.now();
    drive
        .run(ENOUGH_MS, |drive| drive.now() > at + SECOND)
        .await;
}

async fn back_on_backup(drive: &mut Drive) {
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Backup))
            .await,
        "{:?}",
        drive.others
    );
    let at = drive.now();
    drive
        .run(ENOUGH_MS, |drive| drive.now() > at + SECOND)
        .await;
}

#[tokio::test]
async fn a_killed_publisher_is_followed_by_the_backup_without_a_picture_standing() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    drive.kill();
    back_on_backup(&mut drive).await;
    drive.assert_even();
    let causes = drive.causes();
    assert_eq!(
        causes.last().map(|(_, cause, _)| *cause),
        Some(SwitchCause::LiveEnded),
        "{causes:?}"
    );
    let freeze = longest_freeze(&drive.pictures());
    // The goal is 100 ms.
    assert!(
        freeze <= 3,
        "a picture stood for {freeze} frames; {causes:?}"
    );
}

#[tokio::test]
async fn a_stalled_publisher_is_followed_by_the_backup_without_a_picture_standing() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    drive.stalled = true;
    back_on_backup(&mut drive).await;
    drive.assert_even();
    let causes = drive.causes();
    assert_eq!(
        causes.last().map(|(_, cause, _)| *cause),
        Some(SwitchCause::LiveStalled),
        "{causes:?}"
    );
    let freeze = longest_freeze(&drive.pictures());
    // The goal is 150 ms.
    assert!(
        freeze <= 4,
        "a picture stood for {freeze} frames; {causes:?}"
    );
}

#[tokio::test]
async fn live_is_seen_within_half_a_second_and_every_picture_once() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    let (begun, shown) = (drive.begun, drive.pictures());
    let arrived = |pts: Nanos| {
        drive.units.iter().find_map(|(at, event)| match event {
            MediaEvent::Unit(unit) if unit.track == Track::Video && unit.pts == pts => Some(*at),
            _ => None,
        })
    };
    let live: Vec<Shown> = shown
        .iter()
        .copied()
        .filter(|shown| shown.source == LIVE)
        .collect();
    assert!(live.len() > 20);
    let mut latencies: Vec<Nanos> = live
        .iter()
        .map(|shown| arrived(shown.pts).unwrap() - begun - Nanos::from(shown.number) * FRAME)
        .collect();
    latencies.sort_unstable();
    let median = latencies[latencies.len() / 2] / MILLISECOND;
    assert!((400..=500).contains(&median), "{median} ms");
    let odd = live
        .windows(2)
        .filter(|pair| pair[1].number != pair[0].number + 1)
        .count();
    assert!(odd <= 1, "{odd} pictures repeated or left out: {live:?}");
    drive.assert_even();
}

#[tokio::test]
async fn sound_and_picture_stay_together_on_live_and_on_the_backup() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    drive.run(1_500, |_| false).await;
    drive.kill();
    back_on_backup(&mut drive).await;
    drive.run(1_500, |_| false).await;
    let (shown, tones) = (drive.pictures(), drive.tones());
    for source in [LIVE, BACKUP] {
        let seconds: Vec<Nanos> = shown
            .windows(2)
            .filter(|pair| pair[1].source == source && pair[0].source == source)
            .filter(|pair| pair[1].number % 30 == 0 && pair[0].number != pair[1].number)
            .map(|pair| pair[1].pts)
            .filter(|pts| {
                shown
                    .last()
                    .is_some_and(|last| *pts + SECOND / 4 < last.pts)
            })
            .collect();
        assert!(seconds.len() >= 2, "source {source}: {seconds:?}");
        for second in seconds {
            let off = tones
                .iter()
                .map(|tone| tone - second)
                .min_by_key(|off| off.abs())
                .unwrap();
            // EBU R37 lets sound be 40 ms early and 60 ms late.
            assert!(
                off.abs() < 30 * MILLISECOND,
                "source {source}: {} ms off",
                off / MILLISECOND
            );
        }
    }
}

#[tokio::test]
async fn another_size_and_rate_in_the_middle_leave_the_output_as_it_is() {
    let mut drive = Drive::start_with(&wish(), (640, 360), 25);
    // Made before: nothing is published while it is being coded.
    let path = drive.dir.path().join("other");
    make_loop(&path, LIVE, 20, (160, 90), 50);
    let other: Arc<dyn LoopSource> = Arc::new(LoopFile::open(&path).unwrap());
    on_live(&mut drive).await;
    // The encoder goes on in the same session, with other settings.
    let now = drive.now();
    drive
        .program
        .live(now, MediaEvent::Video(Arc::clone(other.video())));
    drive.live = Some(other);
    (drive.begun, drive.next) = (now, 0);
    drive.run(2_000, |_| false).await;
    assert!(drive.shows(ChannelShowing::Live), "{:?}", drive.causes());
    drive.assert_even();
    let shown = drive.pictures();
    assert_eq!(shown.last().map(|shown| shown.source), Some(LIVE));
    assert!(longest_freeze(&shown) <= 4, "{shown:?}");
}

#[tokio::test]
async fn a_fade_mixes_both_and_ends_on_the_other() {
    let mut drive = Drive::start(&Wish {
        fade: SECOND / 2,
        ..wish()
    });
    on_live(&mut drive).await;
    let now = drive.now();
    drive.program.set(
        now,
        &Wish {
            fade: SECOND / 2,
            force: worker::Force::Backup,
            ..wish()
        },
    );
    back_on_backup(&mut drive).await;
    assert_eq!(
        drive.causes().last().map(|(_, cause, _)| *cause),
        Some(SwitchCause::Forced)
    );
    drive.assert_even();
    let shown = drive.pictures();
    assert_eq!(shown.last().map(|shown| shown.source), Some(BACKUP));
}

#[tokio::test]
async fn a_picture_that_stands_still_is_taken_off_when_that_is_wished() {
    let mut drive = Drive::start(&Wish {
        frozen: SECOND,
        ..wish()
    });
    let format = Format::new(320, 180, FPS).unwrap();
    let video = VideoSettings::checked((320, 180), FPS, 1500, "x264", "ultrafast").unwrap();
    let path = drive.dir.path().join("still");
    let mut weave = Weave::create(&path).unwrap();
    weave.encode_video(&video, &format).unwrap();
    weave.encode_audio(128).unwrap();
    for n in 0..600 {
        // Moves for four seconds.
        weave.picture(&marked(&format, LIVE, n.min(120))).unwrap();
    }
    weave.sound(&vec![0.0; 600 * 1600 * 2]).unwrap();
    weave.finish(20 * SECOND).unwrap();
    drive.live = Some(Arc::new(LoopFile::open(&path).unwrap()));
    on_live(&mut drive).await;
    back_on_backup(&mut drive).await;
    assert_eq!(
        drive.causes().last().map(|(_, cause, _)| *cause),
        Some(SwitchCause::LiveFrozen)
    );
    drive.assert_even();
}

/// HEVC from ffmpeg, as an encoder with enhanced RTMP sends it.
fn hevc(dir: &Path) -> Vec<(Option<Arc<VideoConfig>>, bool, Bytes)> {
    let path = dir.join("live.h265");
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=30",
            "-t",
            "6",
        ])
        .args(["-c:v", "libx265", "-preset", "ultrafast"])
        .args([
            "-x265-params",
            "bframes=0:keyint=30:log-level=none:aud=1:repeat-headers=1",
        ])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let bytes = std::fs::read(path).unwrap();
    // Access units begin with their delimiter (type 35).
    let starts: Vec<usize> = (0..bytes.len() - 5)
        .filter(|at| bytes[*at..].starts_with(&[0, 0, 0, 1, 35 << 1]))
        .chain([bytes.len()])
        .collect();
    let mut pictures = Pictures::new(VideoCodec::H265);
    starts
        .windows(2)
        .filter_map(|pair| pictures.annex_b(&bytes[pair[0]..pair[1]]).unwrap())
        .map(|picture| (picture.config, picture.key, picture.data))
        .collect()
}

#[tokio::test]
async fn hevc_is_decoded_too() {
    let mut drive = Drive::start(&wish());
    let units = hevc(drive.dir.path());
    assert!(units.len() > 150, "{} units", units.len());
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Backup))
            .await
    );
    let begun = drive.now();
    drive.program.live_begin(begun);
    for (n, (config, key, data)) in units.into_iter().enumerate() {
        let dts = n as Nanos * FRAME;
        if let Some(config) = config {
            let now = drive.now();
            drive.program.live(now, MediaEvent::Video(config));
        }
        let wait = (begun + dts - drive.now()).max(0) / MILLISECOND;
        drive.run(wait as u64, |_| false).await;
        let now = drive.now();
        let unit = AccessUnit {
            track: Track::Video,
            dts,
            pts: dts,
            key,
            data,
        };
        drive.program.live(now, MediaEvent::Unit(unit));
        if drive.shows(ChannelShowing::Live) && n > 100 {
            break;
        }
    }
    assert!(drive.shows(ChannelShowing::Live), "{:?}", drive.others);
    drive.assert_even();
}

#[tokio::test]
async fn without_any_loop_there_is_black_and_a_damaged_one_is_told() {
    let wake = Arc::new(Notify::new());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged");
    std::fs::write(&path, "no loop at all").unwrap();
    let mut drive = Drive::start(&wish());
    drive.program = Transcode::start(0, &settings(), wake).unwrap();
    drive.start = Instant::now();
    drive.program.set(0, &wish());
    let loops = Loops {
        backup: Some(path),
        slate: None,
        key: String::new(),
    };
    drive.program.set_loops(0, &loops);
    drive.run(1_000, |_| false).await;
    assert!(
        drive
            .others
            .iter()
            .any(|(_, out)| matches!(out, Out::LoopUnreadable(_))),
        "{:?}",
        drive.others
    );
    drive.assert_even();
    assert!(drive.pictures().iter().all(|shown| shown.source == 0));
}
