//! When a picture is due, so that it is seen with the sound that was captured with it.
//!
//! Sound sets the delay, because it must not have holes: it waits in its playout buffer. Pictures wait as long. The two
//! ways differ before the network too (a microphone's packet is sent when its 20 ms are over); by how much, sender
//! reports say, and until they do it is taken to be one Opus packet.

use std::time::Duration;

/// Without sender reports: an Opus packet is sent 20 ms after its first sample was captured, a picture at once.
const PACKETISATION_MS: f64 = 20.0;
/// Pictures are never held longer than this for the sake of sync.
const DELAY_MAX_MS: f64 = 300.0;
/// What sender reports may claim; the rest is a broken clock.
const OFFSET_MAX_MS: f64 = 500.0;
/// The delay follows the sound's in steps of this share: single late packets do not shake the picture.
const FOLLOW: f64 = 0.05;
/// A picture without sound to wait for is due at once, but this much after its even time, so that jitter does not show.
const ALONE_MS: f64 = 20.0;

/// The sync of one source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sync {
    sound_ms: Option<f64>,
    offset_ms: Option<f64>,
}

impl Sync {
    /// Sound sent at some time is heard `delay` later.
    pub fn sound(&mut self, delay: Duration) {
        let delay = delay.as_secs_f64() * 1000.0;
        let followed = self
            .sound_ms
            .map_or(delay, |known| known + (delay - known) * FOLLOW);
        self.sound_ms = Some(followed);
    }

    /// By sender reports, sound is sent `offset_ms` after the picture that was captured with it.
    pub fn measured(&mut self, offset_ms: f64) {
        if offset_ms.abs() <= OFFSET_MAX_MS {
            self.offset_ms = Some(offset_ms);
        }
    }

    /// When a picture that was sent at `sent` and decoded at `decoded` is due.
    #[must_use]
    pub fn due(self, sent: Duration, decoded: Duration) -> Duration {
        let delay = match self.sound_ms {
            Some(sound) => sound + self.offset_ms.unwrap_or(PACKETISATION_MS),
            None => ALONE_MS,
        };
        let due = sent + Duration::from_secs_f64(delay.clamp(0.0, DELAY_MAX_MS) / 1000.0);
        // A clock that runs away from its sender's must not hide the picture.
        due.min(decoded + Duration::from_secs_f64(DELAY_MAX_MS / 1000.0))
    }
}

/// What pairs the RTP times of one medium with this machine's clock and the sender's.
#[derive(Debug, Clone, Copy, Default)]
pub struct RtpClock {
    rate: f64,
    /// RTP time and local time (s) of a packet.
    packet: Option<(u32, f64)>,
    /// RTP time and the sender's time (s) of its last report.
    report: Option<(u32, f64)>,
}

impl RtpClock {
    /// For a medium with `rate` ticks a second.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self {
            rate: f64::from(rate.max(1)),
            packet: None,
            report: None,
        }
    }

    /// A packet with RTP time `rtp` was sent at `local_s` of the local clock, jitter taken out.
    pub fn packet(&mut self, rtp: u32, local_s: f64) {
        self.packet = Some((rtp, local_s));
    }

    /// Reads a compound RTCP packet; `true` if it held a sender report.
    pub fn rtcp(&mut self, packet: &[u8]) -> bool {
        let found = sender_report(packet);
        if let Some(report) = found {
            self.report = Some(report);
        }
        found.is_some()
    }

    /// Local time minus the sender's time for the same instant of capture, in seconds.
    #[must_use]
    pub fn lead_s(&self) -> Option<f64> {
        let ((rtp, local), (reported, ntp)) = (self.packet?, self.report?);
        let ticks = rtp.wrapping_sub(reported).cast_signed();
        Some(local - (ntp + f64::from(ticks) / self.rate))
    }
}

/// RTP time and sender's time in seconds of the first sender report (RFC 3550 §6.4.1).
fn sender_report(mut packet: &[u8]) -> Option<(u32, f64)> {
    while packet.len() >= 4 {
        let length = (usize::from(u16::from_be_bytes([packet[2], packet[3]])) + 1) * 4;
        if packet[1] == 200 && length >= 28 && packet.len() >= 28 {
            let word = |at: usize| {
                u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
            };
            let ntp = f64::from(word(8)) + f64::from(word(12)) / 4_294_967_296.0;
            return Some((word(16), ntp));
        }
        packet = packet.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn report(ntp: f64, rtp: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        packet.extend((ntp as u32).to_be_bytes());
        packet.extend(((ntp.fract() * 4_294_967_296.0) as u32).to_be_bytes());
        packet.extend(rtp.to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    #[test]
    fn pictures_wait_as_long_as_their_sound_does() {
        let mut sync = Sync::default();
        sync.sound(ms(40));
        assert_eq!(sync.due(ms(1000), ms(1005)), ms(1060));
        sync.measured(-10.0);
        assert_eq!(sync.due(ms(1000), ms(1005)), ms(1030));
    }

    #[test]
    fn nonsense_does_not_hide_the_picture() {
        let mut sync = Sync::default();
        sync.sound(ms(40));
        sync.measured(60_000.0);
        assert_eq!(sync.due(ms(1000), ms(1005)), ms(1060));
        assert_eq!(sync.due(ms(90_000), ms(1005)), ms(1305));
    }

    #[test]
    fn sender_reports_tell_how_far_apart_the_two_ways_are() {
        // Captured together at sender's time 5000 s; the picture is sent (local) at 100.010 s, the sound at 100.032 s.
        let mut video = RtpClock::new(90_000);
        video.packet(900_000, 100.010);
        assert!(video.rtcp(&report(5000.5, 900_000 + 45_000)));
        let mut audio = RtpClock::new(48_000);
        audio.packet(u32::MAX - 99, 100.032);
        // The report comes 1 s later, past the wrap.
        assert!(audio.rtcp(&report(5001.0, (u32::MAX - 99).wrapping_add(48_000))));
        let offset = audio.lead_s().unwrap() - video.lead_s().unwrap();
        assert!((offset - 0.022).abs() < 1e-3, "{offset}");
    }

    #[test]
    fn reports_are_found_behind_others_and_damage_is_ignored() {
        let mut clock = RtpClock::new(90_000);
        let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 1];
        assert!(clock.rtcp(&[&receiver_report[..], &report(1.0, 1)].concat()));
        for damaged in [
            &[][..],
            &[0x80],
            &[0x80, 200, 0, 6, 1, 2, 3, 4],
            &[0x80, 201, 0xFF, 0xFF, 0, 0, 0, 0],
        ] {
            assert!(!RtpClock::new(90_000).rtcp(damaged));
        }
    }
}
