//! The running output: encoder, pacer, SRT sink and idle source, built once from the settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use booth_proto::worker::SrtStats;
use tokio::sync::mpsc;

use crate::error::MediaError;
use crate::facts::Facts;
use crate::idle::Idle;
use crate::input::{FileInput, load_image};
use crate::output::Output;
use crate::pacer::{Control, MediaSender, Outlets, Pacer};
use crate::picture::{Format, Frame};
use crate::settings::{IdleSettings, OutputSettings};
use crate::srt::{Feed, Srt};
use crate::tile;

/// A forced key frame is a burst: at most one in this time.
const FORCED_KEY_SPACING: Duration = Duration::from_secs(1);
/// Between two tries to open the SRT socket.
const SRT_BACKOFF_FIRST: Duration = Duration::from_millis(100);
const SRT_BACKOFF_LAST: Duration = Duration::from_secs(2);

/// Outcomes of work that was done away from the loop.
pub enum Done {
    /// The SRT socket was opened, or not; which start of it.
    SrtStarted(u64, Result<Srt, MediaError>),
    /// Figures were read, of which start of the SRT side.
    Stats(u64, SrtStats),
    /// The idle picture was decoded, or not.
    Image(u64, Result<Frame, MediaError>),
}

/// The present start of the SRT side: what another one says comes too late.
#[derive(Debug, Default)]
struct Present {
    generation: u64,
    failed: bool,
}

impl Present {
    fn next(&mut self) -> u64 {
        self.failed = false;
        self.generation += 1;
        self.generation
    }

    /// Notes a failure; `false` when it is not news.
    fn fails(&mut self, generation: u64) -> bool {
        let news = generation == self.generation && !self.failed;
        self.failed |= news;
        news
    }
}

/// See the module.
pub struct Engine {
    settings: OutputSettings,
    output: Output,
    pacer: Pacer,
    format: Option<Format>,
    facts: Facts,
    feed: Feed,
    srt: Option<Arc<Srt>>,
    srt_present: Present,
    srt_backoff: Duration,
    reading_stats: bool,
    idle: IdleSettings,
    idle_token: u64,
    key_forced_at: Option<Instant>,
    done: mpsc::Sender<Done>,
}

impl Engine {
    /// Starts the encoder and the pacer, showing black, and begins to open the SRT socket.
    ///
    /// # Errors
    /// When the encoder cannot be built.
    pub fn start(
        settings: OutputSettings,
        facts: &Facts,
        done: mpsc::Sender<Done>,
    ) -> Result<Self, MediaError> {
        let format = match &settings.video {
            Some(video) => Some(Format::new(video.width, video.height, video.fps)?),
            None => None,
        };
        let feed = Feed::default();
        let output = Output::start(&settings, format.as_ref(), &feed, facts)?;
        let tiles = match &format {
            Some(format) => Some(tile::start(format.clone(), facts.clone())?),
            None => None,
        };
        let video = match (output.video(), &format, &settings.video) {
            (Some(source), Some(format), Some(video)) => Some((source, format.clone(), video.fps)),
            _ => None,
        };
        let pacer = Pacer::start(Outlets {
            video,
            audio: output.audio(),
            tiles,
            facts: facts.clone(),
        })?;
        let mut engine = Self {
            settings,
            output,
            pacer,
            format,
            facts: facts.clone(),
            feed,
            srt: None,
            srt_present: Present::default(),
            srt_backoff: SRT_BACKOFF_FIRST,
            reading_stats: false,
            idle: IdleSettings::Black,
            idle_token: 0,
            key_forced_at: None,
            done,
        };
        engine.open_srt(Duration::ZERO);
        Ok(engine)
    }

    /// The format inputs are brought to; absent for sound alone.
    #[must_use]
    pub fn format(&self) -> Option<&Format> {
        self.format.as_ref()
    }

    /// For decoders.
    #[must_use]
    pub fn media(&self) -> MediaSender {
        self.pacer.media()
    }

    /// Orders the pacer; `false` when it is stuck.
    #[must_use]
    pub fn order(&self, order: Control) -> bool {
        self.pacer.order(order)
    }

    /// Changes the idle source, if it is another one. Files are read away from the loop; until then it is black.
    ///
    /// # Errors
    /// When an element is missing.
    pub fn set_idle(&mut self, wanted: &IdleSettings) -> Result<(), MediaError> {
        if *wanted == self.idle {
            return Ok(());
        }
        self.idle = wanted.clone();
        self.idle_token += 1;
        let token = self.idle_token;
        let idle = match wanted {
            IdleSettings::Black => Idle::Black,
            IdleSettings::TestPattern => Idle::Pattern(Box::default()),
            IdleSettings::Image(path) => {
                self.load_image(token, path.clone());
                Idle::Black
            }
            IdleSettings::Video(path) => {
                let format = self.format.as_ref();
                let input = FileInput::start(token, path, format, &self.media(), &self.facts)?;
                Idle::File { input, last: None }
            }
        };
        if !self.pacer.order(Control::Idle(idle)) {
            tracing::error!("the pacer takes no orders");
        }
        Ok(())
    }

