use proptest::prelude::*;

use super::*;

/// What a plain reader of the specification finds in the packets.
#[derive(Debug, Default)]
struct Read {
    /// pid, PTS, random access, payload.
    units: Vec<(u16, u64, bool, Vec<u8>)>,
    /// DTS of each unit.
    decoded: Vec<u64>,
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
            let stamp = |at: usize, mark: u8| {
                assert_eq!(payload[at] >> 4, mark);
                let p = |n: usize| u64::from(payload[at + n]);
                (p(0) >> 1 & 7) << 30 | p(1) << 22 | (p(2) >> 1) << 15 | p(3) << 7 | p(4) >> 1
            };
            let (pts, dts) = match payload[7] >> 6 {
                2 => (stamp(9, 2), stamp(9, 2)),
                _ => (stamp(9, 3), stamp(14, 1)),
            };
            let body = 9 + usize::from(payload[8]);
            self.decoded.push(dts);
            self.units.push((pid, pts, key, payload[body..].to_vec()));
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

mod of_events {
    use std::sync::Arc;

    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::{AccessUnit, AudioConfig, MILLISECOND, MediaEvent, Nanos, Track, VideoConfig, nal};

    const SPS: &[u8] = b"\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60";
    const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

    fn video(pps: &'static [u8]) -> MediaEvent {
        let config = VideoConfig::from_parameter_sets(
            &[Bytes::from_static(SPS)],
            &[Bytes::from_static(pps)],
        );
        MediaEvent::Video(Arc::new(config.unwrap()))
    }

    fn audio() -> MediaEvent {
        MediaEvent::Audio(Arc::new(AudioConfig::aac_lc(48_000, 2).unwrap()))
    }

    fn picture(dts: Nanos, pts: Nanos, key: bool) -> MediaEvent {
        let mut data = BytesMut::new();
        nal::put(&[if key { 0x65 } else { 0x41 }, 1, 2, 3], &mut data);
        MediaEvent::Unit(AccessUnit {
            track: Track::Video,
            dts,
            pts,
            key,
            data: data.freeze(),
        })
    }

    fn sound(dts: Nanos) -> MediaEvent {
        MediaEvent::Unit(AccessUnit {
            track: Track::Audio,
            dts,
            pts: dts,
            key: true,
            data: Bytes::from_static(&[0x21, 0, 0, 0, 0, 0x1C]),
        })
    }

    fn written(writer: &mut TsWriter, events: &[MediaEvent]) -> Read {
        let (mut read, mut out) = (Read::default(), Vec::new());
        for event in events {
            writer.write(event, &mut out).unwrap();
        }
        read.packets(&out);
        read
    }

    #[test]
    fn both_times_are_written_where_they_differ_and_the_clock_is_the_dts() {
        let mut events = vec![video(PPS), audio()];
        let order = [0, 3, 1, 2, 6, 4, 5];
        for (n, shown) in order.into_iter().enumerate() {
            let dts = n as Nanos * 40 * MILLISECOND;
            events.push(picture(dts, (shown + 2) * 40 * MILLISECOND, n == 0));
        }
        let read = written(&mut TsWriter::new(), &events);
        let start = 900_000;
        let ticks = |n: i64| start + n as u64 * 3600;
        let shown: Vec<u64> = read.units.iter().map(|unit| unit.1 - AHEAD).collect();
        assert_eq!(shown, order.map(|shown| ticks(shown + 2)));
        let decoded: Vec<u64> = read.decoded.iter().map(|dts| dts - AHEAD).collect();
        assert_eq!(decoded, [0, 1, 2, 3, 4, 5, 6].map(ticks));
        assert_eq!(read.clocks, decoded);
    }

    #[test]
    fn times_do_not_drift_over_a_day_at_an_odd_rate() {
        let mut writer = TsWriter::new();
        written(&mut writer, &[video(PPS), audio(), picture(0, 0, true)]);
        // 24 h of 1001/30000 s.
        let n = 2_589_410i64;
        let at = (i128::from(n) * 1_001 * 1_000_000_000 / 30_000) as Nanos;
        let read = written(&mut writer, &[picture(at, at, false)]);
        let exact = 900_000 + n as u64 * 3003 + AHEAD;
        assert!(read.units[0].1.abs_diff(exact & STAMP_MASK) <= 1);
    }

    #[test]
    fn keys_have_delimiter_and_parameter_sets_and_others_the_delimiter() {
        let read = written(
            &mut TsWriter::new(),
            &[
                video(PPS),
                audio(),
                picture(0, 0, true),
                picture(1000, 1000, false),
            ],
        );
        let nals = |n: usize| nal::split_annex_b(&read.units[n].3).collect::<Vec<_>>();
        assert_eq!(nals(0), [&[9, 0xF0][..], SPS, PPS, &[0x65, 1, 2, 3]]);
        assert_eq!(nals(1), [&[9, 0xF0][..], &[0x41, 1, 2, 3]]);
        assert_eq!(
            read.tables[1].1[5] >> 1 & 31,
            0,
            "one version from the beginning"
        );
    }

