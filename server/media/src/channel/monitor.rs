//! An SRT listener that gives the programme to whoever wants to watch. Opened again when it fails; nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use booth_stream::ts::{TsWriter, datagrams};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fanout::Queue;
use crate::facts::{Fact, Facts};
use crate::settings::SrtSettings;
use crate::srt::{Feed, Srt};
use crate::worker::start_gstreamer;

/// A listener that does not open is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Closing can hang inside libsrt; a listener that does is left behind.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// The hand of a running listener.
pub struct Monitor {
    settings: SrtSettings,
    clients: Arc<AtomicU32>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Monitor {
    pub fn start(settings: SrtSettings, queue: Queue) -> Self {
        let clients = Arc::new(AtomicU32::new(0));
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(
            settings.clone(),
            queue,
            Arc::clone(&clients),
            stop.clone(),
        ));
        Self {
            settings,
            clients,
            stop,
            task,
        }
    }

    pub fn settings(&self) -> &SrtSettings {
        &self.settings
    }

    pub fn clients(&self) -> u32 {
        self.clients.load(Ordering::Relaxed)
    }

    /// Closes the sockets on purpose, so that receivers notice at once. Does not wait.
    pub fn end(self) -> JoinHandle<()> {
        self.stop.cancel();
        self.task
    }
}

async fn run(
    settings: SrtSettings,
    queue: Queue,
    clients: Arc<AtomicU32>,
    stop: CancellationToken,
) {
    let mut generation = 0;
    loop {
        generation += 1;
        queue.pause();
        let error = serve(&settings, &queue, &clients, &stop, generation).await;
        clients.store(0, Ordering::Relaxed);
        let Some(error) = error else { return };
        tracing::warn!(error, "the listener to watch the channel is closed");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// Runs until it fails, which is told, or is ended.
async fn serve(
    settings: &SrtSettings,
    queue: &Queue,
    clients: &Arc<AtomicU32>,
    stop: &CancellationToken,
    generation: u64,
) -> Option<String> {
    let (facts, mut fact) = Facts::channel();
    let feed = Feed::default();
    let start = {
        let (settings, feed) = (settings.clone(), feed.clone());
        tokio::task::spawn_blocking(move || {
            start_gstreamer().map_err(|_| "SRT cannot be used on this machine".to_owned())?;
            Srt::start(&settings, &feed, &facts, generation).map_err(|error| error.to_string())
        })
    };
    let srt = match start.await {
        Ok(Ok(srt)) => Arc::new(srt),
        Ok(Err(error)) => return Some(error),
        Err(error) => return Some(error.to_string()),
    };
    let mut writer = TsWriter::new();
    let mut packets = Vec::new();
    let mut count = tokio::time::interval(COUNT_EVERY);
    count.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Reading can hang too: one at a time.
    let reading = Arc::new(AtomicBool::new(false));
    queue.resume();
    let error = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            happened = fact.recv() => match happened {
                Some(Fact::SrtFailed { text, .. }) => break Some(text),
                Some(_) => {}
                None => break Some("the listener ended".to_owned()),
            },
            () = queue.filled() => {
                while let Some(event) = queue.take() {
                    packets.clear();
                    if let Err(error) = writer.write(&event, &mut packets) {
                        tracing::debug!(%error, "a unit is not in the stream to watch");
                    }
                    for datagram in datagrams(&packets) {
                        feed.push(gst::Buffer::from_mut_slice(datagram.to_vec()));
                    }
                }
            }
            _ = count.tick() => {
                if reading.swap(true, Ordering::Relaxed) {
                    continue;
                }
                let (srt, clients) = (Arc::clone(&srt), Arc::clone(clients));
                let reading = Arc::clone(&reading);
                tokio::task::spawn_blocking(move || {
                    clients.store(srt.stats().clients, Ordering::Relaxed);
                    reading.store(false, Ordering::Relaxed);
                });
            }
        }
    };
    let stopping = tokio::task::spawn_blocking(move || srt.stop());
    if tokio::time::timeout(STOP_DEADLINE, stopping).await.is_err() {
        tracing::warn!("the listener to watch the channel did not close in time");
    }
    error
}
