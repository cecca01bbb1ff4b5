use proptest::prelude::*;

use super::*;

/// What a plain reader of the specification finds in the packets.
#[derive(Debug, Default)]
struct Read {
    /// pid, PTS, random access, payload.
    units: Vec<(u16, u64, bool, Vec<u8>)>,
    clocks: Vec<u64>,
    tables: Vec<(u16, Vec<u8>)>,
    counters: std::collections::BTreeMap<u16, u8>,
}

impl Read {
    fn packets(&mut self, data: &[u8]) {
        assert_eq!(data.len() % PACKET, 0);
        data.chunks(PACKET).for_each(|packet| self.packet(packet));
    }

    fn packet(&mut self, packet: &[u8]) {
        assert_eq!(packet[0], 0x47);
        let (start, pid) = (
            packet[1] & 0x40 != 0,
            u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]),
        );
        let (adapted, filled, counter) =
            (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0, packet[3] & 15);
        if filled && let Some(last) = self.counters.insert(pid, counter) {
            assert_eq!(counter, (last + 1) & 15, "continuity of {pid}");
        }
        let mut at = 4;
        let mut key = false;
        if adapted {
            let length = usize::from(packet[4]);
            if length > 0 {
                key = packet[5] & 0x40 != 0;
                if packet[5] & 0x10 != 0 {
                    let b = |n: usize| u64::from(packet[6 + n]);
                    self.clocks
                        .push(b(0) << 25 | b(1) << 17 | b(2) << 9 | b(3) << 1 | b(4) >> 7);
                }
            }
            at += 1 + length;
        }
        if !filled {
            return assert_eq!(at, PACKET);
        }
        let payload = &packet[at..];
        if pid == PID_PAT || pid == PID_PMT {
            let length = usize::from(payload[3]) + 3;
            let section = &payload[1..=length];
            assert_eq!(crc32(section), 0, "check sum");
            self.tables.push((pid, section.to_vec()));
        } else if start {
            assert_eq!(payload[..3], [0, 0, 1]);
            let p = |n: usize| u64::from(payload[9 + n]);
            let pts =
                (p(0) >> 1 & 7) << 30 | p(1) << 22 | (p(2) >> 1) << 15 | p(3) << 7 | p(4) >> 1;
            self.units.push((pid, pts, key, payload[14..].to_vec()));
        } else {
            self.units
                .iter_mut()
                .rev()
                .find(|unit| unit.0 == pid)
                .unwrap()
                .3
                .extend(payload);
        }
    }
}

#[test]
fn the_tables_name_both_streams_and_the_clock() {
    let mut read = Read::default();
    read.packets(&Muxer::new(true).video(0, true, b"unit"));
    let (pid, pmt) = &read.tables[1];
    assert_eq!(*pid, PID_PMT);
    assert_eq!(pmt[8..12], [0xE1, 0x00, 0xF0, 0x00]);
    assert_eq!(
        pmt[12..22],
        [0x1B, 0xE1, 0x00, 0xF0, 0x00, 0x0F, 0xE1, 0x01, 0xF0, 0x00]
    );
}

#[test]
fn the_known_check_sum_comes_out() {
    assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
}

#[test]
fn tables_come_every_tenth_of_a_second_and_before_every_key_frame() {
    let mut muxer = Muxer::new(true);
    let mut read = Read::default();
    for n in 0..30u64 {
        read.packets(&muxer.video(n * 3000, n == 20, &[1; 500]));
    }
    // 0, then every 4th picture (133 ms ≥ 100 ms would be 3.. at 30 fps: 0, 3, 6, …), and picture 20.
    assert_eq!(read.tables.len() / 2, 11);
    assert_eq!(read.units.iter().filter(|unit| unit.2).count(), 1);
}

#[test]
fn the_clock_comes_often_enough_at_any_picture_rate_and_never_goes_back() {
    for fps in [1u64, 5, 15, 25, 30, 60] {
        let mut muxer = Muxer::new(true);
        let mut read = Read::default();
        // Both encoders in real time: pictures 8 ms after their time, sound 32 ms after its own.
        let mut events: Vec<(u64, bool, u64)> = (0..3 * fps)
            .map(|n| (n * 90_000 / fps, true))
            .map(|(at, v)| (at + 720, v, at))
            .collect();
        events.extend(
            (0..140u64)
                .map(|n| n * 1920)
                .map(|at| (at + 2880, false, at)),
        );
        events.sort_unstable();
        for (_, video, at) in events {
            let data = if video {
                muxer.video(at, at == 0, &[7; 2000])
            } else {
                muxer.audio(at, &[3; 300])
            };
            read.packets(&data);
        }
        let steps: Vec<u64> = read
            .clocks
            .windows(2)
            .map(|pair| pair[1].checked_sub(pair[0]).unwrap())
            .collect();
        assert!(
            steps.iter().all(|step| (1..=6_000).contains(step)),
            "{fps}: {steps:?}"
        );
    }
}

