//! What decides: the policy, fed by the frames that arrive and by what is seen of them; the mixer is told what to show.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use booth_proto::worker::{ChannelSettings, ChannelShowing};
use booth_stream::{
    Available, BackupStart, Cause, LiveMonitor, LiveState, LoopSource, MILLISECOND, MediaEvent,
    Nanos, Policy, Want,
};
use tokio::sync::Notify;

use super::encoder::{Coded, Encoder, Outlet};
use super::live::{Hands, LiveInput, Seen, Taken};
use super::mixer::{Mixer, Order, Parts, Target, Told};
use super::reel::{Complaints, Reel};
use crate::channel::copy::{cause_to_wire, live, policy, showing_to_wire};
use crate::channel::program::{Loops, Out, Program, Verdict, Wish};
use crate::channel::shelf::Shelf;
use crate::error::MediaError;
use crate::picture::Format;
use crate::settings::VideoSettings;

/// The whole way takes about 100 ms more: with this, live is seen half a second late at most.
const DELAY_MAX: Nanos = 400 * MILLISECOND;
/// No picture for this long is reason enough to have the loop ready.
const SUSPICION: Nanos = 90 * MILLISECOND;
/// A loop that is not needed after all is kept for this long.
const KEEP_WARM: Nanos = 3_000 * MILLISECOND;
/// A decoder that fails is built again, at most this often.
const REBUILD: Nanos = 1_000 * MILLISECOND;
/// Besides `lost`, a decoder may take this much longer to give a picture for what it was given.
const DECODING: Nanos = 300 * MILLISECOND;

/// Which loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Backup,
    Slate,
}

/// A loop file that can be played.
struct Loaded {
    source: Arc<dyn LoopSource>,
    since: Nanos,
    /// Where it left the air.
    left: Nanos,
}

/// The start of a loop that the mixer has.
struct Started {
    number: u64,
    kind: Kind,
    needed_at: Nanos,
}

/// See the module.
pub struct Transcode {
    monitor: LiveMonitor,
    policy: Policy,
    fade: Nanos,
    told: LiveState,
    sessions: u64,
    live: Option<LiveInput>,
    picture_at: Nanos,
    rebuilt_at: Nanos,
    /// When a decoder that failed will be built again.
    rebuild_at: Option<Nanos>,
    /// Since when pictures come and none is decoded.
    undecoded: Option<Nanos>,
    /// There is no decoder for what comes.
    refused: bool,
    hands: Hands,
    backup: Option<Loaded>,
    slate: Option<Loaded>,
    shelf: Shelf,
    starts: u64,
    reel: Option<Started>,
    /// Starts that the mixer may still tell of.
    kinds: VecDeque<(u64, Kind)>,
    wanted: Target,
    cause: Cause,
    on_air: Target,
    first: bool,
    mixer: Mixer,
    coded: Receiver<Coded>,
    seen: Receiver<Seen>,
    shown: Receiver<Told>,
    complaints: (Complaints, Receiver<(u64, String)>),
    out: VecDeque<Out>,
}

impl Transcode {
    /// Starts encoder and mixer, showing black. `now` is the loop's present time.
    ///
    /// # Errors
    /// When GStreamer or an element is missing, or the settings cannot be used.
    pub fn start(
        now: Nanos,
        settings: &ChannelSettings,
        wake: Arc<Notify>,
    ) -> Result<Self, MediaError> {
        crate::worker::start_gstreamer()
            .map_err(|_| MediaError::Pipeline("GStreamer cannot be used".to_owned()))?;
        let video = VideoSettings::checked(
            (settings.width, settings.height),
            settings.fps,
            settings.video_bitrate_kbps,
            &settings.encoder,
            &settings.preset,
        )
        .map_err(|error| MediaError::Pipeline(error.to_string()))?;
        let audio_kbps = if settings.audio_bitrate_kbps == 0 {
            128
        } else {
            settings.audio_bitrate_kbps
        };
        let format = Format::new(video.width, video.height, video.fps)?;
        // What is encoded waits to be polled; the loop takes it at once.
        let (given, coded) = channel();
        let outlet = Outlet {
            coded: given,
            wake: Arc::clone(&wake),
        };
        let encoder = Encoder::start(&video, audio_kbps, &format, &outlet)?;
        let (told, shown) = channel();
        let mixer = Mixer::start(Parts {
            encoder,
            format: format.clone(),
            fps: video.fps,
            epoch: Instant::now()
                .checked_sub(Duration::from_nanos(now.max(0).unsigned_abs()))
                .unwrap_or_else(Instant::now),
            told,
            wake: Arc::clone(&wake),
        })?;
        let (seeing, seen) = channel();
        Ok(Self {
            monitor: LiveMonitor::new(now, Policy::default()),
            policy: Policy::default(),
            fade: 0,
            told: LiveState::Absent,
            sessions: 0,
            live: None,
            picture_at: now,
            rebuilt_at: Nanos::MIN / 2,
            rebuild_at: None,
            undecoded: None,
            refused: false,
            hands: Hands {
                format,
                media: mixer.media(),
                seen: seeing,
                wake: Arc::clone(&wake),
            },
            backup: None,
            slate: None,
            shelf: Shelf::new(wake),
            starts: 0,
            reel: None,
            kinds: VecDeque::new(),
            wanted: Target::Black,
            cause: Cause::Started,
            on_air: Target::Black,
            first: true,
            mixer,
            coded,
            seen,
            shown,
            complaints: channel(),
            out: VecDeque::new(),
        })
    }

