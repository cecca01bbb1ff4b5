//! Receive statistics of one track (RFC 3550 appendix A), after retransmission: a packet that was mended in time was
//! not lost. Pure: time comes in.

use std::time::Duration;

/// A jump further than this is a sender that started over, not loss.
const RESTART: i16 = 3_000;

#[derive(Debug, Clone, Default)]
pub struct Receive {
    clock_rate: f64,
    /// Sequence numbers without the wrap; starts at one wrap, so that early reordering cannot go below zero.
    highest: Option<u64>,
    expected_from: u64,
    received: u64,
    bytes: u64,
    frames: u64,
    last: Option<(Duration, u32)>,
    jitter: f64,
}

/// What arrived since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Interval {
    pub packets: u64,
    pub expected: u64,
    pub rate_kbps: f64,
    pub jitter_ms: f64,
    /// By marker bits; means frames for video only.
    pub fps: f64,
}

impl Receive {
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: f64::from(clock_rate.max(1)),
            ..Self::default()
        }
    }

    pub fn arrive(
        &mut self,
        at: Duration,
        sequence: u16,
        timestamp: u32,
        size: usize,
        marker: bool,
    ) {
        self.received += 1;
        self.bytes += u64::try_from(size).unwrap_or(0);
        self.frames += u64::from(marker);
        let Some(highest) = self.highest else {
            let start = 0x1_0000 + u64::from(sequence);
            self.highest = Some(start);
            self.expected_from = start;
            self.last = Some((at, timestamp));
            return;
        };
        let [low, high] =
            [highest & 0xff, (highest >> 8) & 0xff].map(|b| u8::try_from(b).unwrap_or(0));
        let ahead = sequence
            .wrapping_sub(u16::from_be_bytes([high, low]))
            .cast_signed();
        if !(-RESTART..=RESTART).contains(&ahead) {
            let start = highest + 0x1_0000 - (highest & 0xffff) + u64::from(sequence);
            self.highest = Some(start);
            // What was expected before the jump still counts as received or not.
            self.expected_from = start.saturating_sub(self.received.saturating_sub(1));
            self.last = Some((at, timestamp));
            return;
        }
        if ahead <= 0 {
            return;
        }
        self.highest = Some(highest + u64::from(ahead.unsigned_abs()));
        if let Some((last_at, last_timestamp)) = self.last {
            let arrival = at.saturating_sub(last_at).as_secs_f64() * self.clock_rate;
            let sent = f64::from(timestamp.wrapping_sub(last_timestamp).cast_signed());
            // RFC 3550 §6.4.1. A pause (DTX, a muted camera) is no jitter.
            if sent.abs() < self.clock_rate {
                self.jitter += ((arrival - sent).abs() - self.jitter) / 16.0;
            }
        }
        self.last = Some((at, timestamp));
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of one second")]
    pub fn take(&mut self, span: Duration) -> Interval {
        let expected = self.highest.map_or(0, |highest| {
            (highest + 1).saturating_sub(self.expected_from)
        });
        let seconds = span.as_secs_f64().max(0.001);
        let interval = Interval {
            packets: self.received,
            expected,
            rate_kbps: self.bytes as f64 * 8.0 / 1_000.0 / seconds,
            jitter_ms: self.jitter / self.clock_rate.max(1.0) * 1_000.0,
            fps: self.frames as f64 / seconds,
        };
        self.expected_from = self.highest.map_or(0, |highest| highest + 1);
        (self.received, self.bytes, self.frames) = (0, 0, 0);
        interval
    }
}

/// Share of expected packets that are missing, over several tracks.
#[allow(clippy::cast_precision_loss, reason = "counts of one second")]
pub fn loss(intervals: &[Interval]) -> f64 {
    let expected: u64 = intervals.iter().map(|i| i.expected).sum();
    // Late ones of the interval before must not hide losses of this one.
    let received: u64 = intervals.iter().map(|i| i.packets.min(i.expected)).sum();
    if expected == 0 {
        0.0
    } else {
        (expected - received) as f64 / expected as f64
    }
}

