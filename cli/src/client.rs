//! The one connection to boothd: token, request ids, deadline, and the one safe repeat of a call whose connection broke.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use booth_proto::v1::GetStatusRequest;
use booth_proto::v1::system_service_client::SystemServiceClient;
use booth_tui::door::{BadDoor, Door, Trouble};
use tokio::time::{Instant, timeout_at};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::args::Global;
use crate::errors::{Failure, Outcome};
use crate::hints::{self, Subject};
use crate::render::text::scrub;
use crate::token::{self, Token};

/// A list of every caller with notes and messages passes tonic's default of 4 MiB.
pub const LARGEST_ANSWER: usize = 64 << 20;

/// How long a repeat waits for a server that is just restarting.
const RECONNECT_FOR: Duration = Duration::from_secs(3);

pub type Svc = InterceptedService<Channel, Auth>;

/// Puts the token on every call.
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

pub struct Client {
    door: Door,
    channel: Channel,
    auth: Auth,
    timeout: Duration,
}

impl Client {
    pub async fn connect(global: &Global) -> Outcome<Self> {
        let door = door(global, &global.server, global.ca.as_deref())?;
        Self::with_token(global, door, &token::discover(global)?).await
    }

    pub async fn with_token(global: &Global, door: Door, token: &Token) -> Outcome<Self> {
        let mut value = AsciiMetadataValue::try_from(token.as_str()).map_err(|_| {
            Failure::not_allowed("the token has characters that cannot be sent")
                .reason("TOKEN_MALFORMED")
        })?;
        value.set_sensitive(true);
        let channel = door
            .connect()
            .await
            .map_err(|trouble| no_way(&door, trouble))?;
        Ok(Self {
            door,
            channel,
            auth: Auth(value),
            timeout: global.timeout,
        })
    }

    /// One call with its deadline. If the connection breaks under it, it is repeated once on a new connection: safe,
    /// because the repeat carries the same request id and the server answers it with the first answer.
    pub async fn unary<Q, R, F, Fut>(&self, subject: &Subject, query: Q, call: F) -> Outcome<R>
    where
        Q: Clone,
        F: Fn(Svc, Q) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + self.timeout;
        let first = self
            .attempt(
                self.channel.clone(),
                deadline,
                subject,
                call_with(&call, query.clone()),
            )
            .await;
        let done = match first {
            Err(broken) if broken.lost => {
                let broken = self.explained(broken).await;
                if !broken.lost {
                    return Err(broken);
                }
                let Some(channel) = self.redial(deadline).await else {
                    return Err(broken);
                };
                self.attempt(channel, deadline, subject, call_with(&call, query))
                    .await
            }
            done => done,
        };
        match done {
            Err(unknown) if unknown.code == "UNIMPLEMENTED" => Err(self.versions(unknown).await),
            done => done,
        }
    }

    /// A connection that breaks under its first call may have been made to a server that speaks TLS.
    pub async fn explained(&self, failure: Failure) -> Failure {
        if !failure.lost {
            return failure;
        }
        let trouble = self.door.wants_tls().await;
        trouble.map_or(failure, |trouble| no_way(&self.door, trouble))
    }

    /// Says which versions do not know the same, when they differ.
    pub async fn versions(&self, unknown: Failure) -> Failure {
        let mut service = SystemServiceClient::new(self.streams());
        let asked = service.get_status(GetStatusRequest {});
        let Ok(Ok(status)) = timeout_at(self.deadline(), asked).await else {
            return unknown;
        };
        let theirs = scrub(&status.into_inner().version);
        let ours = env!("CARGO_PKG_VERSION");
        if theirs.is_empty() || theirs == ours {
            return unknown;
        }
        let message = format!(
            "{}; the server is {theirs}, this command line is {ours}",
            unknown.message
        );
        unknown.saying(message)
    }

    async fn attempt<R, Fut>(
        &self,
        channel: Channel,
        deadline: Instant,
        subject: &Subject,
        call: impl FnOnce(Svc) -> Fut,
    ) -> Outcome<R>
    where
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        match timeout_at(deadline, call(self.service(channel))).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::from_status(&status, subject)),
            Err(_) => Err(self.late()),
        }
    }

    pub fn door(&self) -> &Door {
        &self.door
    }

    /// A service for streams; the caller of this sets its own deadline.
    pub fn streams(&self) -> Svc {
        self.service(self.channel.clone())
    }

    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub fn late(&self) -> Failure {
        let failure = Failure::timed_out(format!(
            "{} did not answer within {:?}",
            self.door.url(),
            self.timeout
        ));
        let next = hints::next_step(&failure, &Subject::default());
        Failure { next, ..failure }
    }

    fn service(&self, channel: Channel) -> Svc {
        InterceptedService::new(channel, self.auth.clone())
    }

    /// A new connection to a server that may be starting again.
    async fn redial(&self, deadline: Instant) -> Option<Channel> {
        let until = deadline.min(Instant::now() + RECONNECT_FOR);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        loop {
            match timeout_at(until, self.door.connect()).await {
                Ok(Ok(channel)) => return Some(channel),
                Ok(Err(_)) => timeout_at(until, tokio::time::sleep(backoff.next()))
                    .await
                    .ok()?,
                Err(_) => return None,
            }
        }
    }
}

