//! Nothing on air by accident.

use booth_proto::v1::{self, resource::Resource};
use booth_tui::command::{Command, Then};
use booth_tui::model::View;
use booth_tui::msg::{LinkMsg, Refusal};

use crate::props::{everything, show, slot};
use crate::stage::Stage;

#[test]
fn a_take_is_sent_by_enter_and_by_nothing_else() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    assert!(stage.sent().is_empty());
    assert!(
        stage.says().contains("TAKE 2 ← Bravo?  Enter to air"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    let (_, command) = stage.sent_one();
    let Command::Take {
        slot,
        caller,
        over,
        revision,
        ..
    } = command
    else {
        panic!("{command:?}")
    };
    assert_eq!(
        (slot.as_str(), caller.as_str()),
        ("slots/2", "shows/main/callers/cb")
    );
    assert_eq!((over, revision), (false, 10));
}

#[test]
fn an_armed_take_runs_out_after_three_seconds_and_a_late_enter_does_nothing() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    stage.forward(3_000);
    assert!(
        stage.says().contains("nothing was done"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    assert!(stage.sent().is_empty());
    assert_eq!(
        stage.model.view,
        View::Air,
        "the late Enter does not open the card either"
    );
}

/// Whether a tick came in between or not.
#[test]
fn an_enter_after_the_time_or_after_the_stream_does_nothing() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    stage.now += 3_000;
    stage.keys("enter");
    assert!(stage.sent().is_empty(), "too late");

    let mut stage = Stage::full(100, 30);
    stage.now += 1_000;
    stage.keys("t");
    assert!(stage.model.armed.is_some());
    stage.now += 2_600;
    stage.keys("enter");
    assert!(
        stage.sent().is_empty(),
        "still armed, but nothing was heard for 3.6 s"
    );
}

#[test]
fn any_other_key_disarms() {
    for other in ["esc", "j", "a", "1", "tab", "z"] {
        let mut stage = Stage::full(100, 30);
        stage.keys("t").keys(other);
        assert!(stage.model.armed.is_none(), "{other}");
        stage.sent();
        stage.keys("enter");
        let taken = stage
            .sent()
            .iter()
            .any(|(_, c)| matches!(c, Command::Take { .. }));
        assert!(!taken, "{other}");
    }
}

#[test]
fn what_is_armed_stays_pinned_when_rows_move() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    // Charlie goes to the head of the queue, where Bravo was.
    stage.change(
        "operators/anna",
        "CALLER_MOVED",
        "shows/main/callers/cc",
        "caller Charlie moved",
        vec![Resource::Show(show(&["cc", "cb", "cd"]))],
    );
    stage.keys("enter");
    let (_, command) = stage.sent_one();
    assert!(matches!(command, Command::Take { caller, .. } if caller.ends_with("/cb")));
}

#[test]
fn a_change_of_the_slot_under_an_armed_take_disarms_and_says_who() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    let mut two = slot("2", 9002);
    two.assigned_caller = "shows/main/callers/cc".into();
    two.revision = 41;
    stage.change(
        "operators/anna",
        "SLOT_TAKEN",
        "slots/2",
        "caller Charlie taken to slot 2 by anna",
        vec![Resource::Slot(two)],
    );
    assert!(stage.model.armed.is_none());
    let says = stage.says();
    assert!(
        says.contains("NOT DONE: TAKE 2 ← Bravo") && says.contains("anna: caller Charlie taken"),
        "{says}"
    );
    stage.keys("enter");
    assert!(stage.sent().is_empty());
}

#[test]
fn of_two_callers_with_one_name_the_id_tells_which() {
    let mut stage = Stage::full(100, 30);
    let twin = crate::props::caller("cc", "Bravo", v1::caller::State::Screening);
    stage.change(
        "system",
        "CALLER_RENAMED",
        "shows/main/callers/cc",
        "x",
        vec![Resource::Caller(twin)],
    );
    stage.keys("t");
    assert!(
        stage.says().contains("TAKE 2 ← Bravo (cb)?"),
        "{}",
        stage.says()
    );
}