    fn delay(&self) -> Nanos {
        self.policy.delay.clamp(0, DELAY_MAX)
    }

    fn order(&mut self, order: Order) {
        if !self.mixer.order(order) {
            self.out
                .push_back(Out::Failed("the mixer stands still".to_owned()));
        }
    }

    fn take_in(&mut self, now: Nanos) {
        while let Ok(seen) = self.seen.try_recv() {
            let current = self.live.as_ref().map(|live| (live.session, live.built));
            match seen {
                Seen::Verdict(session, verdict)
                    if current.is_some_and(|(current, _)| current == session) =>
                {
                    self.verdict(now, verdict)
                }
                Seen::Failed(session, built, text) if current == Some((session, built)) => {
                    // It may tell of one failure more than once.
                    if self.rebuild_at.is_none() {
                        tracing::warn!(text, "the live input cannot be decoded");
                        self.rebuild_at = Some(now.max(self.rebuilt_at + REBUILD));
                    }
                }
                Seen::Verdict(..) | Seen::Failed(..) => {}
            }
        }
        while let Ok(told) = self.shown.try_recv() {
            self.mixer_told(now, told);
        }
        while let Ok((number, text)) = self.complaints.1.try_recv() {
            // One that was dropped has nothing to say any more.
            if let Some(reel) = self.reel.take_if(|reel| reel.number == number) {
                match reel.kind {
                    Kind::Backup => {
                        self.backup = None;
                        self.shelf.backup_unreadable(now);
                    }
                    Kind::Slate => {
                        self.slate = None;
                        self.shelf.slate_unreadable(now);
                    }
                }
                self.out.push_back(Out::LoopUnreadable(text));
            }
        }
        while let Ok(coded) = self.coded.try_recv() {
            self.out.push_back(match coded {
                Coded::Media(event) => Out::Media(event),
                Coded::Failed(text) => Out::Failed(text),
            });
        }
    }

    fn mixer_told(&mut self, now: Nanos, told: Told) {
        match told {
            Told::Shown { target, gap } => {
                self.on_air = target;
                self.monitor.on_air(now, matches!(target, Target::Live(_)));
                let cause = if std::mem::take(&mut self.first) {
                    Cause::Started
                } else {
                    self.cause
                };
                self.out.push_back(Out::Switched {
                    showing: self.showing(target),
                    cause: cause_to_wire(cause),
                    gap_ms: u32::try_from(gap / MILLISECOND).unwrap_or(u32::MAX),
                });
            }
            Told::Left { reel, at } => {
                let kind = self.kinds.iter().find(|(number, _)| *number == reel);
                if let Some((_, Kind::Backup)) = kind
                    && let Some(backup) = &mut self.backup
                {
                    backup.left = at;
                }
            }
        }
    }

    fn showing(&self, target: Target) -> ChannelShowing {
        match target {
            Target::Live(_) => showing_to_wire(booth_stream::Showing::Live),
            Target::Reel(number) if self.kinds.contains(&(number, Kind::Backup)) => {
                showing_to_wire(booth_stream::Showing::Backup)
            }
            Target::Reel(_) | Target::Black => showing_to_wire(booth_stream::Showing::Slate),
        }
    }

