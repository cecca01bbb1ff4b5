//! Flash against beep.

use std::collections::VecDeque;

use crate::{
    report::{Beep, SkewReport},
    timeline::Stamp,
    ts::ticks_to_ms,
};

/// A beep belongs to a flash when it is within half a second of it: flashes come every two.
const REACH_MS: f64 = 500.0;

/// Pairs each flash with its beep. Where two are near each other (the counter's wrap) it cannot be told which belong
/// together, and none is taken. A cut between sources leaves a flash without its beep beside a beep without its flash:
/// those of two callers, by `shown` and the beep's tone, are no pair.
pub fn pair_skew(
    flashes: &VecDeque<Stamp>,
    beeps: &VecDeque<Beep>,
    shown: impl Fn(&Stamp) -> Option<u8>,
) -> SkewReport {
    let mut skews: Vec<f64> = Vec::new();
    for (index, flash) in flashes.iter().enumerate() {
        let crowded = |other: Option<&Stamp>| {
            other.is_some_and(|o| {
                o.epoch == flash.epoch && ticks_to_ms((o.pts - flash.pts).abs()) < REACH_MS
            })
        };
        if crowded(index.checked_sub(1).and_then(|i| flashes.get(i)))
            || crowded(flashes.get(index + 1))
        {
            continue;
        }
        // Both lists are in order of connection and time.
        let from = beeps.partition_point(|b| {
            b.stamp.epoch < flash.epoch
                || b.stamp.epoch == flash.epoch && ticks_to_ms(b.stamp.pts - flash.pts) <= -REACH_MS
        });
        let caller = shown(flash);
        let mut near = beeps
            .range(from..)
            .take_while(|b| b.stamp.epoch == flash.epoch)
            .filter(|b| caller.is_none() || b.id.is_none() || b.id == caller)
            .map(|b| ticks_to_ms(b.stamp.pts - flash.pts))
            .take_while(|&ms| ms < REACH_MS);
        if let (Some(skew), None) = (near.next(), near.next()) {
            skews.push(skew);
        }
    }
    let last_ms = skews.last().copied();
    skews.sort_by(f64::total_cmp);
    SkewReport {
        pairs: skews.len() as u64,
        last_ms,
        median_ms: skews.get(skews.len() / 2).copied(),
        min_ms: skews.first().copied(),
        max_ms: skews.last().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Stamp {
        Stamp {
            pts: ms * 90,
            epoch: 1,
            ..Stamp::default()
        }
    }

    fn beep(ms: i64, id: u8) -> Beep {
        Beep {
            stamp: at(ms),
            duration_ms: 100.0,
            level_dbfs: -6.0,
            id: Some(id),
        }
    }

    #[test]
    fn a_flash_before_a_cut_is_not_paired_with_the_beep_after_it() {
        let flashes = VecDeque::from([at(0), at(2_000), at(4_155)]);
        // The second flash's own beep was cut off by the other caller, who had just flashed.
        let beeps = VecDeque::from([beep(2, 1), beep(2_155, 2), beep(4_157, 2)]);
        let by_time = |flash: &Stamp| Some(if flash.pts < 2_100 * 90 { 1 } else { 2 });
        let skew = pair_skew(&flashes, &beeps, by_time);
        assert_eq!((skew.pairs, skew.max_ms), (2, Some(2.0)));
        // Of pictures that tell no caller nothing is known.
        assert_eq!(pair_skew(&flashes, &beeps, |_| None).pairs, 3);
    }
}
