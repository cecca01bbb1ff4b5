//! The program as the channel's loop drives it: live units in real time, and what comes out decoded again. Each picture
//! carries its source and its number, so that none can be missed, repeated or taken for another.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use booth_proto::worker::{self, ChannelMode, ChannelSettings, ChannelShowing, SwitchCause};
use booth_stream::loopfile::LoopFile;
use booth_stream::video::Pictures;
use booth_stream::{
    AccessUnit, LoopSource, MILLISECOND, MediaEvent, Nanos, SECOND, Track, VideoCodec, VideoConfig,
};
use bytes::Bytes;
use tokio::sync::Notify;

use super::Transcode;
use super::decoder::{Decoder, Pace, Shot};
use crate::channel::program::{Loops, Out, Program, Wish};
use crate::picture::{Format, Frame};
use crate::prepare::{Weave, sample_of, time_of};
use crate::settings::VideoSettings;

const FPS: u32 = 30;
const FRAME: Nanos = SECOND / FPS as Nanos;
const LIVE: u32 = 1;
const BACKUP: u32 = 2;

fn settings() -> ChannelSettings {
    ChannelSettings {
        mode: ChannelMode::Transcode.into(),
        width: 320,
        height: 180,
        fps: FPS,
        video_bitrate_kbps: 800,
        preset: "ultrafast".to_owned(),
        ..ChannelSettings::default()
    }
}

fn wish() -> Wish {
    Wish {
        force: worker::Force::Auto,
        stable: SECOND / 2,
        stable_max: SECOND,
        lost: 300 * MILLISECOND,
        delay: 400 * MILLISECOND,
        frozen: 0,
        black: 0,
        silent: 0,
        fade: 0,
        backup_start: worker::BackupStart::Running,
    }
}

/// A picture that says where it is from: two bits of source and ten of number, in columns of black and white.
fn marked(format: &Format, source: u32, number: u32) -> Frame {
    let code = source << 10 | number & 1023;
    let width = format.width();
    format
        .draw(|plane, _, pixels| {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                let bit = column * 12 / if plane == 0 { width } else { width / 2 };
                *pixel = match (plane, code >> (11 - bit) & 1) {
                    (0, 1) => 200,
                    (0, _) => 40,
                    _ => 128,
                };
            }
        })
        .unwrap()
}

fn read(format: &Format, frame: &Frame) -> (u32, u32) {
    let code = format
        .read(frame, |[(luma, stride), _, _]| {
            let row = &luma[stride * (format.height() / 2)..];
            (0..12).fold(0u32, |code, bit| {
                let at = (2 * bit + 1) * format.width() / 24;
                code << 1 | u32::from(row[at] > 120)
            })
        })
        .unwrap();
    (code >> 10, code & 1023)
}

/// A loop of marked pictures; a tone of a tenth of a second begins with every 30th.
fn make_loop(path: &Path, source: u32, seconds: u32, size: (u32, u32), fps: u32) {
    let format = Format::new(size.0, size.1, fps).unwrap();
    let video = VideoSettings::checked(size, fps, 1500, "x264", "ultrafast").unwrap();
    let mut weave = Weave::create(path).unwrap();
    weave.encode_video(&video, &format).unwrap();
    weave.encode_audio(128).unwrap();
    let frames = u64::from(seconds * fps);
    for n in 0..frames {
        weave.picture(&marked(&format, source, n as u32)).unwrap();
    }
    let second = sample_of(30, fps);
    let sound: Vec<f32> = (0..sample_of(frames, fps))
        .flat_map(|n| {
            let tone = 0.3 * (n as f32 * 1000.0 * std::f32::consts::TAU / 48_000.0).sin();
            [if n % second < 4800 { tone } else { 0.0 }; 2]
        })
        .collect();
    weave.sound(&sound).unwrap();
    weave.finish(time_of(frames, fps.into())).unwrap();
}

/// What the output showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    pts: Nanos,
    source: u32,
    number: u32,
}