    fn rebuild(&mut self, now: Nanos) {
        if self.rebuild_at.is_none_or(|at| at > now) {
            return;
        }
        self.rebuild_at = None;
        self.rebuilt_at = now;
        match self.live.as_mut().map(LiveInput::rebuild) {
            Some(Ok(())) => self.refused = false,
            Some(Err(error)) => {
                tracing::error!(%error, "no decoder");
                self.rebuild_at = Some(now + REBUILD);
                self.refuse(now);
            }
            None => {}
        }
    }

    fn refuse(&mut self, now: Nanos) {
        self.refused = true;
        self.monitor.unusable(now, true);
    }

    /// Frames that arrive are no pictures yet: without any decoded for too long, live cannot be shown.
    fn judge_decoding(&mut self, now: Nanos) {
        let Some(live) = &mut self.live else { return };
        if live.decodes() {
            self.undecoded = None;
            if !self.refused {
                self.monitor.unusable(now, false);
            }
        } else if self
            .undecoded
            .is_some_and(|since| self.picture_at - since > self.policy.lost + DECODING)
        {
            self.monitor.unusable(now, true);
        }
    }

    /// A coded picture came.
    fn picture(&mut self, now: Nanos, key: bool) {
        // After a standstill the decoder has its time anew.
        if now - self.picture_at >= self.policy.lost {
            self.undecoded = None;
        }
        self.picture_at = now;
        self.undecoded.get_or_insert(now);
        self.monitor.video_frame(now, key);
    }

    fn take_loops(&mut self, now: Nanos) {
        let Some(change) = self.shelf.poll(now) else {
            return;
        };
        self.out
            .extend(change.problems.into_iter().map(Out::LoopUnreadable));
        let loaded = |source: &Arc<dyn LoopSource>| Loaded {
            source: Arc::clone(source),
            since: now,
            left: 0,
        };
        if !change.wished {
            // The other, if there is one, plays on.
            self.backup = self
                .backup
                .take()
                .or(self.shelf.backup.as_ref().map(loaded));
            self.slate = self.slate.take().or(self.shelf.slate.as_ref().map(loaded));
            return;
        }
        self.backup = self.shelf.backup.as_ref().map(loaded);
        self.slate = self.shelf.slate.as_ref().map(loaded);
        if self.first && self.backup.is_none() && self.slate.is_none() {
            self.first = false;
            self.out.push_back(Out::Switched {
                showing: ChannelShowing::Slate,
                cause: cause_to_wire(Cause::Started),
                gap_ms: 0,
            });
        }
        // The one that plays is of the old files: another start follows.
        self.reel = None;
        if matches!(self.on_air, Target::Reel(_)) {
            self.cause = Cause::BackupChanged;
        }
    }

    /// Brings the mixer to what the policy wants.
    fn decide(&mut self, now: Nanos) {
        self.monitor.advance(now);
        let state = self.monitor.state();
        if state != self.told {
            self.told = state;
            self.out.push_back(live(state));
        }
        let want = self.monitor.want(Available {
            backup: self.backup.is_some(),
            slate: self.slate.is_some(),
        });
        let target = match want {
            Want::Live => {
                self.warm(now);
                self.live
                    .as_ref()
                    .map_or(Target::Black, |live| Target::Live(live.session))
            }
            Want::Backup => self.need(now, Kind::Backup),
            Want::Slate => self.need(now, Kind::Slate),
        };
        if target == self.wanted {
            return;
        }
        // A change of loops has its own cause.
        self.cause = match (self.wanted, target) {
            (_, Target::Live(_)) if self.policy.force == booth_stream::Force::Live => Cause::Forced,
            (_, Target::Live(_)) => Cause::LiveStable,
            (Target::Live(_), _) => self.monitor.cause(),
            (Target::Reel(_) | Target::Black, _) => Cause::BackupChanged,
        };
        // What waits of a live input that is lost is still good; that of one that is bad, or not wanted, is not.
        let drain = matches!(self.cause, Cause::LiveEnded | Cause::LiveStalled);
        self.wanted = target;
        self.order(Order::Show {
            target,
            drain,
            fade: self.fade,
        });
    }

    /// Has the loop ready while live might be lost, and lets it go when all is well.
    fn warm(&mut self, now: Nanos) {
        let kind = if self.backup.is_some() {
            Kind::Backup
        } else {
            Kind::Slate
        };
        if now - self.picture_at >= SUSPICION {
            self.need(now, kind);
        } else if matches!(self.on_air, Target::Live(_))
            && self
                .reel
                .as_ref()
                .is_some_and(|reel| now - reel.needed_at > KEEP_WARM)
            && let Some(reel) = self.reel.take()
        {
            self.order(Order::DropReel(reel.number));
        }
    }

