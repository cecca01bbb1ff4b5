//! One attached worker: its orders and packets out, its facts in.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use booth_proto::worker::{FromWorker, Hello, Packets, Ping, ToWorker, from_worker, to_worker};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tracing::{info, warn};

use super::hear::Ear;
use super::{Context, Link, Supervisor, UnitId};
use crate::relay::{Packet, UNIT_QUEUE};

const FRAME_MAX: usize = 1 << 20;
const HELLO_LIMIT: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_secs(1);
/// A worker that says nothing for this long (it sends meters 15 times a second) has stalled: its link is closed.
const SILENCE: Duration = Duration::from_secs(3);
/// A frame that the worker does not take for this long means the same.
const WRITE_LIMIT: Duration = Duration::from_secs(3);
/// Answers to publishers that wait to be written: as many as may ask at a time, and an order to end.
const CONTROL_QUEUE: usize = 128;
/// Packets that go out in one frame when more than one waits.
const PACKETS_AT_ONCE: usize = 16;

type Wire = Framed<UnixStream, LengthDelimitedCodec>;

pub(super) async fn serve(supervisor: Supervisor, context: Context, stream: UnixStream) {
    let mut wire = LengthDelimitedCodec::builder()
        .max_frame_length(FRAME_MAX)
        .new_framed(stream);
    let Some(hello) = read_hello(&mut wire).await else {
        return;
    };
    let Ok(unit) = hello.unit.parse::<UnitId>() else {
        warn!(unit = ?hello.unit, "a worker of an unknown unit");
        return;
    };
    let (packets, packet_rx) = mpsc::channel(UNIT_QUEUE);
    let (control, control_rx) = mpsc::channel(CONTROL_QUEUE);
    let (desired, desired_rx) = watch::channel(None);
    let answered = Arc::<AtomicU64>::default();
    let mut link = Link {
        packets,
        desired,
        answered: Arc::clone(&answered),
        control,
        serial: 0,
        pid: hello.pid,
    };
    info!(%unit, pid = hello.pid, "worker attached");
    supervisor.attach(&context, &unit, &hello, &mut link);

    let serial = link.serial;
    // Only the registry holds the sender from here on: a newer link of the unit ends this one.
    drop(link);
    let mut ear = Ear {
        supervisor: supervisor.clone(),
        context: context.clone(),
        unit: unit.clone(),
        serial,
        answered,
        desired: desired_rx.clone(),
        channel: hello.channel,
    };
    let why = Pump {
        wire,
        packet_rx,
        control_rx,
        desired_rx,
    }
    .run(&mut ear)
    .await;
    info!(%unit, why, "worker detached");
    supervisor.detach(&context, &unit, serial);
}

async fn read_hello(wire: &mut Wire) -> Option<Hello> {
    let frame = tokio::time::timeout(HELLO_LIMIT, wire.next())
        .await
        .ok()??
        .ok()?;
    match FromWorker::decode(frame).ok()?.message? {
        from_worker::Message::Hello(hello) => Some(hello),
        _ => None,
    }
}

struct Pump {
    wire: Wire,
    packet_rx: mpsc::Receiver<Packet>,
    control_rx: mpsc::Receiver<ToWorker>,
    desired_rx: watch::Receiver<Option<ToWorker>>,
}

impl Pump {
    /// Orders go before packets. Returns why it ended.
    async fn run(mut self, ear: &mut Ear) -> &'static str {
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut heard = tokio::time::Instant::now();
        let mut nonce = 0;
        loop {
            let out = tokio::select! {
                biased;
                control = self.control_rx.recv() => match control {
                    Some(message) => message,
                    None => return "replaced by a newer link",
                },
                changed = self.desired_rx.changed() => match changed {
                    Ok(()) => match self.desired_rx.borrow_and_update().clone() {
                        Some(desired) => desired,
                        None => continue,
                    },
                    Err(_) => return "replaced by a newer link",
                },
                frame = self.wire.next() => {
                    let Some(Ok(frame)) = frame else { return "its end of the socket closed" };
                    heard = tokio::time::Instant::now();
                    match FromWorker::decode(frame) {
                        Ok(FromWorker { message: Some(message) }) => ear.heed(message).await,
                        Ok(_) => {}
                        Err(_) => return "it sent a frame that does not decode",
                    }
                    continue;
                }
                packet = self.packet_rx.recv() => match packet {
                    Some(packet) => self.bundle(packet),
                    None => return "replaced by a newer link",
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return "silent";
                    }
                    nonce += 1;
                    ToWorker { message: Some(to_worker::Message::Ping(Ping { nonce })) }
                }
            };
            match tokio::time::timeout(WRITE_LIMIT, self.wire.send(encode(&out))).await {
                // Looked at here too: where packets always wait, the ping's turn may not come.
                Ok(Ok(())) if heard.elapsed() > SILENCE => return "silent",
                Ok(Ok(())) => {}
                Ok(Err(_)) => return "its end of the socket closed",
                Err(_) => return "it does not read",
            }
        }
    }

    /// Packets that wait for the same track go together.
    fn bundle(&mut self, first: Packet) -> ToWorker {
        let mut packets = Packets {
            session: first.session.0,
            medium: first.medium.into(),
            rtcp: first.rtcp,
            data: vec![first.data],
        };
        let mut other = None;
        while other.is_none() && packets.data.len() < PACKETS_AT_ONCE {
            match self.packet_rx.try_recv() {
                Ok(p)
                    if (p.session.0, i32::from(p.medium), p.rtcp)
                        == (packets.session, packets.medium, packets.rtcp) =>
                {
                    packets.data.push(p.data);
                }
                Ok(p) => other = Some(p),
                Err(_) => break,
            }
        }
        if let Some(p) = other {
            // One frame holds one track: the odd one out goes right behind, in its own frame.
            let next = Packets {
                session: p.session.0,
                medium: p.medium.into(),
                rtcp: p.rtcp,
                data: vec![p.data],
            };
            let message = ToWorker {
                message: Some(to_worker::Message::Packets(next)),
            };
            self.defer(message);
        }
        ToWorker {
            message: Some(to_worker::Message::Packets(packets)),
        }
    }

    /// Puts a frame into the sink's buffer; it is flushed with the next send. Order is kept per track.
    fn defer(&mut self, message: ToWorker) {
        let _ = self.wire.start_send_unpin(encode(&message));
    }
}

fn encode(message: &ToWorker) -> Bytes {
    let mut out = BytesMut::with_capacity(message.encoded_len());
    // A BytesMut grows: encoding into it cannot fail.
    let _ = message.encode(&mut out);
    out.freeze()
}