#[test]
fn an_encoder_that_falls_behind_does_not_turn_the_clock_back() {
    let mut muxer = Muxer::new(true);
    let mut read = Read::default();
    read.packets(&muxer.video(0, true, &[1; 100]));
    for n in 0..20 {
        read.packets(&muxer.audio(n * 1920, &[2; 100]));
    }
    for n in 1..20 {
        read.packets(&muxer.video(n * 3000, false, &[1; 100]));
    }
    assert!(
        read.clocks.windows(2).all(|pair| pair[0] < pair[1]),
        "{:?}",
        read.clocks
    );
}

#[test]
fn stamps_and_clock_go_on_over_the_end_of_their_33_bits() {
    // PTS wrap in the middle, and the clock AHEAD later.
    let (from, to) = ((1 << 33) - AHEAD - 180_000, (1 << 33) - AHEAD + 180_000);
    let mut events: Vec<(u64, bool, u64)> = (from..to)
        .step_by(3000)
        .map(|at| (at + 720, true, at))
        .collect();
    events.extend((from..to).step_by(1920).map(|at| (at + 2880, false, at)));
    events.sort_unstable();
    let mut muxer = Muxer::new(true);
    let mut read = Read::default();
    for (_, video, at) in events {
        read.packets(&if video {
            muxer.video(at, at == from, &[7; 2000])
        } else {
            muxer.audio(at, &[3; 300])
        });
    }
    let forward = |from: u64, to: u64| to.wrapping_sub(from) & STAMP_MASK;
    for (pid, step) in [(PID_VIDEO, 3000), (PID_AUDIO, 1920)] {
        let stamps: Vec<u64> = read
            .units
            .iter()
            .filter(|unit| unit.0 == pid)
            .map(|unit| unit.1)
            .collect();
        assert!(
            stamps
                .windows(2)
                .all(|pair| forward(pair[0], pair[1]) == step),
            "{stamps:?}"
        );
        assert!(stamps.windows(2).any(|pair| pair[1] < pair[0]), "no wrap");
    }
    let clocks = &read.clocks;
    assert!(
        clocks
            .windows(2)
            .all(|pair| (1..=6_000).contains(&forward(pair[0], pair[1]))),
        "{clocks:?}"
    );
    assert!(clocks.windows(2).any(|pair| pair[1] < pair[0]), "no wrap");
    // The tables go on too: about every tenth of a second.
    assert!(read.tables.len() / 2 >= 30, "{}", read.tables.len());
}

#[test]
fn an_output_of_sound_alone_has_its_clock_there() {
    let mut muxer = Muxer::new(false);
    let mut read = Read::default();
    for n in 0..50 {
        read.packets(&muxer.audio(n * 1920, &[n as u8; 341]));
    }
    assert_eq!(read.tables[1].1[8..12], [0xE1, 0x01, 0xF0, 0x00]);
    assert!(read.clocks.len() >= 25 && read.clocks.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(read.units.len(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_unit_of_any_size_reads_back_whole(
        sizes in proptest::collection::vec((1usize..1000, any::<bool>(), any::<bool>()), 1..40),
        large in 60_000usize..70_000,
        start in prop_oneof![Just(0u64), Just(STAMP_MASK - 40_000)],
    ) {
        let mut muxer = Muxer::new(true);
        let mut read = Read::default();
        let mut expected = Vec::new();
        let sizes = sizes.into_iter().chain([(large, true, true)]);
        for (n, (size, video, key)) in sizes.enumerate() {
            let time = start + n as u64 * 3000;
            let data: Vec<u8> = (0..size).map(|byte| (byte * 7 + n) as u8).collect();
            read.packets(&if video { muxer.video(time, key, &data) } else { muxer.audio(time, &data) });
            let pid = if video { PID_VIDEO } else { PID_AUDIO };
            expected.push((pid, (time + AHEAD) & STAMP_MASK, video && key, data));
        }
        prop_assert_eq!(read.units, expected);
    }
}
