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
/// together, and none is taken.
pub fn pair_skew(flashes: &VecDeque<Stamp>, beeps: &VecDeque<Beep>) -> SkewReport {
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
        let mut near = beeps
            .range(from..)
            .take_while(|b| b.stamp.epoch == flash.epoch)
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
