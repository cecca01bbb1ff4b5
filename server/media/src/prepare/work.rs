//! The worker of unit `prepare-<id>`: takes an order from boothd, has it carried out on a thread, and tells how far it is.
//!
//! It ends when boothd has heard the outcome. Another order calls the present one off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::to_worker::Message as Heard;
use booth_proto::worker::{Hello, Pong, PrepareDesired, PrepareReport};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::error::PrepareError;
use super::job::{Caller, Order, Outcome, prepare};
use crate::link::{self, LinkEvent, Sender};
use crate::worker::{WorkerArgs, exit, start_gstreamer};

/// Between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// After the outcome, boothd has this long to end us; then we end, and are started again if there is more to do.
const FAREWELL: Duration = Duration::from_secs(3);
/// Without an order from a boothd that is there: nothing is wanted of us.
const NO_ORDER: Duration = Duration::from_secs(30);

enum News {
    Progress(f64),
    Over(Result<Outcome, PrepareError>),
}

/// An order that is carried out.
struct Job {
    order: PrepareDesired,
    cancelled: Arc<AtomicBool>,
    number: u64,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

struct Work {
    args: WorkerArgs,
    link: Option<Sender>,
    away_since: Instant,
    job: Option<Job>,
    jobs: u64,
    /// The latest report: told again to a boothd that comes back.
    report: Option<PrepareReport>,
    /// When to end, the outcome having been told.
    ends_at: Option<Instant>,
    news: mpsc::Sender<(u64, News)>,
}

/// Runs to its end; answers one of [`exit`].
pub async fn run(args: WorkerArgs) -> u8 {
    if let Err(code) = start_gstreamer() {
        return code;
    }
    // Progress comes five times a second, and the thread waits for room.
    let (sender, mut news) = mpsc::channel(16);
    let mut events = link::dial(args.socket.clone());
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return exit::FAILED;
    };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else {
        return exit::FAILED;
    };
    let mut work = Work {
        args,
        link: None,
        away_since: Instant::now(),
        job: None,
        jobs: 0,
        report: None,
        ends_at: None,
        news: sender,
    };
    loop {
        let deadline = work.deadline().into();
        let ended = tokio::select! {
            Some(event) = events.recv() => work.link(event),
            Some((job, news)) = news.recv() => { work.news(job, news); None }
            () = sleep_until(deadline) => work.late(),
            _ = terminate.recv() => Some(exit::SHUTDOWN),
            // Ctrl-C reaches the whole process group; boothd decides what it means for us.
            _ = interrupt.recv() => None,
        };
        if let Some(code) = ended {
            work.call_off();
            return code;
        }
    }
}

impl Work {
    /// When to look whether it is time to end.
    fn deadline(&self) -> Instant {
        let orphaned = self.away_since + self.args.orphan_timeout;
        match (self.ends_at, &self.link) {
            (Some(end), _) => end,
            (None, None) => orphaned,
            // Nobody wants anything of us: we were started for an order.
            (None, Some(_)) if self.job.is_none() => self.away_since + NO_ORDER,
            (None, Some(_)) => Instant::now() + NO_ORDER,
        }
    }

    fn late(&self) -> Option<u8> {
        if self.ends_at.is_some() {
            return Some(exit::SHUTDOWN);
        }
        if self.link.is_none() && self.away_since.elapsed() >= self.args.orphan_timeout {
            return Some(exit::ORPHANED);
        }
        let idle = self.job.is_none() && self.away_since.elapsed() >= NO_ORDER;
        idle.then_some(exit::SHUTDOWN)
    }

    fn link(&mut self, event: LinkEvent) -> Option<u8> {
        match event {
            LinkEvent::Up(sender) => {
                sender.send(Say::Hello(Hello {
                    unit: self.args.unit.clone(),
                    pid: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..Hello::default()
                }));
                self.link = Some(sender);
                self.away_since = Instant::now();
                self.tell();
                None
            }
            LinkEvent::Down => {
                self.link = None;
                self.away_since = Instant::now();
                // The outcome was told, or is told to the next boothd.
                self.ends_at.map(|_| exit::SHUTDOWN)
            }
            LinkEvent::Message(message) => match message.message? {
                Heard::Prepare(order) => {
                    self.order(order);
                    None
                }
                Heard::Ping(ping) => {
                    if let Some(link) = &self.link {
                        link.send(Say::Pong(Pong { nonce: ping.nonce }));
                    }
                    None
                }
                Heard::Shutdown(_) => Some(exit::SHUTDOWN),
                _ => None,
            },
        }
    }

    fn order(&mut self, order: PrepareDesired) {
        if self.job.as_ref().is_some_and(|job| job.order == order) {
            return self.tell();
        }
        self.call_off();
        self.report = None;
        self.ends_at = None;
        self.jobs += 1;
        let number = self.jobs;
        let cancelled = Arc::new(AtomicBool::new(false));
        self.job = Some(Job {
            order: order.clone(),
            cancelled: Arc::clone(&cancelled),
            number,
        });
        let news = self.news.clone();
        let spawned = std::thread::Builder::new()
            .name("prepare".to_owned())
            .spawn(move || {
                let outcome = carry_out(&order, number, &cancelled, &news);
                let _ = news.blocking_send((number, News::Over(outcome)));
            });
        if let Err(error) = spawned {
            self.news(
                number,
                News::Over(Err(crate::error::MediaError::Thread(error).into())),
            );
        }
    }

    fn call_off(&mut self) {
        self.job = None;
    }

    fn news(&mut self, number: u64, news: News) {
        let Some(job) = self.job.as_ref().filter(|job| job.number == number) else {
            return;
        };
        let mut report = PrepareReport {
            key: job.order.key.clone(),
            ..PrepareReport::default()
        };
        match news {
            News::Progress(percent) => report.percent = percent,
            News::Over(Ok(outcome)) => {
                report.percent = 100.0;
                report.done = true;
                report.duration_ms = outcome.duration_ms;
                report.note = outcome.note;
                report.files = outcome.files;
            }
            News::Over(Err(error)) => {
                tracing::warn!(%error, "preparing failed");
                report.error = error.to_string();
            }
        }
        self.report = Some(report);
        self.tell();
    }

    fn tell(&mut self) {
        if let (Some(link), Some(report)) = (&self.link, &self.report) {
            let told = link.send(Say::Prepare(report.clone()));
            if told && (report.done || !report.error.is_empty()) {
                self.ends_at.get_or_insert(Instant::now() + FAREWELL);
            }
        }
    }
}

/// On the job's thread.
fn carry_out(
    order: &PrepareDesired,
    number: u64,
    cancelled: &AtomicBool,
    news: &mpsc::Sender<(u64, News)>,
) -> Result<Outcome, PrepareError> {
    let told = std::cell::Cell::new(None::<Instant>);
    let caller = Caller {
        cancelled: &|| cancelled.load(Ordering::Relaxed),
        progress: &|percent| {
            if told.get().is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                told.set(Some(Instant::now()));
                let _ = news.try_send((number, News::Progress(percent)));
            }
        },
    };
    prepare(&Order::from_wire(order)?, &caller)
}
