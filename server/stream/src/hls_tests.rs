use std::process::Command;
use std::sync::Arc;

use bytes::BytesMut;

use super::*;
use crate::{AccessUnit, AudioConfig, MILLISECOND, VideoConfig, nal};

const SPS: &[u8] = b"\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60";

fn video(pps: &'static [u8]) -> MediaEvent {
    let sets = (&[Bytes::from_static(SPS)], &[Bytes::from_static(pps)]);
    MediaEvent::Video(Arc::new(
        VideoConfig::from_parameter_sets(sets.0, sets.1).unwrap(),
    ))
}

const PPS: &[u8] = &[0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0];
const OTHER_PPS: &[u8] = &[0x68, 0xEE, 0x3C, 0xB0];

fn audio() -> MediaEvent {
    MediaEvent::Audio(Arc::new(AudioConfig::aac_lc(48_000, 2).unwrap()))
}

fn picture(ms: i64, key: bool) -> MediaEvent {
    let mut data = BytesMut::new();
    nal::put(&[if key { 0x65 } else { 0x41 }, 7, 7, 7], &mut data);
    unit(Track::Video, ms, key, data.freeze())
}

fn sound(ms: i64) -> MediaEvent {
    unit(Track::Audio, ms, true, crate::aac::silence(2).unwrap())
}

fn unit(track: Track, ms: i64, key: bool, data: Bytes) -> MediaEvent {
    let dts = ms * MILLISECOND;
    MediaEvent::Unit(AccessUnit {
        track,
        dts,
        pts: dts,
        key,
        data,
    })
}

/// Pushes pictures at 25 fps with a key picture every `gop` ms, and gives the segments that end.
#[track_caller]
fn run(segmenter: &mut Segmenter, from_ms: i64, to_ms: i64, gop: i64) -> Vec<Segment> {
    let mut segments = Vec::new();
    for ms in (from_ms..to_ms).step_by(40) {
        segments.extend(segmenter.push(&picture(ms, ms % gop == 0), None).unwrap());
        segments.extend(segmenter.push(&sound(ms + 10), None).unwrap());
    }
    segments
}

fn started() -> Segmenter {
    let mut segmenter = Segmenter::new("a-", 0);
    assert_eq!(segmenter.push(&video(PPS), None).unwrap(), None);
    assert_eq!(segmenter.push(&audio(), None).unwrap(), None);
    segmenter
}

fn seconds(segments: &[Segment]) -> Vec<f64> {
    let seconds = |segment: &Segment| segment.duration as f64 / SECOND as f64;
    segments.iter().map(seconds).collect()
}

#[test]
fn segments_begin_at_the_first_key_picture_after_two_seconds() {
    assert_eq!(seconds(&run(&mut started(), 0, 9_000, 1_000)), [2.0; 4]);
    assert_eq!(seconds(&run(&mut started(), 0, 9_000, 1_200)), [2.4; 3]);
    assert_eq!(seconds(&run(&mut started(), 0, 13_000, 4_000)), [4.0; 3]);
}

#[test]
fn without_key_pictures_a_segment_ends_at_six_seconds() {
    assert_eq!(
        seconds(&run(&mut started(), 0, 19_000, 10_000_000)),
        [6.0; 3]
    );
    // Or when pictures stop and sound goes on.
    let mut segmenter = started();
    segmenter.push(&picture(0, true), None).unwrap();
    let ended = (0..700).find_map(|n| segmenter.push(&sound(n * 21), None).unwrap());
    assert!(ended.unwrap().duration <= LONGEST + 21 * MILLISECOND);
}

#[test]
fn every_segment_begins_with_tables_and_parameter_sets() {
    for segment in run(&mut started(), 0, 9_000, 1_000) {
        let pid = |n: usize| {
            let packet = &segment.data[n * 188..];
            (
                packet[0],
                u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]),
            )
        };
        assert_eq!(
            [pid(0), pid(1), pid(2)],
            [(0x47, 0), (0x47, 0x1000), (0x47, 0x100)]
        );
        assert!(
            segment.data[188 * 2..188 * 3]
                .windows(SPS.len())
                .any(|w| w == SPS)
        );
        assert_eq!(segment.data.len() % 188, 0);
    }
}

