//! Timestamps of 32 bits that wrap, jump and fall, made into time that only goes on.

use booth_stream::Track;

/// Further ahead than this is a jump of the encoder's clock and not a gap.
const AHEAD_MAX: i64 = 10_000;
/// Further back than this is a jump; less is an encoder's carelessness.
const BACK_MAX: i64 = 1_000;
/// Between two units, until it is known.
const STEP_FIRST: i64 = 20;
const STEP_MAX: i64 = 100;

#[derive(Debug, Default)]
struct OneTrack {
    /// Added to what the encoder says.
    shift: i64,
    last: Option<i64>,
    step: Option<i64>,
}

/// In milliseconds. Both tracks share a clock, and are shifted alike when it jumps.
#[derive(Debug, Default)]
pub(super) struct Times {
    raw: Option<(u32, i64)>,
    video: OneTrack,
    audio: OneTrack,
}

impl Times {
    /// When a unit is decoded; never falls within a track.
    pub(super) fn next(&mut self, track: Track, timestamp: u32) -> i64 {
        let raw = match self.raw {
            None => i64::from(timestamp),
            Some((last, raw)) => raw + i64::from(difference(timestamp, last)),
        };
        self.raw = Some((timestamp, raw));
        let (this, other) = match track {
            Track::Video => (&mut self.video, &self.audio),
            Track::Audio => (&mut self.audio, &self.video),
        };
        let fits = |shift: i64, last: i64| (-BACK_MAX..=AHEAD_MAX).contains(&(raw + shift - last));
        let Some(last) = this.last else {
            // A track that begins late belongs to what the other one was shifted by.
            this.shift = other.shift;
            let time = raw + this.shift;
            this.last = Some(time);
            return time;
        };
        if !fits(this.shift, last) {
            this.shift = if other.last.is_some() && fits(other.shift, last) {
                other.shift
            } else {
                last + this.step.unwrap_or(STEP_FIRST) - raw
            };
        }
        let time = (raw + this.shift).max(last);
        if (1..=STEP_MAX).contains(&(time - last)) {
            this.step = Some(time - last);
        }
        this.last = Some(time);
        time
    }
}

/// How far apart two timestamps are, the short way round.
#[allow(clippy::cast_possible_wrap)]
fn difference(to: u32, from: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn video(times: &mut Times, timestamps: &[u32]) -> Vec<i64> {
        timestamps
            .iter()
            .map(|t| times.next(Track::Video, *t))
            .collect()
    }

    #[test]
    fn time_goes_on_past_24_and_32_bits() {
        for begin in [16_777_000u32, u32::MAX - 100] {
            let mut times = Times::default();
            let timestamps: Vec<u32> = (0..20).map(|i| begin.wrapping_add(i * 33)).collect();
            let got = video(&mut times, &timestamps);
            let wanted: Vec<i64> = (0..20).map(|i| i64::from(begin) + i * 33).collect();
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_clock_that_jumps_shifts_both_tracks_alike() {
        for jump in [-3_000_000i64, 90_000] {
            let mut times = Times::default();
            let mut pairs = Vec::new();
            for i in 0..40i64 {
                let raw = 5_000_000 + i * 33 + if i >= 20 { jump } else { 0 };
                let stamp = u32::try_from(raw).unwrap();
                let v = times.next(Track::Video, stamp);
                // Sound of before the jump still comes behind the first picture after it.
                let sound = if i == 20 { 5_000_000 + i * 33 } else { raw };
                let a = times.next(Track::Audio, u32::try_from(sound).unwrap());
                pairs.push((v, a));
            }
            for (v, a) in &pairs {
                assert!((v - a).abs() <= 40, "{jump}: {v} {a}");
            }
            for two in pairs.windows(2) {
                assert!((0..=66).contains(&(two[1].0 - two[0].0)), "{jump}: {two:?}");
            }
        }
    }

    #[test]
    fn small_steps_back_are_held() {
        let mut times = Times::default();
        assert_eq!(
            video(&mut times, &[1000, 1033, 1010, 1066]),
            [1000, 1033, 1033, 1066]
        );
    }

    proptest! {
        #[test]
        fn no_track_ever_goes_back(stamps in prop::collection::vec((any::<bool>(), any::<u32>()), 1..100)) {
            let mut times = Times::default();
            let mut last = [i64::MIN; 2];
            for (video, stamp) in stamps {
                let track = if video { Track::Video } else { Track::Audio };
                let time = times.next(track, stamp);
                prop_assert!(time >= last[usize::from(video)]);
                last[usize::from(video)] = time;
            }
        }
    }
}
