use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::VideoCodec;
use crate::ts::{Muxer, TsWriter};

/// A TS file that ffmpeg made, of 3 s.
#[track_caller]
fn made(video: &[&str], audio: &[&str], mux: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.ts");
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-y"]);
    if !video.is_empty() {
        command.args(["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3"]);
    }
    if !audio.is_empty() {
        command.args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=3"]);
    }
    command.args(video).args(audio).args(mux);
    let made = command.args(["-f", "mpegts"]).arg(&path).output().unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::read(&path).unwrap()
}

const H264: &[&str] = &[
    "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p",
];
const H265: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p",
    "-x265-params",
    "log-level=none:keyint=25:open-gop=0:bframes=2",
];
const AAC: &[&str] = &["-c:a", "aac", "-ac", "2"];

static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| made(H264, AAC, &[]));

fn demux(data: &[u8]) -> (Vec<MediaEvent>, DemuxStats) {
    let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
    demuxer.push(data, &mut out).unwrap();
    (out, demuxer.stats())
}

fn units(events: &[MediaEvent], track: Track) -> Vec<AccessUnit> {
    let unit = |event: &MediaEvent| match event {
        MediaEvent::Unit(unit) if unit.track == track => Some(unit.clone()),
        _ => None,
    };
    events.iter().filter_map(unit).collect()
}

/// PTS, DTS (1/90000 s) and key of each packet as ffprobe sees them.
#[track_caller]
fn probed(data: &[u8], stream: &str) -> Vec<(i64, i64, bool)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let output = Command::new("ffprobe")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-select_streams",
            stream,
        ])
        .args([
            "-show_entries",
            "packet=pts,dts,flags",
            "-of",
            "csv=p=0",
            "-f",
            "mpegts",
        ])
        .arg(file.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        // Side data makes empty ones.
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut fields = line.split(',');
            let mut number = || fields.next().unwrap().parse::<i64>().unwrap();
            (number(), number(), line.contains('K'))
        })
        .collect()
}

fn ticks(units: &[AccessUnit]) -> Vec<(i64, i64, bool)> {
    let tick = |nanos: Nanos| (nanos * 9 + 50_000) / 100_000;
    units
        .iter()
        .map(|unit| (tick(unit.pts), tick(unit.dts), unit.key))
        .collect()
}

