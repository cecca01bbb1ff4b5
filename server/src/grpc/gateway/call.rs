//! One call: the request becomes gRPC's, goes to the gate as any other, and its answer is translated back.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use booth_proto::methods::Method;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{self, HeaderValue};
use http::{Request, Response, Version};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::connect::{self, Codec};
use super::events;
use super::frames::{Messages, collect, framed, unframed};
use crate::grpc::status::Reason;

/// Flag of the last message of a Connect stream.
const END: u8 = 2;
/// Longer than any stream's client stays.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a client asks, and how it wants it told.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    method: &'static Method,
    asked: Asked,
    told: Told,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Body(Codec),
    Envelope(Codec),
    /// The query's values are the message's fields.
    Address,
}

#[derive(Debug, Clone, Copy)]
enum Told {
    Whole(Codec),
    Envelopes(Codec),
    Events,
}

impl Call {
    pub fn unary(method: &'static Method, codec: Codec) -> Self {
        Self {
            method,
            asked: Asked::Body(codec),
            told: Told::Whole(codec),
        }
    }

    pub fn stream(method: &'static Method, codec: Codec) -> Self {
        Self {
            method,
            asked: Asked::Envelope(codec),
            told: Told::Envelopes(codec),
        }
    }

    pub fn events(method: &'static Method) -> Self {
        Self {
            method,
            asked: Asked::Body(Codec::Json),
            told: Told::Events,
        }
    }

    pub fn events_by_address(method: &'static Method) -> Self {
        Self {
            method,
            asked: Asked::Address,
            told: Told::Events,
        }
    }

    pub async fn run<S>(self, mut inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let begun = Instant::now();
        let answer = async {
            let until = begun + connect::conditions(request.headers())?.unwrap_or(NEVER);
            let request = self.grpc(request)?;
            let response = within(until, inner.call(request)).await?;
            let Ok(response) = response;
            let messages = Messages::of(response)?;
            match self.told {
                Told::Whole(codec) => within(until, self.whole(codec, messages)).await?,
                Told::Envelopes(codec) => Ok(self.envelopes(codec, messages, until)),
                Told::Events => Ok(events::answer(self.method, messages, until)),
            }
        };
        answer
            .await
            .unwrap_or_else(|status: Status| match self.told {
                // A stream's errors come at its end, also where it is its beginning.
                Told::Envelopes(codec) => {
                    let end = http_body_util::Full::new(end(Some(&status)));
                    streaming(codec.stream(), Body::new(end))
                }
                _ => connect::refused(&status),
            })
    }

    /// The request as gRPC has it. Its body is read and translated when the service asks for it: after the gate.
    fn grpc(self, request: Request<Body>) -> Result<Request<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let method = self.method;
        let message = match self.asked {
            Asked::Address => {
                let json =
                    events::asked(method, head.uri.query().unwrap_or_default(), &head.headers);
                let message =
                    Codec::Json.request(method, Value::Object(json?).to_string().into())?;
                once(std::future::ready(Ok(framed(0, &message))))
            }
            Asked::Body(codec) => once(async move {
                let message = codec.request(method, collect(body).await?)?;
                Ok(framed(0, &message))
            }),
            Asked::Envelope(codec) => once(async move {
                let message = codec.request(method, unframed(collect(body).await?)?)?;
                Ok(framed(0, &message))
            }),
        };
        head.method = http::Method::POST;
        head.version = Version::HTTP_2;
        for name in [
            header::CONTENT_LENGTH,
            header::ACCEPT_ENCODING,
            header::TRANSFER_ENCODING,
        ] {
            head.headers.remove(name);
        }
        for name in ["grpc-encoding", "grpc-accept-encoding", "grpc-timeout"] {
            head.headers.remove(name);
        }
        let grpc = HeaderValue::from_static("application/grpc");
        head.headers.insert(header::CONTENT_TYPE, grpc);
        Ok(Request::from_parts(head, message))
    }

    async fn whole(self, codec: Codec, mut messages: Messages) -> Result<Response<Body>, Status> {
        let message = messages.next().await?;
        let message = message.ok_or_else(|| Reason::Internal.status("the answer is empty"))?;
        // The status comes after the message.
        while messages.next().await?.is_some() {}
        let body = codec.response(self.method, message)?;
        Ok(connect::whole(codec.unary(), body))
    }

    fn envelopes(self, codec: Codec, messages: Messages, until: Instant) -> Response<Body> {
        let parts = stream::unfold(Some(messages), move |messages| async move {
            let mut messages = messages?;
            let next = within(until, messages.next()).await;
            let told = next.and_then(|next| next).and_then(|message| {
                message
                    .map(|message| codec.response(self.method, message))
                    .transpose()
            });
            Some(match told {
                Ok(Some(message)) => (framed(0, &message), Some(messages)),
                Ok(None) => (end(None), None),
                Err(status) => (end(Some(&status)), None),
            })
        });
        streaming(codec.stream(), body(parts))
    }
}

/// The end of a Connect stream.
fn end(status: Option<&Status>) -> Bytes {
    let end = status.map_or_else(
        || json!({}),
        |status| json!({ "error": connect::error(status) }),
    );
    framed(END, end.to_string().as_bytes())
}

/// An answer that goes on; nobody may keep it, or hold parts of it back.
pub fn streaming(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = connect::whole(content_type, Bytes::new());
    *response.body_mut() = body;
    let header = header::HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(header, HeaderValue::from_static("no"));
    response
}

pub fn body(parts: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Body {
    Body::new(StreamBody::new(
        parts.map(|part| Ok::<_, Infallible>(Frame::data(part))),
    ))
}

fn once(part: impl Future<Output = Result<Bytes, Status>> + Send + 'static) -> Body {
    Body::new(StreamBody::new(stream::once(async {
        part.await.map(Frame::data)
    })))
}

/// What comes in time.
pub async fn within<T>(until: Instant, coming: impl Future<Output = T>) -> Result<T, Status> {
    timeout_at(until, coming)
        .await
        .map_err(|_| Reason::TimedOut.status("no answer within the client's time"))
}

pub type Fields = Map<String, Value>;
