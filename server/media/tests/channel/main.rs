//! A channel's worker as a process of its own, with a boothd, publishers and destinations around it.

// Clippy knows test functions, but not their helpers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../worker/boothd.rs"]
mod boothd;
#[path = "../worker/caller.rs"]
#[allow(
    dead_code,
    reason = "what a caller of a slot can do, not every publisher does"
)]
mod caller;
mod film;
mod publisher;
mod receiver;
mod rig;

mod cost;
mod destinations;
mod drill;
mod failover;
mod lifecycle;
mod looks;
mod outputs;
mod transcode;
mod whip;

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
    let orphan_ms = std::env::var("BOOTH_TEST_ORPHAN_MS")
        .unwrap()
        .parse()
        .unwrap();
    let unit = std::env::var("BOOTH_TEST_UNIT").unwrap_or_else(|_| "channel-1".to_owned());
    let code = booth_media::run_worker(WorkerArgs {
        unit: unit.clone(),
        socket: dir.join("workers.sock"),
        lock: dir.join(format!("{unit}.lock")),
        orphan_timeout: Duration::from_millis(orphan_ms),
    });
    booth_media::leave(code);
}
