//! The worker of one channel: inputs, playout, destinations.

mod program;

pub use program::{Loops, Out, Program, Verdict, Wish};

use crate::worker::{WorkerArgs, exit};

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    tracing::error!(unit = args.unit, "not built yet");
    exit::UNUSABLE
}
