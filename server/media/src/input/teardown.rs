//! Starting and ending pipelines away from the worker's loop: a state change can hang, and then only its thread does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

/// Pipelines whose teardown has not returned. A few stuck ones cost memory; more than that is a reason to start afresh.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// How many teardowns have not returned.
pub fn ending() -> usize {
    ENDING.load(Ordering::Relaxed)
}

/// The wished state of a pipeline. Its threads go one after the other, and each brings the latest wish about: one that
/// comes late cannot start again what has been ended.
#[derive(Debug)]
pub struct Life {
    pipeline: gst::Pipeline,
    /// Held for a moment only.
    wish: Mutex<gst::State>,
    /// Held while the state changes, which can hang.
    turn: Mutex<()>,
}

impl Life {
    /// Of a pipeline that nobody else starts.
    pub fn new(pipeline: gst::Pipeline) -> Arc<Self> {
        Arc::new(Self {
            pipeline,
            wish: Mutex::new(gst::State::Ready),
            turn: Mutex::new(()),
        })
    }

    /// Sets the pipeline to `state` on a thread of its own, unless it has been ended; failures reach the bus.
    pub fn start(self: &Arc<Self>, state: gst::State) {
        if !self.wish(state) {
            return;
        }
        let life = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("start".to_owned())
            .spawn(move || life.obey());
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to start a decoder");
        }
    }

    /// The same on this thread.
    pub fn start_here(&self, state: gst::State) {
        if self.wish(state) {
            self.obey();
        }
    }

    /// Sets the pipeline to `NULL` for good, on a thread of its own.
    pub fn end(self: &Arc<Self>) {
        self.wish(gst::State::Null);
        ENDING.fetch_add(1, Ordering::Relaxed);
        let life = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("teardown".to_owned())
            .spawn(move || {
                if let Some(bus) = life.pipeline.bus() {
                    bus.unset_sync_handler();
                }
                life.obey();
                ENDING.fetch_sub(1, Ordering::Relaxed);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to end a decoder");
        }
    }

    /// Notes the wish; `false` after the end.
    fn wish(&self, state: gst::State) -> bool {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        let lives = *wish != gst::State::Null;
        if lives {
            *wish = state;
        }
        lives
    }

    fn obey(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let state = *self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.pipeline.set_state(state) {
            tracing::warn!(%error, ?state, "a decoder did not change its state");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_runs_after_the_end_starts_nothing() {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let life = Life::new(pipeline.clone());
        // The start's thread is slow: it comes to its turn only after the end's.
        assert!(life.wish(gst::State::Playing));
        life.wish(gst::State::Null);
        life.obey();
        life.obey();
        life.start_here(gst::State::Playing);
        assert_eq!(pipeline.current_state(), gst::State::Null);
    }
}
