//! The SRT listener as a live input: opened and reopened, its callers numbered as publishers, its bytes made media, and
//! callers that send nothing useful sent away.

use std::sync::Arc;
use std::time::Duration;

use booth_stream::demux::Demuxer;
use booth_stream::{MediaEvent, Track};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fanout::unit;
use super::input::{Door, SrtEvent, SrtInput, SrtListen};
use crate::worker::start_gstreamer;

/// A caller without a picture for so long is hung up on: past a tenth of loss a stream may freeze for good, and its
/// sender comes back only once its connection ends (datarhei/restreamer#536).
const USELESS_AFTER: Duration = Duration::from_secs(5);
/// A port that does not open is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);
/// So much of a stranger's stream id is shown.
const SHOWN: usize = 32;

/// What it means to the channel.
#[derive(Debug)]
pub enum SrtFact {
    /// Somebody publishes.
    Up {
        publisher: u64,
        peer: String,
    },
    Media(MediaEvent),
    Down {
        publisher: u64,
        reason: String,
    },
    Problem(&'static str, String),
}

/// See the module. Owned by the channel's loop.
pub struct SrtLive {
    events: mpsc::UnboundedSender<(u64, SrtEvent)>,
    door: Arc<Door>,
    /// Tells listeners apart: what an earlier one says late is not heard.
    generation: u64,
    wished: Option<SrtListen>,
    listener: Option<SrtInput>,
    retry_at: Option<Instant>,
    caller: Option<Caller>,
    /// The wall clock at the start, in microseconds, carried by the monotonic one: numbers rise over restarts too.
    epoch_us: u64,
    started: Instant,
    last_number: u64,
}

struct Caller {
    publisher: u64,
    demuxer: Demuxer,
    useful_at: Instant,
    /// What it is made of that cannot be taken was told.
    complained: bool,
}

impl SrtLive {
    pub fn new(events: mpsc::UnboundedSender<(u64, SrtEvent)>) -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let us = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        Self {
            events,
            door: Arc::default(),
            generation: 0,
            wished: None,
            listener: None,
            retry_at: None,
            caller: None,
            epoch_us: u64::try_from(us).unwrap_or(0),
            started: Instant::now(),
            last_number: 0,
        }
    }

    /// Where callers may come in is decided.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Who publishes by SRT now; 0 for nobody.
    pub fn publisher(&self) -> u64 {
        self.caller.as_ref().map_or(0, |caller| caller.publisher)
    }

    /// Opens, closes or moves the listener.
    pub fn set(&mut self, wished: Option<SrtListen>) -> Option<SrtFact> {
        if self.wished == wished {
            return None;
        }
        self.wished = wished;
        self.reopen("the listener was changed")
    }

    /// Hangs up on the caller. Its sockets are the listener's, so that is opened anew.
    pub fn kick(&mut self, reason: &str) -> Option<SrtFact> {
        self.caller.as_ref()?;
        self.reopen(reason)
    }

    fn reopen(&mut self, reason: &str) -> Option<SrtFact> {
        let gone = self.hang_up(reason);
        self.generation += 1;
        self.retry_at = None;
        let old = self.listener.take();
        let Some(settings) = self.wished.clone() else {
            if let Some(old) = old {
                tokio::task::spawn_blocking(move || old.end());
            }
            return gone;
        };
        let (door, events) = (Arc::clone(&self.door), self.events.clone());
        let generation = self.generation;
        tokio::task::spawn_blocking(move || {
            // The port has to be free first.
            if let Some(old) = old {
                old.end();
            }
            let opened = start_gstreamer()
                .map_err(|_| "SRT cannot be used on this machine".to_owned())
                .and_then(|()| {
                    SrtInput::start(&settings, &door, &events, generation)
                        .map_err(|error| error.to_string())
                });
            let _ = events.send((generation, SrtEvent::Opened(opened)));
        });
        gone
    }

    fn hang_up(&mut self, reason: &str) -> Option<SrtFact> {
        let caller = self.caller.take()?;
        Some(SrtFact::Down {
            publisher: caller.publisher,
            reason: reason.to_owned(),
        })
    }

