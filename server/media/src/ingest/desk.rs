//! Who publishes, by boothd's leave. One owner, no locks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Say;
use booth_proto::worker::to_worker::Message as Heard;
use booth_proto::worker::{
    Hello, IngestDesired, Pong, Problem, PublishAsk, PublishEnd, PublishReply,
};
use booth_rtmp::server::PublishRequest;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::listen::Listeners;
use crate::link::{LinkEvent, Sender};
use crate::worker::{WorkerArgs, exit};

/// From boothd's leave to boothd's order that names the publisher.
const NAMED_WITHIN: Duration = Duration::from_secs(5);
/// A problem of the same kind is told again after this long at the earliest.
const PROBLEM_SPACING: Duration = Duration::from_secs(10);

/// What sessions and listeners tell the desk.
#[derive(Debug)]
pub enum Event {
    Ask {
        request: PublishRequest,
        answer: oneshot::Sender<Result<Leave, String>>,
    },
    Problem {
        reason: &'static str,
        text: String,
    },
}

/// A publisher has ended.
#[derive(Debug)]
pub struct End {
    pub publisher: u64,
    pub reason: String,
}

/// One for each leave, whatever becomes of its session: bounded by the number of connections.
pub fn ends() -> (mpsc::UnboundedSender<End>, mpsc::UnboundedReceiver<End>) {
    mpsc::unbounded_channel()
}

/// A publisher's leave to publish. Dropping it gives it back.
#[derive(Debug)]
pub struct Leave {
    pub publisher: u64,
    pub media_socket: PathBuf,
    /// Resolves when the publisher is to be hung up on.
    pub dismissed: oneshot::Receiver<String>,
    /// Why it ended, when that is known.
    pub reason: String,
    ends: mpsc::UnboundedSender<End>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let reason = std::mem::take(&mut self.reason);
        let publisher = self.publisher;
        // Without a desk the process ends.
        let _ = self.ends.send(End { publisher, reason });
    }
}

struct Asked {
    request: PublishRequest,
    answer: oneshot::Sender<Result<Leave, String>>,
}

struct Publisher {
    channel: String,
    /// Ordered by boothd.
    named: bool,
    since: Instant,
    dismiss: Option<oneshot::Sender<String>>,
}

impl Publisher {
    fn dismiss(&mut self, reason: &str) {
        if let Some(dismiss) = self.dismiss.take() {
            // It may have ended by itself.
            let _ = dismiss.send(reason.to_owned());
        }
    }
}

/// See the module.
pub struct Desk {
    args: WorkerArgs,
    link: Option<Sender>,
    away_since: Instant,
    listeners: Listeners,
    ends: mpsc::UnboundedSender<End>,
    /// By nonce; without boothd they wait for it.
    asked: BTreeMap<u64, Asked>,
    nonce: u64,
    publishers: BTreeMap<u64, Publisher>,
    told: BTreeMap<&'static str, Instant>,
}

