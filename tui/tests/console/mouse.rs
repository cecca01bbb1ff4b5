//! Clicks go where the eye sees things.

use booth_tui::model::View;
use booth_tui::msg::Msg;

use crate::stage::Stage;

/// Clicks at the first character of `what`.
#[track_caller]
pub fn click(stage: &mut Stage, what: &str) {
    let screen = stage.screen();
    let found = screen
        .lines()
        .enumerate()
        .find_map(|(y, row)| Some((row.find(what)?, y, row)));
    let (at, y, row) = found.unwrap_or_else(|| panic!("{what} is not in\n{screen}"));
    let x = booth_tui::text::width(&row[..at]);
    stage.feed(Msg::Click {
        x: x as u16,
        y: y as u16,
    });
}

#[test]
fn a_row_a_slot_a_tab_and_a_channel_are_chosen_by_a_click() {
    let mut stage = Stage::full(120, 40);
    click(&mut stage, "Charlie");
    assert_eq!(
        stage.model.queue.selected.as_deref(),
        Some("shows/main/callers/cc")
    );
    click(&mut stage, "2 ·");
    assert_eq!(stage.model.slot.as_deref(), Some("slots/2"));
    click(&mut stage, "Health");
    assert_eq!(stage.model.view, View::Health);
    stage.keys("g a");
    click(&mut stage, "waheguru");
    assert_eq!(
        stage.model.channels.selected.as_deref(),
        Some("channels/waheguru")
    );
}

#[test]
fn a_hint_in_the_footer_arms_and_no_click_ever_fires() {
    let mut stage = Stage::full(100, 30);
    click(&mut stage, "t take");
    assert!(stage.model.armed.is_some());
    assert!(stage.sent().is_empty());
    for y in 0..30 {
        for x in (0..100).step_by(3) {
            stage.feed(Msg::Click { x, y });
            stage.keys("esc");
            let on_air = stage.sent().into_iter().filter(|(_, c)| {
                c.on_air() && !matches!(c, booth_tui::command::Command::Mute { muted: true, .. })
            });
            assert_eq!(on_air.count(), 0, "{x},{y}");
            stage.keys("esc esc g a");
        }
    }
}

#[test]
fn a_hint_of_a_group_opens_the_group() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g c");
    click(&mut stage, "F force");
    assert!(stage.model.armed.is_none());
    assert!(
        stage.screen().contains("Hold the channel on its backup"),
        "{}",
        stage.screen()
    );
    stage.keys("b");
    assert!(stage.says().contains("HELD ON BACKUP"), "{}", stage.says());
}

#[test]
fn a_choice_is_clicked_and_arms() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g c D");
    click(&mut stage, "fb (is on)");
    assert!(
        stage.says().contains("Switch fb of krishna OFF"),
        "{}",
        stage.says()
    );
}
