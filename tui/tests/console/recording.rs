//! Sessions written down and played again, and a model that can be written at any moment.

use booth_tui::model::Model;
use booth_tui::record::{self, Recorder};

use crate::stage::Stage;

#[test]
fn a_recorded_session_ends_at_the_same_screen() {
    let mut stage = Stage::full(100, 30);
    stage.keys("j a");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 43);
    stage.keys("g q o n space");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("session.jsonl");
    let mut recorder = Recorder::create(&file).unwrap();
    for input in &stage.inputs {
        recorder.write(input).unwrap();
    }
    drop(recorder);
    let (start, inputs) = record::read(&file).unwrap();
    let replayed = record::replay(start, inputs, None, None);
    assert_eq!(
        replayed,
        Model {
            dirty: replayed.dirty,
            ..stage.model.clone()
        }
    );
    let (start, inputs) = record::read(&file).unwrap();
    let small = record::replay(start, inputs, None, Some((80, 24)));
    assert_eq!((small.width, small.height), (80, 24));
}

#[test]
fn a_recording_over_a_file_that_anybody_could_read_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("session.jsonl");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    Recorder::create(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_is_no_recording_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    std::fs::write(&file, "hello\n").unwrap();
    assert!(
        record::read(&file)
            .unwrap_err()
            .to_string()
            .contains("no recording")
    );
    let mut recorder = Recorder::create(&file).unwrap();
    for input in &Stage::empty(80, 24).inputs {
        recorder.write(input).unwrap();
    }
    drop(recorder);
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}{{\"at_ms\":1,\"msg\":\"dance\"}}\n")).unwrap();
    let said = record::read(&file).unwrap_err().to_string();
    let line = good.lines().count() + 1;
    assert!(said.contains(&format!(":{line}:")), "{said}");
    // Cut off in the middle of a line: what is whole is played.
    std::fs::write(&file, format!("{good}{{\"at_ms\":1,\"ms")).unwrap();
    assert!(record::read(&file).is_ok());
}

#[test]
fn the_model_can_be_written_down_and_read_back() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    let text = serde_json::to_string(&stage.model).unwrap();
    let back: Model = serde_json::from_str(&text).unwrap();
    assert_eq!(back, stage.model);
}
