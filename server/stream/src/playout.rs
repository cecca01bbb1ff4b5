//! Copy mode: one output that never ends and never goes back, made of live input and loops without decoding. Sources
//! change at key frames; pictures stay one frame apart in `pts`, both tracks move by one offset at a switch, and `dts`
//! is kept between. Owned by a channel's worker, which feeds arrivals, sleeps until `next_due` and takes what `poll`
//! gives.
//!
//! ```text
//!  live ──▶ LiveLine ───────────┐ lost: what is held plays out (Tail)
//!             (delay)           ▼
//!  loops ─▶ Cursor ─▶ next step by the earlier dts ─▶ VideoHead, AudioHead ─▶ Output
//!                       ▲ LiveMonitor: want
//! ```
//!
//! Output time runs at the pace of the source on air: `wall = origin + dts`. While live is on air `origin` is drawn
//! slowly to where the delay line wants it, so a drifting encoder clock is followed and a small step at a switch wears
//! off; `pts` never has to jump for either.

mod heads;
mod silence;
mod sound;
mod tape;
mod video;

use std::sync::Arc;

use crate::live::{Held, LiveLine, Pushed};
use crate::{
    AudioConfig, Available, Cause, EndCause, LiveMonitor, LiveState, LoopSource, MILLISECOND,
    MediaEvent, Nanos, Policy, SECOND, Showing, Track, Verdict, VideoCodec, VideoConfig,
};
use heads::{AudioHead, VideoHead};
use tape::{Cursor, Tape};

/// What a playout gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// For the destinations: configs before what they hold for, `dts` rising within each track.
    Media(MediaEvent),
    /// The picture of another source is on air; its first unit came just before.
    Switched {
        showing: Showing,
        cause: Cause,
        /// The longer of the steps in `pts` and on our clock from the last picture to the first: one frame when nobody
        /// could see it.
        gap: Nanos,
    },
    /// The live input as it arrives has changed.
    Live(LiveState),
    /// A loop's bytes cannot be read any more; it is not played until it is set again.
    Unreadable(Showing),
}

/// For people: what is held, and what went wrong since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Live pictures that came after their time, and went out at once.
    pub late: u64,
    /// Live units that were thrown away: no room, no config, too many.
    pub dropped: u64,
    /// AAC frames made up because the source sent none.
    pub silent: u64,
    pub switches: u64,
    /// In the delay line.
    pub held: Nanos,
    pub held_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Backup,
    Slate,
}

impl Kind {
    fn showing(self) -> Showing {
        match self {
            Self::Backup => Showing::Backup,
            Self::Slate => Showing::Slate,
        }
    }
}

/// A loop that was set.
struct Loaded {
    tape: Arc<Tape>,
    /// Its bytes can be read.
    readable: bool,
    /// When it was set: it has been running since then, on air or not.
    since: Nanos,
    /// Its unit that was next when it left the air.
    left: usize,
}

/// Live times to output times: one shift for both tracks, and another for `dts` of video.
#[derive(Debug, Clone, Copy)]
struct Shift {
    pts: Nanos,
    dts: Nanos,
}

/// What the picture on air is taken from.
enum Air {
    Off,
    Live(Shift),
    /// What was held when live was lost.
    Tail(Shift, Held, Cause),
    Loop(Kind, Cursor),
}

pub struct Playout {
    policy: Policy,
    monitor: LiveMonitor,
    /// What was told of it.
    told: LiveState,
    publisher: Option<u64>,
    /// Frames of it may go to air.
    connected: bool,
    line: LiveLine,
    /// The config in force cannot be taken.
    refused: bool,
    backup: Option<Loaded>,
    slate: Option<Loaded>,
    air: Air,
    /// Our clock minus output time.
    origin: Nanos,
    video: VideoHead,
    audio: AudioHead,
    figures: Figures,
    /// Told at the next poll.
    unreadable: Option<Showing>,
}

impl Playout {
    #[must_use]
    pub fn new(now: Nanos, policy: Policy) -> Self {
        Self {
            policy,
            monitor: LiveMonitor::new(now, policy),
            told: LiveState::Absent,
            publisher: None,
            connected: false,
            line: LiveLine::new(policy.delay),
            refused: false,
            backup: None,
            slate: None,
            air: Air::Off,
            origin: now,
            video: VideoHead::default(),
            audio: AudioHead::default(),
            figures: Figures::default(),
            unreadable: None,
        }
    }