#[test]
fn a_mere_fact_about_the_slot_keeps_the_take_armed_at_the_new_revision() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    let two = v1::Slot {
        revision: 44,
        ..everything().slots.remove(1)
    };
    stage.change(
        "system",
        "SLOT_SHOWING",
        "slots/2",
        "slot 2 is idle",
        vec![Resource::Slot(two)],
    );
    stage.keys("enter");
    let (_, command) = stage.sent_one();
    assert!(
        matches!(command, Command::Take { revision: 44, .. }),
        "{command:?}"
    );
}

#[test]
fn the_model_is_never_optimistic() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    assert!(
        stage.screen().contains("Bravo is on the way"),
        "{}",
        stage.screen()
    );
    assert!(!stage.screen().contains("2 ·  ON AIR"));
    stage.accept(&id, 43);
    assert!(
        !stage.screen().contains("2 ·  ON AIR"),
        "accepted is not on air"
    );

    let bravo = "shows/main/callers/cb".to_owned();
    let mut two = slot("2", 9002);
    two.assigned_caller = bravo.clone();
    two.revision = 43;
    stage.change(
        "operators/op1",
        "SLOT_TAKEN",
        "slots/2",
        "caller Bravo taken to slot 2 by op1",
        vec![Resource::Slot(two.clone())],
    );
    assert!(
        stage.screen().contains("GOING ON AIR"),
        "{}",
        stage.screen()
    );
    two.showing = v1::slot::Showing::Caller as i32;
    two.showing_caller = bravo;
    two.revision = 44;
    stage.change(
        "system",
        "SLOT_SHOWING",
        "slots/2",
        "slot 2 shows caller Bravo",
        vec![Resource::Slot(two)],
    );
    assert!(stage.screen().contains("2 ·  ON AIR"), "{}", stage.screen());
    assert!(
        stage.says().contains("Bravo is ON AIR on 2"),
        "{}",
        stage.says()
    );
    assert!(stage.model.pending.is_empty());
}

#[test]
fn a_second_enter_while_one_is_on_its_way_sends_nothing() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    stage.sent_one();
    stage.keys("t enter enter");
    let takes = stage.sent();
    assert!(takes.is_empty(), "{takes:?}");
}

#[test]
fn a_take_without_its_fact_is_told_after_a_while() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 43);
    stage.forward(10_500);
    assert!(
        stage.says().contains("not seen on the output"),
        "{}",
        stage.says()
    );
}

#[test]
fn with_a_stale_stream_nothing_is_armed_or_sent() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t");
    stage.silence(4_000);
    assert!(stage.model.armed.is_none(), "going stale disarms");
    for keys in ["t", "f", "r", "T", "m", "a", "x enter", "h", "R q"] {
        stage.keys(keys).keys("enter esc esc");
        assert!(stage.sent().is_empty(), "{keys}");
        assert!(stage.model.armed.is_none(), "{keys}");
    }
    // The heartbeat comes back, and so do the keys.
    stage.beat();
    stage.keys("g a t");
    assert!(stage.model.armed.is_some(), "{:?}", stage.model.notice);
}

#[test]
fn a_question_that_was_open_when_the_stream_went_stale_sends_nothing() {
    let mut stage = Stage::full(100, 30);
    stage.keys("d").typed("Bravo");
    stage.silence(4_000);
    stage.keys("enter");
    assert!(stage.sent().is_empty());
    assert!(stage.says().contains("NOT DONE"), "{}", stage.says());
}

