//! The worker of one channel: inputs, program, destinations. It passes packets on in one thread; GStreamer is started
//! only for what needs it.
//!
//! ```text
//!  media socket ─┐                                              ┌─▶ queue ─▶ RTMP(S), SRT destination, each
//!  SRT listener ─┼─▶ Live (who counts) ─▶ Program ─▶ Fanout ────┼─▶ queue ─▶ SRT listener to watch
//!  WHIP packets ─┘                          ▲                   └─▶ queue ─▶ HLS files
//!                             prepared loops┘
//! ```

mod copy;
mod destination;
mod fanout;
mod format;
mod hls;
mod input;
mod live;
mod monitor;
mod program;
mod sampler;
mod settings;
mod shelf;
mod srt_live;
mod transcode;
mod unit;

use std::sync::Arc;
use std::time::Duration;

use booth_proto::worker::{ChannelMode, ChannelSettings};
use booth_stream::Nanos;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::link;
use crate::worker::{WorkerArgs, exit};
use unit::{Events, Unit};

pub(crate) use program::{Loops, Out, Program, Wish};

/// Units on their way from sockets to the loop, which takes them at once: readers wait beyond that.
const SOCKET_EVENTS: usize = 64;
/// What GStreamer's threads post, who cannot wait: a second of datagrams at 10 Mb/s.
const GST_EVENTS: usize = 1024;
/// What samplers found: two a second.
const LOOKS: usize = 16;
/// How long the end may take; then the process ends anyway.
const STOP_DEADLINE: Duration = Duration::from_millis(900);

/// The program of a channel with these settings; `wake` is notified when it has something to give.
pub(crate) fn build(
    settings: &ChannelSettings,
    now: Nanos,
    wake: Arc<Notify>,
) -> Result<Box<dyn Program>, String> {
    match settings.mode() {
        ChannelMode::Transcode => {
            let made = transcode::Transcode::start(now, settings, wake);
            Ok(Box::new(made.map_err(|error| error.to_string())?))
        }
        ChannelMode::Copy | ChannelMode::Unspecified => Ok(Box::new(copy::Copy::new(now, wake))),
    }
}

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    let (socket, mut media) = mpsc::channel(SOCKET_EVENTS);
    let (srt, mut srt_input) = mpsc::unbounded_channel();
    let (whip, mut whip_input) = mpsc::channel(GST_EVENTS);
    let (sampler, mut looks) = mpsc::channel(LOOKS);
    let events = Events {
        sampler,
        socket,
        srt,
        whip,
        program: Arc::new(Notify::new()),
        destinations: Arc::new(Notify::new()),
    };
    let mut boothd = link::dial(args.socket.clone());
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return exit::FAILED;
    };
    let mut unit = Unit::new(args, events.clone());
    let timer = tokio::time::sleep_until(unit.due());
    tokio::pin!(timer);
    let code = loop {
        let ended = tokio::select! {
            Some(event) = boothd.recv() => unit.link(event),
            Some(event) = media.recv() => { unit.socket(event); None }
            Some((from, event)) = srt_input.recv() => { unit.srt(from, event); None }
            Some((from, event)) = whip_input.recv() => { unit.whip(from, event); None }
            Some(seen) = looks.recv() => { unit.seen(seen); None }
            () = events.destinations.notified() => { unit.destinations_changed(); None }
            () = events.program.notified() => None,
            () = &mut timer => None,
            _ = terminate.recv() => Some(exit::SHUTDOWN),
            // Ctrl-C reaches the whole process group; boothd decides what it means for the output.
            _ = interrupt.recv() => None,
        };
        if let Some(code) = ended.or_else(|| unit.advance()) {
            break code;
        }
        let due = unit.due();
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
    };
    tracing::info!(code, "the worker ends");
    if tokio::time::timeout(STOP_DEADLINE, unit.stop())
        .await
        .is_err()
    {
        tracing::warn!("the outputs did not end in time");
    }
    code
}
