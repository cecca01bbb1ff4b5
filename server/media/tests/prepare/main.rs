//! The worker that prepares loops, as a process: files made by ffmpeg go in, and what comes out is read back and decoded.

// Clippy knows test functions, but not their helpers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../worker/boothd.rs"]
#[allow(dead_code)]
mod boothd;
mod check;
mod clips;
mod faults;
mod files;
mod played;
mod rig;

use std::path::PathBuf;
use std::time::Duration;

use booth_media::WorkerArgs;

/// Not a test: the worker's process, when [`rig::Rig`] runs this binary again.
#[test]
fn worker_process() {
    let Some(dir) = std::env::var_os("BOOTH_TEST_WORKER").map(PathBuf::from) else {
        return;
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let code = booth_media::run_worker(WorkerArgs {
        unit: "prepare-radio".to_owned(),
        socket: dir.join("workers.sock"),
        lock: dir.join("prepare-radio.lock"),
        orphan_timeout: Duration::from_secs(60),
    });
    booth_media::leave(code);
}
