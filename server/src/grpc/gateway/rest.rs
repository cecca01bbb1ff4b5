//! What is left of a body that nobody read. Over HTTP/1 a server that answers and hangs up while the client still writes is
//! not heard: the client sees a broken pipe in place of the refusal. So a little of it is taken first.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::Status;
use tonic::body::Body;

/// What a client may have sent before it looks; one with more than this is cut off.
const BYTES: usize = 64 * 1_024;
const WITHIN: Duration = Duration::from_millis(500);

/// A request's body, given back when whoever had it is done with it before its end.
#[derive(Debug)]
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

/// The request with its body lent, and where the rest of it comes back; `None` where nothing needs to be taken.
pub fn lend(request: Request<Body>) -> (Request<Body>, Option<oneshot::Receiver<Body>>) {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return (request, None);
    }
    let (back, rest) = oneshot::channel();
    let lent = |body| {
        Body::new(Lent {
            body,
            back: Some(back),
        })
    };
    (request.map(lent), Some(rest))
}

/// Takes what is left, if it was given back by now.
pub async fn take(rest: Option<oneshot::Receiver<Body>>) {
    let Some(mut body) = rest.and_then(|mut rest| rest.try_recv().ok()) else {
        return;
    };
    let taking = async {
        let mut taken = 0;
        while taken < BYTES {
            match body.frame().await {
                Some(Ok(frame)) => taken += frame.data_ref().map_or(0, Bytes::len),
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(WITHIN, taking).await;
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}
