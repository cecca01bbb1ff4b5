//! Where the programme goes: one task for each destination, with its own connection, queue and waits. Nothing that
//! happens to one is felt by another or by the programme.

mod machine;
mod session;
mod srt;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use booth_proto::worker::{
    DestinationFigures, DestinationReport, DestinationSettings, DestinationState,
};
use booth_stream::MediaEvent;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fanout::Queue;
use crate::backoff::chance;
use machine::{Failure, Machine};
use session::Session;

pub use session::Trust;

/// How often a session is looked after.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// How long saying goodbye may take, over what the session allows itself.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// The hand of one destination's task. Dropping it ends the session without goodbye.
#[derive(Debug)]
pub struct Destination {
    settings: DestinationSettings,
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    status: Mutex<Status>,
    /// Wakes the channel's loop when the state changes.
    changed: Arc<Notify>,
}

#[derive(Debug, Clone)]
struct Status {
    state: DestinationState,
    error: String,
    sent_bytes: u64,
    dropped_frames: u64,
    retry_at: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination {
    /// Begins when `after`, its predecessor under other settings, has ended: platforms take one session at a time.
    pub fn start(
        settings: DestinationSettings,
        after: Option<JoinHandle<()>>,
        queue: Queue,
        trust: Arc<Trust>,
        changed: Arc<Notify>,
    ) -> Self {
        let status = Status {
            state: DestinationState::Connecting,
            error: String::new(),
            sent_bytes: 0,
            dropped_frames: 0,
            retry_at: None,
        };
        let shared = Arc::new(Shared {
            status: Mutex::new(status),
            changed,
        });
        let stop = CancellationToken::new();
        let run = Run {
            settings: settings.clone(),
            queue,
            trust,
            shared: Arc::clone(&shared),
            stop: stop.clone(),
            machine: Machine::new(),
            started: Instant::now(),
            sent_before: 0,
            configs: [None, None],
        };
        Self {
            settings,
            shared,
            stop,
            task: tokio::spawn(run.run(after)),
        }
    }

    pub fn settings(&self) -> &DestinationSettings {
        &self.settings
    }

    pub fn report(&self) -> DestinationReport {
        let status = self.shared.lock();
        DestinationReport {
            id: self.settings.id.clone(),
            state: status.state.into(),
            error: status.error.clone(),
        }
    }

    /// Sums since the start; the rate is for who asks to work out.
    pub fn figures(&self) -> DestinationFigures {
        let status = self.shared.lock();
        let wait = status
            .retry_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        DestinationFigures {
            id: self.settings.id.clone(),
            rate_kbps: 0.0,
            dropped_frames: status.dropped_frames,
            sent_bytes: status.sent_bytes,
            retry_in_s: wait.map_or(0.0, |wait| wait.as_secs_f64()),
        }
    }

    /// Ends the session in good order, or after a deadline anyway. Does not wait.
    pub fn end(self) -> JoinHandle<()> {
        self.stop.cancel();
        let mut task = self.task;
        tokio::spawn(async move {
            if tokio::time::timeout(END_DEADLINE, &mut task).await.is_err() {
                tracing::warn!("a destination did not end in time");
                task.abort();
            }
        })
    }
}

/// How a session ended.
enum End {
    Failed(Failure),
    /// It lasted as long as it may: the next one goes on where it stopped.
    Planned,
    Stopped,
}

/// What the task owns.
struct Run {
    settings: DestinationSettings,
    queue: Queue,
    trust: Arc<Trust>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    machine: Machine,
    started: Instant,
    /// By the sessions before the present one.
    sent_before: u64,
    /// In force where the queue is.
    configs: [Option<MediaEvent>; 2],
}

impl Run {
    async fn run(mut self, after: Option<JoinHandle<()>>) {
        let stop = self.stop.clone();
        if let Some(after) = after {
            let _ = after.await;
        }
        loop {
            // What comes from the next key frame on waits for the connection.
            self.queue.resume();
            let end = tokio::select! {
                () = stop.cancelled() => End::Stopped,
                connected = self.connect() => match connected {
                    Ok(session) => self.serve(session).await,
                    Err(failure) => End::Failed(failure),
                },
            };
            let failure = match end {
                End::Stopped => return,
                End::Planned => {
                    self.machine.planned();
                    continue;
                }
                End::Failed(failure) => failure,
            };
            self.queue.pause();
            let id = &self.settings.id;
            let now = self.started.elapsed();
            let wait = self.machine.failed(now, &failure, chance());
            tracing::info!(
                destination = id,
                error = failure.text,
                ?wait,
                "a destination is down"
            );
            self.publish(wait.map(|wait| Instant::now() + wait));
            let Some(wait) = wait else {
                // For good: it is started anew when it is enabled again.
                return;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            self.publish(None);
        }
    }

    /// Once there is something to send.
    async fn connect(&self) -> Result<Session, Failure> {
        self.queue.filled().await;
        Session::connect(&self.settings, &self.trust).await
    }

    async fn serve(&mut self, mut session: Session) -> End {
        let begun = Instant::now();
        let limit = match self.settings.session_max_s {
            0 => None,
            seconds => Some(begun + Duration::from_secs(seconds.into())),
        };
        self.queue.count();
        for config in self.configs.clone().into_iter().flatten() {
            if let Err(failure) = session.send(&config).await {
                return End::Failed(failure);
            }
        }
        self.machine
            .connected(self.started.elapsed(), session.bytes().1);
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        let end = loop {
            let over = limit.is_some_and(|limit| Instant::now() >= limit);
            if over && self.queue.at_key_picture() {
                break End::Planned;
            }
            let sent = tokio::select! {
                () = stop.cancelled() => break End::Stopped,
                failure = session.failed() => Err(failure),
                () = self.queue.filled() => self.send(&mut session, over).await,
                _ = watch.tick() => self.look(&session),
            };
            if let Err(failure) = sent {
                break End::Failed(failure);
            }
        };
        self.sent_before += session.bytes().0;
        match end {
            End::Failed(_) => drop(session),
            End::Planned | End::Stopped => session.close().await,
        }
        end
    }

    /// Sends what is queued; when the session is `over`, up to the next key frame.
    async fn send(&mut self, session: &mut Session, over: bool) -> Result<(), Failure> {
        while !(over && self.queue.at_key_picture())
            && let Some(event) = self.queue.take()
        {
            match &event {
                MediaEvent::Video(_) => self.configs[0] = Some(event.clone()),
                MediaEvent::Audio(_) => self.configs[1] = Some(event.clone()),
                MediaEvent::Unit(_) => {}
            }
            session.send(&event).await?;
        }
        Ok(())
    }

    fn look(&mut self, session: &Session) -> Result<(), Failure> {
        let (sent, taken) = session.bytes();
        self.machine.taken(self.started.elapsed(), taken, sent)?;
        let sent = self.sent_before + sent;
        self.shared.lock().sent_bytes = sent;
        self.publish(None);
        Ok(())
    }

    /// Makes the state known, and wakes the channel's loop if it is news.
    fn publish(&self, retry_at: Option<Instant>) {
        let mut status = self.shared.lock();
        status.dropped_frames = self.queue.dropped();
        status.retry_at = retry_at;
        let state = self.machine.state();
        let error = self.machine.error();
        if status.state != state || status.error != error {
            status.state = state;
            status.error = error.to_owned();
            drop(status);
            self.shared.changed.notify_one();
        }
    }
}
