//! gRPC's framing from inside: five bytes (a flag and a length), then the message; Connect's streams have the same.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use http_body_util::{LengthLimitError, Limited};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::grpc::MESSAGE_MAX_BYTES;
use crate::grpc::status::Reason;

pub const HEAD: usize = 5;

/// A message in its frame.
pub fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(flag);
    // Messages are far below 4 GiB.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The one message in a request's body of Connect's streams.
pub fn unframed(mut body: Bytes) -> Result<Bytes, Status> {
    let bad = |text: &str| Err(Reason::MalformedMessage.status(text));
    if body.len() < HEAD {
        return bad("the body is not one enveloped message: flag, length in four bytes, message");
    }
    let flag = body.get_u8();
    let length = body.get_u32() as usize;
    if flag != 0 {
        return bad("the message's flag is not 0: nothing is compressed here");
    }
    if body.len() != length {
        return bad("the body is not one enveloped message: its length says something else");
    }
    Ok(body)
}

/// A request's whole body.
pub async fn collect(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, MESSAGE_MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Reason::MessageTooLarge.status("a request has at most 1 MiB"))
        }
        Err(_) => Err(Reason::MalformedMessage.status("the body did not arrive whole")),
    }
}

/// The messages of a gRPC answer, one by one.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    read: BytesMut,
    trailers: Option<HeaderMap>,
}

impl Messages {
    /// Of an answer that has begun; the error of one that has not.
    pub fn of(response: Response<Body>) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        match Status::from_header_map(&head.headers) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(Self {
                body,
                read: BytesMut::new(),
                trailers: None,
            }),
        }
    }

    /// The next message; `None` at a good end. May be dropped and asked again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.message() {
                return Ok(Some(message));
            }
            if let Some(trailers) = &self.trailers {
                return match Status::from_header_map(trailers) {
                    Some(status) if status.code() == Code::Ok => Ok(None),
                    Some(status) => Err(status),
                    None => Err(Reason::Internal.status("the answer has no status")),
                };
            }
            match self.body.frame().await {
                None => self.trailers = Some(HeaderMap::new()),
                Some(Err(status)) => return Err(status),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.read.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    fn message(&mut self) -> Option<Bytes> {
        let length = self.read.get(1..HEAD)?.get_u32() as usize;
        if self.read.len() < HEAD + length {
            return None;
        }
        let mut frame = self.read.split_to(HEAD + length).freeze();
        frame.advance(HEAD);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_apart_again() {
        assert_eq!(unframed(framed(0, b"{}")).unwrap(), "{}");
        assert_eq!(unframed(framed(0, b"")).unwrap(), "");
    }

    #[test]
    fn what_is_not_exactly_one_frame_is_refused() {
        for body in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x02{",
            b"\0\0\0\0\x02{}x",
            b"\x01\0\0\0\x02{}",
            b"\0\xff\xff\xff\xff{}",
        ] {
            let status = unframed(Bytes::from_static(body)).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{body:?}");
        }
    }
}
