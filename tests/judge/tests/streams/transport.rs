//! Defects of packets, tables and stamps.

use booth_judge::{
    DefectClass as D, Options,
    analysis::Analysis,
    ts::{PACKET_LEN, psi},
};

use crate::scene::*;

/// The packets' start bytes and PIDs.
fn pid_of(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

fn packets(stream: &[u8]) -> Vec<Vec<u8>> {
    stream
        .chunks_exact(PACKET_LEN)
        .map(<[u8]>::to_vec)
        .collect()
}

/// Shifts the stamps of video units from the middle on.
fn shifted(from: usize, ticks: i64) -> Vec<u8> {
    let mut all = units(good());
    let mut seen = 0;
    for unit in all.iter_mut().filter(|u| u.video) {
        seen += 1;
        if seen > from {
            unit.pts += ticks;
            unit.dts += ticks;
        }
    }
    mux(&all)
}

#[test]
fn a_good_stream_has_no_defect_as_it_is_and_put_together_again() {
    for stream in [good().to_vec(), mux(&units(good()))] {
        let report = judge(&stream, blind());
        assert_only(&report, &[]);
        let video = report.video.unwrap();
        assert_eq!(
            (
                video.width,
                video.height,
                video.chroma.as_str(),
                video.frames
            ),
            (640, 360, "4:2:0 8-bit", 150)
        );
        assert_eq!(
            (video.fps, video.key_frames, video.b_frames),
            (Some(30.0), 5, false)
        );
        let audio = report.audio.unwrap();
        assert_eq!(
            (audio.object_type, audio.sample_rate, audio.channels),
            (2, 48_000, 2)
        );
        assert_eq!(report.epochs_total, 1);
    }
}

#[test]
fn stamps_that_wrap_at_33_bits_are_no_defect() {
    let mut all = units(good());
    let lift = (1i64 << 33) - all[0].dts - 200_000;
    all.iter_mut()
        .for_each(|u| (u.pts, u.dts) = (u.pts + lift, u.dts + lift));
    let report = judge(&mux(&all), Options::default());
    assert_only(&report, &[]);
    assert_eq!(report.picture.unwrap().decoded, 150);
}

#[test]
fn a_step_back_of_the_stamps_is_found_in_pts_dts_and_pcr() {
    let report = judge(&shifted(70, -45_000), blind());
    assert_only(&report, &[D::PtsBack, D::DtsOrder, D::PcrBack]);
    assert_eq!(report.count(D::PtsBack), 1);
}

#[test]
fn a_jump_of_the_stamps_is_found_with_its_size() {
    let report = judge(&shifted(70, 90_000), blind());
    assert_only(&report, &[D::PtsGap, D::PcrGap]);
    assert!((report.streams[&VIDEO].pts.largest_step_ms - 1033.3).abs() < 0.1);
}

#[test]
fn a_decoding_time_out_of_order_is_found() {
    let mut all = units(good());
    let at = all
        .iter()
        .position(|u| u.video && u.pts > all[0].pts + 90_000)
        .unwrap();
    all[at].dts -= 9000;
    let report = judge(&mux(&all), blind());
    assert!(report.count(D::DtsOrder) > 0);
    assert_eq!(report.count(D::PtsBack), 0);
}

#[test]
fn one_missing_picture_is_a_gap() {
    let mut all = units(good());
    let at = all.iter().rposition(|u| u.video).unwrap() - 20;
    let at = (at..).find(|&i| all[i].video).unwrap();
    all.remove(at);
    assert_only(&judge(&mux(&all), blind()), &[D::PtsGap]);
}

#[test]
fn missing_sound_is_a_gap_and_doubled_sound_is_a_step_back() {
    let all = units(good());
    let at = all.iter().rposition(|u| !u.video).unwrap() - 1;
    let at = (0..at).rfind(|&i| !all[i].video).unwrap();
    let (mut less, mut more) = (all.clone(), all.clone());
    less.remove(at);
    more.insert(at, all[at].clone());
    assert_only(&judge(&mux(&less), blind()), &[D::PtsGap]);
    assert_eq!(judge(&mux(&more), blind()).count(D::PtsBack), 1);
}

#[test]
fn a_lost_packet_and_a_wrong_counter_are_continuity_errors() {
    let mut all = packets(&mux(&units(good())));
    let at = all
        .iter()
        .skip(500)
        .position(|p| pid_of(p) == VIDEO)
        .unwrap()
        + 500;
    let whole = all.clone();
    all.remove(at);
    let report = judge(&all.concat(), blind());
    assert_eq!(
        (
            report.transport.continuity_errors,
            report.transport.lost_packets
        ),
        (1, 1)
    );
    let mut all = whole.clone();
    all[at][3] ^= 0x08;
    assert_eq!(judge(&all.concat(), blind()).transport.continuity_errors, 2);
    // A packet sent twice is allowed.
    let mut all = whole;
    all.insert(at, all[at].clone());
    assert_only(&judge(&all.concat(), blind()), &[]);
}

#[test]
fn a_set_discontinuity_indicator_and_a_broken_packet_are_found() {
    let mut all = packets(&mux(&units(good())));
    let at = all
        .iter()
        .skip(500)
        .position(|p| pid_of(p) == VIDEO && p[3] & 0x20 != 0 && p[4] > 0)
        .unwrap()
        + 500;
    all[at][5] |= 0x80;
    assert_only(&judge(&all.concat(), blind()), &[D::Discontinuity]);
    all[at][1] |= 0x80;
    assert!(judge(&all.concat(), blind()).count(D::TransportError) == 1);
}

#[test]
fn lost_bytes_break_the_packet_grid_and_it_is_found_again() {
    let mut stream = good().to_vec();
    let middle = stream.len() / 2;
    stream.drain(middle..middle + 50);
    let report = judge(&stream, blind());
    assert_eq!(report.transport.sync_losses, 1);
    assert!(report.count(D::Sync) > 0);
}

#[test]
fn changed_tables_are_found_and_a_broken_one_too() {
    let all = units(good());
    for (pat, pmt, class) in [(1, 0, D::PatChange), (0, 1, D::PmtChange)] {
        let mut writer = writer();
        for (index, unit) in all.iter().enumerate() {
            if index == all.len() / 2 {
                (writer.pat_version, writer.pmt_version) = (pat, pmt);
            }
            if index % 10 == 0 {
                writer.tables();
            }
            put(&mut writer, unit);
        }
        let report = judge(&writer.take(), blind());
        assert_only(&report, &[class]);
        assert_eq!(report.count(class), 1);
    }
    let mut broken = packets(&mux(&all));
    let at = broken.iter().rposition(|p| pid_of(p) == 0).unwrap();
    broken[at][12] ^= 1;
    assert_only(&judge(&broken.concat(), blind()), &[D::BadTable]);
    assert_eq!(psi::crc32(&[]), u32::MAX);
}

#[test]
fn other_parameter_sets_in_mid_stream_are_found() {
    let scene = |video| {
        units(&film(&Scene {
            seconds: 1.0,
            picture: &|_| Show::Caller(1),
            sound: &|_| Some(1),
            lag_ms: 0.0,
            video,
        }))
    };
    let mut other = CLEAN.to_vec();
    other.extend(["-vf", "scale=320:180", "-qp", "30"]);
    let (mut first, mut second) = (scene(CLEAN), scene(&other));
    first.extend(second.iter_mut().map(|u| Unit {
        pts: u.pts + 90_000,
        dts: u.dts + 90_000,
        ..u.clone()
    }));
    let report = judge(&mux(&first), blind());
    assert_eq!(
        (
            report.count(D::SpsChange),
            report.video.as_ref().unwrap().width
        ),
        (1, 320)
    );
    assert!(report.count(D::PpsChange) > 0);
}

#[test]
fn b_frames_and_full_chroma_are_found_and_their_order_is_right() {
    let scene = |video| Scene {
        seconds: 2.0,
        picture: &|_| Show::Caller(3),
        sound: &|_| Some(3),
        lag_ms: 0.0,
        video,
    };
    let reordered = film(&scene(&[
        "-c:v",
        "libx264",
        "-preset",
        "fast",
        "-bf",
        "2",
        "-b_strategy",
        "0",
        "-pix_fmt",
        "yuv420p",
    ]));
    let report = judge(&reordered, Options::default());
    assert_only(&report, &[D::BFrames]);
    let picture = report.picture.unwrap();
    assert_eq!(
        (
            picture.decoded,
            picture.undecoded,
            picture.counter_back,
            picture.counter_skips
        ),
        (60, 0, 0, 0)
    );
    let full = film(&scene(&[
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv444p",
    ]));
    let report = judge(&full, blind());
    assert_only(&report, &[D::Chroma]);
    assert_eq!(report.video.unwrap().chroma, "4:4:4 8-bit");
}

#[test]
fn rare_key_frames_are_found() {
    let options = Options {
        max_key_interval_ms: 900.0,
        ..blind()
    };
    assert_only(&judge(good(), options), &[D::KeyInterval]);
}

#[test]
fn a_stream_without_sound_is_named() {
    let mut writer = booth_judge::ts::write::TsWriter::new(&[(VIDEO, 0x1b)]);
    writer.tables();
    units(good())
        .iter()
        .filter(|u| u.video)
        .for_each(|u| put(&mut writer, u));
    assert_only(&judge(&writer.take(), blind()), &[D::NoAudio]);
}

#[test]
fn a_gap_between_arrivals_is_found_live_only() {
    let arrivals = |live| {
        let mut analysis = Analysis::new(blind(), live);
        let mut now_ns = 1_000_000_000;
        analysis.connected(now_ns);
        for (index, message) in good().chunks(PACKET_LEN).enumerate() {
            now_ns += if index == 100 { 350_000_000 } else { 5_000_000 };
            analysis.bytes(message, now_ns);
        }
        analysis.report("test", 0, now_ns)
    };
    let report = arrivals(true);
    assert_only(&report, &[D::ArrivalGap]);
    assert_eq!(report.arrivals.largest_gap_ms, 350.0);
    assert_eq!(
        report.largest_gap_since(2_000_000_000).map(|g| g.gap_ms),
        Some(5.0)
    );
    assert_only(&arrivals(false), &[]);
}

#[test]
fn stamps_that_go_back_across_a_reconnection_are_told_apart_from_a_step() {
    let mut analysis = Analysis::new(blind(), true);
    for epoch in 1..3 {
        analysis.connected(epoch * 1_000_000_000);
        analysis.bytes(good(), epoch * 1_000_000_000 + 1);
        analysis.disconnected(epoch * 1_000_000_000 + 2, "test");
    }
    let report = analysis.report("test", 0, 0);
    assert_only(&report, &[D::Reconnect, D::EpochStep]);
    assert_eq!(
        (report.epochs_total, report.epochs[0].reason.as_deref()),
        (2, Some("test"))
    );
}
