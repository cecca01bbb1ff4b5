//! Keys that would do what nobody saw or meant.

use booth_proto::v1::{self, caller::State, resource::Resource};
use booth_tui::command::Command;
use booth_tui::msg::Msg;
use insta::assert_snapshot;

use crate::mouse::click;
use crate::props::{caller, slot};
use crate::stage::{Stage, start};

fn put(stage: &mut Stage, left: Vec<Resource>) {
    stage.change("operators/anna", "X", "x", "x", left);
}

fn long(id: &str, letter: &str, state: State) -> v1::Caller {
    caller(id, &letter.repeat(64), state)
}

#[test]
fn a_long_name_hides_nothing_of_what_enter_will_do() {
    for (width, height) in [(80, 24), (100, 30), (200, 60)] {
        let mut stage = Stage::full(width, height);
        let alpha = v1::Caller {
            slot: "slots/1".into(),
            ..long("ca", "A", State::OnAir)
        };
        let charlie = v1::Caller {
            connected: false,
            ..long("cc", "C", State::Screening)
        };
        put(
            &mut stage,
            vec![Resource::Caller(alpha), Resource::Caller(charlie)],
        );
        stage.keys("1 j T");
        let says = stage.says();
        for what in ["TAKE 1 ← CCCCC", "REPLACES AAAAA", "SCREENING", "Enter"] {
            assert!(says.contains(what), "{what} at {width}: {says}");
        }
        assert!(
            says.contains("NO LINK") || says.contains("NOT CONNECTED"),
            "{says}"
        );
        if width == 80 {
            assert_snapshot!("long-names-80x24", stage.screen());
        }
    }
}

#[test]
fn two_long_names_that_look_the_same_are_told_apart_by_their_ids() {
    let mut stage = Stage::full(80, 24);
    let mut other = long("cc", "B", State::Ready);
    other.display_name.push_str(" the other");
    let alike = vec![
        Resource::Caller(long("cb", "B", State::Ready)),
        Resource::Caller(other),
    ];
    put(&mut stage, alike);
    stage.keys("2 t");
    assert!(stage.says().contains("… (cb)?"), "{}", stage.says());
    stage.keys("esc j t");
    assert!(stage.says().contains("… (cc)?"), "{}", stage.says());
}

#[test]
fn a_name_that_is_too_long_to_type_is_asked_for_by_its_id() {
    let mut stage = Stage::full(80, 24);
    put(
        &mut stage,
        vec![Resource::Caller(long("cb", "B", State::Ready))],
    );
    stage.keys("d");
    assert!(
        stage.says().contains("type cb and Enter"),
        "{}",
        stage.says()
    );
    stage.typed("cb").keys("enter");
    assert!(matches!(stage.sent_one().1, Command::Drop { .. }));
}

#[test]
fn what_is_not_seen_is_neither_armed_nor_sent() {
    for (width, height) in [(59, 40), (100, 15), (40, 8)] {
        let mut stage = Stage::full(width, height);
        for keys in ["t", "T", "r", "m", "R d", "d", "a"] {
            stage.keys(keys);
            assert!(stage.model.armed.is_none(), "{keys}");
            assert!(stage.model.modal.is_none(), "{keys}");
            assert!(
                stage.screen().contains("terminal too small"),
                "{keys}\n{}",
                stage.screen()
            );
            stage.keys("enter esc g a");
            assert!(stage.sent().is_empty(), "{keys}");
        }
    }
}

#[test]
fn a_terminal_that_gets_too_small_disarms_and_answers_no_question() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    let small = Msg::Resize {
        width: 59,
        height: 30,
    };
    stage.feed(small.clone());
    assert!(stage.model.armed.is_none());
    assert!(stage.screen().contains("NOT DONE"), "{}", stage.screen());
    stage.keys("enter");
    assert!(stage.sent().is_empty());

    let mut stage = Stage::full(100, 30);
    stage.keys("d").typed("bravo");
    stage.feed(small.clone());
    stage.keys("enter");
    assert!(stage.sent().is_empty());

    let mut stage = Stage::full(100, 30);
    stage.model.settings.immediate = true;
    stage.keys("g c D");
    stage.feed(small);
    stage.keys("2");
    assert!(stage.sent().is_empty());
}

#[test]
fn the_enter_that_chose_in_the_palette_does_not_confirm_as_well() {
    let mut stage = Stage::full(100, 30);
    stage.keys(":").typed("take").keys("enter enter");
    assert!(stage.model.armed.is_some(), "it bounced");
    // Held: after half a second it repeats.
    stage.forward(500);
    for _ in 0..40 {
        stage.keys("enter");
        stage.now += 30;
    }
    assert!(stage.sent().is_empty());
    assert!(stage.model.armed.is_some());
    // Let go, and pressed again.
    stage.now += 400;
    stage.keys("enter");
    assert!(matches!(stage.sent_one().1, Command::Take { .. }));
}

#[test]
fn the_enter_after_an_arming_key_is_as_quick_as_the_hand() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    stage.sent_one();
}

#[test]
fn a_choice_in_a_menu_that_was_open_when_the_stream_went_stale_sends_nothing() {
    for immediate in [true, false] {
        for clicked in [true, false] {
            let mut start = start(100, 30);
            start.settings.immediate = immediate;
            let mut stage = Stage::with(start);
            stage.connect(v1::Role::Operator);
            stage.begin();
            stage.keys("g c D");
            assert!(stage.model.modal.is_some());
            stage.silence(4_000);
            if clicked {
                click(&mut stage, "fb (is on)");
            } else {
                stage.keys("2");
            }
            assert!(stage.model.modal.is_none(), "it was chosen");
            assert!(stage.model.armed.is_none());
            assert!(stage.sent().is_empty());
            assert!(stage.says().contains("NOT DONE"), "{}", stage.says());
        }
    }
}

#[test]
fn mute_in_the_air_view_is_for_who_is_on_the_slot_and_for_nobody_else() {
    let mut stage = Stage::full(100, 30);
    let left = vec![
        Resource::Caller(caller("ca", "Alpha", State::Ended)),
        Resource::Slot(slot("1", 9001)),
    ];
    stage.keys("1");
    put(&mut stage, left);
    stage.keys("m");
    assert!(stage.sent().is_empty(), "Bravo is selected in the queue");
    assert!(
        stage.says().contains("nobody is on slot 1"),
        "{}",
        stage.says()
    );
    for view in ["g q", "g a space"] {
        stage.keys(view).keys("m");
        let (_, command) = stage.sent_one();
        assert!(
            matches!(&command, Command::Mute { caller, muted: true, .. } if caller.ends_with("/cb")),
            "{command:?}"
        );
    }
}