    pub fn set(&mut self, now: Nanos, policy: Policy) {
        self.policy = policy;
        self.line.set_delay(policy.delay);
        self.monitor.set(now, policy);
        self.judge(now);
    }

    /// What plays while live does not. The same loop again changes nothing; another one follows at the next picture.
    pub fn set_loops(
        &mut self,
        now: Nanos,
        backup: Option<Arc<dyn LoopSource>>,
        slate: Option<Arc<dyn LoopSource>>,
    ) {
        let load = |held: Option<Loaded>, source: Option<Arc<dyn LoopSource>>| {
            let source = source?;
            if let Some(held) = held.filter(|held| Arc::ptr_eq(&held.tape.source, &source)) {
                return Some(held);
            }
            let tape = Arc::new(Tape::new(source)?);
            Some(Loaded {
                tape,
                readable: true,
                since: now,
                left: 0,
            })
        };
        self.backup = load(self.backup.take(), backup);
        self.slate = load(self.slate.take(), slate);
        self.judge(now);
    }

    /// A publisher was accepted: what `live` brings from now on is its. Ends the one before.
    pub fn live_begin(&mut self, now: Nanos, publisher: u64) {
        self.live_end(now, EndCause::Broken);
        self.publisher = Some(publisher);
        self.line.restart();
        self.refused = false;
        self.monitor.begin(now);
        self.follow(now);
    }

    pub fn live(&mut self, now: Nanos, event: MediaEvent) {
        if self.publisher.is_none() {
            return;
        }
        self.monitor.advance(now);
        self.follow(now);
        match &event {
            MediaEvent::Video(config) => {
                let refused = !self.takes(config);
                self.refuse(now, refused);
            }
            MediaEvent::Unit(unit) if unit.track == Track::Video && self.refused => {
                self.figures.dropped += 1;
                return;
            }
            _ => {}
        }
        match self.line.push(now, event) {
            Pushed::Video { key } => self.monitor.video_frame(now, key),
            Pushed::Audio => self.monitor.audio_frame(now),
            Pushed::Undecodable => self.monitor.unusable(now, true),
            Pushed::Config | Pushed::Cut | Pushed::Ignored => {}
        }
        self.follow(now);
    }

    /// The publisher is gone, however it went.
    pub fn live_end(&mut self, now: Nanos, _cause: EndCause) {
        self.publisher = None;
        self.monitor.end(now);
        self.follow(now);
    }

    /// What somebody who decodes sees in the live input.
    pub fn verdict(&mut self, now: Nanos, verdict: Verdict) {
        self.monitor.verdict(now, verdict);
        self.follow(now);
    }

    /// Everything that is due, in order.
    pub fn poll(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.monitor.advance(now);
        self.follow(now);
        self.tell(out);
        loop {
            self.trim(now);
            let video = self.next_video();
            let audio = self.next_audio();
            match (video, audio) {
                (Some((due, step)), audio)
                    if due <= now && audio.is_none_or(|(at, _)| due <= at) =>
                {
                    self.step_video(now, due, step, out);
                }
                (_, Some((due, step))) if due <= now => self.step_audio(step, out),
                _ => break,
            }
        }
        if let Some(showing) = self.unreadable.take() {
            out.push(Output::Unreadable(showing));
        }
        self.tell(out);
    }

