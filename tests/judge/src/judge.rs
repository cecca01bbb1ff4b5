//! The judge at work: a thread that reads, one that analyses, two decoders; and waiting for what they find.

use std::{
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc::RecvTimeoutError,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    analysis::{Analysis, Unit},
    clock::monotonic_ns,
    decode::{Decoded, Decoder, Event, Output},
    options::Options,
    report::{Report, Snapshot},
    sense::{Listener, Looker},
    source::{Arrival, JudgeInput, Source, Stop},
    text,
};

/// Why a judge did not start.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error("{input}: {error}")]
    Input { input: String, error: io::Error },
    #[error("no thread: {0}")]
    Thread(io::Error),
}

/// What was waited for did not come. Prints as what was there instead.
#[derive(Debug)]
pub struct Timeout {
    pub after: Duration,
    pub last: Box<Snapshot>,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = if self.last.ended {
            " (the input ended)"
        } else {
            ""
        };
        write!(
            f,
            "not seen within {:.1} s{ended}; instead:\n{}",
            self.after.as_secs_f64(),
            text::render(&self.last)
        )
    }
}

impl std::error::Error for Timeout {}

struct Shared {
    analysis: Mutex<Analysis>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Analysis> {
        self.analysis.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running judgement. Blocking: from async code use `spawn_blocking`. Dropping it stops everything.
pub struct Judge {
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    worker: Option<JoinHandle<()>>,
    input: String,
    started_at_ns: u64,
}

impl Judge {
    /// Starts to read; returns at once.
    pub fn spawn(input: JudgeInput, options: Options) -> Result<Self, JudgeError> {
        let name = input.name();
        let live = options.live.unwrap_or_else(|| input.is_live());
        // What cannot be read again must not be held up.
        let wait = !input.is_live();
        let started_at_ns = monotonic_ns();
        let stop = Arc::new(Stop::default());
        let source =
            Source::start(input, wait, Arc::clone(&stop)).map_err(|error| JudgeError::Input {
                input: name.clone(),
                error,
            })?;
        let analysis = Analysis::new(options.clone(), live);
        let shared = Arc::new(Shared {
            analysis: Mutex::new(analysis),
            changed: Condvar::new(),
        });
        let work = Work {
            shared: Arc::clone(&shared),
            stop: Arc::clone(&stop),
            source,
            dropped: 0,
        };
        let worker = thread::Builder::new()
            .name("judge".into())
            .spawn(move || work.run(&options, wait))
            .map_err(JudgeError::Thread)?;
        Ok(Self {
            shared,
            stop,
            worker: Some(worker),
            input: name,
            started_at_ns,
        })
    }

    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.report_of(&self.shared.lock())
    }

    /// Waits until `condition` holds. Gives up early when the input has ended.
    pub fn wait_for(
        &self,
        mut condition: impl FnMut(&Snapshot) -> bool,
        timeout: Duration,
    ) -> Result<Snapshot, Timeout> {
        let deadline = Instant::now() + timeout;
        let mut analysis = self.shared.lock();
        loop {
            let snapshot = self.report_of(&analysis);
            if condition(&snapshot) {
                return Ok(snapshot);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || snapshot.ended {
                return Err(Timeout {
                    after: timeout,
                    last: Box::new(snapshot),
                });
            }
            analysis = self
                .shared
                .changed
                .wait_timeout(analysis, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the picture shows caller `id`.
    pub fn wait_for_picture(&self, id: u8, timeout: Duration) -> Result<Snapshot, Timeout> {
        self.wait_for(|s| s.picture_id() == Some(id), timeout)
    }

    /// Waits until caller `id` is heard.
    pub fn wait_for_sound(&self, id: u8, timeout: Duration) -> Result<Snapshot, Timeout> {
        self.wait_for(|s| s.sound_id() == Some(id), timeout)
    }

    /// Waits for the end of the input.
    pub fn wait_for_end(&self, timeout: Duration) -> Result<Snapshot, Timeout> {
        self.wait_for(|s| s.ended, timeout)
    }

    /// Stops reading, lets the decoders finish what they hold, and gives the last word.
    pub fn finish(mut self) -> Report {
        self.stop_and_join();
        self.snapshot()
    }

    fn stop_and_join(&mut self) {
        self.stop.set();
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has said so; what was found until then stands.
            let _ = worker.join();
        }
    }

    fn report_of(&self, analysis: &Analysis) -> Report {
        analysis.report(&self.input, self.started_at_ns, monotonic_ns())
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

struct Work {
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    source: Source,
    dropped: u64,
}

impl Work {
    fn run(mut self, options: &Options, wait: bool) {
        let mut decoders = options.decode.then(|| {
            [
                Decoder::new(Output::Picture, wait, see(&self.shared, options)),
                Decoder::new(Output::Sound, wait, hear(&self.shared, options)),
            ]
        });
        loop {
            match self
                .source
                .arrivals
                .recv_timeout(Duration::from_millis(100))
            {
                Ok(Arrival::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(arrival) => self.take(arrival, &mut decoders),
                // A reader that blocks in its input cannot be waited for.
                Err(RecvTimeoutError::Timeout) if self.stop.is_set() => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        // Frames that end with the input go to the decoders before the end is told.
        let units = self.shared.lock().drain_units();
        self.decode(units, &mut decoders);
        for decoder in decoders.iter_mut().flatten() {
            decoder.finish();
        }
        self.shared.lock().end();
        self.shared.changed.notify_all();
    }

    fn take(&mut self, arrival: Arrival, decoders: &mut Option<[Decoder; 2]>) {
        let mut finish = false;
        let units = {
            let mut analysis = self.shared.lock();
            let dropped = self.source.dropped.load(Ordering::Relaxed);
            if dropped > self.dropped {
                analysis.overrun(
                    monotonic_ns(),
                    &format!("{} messages", dropped - self.dropped),
                );
                self.dropped = dropped;
            }
            match arrival {
                Arrival::Connected(at_ns) => {
                    analysis.connected(at_ns);
                    Vec::new()
                }
                Arrival::Data(bytes, at_ns) => analysis.bytes(&bytes, at_ns),
                Arrival::Disconnected(at_ns, reason) => {
                    finish = true;
                    analysis.disconnected(at_ns, &reason)
                }
                Arrival::Failed(error) => {
                    analysis.connect_failed(&error);
                    Vec::new()
                }
                Arrival::End => Vec::new(),
            }
        };
        self.decode(units, decoders);
        if finish {
            // The next connection's pictures have nothing to do with this one's.
            decoders.iter_mut().flatten().for_each(Decoder::finish);
        }
        self.shared.changed.notify_all();
    }

    fn decode(&self, units: Vec<Unit>, decoders: &mut Option<[Decoder; 2]>) {
        let Some([video, audio]) = decoders else {
            return;
        };
        for unit in units {
            let (done, at_ns) = match &unit {
                Unit::Video(frame) => (video.video(frame), frame.stamp.first_packet_at_ns),
                Unit::Audio(frame) => (audio.audio(frame), frame.stamp.first_packet_at_ns),
            };
            if let Err(error) = done {
                self.shared.lock().overrun(at_ns, &error.to_string());
            }
        }
    }
}

fn see(shared: &Arc<Shared>, options: &Options) -> impl Fn() -> Decoded + Send + 'static {
    let (shared, options) = (Arc::clone(shared), options.clone());
    move || {
        let (shared, mut looker) = (Arc::clone(&shared), Looker::new(&options));
        Box::new(move |event: Event<'_>| {
            match event {
                Event::Picture { stamp, luma } => {
                    let look = looker.look(luma);
                    shared.lock().eyes.see(look, stamp);
                }
                Event::Lost(count) => shared.lock().eyes.lost(count),
                Event::Sound { .. } => return,
            }
            shared.changed.notify_all();
        })
    }
}

fn hear(shared: &Arc<Shared>, options: &Options) -> impl Fn() -> Decoded + Send + 'static {
    let (shared, options) = (Arc::clone(shared), options.clone());
    move || {
        let (shared, mut listener) = (Arc::clone(&shared), Listener::new(&options));
        Box::new(move |event: Event<'_>| {
            match event {
                Event::Sound {
                    stamp,
                    samples,
                    channels,
                    rate,
                } => {
                    let heard = listener.hear(samples, channels, rate, stamp);
                    let mut analysis = shared.lock();
                    heard.into_iter().for_each(|h| analysis.ears.hear(h));
                }
                Event::Lost(count) => shared.lock().ears.lost(count),
                Event::Picture { .. } => return,
            }
            shared.changed.notify_all();
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_can_be_shared_between_threads_and_tasks() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Judge>();
        shared::<Timeout>();
    }
}
