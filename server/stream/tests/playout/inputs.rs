//! What encoders and networks do to timestamps, tracks and configs.

use std::sync::Arc;

use booth_stream::{
    Cause, Force, LiveState, MediaEvent, Nanos, Playout, Policy, SECOND, Showing, Track,
    VideoCodec, VideoConfig,
};

use crate::failover::{MS, backup, frame, live_for, sim, slate};
use crate::sim::{Arrivals, Sim};
use crate::sources::{Publisher, audio_config, video_config};

const WRAP_32: Nanos = (1 << 32) * MS;

/// An encoder whose clock is off, around the clock: one hour in the ordinary test, a day in the soak.
fn drifts(ppm: i64, hours: Nanos) {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.drift_ppm = ppm;
    publisher.jitter = 30 * MS;
    sim.begin(1);
    let mut arrivals = Arrivals::new(publisher.send(0, (hours + 1) * 3600 * SECOND));
    let mut most = 0;
    for minute in 1..=hours * 60 {
        sim.go(minute * 60 * SECOND, &mut arrivals);
        let figures = sim.playout.figures();
        most = most.max(figures.held_bytes);
        assert!(
            (400 * MS..=800 * MS).contains(&figures.held),
            "{} ms held after {minute} min",
            figures.held / MS
        );
    }
    assert_eq!(sim.playout.figures().late, 0);
    assert_eq!(sim.playout.figures().dropped, 0);
    // Two kinds of units for 0.8 s, of 16 bytes.
    assert!(most < 80 * 16, "{most} bytes");
    assert_eq!(sim.oracle.switches.len(), 2);
    sim.oracle.is_hitless(frame(30) + 15 * MS);
}

#[test]
fn a_day_of_an_encoder_that_is_200_ppm_fast_fills_nothing() {
    drifts(200, 24);
}

#[test]
fn a_day_of_an_encoder_that_is_200_ppm_slow_drains_nothing() {
    drifts(-200, 24);
}

