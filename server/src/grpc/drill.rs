//! DrillChannel: the reports of one rehearsal as a stream. Whoever hangs up ends the rehearsal with it.

use std::sync::Arc;

use booth_core::{ChannelId, State};
use booth_proto::v1::{self, drill_channel_response::Message};
use booth_proto::worker::{DrillReport, DrillStep};
use futures_util::{Stream, stream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::auth::{Identity, still_admitted};
use super::channel::missing;
use super::status::Reason;
use crate::server::DrillError;

pub async fn stream(
    api: &Api,
    who: Identity,
    id: &ChannelId,
) -> Result<impl Stream<Item = Result<v1::DrillChannelResponse, Status>> + Send + use<>, Status> {
    if !api.state().channels.contains_key(id) {
        return Err(missing(id));
    }
    let reports = api.rooms.drills.start(id).await.map_err(|error| {
        let reason = match error {
            DrillError::Running => Reason::DrillRunning,
            DrillError::Failed(_) => Reason::DrillFailed,
        };
        reason.status(error.to_string())
    })?;
    let reader = Reader {
        reports,
        states: api.rooms.board.follow(),
        who,
        stop: api.stop.clone(),
        steps: 0,
        failed: 0,
        ended: false,
    };
    Ok(stream::unfold(reader, |mut reader| async {
        Some((reader.next().await?, reader))
    }))
}

struct Reader {
    reports: mpsc::Receiver<DrillReport>,
    states: watch::Receiver<Arc<State>>,
    who: Identity,
    stop: CancellationToken,
    steps: u32,
    failed: u32,
    ended: bool,
}

impl Reader {
    /// The next message; `None` after the summary, or after the error that ended the stream.
    async fn next(&mut self) -> Option<Result<v1::DrillChannelResponse, Status>> {
        if self.ended {
            return None;
        }
        let next = self.step().await;
        self.ended = matches!(next, Err(_) | Ok(Message::Summary(_)));
        let wire = |message| v1::DrillChannelResponse {
            message: Some(message),
        };
        Some(next.map(wire))
    }

    async fn step(&mut self) -> Result<Message, Status> {
        let stopping = || Reason::ServerStopping.status("the server is stopping");
        loop {
            still_admitted(&self.states.borrow_and_update(), &self.who)?;
            let report = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(stopping()),
                report = self.reports.recv() => report,
                state = self.states.changed() => {
                    state.map_err(|_| stopping())?;
                    continue;
                }
            };
            let report = report.ok_or_else(|| {
                Reason::DrillFailed.status("the rehearsal ended before its time (see the log)")
            })?;
            if !report.error.is_empty() {
                return Err(Reason::DrillFailed.status(report.error));
            }
            if let Some(step) = report.step {
                self.steps += 1;
                self.failed += u32::from(!step.passed);
                return Ok(Message::Step(told(step)));
            }
            if report.done {
                return Ok(Message::Summary(v1::DrillSummary {
                    // Nothing rehearsed is nothing passed.
                    passed: self.steps > 0 && self.failed == 0,
                    steps: self.steps,
                    failed: self.failed,
                }));
            }
            if !report.progress.is_empty() {
                return Ok(Message::Progress(report.progress));
            }
        }
    }
}

fn told(step: DrillStep) -> v1::DrillStep {
    v1::DrillStep {
        step: step.step,
        reaction_ms: step.reaction_ms,
        freeze_ms: step.freeze_ms,
        timestamp_step_ms: step.timestamp_step_ms,
        passed: step.passed,
        text: step.text,
    }
}
