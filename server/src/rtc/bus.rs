//! What callers hear: one bus per listener.
//!
//! A bus gives the Opus packets of one caller's return track. Today each is [`Silence`]; the program feed and the audio
//! desk's mix-minus take its place by another implementation, without a new negotiation.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub data: Bytes,
    /// Samples at 48 kHz from the start of the frame before to the start of this one.
    pub advance: u32,
    /// First packet after a pause (RFC 7587 §4.2 with RFC 3551 §4.1).
    pub marker: bool,
}

#[async_trait]
pub trait Bus: Send {
    /// When the next packet is due, with it; `None` when the bus ends.
    async fn next(&mut self) -> Option<Frame>;
}

/// A 20 ms frame of silence: CELT, full band, mono.
const SILENT: [u8; 3] = [0xf8, 0xff, 0xfe];
/// Like discontinuous transmission: the receiver conceals the pauses, and sees that the way is open.
const EVERY: Duration = Duration::from_millis(200);
const SAMPLES: u32 = 9_600;

#[derive(Debug)]
pub struct Silence(Interval);

impl Silence {
    pub fn new() -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(ticks)
    }
}

impl Default for Silence {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Bus for Silence {
    async fn next(&mut self) -> Option<Frame> {
        self.0.tick().await;
        Some(Frame {
            data: Bytes::from_static(&SILENT),
            advance: SAMPLES,
            marker: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_sparse_and_its_clock_keeps_time() {
        let start = tokio::time::Instant::now();
        let mut bus = Silence::new();
        let mut samples = 0_u64;
        bus.next().await.unwrap();
        for _ in 0..50 {
            samples += u64::from(bus.next().await.unwrap().advance);
        }
        let elapsed = start.elapsed().as_secs_f64();
        assert!((elapsed - 10.0).abs() < 0.1, "{elapsed}");
        assert_eq!(samples, 480_000);
    }
}
