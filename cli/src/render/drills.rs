//! What was measured before anything goes on air: checked files, and drills.

use booth_proto::v1::{CheckedFile, DrillStep};

use super::rows::Row;
use super::table::{Cell, Table, Tone};
use super::text::length;

impl Row for CheckedFile {
    const HEADINGS: &'static [&'static str] = &["FILE", "LENGTH", "VIDEO", "AUDIO", "CHANGES"];

    fn row(&self) -> Vec<Cell> {
        let changes = if self.changes.is_empty() {
            Cell::toned("none, it is copied as it is", Tone::Good)
        } else {
            Cell::new(self.changes.join("; "))
        };
        let audio = if self.audio.is_empty() {
            Cell::toned("none", Tone::Warning)
        } else {
            Cell::new(&self.audio)
        };
        vec![
            Cell::new(&self.path),
            Cell::new(length(self.duration_s)),
            Cell::new(&self.video),
            audio,
            changes,
        ]
    }

    fn page(&self) -> Vec<(&'static str, Cell)> {
        ["File", "Length", "Video", "Audio", "Changes"]
            .into_iter()
            .zip(self.row())
            .collect()
    }

    fn name(&self) -> &str {
        &self.path
    }
}

pub fn table(steps: &[DrillStep]) -> Table {
    let row = |step: &DrillStep| {
        let result = if step.passed {
            Cell::toned("ok", Tone::Good)
        } else {
            Cell::toned("FAILED", Tone::OnAir)
        };
        let ms = |value: u32| Cell::new(format!("{value} ms"));
        vec![
            Cell::new(&step.step),
            result,
            ms(step.reaction_ms),
            ms(step.freeze_ms),
            ms(step.timestamp_step_ms),
            Cell::new(&step.text),
        ]
    };
    Table {
        headings: vec!["STEP", "RESULT", "REACTION", "FREEZE", "TIME STEP", "NOTE"],
        rows: steps.iter().map(row).collect(),
    }
}