struct Drive {
    program: Transcode,
    wake: Arc<Notify>,
    start: Instant,
    dir: tempfile::TempDir,
    units: Vec<(Nanos, MediaEvent)>,
    others: Vec<(Nanos, Out)>,
    live: Option<Arc<dyn LoopSource>>,
    /// Of the live source: where it is, and its next unit.
    begun: Nanos,
    next: usize,
    stalled: bool,
}

impl Drive {
    fn start(wish: &Wish) -> Self {
        Self::start_with(wish, (320, 180), FPS)
    }

    fn start_with(wish: &Wish, live_size: (u32, u32), live_fps: u32) -> Self {
        gst::init().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make_loop(&at("live"), LIVE, 20, live_size, live_fps);
        make_loop(&at("backup"), BACKUP, 3, (320, 180), FPS);
        let wake = Arc::new(Notify::new());
        let mut program = Transcode::start(0, &settings(), Arc::clone(&wake)).unwrap();
        program.set(0, wish);
        program.set_loops(
            0,
            &Loops {
                backup: Some(at("backup")),
                slate: None,
                key: "1".to_owned(),
            },
        );
        Self {
            program,
            wake,
            start: Instant::now(),
            live: Some(Arc::new(LoopFile::open(&at("live")).unwrap())),
            dir,
            units: Vec::new(),
            others: Vec::new(),
            begun: -1,
            next: 0,
            stalled: false,
        }
    }

    fn now(&self) -> Nanos {
        Nanos::try_from(self.start.elapsed().as_nanos()).unwrap()
    }

    fn publish(&mut self) {
        let now = self.now();
        self.begun = now;
        self.next = 0;
        self.stalled = false;
        self.program.live_begin(now);
        let live = self.live.clone().unwrap();
        self.program
            .live(now, MediaEvent::Video(Arc::clone(live.video())));
        self.program
            .live(now, MediaEvent::Audio(Arc::clone(live.audio())));
    }

    fn kill(&mut self) {
        self.begun = -1;
        let now = self.now();
        self.program.live_end(now);
    }

    /// Drives the program for so long, or until what came says enough.
    async fn run(&mut self, for_ms: u64, enough: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + Duration::from_millis(for_ms);
        while Instant::now() < until {
            self.feed();
            let now = self.now();
            while let Some(out) = self.program.poll(now) {
                match out {
                    Out::Media(event) => self.units.push((now, event)),
                    other => self.others.push((now, other)),
                }
            }
            if enough(self) {
                return true;
            }
            let due = self
                .program
                .next_due()
                .map_or(5 * MILLISECOND, |due| due - now);
            let wait = Duration::from_nanos(due.clamp(MILLISECOND, 5 * MILLISECOND).unsigned_abs());
            let _ = tokio::time::timeout(wait, self.wake.notified()).await;
        }
        false
    }

    fn feed(&mut self) {
        if self.begun < 0 || self.stalled {
            return;
        }
        let live = self.live.clone().unwrap();
        loop {
            let now = self.now();
            let Some(unit) = live
                .unit(self.next)
                .filter(|unit| self.begun + unit.dts <= now)
            else {
                return;
            };
            let data = live.read(self.next).unwrap();
            self.next += 1;
            let base = 1000 * SECOND;
            let unit = AccessUnit {
                track: unit.track,
                dts: unit.dts + base,
                pts: unit.pts + base,
                key: unit.key,
                data,
            };
            self.program.live(now, MediaEvent::Unit(unit));
        }
    }

    #[track_caller]
    fn shows(&self, showing: ChannelShowing) -> bool {
        let switched = |out: &(Nanos, Out)| match out.1 {
            Out::Switched { showing, .. } => Some(showing),
            _ => None,
        };
        self.others.iter().rev().find_map(switched) == Some(showing)
    }

    fn causes(&self) -> Vec<(ChannelShowing, SwitchCause, u32)> {
        let switched = |out: &(Nanos, Out)| match out.1 {
            Out::Switched {
                showing,
                cause,
                gap_ms,
            } => Some((showing, cause, gap_ms)),
            _ => None,
        };
        self.others.iter().filter_map(switched).collect()
    }

