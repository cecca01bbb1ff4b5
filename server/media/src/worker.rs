//! The worker process of one unit: one loop that owns everything, told of facts by other threads and of wishes by boothd.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::Done;
use crate::facts::Facts;
use crate::link;
use crate::lock::UnitLock;
use crate::unit::Unit;
use crate::version::check_srt;

/// What `boothd worker` is given.
#[derive(Debug, Clone)]
pub struct WorkerArgs {
    /// `slot-<id>`, `channel-<id>`, `ingest`, `prepare-<id>` or `drill-<id>`.
    pub unit: String,
    /// boothd's socket.
    pub socket: PathBuf,
    /// The unit's lock file, usually `<socket's directory>/<unit>.lock`.
    pub lock: PathBuf,
    /// Without boothd for this long, the worker ends.
    pub orphan_timeout: Duration,
}

/// How a worker ends: what its supervisor reads.
pub mod exit {
    /// Asked to (Shutdown or SIGTERM).
    pub const SHUTDOWN: u8 = 0;
    /// Something is broken that a restart may mend; start it again with backoff.
    pub const FAILED: u8 = 1;
    /// The settings of the output changed: start it again at once.
    pub const SETTINGS_CHANGED: u8 = 3;
    /// boothd was away for longer than the orphan time-out.
    pub const ORPHANED: u8 = 4;
    /// Another worker of this unit lives.
    pub const UNIT_TAKEN: u8 = 5;
    /// GStreamer, a plug-in or libsrt is missing or too old: a restart mends nothing.
    pub const UNUSABLE: u8 = 6;
}

/// How long the end may take; then the process ends anyway.
const STOP_DEADLINE: Duration = Duration::from_millis(900);
/// Niceness of the worker: what is on air goes before what is not.
const PRIORITY: i32 = -10;
/// Looks after key frames.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// What a worker runs, by the name of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Slot,
    Channel,
    Ingest,
    Prepare,
    Drill,
}

impl Kind {
    fn of(unit: &str) -> Option<Self> {
        let kind = unit.split_once('-').map_or(unit, |(kind, _)| kind);
        match kind {
            "slot" => Some(Self::Slot),
            "channel" => Some(Self::Channel),
            "ingest" => Some(Self::Ingest),
            "prepare" => Some(Self::Prepare),
            "drill" => Some(Self::Drill),
            _ => None,
        }
    }

    /// What is on air goes before what is not; preparing files goes behind everything.
    fn niceness(self) -> i32 {
        match self {
            Self::Slot | Self::Channel | Self::Ingest => PRIORITY,
            Self::Drill => 0,
            Self::Prepare => 10,
        }
    }
}

/// Starts GStreamer, once; units that pass packets on never need it.
pub(crate) fn start_gstreamer() -> Result<(), u8> {
    if let Err(error) = gst::init() {
        tracing::error!(%error, "GStreamer does not start");
        return Err(exit::UNUSABLE);
    }
    if let Err(error) = check_srt() {
        tracing::error!(%error, "SRT cannot be used");
        return Err(exit::UNUSABLE);
    }
    Ok(())
}

/// Runs the worker to its end. The caller has set up `tracing`, and ends the process by [`leave`] with what is returned, one
/// of [`exit`].
#[must_use]
pub fn run_worker(args: WorkerArgs) -> u8 {
    let Some(kind) = Kind::of(&args.unit) else {
        tracing::error!(unit = args.unit, "there is no such kind of unit");
        return exit::UNUSABLE;
    };
    let _lock = match UnitLock::take(&args.lock) {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            tracing::error!(unit = args.unit, "another worker of this unit lives");
            return exit::UNIT_TAKEN;
        }
        Err(error) => {
            tracing::error!(%error, path = %args.lock.display(), "the lock file cannot be used");
            return exit::FAILED;
        }
    };
    // Before any thread starts: they inherit it. Without the right to it the output shares the machine like any other.
    if let Err(error) = rustix::process::setpriority_process(None, kind.niceness()) {
        tracing::debug!(%error, "the output runs at ordinary priority");
    }
    if kind == Kind::Slot
        && let Err(code) = start_gstreamer()
    {
        return code;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return exit::FAILED;
        }
    };
    let code = match kind {
        Kind::Slot => runtime.block_on(work(args)),
        Kind::Channel => runtime.block_on(crate::channel::run(args)),
        Kind::Ingest => runtime.block_on(crate::ingest::run(args)),
        Kind::Prepare => runtime.block_on(crate::prepare::run(args)),
        Kind::Drill => runtime.block_on(crate::drill::run(args)),
    };
    runtime.shutdown_background();
    code
}

/// Ends the process at once (Rust's stdout is flushed line by line). An ordinary end runs the destructors of libraries first, under the feet of threads that are still
/// inside them (a socket that is being opened, a decoder that hangs), and then the process dies of a signal: its supervisor
/// would take an orderly end for a crash.
pub fn leave(code: u8) -> ! {
    // SAFETY: takes a number, and nothing of this process is used afterwards.
    unsafe { libc::_exit(i32::from(code)) }
}

async fn work(args: WorkerArgs) -> u8 {
    let (facts, mut fact) = Facts::channel();
    // Outcomes of a few helpers: they come one at a time.
    let (done, mut outcome) = mpsc::channel::<Done>(16);
    let mut events = link::dial(args.socket.clone());
    let mut unit = Unit::new(args, facts, done);
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return exit::FAILED;
    };
    let mut watch = tokio::time::interval(WATCH_EVERY);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let code = loop {
        let ended = tokio::select! {
            Some(event) = events.recv() => unit.link(event),
            Some(fact) = fact.recv() => unit.fact(fact),
            Some(outcome) = outcome.recv() => { unit.done(outcome); None }
            _ = watch.tick() => unit.tick(),
            _ = terminate.recv() => Some(exit::SHUTDOWN),
            // Ctrl-C reaches the whole process group; boothd decides what it means for the output.
            _ = interrupt.recv() => None,
        };
        if let Some(code) = ended {
            break code;
        }
    };
    tracing::info!(code, "the worker ends");
    let stop = tokio::task::spawn_blocking(move || unit.stop());
    if tokio::time::timeout(STOP_DEADLINE, stop).await.is_err() {
        tracing::warn!("the output did not end in time");
    }
    code
}