#[test]
fn the_playlist_names_six_segments_and_files_go_when_nobody_may_ask() {
    let mut segmenter = started();
    assert_eq!(segmenter.playlist(), None);
    let mut segments = run(&mut segmenter, 0, 6_500, 1_000);
    assert_eq!(
        segmenter.playlist().unwrap(),
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXTINF:2.000,\na-0.ts\n#EXTINF:2.000,\na-1.ts\n#EXTINF:2.000,\na-2.ts\n"
    );
    segments.extend(run(&mut segmenter, 6_520, 60_000, 1_000));
    let playlist = segmenter.playlist().unwrap();
    assert!(
        playlist.contains("#EXT-X-MEDIA-SEQUENCE:23\n"),
        "{playlist}"
    );
    assert_eq!(playlist.matches(".ts").count(), WINDOW);
    let deleted: Vec<&String> = segments
        .iter()
        .flat_map(|segment| &segment.delete)
        .collect();
    let expected: Vec<String> = (0..29 - WINDOW - KEPT)
        .map(|n| format!("a-{n}.ts"))
        .collect();
    assert_eq!(deleted, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_change_of_format_ends_the_segment_and_is_a_discontinuity() {
    let mut segmenter = started();
    run(&mut segmenter, 0, 5_000, 1_000);
    // The same configuration again changes nothing.
    assert_eq!(segmenter.push(&video(PPS), None).unwrap(), None);
    assert!(run(&mut segmenter, 5_000, 5_400, 1_000).is_empty());
    segmenter.push(&video(OTHER_PPS), None).unwrap();
    let ended = run(&mut segmenter, 5_400, 8_000, 1_000);
    assert_eq!(seconds(&ended), [1.4]);
    run(&mut segmenter, 8_000, 8_100, 1_000);
    let playlist = segmenter.playlist().unwrap();
    assert!(
        playlist
            .ends_with("#EXTINF:1.400,\na-2.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2.600,\na-3.ts\n"),
        "{playlist}"
    );
    // It is counted when it leaves the playlist.
    run(&mut segmenter, 8_120, 40_000, 1_000);
    let playlist = segmenter.playlist().unwrap();
    assert!(
        playlist.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"),
        "{playlist}"
    );
    assert!(!playlist.contains("#EXT-X-DISCONTINUITY\n"));
}

#[test]
fn the_time_of_day_is_named_where_it_is_known() {
    let mut segmenter = started();
    let wall = 1_709_210_096_789;
    segmenter.push(&picture(0, true), Some(wall)).unwrap();
    segmenter.finish().unwrap();
    let playlist = segmenter.playlist().unwrap();
    assert!(
        playlist.contains("#EXT-X-PROGRAM-DATE-TIME:2024-02-29T12:34:56.789Z\n"),
        "{playlist}"
    );
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(date_time(ms), text);
    }
}

#[test]
fn a_damaged_unit_is_left_out_and_no_segment_is_lost() {
    let mut segmenter = started();
    run(&mut segmenter, 0, 2_000, 1_000);
    let damaged = unit(
        Track::Video,
        2_000,
        true,
        Bytes::from_static(&[0, 0, 0, 9, 1]),
    );
    assert!(segmenter.push(&damaged, None).unwrap().is_some());
    assert!(segmenter.push(&damaged, None).is_err());
    assert!(
        segmenter
            .push(&picture(2_040, false), None)
            .unwrap()
            .is_none()
    );
}

#[test]
fn an_independent_player_reads_the_playlist_and_each_segment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.ts");
    let made = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25:d=7",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=f=440:r=48000:d=7",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
        ])
        .args([
            "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2",
        ])
        .arg(&source)
        .status()
        .unwrap();
    assert!(made.success());
    let mut events = Vec::new();
    let mut demuxer = crate::demux::Demuxer::new();
    demuxer
        .push(&std::fs::read(&source).unwrap(), &mut events)
        .unwrap();
    // A mux groups sound; a playout sends all by DTS.
    let time = |event: &MediaEvent| match event {
        MediaEvent::Unit(unit) => unit.dts,
        _ => i64::MIN,
    };
    events.sort_by_key(time);
    let mut segmenter = Segmenter::new("s", 7);
    let mut segments = Vec::new();
    for event in &events {
        segments.extend(segmenter.push(event, None).unwrap());
    }
    segments.extend(segmenter.finish());
    assert_eq!(segments.len(), 4);
    let frames = |path: &std::path::Path| {
        let output = Command::new("ffprobe")
            .args([
                "-hide_banner",
                "-loglevel",
                "warning",
                "-select_streams",
                "v",
            ])
            .args([
                "-count_frames",
                "-show_entries",
                "stream=nb_read_frames",
                "-of",
                "csv=p=0",
            ])
            .arg(path)
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaints.is_empty(), "{complaints}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .find_map(|line| line.trim().parse::<usize>().ok())
            .unwrap()
    };
    let mut alone = 0;
    for segment in &segments {
        let path = folder.path().join(&segment.name);
        std::fs::write(&path, &segment.data).unwrap();
        alone += frames(&path);
    }
    // The source's last picture says no length.
    assert_eq!(alone, 174);
    let playlist = folder.path().join("live.m3u8");
    let text = segmenter.playlist().unwrap() + "#EXT-X-ENDLIST\n";
    std::fs::write(&playlist, text).unwrap();
    assert_eq!(frames(&playlist), 174);
}
