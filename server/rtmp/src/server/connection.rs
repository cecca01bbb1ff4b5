//! Bytes of one session: bounded while it is a stranger's, answered in time.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Ended, Limits};
use crate::chunk::{
    ACK, COMMAND_AMF0, ChunkReader, ChunkWriter, Head, Message, USER_CONTROL, WINDOW_ACK_SIZE,
};
use crate::handshake;

const READ_SIZE: usize = 64 << 10;
/// The encoder's wish for acknowledgements is obeyed between these.
const WINDOW_FIRST: u64 = 2_500_000;
const WINDOW_MIN: u32 = 64 << 10;
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;
/// How long the encoder gets to read why it was hung up on.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Connection<S> {
    stream: S,
    pub(super) reader: ChunkReader,
    pub(super) writer: ChunkWriter,
    input: BytesMut,
    pub(super) out: BytesMut,
    received: u64,
    acked: u64,
    window: u64,
    /// Bytes that may come before the publish is authorised.
    budget: Option<usize>,
    write: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            // A stranger's messages are bounded by his bytes.
            reader: ChunkReader::new(limits.stranger_bytes),
            writer: ChunkWriter::default(),
            input: BytesMut::new(),
            out: BytesMut::new(),
            received: 0,
            acked: 0,
            window: WINDOW_FIRST,
            budget: Some(limits.stranger_bytes),
            write: limits.write,
        }
    }

    /// He is a stranger no more.
    pub(super) fn trust(&mut self, limits: &Limits) {
        self.budget = None;
        self.reader.set_message_max(limits.message_bytes);
    }

    pub(super) async fn shake_hands(&mut self) -> Result<(), Ended> {
        while self.input.is_empty() {
            self.receive().await?;
        }
        // Refused at the first byte, so that garbage is not waited for.
        if self.input.split_to(1)[0] != handshake::VERSION {
            return Err(Ended::Damaged("another handshake".to_owned()));
        }
        while self.input.len() < handshake::PART {
            self.receive().await?;
        }
        let c1 = self.input.split_to(handshake::PART);
        self.out.extend_from_slice(&[handshake::VERSION]);
        self.out.extend_from_slice(&handshake::part());
        self.out.extend_from_slice(&c1);
        self.flush().await?;
        while self.input.len() < handshake::PART {
            self.receive().await?;
        }
        let _c2 = self.input.split_to(handshake::PART);
        Ok(())
    }

    /// A message that is there already. What RTMP itself wants answered is answered into `out`.
    pub(super) fn message(&mut self) -> Result<Option<Message>, Ended> {
        while let Some(message) = self
            .reader
            .next(&mut self.input)
            .map_err(|error| Ended::Damaged(error.to_string()))?
        {
            match (message.kind, message.payload.first_chunk::<4>()) {
                (WINDOW_ACK_SIZE, Some(size)) => {
                    self.window = u64::from(u32::from_be_bytes(*size).max(WINDOW_MIN));
                }
                (USER_CONTROL, _) => self.user_control(&message),
                _ => return Ok(Some(message)),
            }
        }
        Ok(None)
    }

    fn user_control(&mut self, message: &Message) {
        let payload = &message.payload;
        if payload.len() >= 6 && payload[..2] == PING_REQUEST.to_be_bytes() {
            let mut pong = [0; 6];
            pong[..2].copy_from_slice(&PING_RESPONSE.to_be_bytes());
            pong[2..].copy_from_slice(&payload[2..6]);
            self.writer.control(&mut self.out, USER_CONTROL, &pong);
        }
    }

    /// Waits for bytes. May be given up.
    pub(super) async fn receive(&mut self) -> Result<(), Ended> {
        let room = match self.budget {
            None => READ_SIZE,
            Some(0) => return Err(Ended::TooMuch),
            Some(budget) => budget.min(4 << 10),
        };
        self.input.reserve(room);
        let n = (&mut self.stream)
            .take(u64::try_from(room).unwrap_or(u64::MAX))
            .read_buf(&mut self.input)
            .await
            .map_err(|error| Ended::Broken(error.kind()))?;
        if n == 0 {
            return Err(Ended::Closed);
        }
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(n);
        }
        self.received += u64::try_from(n).unwrap_or(0);
        if self.received - self.acked >= self.window {
            self.acked = self.received;
            let [.., a, b, c, d] = self.received.to_be_bytes();
            self.writer.control(&mut self.out, ACK, &[a, b, c, d]);
        }
        Ok(())
    }

    pub(super) fn command(&mut self, stream: u32, command: &[u8]) {
        let head = Head {
            chunk_stream: if stream == 0 { 3 } else { 5 },
            kind: COMMAND_AMF0,
            stream,
            timestamp: 0,
        };
        self.writer.write(&mut self.out, head, &[command]);
    }

    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all_buf(&mut self.out).await?;
            self.stream.flush().await
        };
        match timeout(self.write, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Ended::Broken(error.kind())),
            Err(_) => Err(Ended::Unread),
        }
    }

    /// Sends what is left and hangs up; reads on for a moment, since unread bytes would tear the answer away from the peer.
    pub(super) async fn farewell(mut self) {
        let end = async {
            self.flush().await?;
            self.stream
                .shutdown()
                .await
                .map_err(|error| Ended::Broken(error.kind()))?;
            self.ebb().await
        };
        if !matches!(timeout(FAREWELL, end).await, Ok(Ok(()))) {
            tracing::debug!("the encoder did not wait for the end");
        }
    }

    /// The encoder said goodbye: it hangs up itself. Some call it an error if we do.
    pub(super) async fn seen_off(mut self) {
        let end = async {
            self.flush().await?;
            self.ebb().await
        };
        if !matches!(timeout(FAREWELL, end).await, Ok(Ok(()))) {
            tracing::debug!("the encoder did not hang up");
        }
    }

    /// Reads to the end.
    async fn ebb(&mut self) -> Result<(), Ended> {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(Ended::Broken(error.kind())),
            }
        }
    }
}