    #[test]
    fn another_configuration_is_another_version_with_its_sets_and_the_same_again_is_not() {
        let mut writer = TsWriter::new();
        written(&mut writer, &[video(PPS), audio(), picture(0, 0, true)]);
        let same = written(
            &mut writer,
            &[video(PPS), audio(), picture(1_000_000, 1_000_000, false)],
        );
        assert!(same.tables.is_empty());
        let other: &[u8] = &[0x68, 0xEE, 0x3C, 0xB0];
        let read = written(
            &mut writer,
            &[video(other), picture(2_000_000, 2_000_000, false)],
        );
        assert_eq!(read.tables[1].1[5], 0xC1 | 1 << 1);
        let nals: Vec<&[u8]> = nal::split_annex_b(&read.units[0].3).collect();
        assert_eq!(nals[2], other);
        // Five bits of versions.
        for n in 2..40u8 {
            let config = if n % 2 == 0 { video(PPS) } else { video(other) };
            let at = Nanos::from(n) * 2_000_000;
            let read = written(&mut writer, &[config, picture(at, at, true)]);
            assert_eq!(read.tables[1].1[5] >> 1 & 31, n & 31);
        }
    }

    #[test]
    fn h265_has_its_stream_type_and_pictures_alone_have_no_sound_in_the_table() {
        let sets = [
            &b"\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x78\x95\x98\x09"[..],
            b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x78\xa0\x03\xc0\x80\x10\xe5\x96\x56\x69\x24\xca\xf0\x16\x80\x80\x00\x00\x03\x00\x80\x00\x00\x0c\x84",
            b"\x44\x01\xc1\x72\xb4\x62\x40",
        ];
        let config = VideoConfig::from_sets(VideoCodec::H265, &sets.map(Bytes::from_static));
        let config = MediaEvent::Video(Arc::new(config.unwrap()));
        let read = written(&mut TsWriter::new(), &[config, picture(0, 0, true)]);
        assert_eq!(read.tables[1].1[12..17], [0x24, 0xE1, 0x00, 0xF0, 0x00]);
        assert_eq!(read.tables[1].1.len(), 17 + 4, "more than one stream");
        let nals: Vec<&[u8]> = nal::split_annex_b(&read.units[0].3).collect();
        assert_eq!(nals[..4], [&[0x46, 1, 0x50][..], sets[0], sets[1], sets[2]]);
    }

    #[test]
    fn what_cannot_be_written_leaves_no_packet() {
        let (mut writer, mut out) = (TsWriter::new(), Vec::new());
        assert_eq!(
            writer.write(&picture(0, 0, true), &mut out),
            Err(TsError::NoConfig)
        );
        assert_eq!(writer.write(&sound(0), &mut out), Err(TsError::NoConfig));
        writer.write(&video(PPS), &mut out).unwrap();
        let MediaEvent::Unit(unit) = picture(0, 0, true) else {
            panic!("no unit");
        };
        let cut = MediaEvent::Unit(AccessUnit {
            data: unit.data.slice(..6),
            ..unit
        });
        assert!(matches!(writer.write(&cut, &mut out), Err(TsError::Nal(_))));
        let short = AudioConfig::from_asc(&[0x11, 0x94]).unwrap();
        let short = MediaEvent::Audio(Arc::new(short));
        assert!(matches!(
            writer.write(&short, &mut out),
            Err(TsError::Aac(_))
        ));
        assert!(out.is_empty());
    }

    #[test]
    fn datagrams_hold_seven_packets() {
        let packets = vec![0x47; PACKET * 16];
        let sizes: Vec<usize> = datagrams(&packets).map(<[u8]>::len).collect();
        assert_eq!(sizes, [1316, 1316, 376]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_clock_never_goes_back_and_never_passes_a_dts(
            steps in proptest::collection::vec((1i64..80, any::<bool>(), 0i64..200), 10..100),
        ) {
            let mut events = vec![video(PPS), audio()];
            let mut at = -30 * MILLISECOND;
            for (step, is_video, reorder) in steps {
                at += step * MILLISECOND;
                events.push(if is_video { picture(at, at + reorder * MILLISECOND, false) } else { sound(at) });
            }
            let read = written(&mut TsWriter::new(), &events);
            prop_assert!(read.clocks.windows(2).all(|pair| pair[0] < pair[1]));
            let last = read.decoded.iter().max().unwrap();
            prop_assert!(read.clocks.iter().all(|clock| clock + AHEAD <= *last));
            // Sound alone between pictures has a clock, too: ISO asks for 100 ms, here are steps of 80.
            let apart = |pair: &[u64]| pair[1] - pair[0];
            prop_assert!(read.clocks.windows(2).map(apart).all(|apart| apart <= 9_000 + 3_600));
        }
    }
}