/// What an independent decoder makes of it: a digest per picture or block of sound, with its complaints.
#[track_caller]
fn decoded(data: &[u8], stream: &str) -> (Vec<String>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "warning", "-f", "mpegts", "-i"])
        .arg(file.path())
        .args(["-map", stream, "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let digest = |line: &str| line.rsplit(',').next().map(str::to_owned);
    (
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(digest)
            .collect(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[track_caller]
fn agrees_with_ffprobe(data: &[u8], config: &str) {
    let (events, stats) = demux(data);
    assert_eq!(stats, DemuxStats::default());
    let video = units(&events, Track::Video);
    let mut seen = probed(data, "v");
    // The last picture says no length, so that it may be cut off.
    seen.pop();
    assert_eq!(ticks(&video), seen);
    assert!(
        video.iter().any(|unit| unit.pts != unit.dts),
        "no B pictures"
    );
    assert_eq!(ticks(&units(&events, Track::Audio)), probed(data, "a"));
    let MediaEvent::Video(first) = events
        .iter()
        .find(|event| matches!(event, MediaEvent::Video(_)))
        .unwrap()
    else {
        panic!("no configuration");
    };
    assert_eq!(first.describe(), config);
    assert_eq!(
        (first.width, first.height, first.fps_milli),
        (320, 180, 25_000)
    );
    let configs = events
        .iter()
        .filter(|event| !matches!(event, MediaEvent::Unit(_)));
    assert_eq!(configs.count(), 2, "said more than once");
}

#[test]
fn h264_with_b_pictures_is_seen_as_ffprobe_sees_it() {
    agrees_with_ffprobe(&PLAIN, "H.264 High 1.2");
}

#[test]
fn h265_with_b_pictures_is_seen_as_ffprobe_sees_it() {
    agrees_with_ffprobe(&made(H265, AAC, &[]), "H.265 Main 2.0");
}

#[test]
fn tables_on_any_pid_and_short_pes_packets_are_read() {
    let data = made(
        H264,
        AAC,
        &[
            "-mpegts_pmt_start_pid",
            "0x1F0",
            "-mpegts_start_pid",
            "0x300",
            "-pes_payload_size",
            "400",
        ],
    );
    agrees_with_ffprobe(&data, "H.264 High 1.2");
}

#[test]
fn stamps_that_wrap_go_on() {
    // 33 bits of 1/90000 s end after 95 443.7 s.
    let data = made(H264, AAC, &["-output_ts_offset", "95440.8"]);
    let (events, _) = demux(&data);
    for (track, step) in [(Track::Video, 40), (Track::Audio, 21)] {
        let units = units(&events, track);
        assert!(units.len() >= 74);
        let steps = units
            .windows(2)
            .map(|pair| (pair[1].dts - pair[0].dts) / 1_000_000);
        assert!(
            steps.clone().all(|ms| ms == step),
            "{:?}",
            steps.collect::<Vec<_>>()
        );
    }
    let (video, audio) = (units(&events, Track::Video), units(&events, Track::Audio));
    assert!((video[0].pts - audio[0].pts).abs() < SECOND);
}

#[test]
fn what_is_written_again_decodes_to_the_same_pictures_and_sound() {
    for data in [&*PLAIN, &made(H265, AAC, &[])] {
        let (events, _) = demux(data);
        let (mut writer, mut out) = (TsWriter::new(), Vec::new());
        for event in &events {
            writer.write(event, &mut out).unwrap();
        }
        for stream in ["0:v", "0:a"] {
            let (again, complaints) = decoded(&out, stream);
            let (first, _) = decoded(data, stream);
            assert!(first.len() >= 75 && complaints.is_empty(), "{complaints}");
            // All but the picture that came last in the stream, in their order.
            let missing = usize::from(stream == "0:v");
            assert_eq!(again.len(), first.len() - missing);
            let mut rest = first.iter();
            assert!(again.iter().all(|digest| rest.any(|other| other == digest)));
        }
        // And to the same times, but for where they begin.
        let (mut first, again) = (probed(data, "v"), probed(&out, "v"));
        first.pop();
        let by = again[0].1 - first[0].1;
        let moved = |times: &[(i64, i64, bool)]| -> Vec<(i64, i64, bool)> {
            times
                .iter()
                .map(|(pts, dts, key)| (pts + by, dts + by, *key))
                .collect()
        };
        assert_eq!(again, moved(&first));
        assert_eq!(probed(&out, "a"), moved(&probed(data, "a")));
        // And reads back here too.
        let (back, stats) = demux(&out);
        assert_eq!(stats, DemuxStats::default());
        let data_of = |events: &[MediaEvent]| -> Vec<bytes::Bytes> {
            units(events, Track::Video)
                .into_iter()
                .map(|unit| unit.data)
                .collect()
        };
        // Ours say their lengths: none is missing at the end.
        assert_eq!(data_of(&back), data_of(&events));
    }
}

#[test]
fn a_program_that_changes_is_followed() {
    let mut data = PLAIN.clone();
    data.extend(made(
        H265,
        AAC,
        &[
            "-mpegts_flags",
            "initial_discontinuity",
            "-tables_version",
            "5",
        ],
    ));
    let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
    demuxer.push(&data, &mut out).unwrap();
    let codecs: Vec<VideoCodec> = out
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Video(config) => Some(config.codec),
            _ => None,
        })
        .collect();
    assert_eq!(codecs, [VideoCodec::H264, VideoCodec::H265]);
    let units = units(&out, Track::Video);
    assert_eq!(units.len(), 149);
    assert!(units[75].key);
}

#[test]
fn what_is_not_taken_is_refused_by_name() {
    let refused = |video: &[&str], audio: &[&str], mux: &[&str]| {
        let data = made(video, audio, mux);
        let mut demuxer = Demuxer::new();
        demuxer
            .push(&data, &mut Vec::new())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(H264, AAC, &["-mpegts_flags", "latm"]),
        "the input's sound is AAC in LATM; AAC in ADTS is taken"
    );
    assert_eq!(
        refused(&["-c:v", "mpeg2video"], AAC, &[]),
        "the input's pictures are MPEG-1 or MPEG-2; H.264 and H.265 are taken"
    );
    assert_eq!(
        refused(H264, &["-c:a", "mp2"], &[]),
        "the input's sound is MPEG-1 or MPEG-2 audio; AAC in ADTS is taken"
    );
    assert_eq!(
        refused(&[], &["-c:a", "ac3"], &[]),
        "the input's sound is AC-3; AAC in ADTS is taken"
    );
    assert_eq!(
        refused(H264, &["-c:a", "libopus"], &[]),
        "the input's sound is Opus; AAC in ADTS is taken"
    );
}

#[test]
fn a_refused_program_that_is_pushed_on_keeps_no_bytes() {
    let data = made(
        H264,
        AAC,
        &["-mpegts_flags", "latm", "-pat_period", "0.001"],
    );
    let mut demuxer = Demuxer::new();
    for _ in 0..20 {
        let _ = demuxer.push(&data, &mut Vec::new());
        assert!(demuxer.buffer.len() < PACKET);
    }
}

/// A packet of a table with these sections, given without length, version and check sum.
fn table(pid: u16, counter: u8, sections: &[(u8, u16, [u8; 2], &[u8])]) -> Vec<u8> {
    let mut packet = vec![SYNC, 0x40 | (pid >> 8) as u8, pid as u8, 0x10 | counter, 0];
    for (kind, id, numbers, body) in sections {
        let mut section = vec![*kind, 0xB0, body.len() as u8 + 9];
        section.extend(id.to_be_bytes());
        section.extend([0xC1, numbers[0], numbers[1]]);
        section.extend(*body);
        section.extend(crate::ts::crc32(&section).to_be_bytes());
        packet.extend(section);
    }
    packet.resize(PACKET, 0xFF);
    packet
}

#[test]
fn one_program_is_kept_among_several_sections_and_several_on_one_pid() {
    // Section 0 names the network and program 7, section 1 program 9; both programs' tables are on PID 0x50.
    let networks: &[u8] = &[0, 0, 0xE0, 0x10, 0, 7, 0xE0, 0x50];
    let others: &[u8] = &[0, 9, 0xE0, 0x50];
    let mine: &[u8] = &[0xE1, 0x01, 0xF0, 0, 0x0F, 0xE1, 0x01, 0xF0, 0];
    let foreign: &[u8] = &[0xE1, 0x02, 0xF0, 0, 0x11, 0xE1, 0x02, 0xF0, 0];
    let config = AudioConfig::aac_lc(48_000, 2).unwrap();
    let frame = crate::aac::silence(2).unwrap();
    let mut muxer = Muxer::new(false);
    let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
    for n in 0..10u8 {
        let mut data = table(PID_PAT, (n * 2) & 15, &[(0, 1, [0, 1], networks)]);
        data.extend(table(PID_PAT, (n * 2 + 1) & 15, &[(0, 1, [1, 1], others)]));
        let both = [(2, 9, [0, 0], foreign), (2, 7, [0, 0], mine)];
        data.extend(table(0x50, n, &both));
        let adts = config.adts(frame.len()).unwrap();
        let sound = muxer.audio(u64::from(n) * 1920, &[&adts[..], &frame].concat());
        // Without the muxer's own tables.
        let is_sound = |packet: &&[u8]| packet[1] & 0x1F == 1 && packet[2] == 1;
        data.extend(sound.chunks(PACKET).filter(is_sound).flatten());
        demuxer.push(&data, &mut out).unwrap();
    }
    assert_eq!(units(&out, Track::Audio).len(), 10);
    assert_eq!(demuxer.stats(), DemuxStats::default());
}

#[test]
fn sound_alone_and_pictures_alone_come_through() {
    let (events, _) = demux(&made(&[], AAC, &[]));
    assert!(units(&events, Track::Audio).len() > 140);
    let (events, _) = demux(&made(H264, &[], &[]));
    assert_eq!(units(&events, Track::Video).len(), 74);
}

#[test]
fn a_receiver_that_joins_late_begins_with_a_key_picture() {
    let late = &PLAIN[PLAIN.len() / 6 + 77..];
    let (events, _) = demux(late);
    let pictures = units(&events, Track::Video);
    assert!(pictures[0].key && pictures.len() >= 25);
    let first = events
        .iter()
        .position(|event| matches!(event, MediaEvent::Unit(unit) if unit.track == Track::Video));
    assert!(matches!(events[first.unwrap() - 1], MediaEvent::Video(_)));
}

#[test]
fn garbage_between_packets_costs_no_unit_but_those_it_cut() {
    let (whole, _) = demux(&PLAIN);
    let mut data = Vec::new();
    for (n, packets) in PLAIN.chunks(PACKET * 40).enumerate() {
        data.extend(packets);
        // With sync bytes in it.
        data.extend((0..n * 37 % 500).map(|byte| if byte % 50 == 0 { SYNC } else { byte as u8 }));
    }
    let (events, stats) = demux(&data);
    assert!(stats.skipped_bytes > 0);
    let (got, all) = (units(&events, Track::Video), units(&whole, Track::Video));
    assert!(got.iter().all(|unit| all.contains(unit)));
    assert!(got.len() > 60, "{}", got.len());
}

#[test]
fn aac_frames_may_lie_across_pes_packets_anyhow() {
    let config = AudioConfig::aac_lc(48_000, 2).unwrap();
    let frames: Vec<Vec<u8>> = (0..40usize)
        .map(|n| vec![n as u8; 50 + n * 31 % 400])
        .collect();
    // Where each frame begins, and all of them in a row.
    let (mut stream, mut starts) = (Vec::new(), Vec::new());
    for frame in &frames {
        starts.push(stream.len());
        stream.extend(config.adts(frame.len()).unwrap());
        stream.extend(frame);
    }
    for size in [90, 333, 1000, 5000] {
        let (mut muxer, mut data) = (Muxer::new(false), Vec::new());
        for (n, piece) in stream.chunks(size).enumerate() {
            let first = starts.partition_point(|start| *start < n * size);
            data.extend(muxer.audio(90_000 + first as u64 * 1920, piece));
        }
        let (events, stats) = demux(&data);
        assert_eq!(stats, DemuxStats::default(), "{size}");
        let units = units(&events, Track::Audio);
        let got: Vec<&[u8]> = units.iter().map(|unit| &unit.data[..]).collect();
        assert_eq!(got, frames, "{size}");
        let steps = units.windows(2).map(|pair| pair[1].dts - pair[0].dts);
        assert!(
            steps.clone().all(|step| (step - config.frame()).abs() <= 1),
            "{size}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_bytes_arrive_the_events_are_the_same(
        cuts in proptest::collection::vec(1usize..3000, 1..60),
    ) {
        let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
        let (mut rest, mut cuts) = (&PLAIN[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            demuxer.push(piece, &mut out).unwrap();
            rest = after;
        }
        prop_assert!(out == demux(&PLAIN).0);
    }

    #[test]
    fn lost_packets_lose_units_and_damage_none(
        lost in proptest::collection::btree_set(0usize..PLAIN.len() / PACKET, 1..30),
    ) {
        let kept = |(n, packet): (usize, &[u8])| (!lost.contains(&n)).then(|| packet.to_vec());
        let data: Vec<u8> = PLAIN.chunks(PACKET).enumerate().filter_map(kept).flatten().collect();
        let (events, stats) = demux(&data);
        let (whole, _) = demux(&PLAIN);
        let (all, got) = (units(&whole, Track::Video), units(&events, Track::Video));
        // 16 packets in a row, or one without payload, are not missed by their counter.
        prop_assert!(got.len() + 40 > all.len() / 2);
        prop_assert!(got.iter().all(|unit| all.contains(unit)), "{stats:?}");
        let sound = units(&whole, Track::Audio);
        let rounded = |unit: &AccessUnit| sound.iter().any(|known| {
            known.data == unit.data && (known.dts - unit.dts).abs() < 100_000
        });
        prop_assert!(units(&events, Track::Audio).iter().all(rounded));
    }

    #[test]
    fn damaged_streams_never_panic_and_hold_little(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..400),
    ) {
        let mut data = PLAIN.clone();
        for (at, byte) in flips {
            let at = at.index(data.len());
            data[at] = byte;
        }
        let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
        let _ = demuxer.push(&data, &mut out);
        prop_assert!(demuxer.buffer.len() < 2 * PACKET);
        prop_assert!(units(&out, Track::Video).iter().all(|unit| unit.pts >= unit.dts));
    }

    #[test]
    fn random_packets_never_panic(
        packets in proptest::collection::vec((0u16..6, proptest::collection::vec(any::<u8>(), 185)), 1..60),
    ) {
        let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
        // Streams are known, so that the random packets are theirs.
        let _ = demuxer.push(&PLAIN[..PACKET * 40], &mut out);
        for (pid, rest) in packets {
            let pid = [0, 0x1000, 0x100, 0x101, 0x100, 0x101][usize::from(pid)] | u16::from(rest[0] & 0x40) << 8;
            let mut packet = vec![SYNC, (pid >> 8) as u8, pid as u8];
            packet.extend(rest);
            let _ = demuxer.push(&packet, &mut out);
        }
        let _ = demuxer.push(&PLAIN, &mut out);
    }

    #[test]
    fn random_bytes_never_panic(data in proptest::collection::vec(prop_oneof![Just(SYNC), any::<u8>()], 0..2000)) {
        let (mut demuxer, mut out) = (Demuxer::new(), Vec::new());
        let _ = demuxer.push(&data, &mut out);
        prop_assert!(demuxer.buffer.len() < 2 * PACKET);
    }
}
