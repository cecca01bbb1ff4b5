//! The shadow: the channel's own program with a publisher made up here, and a receiver that measures.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use booth_proto::worker::{ChannelDesired, ChannelShowing, Force};
use booth_stream::loopfile::LoopFile;
use booth_stream::{AccessUnit, LoopSource, MILLISECOND, MediaEvent, Nanos, SECOND, Track};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::plan::{Measured, Step};
use crate::channel::{Loops, Out, Program, Wish, build};

/// Looked at for the distance of key frames: minutes of media.
const GOP_UNITS: usize = 10_000;

/// See the module.
pub struct Stage {
    program: Box<dyn Program>,
    wish: Wish,
    started: Instant,
    wake: Arc<Notify>,
    media: Arc<LoopFile>,
    publisher: Option<Publisher>,
    seen: Seen,
    showing: Option<ChannelShowing>,
}

/// Sends the loop's own units in real time.
struct Publisher {
    /// When its stream began.
    base: Nanos,
    pass: Nanos,
    next: usize,
    stalled: bool,
}

/// What the receiver saw since a step began.
#[derive(Default)]
struct Seen {
    /// Arrival of the last picture.
    last: Option<Nanos>,
    longest: Nanos,
    pts: Vec<Nanos>,
    switched: Option<(Nanos, ChannelShowing)>,
}

impl Stage {
    /// Builds the program; the media is the backup, or the slate without one.
    pub fn build(desired: &ChannelDesired) -> Result<Self, String> {
        let loops = Loops::of(desired);
        let path = loops.backup.as_deref().or(loops.slate.as_deref());
        let path = path.ok_or("there is neither backup nor slate yet: nothing to rehearse with")?;
        let media = open(path)?;
        let wake = Arc::new(Notify::new());
        let settings = desired.settings.clone().unwrap_or_default();
        let mut program = build(&settings, 0, Arc::clone(&wake))?;
        let wish = Wish::of(desired);
        program.set(0, &wish);
        program.set_loops(0, &loops);
        Ok(Self {
            program,
            wish,
            started: Instant::now(),
            wake,
            media: Arc::new(media),
            publisher: None,
            seen: Seen::default(),
            showing: None,
        })
    }

    /// The longest time between two key frames of what is published and looped.
    pub fn gop_ms(&self) -> u32 {
        let units = (0..self.media.count().min(GOP_UNITS)).filter_map(|n| self.media.unit(n));
        let keys: Vec<Nanos> = units
            .filter(|unit| unit.key && unit.track == Track::Video)
            .map(|unit| unit.pts)
            .collect();
        let between = keys.windows(2).map(|pair| pair[1] - pair[0]);
        let over_seam = self.media.duration() - keys.last().copied().unwrap_or(0);
        let longest = between
            .max()
            .unwrap_or(over_seam)
            .max(over_seam.min(10 * SECOND));
        u32::try_from(longest / MILLISECOND).unwrap_or(u32::MAX)
    }

    pub fn shows_anything(&self) -> bool {
        self.showing.is_some()
    }

    /// The output is where this step leads.
    pub fn reached(&self, step: Step) -> bool {
        let switched = self.seen.switched;
        switched.is_some_and(|(_, to)| (to == ChannelShowing::Live) == step.to_live())
    }

    /// Brings the step's cause about; the moment is returned.
    pub fn begin(&mut self, step: Step) -> Nanos {
        let now = self.now();
        let last = self.seen.last;
        self.seen = Seen {
            last,
            ..Seen::default()
        };
        match step {
            Step::LiveTaken | Step::BackAfterKill => {
                self.program.live_begin(now);
                self.publisher = Some(Publisher {
                    base: now,
                    pass: 0,
                    next: 0,
                    stalled: false,
                });
                let video = MediaEvent::Video(Arc::clone(self.media.video()));
                let audio = MediaEvent::Audio(Arc::clone(self.media.audio()));
                self.program.live(now, video);
                self.program.live(now, audio);
            }
            Step::Killed => {
                self.publisher = None;
                self.program.live_end(now);
            }
            Step::Stalled => self.stall(true),
            Step::BackAfterStall => self.stall(false),
            Step::ForcedBackup => self.force(now, Force::Backup),
            Step::ForcedLive => self.force(now, Force::Live),
        }
        now
    }

