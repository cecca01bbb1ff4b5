//! The gate that every request passes: admission by [`super::auth`], a time limit for the answer's beginning, and
//! reasons for the errors that the transport makes by itself.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::debug;

use super::auth;
use super::status::Reason;
use crate::probe::CHECK_WITHIN;
use crate::server::Rooms;

/// A unary answer, or the beginning of a stream, takes no longer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Where media files are looked into before the answer.
const FILES_WITHIN: Duration = CHECK_WITHIN.saturating_add(ANSWER_WITHIN);

fn answer_within(path: &str) -> Duration {
    match path {
        "/booth.v1.ChannelService/CreateChannel"
        | "/booth.v1.ChannelService/UpdateChannel"
        | "/booth.v1.ChannelService/CheckBackup" => FILES_WITHIN,
        _ => ANSWER_WITHIN,
    }
}

#[derive(Debug, Clone)]
pub struct GateLayer {
    pub rooms: Rooms,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;
    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            rooms: self.rooms.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Gate<S> {
    rooms: Rooms,
    inner: S,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match auth::admit(&self.rooms, request.uri().path(), request.headers()) {
            Ok(Some(identity)) => {
                request.extensions_mut().insert(identity);
            }
            Ok(None) => {}
            Err(status) => {
                debug!(path = request.uri().path(), code = ?status.code(), "not admitted");
                // The body is let go unread: what translates it would work for a stranger.
                return Box::pin(async move { Ok(status.into_http()) });
            }
        }
        // The one that was polled ready answers; its clone waits for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let within = answer_within(request.uri().path());
        Box::pin(async move {
            match tokio::time::timeout(within, inner.call(request)).await {
                Ok(answer) => answer.map(explained),
                Err(_) => Ok(Reason::TimedOut
                    .status(format!("no answer within {} s", within.as_secs()))
                    .into_http()),
            }
        })
    }
}

/// Gives the transport's own errors a reason, and the code that says whose fault they are.
fn explained(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if !status.details().is_empty() {
        return response;
    }
    let text = status.message().to_owned();
    let reason = match status.code() {
        // What tonic makes of a body that does not decode.
        Code::Internal
            if text.contains("decode")
                || text.contains("gRPC message")
                || text.contains("compress") =>
        {
            Reason::MalformedMessage
        }
        Code::Internal if text.contains("Missing request message") => Reason::MalformedMessage,
        Code::InvalidArgument => Reason::MalformedMessage,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::Unimplemented => Reason::UnknownMethod,
        _ => return response,
    };
    reason.status(text).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::tests::Booth;

    /// Reading it is what translates a stranger's JSON.
    struct Untouchable;

    impl hyper::body::Body for Untouchable {
        type Data = bytes::Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Status>>> {
            panic!("the body of a refused request is read");
        }
    }

    #[tokio::test]
    async fn the_body_of_a_refused_request_is_not_read() {
        let booth = Booth::start().await;
        let layer = GateLayer {
            rooms: booth.rooms.clone(),
        };
        let inner = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let request = Request::post("/booth.v1.SlotService/TakeSlot").body(Body::new(Untouchable));
        let answer = layer.layer(inner).call(request.unwrap()).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Unauthenticated);
    }

    #[test]
    fn only_methods_that_look_into_files_take_longer() {
        let longer: Vec<&str> = auth::TABLE
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| answer_within(path) != ANSWER_WITHIN)
            .collect();
        assert_eq!(longer.len(), 3, "{longer:?}");
        assert!(longer.iter().all(|path| path.contains(".ChannelService/")));
        assert!(FILES_WITHIN > CHECK_WITHIN);
    }
}