    /// Black, because the idle file of this start cannot be shown. `false` if it has been replaced since.
    pub fn idle_failed(&mut self, token: u64) -> bool {
        token == self.idle_token && self.pacer.order(Control::Idle(Idle::Black))
    }

    /// The idle picture is there.
    pub fn idle_loaded(&mut self, token: u64, frame: Frame) {
        if token == self.idle_token && !self.pacer.order(Control::Idle(Idle::Still(frame))) {
            tracing::error!("the pacer takes no orders");
        }
    }

    fn load_image(&self, token: u64, path: PathBuf) {
        let Some(format) = self.format.clone() else {
            return;
        };
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            let _ = done.blocking_send(Done::Image(token, load_image(&path, &format)));
        });
    }

    /// Opens the SRT socket after `wait`, away from the loop.
    fn open_srt(&mut self, wait: Duration) {
        let (settings, feed) = (self.settings.srt.clone(), self.feed.clone());
        let (facts, done) = (self.facts.clone(), self.done.clone());
        let generation = self.srt_present.next();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let start = tokio::task::spawn_blocking(move || {
                Srt::start(&settings, &feed, &facts, generation)
            });
            if let Ok(started) = start.await {
                let _ = done.send(Done::SrtStarted(generation, started)).await;
            }
        });
    }

    fn open_srt_again(&mut self) {
        let wait = self.srt_backoff;
        self.srt_backoff = (wait * 2).min(SRT_BACKOFF_LAST);
        self.open_srt(wait);
    }

    /// The socket is open, or another try follows; the first failure in a row is returned to be told.
    pub fn srt_started(
        &mut self,
        generation: u64,
        started: Result<Srt, MediaError>,
    ) -> Option<String> {
        let present = generation == self.srt_present.generation;
        match started {
            Ok(srt) if present && !self.srt_present.failed => {
                self.srt = Some(Arc::new(srt));
                self.srt_backoff = SRT_BACKOFF_FIRST;
                self.reading_stats = false;
                None
            }
            Ok(srt) => {
                // Its failure, which has been told, was heard before its start.
                tokio::task::spawn_blocking(move || srt.stop());
                if present {
                    self.open_srt_again();
                }
                None
            }
            Err(error) => {
                let first = self.srt_backoff == SRT_BACKOFF_FIRST;
                if present {
                    self.open_srt_again();
                }
                first.then(|| error.to_string())
            }
        }
    }

    /// The sink failed: it is opened anew, the encoder goes on. `false` when that is known already.
    pub fn srt_failed(&mut self, generation: u64) -> bool {
        if !self.srt_present.fails(generation) {
            return false;
        }
        // Without a sink the news of its start are still on the way: the next one follows them.
        if let Some(srt) = self.srt.take() {
            tokio::task::spawn_blocking(move || srt.stop());
            self.open_srt(SRT_BACKOFF_FIRST);
        }
        true
    }

    /// Begins to read the SRT figures, unless the last reading is still under way.
    pub fn read_stats(&mut self) {
        let Some(srt) = self.srt.clone().filter(|_| !self.reading_stats) else {
            return;
        };
        self.reading_stats = true;
        let done = self.done.clone();
        let generation = self.srt_present.generation;
        tokio::task::spawn_blocking(move || {
            let _ = done.blocking_send(Done::Stats(generation, srt.stats()));
        });
    }

    /// The figures were read; `false` when they are those of a sink that is gone.
    pub fn stats_read(&mut self, generation: u64) -> bool {
        let present = self.srt.is_some() && generation == self.srt_present.generation;
        self.reading_stats &= !present;
        present
    }

    /// A receiver came: it gets a key frame, if the last forced one is long enough ago.
    pub fn client_added(&mut self) {
        let now = Instant::now();
        if self
            .key_forced_at
            .is_none_or(|at| now - at >= FORCED_KEY_SPACING)
        {
            self.key_forced_at = Some(now);
            self.output.force_key_frame();
        }
    }

    /// Ends everything; the SRT sockets are closed on purpose, so that receivers notice at once.
    pub fn stop(mut self) {
        self.pacer.stop();
        if let Some(srt) = self.srt.take() {
            srt.stop();
        }
        self.output.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_once_and_only_for_the_present_sink() {
        let mut present = Present::default();
        let old = present.next();
        assert!(present.fails(old));
        assert!(!present.fails(old));
        let new = present.next();
        assert!(!present.fails(old) && !present.failed);
        assert!(present.fails(new) && present.failed);
    }
}
