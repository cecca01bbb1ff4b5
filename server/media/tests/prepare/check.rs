//! Files that cannot be used, and what is said of them.

use std::path::Path;

use booth_media::{CheckFormat, prepare_check};

use crate::clips::{FITTING, ffmpeg};

#[track_caller]
fn refusal(path: &Path) -> String {
    let text = path.display().to_string();
    let error = prepare_check(std::slice::from_ref(&text), CheckFormat::default()).unwrap_err();
    assert!(error.text.starts_with(&text), "{}", error.text);
    assert_eq!(error.path, text);
    error.text[text.len() + 2..].to_owned()
}

#[test]
fn every_unusable_file_is_refused_in_words_to_act_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(
        refusal(&at("missing.mp4")),
        "there is no such file: give its path on the server"
    );
    assert_eq!(
        refusal(dir.path()),
        "this is a directory: name the files in it"
    );
    std::fs::write(at("empty.mp4"), b"").unwrap();
    assert_eq!(
        refusal(&at("empty.mp4")),
        "the file is empty: copy it to the server anew"
    );
    std::fs::write(at("notes.mp4"), "Call the studio.\n".repeat(500)).unwrap();
    assert_eq!(
        refusal(&at("notes.mp4")),
        "not a media file, or of a kind that is not known here: convert it to MP4 with H.264 and AAC"
    );
    let still = at("still.png").display().to_string();
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "color=size=64x64",
        "-frames:v",
        "1",
        &still,
    ]);
    assert!(refusal(&at("still.png")).starts_with("a still picture"));
    let sound = at("sound.m4a").display().to_string();
    ffmpeg(&["-f", "lavfi", "-i", "sine", "-t", "1", &sound]);
    assert_eq!(
        refusal(&at("sound.m4a")),
        "there is no video in it: choose a file with a picture"
    );
    let whole = std::fs::read(FITTING.make(dir.path(), "whole.mp4")).unwrap();
    std::fs::write(at("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    let cut = refusal(&at("cut.mp4"));
    assert!(cut.starts_with("it is damaged or cut short"), "{cut}");
    let key = "00112233445566778899aabbccddeeff";
    let encrypted = at("encrypted.mp4").display().to_string();
    let plain = at("whole.mp4").display().to_string();
    ffmpeg(&[
        "-i",
        &plain,
        "-c",
        "copy",
        "-encryption_scheme",
        "cenc-aes-ctr",
        "-encryption_key",
        key,
        "-encryption_kid",
        key,
        &encrypted,
    ]);
    assert_eq!(
        refusal(&at("encrypted.mp4")),
        "it is encrypted: use a copy without protection"
    );
}

#[test]
fn a_usable_file_is_described_with_what_will_be_done_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = FITTING.make(dir.path(), "a.mp4").display().to_string();
    let checked = prepare_check(&[path.clone(), path.clone()], CheckFormat::default()).unwrap();
    assert!(
        (5_990..6_100).contains(&checked.duration_ms),
        "{}",
        checked.duration_ms
    );
    let file = &checked.files[0];
    assert_eq!(file.path, path);
    assert_eq!(file.video, "H.264 Constrained Baseline 320x180 30 fps");
    assert_eq!(file.audio, "AAC-LC 48000 Hz stereo");
    assert_eq!(file.changes, ["320x180 → 1280x720"]);
    let json = serde_json::to_value(&checked).unwrap();
    assert_eq!(json["files"][1]["changes"][0], "320x180 → 1280x720");
}

#[test]
fn a_relative_path_is_refused_because_nobody_knows_relative_to_what() {
    assert_eq!(
        refusal(Path::new("backup.mp4")),
        "the path is not absolute: begin it with /"
    );
}