    /// The listener said something; what it means is appended.
    pub fn event(&mut self, generation: u64, event: SrtEvent, facts: &mut Vec<SrtFact>) {
        if generation != self.generation {
            // An earlier one that opened late is closed.
            if let SrtEvent::Opened(Ok(input)) = event {
                tokio::task::spawn_blocking(move || input.end());
            }
            return;
        }
        match event {
            SrtEvent::Opened(Ok(input)) => self.listener = Some(input),
            SrtEvent::Opened(Err(text)) | SrtEvent::Failed(text) => {
                facts.extend(self.hang_up("the listener failed"));
                facts.push(SrtFact::Problem("SRT_INPUT_FAILED", text));
                self.retry_at = Some(Instant::now() + RETRY);
            }
            // Two handshakes at once were both let in; their packets cannot be told apart.
            SrtEvent::Up { .. } if self.caller.is_some() => {
                facts.extend(self.kick("two callers came at once"));
            }
            SrtEvent::Up { peer } => {
                let publisher = self.number();
                self.caller = Some(Caller {
                    publisher,
                    demuxer: Demuxer::new(),
                    useful_at: Instant::now(),
                    complained: false,
                });
                facts.push(SrtFact::Up { publisher, peer });
            }
            SrtEvent::Down => facts.extend(self.hang_up("the connection ended")),
            SrtEvent::Refused { stream_id, share } => {
                drop(share);
                let shown = shown(&stream_id);
                let text = format!("a publisher asked for another stream id: {shown:?}");
                facts.push(SrtFact::Problem("SRT_STREAM_ID_REFUSED", text));
            }
            SrtEvent::Bytes(bytes, share) => {
                drop(share);
                self.bytes(&bytes, facts);
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8], facts: &mut Vec<SrtFact>) {
        let Some(caller) = &mut self.caller else {
            return;
        };
        let mut events = Vec::new();
        if let Err(error) = caller.demuxer.push(bytes, &mut events)
            && !std::mem::replace(&mut caller.complained, true)
        {
            facts.push(SrtFact::Problem("SRT_INPUT_UNUSABLE", error.to_string()));
        }
        if events
            .iter()
            .filter_map(unit)
            .any(|unit| unit.track == Track::Video)
        {
            caller.useful_at = Instant::now();
        }
        facts.extend(events.into_iter().map(SrtFact::Media));
    }

    /// Larger than any before, here and in workers before this one.
    fn number(&mut self) -> u64 {
        let passed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(0);
        self.last_number = (self.epoch_us + passed).max(self.last_number + 1);
        self.last_number
    }

    /// When [`SrtLive::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        let useless = self
            .caller
            .as_ref()
            .map(|caller| caller.useful_at + USELESS_AFTER);
        [useless, self.retry_at].into_iter().flatten().min()
    }

    pub fn tick(&mut self) -> Option<SrtFact> {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now >= at) {
            return self.reopen("the listener failed");
        }
        let useless = self
            .caller
            .as_ref()
            .is_some_and(|caller| now >= caller.useful_at + USELESS_AFTER);
        if useless {
            self.kick("it sent no picture for 5 s")
        } else {
            None
        }
    }

    /// Closes everything; blocks for as long as that takes.
    pub fn end(self) {
        if let Some(listener) = self.listener {
            listener.end();
        }
    }
}

/// The beginning of a stranger's stream id: what follows may hold a key, which is not for logs.
fn shown(stream_id: &str) -> String {
    let end = stream_id.find(['?', ',']).unwrap_or(stream_id.len());
    stream_id[..end].chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_stream_id_is_shown_without_what_may_be_a_key() {
        assert_eq!(shown("radio?token=secret"), "radio");
        assert_eq!(shown("#!::r=radio,u=me,key=secret"), "#!::r=radio");
        assert_eq!(shown(&"ä".repeat(100)), "ä".repeat(SHOWN));
    }

    #[tokio::test]
    async fn a_refusal_names_no_key() {
        let (events, _heard) = mpsc::unbounded_channel();
        let mut srt = SrtLive::new(events);
        let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
        let event = SrtEvent::Refused {
            stream_id: "radio?secret".to_owned(),
            share: semaphore.try_acquire_owned().unwrap(),
        };
        let mut facts = Vec::new();
        srt.event(0, event, &mut facts);
        let [SrtFact::Problem(_, text)] = &facts[..] else {
            panic!("{facts:?}");
        };
        assert!(text.contains("radio") && !text.contains("secret"), "{text}");
    }
}