    /// When to poll next, at the latest; none while only an arrival changes something.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        let video = self.next_video().map(|(due, _)| due);
        let audio = self.next_audio().map(|(due, _)| due);
        [self.monitor.due(), video, audio]
            .into_iter()
            .flatten()
            .min()
    }

    #[must_use]
    pub fn live_state(&self) -> LiveState {
        self.monitor.state()
    }

    #[must_use]
    pub fn publisher(&self) -> Option<u64> {
        self.publisher
    }

    /// None before the first picture.
    #[must_use]
    pub fn showing(&self) -> Option<Showing> {
        match &self.air {
            Air::Off => None,
            Air::Live(_) | Air::Tail(..) => Some(Showing::Live),
            Air::Loop(kind, _) => Some(kind.showing()),
        }
    }

    /// What the live input sends.
    #[must_use]
    pub fn live_configs(&self) -> (Option<&Arc<VideoConfig>>, Option<&Arc<AudioConfig>>) {
        (self.line.video_config(), self.line.audio_config())
    }

    /// What the output carries now: for a destination that joins.
    #[must_use]
    pub fn output_configs(&self) -> (Option<&Arc<VideoConfig>>, Option<&Arc<AudioConfig>>) {
        (self.video.config.as_ref(), self.audio.config.as_ref())
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            dropped: self.figures.dropped + self.line.dropped,
            held: self.line.span(),
            held_bytes: self.line.bytes(),
            ..self.figures
        }
    }

    fn tell(&mut self, out: &mut Vec<Output>) {
        let state = self.monitor.state();
        if state != self.told {
            self.told = state;
            out.push(Output::Live(state));
        }
    }

    /// Acts on what the monitor found: at a loss what is held becomes the tail, and what comes later is another source.
    fn follow(&mut self, now: Nanos) {
        let connected = self.monitor.connected();
        if self.connected && !connected {
            let (played, frame, reorders) =
                (self.line.played(), self.line.frame(), self.line.reorders);
            let mut held = self.line.interrupt();
            if let Air::Live(shift) = self.air {
                if reorders {
                    held.trim(played, frame);
                }
                self.air = Air::Tail(shift, held, self.monitor.cause());
                self.warm(now);
            }
        }
        self.connected = connected;
    }

    /// Looks again at whether the live config can be taken.
    fn judge(&mut self, now: Nanos) {
        if let Some(config) = self.line.video_config().cloned() {
            let refused = !self.takes(&config);
            self.refuse(now, refused);
        }
        self.follow(now);
    }

    fn refuse(&mut self, now: Nanos, refused: bool) {
        self.refused = refused;
        self.monitor.unusable(now, refused);
        self.follow(now);
    }

    /// Whether destinations can be expected to go on with it: H.264 as all platforms take it, and HEVC as those take it
    /// that take it at all.
    fn takes(&self, config: &VideoConfig) -> bool {
        let bits = match config.codec {
            VideoCodec::H264 => 8,
            VideoCodec::H265 => 10,
        };
        let usual = config.chroma_420 && config.bit_depth <= bits;
        !config.record.is_empty() && (usual || self.policy.any_format)
    }

    fn available(&self) -> Available {
        let ready = |loaded: &Option<Loaded>| loaded.as_ref().is_some_and(|loaded| loaded.readable);
        Available {
            backup: ready(&self.backup),
            slate: ready(&self.slate),
        }
    }

    fn fallback(&self) -> Option<Kind> {
        match self.available() {
            Available { backup: true, .. } => Some(Kind::Backup),
            Available { slate: true, .. } => Some(Kind::Slate),
            _ => None,
        }
    }

    fn loaded(&self, kind: Kind) -> Option<&Loaded> {
        match kind {
            Kind::Backup => self.backup.as_ref(),
            Kind::Slate => self.slate.as_ref(),
        }
    }

    fn loaded_mut(&mut self, kind: Kind) -> Option<&mut Loaded> {
        match kind {
            Kind::Backup => self.backup.as_mut(),
            Kind::Slate => self.slate.as_mut(),
        }
    }

    /// Lets go of live units whose time has passed while something else is on air.
    fn trim(&mut self, now: Nanos) {
        if let Air::Loop(kind, cursor) = &self.air
            && cursor.broken()
        {
            let (kind, tape) = (*kind, Arc::clone(&cursor.tape));
            self.unreadable(kind, &tape);
        }
        if !matches!(self.air, Air::Live(_))
            && let Some(offset) = self.line.due_offset()
        {
            let passed = |at: Nanos| at + offset < now - LATE_KEY;
            while self
                .line
                .held
                .video
                .front()
                .is_some_and(|first| passed(first.dts) && first.arrival < now - LATE_KEY)
            {
                self.line.pop_video();
            }
            while self
                .line
                .held
                .audio
                .front()
                .is_some_and(|first| passed(first.pts))
            {
                self.line.pop_audio();
            }
        }
        self.skip_audio();
    }
}

/// A live key frame that came too late for its time may still be taken this much later.
const LATE_KEY: Nanos = 250 * MILLISECOND;
/// The output was held up (a stopped process): it goes on from now instead of catching up.
const HELD_UP: Nanos = SECOND;
