//! Copy mode: [`booth_stream::Playout`] with loop files.

use std::collections::VecDeque;
use std::sync::Arc;

use booth_proto::worker::{self, ChannelShowing, SwitchCause};
use booth_stream::{
    BackupStart, Cause, EndCause, Force, LiveState, MILLISECOND, MediaEvent, Nanos, Output,
    Playout, Policy, Showing,
};
use tokio::sync::Notify;

use super::program::{Loops, Out, Program, Verdict, Wish};
use super::shelf::Shelf;

/// See the module.
pub struct Copy {
    playout: Playout,
    shelf: Shelf,
    out: VecDeque<Out>,
    /// Kept for its memory.
    given: Vec<Output>,
    publishers: u64,
}

impl Copy {
    pub fn new(now: Nanos, wake: Arc<Notify>) -> Self {
        Self {
            playout: Playout::new(now, Policy::default()),
            shelf: Shelf::new(wake),
            out: VecDeque::new(),
            given: Vec::new(),
            publishers: 0,
        }
    }

    fn take_loops(&mut self, now: Nanos) {
        if let Some(change) = self.shelf.poll(now) {
            self.out
                .extend(change.problems.into_iter().map(Out::LoopUnreadable));
            let (backup, slate) = (self.shelf.backup.clone(), self.shelf.slate.clone());
            self.playout.set_loops(now, backup, slate);
        }
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
        self.shelf.set(loops);
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
        for output in self.given.drain(..) {
            match output {
                Output::Unreadable(Showing::Backup) => self.shelf.backup_unreadable(now),
                Output::Unreadable(Showing::Slate) => self.shelf.slate_unreadable(now),
                _ => {}
            }
            self.out.push_back(told(output));
        }
        self.out.pop_front()
    }

    fn next_due(&self) -> Option<Nanos> {
        [self.playout.next_due(), self.shelf.due()]
            .into_iter()
            .flatten()
            .min()
    }

    fn late_frames(&self) -> u64 {
        self.playout.figures().late
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
