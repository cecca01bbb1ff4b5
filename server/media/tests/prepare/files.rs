//! Kinds of files, and the loops they become.

use std::path::Path;

use booth_proto::worker::{PrepareDesired, PrepareReport};
use booth_stream::SECOND;

use crate::clips::{Clip, FITTING, ffmpeg};
use crate::played::Played;
use crate::rig::Rig;

/// Prepares the one clip, and plays two rounds.
#[track_caller]
fn prepared(name: &str, clip: &Clip) -> (PrepareReport, Played) {
    prepared_with(name, clip, &[])
}

#[track_caller]
fn prepared_with(name: &str, clip: &Clip, more: &[&str]) -> (PrepareReport, Played) {
    let rig = Rig::start();
    let path = clip.make_with(rig.dir.path(), name, more);
    prepare_and_play(&rig, &[&path])
}

#[track_caller]
fn prepare_and_play(rig: &Rig, paths: &[&Path]) -> (PrepareReport, Played) {
    let report = rig.prepare(&rig.order(paths));
    assert_eq!(report.error, "");
    (report, Played::rounds(&rig.backup(), 2))
}

#[test]
fn a_file_in_the_channels_format_is_passed_on_as_it_is() {
    let rig = Rig::start();
    let path = FITTING.make(rig.dir.path(), "a.mp4");
    let (report, played) = prepare_and_play(&rig, &[&path]);
    assert_eq!(
        report.files[0].changes,
        Vec::<String>::new(),
        "{}",
        report.note
    );
    assert_eq!(report.duration_ms, 3000);
    assert_eq!(played.luma.len(), 180);
    played.assert_in_sync(6);
    // The same coded pictures: each unit is found in the file.
    let bytes = std::fs::read(&path).unwrap();
    let info = played.file.info();
    let units = (0..info.units as usize)
        .map(|n| (played.file.entry(n).unwrap(), played.file.data(n).unwrap()));
    for (unit, data) in units.filter(|(unit, _)| unit.track == booth_stream::Track::Video) {
        let end = &data[data.len().saturating_sub(64)..];
        let found = bytes.windows(end.len()).any(|window| window == end);
        assert!(found, "the picture at {} was made anew", unit.pts);
    }
}

#[test]
fn a_transport_stream_and_a_matroska_file_are_passed_on_too() {
    for name in ["a.ts", "a.mkv", "a.mov"] {
        let (report, played) = prepared(name, &FITTING);
        assert!(
            report.files[0].changes.is_empty(),
            "{name}: {:?} {}",
            report.files[0].changes,
            report.note
        );
        assert_eq!(played.luma.len(), 180, "{name}");
        played.assert_in_sync_within(6, 0.03);
    }
}

#[test]
fn twenty_five_pictures_of_another_size_with_b_frames_are_brought_to_the_format() {
    let clip = Clip {
        size: "640x360",
        rate: "25",
        video: &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"],
        ..FITTING
    };
    let rig = Rig::start();
    let path = clip.make(rig.dir.path(), "a.mkv");
    let report = rig.prepare(&PrepareDesired {
        preset: String::new(),
        ..rig.order(&[&path])
    });
    let played = Played::rounds(&rig.backup(), 2);
    let changes = &report.files[0].changes;
    assert!(changes.contains(&"25 fps → 30".to_owned()), "{changes:?}");
    assert!(
        changes.contains(&"640x360 → 320x180".to_owned()),
        "{changes:?}"
    );
    assert!(
        changes.contains(&"B-frames → none".to_owned()),
        "{changes:?}"
    );
    let video = &played.file.info().video;
    assert_eq!((video.width, video.height, video.profile), (320, 180, 100));
    assert_eq!(played.file.info().duration, 3 * SECOND);
    assert_eq!(played.luma.len(), 180);
    played.assert_in_sync(6);
}

#[test]
fn a_file_without_sound_gets_silence_and_keeps_its_pictures() {
    let (report, played) = prepared(
        "a.mp4",
        &Clip {
            sound_s: None,
            ..FITTING
        },
    );
    assert_eq!(report.files[0].changes, ["no sound: silence"]);
    assert_eq!(played.luma.len(), 180);
    assert!(played.sound.len() > 5 * 48_000);
    assert!(played.sound.iter().all(|sample| sample.abs() < 0.001));
}

#[test]
fn sound_that_is_longer_is_cut_and_sound_that_is_shorter_is_followed_by_silence() {
    let (report, played) = prepared(
        "a.mp4",
        &Clip {
            sound_s: Some(4.4),
            ..FITTING
        },
    );
    assert_eq!(played.file.info().duration, 3 * SECOND, "{}", report.note);
    played.assert_in_sync(6);
    let (report, played) = prepared(
        "a.mp4",
        &Clip {
            sound_s: Some(1.5),
            ..FITTING
        },
    );
    assert_eq!(played.file.info().duration, 3 * SECOND, "{}", report.note);
    assert_eq!(played.beeps().len(), 4);
    assert_eq!(played.flashes().len(), 6);
}

#[test]
fn other_sound_is_brought_to_forty_eight_kilohertz_stereo() {
    for audio in [
        &["-c:a", "aac", "-ac", "1", "-ar", "44100"][..],
        &["-c:a", "ac3", "-ac", "6", "-ar", "48000"],
        &["-c:a", "libmp3lame", "-ac", "2", "-ar", "22050"],
        &["-c:a", "pcm_s16le", "-ac", "2", "-ar", "32000"],
    ] {
        let (report, played) = prepared("a.mkv", &Clip { audio, ..FITTING });
        let changes = &report.files[0].changes;
        assert!(!changes.is_empty(), "{audio:?}");
        let audio = &played.file.info().audio;
        assert_eq!((audio.sample_rate, audio.channels), (48_000, 2));
        played.assert_in_sync_within(6, 0.03);
    }
}

