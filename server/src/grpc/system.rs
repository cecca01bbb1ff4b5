use std::sync::Arc;

use booth_core::{CallerState, State};
use booth_proto::convert;
use booth_proto::v1::{self, system_service_server::SystemService};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::error;

use super::api::{Api, invalid, opened};
use super::status::Reason;
use crate::address::join_base_url;
use crate::checks::{self, Progress, Verdict};

/// What this server can do, for consoles that follow it.
const CAPABILITIES: [&str; 10] = [
    "shows",
    "callers",
    "slots",
    "channels",
    "destinations",
    "operators",
    "meters",
    "tiles",
    "backup",
    "checks",
];

#[tonic::async_trait]
impl SystemService for Api {
    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let state = self.state();
        let ledger = self.rooms.system.ledger();
        let units = self.rooms.system.units();
        let own = self.rooms.system.usage();
        Ok(Response::new(v1::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(convert::time(self.started)),
            revision: state.revision,
            ledger: Some(v1::Ledger {
                writable: ledger.writable,
                problem: ledger.problem,
                journal_bytes: ledger.journal_bytes,
                findings: ledger.findings,
            }),
            units: units
                .into_iter()
                .map(|unit| v1::Unit {
                    name: unit.name,
                    attached: unit.attached,
                    pid: unit.pid,
                    restarts: unit.restarts,
                    last_error: unit.last_error,
                    cpu_percent: unit.usage.cpu_percent,
                    memory_bytes: unit.usage.memory_bytes,
                })
                .collect(),
            callers_waiting: count(&state, |s| {
                matches!(
                    s,
                    CallerState::Joining | CallerState::Waiting | CallerState::Screening
                )
            }),
            callers_ready: count(&state, |s| s == CallerState::Ready),
            callers_held: count(&state, |s| s == CallerState::Held),
            callers_on_air: count(&state, |s| s == CallerState::OnAir),
            join_base_url: join_base_url(&self.rooms.config),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            sessions: u32::try_from(self.rooms.hub.len()).unwrap_or(u32::MAX),
            cpu_percent: own.cpu_percent,
            memory_bytes: own.memory_bytes,
        }))
    }

    type BackupStream = BoxStream<'static, Result<v1::BackupResponse, Status>>;

    async fn backup(
        &self,
        _request: Request<v1::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let system = Arc::clone(&self.rooms.system);
        // It looks at files.
        let begun = tokio::task::spawn_blocking(move || system.backup()).await;
        let (total_bytes, chunks) = begun.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let chunks = ReceiverStream::new(chunks).map(move |chunk| match chunk {
            Ok(chunk) => Ok(v1::BackupResponse {
                chunk: chunk.to_vec(),
                total_bytes,
            }),
            Err(e) => Err(failed(&e)),
        });
        Ok(Response::new(chunks.boxed()))
    }

    type RunChecksStream = BoxStream<'static, Result<v1::RunChecksResponse, Status>>;

    async fn run_checks(
        &self,
        request: Request<v1::RunChecksRequest>,
    ) -> Result<Response<Self::RunChecksStream>, Status> {
        let (_, request) = opened(request)?;
        let checks = checks::named(&request.names).map_err(|name| {
            let known = booth_proto::checks::SERVER.join(", ");
            invalid("names", format!("{name:?} is no check: {known}"))
        })?;
        // A reader that goes away ends the run at its next word; a few wait, so that a slow one holds up nothing else.
        let (progress, told) = mpsc::channel(4);
        let run = checks::run(self.rooms.clone(), self.checks.clone(), checks, progress);
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = run => {}
                () = stop.cancelled() => {}
            }
        });
        let told = ReceiverStream::new(told).map(|progress| Ok(said(progress)));
        Ok(Response::new(told.boxed()))
    }
}

fn said(progress: Progress) -> v1::RunChecksResponse {
    use v1::check::Result as Wire;
    use v1::run_checks_response::Message;
    let message = match progress {
        Progress::Running(name) => Message::Running(name.to_owned()),
        Progress::Found(name, found) => Message::Check(v1::Check {
            name: name.to_owned(),
            subject: found.subject,
            result: match found.verdict {
                Verdict::Ok => Wire::Ok,
                Verdict::Warning => Wire::Warning,
                Verdict::Failed => Wire::Failed,
            }
            .into(),
            text: found.text,
            mend: found.mend,
        }),
    };
    v1::RunChecksResponse {
        message: Some(message),
    }
}

fn count(state: &State, wanted: impl Fn(CallerState) -> bool) -> u32 {
    u32::try_from(state.callers.values().filter(|c| wanted(c.state)).count()).unwrap_or(u32::MAX)
}

fn failed(why: &dyn std::error::Error) -> Status {
    error!(%why, "backup");
    Reason::BackupFailed.status(format!("the ledger could not be copied: {why}"))
}
