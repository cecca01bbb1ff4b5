use proptest::prelude::*;

use super::*;
use crate::Tone;

const BLOCK: usize = ms(10) * CHANNELS;
const PACKET: usize = ms(20) * CHANNELS;

/// A sender whose clock runs `drift` faster than the output's, each packet up to `jitter_ms` late.
struct Run {
    playout: Playout,
    tone: Tone,
    heard: Vec<f32>,
    fills: Vec<usize>,
}

impl Run {
    fn new() -> Self {
        Self {
            playout: Playout::new(),
            tone: Tone::new(440.0),
            heard: Vec::new(),
            fills: Vec::new(),
        }
    }

    /// Plays `seconds` of packets; `late_ms` says how late packet n comes, `None` that it is lost.
    fn play(mut self, seconds: usize, drift: f64, late_ms: impl Fn(usize) -> Option<f64>) -> Self {
        let mut due: Vec<(f64, Vec<f32>)> = Vec::new();
        for packet in 0..seconds * 50 {
            let mut samples = vec![0.0; PACKET];
            self.tone.fill(&mut samples, 0.5);
            if let Some(late) = late_ms(packet) {
                // Packets are in order here: one that is late keeps the next ones waiting.
                let at = packet as f64 * 20.0 / (1.0 + drift) + late;
                let at = due.last().map_or(at, |(last, _)| at.max(*last));
                due.push((at, samples));
            }
        }
        let mut due = due.into_iter().peekable();
        for block in 0..seconds * 100 {
            let now = block as f64 * 10.0;
            while let Some((_, samples)) = due.next_if(|(at, _)| *at <= now) {
                self.playout.push(&samples);
            }
            let mut out = [0.0; BLOCK];
            self.playout.pull(&mut out);
            self.heard.extend(out);
            self.fills.push(self.playout.fill());
        }
        self
    }

    /// The largest step between neighbouring frames: a click would stand out.
    fn largest_step(&self) -> f32 {
        self.heard
            .chunks_exact(2)
            .zip(self.heard.chunks_exact(2).skip(1))
            .map(|(a, b)| (a[0] - b[0]).abs())
            .fold(0.0, f32::max)
    }
}

/// A 440 Hz sine of amplitude 0.5 steps by at most 0.029; ramps of 5 ms add a little.
const NO_CLICK: f32 = 0.04;

#[test]
fn a_steady_source_passes_bit_for_bit_after_the_fade_in() {
    let run = Run::new().play(2, 0.0, |_| Some(0.0));
    let mut pure = vec![0.0; 96_000 * 2];
    Tone::new(440.0).fill(&mut pure, 0.5);
    let start = run.heard.iter().position(|sample| *sample != 0.0).unwrap() / 2 * 2;
    let tail = &run.heard[start + RAMP * 4..start + RAMP * 4 + 960];
    assert!(pure.windows(tail.len()).any(|window| window == tail));
    assert_eq!(run.playout.underruns(), 0);
}

#[test]
fn a_steady_source_waits_less_than_forty_milliseconds() {
    let run = Run::new().play(10, 0.0, |_| Some(0.0));
    assert!(
        run.fills.iter().skip(100).all(|fill| *fill < ms(40)),
        "{:?}",
        run.fills.last()
    );
}

#[test]
fn a_source_that_ends_fades_to_silence_and_one_that_returns_fades_in() {
    let run = Run::new().play(4, 0.0, |n| (!(50..100).contains(&n)).then_some(0.0));
    assert!(run.largest_step() < NO_CLICK, "{}", run.largest_step());
    let middle = &run.heard[96_000 + 9_600..96_000 + 48_000];
    assert!(middle.iter().all(|sample| *sample == 0.0));
    assert!(run.heard[96_000 * 3..].iter().any(|sample| *sample > 0.4));
}

#[test]
fn a_burst_after_a_stall_is_cut_back_to_low_latency() {
    // Half a second of packets comes at once.
    let run = Run::new().play(6, 0.0, |n| {
        Some(if (50..75).contains(&n) {
            (75 - n) as f64 * 20.0
        } else {
            0.0
        })
    });
    assert!(
        run.fills.iter().skip(450).all(|fill| *fill < ms(80)),
        "{:?}",
        run.fills.last()
    );
    assert!(run.largest_step() < NO_CLICK, "{}", run.largest_step());
}

#[test]
fn drifting_clocks_neither_run_dry_nor_pile_up() {
    // Sound cards stay within 100 ppm; ten times that is a bad one.
    for ppm in (-1000..=1000).step_by(125) {
        let run = Run::new().play(60, f64::from(ppm) / 1e6, |_| Some(0.0));
        let allowed = if ppm > -300 { 1 } else { 6 };
        assert!(
            run.playout.underruns() <= allowed,
            "{ppm} ppm: {}",
            run.playout.underruns()
        );
        assert!(run.fills.iter().all(|fill| *fill < ms(100)), "{ppm} ppm");
        assert!(
            run.largest_step() < NO_CLICK,
            "{ppm} ppm: {}",
            run.largest_step()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jitter_never_clicks_and_the_buffer_adapts(
        jitter in 0.0f64..60.0,
        seed in any::<u64>(),
    ) {
        let dice = |n: usize| (n as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let run = Run::new().play(30, 0.0, |n| {
            Some((dice(n) % 1000) as f64 / 1000.0 * jitter)
        });
        prop_assert!(run.largest_step() < NO_CLICK * 1.5, "{}", run.largest_step());
        prop_assert!(run.playout.underruns() < 12, "underruns {}", run.playout.underruns());
        prop_assert!(run.fills.iter().all(|fill| *fill < ms(250)));
        prop_assert!(run.heard.iter().all(|sample| sample.abs() < 0.7));
    }
}