#[test]
fn webm_with_vp9_and_opus_is_encoded() {
    let clip = Clip {
        video: &[
            "-c:v",
            "libvpx-vp9",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
        ],
        audio: &["-c:a", "libopus"],
        ..FITTING
    };
    let (report, played) = prepared("a.webm", &clip);
    assert_eq!(
        report.files[0].changes,
        ["VP9 → H.264", "mono → stereo", "Opus → AAC-LC"]
    );
    assert_eq!(played.luma.len(), 180);
    played.assert_in_sync(6);
}

#[test]
fn four_four_four_and_ten_bit_become_what_platforms_take() {
    for (format, change) in [
        ("yuv444p", "4:4:4 → 4:2:0"),
        ("yuv420p10le", "10 bit → 8 bit"),
    ] {
        let video = match format {
            "yuv444p" => &[
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv444p",
                "-g",
                "30",
            ][..],
            _ => &[
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv420p10le",
                "-g",
                "30",
            ],
        };
        let (report, played) = prepared("a.mp4", &Clip { video, ..FITTING });
        assert_eq!(report.files[0].changes, [change]);
        assert_eq!(played.luma.len(), 180);
    }
}

#[test]
fn a_file_of_one_second_loops_a_hundred_times_without_a_frame_missing_or_drift() {
    let rig = Rig::start();
    let path = Clip {
        seconds: 1.0,
        sound_s: Some(1.0),
        ..FITTING
    }
    .make(rig.dir.path(), "a.mp4");
    prepare_and_play(&rig, &[&path]);
    let played = Played::rounds(&rig.backup(), 100);
    assert_eq!(played.file.info().duration, SECOND);
    assert_eq!(played.luma.len(), 3000);
    played.assert_in_sync_within(100, 0.02);
}

#[test]
fn a_list_is_one_loop_whatever_its_files_are() {
    let rig = Rig::start();
    let dir = rig.dir.path();
    let a = FITTING.make(dir, "a.mp4");
    let b = Clip {
        rate: "50",
        seconds: 2.0,
        sound_s: None,
        ..FITTING
    }
    .make(dir, "b.mp4");
    let c = Clip {
        size: "300x400",
        seconds: 1.0,
        sound_s: Some(1.0),
        ..FITTING
    }
    .make(dir, "c.mov");
    let (report, played) = prepare_and_play(&rig, &[&a, &b, &c]);
    assert_eq!(report.files.len(), 3);
    assert_eq!(
        report.files[0].changes,
        ["encoded anew, to be like the other files"]
    );
    assert_eq!(report.duration_ms, 6000);
    assert_eq!(played.luma.len(), 360);
    assert_eq!(played.beeps().len(), 8, "{:?}", played.beeps());
}

#[test]
fn files_that_are_alike_are_all_passed_on() {
    let rig = Rig::start();
    let dir = rig.dir.path();
    let (a, b) = (
        FITTING.make(dir, "a.mp4"),
        Clip {
            seconds: 2.0,
            sound_s: Some(2.0),
            ..FITTING
        }
        .make(dir, "b.mp4"),
    );
    let (report, played) = prepare_and_play(&rig, &[&a, &b, &a]);
    assert!(
        report.files.iter().all(|file| file.changes.is_empty()),
        "{:?} {}",
        report.files,
        report.note
    );
    assert_eq!(played.luma.len(), 480);
    played.assert_in_sync_within(16, 0.025);
}

#[test]
fn a_picture_filmed_upright_stands_upright() {
    let rig = Rig::start();
    let dir = rig.dir.path();
    let flat = FITTING.make(dir, "flat.mp4");
    let turned = dir.join("turned.mp4");
    ffmpeg(&[
        "-i",
        &flat.display().to_string(),
        "-c",
        "copy",
        "-metadata:s:v",
        "rotate=90",
        &turned.display().to_string(),
    ]);
    let (report, played) = prepare_and_play(&rig, &[&turned]);
    assert_eq!(report.files[0].changes, ["turned upright"]);
    // Upright in a wide picture, two thirds are border: even white is dark on average.
    let brightest = *played.luma.iter().max().unwrap();
    assert!(brightest < 120, "mean luma {brightest}: not turned");
    assert_eq!(played.luma.len(), 180);
}

#[test]
fn a_variable_rate_becomes_an_even_one() {
    let clip = Clip {
        rate: "60",
        ..FITTING
    };
    // Two pictures, then a hole of two, and so on.
    let (report, played) = prepared_with(
        "a.mp4",
        &clip,
        &["-vf", "select='lt(mod(n,4),2)'", "-fps_mode", "vfr"],
    );
    let changes = &report.files[0].changes;
    assert!(
        changes.contains(&"variable rate → 30 fps".to_owned()),
        "{changes:?}"
    );
    assert!(
        (178..=182).contains(&played.luma.len()),
        "{}",
        played.luma.len()
    );
    played.assert_in_sync_within(6, 0.035);
}

#[test]
fn interlaced_pictures_are_made_progressive() {
    let clip = Clip {
        rate: "25",
        video: &[
            "-c:v",
            "mpeg2video",
            "-flags",
            "+ilme+ildct",
            "-top",
            "1",
            "-q:v",
            "3",
        ],
        audio: &["-c:a", "mp2"],
        ..FITTING
    };
    let (report, played) = prepared("a.ts", &clip);
    let changes = &report.files[0].changes;
    assert!(
        changes.contains(&"interlaced → progressive".to_owned()),
        "{changes:?}"
    );
    assert_eq!(played.luma.len(), 180);
    played.assert_in_sync_within(6, 0.045);
}