#[test]
fn a_wrap_of_timestamps_is_not_seen() {
    for (base, wrap) in [
        (WRAP_32 - 12 * SECOND, WRAP_32),
        ((1 << 31) * MS - 12 * SECOND, (1 << 31) * MS),
        (
            (1 << 33) * 100_000 / 9 - 12 * SECOND,
            (1 << 33) * 100_000 / 9,
        ),
        (16_777_000 * MS, 1 << 60),
    ] {
        let mut sim = sim();
        let mut publisher = Publisher::new(10, 30);
        (publisher.base, publisher.wrap) = (base, Some(wrap));
        publisher.pictures.b = 2;
        live_for(&mut sim, &publisher, 20);
        sim.shows(Showing::Live);
        sim.end();
        sim.run(sim.now + SECOND);
        assert_eq!(sim.playout.figures().dropped, 0);
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn pictures_that_are_missing_at_a_wrap_do_not_touch_the_sound() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    (publisher.base, publisher.wrap) = (WRAP_32 - 12 * SECOND, Some(WRAP_32));
    sim.run(SECOND);
    sim.begin(1);
    // The encoder leaves out 200 ms of pictures.
    let missing = 12_900 * MS..13_100 * MS;
    let there = move |(at, event): &(Nanos, MediaEvent)| {
        !missing.contains(at)
            || !matches!(event, MediaEvent::Unit(unit) if unit.track == Track::Video)
    };
    sim.feed(
        20 * SECOND,
        publisher.send(SECOND, 19 * SECOND).filter(there),
    );
    sim.shows(Showing::Live);
    assert_eq!((sim.playout.figures().dropped, sim.oracle.silent), (0, 0));
    assert!(
        (200 * MS..=240 * MS).contains(&sim.oracle.pts_step),
        "{} ms",
        sim.oracle.pts_step / MS
    );
    sim.oracle.is_in_step();
}

#[test]
fn a_frame_rate_that_is_claimed_wrongly_is_not_believed() {
    for claimed in [60, 15, 0] {
        let mut sim = sim();
        let config = VideoConfig {
            fps_milli: claimed * 1000,
            ..VideoConfig::clone(&video_config(10, 30))
        };
        let config = Arc::new(config);
        sim.run(SECOND);
        sim.begin(1);
        let arrivals = Publisher::new(10, 30)
            .send(SECOND, 10 * SECOND)
            .map(move |(at, event)| match event {
                MediaEvent::Video(_) => (at, MediaEvent::Video(Arc::clone(&config))),
                event => (at, event),
            });
        sim.feed(11 * SECOND, arrivals);
        sim.shows(Showing::Live);
        sim.run(15 * SECOND);
        sim.shows(Showing::Backup);
        sim.oracle.is_hitless(frame(30));
        assert!(sim.oracle.pts_step_min.unwrap() >= frame(30) - 2 * MS);
    }
}

#[test]
fn timestamps_that_jump_are_brought_back_to_one_line() {
    for b in [0, 2] {
        for by in [
            -3600 * SECOND,
            -15 * SECOND,
            -SECOND / 2,
            5 * SECOND / 2,
            3600 * SECOND,
            1 << 50,
        ] {
            let mut sim = sim();
            let mut publisher = Publisher::new(10, 30);
            publisher.pictures.b = b;
            publisher.base = 50_000 * SECOND;
            // There, back and there again.
            publisher.jumps = vec![
                (12 * SECOND, by),
                (15 * SECOND, -by),
                (18 * SECOND + 13 * MS, by),
            ];
            live_for(&mut sim, &publisher, 22);
            sim.shows(Showing::Live);
            sim.end();
            sim.run(sim.now + SECOND);
            assert_eq!(sim.oracle.switches.len(), 3, "a jump of {by} is no loss");
            sim.oracle.is_hitless(frame(30) + 5 * MS);
        }
    }
}

#[test]
fn audio_alone_is_no_live_input() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.video = false;
    live_for(&mut sim, &publisher, 60);
    assert_eq!(
        sim.playout.live_state(),
        LiveState::Lost {
            cause: Cause::LiveUnusable
        }
    );
    assert_eq!(sim.oracle.switches.len(), 1);
    assert!(sim.playout.figures().held_bytes < 16 * 50 * 15, "bounded");
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn video_alone_goes_out_with_silence() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.audio = None;
    live_for(&mut sim, &publisher, 30);
    sim.shows(Showing::Live);
    sim.end();
    sim.run(sim.now + 2 * SECOND);
    let silent = sim.oracle.silent as i64;
    let live = sim.oracle.switches[2].at - sim.oracle.switches[1].at;
    let expected = live / audio_config(48_000, 2).frame();
    assert!(
        (silent - expected).abs() <= 2,
        "{silent} silent frames instead of {expected}"
    );
    assert_eq!(sim.playout.figures().silent, sim.oracle.silent);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn audio_that_stops_for_a_while_is_filled_and_taken_up_in_step() {
    let mut sim = sim();
    let publisher = Publisher::new(10, 30);
    let start = SECOND;
    sim.run(start);
    sim.begin(1);
    let away = 12 * SECOND..15 * SECOND;
    let arrivals = publisher.send(start, 25 * SECOND).filter(move |(at, event)| {
        !matches!(event, MediaEvent::Unit(unit) if unit.track == Track::Audio && away.contains(at))
    });
    sim.feed(26 * SECOND, arrivals);
    sim.shows(Showing::Live);
    let frames = 3 * SECOND / audio_config(48_000, 2).frame();
    assert!(
        (sim.oracle.silent as i64 - frames).abs() <= 2,
        "{} silent frames",
        sim.oracle.silent
    );
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn audio_of_another_rate_is_told_and_stays_in_step() {
    for (rate, channels) in [(44_100, 2), (48_000, 1), (32_000, 2)] {
        let mut sim = sim();
        let mut publisher = Publisher::new(10, 30);
        publisher.audio = Some(audio_config(rate, channels));
        for _ in 0..2 {
            live_for(&mut sim, &publisher, 15);
            sim.shows(Showing::Live);
            sim.end();
            sim.run(sim.now + 70 * SECOND);
        }
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn audio_that_comes_late_is_in_step_all_the_same() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.audio_late = 400 * MS;
    live_for(&mut sim, &publisher, 20);
    sim.shows(Showing::Live);
    sim.run(sim.now + 5 * SECOND);
    sim.shows(Showing::Backup);
    sim.oracle.is_hitless(frame(30));
    assert!(
        sim.oracle.silent <= 20,
        "{} silent frames",
        sim.oracle.silent
    );
}

#[test]
fn another_resolution_begins_at_its_key_frame_behind_its_config() {
    let mut sim = sim();
    let first = Publisher::new(10, 30);
    let mut second = Publisher::new(11, 30);
    second.base = 14 * SECOND;
    live_for(&mut sim, &first, 14);
    let configs = sim.oracle.configs;
    // The same publisher goes on with other parameter sets.
    sim.feed(29 * SECOND, second.send(sim.now, 14 * SECOND));
    sim.shows(Showing::Live);
    assert_eq!(sim.oracle.switches.len(), 2);
    assert_eq!(sim.oracle.configs, configs + 1);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_gop_of_a_minute_is_waited_for_and_then_taken() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.pictures.gop = 30 * 60;
    live_for(&mut sim, &publisher, 70);
    sim.shows(Showing::Live);
    let back = sim.oracle.last_switch().at;
    assert!(
        (61 * SECOND..62 * SECOND).contains(&back),
        "the second key frame is at 61 s, taken at {back}"
    );
    assert!(sim.playout.figures().held_bytes < 100 * 16);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_stall_shorter_than_the_limit_and_the_burst_after_it_are_not_seen() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.stalls = vec![(12 * SECOND, 250 * MS), (14 * SECOND, 290 * MS - 33 * MS)];
    live_for(&mut sim, &publisher, 20);
    assert_eq!(sim.oracle.switches.len(), 2);
    assert_eq!(sim.playout.figures().late, 0);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_backlog_after_a_long_stall_is_dropped_and_live_comes_back() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.stalls = vec![(12 * SECOND, 4 * SECOND)];
    live_for(&mut sim, &publisher, 40);
    assert_eq!(
        sim.oracle.showings()[1..],
        [
            (Showing::Live, Cause::LiveStable),
            (Showing::Backup, Cause::LiveStalled),
            (Showing::Live, Cause::LiveStable)
        ]
    );
    // Held as before: nothing of the backlog.
    assert!(
        sim.playout.figures().held < 700 * MS,
        "{} ms",
        sim.playout.figures().held / MS
    );
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_publisher_that_stays_behind_after_a_stall_comes_back_in_the_stable_time() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    // From 13 s on everything comes 3 s later: its backlog is never made up for.
    let later = |(at, event)| {
        (
            if at > 13 * SECOND {
                at + 3 * SECOND
            } else {
                at
            },
            event,
        )
    };
    let mut arrivals = Arrivals::new(Publisher::new(10, 30).send(SECOND, 60 * SECOND).map(later));
    sim.go(16 * SECOND, &mut arrivals);
    sim.shows(Showing::Backup);
    // Twice 5 s, for it was lost soon after it was taken, and up to a GOP.
    sim.go(16 * SECOND + 12_700 * MS, &mut arrivals);
    sim.shows(Showing::Live);
    // With what is held as before.
    let held = sim.playout.figures().held;
    assert!((560 * MS..=700 * MS).contains(&held), "{} ms", held / MS);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_source_that_sends_too_fast_is_cut_without_a_hole() {
    let mut sim = sim();
    let mut publisher = Publisher::new(10, 30);
    publisher.speed = 2;
    sim.run(SECOND);
    sim.begin(1);
    sim.feed(41 * SECOND, publisher.send(SECOND, 80 * SECOND));
    sim.shows(Showing::Live);
    let figures = sim.playout.figures();
    assert!(figures.dropped > 500, "{figures:?}");
    assert!(
        figures.held <= 600 * MS + 6 * SECOND,
        "{} ms",
        figures.held / MS
    );
    assert_eq!(sim.oracle.switches.len(), 2);
    assert!(
        sim.oracle.pts_step <= frame(30) + 2 * MS,
        "{} ms",
        sim.oracle.pts_step / MS
    );
    assert!(
        sim.oracle.silence <= 2 * frame(30) + 2 * MS,
        "{} ms",
        sim.oracle.silence / MS
    );
    sim.oracle.is_in_step();
}

#[test]
fn a_cached_gop_at_the_start_does_not_stay_as_latency() {
    let mut sim = sim();
    sim.set(Policy {
        force: Force::Live,
        ..Policy::default()
    });
    sim.run(SECOND);
    sim.begin(1);
    // The first 2 s come at once.
    let publisher = Publisher::new(10, 30);
    let arrivals = publisher
        .send(SECOND - 2 * SECOND, 600 * SECOND)
        .map(|(at, event)| (at.max(SECOND), event));
    let mut arrivals = Arrivals::new(arrivals);
    sim.go(5 * SECOND, &mut arrivals);
    sim.shows(Showing::Live);
    sim.go(590 * SECOND, &mut arrivals);
    assert!(
        sim.playout.figures().held <= 650 * MS,
        "{} ms",
        sim.playout.figures().held / MS
    );
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_long_backlog_is_cut_to_the_delay_and_not_below() {
    let mut sim = sim();
    sim.set(Policy {
        force: Force::Live,
        ..Policy::default()
    });
    sim.run(SECOND);
    sim.begin(1);
    // 8 s come at once.
    let arrivals = Publisher::new(10, 30).send(-7 * SECOND, 60 * SECOND);
    let mut arrivals = Arrivals::new(arrivals.map(|(at, event)| (at.max(SECOND), event)));
    for second in 2..20 {
        sim.go(second * SECOND, &mut arrivals);
        let held = sim.playout.figures().held;
        assert!(
            (570 * MS..=600 * MS + 3 * SECOND).contains(&held),
            "{} ms",
            held / MS
        );
    }
    sim.shows(Showing::Live);
    assert!(sim.playout.figures().dropped > 100);
    sim.oracle.is_one_line(frame(30));
}

#[test]
fn a_route_that_becomes_slower_is_followed() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    let publisher = Publisher::new(10, 30);
    // From 20 s on everything comes 250 ms later.
    let later = |(at, event)| (if at > 20 * SECOND { at + 250 * MS } else { at }, event);
    let mut arrivals = Arrivals::new(publisher.send(SECOND, 300 * SECOND).map(later));
    sim.go(200 * SECOND, &mut arrivals);
    assert_eq!(sim.oracle.switches.len(), 2);
    let held = sim.playout.figures().held;
    assert!((500 * MS..=700 * MS).contains(&held), "{} ms", held / MS);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn the_delay_can_change_on_air() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    let mut arrivals = Arrivals::new(Publisher::new(10, 30).send(SECOND, 1000 * SECOND));
    sim.go(20 * SECOND, &mut arrivals);
    for delay in [1500 * MS, 400 * MS] {
        sim.set(Policy {
            delay,
            ..Policy::default()
        });
        sim.go(sim.now + 300 * SECOND, &mut arrivals);
        let held = sim.playout.figures().held;
        assert!((held - delay).abs() <= 100 * MS, "{} ms", held / MS);
    }
    assert_eq!(sim.oracle.switches.len(), 2);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn pictures_without_parameter_sets_are_unusable_until_they_come() {
    let mut sim = sim();
    sim.run(SECOND);
    sim.begin(1);
    let publisher = Publisher::new(10, 30);
    let no_config = |(at, event): &(Nanos, MediaEvent)| {
        *at > 10 * SECOND || !matches!(event, MediaEvent::Video(_))
    };
    let mut arrivals = Arrivals::new(publisher.send(SECOND, 40 * SECOND).filter(no_config));
    sim.go(9 * SECOND, &mut arrivals);
    assert_eq!(
        sim.playout.live_state(),
        LiveState::Lost {
            cause: Cause::LiveUnusable
        }
    );
    assert_eq!(sim.oracle.switches.len(), 1);
    sim.playout
        .live(sim.now, MediaEvent::Video(video_config(10, 30)));
    sim.go(20 * SECOND, &mut arrivals);
    sim.shows(Showing::Live);
    sim.oracle.is_hitless(frame(30));
}

fn odd_configs() -> Vec<Arc<VideoConfig>> {
    let usual = VideoConfig::clone(&video_config(10, 30));
    vec![
        Arc::new(VideoConfig {
            codec: VideoCodec::H265,
            bit_depth: 12,
            ..usual.clone()
        }),
        Arc::new(VideoConfig {
            bit_depth: 10,
            ..usual.clone()
        }),
        Arc::new(VideoConfig {
            chroma_420: false,
            ..usual.clone()
        }),
        Arc::new(VideoConfig {
            record: bytes::Bytes::new(),
            ..usual
        }),
    ]
}

#[test]
fn formats_that_destinations_refuse_do_not_go_to_air() {
    for odd in odd_configs() {
        let mut sim = sim();
        sim.run(SECOND);
        sim.begin(1);
        let mut arrivals = Arrivals::new(Publisher::new(10, 30).send(SECOND, 40 * SECOND));
        sim.go(12 * SECOND, &mut arrivals);
        sim.shows(Showing::Live);
        sim.playout
            .live(sim.now, MediaEvent::Video(Arc::clone(&odd)));
        sim.go(14 * SECOND, &mut arrivals);
        sim.shows(Showing::Backup);
        assert_eq!(
            sim.oracle.last_switch().cause,
            Cause::LiveUnusable,
            "{odd:?}"
        );
        // What was there before is taken again.
        sim.playout
            .live(sim.now, MediaEvent::Video(video_config(10, 30)));
        sim.go(30 * SECOND, &mut arrivals);
        sim.shows(Showing::Live);
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn every_format_goes_to_air_where_the_policy_says_so() {
    let policy = Policy {
        any_format: true,
        ..Policy::default()
    };
    live_in(policy, VideoCodec::H264, 10);
}

#[test]
fn hevc_goes_to_air_beside_a_loop_of_h264() {
    live_in(Policy::default(), VideoCodec::H265, 8);
    live_in(Policy::default(), VideoCodec::H265, 10);
}

/// A publisher of this format comes to air, is lost, and the loop follows.
#[track_caller]
fn live_in(policy: Policy, codec: VideoCodec, bit_depth: u8) {
    let config = Arc::new(VideoConfig {
        codec,
        bit_depth,
        ..VideoConfig::clone(&video_config(10, 30))
    });
    let mut sim = Sim::with_loops(policy, backup(30), slate(30));
    sim.run(SECOND);
    sim.begin(1);
    let arrivals = Publisher::new(10, 30)
        .send(SECOND, 10 * SECOND)
        .map(move |(at, event)| match event {
            MediaEvent::Video(_) => (at, MediaEvent::Video(Arc::clone(&config))),
            event => (at, event),
        });
    sim.feed(10 * SECOND, arrivals);
    sim.shows(Showing::Live);
    sim.run(13 * SECOND);
    sim.shows(Showing::Backup);
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn reordered_pictures_that_miss_others_are_trimmed_from_the_end() {
    for cut in 0..12 {
        let mut sim = sim();
        let mut publisher = Publisher::new(10, 30);
        publisher.pictures.b = 3;
        // The connection dies at every place of a mini-GOP.
        live_for(&mut sim, &publisher, 15);
        let more = 15 * SECOND + cut * frame(30);
        let mut again = Arrivals::new(
            publisher
                .send(SECOND, more)
                .skip_while(|(at, _)| *at < 16 * SECOND),
        );
        sim.go(16 * SECOND + cut * frame(30), &mut again);
        sim.end();
        sim.run(20 * SECOND);
        sim.shows(Showing::Backup);
        sim.oracle.is_hitless(frame(30));
    }
}

#[test]
fn pictures_that_lead_to_the_key_frame_of_an_open_gop_are_left_out() {
    for b in [1, 2, 3] {
        for delay in [0, 600 * MS] {
            let mut sim = Sim::with_loops(
                Policy {
                    delay,
                    ..Policy::default()
                },
                backup(30),
                slate(30),
            );
            let mut publisher = Publisher::new(10, 30);
            publisher.pictures.b = b;
            publisher.pictures.open = true;
            live_for(&mut sim, &publisher, 20);
            sim.shows(Showing::Live);
            assert_eq!(sim.playout.figures().dropped, u64::from(b));
            sim.oracle.is_one_line(frame(30));
            let gap = Nanos::from(b + 2) * frame(30) + 2 * MS;
            assert!(sim.oracle.silence <= gap, "{} ms", sim.oracle.silence / MS);
        }
    }
}

#[test]
fn audio_that_comes_later_than_the_delay_is_heard_late_and_in_step() {
    for audio_late in [800 * MS, 950 * MS] {
        let mut sim = sim();
        let mut publisher = Publisher::new(10, 30);
        publisher.audio_late = audio_late;
        live_for(&mut sim, &publisher, 30);
        sim.shows(Showing::Live);
        sim.oracle.is_hitless(frame(30));
        assert!(
            sim.oracle.silent <= 50,
            "{} silent frames",
            sim.oracle.silent
        );
    }
}

#[test]
fn events_without_a_publisher_and_orders_twice_change_nothing() {
    let mut sim = sim();
    for (at, event) in Publisher::new(10, 30).send(0, 10 * SECOND) {
        sim.feed(at, [(at, event)]);
    }
    assert_eq!(sim.playout.live_state(), LiveState::Absent);
    sim.end();
    sim.end();
    sim.set(Policy::default());
    assert_eq!(sim.oracle.switches.len(), 1);
    assert!(sim.oracle.states.is_empty());
    sim.oracle.is_hitless(frame(30));
}

#[test]
fn a_process_that_was_stopped_goes_on_from_now() {
    let mut sim = sim();
    sim.run(5 * SECOND);
    let before = sim.oracle.pictures;
    sim.now = 65 * SECOND;
    sim.poll();
    assert!(sim.oracle.pictures - before <= 40, "no burst of a minute");
    sim.run(70 * SECOND);
    assert!(sim.oracle.pts_step <= frame(30) + 2 * MS);
    sim.oracle.is_in_step();
}

#[test]
fn a_unit_costs_microseconds() {
    let mut playout = Playout::new(0, Policy::default());
    playout.set_loops(0, backup(30), slate(30));
    playout.live_begin(0, 1);
    let arrivals: Vec<_> = Publisher::new(10, 30).send(0, 600 * SECOND).collect();
    let units = arrivals.len();
    let mut out = Vec::new();
    let begun = std::time::Instant::now();
    let mut given = 0;
    for (at, event) in arrivals {
        playout.live(at, event);
        playout.poll(at, &mut out);
        let _ = playout.next_due();
        given += out.len();
        out.clear();
    }
    let each = begun.elapsed() / units as u32;
    println!("{each:?} for each of {units} units, {given} given");
    assert!(each < std::time::Duration::from_micros(50), "{each:?}");
}
