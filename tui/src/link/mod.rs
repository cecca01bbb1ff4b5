//! The one task with the channel to boothd.
//!
//! ```text
//!   connect ──▶ who am I, status ──▶ Watch(since) + WatchMeters ──▶ … ──▶ broken, silent, refused
//!      ▲                                                                         │
//!      └──────────────── backoff with jitter ◀───────────────────────────────────┘
//! ```
//!
//! Queues are bounded. Changes wait for room (the server gives a new snapshot to one who lags); levels that find none are
//! dropped, for newer ones follow.

mod backoff;
mod call;

use std::time::Duration;

use booth_proto::v1::{
    self, caller_service_client::CallerServiceClient,
    operator_service_client::OperatorServiceClient, system_service_client::SystemServiceClient,
    watch_response::Message, watch_service_client::WatchServiceClient,
};
use pbjson_types::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::command::Command;
use crate::door::{Door, Trouble};
use crate::msg::{LinkMsg, Refusal};
use backoff::Backoff;

/// Asked for by the console: a second's silence says little, six say that nobody is there.
const HEARTBEAT_S: u32 = 1;
const SILENCE: Duration = Duration::from_secs(6);
pub const CONNECT: Duration = Duration::from_secs(4);
const STATUS_EVERY: Duration = Duration::from_secs(5);
const REOPEN: Duration = Duration::from_millis(500);
/// Levels a second: the eye needs no more, and the terminal is spared.
const METER_RATE: u32 = 15;
/// Changes before the console's start that its log begins with.
const PAST: u64 = 200;
/// Snapshots come in parts of 1 MiB; one answer is never larger.
const LARGEST: usize = 16 << 20;
/// Messages between link and console: a burst of changes while a frame is drawn.
pub const QUEUE: usize = 256;
/// Commands on their way: more than a person can type.
pub const ASKS: usize = 64;

/// Where the server is, and what to sign in with.
pub struct Server {
    pub door: Door,
    pub token: AsciiMetadataValue,
}

/// What the console wants from the server.
#[derive(Debug)]
pub enum Ask {
    Call {
        request_id: String,
        command: Command,
    },
    Picture {
        caller: String,
    },
}

#[derive(Clone)]
pub struct Auth(AsciiMetadataValue);

impl Interceptor for Auth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub type Service = InterceptedService<Channel, Auth>;

/// Runs until nobody listens any more.
pub async fn run(server: Server, mut asks: mpsc::Receiver<Ask>, out: mpsc::Sender<LinkMsg>) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
    let mut place = Place::default();
    loop {
        if out.send(LinkMsg::Connecting).await.is_err() {
            return;
        }
        let broken = match connect(&server).await {
            Ok(service) => {
                let end = session(service, &mut place, &mut asks, &out, &mut backoff).await;
                match end {
                    // It was never there. The wrong scheme looks like a connection that breaks.
                    End::Broken(_) if place.since == 0 => {
                        server.door.wants_tls().await.map_or(end, End::from)
                    }
                    end => end,
                }
            }
            Err(broken) => broken,
        };
        let Some(Broken { why, next }) = broken.into_reason() else {
            return;
        };
        let wait = backoff.wait(rand::random());
        let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if out
            .send(LinkMsg::Down {
                why,
                next,
                retry_ms,
            })
            .await
            .is_err()
        {
            return;
        }
        if !idle(wait, &mut asks, &out).await {
            return;
        }
    }
}

/// How far the console has read, and in which of the server's lives.
#[derive(Default)]
struct Place {
    since: u64,
    life: Option<Timestamp>,
}

struct Broken {
    why: String,
    next: String,
}

/// How a session ended.
enum End {
    Broken(Broken),
    /// The console is gone.
    Closed,
}

impl End {
    fn why(why: impl Into<String>) -> Self {
        Self::Broken(Broken {
            why: why.into(),
            next: String::new(),
        })
    }

    fn status(status: &Status) -> Self {
        let next = match status.code() {
            Code::Unauthenticated => {
                "the token is not valid there: ask an admin for one (booth operator token NAME)"
            }
            Code::PermissionDenied => "the token has no right to look",
            Code::Unimplemented => {
                "this server does not speak booth.v1: another version, or another program"
            }
            _ => "",
        };
        let why = call::refusal(status).text;
        Self::Broken(Broken {
            why,
            next: next.to_owned(),
        })
    }

