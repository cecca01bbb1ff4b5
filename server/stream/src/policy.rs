//! What should be on air. Decided by the frames that arrive, never by the state of a connection; time comes in as an
//! argument, and `due` says when time alone will change something. Used by [`crate::Playout`] and by transcoding
//! channels.
//!
//! ```text
//!            begin                 no gap for `stable`
//!  Absent ─────────▶ Settling ───────────────────────▶ Stable
//!    ▲                │   ▲                             │
//!    │ end            │   │ frames again, verdict lifted│ no frame for `lost`, verdict
//!    └── (any state)  ▼   │                             ▼
//!                     Lost ◀───────────────────────────── (a loss soon after the return doubles what is needed)
//! ```

use crate::{MILLISECOND, Nanos, SECOND};

/// What an operator insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    #[default]
    Auto,
    /// Live from its first key frame, stable or not; the backup only while no frame comes.
    Live,
    Backup,
}

/// Where the backup goes on when it comes to air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackupStart {
    Beginning,
    /// Where it left the air.
    Resume,
    /// Where it would be had it played all the time.
    #[default]
    Running,
}

/// When sources change. `lost` less than `delay` makes a switch that nobody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Live has to come without a gap for this long to be taken.
    pub stable: Nanos,
    /// No video frame for this long: lost.
    pub lost: Nanos,
    /// How far the output is behind the live input.
    pub delay: Nanos,
    /// Losses soon after a return double `stable` up to this.
    pub stable_max: Nanos,
    /// A picture that stands still, is black, or sound that is silent for this long counts as lost; 0 for never.
    pub frozen: Nanos,
    pub black: Nanos,
    pub silent: Nanos,
    pub backup_start: BackupStart,
    pub force: Force,
    /// Take live input with 4:2:2 or 4:4:4 chroma, or H.264 of 10 bits, too.
    pub any_format: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            stable: 5 * SECOND,
            lost: 300 * MILLISECOND,
            delay: 600 * MILLISECOND,
            stable_max: 60 * SECOND,
            frozen: 0,
            black: 0,
            silent: 0,
            backup_start: BackupStart::default(),
            force: Force::default(),
            any_format: false,
        }
    }
}

/// What the output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Showing {
    Live,
    Backup,
    Slate,
}

/// Why the output shows something else now, or why live is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    Started,
    LiveStable,
    LiveEnded,
    LiveStalled,
    LiveFrozen,
    LiveBlack,
    LiveSilent,
    LiveUnusable,
    Forced,
    BackupChanged,
}

/// The live input as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Nobody publishes.
    Absent,
    /// Frames come without a gap since then.
    Settling {
        since: Nanos,
    },
    Stable,
    /// There is a publisher, but nothing that could be shown.
    Lost {
        cause: Cause,
    },
}

/// How a publisher ended. For a live input every end means only that it is not there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// It said goodbye.
    Closed,
    /// Its connection broke, or it was hung up on.
    Broken,
}

/// What samplers of decoded pictures and sound see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Frozen(bool),
    Black(bool),
    Silent(bool),
}

/// What there is besides live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Available {
    pub backup: bool,
    pub slate: bool,
}

/// What should be on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Live,
    Backup,
    Slate,
}

/// A loss within this time after the return to air makes the next return wait longer.
const HOLD_OFF: Nanos = 60 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nobody publishes.
    None,
    /// A publisher is there since then, and has sent no video yet.
    Waiting { since: Nanos },
    /// Video comes; the last frame came then, and a decoder could have started.
    Flowing { last: Nanos, keyed: bool },
    /// Nothing for `lost`. `seen`: there has been video before.
    Stopped { seen: bool },
}

/// Since when a sampler has said so without a break.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    frozen: Option<Nanos>,
    black: Option<Nanos>,
    silent: Option<Nanos>,
}