/// 0 (unusable) to 5 (excellent), by ITU-T G.107 in its simplified form (Cole & Rosenbluth):
///
/// `d = RTT/2 + 2·jitter + 20` ms, delay impairment `d/40` up to 160 ms and `(d − 120)/10` beyond, loss impairment 2.5 per
/// per cent, `R = 93.2 − both`; 5 from R 90, then one less for each 10. Nothing arriving is 0.
pub fn score(rtt_ms: f64, loss: f64, jitter_ms: f64, arriving: bool) -> u32 {
    if !arriving {
        return 0;
    }
    let delay = rtt_ms.max(0.0) / 2.0 + 2.0 * jitter_ms.max(0.0) + 20.0;
    let delay_impairment = if delay < 160.0 {
        delay / 40.0
    } else {
        (delay - 120.0) / 10.0
    };
    let r = 93.2 - delay_impairment - 250.0 * loss.clamp(0.0, 1.0);
    [90.0, 80.0, 70.0, 60.0, 50.0]
        .iter()
        .zip([5, 4, 3, 2, 1])
        .find(|(least, _)| r >= **least)
        .map_or(0, |(_, s)| s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn sequence_and_timestamp_wrap_without_loss_or_jitter() {
        let mut receive = Receive::new(48_000);
        for i in 0..100_u32 {
            let sequence = 65_530_u16.wrapping_add(u16::try_from(i).unwrap());
            let timestamp = (u32::MAX - 10).wrapping_add(i * 960);
            receive.arrive(ms(u64::from(i) * 20), sequence, timestamp, 100, false);
        }
        let interval = receive.take(ms(2_000));
        assert_eq!((interval.packets, interval.expected), (100, 100));
        assert!(interval.jitter_ms < 0.001, "{interval:?}");
        assert!((interval.rate_kbps - 40.0).abs() < 0.1);
    }

    #[test]
    fn missing_packets_are_loss_and_late_ones_are_not() {
        let mut receive = Receive::new(48_000);
        for sequence in [1_u16, 2, 4, 3, 6, 7, 8, 9, 10] {
            receive.arrive(
                ms(u64::from(sequence) * 20),
                sequence,
                u32::from(sequence) * 960,
                100,
                false,
            );
        }
        let interval = receive.take(ms(200));
        assert_eq!((interval.packets, interval.expected), (9, 10));
        assert!((loss(&[interval]) - 0.1).abs() < 1e-9);
        assert!(loss(&[receive.take(ms(1_000))]).abs() < 1e-9);
    }

    #[test]
    fn a_sender_that_starts_over_is_not_loss() {
        let mut receive = Receive::new(90_000);
        receive.arrive(ms(0), 10, 0, 100, true);
        receive.arrive(ms(33), 11, 3_000, 100, true);
        receive.arrive(ms(66), 40_000, 9_000_000, 100, true);
        receive.arrive(ms(99), 40_001, 9_003_000, 100, true);
        let interval = receive.take(ms(100));
        assert_eq!((interval.packets, interval.expected), (4, 4));
    }

    #[test]
    fn the_score_falls_with_delay_jitter_and_loss() {
        assert_eq!(score(30.0, 0.0, 2.0, true), 5);
        assert_eq!(score(150.0, 0.02, 5.0, true), 4);
        assert_eq!(score(100.0, 0.05, 30.0, true), 3);
        assert_eq!(score(100.0, 0.10, 10.0, true), 2);
        assert_eq!(score(900.0, 0.2, 50.0, true), 0);
        assert_eq!(score(0.0, 0.0, 0.0, false), 0);
        for step in 0..50 {
            let loss = f64::from(step) / 50.0;
            assert!(score(50.0, loss, 5.0, true) >= score(50.0, loss + 0.02, 5.0, true));
        }
    }
}