    fn into_reason(self) -> Option<Broken> {
        match self {
            Self::Broken(broken) => Some(broken),
            Self::Closed => None,
        }
    }
}

async fn connect(server: &Server) -> Result<Service, End> {
    match timeout(CONNECT, server.door.connect()).await {
        Ok(Ok(channel)) => Ok(InterceptedService::new(channel, Auth(server.token.clone()))),
        Ok(Err(trouble)) => Err(trouble.into()),
        Err(_) => Err(End::why("no answer")),
    }
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        let next = match trouble.next.as_str() {
            "" => "is boothd running there? booth doctor looks for the cause",
            next => next,
        };
        Self::Broken(Broken {
            next: next.to_owned(),
            why: trouble.why,
        })
    }
}

/// While there is no connection, what is asked is answered at once: nothing is kept to be sent later. False when the console
/// is gone.
async fn idle(wait: Duration, asks: &mut mpsc::Receiver<Ask>, out: &mpsc::Sender<LinkMsg>) -> bool {
    let end = Instant::now() + wait;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => return true,
            ask = asks.recv() => match ask {
                None => return false,
                Some(Ask::Picture { .. }) => {}
                Some(Ask::Call { request_id, .. }) => {
                    let refusal = Refusal {
                        code: "UNAVAILABLE".into(),
                        reason: "NOT_CONNECTED".into(),
                        text: "the server is not reachable".into(),
                        lost: false,
                    };
                    let answer = LinkMsg::Answer { request_id, result: Err(refusal) };
                    if out.send(answer).await.is_err() {
                        return false;
                    }
                }
            },
        }
    }
}

async fn session(
    service: Service,
    place: &mut Place,
    asks: &mut mpsc::Receiver<Ask>,
    out: &mpsc::Sender<LinkMsg>,
    backoff: &mut Backoff,
) -> End {
    let (revision, life) = match introduce(service.clone(), out).await {
        Ok(found) => found,
        Err(status) => return End::status(&status),
    };
    let mut watch = WatchServiceClient::new(service.clone()).max_decoding_message_size(LARGEST);
    if place.since == 0 || place.life != life {
        // Another life may have another ledger: its numbers say nothing about what is known here, so everything is asked
        // for again. The log goes on where it was.
        let from = match place.since {
            0 => revision.saturating_sub(PAST).max(1),
            since => since,
        };
        if let Some(past) = past(&mut watch, from, revision).await
            && out.send(LinkMsg::Past(past)).await.is_err()
        {
            return End::Closed;
        }
        *place = Place { since: 0, life };
    }
    let request = v1::WatchRequest {
        since: place.since,
        show: String::new(),
        heartbeat_s: HEARTBEAT_S,
    };
    let mut changes = match timeout(SILENCE, watch.watch(request)).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return End::status(&status),
        Err(_) => return End::why("no answer"),
    };
    // Levels are worth having, not worth failing for: an old server may have none.
    let request = v1::WatchMetersRequest { rate: METER_RATE };
    let levels = timeout(SILENCE, watch.watch_meters(request)).await;
    let mut levels = levels
        .ok()
        .and_then(Result::ok)
        .map(tonic::Response::into_inner);
    let mut status_due = interval_at(Instant::now() + STATUS_EVERY, STATUS_EVERY);
    let mut silent_at = Instant::now() + SILENCE;
    loop {
        tokio::select! {
            change = changes.message() => match change {
                Ok(Some(response)) => {
                    silent_at = Instant::now() + SILENCE;
                    backoff.reset();
                    let partial = matches!(&response.message, Some(Message::Snapshot(s)) if s.more);
                    // Resumed in the middle of a snapshot, the rest would never come.
                    place.since = if partial { 0 } else { response.revision };
                    if out.send(LinkMsg::Watch(Box::new(response))).await.is_err() {
                        return End::Closed;
                    }
                }
                Ok(None) => return End::why("the server ended the stream"),
                Err(status) => return End::status(&status),
            },
            reading = async {
                match &mut levels {
                    Some(levels) => levels.message().await,
                    None => std::future::pending().await,
                }
            } => match reading {
                Ok(Some(reading)) => {
                    // The latest wins: what finds no room is old when there is some.
                    if out.capacity() > QUEUE / 2 {
                        let _ = out.try_send(LinkMsg::Meters(Box::new(reading)));
                    }
                }
                Ok(None) | Err(_) => levels = None,
            },
            ask = asks.recv() => match ask {
                None => return End::Closed,
                Some(Ask::Call { request_id, command }) => {
                    let (service, out) = (service.clone(), out.clone());
                    // On its own, so that a slow command does not hold up the streams; it always answers.
                    tokio::spawn(async move {
                        let result = call::call(service, request_id.clone(), command).await;
                        let _ = out.send(LinkMsg::Answer { request_id, result }).await;
                    });
                }
                Some(Ask::Picture { caller }) => {
                    tokio::spawn(picture(service.clone(), caller, out.clone()));
                }
            },
            _ = status_due.tick() => {
                tokio::spawn(status(service.clone(), out.clone()));
                if levels.is_none() {
                    // Briefly: changes wait meanwhile.
                    let opened = timeout(REOPEN, watch.watch_meters(request)).await;
                    levels = opened.ok().and_then(Result::ok).map(tonic::Response::into_inner);
                }
            }
            () = tokio::time::sleep_until(silent_at) => {
                return End::why(format!("nothing heard for {} s", SILENCE.as_secs()));
            }
        }
    }
}