impl Marks {
    /// When each mark becomes a loss.
    fn due(&self, policy: &Policy) -> impl Iterator<Item = (Nanos, Cause)> + use<> {
        [
            (self.frozen, policy.frozen, Cause::LiveFrozen),
            (self.black, policy.black, Cause::LiveBlack),
            (self.silent, policy.silent, Cause::LiveSilent),
        ]
        .into_iter()
        .filter(|(_, limit, _)| *limit > 0)
        .filter_map(|(since, limit, cause)| since.map(|since| (since + limit, cause)))
    }
}

/// Watches the live input and says what should be on air.
#[derive(Debug, Clone)]
pub struct LiveMonitor {
    policy: Policy,
    now: Nanos,
    flow: Flow,
    /// Audio has come from this publisher.
    heard: bool,
    unusable: bool,
    marks: Marks,
    state: LiveState,
    /// Times `stable` is doubled.
    doublings: u32,
    on_air: Option<Nanos>,
}

impl LiveMonitor {
    #[must_use]
    pub fn new(now: Nanos, policy: Policy) -> Self {
        Self {
            policy,
            now,
            flow: Flow::None,
            heard: false,
            unusable: false,
            marks: Marks::default(),
            state: LiveState::Absent,
            doublings: 0,
            on_air: None,
        }
    }

    pub fn set(&mut self, now: Nanos, policy: Policy) {
        self.advance(now);
        self.policy = policy;
        self.derive(now);
    }

    /// A publisher was accepted; one that was there before is gone.
    pub fn begin(&mut self, now: Nanos) {
        self.end(now);
        self.flow = Flow::Waiting { since: now };
        self.derive(now);
    }

    pub fn end(&mut self, now: Nanos) {
        self.advance(now);
        self.flow = Flow::None;
        self.heard = false;
        self.unusable = false;
        self.marks = Marks::default();
        self.derive(now);
    }

    /// A video frame arrived. A decoder could start at it when `key`.
    pub fn video_frame(&mut self, now: Nanos, key: bool) {
        self.advance(now);
        self.flow = match self.flow {
            Flow::None => return,
            Flow::Flowing { keyed, .. } => {
                // The common case: nothing but the next deadline changes.
                self.flow = Flow::Flowing {
                    last: now,
                    keyed: keyed || key,
                };
                return;
            }
            Flow::Waiting { .. } | Flow::Stopped { .. } => Flow::Flowing {
                last: now,
                keyed: key,
            },
        };
        // What samplers said was about frames before the gap.
        self.marks = Marks::default();
        self.state = LiveState::Settling { since: now };
        self.derive(now);
    }

    pub fn audio_frame(&mut self, now: Nanos) {
        self.advance(now);
        self.heard = true;
    }

    /// What is sent cannot be shown, or can be again.
    pub fn unusable(&mut self, now: Nanos, unusable: bool) {
        self.advance(now);
        if self.unusable != unusable && self.flow != Flow::None {
            self.unusable = unusable;
            self.derive(now);
        }
    }

    pub fn verdict(&mut self, now: Nanos, verdict: Verdict) {
        self.advance(now);
        let (mark, says) = match verdict {
            Verdict::Frozen(says) => (&mut self.marks.frozen, says),
            Verdict::Black(says) => (&mut self.marks.black, says),
            Verdict::Silent(says) => (&mut self.marks.silent, says),
        };
        *mark = says.then(|| mark.unwrap_or(now));
        self.derive(now);
    }

    /// Live went to air, or left it.
    pub fn on_air(&mut self, now: Nanos, on_air: bool) {
        self.advance(now);
        self.on_air = on_air.then(|| self.on_air.unwrap_or(now));
    }

    /// What time alone has changed up to `now`, in order of time.
    pub fn advance(&mut self, now: Nanos) {
        while let Some(due) = self.due().filter(|due| *due <= now) {
            if let Flow::Waiting { .. } | Flow::Flowing { .. } = self.flow
                && self.gap_at().is_some_and(|gap| gap <= due)
            {
                let seen = matches!(self.flow, Flow::Flowing { .. });
                self.flow = Flow::Stopped { seen };
            }
            self.derive(due);
        }
        self.now = self.now.max(now);
    }