impl Desk {
    pub fn new(
        args: WorkerArgs,
        sessions: Handle,
        events: mpsc::Sender<Event>,
        ends: mpsc::UnboundedSender<End>,
    ) -> Self {
        Self {
            args,
            link: None,
            away_since: Instant::now(),
            listeners: Listeners::new(sessions, events),
            ends,
            asked: BTreeMap::new(),
            nonce: 0,
            publishers: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// boothd came, spoke or went. Some code ends the worker.
    pub fn link(&mut self, event: LinkEvent) -> Option<u8> {
        match event {
            LinkEvent::Up(sender) => {
                self.link = Some(sender);
                self.greet();
            }
            LinkEvent::Down => {
                self.link = None;
                self.away_since = Instant::now();
                tracing::info!("boothd is away; publishers go on");
            }
            LinkEvent::Message(message) => match message.message {
                Some(Heard::Ingest(desired)) => self.want(&desired),
                Some(Heard::Publish(reply)) => self.replied(reply),
                Some(Heard::Ping(ping)) => self.say(Say::Pong(Pong { nonce: ping.nonce })),
                Some(Heard::Shutdown(_)) => return Some(exit::SHUTDOWN),
                // Meant for units of other kinds.
                _ => {}
            },
        }
        None
    }

    pub fn event(&mut self, event: Event) {
        match event {
            Event::Ask { request, answer } => {
                self.nonce += 1;
                let nonce = self.nonce;
                self.asked.insert(nonce, Asked { request, answer });
                self.ask(nonce);
            }
            Event::Problem { reason, text } => self.problem(reason, text),
        }
    }

    pub fn ended(&mut self, end: End) {
        let Some(publisher) = self.publishers.remove(&end.publisher) else {
            return;
        };
        tracing::info!(
            publisher = end.publisher,
            channel = publisher.channel,
            reason = end.reason,
            "a publisher ended"
        );
        self.end(end.publisher, publisher.channel, end.reason);
    }

    /// Twice a second. Some code ends the worker.
    pub fn tick(&mut self) -> Option<u8> {
        if self.link.is_none() && self.away_since.elapsed() >= self.args.orphan_timeout {
            tracing::warn!("boothd did not come back");
            return Some(exit::ORPHANED);
        }
        self.asked.retain(|_, asked| !asked.answer.is_closed());
        if self.link.is_some() {
            for (id, publisher) in &mut self.publishers {
                if !publisher.named && publisher.since.elapsed() >= NAMED_WITHIN {
                    tracing::warn!(publisher = id, "boothd did not name a publisher");
                    publisher.dismiss("the channel does not take it");
                }
            }
        }
        None
    }

    pub fn stop(&mut self) {
        self.listeners.stop();
        for publisher in self.publishers.values_mut() {
            publisher.dismiss("the server ends");
        }
    }

    pub fn publishing(&self) -> usize {
        self.publishers.len()
    }

    fn greet(&mut self) {
        let hello = Hello {
            unit: self.args.unit.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            publishers: self.publishers.keys().copied().collect(),
            ..Hello::default()
        };
        self.say(Say::Hello(hello));
        // Answers to what was asked on the last connection are lost.
        let waiting: Vec<u64> = self.asked.keys().copied().collect();
        for nonce in waiting {
            self.ask(nonce);
        }
    }

    fn ask(&mut self, nonce: u64) {
        let Some(asked) = self.asked.get(&nonce) else {
            return;
        };
        let request = &asked.request;
        let ask = PublishAsk {
            nonce,
            channel: request.channel.clone(),
            key: request.key.clone(),
            protocol: if request.tls { "rtmps" } else { "rtmp" }.to_owned(),
            peer: request.peer.to_string(),
            agent: request.agent.clone(),
        };
        self.say(Say::Publish(ask));
    }

    fn replied(&mut self, reply: PublishReply) {
        let asked = self.asked.remove(&reply.nonce);
        if reply.publisher == 0 {
            if let Some(asked) = asked {
                tracing::info!(
                    peer = %asked.request.peer,
                    channel = asked.request.channel,
                    reason = reply.reason,
                    "a publisher is refused"
                );
                let _ = asked.answer.send(Err(reply.reason));
            }
            return;
        }
        let Some(asked) = asked else {
            let reason = "it did not wait for the answer".to_owned();
            return self.end(reply.publisher, String::new(), reason);
        };
        let (dismiss, dismissed) = oneshot::channel();
        let channel = asked.request.channel;
        tracing::info!(
            publisher = reply.publisher,
            peer = %asked.request.peer,
            channel,
            agent = asked.request.agent,
            "a publisher is let in"
        );
        let publisher = Publisher {
            channel,
            named: self.listeners.named(reply.publisher),
            since: Instant::now(),
            dismiss: Some(dismiss),
        };
        self.publishers.insert(reply.publisher, publisher);
        let leave = Leave {
            publisher: reply.publisher,
            media_socket: PathBuf::from(reply.media_socket),
            dismissed,
            reason: "its session failed".to_owned(),
            ends: self.ends.clone(),
        };
        // Dropped with its session, it is given back.
        let _ = asked.answer.send(Ok(leave));
    }

    fn want(&mut self, desired: &IngestDesired) {
        self.listeners.want(desired);
        for (id, publisher) in &mut self.publishers {
            let named = desired.publishers.iter().any(|named| named.id == *id);
            if publisher.named && !named {
                publisher.dismiss("the channel takes it no longer: its key was changed, it was stopped, or another publishes");
            }
            publisher.named = named;
        }
    }

    fn end(&mut self, publisher: u64, channel: String, reason: String) {
        self.say(Say::PublishEnd(PublishEnd {
            publisher,
            channel,
            reason,
        }));
    }

    fn problem(&mut self, reason: &'static str, text: String) {
        let now = Instant::now();
        let told = self.told.get(reason);
        if told.is_some_and(|told| now - *told < PROBLEM_SPACING) {
            return;
        }
        self.told.insert(reason, now);
        tracing::warn!(reason, text, "a problem");
        self.say(Say::Problem(Problem {
            reason: reason.to_owned(),
            text,
            fatal: false,
        }));
    }

    /// Must arrive: when the queue is full, the connection is made anew, and the greeting says what is.
    fn say(&mut self, message: Say) {
        if let Some(link) = &self.link
            && !link.send(message)
        {
            link.hang_up();
        }
    }
}
