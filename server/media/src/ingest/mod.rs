//! The ingest worker: the RTMP server of all channels.
//!
//! ```text
//!  encoder ─▶ session ─ ask ─▶ desk ─ PublishAsk ─▶ boothd
//!               │                ◀─ PublishReply ──┘
//!               └─ media ─▶ gate ─▶ queue ─▶ forwarder ─▶ <run>/channel-<id>.media
//! ```
//!
//! The desk is one loop that owns who publishes, and speaks with boothd. Sessions and forwarders run on a runtime of their
//! own, and go on while boothd is away.

mod desk;
mod door;
mod forward;
mod gate;
mod listen;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::link;
use crate::worker::{WorkerArgs, exit};
use desk::Desk;

/// Questions on their way to the desk, which takes them at once: strangers wait beyond that.
const EVENTS: usize = 64;
/// A few encoders keep less than one core busy; the second is there for those that shake hands.
const THREADS: usize = 2;
const TICK: Duration = Duration::from_millis(500);
/// How long publishers get to hear that it is over; then the process ends anyway.
const STOP_DEADLINE: Duration = Duration::from_millis(500);

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    let sessions = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("rtmp")
        .enable_all()
        .build();
    let sessions = match sessions {
        Ok(sessions) => sessions,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return exit::FAILED;
        }
    };
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return exit::FAILED;
    };
    let (events, mut event) = mpsc::channel(EVENTS);
    let (ends, mut end) = desk::ends();
    let mut boothd = link::dial(args.socket.clone());
    let mut desk = Desk::new(args, sessions.handle().clone(), events, ends);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let code = loop {
        let ended = tokio::select! {
            Some(event) = boothd.recv() => desk.link(event),
            Some(event) = event.recv() => { desk.event(event); None }
            Some(end) = end.recv() => { desk.ended(end); None }
            _ = tick.tick() => desk.tick(),
            _ = terminate.recv() => Some(exit::SHUTDOWN),
            // Ctrl-C reaches the whole process group; boothd decides what it means for publishers.
            _ = interrupt.recv() => None,
        };
        if let Some(code) = ended {
            break code;
        }
    };
    tracing::info!(code, "the worker ends");
    desk.stop();
    let ending = async {
        while desk.publishing() > 0
            && let Some(ended) = end.recv().await
        {
            desk.ended(ended);
        }
    };
    if tokio::time::timeout(STOP_DEADLINE, ending).await.is_err() {
        tracing::debug!("a publisher did not end in time");
    }
    sessions.shutdown_background();
    code
}
