//! The live input's times. Stamps that jump or begin anew are brought to one line; how far the line is behind our clock
//! follows the smallest delay seen lately, so that a sender whose clock runs off neither drains nor fills what waits.
//! Pure.

use std::collections::VecDeque;

use booth_stream::{AccessUnit, MILLISECOND, Nanos, SECOND, Track};

/// A step of stamps that differs from the time that passed by more than this is a jump.
const JUMP: Nanos = SECOND;
/// One that goes back by more than this is one too; less is rounding, or pictures out of order.
const JUMP_BACK: Nanos = 100 * MILLISECOND;
/// Both tracks of one source are stamped within this of each other.
const TRACKS_APART: Nanos = 5 * SECOND;
/// The smallest delay is looked for over this long.
const WINDOW: Nanos = 10 * SECOND;
/// How fast the line may follow it: a thousandth, which is neither seen nor heard.
const FOLLOW: Nanos = 1_000;

#[derive(Debug, Clone, Copy, Default)]
struct TrackClock {
    /// Stamps to the line.
    rebase: Nanos,
    /// Last DTS as stamped and on the line, and when it came.
    last: Option<(Nanos, Nanos, Nanos)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Timeline {
    clocks: [TrackClock; 2],
    begun: bool,
    /// Arrival minus DTS of pictures, smallest first, with their arrival.
    smallest: VecDeque<(Nanos, Nanos)>,
    offset: Option<(Nanos, Nanos)>,
}

impl Timeline {
    /// Where a unit that came at `now` is on the line: DTS and PTS. The first is at 0.
    pub fn place(&mut self, now: Nanos, unit: &AccessUnit) -> (Nanos, Nanos) {
        let track = usize::from(unit.track == Track::Audio);
        let rebase = self.rebase(now, track, unit.dts);
        let dts = unit.dts + rebase;
        // Less than a jump back is squeezed: the line never falls within a track.
        let dts = self.clocks[track]
            .last
            .map_or(dts, |(_, last, _)| dts.max(last + 1));
        self.clocks[track] = TrackClock {
            rebase,
            last: Some((unit.dts, dts, now)),
        };
        if unit.track == Track::Video || self.offset.is_none() {
            self.observe(now, dts);
        }
        (dts, dts + (unit.pts - unit.dts).clamp(0, SECOND))
    }

    /// The line's time is due at this plus the delay, on our clock.
    pub fn offset(&self) -> Nanos {
        self.offset.map_or(0, |(offset, _)| offset)
    }

    fn rebase(&mut self, now: Nanos, track: usize, stamp: Nanos) -> Nanos {
        let own = self.clocks[track];
        let other = self.clocks[1 - track];
        if !self.begun {
            self.begun = true;
            return -stamp;
        }
        // As the other track is, if it has got to about the same stamps.
        let joined = other
            .last
            .filter(|(last, _, _)| (stamp - last).abs() < TRACKS_APART)
            .map(|_| other.rebase);
        let Some((last_stamp, last, came)) = own.last else {
            return joined.unwrap_or_else(|| {
                let line = other.last.map_or(0, |(_, last, came)| last + (now - came));
                line - stamp
            });
        };
        let (step, passed) = (stamp - last_stamp, now - came);
        if step >= -JUMP_BACK && step - passed < JUMP && passed - step < TRACKS_APART {
            return own.rebase;
        }
        joined
            .filter(|rebase| *rebase != own.rebase)
            .unwrap_or(last + passed.max(MILLISECOND) - stamp)
    }

    fn observe(&mut self, now: Nanos, dts: Nanos) {
        let seen = now - dts;
        while self
            .smallest
            .back()
            .is_some_and(|(smallest, _)| *smallest >= seen)
        {
            self.smallest.pop_back();
        }
        self.smallest.push_back((seen, now));
        while self
            .smallest
            .front()
            .is_some_and(|(_, at)| now - at > WINDOW)
        {
            self.smallest.pop_front();
        }
        let target = self
            .smallest
            .front()
            .map_or(seen, |(smallest, _)| *smallest);
        self.offset = Some(match self.offset {
            None => (target, now),
            // A jump, or a source that begins slowly: at once.
            Some((offset, _)) if (target - offset).abs() > SECOND / 2 => (target, now),
            Some((offset, at)) => {
                let most = (now - at).max(0) / FOLLOW;
                (offset + (target - offset).clamp(-most, most), now)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn unit(track: Track, dts: Nanos) -> AccessUnit {
        AccessUnit {
            track,
            dts,
            pts: dts,
            key: true,
            data: Bytes::new(),
        }
    }

    /// Feeds pictures at 25 a second with stamps by `stamp`, and gives their places.
    fn placed(count: i64, stamp: impl Fn(i64) -> Nanos) -> Vec<Nanos> {
        let mut line = Timeline::default();
        (0..count)
            .map(|n| {
                line.place(n * 40 * MILLISECOND, &unit(Track::Video, stamp(n)))
                    .0
            })
            .collect()
    }

    #[track_caller]
    fn assert_even(places: &[Nanos]) {
        for pair in places.windows(2) {
            let step = (pair[1] - pair[0]) / MILLISECOND;
            assert!((35..=45).contains(&step), "a step of {step} ms");
        }
    }

    #[test]
    fn any_beginning_is_zero_and_steps_are_kept() {
        assert_even(&placed(50, |n| 77 * SECOND + n * 40 * MILLISECOND));
        assert_eq!(placed(1, |_| 77 * SECOND), [0]);
    }

    #[test]
    fn jumps_in_both_directions_and_wraps_leave_the_line_even() {
        for jump in [
            3600 * SECOND,
            -3600 * SECOND,
            2 * SECOND,
            -2 * SECOND,
            -(1 << 32) * MILLISECOND,
        ] {
            assert_even(&placed(50, |n| {
                5000 * SECOND + n * 40 * MILLISECOND + if n >= 25 { jump } else { 0 }
            }));
        }
    }

    #[test]
    fn sound_jumps_with_the_picture_it_belongs_to() {
        let mut line = Timeline::default();
        let (mut video, mut audio) = (Vec::new(), Vec::new());
        for n in 0..100 {
            let now = n * 20 * MILLISECOND;
            let stamp = now + if n >= 50 { 500 * SECOND } else { 10 * SECOND };
            if n % 2 == 0 {
                video.push((stamp, line.place(now, &unit(Track::Video, stamp)).0));
            }
            audio.push((
                stamp + 5 * MILLISECOND,
                line.place(now, &unit(Track::Audio, stamp + 5 * MILLISECOND))
                    .0,
            ));
        }
        let lead =
            |pairs: &[(Nanos, Nanos)]| pairs.last().map(|(stamp, line)| line - stamp).unwrap();
        assert!((lead(&video) - lead(&audio)).abs() < MILLISECOND);
    }

    #[test]
    fn a_clock_that_runs_off_is_followed() {
        // Half a thousandth too fast for an hour: 1.8 s.
        let mut line = Timeline::default();
        for n in 0..90_000 {
            let now = n * 40 * MILLISECOND;
            let stamp = now + now / 2000;
            line.place(now, &unit(Track::Video, stamp));
        }
        let now = 90_000 * 40 * MILLISECOND;
        let late = now - (now + now / 2000 + line.offset());
        assert!(late.abs() < 50 * MILLISECOND, "{} ms", late / MILLISECOND);
    }
}
