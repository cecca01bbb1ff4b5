//! Copy mode: [`booth_stream::Playout`] with loop files. Files are opened and checked away from the channel's loop, for
//! the table of a long one takes a while.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use booth_proto::worker::{self, ChannelShowing, SwitchCause};
use booth_stream::loopfile::LoopFile;
use booth_stream::{
    BackupStart, Cause, EndCause, Force, LiveState, LoopSource, MILLISECOND, MediaEvent, Nanos,
    Output, Playout, Policy, Showing,
};
use tokio::sync::{Notify, oneshot};

use super::program::{Loops, Out, Program, Verdict, Wish};

/// See the module.
pub struct Copy {
    playout: Playout,
    wake: Arc<Notify>,
    /// The loops that are being opened.
    opening: Option<oneshot::Receiver<Opened>>,
    out: VecDeque<Out>,
    /// Kept for its memory.
    given: Vec<Output>,
    publishers: u64,
}

#[derive(Default)]
struct Opened {
    backup: Option<Arc<dyn LoopSource>>,
    slate: Option<Arc<dyn LoopSource>>,
    problems: Vec<String>,
}

impl Copy {
    pub fn new(now: Nanos, wake: Arc<Notify>) -> Self {
        Self {
            playout: Playout::new(now, Policy::default()),
            wake,
            opening: None,
            out: VecDeque::new(),
            given: Vec::new(),
            publishers: 0,
        }
    }

    fn take_loops(&mut self, now: Nanos) {
        let Some(opened) = self
            .opening
            .as_mut()
            .and_then(|opening| opening.try_recv().ok())
        else {
            return;
        };
        self.opening = None;
        self.out
            .extend(opened.problems.into_iter().map(Out::LoopUnreadable));
        self.playout.set_loops(now, opened.backup, opened.slate);
    }
}

impl Program for Copy {
    fn live_begin(&mut self, now: Nanos) {
        self.publishers += 1;
        self.playout.live_begin(now, self.publishers);
    }

    fn live(&mut self, now: Nanos, event: MediaEvent) {
        self.playout.live(now, event);
    }

    fn live_end(&mut self, now: Nanos) {
        self.playout.live_end(now, EndCause::Closed);
    }

    fn set(&mut self, now: Nanos, wish: &Wish) {
        self.playout.set(now, policy(wish));
    }

    fn set_loops(&mut self, _now: Nanos, loops: &Loops) {
        let (opened, opening) = oneshot::channel();
        let (loops, wake) = (loops.clone(), Arc::clone(&self.wake));
        self.opening = Some(opening);
        tokio::task::spawn_blocking(move || {
            let mut found = Opened::default();
            found.backup = found.open(loops.backup);
            found.slate = found.open(loops.slate);
            let _ = opened.send(found);
            wake.notify_one();
        });
    }

    fn verdict(&mut self, now: Nanos, verdict: Verdict) {
        use booth_stream::Verdict as Says;
        self.playout.verdict(now, Says::Frozen(verdict.frozen));
        self.playout.verdict(now, Says::Black(verdict.black));
        self.playout.verdict(now, Says::Silent(verdict.silent));
    }

    fn poll(&mut self, now: Nanos) -> Option<Out> {
        if let Some(out) = self.out.pop_front() {
            return Some(out);
        }
        self.take_loops(now);
        self.playout.poll(now, &mut self.given);
        self.out.extend(self.given.drain(..).map(told));
        self.out.pop_front()
    }

    fn next_due(&self) -> Option<Nanos> {
        self.playout.next_due()
    }

    fn late_frames(&self) -> u64 {
        self.playout.figures().late
    }
}

impl Opened {
    fn open(&mut self, path: Option<PathBuf>) -> Option<Arc<dyn LoopSource>> {
        let path = path?;
        match LoopFile::open(&path) {
            Ok(file) => Some(Arc::new(file)),
            Err(error) => {
                self.problems.push(format!("{}: {error}", path.display()));
                None
            }
        }
    }
}

pub fn policy(wish: &Wish) -> Policy {
    Policy {
        stable: wish.stable,
        lost: wish.lost,
        delay: wish.delay,
        stable_max: wish.stable_max,
        frozen: wish.frozen,
        black: wish.black,
        silent: wish.silent,
        backup_start: match wish.backup_start {
            worker::BackupStart::Beginning => BackupStart::Beginning,
            worker::BackupStart::Resume => BackupStart::Resume,
            worker::BackupStart::Running | worker::BackupStart::Unspecified => BackupStart::Running,
        },
        force: match wish.force {
            worker::Force::Live => Force::Live,
            worker::Force::Backup => Force::Backup,
            worker::Force::Auto | worker::Force::Unspecified => Force::Auto,
        },
        any_format: false,
    }
}

fn told(output: Output) -> Out {
    match output {
        Output::Media(event) => Out::Media(event),
        Output::Switched {
            showing,
            cause,
            gap,
        } => Out::Switched {
            showing: showing_to_wire(showing),
            cause: cause_to_wire(cause),
            gap_ms: u32::try_from(gap / MILLISECOND).unwrap_or(0),
        },
        Output::Live(state) => live(state),
        Output::Unreadable(showing) => {
            Out::LoopUnreadable(format!("the {showing:?} cannot be read any more").to_lowercase())
        }
    }
}

pub fn live(state: LiveState) -> Out {
    match state {
        LiveState::Absent => Out::Live(worker::LiveState::Absent, None),
        LiveState::Settling { .. } => Out::Live(worker::LiveState::Settling, None),
        LiveState::Stable => Out::Live(worker::LiveState::Stable, None),
        LiveState::Lost { cause } => Out::Live(worker::LiveState::Lost, Some(cause_to_wire(cause))),
    }
}

pub fn showing_to_wire(showing: Showing) -> ChannelShowing {
    match showing {
        Showing::Live => ChannelShowing::Live,
        Showing::Backup => ChannelShowing::Backup,
        Showing::Slate => ChannelShowing::Slate,
    }
}

pub fn cause_to_wire(cause: Cause) -> SwitchCause {
    match cause {
        Cause::Started => SwitchCause::Started,
        Cause::LiveStable => SwitchCause::LiveStable,
        Cause::LiveEnded => SwitchCause::LiveEnded,
        Cause::LiveStalled => SwitchCause::LiveStalled,
        Cause::LiveFrozen => SwitchCause::LiveFrozen,
        Cause::LiveBlack => SwitchCause::LiveBlack,
        Cause::LiveSilent => SwitchCause::LiveSilent,
        Cause::LiveUnusable => SwitchCause::LiveUnusable,
        Cause::Forced => SwitchCause::Forced,
        Cause::BackupChanged => SwitchCause::BackupChanged,
    }
}
