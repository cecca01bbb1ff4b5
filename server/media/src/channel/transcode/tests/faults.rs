//! What fails: loops that are let go or cannot be read, decoders that stop.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::channel::transcode::reel::Reel;

#[test]
fn a_loop_that_is_let_go_leaves_nothing_behind() {
    gst::init().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop");
    make_loop(&path, BACKUP, 3, (320, 180), FPS);
    let source: Arc<dyn LoopSource> = Arc::new(LoopFile::open(&path).unwrap());
    let format = Format::new(320, 180, FPS).unwrap();
    for number in 0..20 {
        let (complaints, complained) = channel();
        let reel = Reel::start(number, Arc::clone(&source), 0, &format, complaints).unwrap();
        reel.pictures
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|error| panic!("{error}: {:?}", complained.try_recv()));
    }
    // Each thread that feeds has a hand of it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while Arc::strong_count(&source) > 1 {
        let left = Arc::strong_count(&source) - 1;
        assert!(Instant::now() < deadline, "{left} threads feed on");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn live_that_cannot_be_decoded_is_followed_by_the_backup_until_it_can() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    drive.hollow = true;
    back_on_backup(&mut drive).await;
    assert_eq!(
        drive.causes().last().map(|(_, cause, _)| *cause),
        Some(SwitchCause::LiveUnusable)
    );
    // That there is sound says nothing about the picture.
    let audio = Arc::clone(drive.live.as_ref().unwrap().audio());
    let now = drive.now();
    drive.program.live(now, MediaEvent::Audio(audio));
    drive.run(2_000, |_| false).await;
    assert!(drive.shows(ChannelShowing::Backup), "{:?}", drive.causes());
    drive.hollow = false;
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Live))
            .await,
        "{:?}",
        drive.others
    );
    drive.assert_even();
}

#[tokio::test]
async fn after_decoders_that_failed_picture_and_sound_of_live_come_back() {
    let mut drive = Drive::start(&wish());
    on_live(&mut drive).await;
    let good = Arc::clone(drive.live.as_ref().unwrap().video());
    let bad = VideoConfig {
        record: Bytes::from_static(b"bad"),
        ..(*good).clone()
    };
    // The first failure is followed by a decoder at once; that one fails too, soon after.
    let now = drive.now();
    drive.program.live(now, MediaEvent::Video(Arc::new(bad)));
    back_on_backup(&mut drive).await;
    drive.run(2_000, |_| false).await;
    let now = drive.now();
    drive.program.live(now, MediaEvent::Video(good));
    assert!(
        drive
            .run(ENOUGH_MS, |drive| drive.shows(ChannelShowing::Live))
            .await,
        "{:?}",
        drive.others
    );
    let at = drive.pictures().last().unwrap().pts;
    drive.run(3_000, |_| false).await;
    drive.assert_even();
    let last = drive.pictures();
    assert_eq!(last.last().map(|shown| shown.source), Some(LIVE));
    let tones = drive.tones();
    assert!(
        tones.iter().any(|tone| *tone > at + SECOND),
        "live is mute: {tones:?}"
    );
}

/// The programs with a loop that is damaged at first.
#[tokio::test]
async fn a_loop_that_could_not_be_read_is_tried_again() {
    gst::init().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop");
    let wake = Arc::new(Notify::new());
    let programs: [Box<dyn Program>; 2] = [
        Box::new(Transcode::start(0, &settings(), Arc::clone(&wake)).unwrap()),
        Box::new(crate::channel::copy::Copy::new(0, Arc::clone(&wake))),
    ];
    for mut program in programs {
        std::fs::write(&path, "no loop at all").unwrap();
        program.set(0, &wish());
        let loops = Loops {
            backup: Some(path.clone()),
            slate: None,
            key: String::new(),
        };
        program.set_loops(0, &loops);
        let is_told = |out: &Out| matches!(out, Out::LoopUnreadable(_));
        until(&mut *program, 0, &wake, is_told).await;
        assert!(program.next_due().is_some_and(|due| due <= 10 * SECOND));
        make_loop(&path, BACKUP, 3, (320, 180), FPS);
        let plays = |out: &Out| {
            matches!(
                out,
                Out::Switched {
                    showing: ChannelShowing::Backup,
                    ..
                }
            )
        };
        until(&mut *program, 10 * SECOND, &wake, plays).await;
    }
}

async fn until(
    program: &mut dyn Program,
    now: Nanos,
    wake: &Notify,
    wanted: impl Fn(&Out) -> bool,
) {
    let deadline = Instant::now() + Duration::from_millis(ENOUGH_MS);
    loop {
        while let Some(out) = program.poll(now) {
            if wanted(&out) {
                return;
            }
        }
        assert!(Instant::now() < deadline);
        let _ = tokio::time::timeout(Duration::from_millis(5), wake.notified()).await;
    }
}
