//! Whatever happens, in whatever order: what goes out is one stream.

use std::sync::Arc;

use booth_stream::{BackupStart, Force, LoopSource, Nanos, Policy, SECOND, Verdict};
use proptest::prelude::*;

use crate::failover::{MS, slate};
use crate::sim::{Arrivals, Sim};
use crate::sources::{Loop, Pictures, Publisher, audio_config};

#[derive(Debug, Clone)]
enum Event {
    Publish {
        fps: u32,
        gop: u32,
        b: u32,
        jitter: Nanos,
        rate: Option<u32>,
        base: Nanos,
        jump: Nanos,
        stall: Nanos,
    },
    End,
    Force(Force),
    Delays {
        delay: Nanos,
        lost: Nanos,
        stable: Nanos,
    },
    Start(BackupStart),
    Backup(Option<(u32, u32, i64)>),
    Frozen(bool),
    Nothing,
}

fn events() -> impl Strategy<Value = Event> {
    let fps = || prop::sample::select(vec![15, 24, 25, 30, 50, 60]);
    let publish = (
        fps(),
        5..200_u32,
        0..4_u32,
        prop::sample::select(vec![0, 5 * MS, 80 * MS]),
        prop::sample::select(vec![None, Some(48_000), Some(44_100), Some(22_050)]),
        prop::sample::select(vec![
            0,
            16_777_000 * MS,
            (1 << 32) * MS - 4 * SECOND,
            1 << 50,
        ]),
        prop::sample::select(vec![0, 0, -SECOND, 3 * SECOND, 1 << 45]),
        prop::sample::select(vec![0, 0, 150 * MS, 2 * SECOND]),
    );
    prop_oneof![
        4 => publish.prop_map(|(fps, gop, b, jitter, rate, base, jump, stall)| {
            Event::Publish { fps, gop, b, jitter, rate, base, jump, stall }
        }),
        2 => Just(Event::End),
        1 => prop::sample::select(vec![Force::Auto, Force::Live, Force::Backup]).prop_map(Event::Force),
        1 => (0..1500_i64, 100..1000_i64, 0..3000_i64).prop_map(|(delay, lost, stable)| {
            Event::Delays { delay: delay * MS, lost: lost * MS, stable: stable * MS }
        }),
        1 => prop::sample::select(vec![BackupStart::Beginning, BackupStart::Resume, BackupStart::Running])
            .prop_map(Event::Start),
        1 => prop::option::of((fps(), 0..4_u32, 1..200_i64)).prop_map(Event::Backup),
        1 => any::<bool>().prop_map(Event::Frozen),
        1 => Just(Event::Nothing),
    ]
}

fn play(script: &[(Event, Nanos)], coarse: bool) {
    let mut policy = Policy {
        stable: SECOND,
        stable_max: 4 * SECOND,
        frozen: SECOND,
        ..Policy::default()
    };
    let slate = slate(30);
    let mut backup: Option<Arc<dyn LoopSource>> = None;
    let mut sim = Sim::with_loops(policy, None, slate.clone());
    let mut arrivals = Arrivals::new(std::iter::empty());
    let (mut source, mut hole, mut slowest, mut jitter_most, mut short) =
        (10, 0, SECOND / 30, 0, false);
    let mut least = policy.delay;
    for (event, wait) in script {
        match event.clone() {
            Event::Publish {
                fps,
                gop,
                b,
                jitter,
                rate,
                base,
                jump,
                stall,
            } => {
                source += 1;
                let mut publisher = Publisher::new(source, fps);
                publisher.pictures = Pictures {
                    fps,
                    gop,
                    b,
                    open: false,
                };
                (publisher.jitter, publisher.base) = (jitter, base);
                publisher.wrap = Some((1 << 32) * MS).filter(|wrap| base < *wrap);
                publisher.audio = rate.map(|rate| audio_config(rate, 2));
                publisher.jumps = vec![(3 * SECOND, jump)];
                publisher.stalls = vec![(5 * SECOND, stall)];
                sim.begin(source.into());
                arrivals = Arrivals::new(publisher.send(sim.now, 3600 * SECOND));
                slowest = slowest.max(SECOND / Nanos::from(fps));
                jitter_most = jitter_most.max(jitter);
            }
            Event::End => {
                sim.end();
                arrivals = Arrivals::new(std::iter::empty());
            }
            Event::Force(force) => policy.force = force,
            Event::Delays {
                delay,
                lost,
                stable,
            } => (policy.delay, policy.lost, policy.stable) = (delay, lost, stable),
            Event::Start(start) => policy.backup_start = start,
            Event::Backup(None) => backup = None,
            Event::Backup(Some((fps, b, count))) => {
                source += 1;
                let pictures = Pictures {
                    fps,
                    gop: fps,
                    b,
                    open: false,
                };
                // The oracle cannot tell passes apart that are shorter than a second.
                let count = count + i64::from(fps);
                backup = Some(Arc::new(Loop::new(
                    source,
                    source,
                    pictures,
                    count,
                    &audio_config(48_000, 2),
                )));
                slowest = slowest.max(SECOND / Nanos::from(fps));
            }
            Event::Frozen(frozen) => sim.playout.verdict(sim.now, Verdict::Frozen(frozen)),
            Event::Nothing => {}
        }
        sim.playout
            .set_loops(sim.now, backup.clone(), slate.clone());
        sim.set(policy);
        // A change of the delay takes its time, so what was set before still counts.
        least = least.min(policy.delay);
        short |= least < policy.lost + 5 * slowest;
        hole = hole.max(policy.lost - least).max(0);
        let until = sim.now + wait;
        while coarse && sim.now < until {
            sim.late(until.min(sim.now + 90 * MS), &mut arrivals);
        }
        sim.go(until, &mut arrivals);
        let figures = sim.playout.figures();
        assert!(
            figures.held <= 20 * SECOND && figures.held_bytes < 20 * 150 * 16,
            "{figures:?}"
        );
    }
    sim.end();
    sim.run(sim.now + 5 * SECOND);
    let (oracle, ms) = (&mut sim.oracle, |nanos: Nanos| nanos as f64 / 1e6);
    // At a jump of timestamps both tracks move by one offset, which fits one of them.
    // Without enough delay pictures that others were to be shown before are out when those turn out to be lost.
    oracle.is_one_line(if short { 4 * slowest } else { slowest } + 25 * MS);
    let silence = hole + 3 * slowest + jitter_most + if coarse { 90 * MS } else { 0 };
    assert!(
        oracle.silence <= silence,
        "no picture for {} ms until {}",
        ms(oracle.silence),
        ms(oracle.silence_at)
    );
}

/// `PROPTEST_CASES` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_script_of_events_makes_one_stream(script in prop::collection::vec((events(), 0..12_000_i64), 1..25)) {
        let script: Vec<_> = script.into_iter().map(|(event, wait)| (event, wait * MS)).collect();
        play(&script, false);
    }

    #[test]
    fn a_worker_that_is_late_makes_one_stream_all_the_same(
        script in prop::collection::vec((events(), 0..12_000_i64), 1..15)
    ) {
        let script: Vec<_> = script.into_iter().map(|(event, wait)| (event, wait * MS)).collect();
        play(&script, true);
    }
}
