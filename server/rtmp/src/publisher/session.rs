//! One session with a destination.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use booth_stream::MediaEvent;
use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::commands::{self, Said};
use super::socket::Socket;
use super::{PublishError, Target};
use crate::chunk::{ACK, COMMAND_AMF0, ChunkReader, ChunkWriter, Head, Message, WINDOW_ACK_SIZE};
use crate::flv::Muxer;
use crate::handshake;

/// Commands and little else come from a destination.
const MESSAGE_MAX: usize = 64 << 10;
/// As OBS: the size that every platform has seen most.
const CHUNK_SIZE: u32 = 4096;
/// After so many bytes of ours the peer is to say that it has them.
const ACK_WINDOW: u32 = 2_500_000;
/// Looks after the socket's queue.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// One address out of several of a name.
const ADDRESS: Duration = Duration::from_secs(2);

/// How long each step may take.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// Name and TCP.
    pub connect: Duration,
    /// Everything until the stream may be sent.
    pub total: Duration,
    /// One unit into the socket.
    pub write: Duration,
    /// Without the peer taking anything of what waits.
    pub stuck: Duration,
    /// Saying goodbye.
    pub close: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(10),
            write: Duration::from_secs(5),
            stuck: Duration::from_secs(8),
            close: Duration::from_secs(1),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Into the socket, with everything that RTMP and TLS add.
    pub sent_bytes: u64,
    /// Of these, not acknowledged by the peer's machine.
    pub unsent_bytes: u64,
}

/// A session that may be sent to. Dropping it hangs up without goodbye.
pub struct Publisher {
    link: Link,
    muxer: Muxer,
    target: Target,
    /// The message stream that the peer gave.
    stream: u32,
    deadlines: Deadlines,
    progress: Progress,
}

impl Publisher {
    /// Connects, and asks to publish; the stream may be sent when this is answered.
    pub async fn connect(
        target: &Target,
        deadlines: &Deadlines,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, PublishError> {
        let until = Instant::now() + deadlines.total;
        let socket = open(target, deadlines, tls, until).await?;
        let mut link = Link::new(socket);
        let mut doing = "shaking hands";
        let asked = timeout_at(until, link.ask(target, &mut doing)).await;
        let stream = match asked {
            Ok(stream) => stream?,
            Err(_) => {
                return Err(PublishError::TimedOut {
                    doing,
                    seconds: deadlines.total.as_secs(),
                });
            }
        };
        Ok(Self {
            link,
            muxer: Muxer::default(),
            target: target.clone(),
            stream,
            deadlines: deadlines.clone(),
            progress: Progress::new(),
        })
    }

    /// Sends what follows: sequence headers and metadata before the first unit and whenever they change. Not to be given
    /// up half-way: after that the session can only be dropped.
    pub async fn send(&mut self, event: &MediaEvent) -> Result<(), PublishError> {
        self.push(event);
        self.flush().await
    }

    /// Makes ready to be sent what is there at the same time: one [`Publisher::flush`] for several is cheaper.
    pub fn push(&mut self, event: &MediaEvent) {
        let stream = self.stream;
        let Self { link, muxer, .. } = self;
        muxer.mux(event, |kind, timestamp, parts| {
            let head = Head {
                chunk_stream: commands::chunk_stream(kind),
                kind,
                stream,
                timestamp,
            };
            link.writer.write(&mut link.out, head, parts);
        });
    }

    /// Sends what was pushed; otherwise as [`Publisher::send`].
    pub async fn flush(&mut self) -> Result<(), PublishError> {
        self.write().await?;
        self.watch()
    }

    /// Waits until the peer says that it is over, hangs up or is stuck. May be given up and asked again at any time.
    pub async fn failed(&mut self) -> PublishError {
        loop {
            match timeout(PROGRESS_EVERY, self.link.receive()).await {
                Ok(Ok(())) => {
                    if let Err(error) = self.heard() {
                        return error;
                    }
                    if let Err(error) = self.write().await {
                        return error;
                    }
                }
                Ok(Err(error)) => return error,
                Err(_) => {}
            }
            if let Err(error) = self.watch() {
                return error;
            }
        }
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            sent_bytes: self.link.socket.sent(),
            unsent_bytes: self.link.socket.queued(),
        }
    }