#[test]
fn a_conflict_says_who_was_first() {
    for stream_first in [true, false] {
        let mut stage = Stage::full(100, 30);
        stage.keys("t enter");
        let (id, _) = stage.sent_one();
        let mut two = slot("2", 9002);
        two.assigned_caller = "shows/main/callers/cc".into();
        two.revision = 43;
        let news = |stage: &mut Stage| {
            stage.change(
                "operators/anna",
                "SLOT_TAKEN",
                "slots/2",
                "caller Charlie taken to slot 2 by anna",
                vec![Resource::Slot(two.clone())],
            );
        };
        if stream_first {
            news(&mut stage);
        }
        stage.refuse(&id, "ABORTED", "REVISION_MISMATCH", "it has changed");
        if !stream_first {
            news(&mut stage);
        }
        let says = stage.says();
        assert!(
            says.contains("NOT DONE: TAKE 2 ← Bravo")
                && says.contains("anna: caller Charlie taken to slot 2"),
            "{says}"
        );
        assert!(stage.model.pending.is_empty());
        assert!(stage.screen().contains("Charlie"));
    }
}

#[test]
fn an_answer_that_was_lost_is_told_as_that() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    let refusal = Refusal {
        code: "UNAVAILABLE".into(),
        reason: String::new(),
        text: "broken pipe".into(),
        lost: true,
    };
    stage.link(LinkMsg::Answer {
        request_id: id,
        result: Err(refusal),
    });
    assert!(stage.says().contains("NOBODY KNOWS"), "{}", stage.says());
}

#[test]
fn take_never_replaces_anybody_and_take_over_says_whom() {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 t");
    assert!(
        stage.says().contains("TAKE 2 ← Bravo"),
        "slot 1 is taken: {}",
        stage.says()
    );
    stage.keys("esc T");
    assert!(
        stage.says().contains("TAKE 1 ← Bravo, REPLACES Alpha"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    assert!(matches!(
        stage.sent_one().1,
        Command::Take { over: true, .. }
    ));
}

#[test]
fn who_is_not_ready_is_not_taken_by_the_plain_key() {
    let mut stage = Stage::full(100, 30);
    stage.keys("j t");
    assert!(stage.model.armed.is_none());
    assert!(
        stage.says().contains("Charlie is SCREENING, not READY"),
        "{}",
        stage.says()
    );
    stage.keys("2 T");
    assert!(
        stage.says().contains("(is SCREENING, not READY)"),
        "{}",
        stage.says()
    );
}

#[test]
fn undo_of_a_take_releases_and_puts_the_caller_back_in_their_place() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 43);
    let mut two = slot("2", 9002);
    (two.assigned_caller, two.showing_caller) = (
        "shows/main/callers/cb".into(),
        "shows/main/callers/cb".into(),
    );
    two.showing = v1::slot::Showing::Caller as i32;
    two.revision = 43;
    stage.change(
        "operators/op1",
        "SLOT_TAKEN",
        "slots/2",
        "x",
        vec![Resource::Slot(two)],
    );
    stage.keys("u");
    assert!(
        stage
            .says()
            .contains("UNDO: RELEASE 2, Bravo back to place 1"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    let (id, command) = stage.sent_one();
    assert!(
        matches!(
            command,
            Command::Release {
                then: Then::Requeue,
                revision: 43,
                ..
            }
        ),
        "{command:?}"
    );
    stage.accept(&id, 44);
    let (_, command) = stage.sent_one();
    assert!(
        matches!(command, Command::Move { position: 1, .. }),
        "{command:?}"
    );
    stage.keys("u");
    assert!(stage.says().contains("nothing to undo"), "{}", stage.says());
}

#[test]
fn undo_does_nothing_once_the_slot_has_changed_hands() {
    let mut stage = Stage::full(100, 30);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 43);
    let mut two = slot("2", 9002);
    two.assigned_caller = "shows/main/callers/cc".into();
    two.revision = 44;
    stage.change(
        "operators/anna",
        "SLOT_TAKEN",
        "slots/2",
        "caller Charlie taken to slot 2 by anna",
        vec![Resource::Slot(two)],
    );
    stage.keys("u enter");
    assert!(stage.sent().is_empty());
    assert!(stage.model.armed.is_none());
}
