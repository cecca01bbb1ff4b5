//! Starting and ending pipelines away from the worker's loop: a state change can hang, and then only its thread does.

use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;

/// Pipelines whose teardown has not returned. A few stuck ones cost memory; more than that is a reason to start afresh.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// How many teardowns have not returned.
pub fn ending() -> usize {
    ENDING.load(Ordering::Relaxed)
}

/// Sets the pipeline to `NULL` on a thread of its own.
pub fn end(pipeline: gst::Pipeline) {
    ENDING.fetch_add(1, Ordering::Relaxed);
    let spawned = std::thread::Builder::new()
        .name("teardown".to_owned())
        .spawn(move || {
            if let Some(bus) = pipeline.bus() {
                bus.unset_sync_handler();
            }
            if let Err(error) = pipeline.set_state(gst::State::Null) {
                tracing::warn!(%error, "a decoder did not stop cleanly");
            }
            ENDING.fetch_sub(1, Ordering::Relaxed);
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread to end a decoder");
    }
}

/// Sets the pipeline to `state` on a thread of its own; failures reach the bus.
pub fn start(pipeline: &gst::Pipeline, state: gst::State) {
    let pipeline = pipeline.clone();
    let spawned = std::thread::Builder::new()
        .name("start".to_owned())
        .spawn(move || {
            if let Err(error) = pipeline.set_state(state) {
                tracing::warn!(%error, "a decoder did not start");
            }
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread to start a decoder");
    }
}