    /// Decodes all that came out.
    fn pictures(&self) -> Vec<Shown> {
        let format = Format::new(320, 180, FPS).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (into, reader) = (Arc::clone(&shown), format.clone());
        let mut decoder = Decoder::new(
            &format,
            Pace::Taken,
            Arc::new(move |shot| {
                if let Shot::Picture(pts, frame) = shot {
                    let (source, number) = read(&reader, &frame);
                    into.lock().unwrap().push(Shown {
                        pts,
                        source,
                        number,
                    });
                }
                true
            }),
        );
        let mut count = 0;
        for (_, event) in &self.units {
            match event {
                MediaEvent::Video(config) => decoder.video_config(config).unwrap(),
                MediaEvent::Unit(unit) if unit.track == Track::Video => {
                    decoder.picture(unit.dts, unit.pts, unit.key, unit.data.clone());
                    count += 1;
                }
                _ => {}
            }
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        // A decoder keeps its last pictures for their order.
        while shown.lock().unwrap().len() + 3 < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count} pictures decoded",
                shown.lock().unwrap().len()
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
        drop(decoder);
        std::mem::take(&mut *shown.lock().unwrap())
    }

    /// When tones begin on the output.
    fn tones(&self) -> Vec<Nanos> {
        let format = Format::new(320, 180, FPS).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        let mut decoder = Decoder::new(
            &format,
            Pace::Taken,
            Arc::new(move |shot| {
                if let Shot::Sound(at, samples) = shot {
                    into.lock().unwrap().push((at, samples));
                }
                true
            }),
        );
        let mut last = 0;
        for (_, event) in &self.units {
            match event {
                MediaEvent::Audio(config) => decoder.audio_config(config).unwrap(),
                MediaEvent::Unit(unit) if unit.track == Track::Audio => {
                    decoder.sound(unit.pts, unit.data.clone());
                    last = unit.pts;
                }
                _ => {}
            }
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while heard
            .lock()
            .unwrap()
            .last()
            .is_none_or(|(at, _)| at + 100 * MILLISECOND < last)
        {
            assert!(Instant::now() < deadline);
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let mut loud: Vec<Nanos> = Vec::new();
        for (at, samples) in heard.lock().unwrap().iter() {
            for (n, pair) in samples.chunks(2).enumerate() {
                if pair[0].abs() > 0.1 {
                    loud.push(at + n as Nanos * SECOND / 48_000);
                }
            }
        }
        let new = |n: &usize| *n == 0 || loud[*n] - loud[*n - 1] > 100 * MILLISECOND;
        (0..loud.len()).filter(new).map(|n| loud[n]).collect()
    }

    /// Every step of both tracks' stamps is one frame.
    #[track_caller]
    fn assert_even(&self) {
        for (track, frame) in [
            (Track::Video, FRAME),
            (Track::Audio, 1024 * SECOND / 48_000),
        ] {
            let stamps: Vec<Nanos> = self
                .units
                .iter()
                .filter_map(|(_, event)| match event {
                    MediaEvent::Unit(unit) if unit.track == track => Some(unit.pts),
                    _ => None,
                })
                .collect();
            assert!(stamps.len() > 10, "{track:?}: {} units", stamps.len());
            for pair in stamps.windows(2) {
                let off = (pair[1] - pair[0] - frame).abs();
                assert!(
                    off < MILLISECOND,
                    "{track:?}: a step of {} us",
                    (pair[1] - pair[0]) / 1000
                );
            }
        }
        let failed = self
            .others
            .iter()
            .find(|(_, out)| matches!(out, Out::Failed(_)));
        assert!(failed.is_none(), "{failed:?}");
    }
}

/// The longest that one picture stood, in frames, between the first live picture and the end.
fn longest_freeze(shown: &[Shown]) -> usize {
    let from = shown.iter().position(|shown| shown.source == LIVE).unwrap();
    let (mut longest, mut run) = (1, 1);
    for pair in shown[from..].windows(2) {
        let same = (pair[0].source, pair[0].number) == (pair[1].source, pair[1].number);
        run = if same { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}

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
    on_live(&mut drive).await;
    let path = drive.dir.path().join("other");
    make_loop(&path, LIVE, 20, (160, 90), 50);
    let other: Arc<dyn LoopSource> = Arc::new(LoopFile::open(&path).unwrap());
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