    /// Says goodbye, so that the peer ends the broadcast in good order, and hangs up.
    pub async fn close(mut self) {
        let bye = commands::goodbye(&self.target.stream, self.stream);
        for (command, stream) in &bye {
            self.link.command(*stream, command);
        }
        let deadline = self.deadlines.close;
        let ended = timeout(deadline, async {
            self.link.flush().await?;
            self.link.socket.shut().await?;
            // Read on until the peer hangs up: bytes that nobody reads would make the kernel tear the connection, and what
            // the peer has not read yet with it.
            while self.link.receive().await.is_ok() {
                self.link.input.clear();
            }
            Ok::<(), PublishError>(())
        })
        .await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::debug!(target = %self.target, "the peer did not hear the goodbye");
        }
    }

    async fn write(&mut self) -> Result<(), PublishError> {
        let deadline = self.deadlines.write;
        match timeout(deadline, self.link.flush()).await {
            Ok(flushed) => {
                // What the peer said explains more than the socket's error.
                self.heard()?;
                flushed?;
                // Answers to what was heard are small: they go with the next unit.
                self.link.lost.clone().map_or(Ok(()), Err)
            }
            Err(_) => Err(PublishError::Stuck {
                seconds: deadline.as_secs(),
            }),
        }
    }

    fn heard(&mut self) -> Result<(), PublishError> {
        while let Some(message) = self.link.message()? {
            match commands::said(&message) {
                Said::Refused(text) => {
                    return Err(PublishError::Refused(self.target.redact(&text)));
                }
                Said::Ended(text) => return Err(PublishError::Ended(self.target.redact(&text))),
                Said::Result { .. } | Said::Started | Said::Nothing => {}
            }
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<(), PublishError> {
        let now = Instant::now();
        if now < self.progress.next {
            return Ok(());
        }
        self.progress.next = now + PROGRESS_EVERY;
        let queued = self.link.socket.queued();
        let taken = self.link.socket.sent().saturating_sub(queued);
        if queued == 0 || taken > self.progress.taken {
            self.progress.taken = taken;
            self.progress.since = now;
        } else if now - self.progress.since >= self.deadlines.stuck {
            return Err(PublishError::Stuck {
                seconds: self.deadlines.stuck.as_secs(),
            });
        }
        Ok(())
    }
}

/// What the peer's machine took, and since when that has not grown while something waited.
struct Progress {
    taken: u64,
    since: Instant,
    next: Instant,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            taken: 0,
            since: now,
            next: now,
        }
    }
}

/// Name, TCP and TLS.
async fn open(
    target: &Target,
    deadlines: &Deadlines,
    tls: &Arc<ClientConfig>,
    until: Instant,
) -> Result<Socket, PublishError> {
    let by = until.min(Instant::now() + deadlines.connect);
    let seconds = deadlines.connect.as_secs();
    let late = |doing| PublishError::TimedOut { doing, seconds };
    let name = (target.host.as_str(), target.port);
    let addresses: Vec<SocketAddr> = match timeout_at(by, tokio::net::lookup_host(name)).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(PublishError::Resolve(error.to_string())),
        Err(_) => return Err(late("looking up the name")),
    };
    let mut last = PublishError::Resolve("it has no address".to_owned());
    let alone = addresses.len() == 1;
    let mut found = None;
    for address in addresses {
        let until = if alone {
            by
        } else {
            by.min(Instant::now() + ADDRESS)
        };
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                found = Some(tcp);
                break;
            }
            Ok(Err(error)) => last = PublishError::Connect(error.kind().to_string()),
            Err(_) => last = late("connecting"),
        }
    }
    let Some(tcp) = found else { return Err(last) };
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "small units may wait in the socket");
    }
    if !target.tls {
        return Ok(Socket::plain(tcp));
    }
    match timeout_at(until, Socket::tls(tcp, &target.host, tls.clone())).await {
        Ok(socket) => socket,
        Err(_) => Err(PublishError::TimedOut {
            doing: "setting up TLS",
            seconds: deadlines.total.as_secs(),
        }),
    }
}

/// The socket with RTMP's chunks on it.
struct Link {
    socket: Socket,
    reader: ChunkReader,
    writer: ChunkWriter,
    /// Read and not parsed yet; and to be written.
    input: BytesMut,
    out: BytesMut,
    received: u32,
    acked: u32,
    /// After so many bytes the peer wants to hear that we have them.
    window: u32,
    /// Nothing more comes; what came before is still to be parsed.
    lost: Option<PublishError>,
}

impl Link {
    fn new(socket: Socket) -> Self {
        Self {
            socket,
            reader: ChunkReader::new(MESSAGE_MAX),
            writer: ChunkWriter::default(),
            input: BytesMut::new(),
            out: BytesMut::new(),
            received: 0,
            acked: 0,
            window: ACK_WINDOW,
            lost: None,
        }
    }

