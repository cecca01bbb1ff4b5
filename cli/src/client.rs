//! The one connection to boothd: token, request ids, deadline, and the one safe repeat of a call whose connection broke.

use std::future::Future;
use std::time::Duration;

use booth_proto::v1::GetStatusRequest;
use booth_proto::v1::system_service_client::SystemServiceClient;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::args::Global;
use crate::errors::{Failure, Outcome, root_cause};
use crate::hints::{self, Subject};
use crate::render::text::scrub;
use crate::token::{self, Token};

/// A list of every caller with notes and messages passes tonic's default of 4 MiB.
pub const LARGEST_ANSWER: usize = 64 << 20;

/// How long a repeat waits for a server that is just restarting.
const RECONNECT_FOR: Duration = Duration::from_secs(3);
/// A silent peer is noticed after interval + timeout.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

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
    endpoint: Endpoint,
    server: String,
    channel: Channel,
    auth: Auth,
    timeout: Duration,
}

impl Client {
    pub async fn connect(global: &Global) -> Outcome<Self> {
        Self::with_token(global, &global.server, &token::discover(global)?).await
    }

    pub async fn with_token(global: &Global, server: &str, token: &Token) -> Outcome<Self> {
        let server = server_url(server)?;
        let mut value = AsciiMetadataValue::try_from(token.as_str()).map_err(|_| {
            Failure::not_allowed("the token has characters that cannot be sent")
                .reason("TOKEN_MALFORMED")
        })?;
        value.set_sensitive(true);
        let endpoint = Endpoint::from_shared(server.clone())
            .map_err(|error| {
                Failure::usage(format!(
                    "{server:?} is no server address: {}",
                    root_cause(&error)
                ))
            })?
            .connect_timeout(global.timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = dial(&endpoint, &server).await?;
        Ok(Self {
            endpoint,
            server,
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
            self.server, self.timeout
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
            match timeout_at(until, dial(&self.endpoint, &self.server)).await {
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

async fn dial(endpoint: &Endpoint, server: &str) -> Outcome<Channel> {
    endpoint.connect().await.map_err(|error| {
        let failure =
            Failure::unreachable(format!("cannot reach {server}: {}", root_cause(&error)))
                .reason("SERVER_UNREACHABLE");
        let next = hints::next_step(&failure, &Subject::default());
        Failure { next, ..failure }
    })
}

/// `host:port` is enough. TLS is not spoken here: say so instead of failing in a handshake.
pub fn server_url(text: &str) -> Outcome<String> {
    match text.split_once("://") {
        None if !text.is_empty() => Ok(format!("http://{text}")),
        Some(("http", host)) if !host.is_empty() => Ok(text.to_owned()),
        Some(("https", _)) => Err(Failure::usage("https servers are not supported here")
            .next("forward the port instead: ssh -L 7400:127.0.0.1:7400 SERVER, then --server http://127.0.0.1:7400")),
        _ => Err(Failure::usage(format!("{text:?} is no server address")).next("write --server http://HOST:7400")),
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
    fn a_server_address_needs_no_scheme_but_never_a_wrong_one() {
        assert_eq!(server_url("10.0.0.1:7400").unwrap(), "http://10.0.0.1:7400");
        assert_eq!(server_url("http://a:1").unwrap(), "http://a:1");
        for text in ["", "https://a:1", "srt://a:1", "http://"] {
            assert_eq!(server_url(text).unwrap_err().exit_code(), 2, "{text:?}");
        }
    }

    #[test]
    fn request_ids_differ_and_are_what_the_server_takes() {
        let (a, b) = (fresh_request_id(), fresh_request_id());
        assert_ne!(a, b);
        assert!(a.len() <= 128 && a.bytes().all(|c| c.is_ascii_graphic()));
    }
}
