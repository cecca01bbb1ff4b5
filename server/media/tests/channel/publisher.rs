//! An ingest worker of the tests: it hands a film over to the channel's media socket in real time, again and again.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use booth_stream::wire::{self, Frame};
use booth_stream::{AccessUnit, MediaEvent, Nanos};
use bytes::BytesMut;

use crate::boothd::PATIENCE;
use crate::film::{Film, LENGTH};

pub struct Publisher {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Stall,
    GoOn,
    End,
}

impl Publisher {
    #[track_caller]
    pub fn start(socket: &Path, number: u64, film: &Arc<Film>) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "no media socket: {error}"),
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        let (orders, order) = channel();
        let film = Arc::clone(film);
        let thread = std::thread::spawn(move || {
            let mut sending = Sending {
                stream,
                order,
                base: Instant::now(),
            };
            // The channel may hang up at any time, and the test may end.
            let _ = sending.run(number, &film);
        });
        Self {
            orders: Some(orders),
            thread: Some(thread),
        }
    }

    /// Nothing comes any more, and the connection stays.
    pub fn stall(&self) {
        self.order(Order::Stall);
    }

    /// What would have been sent meanwhile is not.
    pub fn go_on(&self) {
        self.order(Order::GoOn);
    }

    /// Ends in good order.
    pub fn end(mut self) {
        self.order(Order::End);
        self.join();
    }

    /// The connection breaks.
    pub fn kill(self) {}

    /// Whether the channel has hung up.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    fn join(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.join();
    }
}

struct Sending {
    stream: UnixStream,
    order: Receiver<Order>,
    base: Instant,
}

enum Stop {
    Ended,
    Killed,
}

impl Sending {
    fn run(&mut self, number: u64, film: &Film) -> std::io::Result<()> {
        self.say(&Frame::Hello { publisher: number })?;
        for config in film.configs() {
            self.say(&Frame::Event(config))?;
        }
        for round in 0.. {
            for unit in &film.units {
                let shift = round * LENGTH;
                match self.wait(unit.dts + shift) {
                    None => {}
                    Some(Stop::Killed) => return Ok(()),
                    Some(Stop::Ended) => {
                        let reason = "it ended".to_owned();
                        return self.say(&Frame::End { reason });
                    }
                }
                self.say(&Frame::Event(MediaEvent::Unit(AccessUnit {
                    dts: unit.dts + shift,
                    pts: unit.pts + shift,
                    ..unit.clone()
                })))?;
            }
        }
        Ok(())
    }

    /// Until a unit's time has come.
    fn wait(&mut self, dts: Nanos) -> Option<Stop> {
        loop {
            let due = self.base + Duration::from_nanos(dts.max(0).unsigned_abs());
            match self
                .order
                .recv_timeout(due.saturating_duration_since(Instant::now()))
            {
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => return Some(Stop::Killed),
                Ok(Order::End) => return Some(Stop::Ended),
                Ok(Order::GoOn) => {}
                Ok(Order::Stall) => {
                    let stalled = Instant::now();
                    match self.order.recv() {
                        Ok(Order::End) => return Some(Stop::Ended),
                        Err(_) => return Some(Stop::Killed),
                        // The film goes on where it stopped.
                        Ok(_) => self.base += stalled.elapsed(),
                    }
                }
            }
        }
    }

    fn say(&mut self, frame: &Frame) -> std::io::Result<()> {
        let mut bytes = BytesMut::new();
        wire::encode(frame, &mut bytes).map_err(std::io::Error::other)?;
        self.stream.write_all(&bytes)
    }
}