    fn need(&mut self, now: Nanos, kind: Kind) -> Target {
        if let Some(reel) = self.reel.as_mut().filter(|reel| reel.kind == kind) {
            reel.needed_at = now;
            return Target::Reel(reel.number);
        }
        let loaded = match kind {
            Kind::Backup => &self.backup,
            Kind::Slate => &self.slate,
        };
        let Some(loaded) = loaded else {
            return Target::Black;
        };
        let from = match (kind, self.policy.backup_start) {
            (Kind::Slate, _) | (_, BackupStart::Beginning) => 0,
            (_, BackupStart::Resume) => loaded.left,
            (_, BackupStart::Running) => now - loaded.since,
        };
        let source = Arc::clone(&loaded.source);
        self.starts += 1;
        let number = self.starts;
        let complaints = self.complaints.0.clone();
        match Reel::start(number, source, from, &self.hands.format, complaints) {
            Ok(reel) => {
                self.kinds.push_back((number, kind));
                if self.kinds.len() > 16 {
                    self.kinds.pop_front();
                }
                self.reel = Some(Started {
                    number,
                    kind,
                    needed_at: now,
                });
                self.order(Order::Reel(number, reel));
                Target::Reel(number)
            }
            Err(error) => {
                self.out.push_back(Out::Failed(error.to_string()));
                Target::Black
            }
        }
    }
}

impl Program for Transcode {
    fn live_begin(&mut self, now: Nanos) {
        self.sessions += 1;
        let live = LiveInput::new(self.sessions, self.delay(), &self.hands);
        self.order(Order::LiveBegin(self.sessions, live.due()));
        self.live = Some(live);
        (self.rebuild_at, self.undecoded, self.refused) = (None, None, false);
        self.monitor.begin(now);
    }

    fn live(&mut self, now: Nanos, event: MediaEvent) {
        let Some(live) = &mut self.live else {
            return;
        };
        let video = matches!(event, MediaEvent::Video(_));
        match live.take(now, event) {
            Ok(Taken::Picture { key }) => self.picture(now, key),
            Ok(Taken::Sound) => self.monitor.audio_frame(now),
            // Usable again with the first picture that is decoded.
            Ok(Taken::VideoConfig { new }) => {
                self.refused = false;
                if new {
                    self.undecoded = None;
                }
            }
            Ok(Taken::AudioConfig) => {}
            Err(error) => {
                tracing::warn!(%error, "the live input cannot be decoded");
                if video {
                    self.refuse(now);
                }
            }
        }
    }

    fn live_end(&mut self, now: Nanos) {
        // Its decoder goes; what is decoded already is in the mixer.
        self.live = None;
        self.rebuild_at = None;
        self.monitor.end(now);
    }

    fn set(&mut self, now: Nanos, wish: &Wish) {
        self.policy = Policy {
            any_format: true,
            ..policy(wish)
        };
        self.fade = wish.fade.max(0);
        let delay = self.delay();
        self.monitor.set(
            now,
            Policy {
                delay,
                ..self.policy
            },
        );
        if let Some(live) = &mut self.live {
            live.set_delay(delay);
        }
    }

    fn set_loops(&mut self, _now: Nanos, loops: &Loops) {
        self.shelf.set(loops);
    }

    fn verdict(&mut self, now: Nanos, verdict: Verdict) {
        use booth_stream::Verdict as Says;
        self.monitor.verdict(now, Says::Frozen(verdict.frozen));
        self.monitor.verdict(now, Says::Black(verdict.black));
        self.monitor.verdict(now, Says::Silent(verdict.silent));
    }

    fn poll(&mut self, now: Nanos) -> Option<Out> {
        if let Some(out) = self.out.pop_front() {
            return Some(out);
        }
        self.take_loops(now);
        self.take_in(now);
        self.rebuild(now);
        self.judge_decoding(now);
        self.decide(now);
        self.out.pop_front()
    }

    fn next_due(&self) -> Option<Nanos> {
        let suspicion = self.picture_at + SUSPICION;
        let suspicion =
            (matches!(self.wanted, Target::Live(_)) && self.reel.is_none()).then_some(suspicion);
        [
            self.monitor.due(),
            suspicion,
            self.rebuild_at,
            self.shelf.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn late_frames(&self) -> u64 {
        self.mixer.late()
    }
}
