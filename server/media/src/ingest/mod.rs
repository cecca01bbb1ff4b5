//! The ingest worker: the RTMP server of all channels.

use crate::worker::{WorkerArgs, exit};

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    tracing::error!(unit = args.unit, "not built yet");
    exit::UNUSABLE
}
