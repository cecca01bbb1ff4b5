//! Brings a backup and a slate to a channel's format, once.

use crate::worker::{WorkerArgs, exit};

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    tracing::error!(unit = args.unit, "not built yet");
    exit::UNUSABLE
}