    /// From the handshake to the leave to publish; answers the message stream.
    async fn ask(
        &mut self,
        target: &Target,
        doing: &mut &'static str,
    ) -> Result<u32, PublishError> {
        self.shake_hands().await?;
        *doing = "asking to connect";
        self.command(0, &commands::connect(&target.app, &target.tc_url()));
        self.answer(commands::CONNECT, target).await?;
        self.writer.resize(&mut self.out, CHUNK_SIZE);
        self.writer
            .control(&mut self.out, WINDOW_ACK_SIZE, &ACK_WINDOW.to_be_bytes());
        for command in commands::announce(&target.stream) {
            self.command(0, &command);
        }
        *doing = "asking for a stream";
        let stream = self.answer(commands::CREATE_STREAM, target).await?;
        let stream = stream.ok_or(PublishError::Protocol("it gave no stream"))?;
        *doing = "asking to publish (the key may be wrong)";
        self.command(stream, &commands::publish(&target.stream));
        self.flush().await?;
        loop {
            match self.hear(target).await? {
                Said::Started => return Ok(stream),
                Said::Ended(text) => return Err(PublishError::Refused(target.redact(&text))),
                _ => {}
            }
        }
    }

    async fn shake_hands(&mut self) -> Result<(), PublishError> {
        self.out.extend_from_slice(&[handshake::VERSION]);
        self.out.extend_from_slice(&handshake::part());
        self.flush().await?;
        while self.input.is_empty() {
            self.receive().await?;
        }
        if self.input.split_to(1)[0] != handshake::VERSION {
            return Err(PublishError::Protocol(
                "its handshake is of another version",
            ));
        }
        while self.input.len() < handshake::PART {
            self.receive().await?;
        }
        let s1 = self.input.split_to(handshake::PART);
        self.out.extend_from_slice(&s1);
        self.flush().await?;
        while self.input.len() < handshake::PART {
            self.receive().await?;
        }
        let _s2 = self.input.split_to(handshake::PART);
        Ok(())
    }

    /// Waits for the result of a command.
    async fn answer(
        &mut self,
        transaction: f64,
        target: &Target,
    ) -> Result<Option<u32>, PublishError> {
        self.flush().await?;
        loop {
            if let Said::Result { to, stream } = self.hear(target).await?
                && to == transaction
            {
                return Ok(stream);
            }
        }
    }

    /// The next thing the peer says.
    async fn hear(&mut self, target: &Target) -> Result<Said, PublishError> {
        loop {
            if let Some(message) = self.message()? {
                return match commands::said(&message) {
                    Said::Refused(text) => Err(PublishError::Refused(target.redact(&text))),
                    said => Ok(said),
                };
            }
            if self.out.is_empty() {
                self.receive().await?;
            } else {
                // Reads too.
                self.flush().await?;
            }
        }
    }

    fn command(&mut self, stream: u32, command: &[u8]) {
        let head = Head {
            chunk_stream: commands::chunk_stream(COMMAND_AMF0),
            kind: COMMAND_AMF0,
            stream,
            timestamp: 0,
        };
        self.writer.write(&mut self.out, head, &[command]);
    }

    /// A message that is there already. What RTMP itself wants answered is answered into `out`.
    fn message(&mut self) -> Result<Option<Message>, PublishError> {
        while let Some(message) = self
            .reader
            .next(&mut self.input)
            .map_err(|_| PublishError::Protocol("damaged chunks"))?
        {
            if let Some(window) = commands::window(&message) {
                self.window = window;
            } else if let Some(pong) = commands::pong(&message) {
                self.writer
                    .control(&mut self.out, crate::chunk::USER_CONTROL, &pong);
            } else {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Waits for bytes.
    async fn receive(&mut self) -> Result<(), PublishError> {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), PublishError>> {
        if let Some(lost) = &self.lost {
            return Poll::Ready(Err(lost.clone()));
        }
        let lost = match self.socket.poll_read(cx, &mut self.input) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => PublishError::Broken("closed by the peer".to_owned()),
            Poll::Ready(Ok(n)) => {
                self.received = self
                    .received
                    .wrapping_add(u32::try_from(n).unwrap_or(u32::MAX));
                if self.received.wrapping_sub(self.acked) >= self.window {
                    self.acked = self.received;
                    let received = self.received.to_be_bytes();
                    self.writer.control(&mut self.out, ACK, &received);
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(error)) => broken(error),
        };
        self.lost = Some(lost.clone());
        Poll::Ready(Err(lost))
    }

    /// Writes what is to be written, and reads meanwhile: a peer that waits to be heard cannot block both.
    async fn flush(&mut self) -> Result<(), PublishError> {
        std::future::poll_fn(|cx| {
            loop {
                if self.lost.is_none()
                    && self.input.len() < MESSAGE_MAX
                    && self.poll_receive(cx).is_ready()
                {
                    continue;
                }
                if self.out.is_empty() {
                    return self.socket.poll_flush(cx).map_err(broken);
                }
                match self.socket.poll_write(cx, &mut self.out) {
                    Poll::Pending => {
                        let lost = self.lost.clone();
                        return lost.map_or(Poll::Pending, |lost| Poll::Ready(Err(lost)));
                    }
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(error))),
                }
            }
        })
        .await
    }
}

fn broken(error: std::io::Error) -> PublishError {
    PublishError::Broken(error.kind().to_string())
}