/// The changes after `since` up to `revision`, for the log; `None` when the server has forgotten them.
async fn past(
    watch: &mut WatchServiceClient<Service>,
    since: u64,
    revision: u64,
) -> Option<Vec<v1::WatchResponse>> {
    if since >= revision {
        return None;
    }
    let request = v1::WatchRequest {
        since,
        show: String::new(),
        heartbeat_s: HEARTBEAT_S,
    };
    let mut changes = Vec::new();
    let read = async {
        let mut stream = watch.watch(request).await.ok()?.into_inner();
        while let Ok(Some(response)) = stream.message().await {
            match &response.message {
                // It cannot resume there.
                Some(Message::Snapshot(_)) => return None,
                Some(Message::Change(_)) => {}
                Some(Message::Heartbeat(_)) | None => return Some(()),
            }
            let last = response.revision >= revision;
            changes.push(response);
            if last || changes.len() as u64 >= PAST {
                return Some(());
            }
        }
        Some(())
    };
    timeout(CONNECT, read).await.ok()??;
    Some(changes)
}

async fn introduce(
    service: Service,
    out: &mpsc::Sender<LinkMsg>,
) -> Result<(u64, Option<Timestamp>), Status> {
    let late = |_| Status::deadline_exceeded("no answer");
    let mut system = SystemServiceClient::new(service.clone());
    let status = timeout(SILENCE, system.get_status(v1::GetStatusRequest {}))
        .await
        .map_err(late)??;
    let mut operators = OperatorServiceClient::new(service);
    let operator = match timeout(SILENCE, operators.who_am_i(v1::WhoAmIRequest {}))
        .await
        .map_err(late)?
    {
        Ok(answer) => answer.into_inner().operator,
        // Another version: it will say itself what is not allowed.
        Err(status) if status.code() == Code::Unimplemented => None,
        Err(status) => return Err(status),
    };
    let status = status.into_inner();
    let found = (status.revision, status.start_time);
    let up = LinkMsg::Up {
        status: Box::new(status),
        operator,
    };
    // The next send tells when nobody listens.
    let _ = out.send(up).await;
    Ok(found)
}

async fn status(service: Service, out: mpsc::Sender<LinkMsg>) {
    let began = Instant::now();
    let mut system = SystemServiceClient::new(service);
    let answer = timeout(STATUS_EVERY, system.get_status(v1::GetStatusRequest {})).await;
    if let Ok(Ok(status)) = answer {
        let rtt_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _ = out
            .send(LinkMsg::Status {
                status: Box::new(status.into_inner()),
                rtt_ms,
            })
            .await;
    }
}

async fn picture(service: Service, caller: String, out: mpsc::Sender<LinkMsg>) {
    let mut callers = CallerServiceClient::new(service);
    let request = v1::GetCallerTileRequest {
        name: caller.clone(),
    };
    // There is none unless the caller is decoded: that is no error worth a word.
    if let Ok(Ok(answer)) = timeout(SILENCE, callers.get_caller_tile(request)).await
        && let Some(tile) = answer.into_inner().tile
    {
        let _ = out
            .send(LinkMsg::Picture {
                caller,
                jpeg: tile.jpeg,
            })
            .await;
    }
}
