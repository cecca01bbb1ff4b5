//! Drives the program as the channel's loop does, and decodes what comes out.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use booth_proto::worker::{self, ChannelMode, ChannelSettings, ChannelShowing, SwitchCause};
use booth_stream::loopfile::LoopFile;
use booth_stream::{AccessUnit, LoopSource, MILLISECOND, MediaEvent, Nanos, SECOND, Track};
use tokio::sync::Notify;

use crate::channel::program::{Loops, Out, Program, Wish};
use crate::channel::transcode::Transcode;
use crate::channel::transcode::decoder::{Decoder, Pace, Shot};
use crate::picture::{Format, Frame};
use crate::prepare::{Weave, sample_of, time_of};
use crate::settings::VideoSettings;

pub const FPS: u32 = 30;
pub const FRAME: Nanos = SECOND / FPS as Nanos;
pub const LIVE: u32 = 1;
pub const BACKUP: u32 = 2;

pub fn settings() -> ChannelSettings {
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

pub fn wish() -> Wish {
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
pub fn marked(format: &Format, source: u32, number: u32) -> Frame {
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

pub fn read(format: &Format, frame: &Frame) -> (u32, u32) {
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
pub fn make_loop(path: &Path, source: u32, seconds: u32, size: (u32, u32), fps: u32) {
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
pub struct Shown {
    pub pts: Nanos,
    pub source: u32,
    pub number: u32,
}

pub struct Drive {
    pub program: Transcode,
    pub wake: Arc<Notify>,
    pub start: Instant,
    pub dir: tempfile::TempDir,
    pub units: Vec<(Nanos, MediaEvent)>,
    pub others: Vec<(Nanos, Out)>,
    pub live: Option<Arc<dyn LoopSource>>,
    /// Of the live source: where it is, and its next unit.
    pub begun: Nanos,
    pub next: usize,
    pub stalled: bool,
    /// Pictures come with nothing in them.
    pub hollow: bool,
}

impl Drive {
    pub fn start(wish: &Wish) -> Self {
        Self::start_with(wish, (320, 180), FPS)
    }

    pub fn start_with(wish: &Wish, live_size: (u32, u32), live_fps: u32) -> Self {
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
            hollow: false,
        }
    }

    pub fn now(&self) -> Nanos {
        Nanos::try_from(self.start.elapsed().as_nanos()).unwrap()
    }

    pub fn publish(&mut self) {
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

    pub fn kill(&mut self) {
        self.begun = -1;
        let now = self.now();
        self.program.live_end(now);
    }

    /// Drives the program for so long, or until what came says enough.
    pub async fn run(&mut self, for_ms: u64, enough: impl Fn(&Self) -> bool) -> bool {
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

    pub fn feed(&mut self) {
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
            let data = match unit.track {
                // A NAL unit of filler.
                Track::Video if self.hollow => [0, 0, 0, 2, 0x0c, 0x80].to_vec().into(),
                _ => live.read(self.next).unwrap(),
            };
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
    pub fn shows(&self, showing: ChannelShowing) -> bool {
        let switched = |out: &(Nanos, Out)| match out.1 {
            Out::Switched { showing, .. } => Some(showing),
            _ => None,
        };
        self.others.iter().rev().find_map(switched) == Some(showing)
    }

    pub fn causes(&self) -> Vec<(ChannelShowing, SwitchCause, u32)> {
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
    pub fn pictures(&self) -> Vec<Shown> {
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
    pub fn tones(&self) -> Vec<Nanos> {
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
    pub fn assert_even(&self) {
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
pub fn longest_freeze(shown: &[Shown]) -> usize {
    let from = shown.iter().position(|shown| shown.source == LIVE).unwrap();
    let (mut longest, mut run) = (1, 1);
    for pair in shown[from..].windows(2) {
        let same = (pair[0].source, pair[0].number) == (pair[1].source, pair[1].number);
        run = if same { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}
