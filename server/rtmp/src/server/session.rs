//! One encoder's session.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connection::Connection;
use super::{Authority, Ended, Limits, Publication, PublishRequest, commands};
use crate::amf::{self, Value};
use crate::chunk::{
    AUDIO, COMMAND_AMF0, COMMAND_AMF3, DATA_AMF0, DATA_AMF3, Message, SET_PEER_BANDWIDTH,
    USER_CONTROL, VIDEO, WINDOW_ACK_SIZE,
};
use crate::flv::{Demuxer, Unusable};

/// After so many bytes we want to hear from the encoder, who sends little else than media.
const WINDOW: u32 = 2_500_000;
const CHUNK_SIZE: u32 = 4096;
/// Of `SetPeerBandwidth`: the peer may choose.
const DYNAMIC: u8 = 2;
const STREAM_BEGIN: [u8; 2] = [0, 0];
/// One is used.
const STREAMS_MAX: u32 = 8;

/// Serves one connection to its end.
pub async fn serve<S, A>(
    stream: S,
    peer: SocketAddr,
    tls: bool,
    limits: &Limits,
    authority: &A,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authority,
{
    let mut session = Session {
        connection: Connection::new(stream, limits),
        peer,
        tls,
        agent: String::new(),
        connected: false,
        streams: 0,
    };
    let asked = timeout(limits.stranger_time, session.introduce(authority)).await;
    let ended = match asked {
        Ok(Ok((stream, publication))) => {
            return session.publish(stream, publication, limits).await;
        }
        Ok(Err(ended)) => ended,
        Err(_) => Ended::Late,
    };
    if matches!(ended, Ended::Refused(_) | Ended::WrongApp | Ended::Play) {
        session.connection.farewell().await;
    }
    ended
}

struct Session<S> {
    connection: Connection<S>,
    peer: SocketAddr,
    tls: bool,
    agent: String,
    connected: bool,
    /// Streams made.
    streams: u32,
}

/// A command, taken apart.
struct Command<'a> {
    name: &'a str,
    transaction: f64,
    values: &'a [Value],
    stream: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// From the first byte to a publish that is authorised: its message stream, and where its media goes.
    async fn introduce<A: Authority>(
        &mut self,
        authority: &A,
    ) -> Result<(u32, A::Publication), Ended> {
        self.connection.shake_hands().await?;
        loop {
            while let Some(message) = self.connection.message()? {
                let Some(values) = command(&message)? else {
                    continue;
                };
                let command = Command {
                    name: values.first().and_then(Value::str).unwrap_or_default(),
                    transaction: values.get(1).and_then(Value::number).unwrap_or_default(),
                    values: &values,
                    stream: message.stream,
                };
                if command.name == "publish" && self.connected {
                    let publication = self.authorise(&command, authority).await?;
                    return Ok((command.stream, publication));
                }
                self.answer(&command)?;
            }
            self.connection.flush().await?;
            self.connection.receive().await?;
        }
    }

    fn answer(&mut self, command: &Command<'_>) -> Result<(), Ended> {
        let connection = &mut self.connection;
        match command.name {
            "connect" if !self.connected => return self.connect(command),
            _ if !self.connected => {
                return Err(Ended::Damaged("a command before connect".to_owned()));
            }
            "createStream" => {
                self.streams += 1;
                if self.streams > STREAMS_MAX {
                    return Err(Ended::Damaged("too many streams".to_owned()));
                }
                connection.command(0, &commands::created(command.transaction, self.streams));
            }
            "releaseStream" | "FCPublish" => {
                connection.command(0, &commands::done(command.transaction));
            }
            "play" | "play2" => {
                let text = "this server takes streams and plays none";
                let status = commands::status("error", "NetStream.Play.Failed", text);
                connection.command(command.stream, &status);
                return Err(Ended::Play);
            }
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command<'_>) -> Result<(), Ended> {
        let member = |name| {
            let object = command.values.get(2)?;
            object.get(name)?.str()
        };
        let app = member("app").unwrap_or_default();
        self.agent = commands::shown(member("flashVer").unwrap_or_default());
        let connection = &mut self.connection;
        if !commands::is_our_app(app) {
            let text = Ended::WrongApp.to_string();
            let code = "NetConnection.Connect.Rejected";
            let refusal = commands::not_connected(command.transaction, code, &text);
            connection.command(0, &refusal);
            return Err(Ended::WrongApp);
        }
        let window = WINDOW.to_be_bytes();
        let [a, b, c, d] = window;
        let (writer, out) = (&mut connection.writer, &mut connection.out);
        writer.control(out, WINDOW_ACK_SIZE, &window);
        writer.control(out, SET_PEER_BANDWIDTH, &[a, b, c, d, DYNAMIC]);
        writer.resize(out, CHUNK_SIZE);
        connection.command(0, &commands::connected(command.transaction));
        self.connected = true;
        Ok(())
    }

    /// Nothing that could be taken for success is said before boothd agreed: OBS would reconnect for ever.
    async fn authorise<A: Authority>(
        &mut self,
        command: &Command<'_>,
        authority: &A,
    ) -> Result<A::Publication, Ended> {
        self.connection.flush().await?;
        let name = command.values.get(3).and_then(Value::str);
        let (channel, key) = commands::channel_and_key(name.unwrap_or_default());
        let request = PublishRequest {
            channel,
            key,
            peer: self.peer,
            tls: self.tls,
            agent: self.agent.clone(),
        };
        let answer = if request.key.is_empty() {
            Err("there is no key in the stream's name".to_owned())
        } else {
            authority.authorise(request).await
        };
        answer.map_err(|reason| {
            let status = commands::status("error", "NetStream.Publish.BadName", &reason);
            self.connection.command(command.stream, &status);
            Ended::Refused(reason)
        })
    }

    async fn publish<P: Publication>(
        mut self,
        stream: u32,
        mut publication: P,
        limits: &Limits,
    ) -> Ended {
        self.connection.trust(limits);
        let mut demuxer = Demuxer::default();
        let media = self.media(stream, &mut demuxer, &mut publication, limits);
        let Err(ended) = media.await;
        if demuxer.skipped() > 0 {
            tracing::info!(peer = %self.peer, units = demuxer.skipped(), "units without config, or damaged");
        }
        let status = match &ended {
            Ended::Unpublished => Some(("status", "NetStream.Unpublish.Success")),
            Ended::Dismissed(_) | Ended::Idle => Some(("error", "NetConnection.Connect.Closed")),
            Ended::Unusable(_) => Some(("error", "NetStream.Publish.Rejected")),
            _ => None,
        };
        // boothd hears of it before the encoder, who may come back at once.
        publication.ended(&ended);
        if let Some((level, code)) = status {
            let status = commands::status(level, code, &ended.to_string());
            self.connection.command(stream, &status);
            if ended == Ended::Unpublished {
                self.connection.seen_off().await;
            } else {
                self.connection.farewell().await;
            }
        }
        ended
    }

    async fn media<P: Publication>(
        &mut self,
        stream: u32,
        demuxer: &mut Demuxer,
        publication: &mut P,
        limits: &Limits,
    ) -> Result<std::convert::Infallible, Ended> {
        let connection = &mut self.connection;
        let [a, b, c, d] = stream.to_be_bytes();
        let begin = [STREAM_BEGIN[0], STREAM_BEGIN[1], a, b, c, d];
        connection
            .writer
            .control(&mut connection.out, USER_CONTROL, &begin);
        let start = commands::status("status", "NetStream.Publish.Start", "publishing");
        connection.command(stream, &start);
        loop {
            while let Some(message) = connection.message()? {
                take(&message, stream, demuxer, publication)?;
            }
            connection.flush().await?;
            tokio::select! {
                biased;
                reason = publication.dismissed() => return Err(Ended::Dismissed(reason)),
                received = timeout(limits.idle, connection.receive()) => match received {
                    Ok(received) => received?,
                    Err(_) => return Err(Ended::Idle),
                },
            }
        }
    }
}

/// Gives a publisher's message to where it goes.
fn take<P: Publication>(
    message: &Message,
    stream: u32,
    demuxer: &mut Demuxer,
    publication: &mut P,
) -> Result<(), Ended> {
    let (timestamp, payload) = (message.timestamp, message.payload.clone());
    let events = match message.kind {
        VIDEO if message.stream == stream => demuxer.video(timestamp, payload),
        AUDIO if message.stream == stream => demuxer.audio(timestamp, payload),
        DATA_AMF0 | DATA_AMF3 => {
            if let Some(name) = encoder(message) {
                publication.encoder(&name);
            }
            return Ok(());
        }
        _ => {
            let values = command(message)?.unwrap_or_default();
            return match values.first().and_then(Value::str) {
                Some("FCUnpublish" | "deleteStream" | "closeStream") => Err(Ended::Unpublished),
                Some("publish") => Err(Ended::Damaged("a second publish".to_owned())),
                _ => Ok(()),
            };
        }
    };
    let events = events.map_err(|Unusable(what)| Ended::Unusable(what))?;
    for event in events.into_iter().flatten() {
        publication.media(event);
    }
    Ok(())
}

/// The values of a command; `None` for other messages.
fn command(message: &Message) -> Result<Option<Vec<Value>>, Ended> {
    let body = match message.kind {
        COMMAND_AMF0 => &message.payload[..],
        // AMF3 commands begin with a byte that says that AMF0 follows.
        COMMAND_AMF3 => message.payload.get(1..).unwrap_or_default(),
        _ => return Ok(None),
    };
    amf::decode(body)
        .map(Some)
        .map_err(|error| Ended::Damaged(error.to_string()))
}

/// The encoder's name, if the message is metadata that has it.
fn encoder(message: &Message) -> Option<String> {
    let body = match message.kind {
        DATA_AMF3 => message.payload.get(1..).unwrap_or_default(),
        _ => &message.payload[..],
    };
    // Odd metadata is no reason to end a stream.
    let values = amf::decode(body).ok()?;
    let data = values.iter().find(|v| matches!(v, Value::Object(_)))?;
    let name = commands::shown(data.get("encoder")?.str()?);
    (!name.is_empty()).then_some(name)
}
