//! Levels and quality for watchers: read and encoded once a tick for all of them. Each watcher takes the latest frame
//! when its connection has room; a frame that nobody took is gone.

use std::sync::Arc;
use std::time::Duration;

use booth_core::State;
use booth_proto::convert::names;
use booth_proto::v1;
use bytes::{BufMut, Bytes};
use prost::Message;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::api::{Api, invalid};
use super::auth::{Identity, link_expired, still_admitted};
use super::places::Place;
use super::status::Reason;
use super::watch::at;
use crate::meters::Readings;
use crate::server::Rooms;

/// Frames a second.
pub const RATE: u32 = 15;

/// One encoded `WatchMetersResponse`.
#[derive(Debug, Clone, Default)]
struct Frame {
    number: u64,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
pub struct Ticker(Arc<watch::Sender<Frame>>);

impl Ticker {
    /// Reads the meters until `stop`, while anybody watches.
    pub fn start(rooms: &Rooms, stop: CancellationToken) -> Self {
        let frames = Arc::new(watch::Sender::new(Frame::default()));
        let (ticker, rooms) = (Self(Arc::clone(&frames)), rooms.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut number = 0;
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                if frames.receiver_count() > 0 {
                    number += 1;
                    let bytes = frame(&rooms).encode_to_vec().into();
                    frames.send_replace(Frame { number, bytes });
                }
            }
        });
        ticker
    }
}

/// One watcher's way through the frames.
pub struct MeterReader {
    frames: watch::Receiver<Frame>,
    states: watch::Receiver<Arc<State>>,
    who: Identity,
    stop: CancellationToken,
    /// Takes every `step`-th frame.
    step: u64,
    /// When the link token that opened the stream expires.
    over: Option<tokio::time::Instant>,
    next: u64,
    ended: bool,
    _place: Place,
}

impl MeterReader {
    pub fn start(
        api: &Api,
        who: Identity,
        request: &v1::WatchMetersRequest,
    ) -> Result<Self, Status> {
        let rate = match request.rate {
            0 => RATE,
            rate @ 1..=RATE => rate,
            _ => return Err(invalid("rate", format!("1 to {RATE} a second"))),
        };
        let place = api.places.enter(&who)?;
        Ok(Self {
            frames: api.ticker.0.subscribe(),
            states: api.rooms.board.follow(),
            over: who.until.map(|until| api.rooms.clock.instant(until)),
            who,
            stop: api.stop.clone(),
            step: u64::from(RATE.div_ceil(rate)),
            next: 0,
            ended: false,
            _place: place,
        })
    }

    /// The next frame, encoded; `None` after the error that ended the stream.
    pub async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        if self.ended {
            return None;
        }
        let next = self.step().await;
        self.ended = next.is_err();
        Some(next)
    }

    async fn step(&mut self) -> Result<Bytes, Status> {
        let stopping = || Reason::ServerStopping.status("the server is stopping");
        loop {
            still_admitted(&self.states.borrow_and_update(), &self.who)?;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(stopping()),
                () = at(self.over) => return Err(link_expired()),
                state = self.states.changed() => state.map_err(|_| stopping())?,
                frame = self.frames.changed() => {
                    frame.map_err(|_| stopping())?;
                    let frame = self.frames.borrow_and_update().clone();
                    if frame.number >= self.next {
                        self.next = frame.number + self.step;
                        return Ok(frame.bytes);
                    }
                }
            }
        }
    }
}

fn frame(rooms: &Rooms) -> v1::WatchMetersResponse {
    let state = rooms.board.state();
    let at_ms = rooms.clock.now().0;
    rooms
        .meters
        .update(|readings| read(readings, &state, at_ms))
}

fn read(readings: &Readings, state: &State, at_ms: i64) -> v1::WatchMetersResponse {
    let slots = readings.slots.iter().map(|(id, meter)| v1::SlotMeters {
        name: names::slot(id),
        rms_dbfs: meter.rms_dbfs.clone(),
        peak_dbfs: meter.peak_dbfs.clone(),
        clients: meter.clients,
        sent_packets: meter.sent_packets,
        lost_packets: meter.lost_packets,
        send_rate_kbps: meter.send_rate_kbps,
        rtt_ms: meter.rtt_ms,
    });
    let callers = readings.callers.iter().filter_map(|(id, meter)| {
        // One who has just been forgotten has no name any more.
        let show = &state.callers.get(id)?.show;
        Some(v1::CallerMeters {
            name: names::caller(show, id),
            level_dbfs: meter.level_dbfs,
            clipping: meter.clipping,
            rtt_ms: meter.rtt_ms,
            loss: meter.loss,
            jitter_ms: meter.jitter_ms,
            receive_rate_kbps: meter.receive_rate_kbps,
            score: meter.score,
            width: meter.width,
            height: meter.height,
            fps: meter.fps,
        })
    });
    let channels = readings.channels.iter().map(|(id, meter)| {
        let destinations = meter.destinations.iter();
        v1::ChannelMeters {
            name: names::channel(id),
            live_rate_kbps: meter.live_rate_kbps,
            output_rate_kbps: meter.output_rate_kbps,
            late_frames: meter.late_frames,
            monitor_clients: meter.monitor_clients,
            prepared_percent: meter.prepared_percent,
            destinations: destinations
                .map(|(to, meter)| v1::DestinationMeters {
                    name: names::destination(id, to),
                    rate_kbps: meter.rate_kbps,
                    dropped_frames: meter.dropped_frames,
                    sent_bytes: meter.sent_bytes,
                    retry_in_s: meter.retry_in_s,
                })
                .collect(),
        }
    });
    v1::WatchMetersResponse {
        slots: slots.collect(),
        callers: callers.collect(),
        channels: channels.collect(),
        at_ms,
    }
}

/// Sends frames as they are: they are encoded already.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Bytes;
    type Decode = v1::WatchMetersRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for FrameCodec {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, frame: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(frame);
        Ok(())
    }
}

impl Decoder for FrameCodec {
    type Item = v1::WatchMetersRequest;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let request = v1::WatchMetersRequest::decode(from);
        request
            .map(Some)
            .map_err(|e| Reason::MalformedMessage.status(e.to_string()))
    }
}
