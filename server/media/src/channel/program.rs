//! What makes the channel's programme out of a live input and loops: [`booth_stream`]'s playout in copy mode, decoders
//! and encoders in transcode mode (`transcode/`). The channel's loop drives either in the same way and owns it alone.
//!
//! Times are nanoseconds of the loop's monotonic clock. A program never waits; one that works in threads of its own wakes
//! the loop through the [`tokio::sync::Notify`] that it was built with, and is then polled.

use std::path::PathBuf;

use booth_proto::worker::{ChannelShowing, Force, LiveState, SwitchCause};
use booth_stream::{MediaEvent, Nanos};

/// When sources change; each as in the channel's settings. Any of it may change while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    pub force: Force,
    pub stable: Nanos,
    pub stable_max: Nanos,
    pub lost: Nanos,
    /// How far the output is behind the live input.
    pub delay: Nanos,
    /// 0 for never, as for the next two.
    pub frozen: Nanos,
    pub black: Nanos,
    pub silent: Nanos,
    /// Transcode only.
    pub fade: Nanos,
    pub backup_start: booth_proto::worker::BackupStart,
}

/// The prepared loop files; absent while there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loops {
    pub backup: Option<PathBuf>,
    pub slate: Option<PathBuf>,
    /// Changes when what a path holds does: the same key is the same loops.
    pub key: String,
}

/// What a sampler saw of the live input last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    pub frozen: bool,
    pub black: bool,
    pub silent: bool,
}

/// What a program gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// For all outputs, now, in order of decoding; its times go on for ever.
    Media(MediaEvent),
    /// The output changed to another source; told when the gap is known.
    Switched {
        showing: ChannelShowing,
        cause: SwitchCause,
        gap_ms: u32,
    },
    /// The live input is something else now; the cause of one that is lost.
    Live(LiveState, Option<SwitchCause>),
    /// A loop file cannot be played.
    LoopUnreadable(String),
    /// It is over: the worker has to be started anew.
    Failed(String),
}

/// See the module.
pub trait Program: Send {
    /// Another publisher, or the same in a new session: what comes by [`Program::live`] from here on is theirs, and its
    /// times begin anew.
    fn live_begin(&mut self, now: Nanos);
    /// Live media as it arrived.
    fn live(&mut self, now: Nanos, event: MediaEvent);
    /// The publisher hung up or was disconnected.
    fn live_end(&mut self, now: Nanos);
    fn set(&mut self, now: Nanos, wish: &Wish);
    fn set_loops(&mut self, now: Nanos, loops: &Loops);
    /// Copy mode only: transcode looks at every picture itself.
    fn verdict(&mut self, now: Nanos, verdict: Verdict);
    /// What is due by `now`; to be called until there is nothing more.
    fn poll(&mut self, now: Nanos) -> Option<Out>;
    /// When to poll again if nothing else happens.
    fn next_due(&self) -> Option<Nanos>;
    /// Live pictures that came too late to be shown, so far.
    fn late_frames(&self) -> u64;
}