    fn stall(&mut self, stalled: bool) {
        let now = self.now();
        let media = Arc::clone(&self.media);
        if let Some(publisher) = &mut self.publisher {
            publisher.stalled = stalled;
            // What would have been sent meanwhile is not.
            if let Some(unit) = media.unit(publisher.next) {
                publisher.base = now - publisher.pass - unit.dts;
            }
        }
    }

    fn force(&mut self, now: Nanos, force: Force) {
        self.wish.force = force;
        self.program.set(now, &self.wish);
    }

    /// What was seen since `from`, when a step began.
    pub fn measured(&self, from: Nanos) -> Measured {
        let ms = |time: Nanos| u32::try_from(time / MILLISECOND).unwrap_or(u32::MAX);
        let frame = SECOND * 1000 / Nanos::from(self.media.video().fps_milli.max(1_000));
        let mut pts = self.seen.pts.clone();
        // Pictures come in order of decoding; they are shown in order of their times.
        pts.sort_unstable();
        let steps = || pts.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = steps().max().unwrap_or(0);
        Measured {
            reaction_ms: self.seen.switched.map(|(at, _)| ms(at - from)),
            freeze_ms: ms(self.seen.longest),
            timestamp_step_ms: ms((longest - frame - MILLISECOND / 2).max(0)),
            back: u32::try_from(steps().filter(|step| *step <= 0).count()).unwrap_or(u32::MAX),
        }
    }

    pub fn now(&self) -> Nanos {
        Nanos::try_from(self.started.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// Waits until something is due.
    pub async fn wait(&self) {
        let published = self
            .publisher
            .as_ref()
            .and_then(|publisher| self.due(publisher));
        let due = [self.program.next_due(), published]
            .into_iter()
            .flatten()
            .min();
        let due = due.map(|due| self.started + Duration::from_nanos(due.max(0).unsigned_abs()));
        match due {
            None => self.wake.notified().await,
            Some(due) => tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(due) => {}
            },
        }
    }

    fn due(&self, publisher: &Publisher) -> Option<Nanos> {
        let unit = self
            .media
            .unit(publisher.next)
            .filter(|_| !publisher.stalled)?;
        Some(publisher.base + publisher.pass + unit.dts)
    }

    /// Publishes and plays what is due.
    pub fn advance(&mut self) -> Result<(), String> {
        self.publish()?;
        let now = self.now();
        while let Some(out) = self.program.poll(now) {
            match out {
                Out::Media(MediaEvent::Unit(unit)) if unit.track == Track::Video => {
                    if let Some(last) = self.seen.last.replace(now) {
                        self.seen.longest = self.seen.longest.max(now - last);
                    }
                    self.seen.pts.push(unit.pts);
                }
                Out::Switched { showing, .. } => {
                    self.showing = Some(showing);
                    self.seen.switched = Some((now, showing));
                }
                Out::Failed(text) | Out::LoopUnreadable(text) => return Err(text),
                Out::Media(_) | Out::Live(..) => {}
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), String> {
        let now = self.now();
        let media = Arc::clone(&self.media);
        while let Some(publisher) = &mut self.publisher
            && !publisher.stalled
        {
            let Some(unit) = media.unit(publisher.next) else {
                publisher.next = 0;
                publisher.pass += media.duration();
                continue;
            };
            let at = publisher.pass + unit.dts;
            if publisher.base + at > now {
                break;
            }
            let data = media
                .read(publisher.next)
                .ok_or("the backup cannot be read any more")?;
            publisher.next += 1;
            let unit = AccessUnit {
                track: unit.track,
                dts: at,
                pts: publisher.pass + unit.pts,
                key: unit.key,
                data,
            };
            self.program.live(now, MediaEvent::Unit(unit));
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<LoopFile, String> {
    LoopFile::open(path).map_err(|error| format!("{}: {error}", path.display()))
}