fn call_with<Q, Fut>(call: &impl Fn(Svc, Q) -> Fut, query: Q) -> impl FnOnce(Svc) -> Fut {
    move |service| call(service, query)
}

/// The way to a server; nothing is sent yet.
pub fn door(global: &Global, server: &str, ca: Option<&Path>) -> Outcome<Door> {
    Door::new(server, ca, global.timeout).map_err(bad_door)
}

pub fn bad_door(bad: BadDoor) -> Failure {
    let next = match bad {
        BadDoor::Address(_) => "write --server http://HOST:7400 or https://HOST:7400",
        BadDoor::Ca { .. } => {
            "give --ca a PEM file with the certificate, or with that of who signed it"
        }
    };
    Failure::usage(bad.to_string()).next(next)
}

fn no_way(door: &Door, trouble: Trouble) -> Failure {
    let why = match trouble.reason {
        "SERVER_UNREACHABLE" => format!("cannot reach {}: {}", door.url(), trouble.why),
        _ => trouble.why,
    };
    let mut failure = Failure::unreachable(scrub(&why)).reason(trouble.reason);
    // What is wrong with TLS stays wrong, however often it is tried.
    failure.lost = trouble.reason == "SERVER_UNREACHABLE";
    match trouble.next.as_str() {
        "" => {
            let next = hints::next_step(&failure, &Subject::default());
            Failure { next, ..failure }
        }
        next => failure.next(next),
    }
}

/// A name for one attempt that nobody else has.
pub fn fresh_request_id() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}

/// Waits that double from `first` to `most`.
pub struct Backoff {
    first: Duration,
    most: Duration,
    wait: Duration,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            wait: first,
        }
    }
    pub fn next(&mut self) -> Duration {
        let now = self.wait;
        self.wait = (self.wait * 2).min(self.most);
        now
    }
    pub fn reset(&mut self) {
        self.wait = self.first;
    }
}

/// One unary call: `rpc!(ctx, subject, CallerServiceClient::hold_caller, request)`.
macro_rules! rpc {
    ($ctx:expr, $subject:expr, $service:ident :: $method:ident, $request:expr) => {
        $ctx.client()
            .await?
            .unary(&$subject, $request, |service, query| async move {
                $service::new(service)
                    .max_decoding_message_size($crate::client::LARGEST_ANSWER)
                    .$method(query)
                    .await
            })
            .await
    };
}
pub(crate) use rpc;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_up_to_its_most_and_starts_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let waits: Vec<u128> = (0..4).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::from_millis(100));
    }

    #[test]
    fn request_ids_differ_and_are_what_the_server_takes() {
        let (a, b) = (fresh_request_id(), fresh_request_id());
        assert_ne!(a, b);
        assert!(a.len() <= 128 && a.bytes().all(|c| c.is_ascii_graphic()));
    }
}
