//! Where sessions ask for leave, and what they get: a way for their media.

use std::sync::Arc;
use std::sync::OnceLock;

use booth_rtmp::server::{Authority, Ended, Publication, PublishRequest};
use booth_stream::MediaEvent;
use tokio::sync::{mpsc, oneshot};

use super::desk::{Event, Leave};
use super::forward::forward;
use super::gate::{self, Gate};

const ENDING: &str = "the server ends";

pub struct Door {
    events: mpsc::Sender<Event>,
}

impl Door {
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events }
    }
}

impl Authority for Door {
    type Publication = Feed;

    /// While boothd is away this waits, for as long as the session lets it.
    async fn authorise(&self, request: PublishRequest) -> Result<Feed, String> {
        let (answer, answered) = oneshot::channel();
        let ask = Event::Ask { request, answer };
        self.events.send(ask).await.map_err(|_| ENDING.to_owned())?;
        let leave = answered.await.map_err(|_| ENDING.to_owned())??;
        Ok(Feed::start(leave))
    }
}

/// The way of one publisher's media to its channel's worker. The session is never held up by it.
pub struct Feed {
    leave: Leave,
    gate: Gate,
    /// Why it ended, for the channel's worker.
    end: Arc<OnceLock<String>>,
}

impl Feed {
    fn start(leave: Leave) -> Self {
        let (gate, queue) = gate::queue();
        let end = Arc::<OnceLock<String>>::default();
        tokio::spawn(forward(
            leave.publisher,
            leave.media_socket.clone(),
            queue,
            end.clone(),
        ));
        Self { leave, gate, end }
    }
}

impl Publication for Feed {
    fn media(&mut self, event: MediaEvent) {
        self.gate.offer(event);
    }

    fn encoder(&mut self, name: &str) {
        tracing::info!(
            publisher = self.leave.publisher,
            name,
            "the encoder says its name"
        );
    }

    async fn dismissed(&mut self) -> String {
        (&mut self.leave.dismissed)
            .await
            .unwrap_or_else(|_| ENDING.to_owned())
    }

    fn ended(mut self, why: &Ended) {
        let dropped = self.gate.dropped();
        if dropped > 0 {
            let publisher = self.leave.publisher;
            tracing::warn!(
                publisher,
                dropped,
                "units were dropped: the channel did not take them"
            );
        }
        self.leave.reason = why.to_string();
        // Set once: here.
        let _ = self.end.set(why.to_string());
    }
}