    /// When time alone changes something next.
    #[must_use]
    pub fn due(&self) -> Option<Nanos> {
        let stable = match self.state {
            LiveState::Settling { since } if matches!(self.flow, Flow::Flowing { .. }) => {
                Some(since + self.needed())
            }
            _ => None,
        };
        let mark = match self.state {
            LiveState::Settling { .. } | LiveState::Stable => {
                self.marks.due(&self.policy).map(|(due, _)| due).min()
            }
            _ => None,
        };
        [self.gap_at(), stable, mark].into_iter().flatten().min()
    }

    #[must_use]
    pub fn state(&self) -> LiveState {
        self.state
    }

    /// Usable video comes, without a gap so far, and there was a frame to start at.
    #[must_use]
    pub fn flowing(&self) -> bool {
        !self.unusable && matches!(self.flow, Flow::Flowing { keyed: true, .. })
    }

    /// Usable video comes, or is still expected to.
    #[must_use]
    pub fn connected(&self) -> bool {
        !self.unusable && matches!(self.flow, Flow::Flowing { .. } | Flow::Waiting { .. })
    }

    #[must_use]
    pub fn want(&self, have: Available) -> Want {
        let other = match have {
            Available { backup: true, .. } => Want::Backup,
            Available { slate: true, .. } => Want::Slate,
            // Anything that moves is better than nothing.
            _ if self.flowing() && self.policy.force != Force::Backup => Want::Live,
            _ => Want::Slate,
        };
        match self.policy.force {
            Force::Backup => other,
            Force::Live if self.flowing() => Want::Live,
            Force::Auto if self.state == LiveState::Stable && self.flowing() => Want::Live,
            Force::Live | Force::Auto => other,
        }
    }

    /// Why live is not on air.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.state {
            _ if self.policy.force == Force::Backup => Cause::Forced,
            LiveState::Lost { cause } => cause,
            LiveState::Absent => Cause::LiveEnded,
            LiveState::Settling { .. } | LiveState::Stable => Cause::Forced,
        }
    }

    /// How long live has to come without a gap now.
    #[must_use]
    pub fn needed(&self) -> Nanos {
        let most = self.policy.stable_max.max(self.policy.stable);
        self.policy
            .stable
            .saturating_mul(1 << self.doublings.min(20))
            .min(most)
    }

    fn gap_at(&self) -> Option<Nanos> {
        match self.flow {
            Flow::Waiting { since } => Some(since + self.policy.lost),
            Flow::Flowing { last, .. } => Some(last + self.policy.lost),
            Flow::None | Flow::Stopped { .. } => None,
        }
    }

    fn derive(&mut self, now: Nanos) {
        let bad = match self.flow {
            Flow::None => Some(LiveState::Absent),
            _ if self.unusable => Some(LiveState::Lost {
                cause: Cause::LiveUnusable,
            }),
            // Sound without a picture is no live input.
            Flow::Stopped { seen: false } if self.heard => Some(LiveState::Lost {
                cause: Cause::LiveUnusable,
            }),
            Flow::Stopped { .. } => Some(LiveState::Lost {
                cause: Cause::LiveStalled,
            }),
            Flow::Waiting { .. } | Flow::Flowing { .. } => self
                .marks
                .due(&self.policy)
                .find(|(due, _)| *due <= now)
                .map(|(_, cause)| LiveState::Lost { cause }),
        };
        self.state = match (bad, self.state) {
            (Some(bad), was) => {
                if matches!(was, LiveState::Settling { .. } | LiveState::Stable) {
                    self.lose(now);
                }
                bad
            }
            (None, LiveState::Absent | LiveState::Lost { .. }) => {
                LiveState::Settling { since: now }
            }
            (None, was) => was,
        };
        if let LiveState::Settling { since } = self.state
            && matches!(self.flow, Flow::Flowing { .. })
            && now - since >= self.needed()
        {
            self.state = LiveState::Stable;
        }
    }

    fn lose(&mut self, now: Nanos) {
        if let Some(since) = self.on_air.take() {
            self.doublings = if now - since < HOLD_OFF {
                (self.doublings + 1).min(20)
            } else {
                0
            };
        }
    }
}
