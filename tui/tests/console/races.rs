//! Somebody else is quicker: what was asked, armed or to be undone is then about another world.

use booth_proto::v1::{self, resource::Resource, watch_response::Message};
use booth_tui::command::Command;
use booth_tui::model::View;
use booth_tui::msg::{LinkMsg, Refusal};

use crate::props::{caller, everything, show, slot};
use crate::stage::Stage;

fn on(id: &str, who: &str) -> v1::Slot {
    let showing = match who {
        "" => v1::slot::Showing::Idle,
        _ => v1::slot::Showing::Caller,
    };
    let name = match who {
        "" => String::new(),
        who => format!("shows/main/callers/{who}"),
    };
    v1::Slot {
        assigned_caller: name.clone(),
        showing_caller: name,
        showing: showing as i32,
        revision: 50,
        ..slot(id, 9000)
    }
}

fn is(id: &str, name: &str, state: v1::caller::State, slot: &str) -> Resource {
    Resource::Caller(v1::Caller {
        slot: slot.into(),
        revision: 50,
        ..caller(id, name, state)
    })
}

/// Another console does it.
fn anna(stage: &mut Stage, resource: &str, text: &str, left: Vec<Resource>) {
    stage.change("operators/anna", "X", resource, text, left);
}

fn charlie_is_on(stage: &mut Stage, id: &str) {
    let left = vec![
        is("ca", "Alpha", v1::caller::State::Held, ""),
        is(
            "cc",
            "Charlie",
            v1::caller::State::OnAir,
            &format!("slots/{id}"),
        ),
        Resource::Slot(on(id, "cc")),
    ];
    let text = format!("caller Charlie taken to slot {id}");
    anna(stage, &format!("slots/{id}"), &text, left);
}

#[track_caller]
fn is_told(stage: &mut Stage, what: &str) {
    let said = stage.model.notice.clone().unwrap().text;
    assert!(
        said.starts_with("NOT DONE") && said.contains("has changed: anna: ") && said.contains(what),
        "{said}"
    );
}

#[test]
fn a_question_about_who_is_on_a_slot_closes_when_somebody_else_is_on_it() {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 R d").typed("alp");
    charlie_is_on(&mut stage, "1");
    assert!(stage.model.modal.is_none());
    is_told(&mut stage, "Charlie taken to slot 1");
    // The rest of the name means no commands (h holds, a approves), and neither does its Enter.
    stage.typed("ha").keys("enter");
    assert!(stage.sent().is_empty(), "Charlie's call goes on");
    assert!(stage.model.modal.is_none() && stage.model.view == View::Air);
    stage.keys("a");
    assert!(matches!(stage.sent_one().1, Command::Approve { .. }));

    // Somebody who stopped typing is not kept waiting.
    let mut stage = Stage::full(100, 30);
    stage.keys("1 R d");
    charlie_is_on(&mut stage, "1");
    stage.forward(1_000);
    stage.keys("a");
    stage.sent_one();
}

#[test]
fn a_mere_fact_about_the_slot_keeps_the_question_open() {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 R d").typed("alp");
    let one = v1::Slot {
        revision: 44,
        ..everything().slots.remove(0)
    };
    anna(&mut stage, "slots/1", "x", vec![Resource::Slot(one)]);
    stage.typed("ha").keys("enter");
    let (_, command) = stage.sent_one();
    assert!(
        matches!(command, Command::Release { revision: 44, .. }),
        "{command:?}"
    );
}

#[test]
fn the_question_whether_to_end_a_call_closes_when_the_caller_goes_on_air() {
    let mut stage = Stage::full(100, 30);
    stage.keys("d").typed("bravo");
    let left = vec![
        is("cb", "Bravo", v1::caller::State::OnAir, "slots/2"),
        Resource::Slot(on("2", "cb")),
    ];
    anna(&mut stage, "slots/2", "caller Bravo taken to slot 2", left);
    assert!(stage.model.modal.is_none());
    is_told(&mut stage, "Bravo taken to slot 2");
    stage.keys("enter");
    assert!(stage.sent().is_empty());
}

#[test]
fn the_question_whether_to_stop_closes_when_somebody_else_has_stopped_it() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g c F x").typed("krishna");
    let off = v1::Channel {
        running: false,
        ..crate::props::krishna()
    };
    anna(
        &mut stage,
        "channels/krishna",
        "channel krishna stopped",
        vec![Resource::Channel(off)],
    );
    is_told(&mut stage, "krishna stopped");
    stage.keys("enter");
    assert!(stage.sent().is_empty());

    let mut stage = Stage::full(100, 30);
    stage
        .keys(":")
        .typed("show stop")
        .keys("enter")
        .typed("main");
    assert!(stage.model.modal.is_some());
    let mut stopped = show(&["cb"]);
    stopped.state = v1::show::State::Stopped as i32;
    anna(
        &mut stage,
        "shows/main",
        "show main stopped",
        vec![Resource::Show(stopped)],
    );
    is_told(&mut stage, "show main stopped");
    stage.keys("enter");
    assert!(stage.sent().is_empty());
}

/// Alpha was released from slot 1 by this console, and the server has said so.
fn released() -> Stage {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 r enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 43);
    let left = vec![
        is("ca", "Alpha", v1::caller::State::Held, ""),
        Resource::Slot(on("1", "")),
    ];
    stage.change("operators/op1", "X", "slots/1", "Alpha released", left);
    stage
}

#[test]
fn undo_of_a_release_takes_the_caller_back() {
    let mut stage = released();
    stage.keys("u enter");
    let (_, command) = stage.sent_one();
    assert!(
        matches!(&command, Command::Take { slot, caller, .. } if slot == "slots/1" && caller.ends_with("/ca")),
        "{command:?}"
    );
}

#[test]
fn undo_of_a_release_replaces_nobody_who_came_after() {
    let mut stage = released();
    charlie_is_on(&mut stage, "1");
    stage.keys("u");
    assert!(stage.model.armed.is_none());
    assert!(
        stage.says().contains("slot 1 has changed since") && stage.says().contains("Charlie taken"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    assert!(stage.sent().is_empty());
}

/// Bravo, READY or not, was taken to slot 1 over Alpha by this console.
fn taken_over(state: v1::caller::State) -> Stage {
    let mut stage = Stage::full(100, 30);
    let bravo = is("cb", "Bravo", state, "");
    stage.change("operators/op1", "X", "x", "x", vec![bravo]);
    stage.keys("1 T enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 44);
    let left = vec![
        is("ca", "Alpha", v1::caller::State::Held, ""),
        is("cb", "Bravo", v1::caller::State::OnAir, "slots/1"),
        Resource::Slot(on("1", "cb")),
    ];
    stage.change("operators/op1", "X", "slots/1", "Bravo taken", left);
    assert!(stage.model.pending.is_empty());
    stage
}

#[test]
fn undo_of_a_take_over_gives_the_slot_back_and_only_from_who_was_taken() {
    for state in [v1::caller::State::Ready, v1::caller::State::Waiting] {
        let mut stage = taken_over(state);
        stage.keys("u enter");
        let (_, command) = stage.sent_one();
        assert!(
            matches!(&command, Command::Take { caller, .. } if caller.ends_with("/ca")),
            "{command:?}"
        );

        let mut stage = taken_over(state);
        charlie_is_on(&mut stage, "1");
        stage.keys("u enter");
        assert!(stage.sent().is_empty(), "{state:?}");
        assert!(stage.model.armed.is_none());
    }
}

#[test]
fn undo_of_a_take_whose_place_is_unknown_releases_nobody_else() {
    let mut stage = Stage::full(100, 30);
    // Bravo is selected, but in no queue: there is no place to go back to.
    stage.keys("space");
    let left = vec![Resource::Show(show(&["cc", "cd"]))];
    stage.change("operators/op1", "X", "x", "x", left);
    stage.keys("t enter");
    let (id, _) = stage.sent_one();
    stage.accept(&id, 44);
    let left = vec![
        is("cb", "Bravo", v1::caller::State::OnAir, "slots/2"),
        Resource::Slot(on("2", "cb")),
    ];
    stage.change("operators/op1", "X", "slots/2", "Bravo taken", left);
    assert!(stage.model.undo.is_some());
    charlie_is_on(&mut stage, "2");
    stage.keys("u enter");
    assert!(stage.sent().is_empty());
}

#[test]
fn only_the_last_take_is_undone_and_only_once_it_is_known() {
    let lost = |stage: &mut Stage, id: &str| {
        let refusal = Refusal {
            code: "UNAVAILABLE".into(),
            reason: String::new(),
            text: "broken pipe".into(),
            lost: true,
        };
        stage.link(LinkMsg::Answer {
            request_id: id.into(),
            result: Err(refusal),
        });
    };
    for how in ["unanswered", "lost", "overdue"] {
        let mut stage = released();
        stage.keys("2 t enter");
        let (id, _) = stage.sent_one();
        match how {
            "lost" => lost(&mut stage, &id),
            "overdue" => stage.forward(16_000),
            _ => {}
        }
        stage.keys("u");
        assert!(stage.model.armed.is_none(), "{how}");
        let wanted = match how {
            "unanswered" => "still on its way: TAKE 2 ← Bravo",
            _ => "nothing to undo",
        };
        assert!(stage.says().contains(wanted), "{how}: {}", stage.says());
        stage.keys("enter");
        assert!(stage.sent().is_empty(), "{how}");
    }
}

#[test]
fn a_late_answer_to_an_older_take_does_not_make_that_one_the_last() {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 r enter");
    let (older, _) = stage.sent_one();
    stage.keys("2 t enter");
    stage.sent_one();
    stage.accept(&older, 42);
    assert!(stage.model.undo.is_none());
    stage.keys("u");
    assert!(stage.model.armed.is_none());
}

#[test]
fn who_is_selected_and_cannot_be_taken_is_not_exchanged_for_another() {
    for (state, word) in [
        (v1::caller::State::OnAir, "ON AIR"),
        (v1::caller::State::Ended, "ENDED"),
    ] {
        for key in ["t", "f", "T"] {
            let mut stage = Stage::full(100, 30);
            stage.keys("j space");
            let charlie = is("cc", "Charlie", state, "");
            anna(&mut stage, "x", "x", vec![charlie]);
            stage.keys("2").keys(key);
            assert!(stage.model.armed.is_none(), "{key}");
            let says = stage.says();
            assert!(says.contains("Charlie") && says.contains(word), "{says}");
        }
    }
    // The rows of those on air, at the end of the Queue view.
    let mut stage = Stage::full(100, 30);
    stage.keys("g q G t");
    assert!(stage.model.armed.is_none());
    assert!(stage.says().contains("Alpha is ON AIR"), "{}", stage.says());
}

fn parts() -> [Message; 3] {
    let all = everything();
    let part = |snapshot| Message::Snapshot(snapshot);
    [
        part(v1::Snapshot {
            shows: all.shows,
            more: true,
            ..Default::default()
        }),
        part(v1::Snapshot {
            callers: all.callers,
            more: true,
            ..Default::default()
        }),
        part(v1::Snapshot {
            slots: all.slots,
            channels: all.channels,
            ..Default::default()
        }),
    ]
}

#[test]
fn a_snapshot_in_parts_changes_nothing_until_it_is_whole() {
    let mut stage = Stage::full(100, 30);
    stage.keys("2 t");
    let before = stage.screen();
    for part in parts() {
        stage.watch(60, part);
        assert_eq!(stage.screen(), before);
        assert_eq!(stage.model.slot.as_deref(), Some("slots/2"));
        assert!(stage.model.armed.is_some());
    }
    stage.keys("enter");
    let (_, command) = stage.sent_one();
    assert!(
        matches!(&command, Command::Take { slot, revision: 10, .. } if slot == "slots/2"),
        "{command:?}"
    );
}

#[test]
fn what_a_snapshot_in_parts_changed_disarms_and_closes_once_it_is_whole() {
    for keys in ["T", "R d"] {
        let mut stage = Stage::full(100, 30);
        stage.keys("1").keys(keys);
        let [first, second, last] = parts();
        stage.watch(60, first);
        stage.watch(60, second);
        assert!(stage.model.armed.is_some() || stage.model.modal.is_some());
        let Message::Snapshot(mut last) = last else {
            unreachable!()
        };
        last.slots[0] = on("1", "cc");
        stage.watch(60, Message::Snapshot(last));
        assert!(stage.model.armed.is_none() && stage.model.modal.is_none());
        stage.keys("enter");
        assert!(stage.sent().is_empty(), "{keys}");
    }
}

#[test]
fn after_a_reconnect_the_state_is_known_with_the_last_part_only() {
    let mut stage = Stage::full(100, 30);
    let down = || LinkMsg::Down {
        why: "gone".into(),
        next: String::new(),
        retry_ms: 10,
    };
    // Broken off in the middle, and once more from the start.
    stage.link(down());
    let [first, ..] = parts();
    stage.watch(60, first);
    stage.link(down());
    stage.link(LinkMsg::Connecting);
    stage.connect(v1::Role::Operator);
    for part in parts() {
        assert!(stage.model.stale());
        stage.keys("t");
        assert!(stage.model.armed.is_none());
        stage.watch(60, part);
    }
    assert!(!stage.model.stale());
    assert_eq!(stage.model.world.revision, 60);
    stage.keys("t enter");
    stage.sent_one();
}

/// To the server an expected revision of 0 means any.
#[test]
fn nothing_goes_on_air_without_a_revision_that_was_seen() {
    let mut stage = Stage::full(100, 30);
    let two = v1::Slot {
        revision: 0,
        ..everything().slots.remove(1)
    };
    stage.change("system", "X", "slots/2", "x", vec![Resource::Slot(two)]);
    stage.keys("2 t enter");
    assert!(stage.sent().is_empty());
    assert!(stage.says().contains("NOT DONE"), "{}", stage.says());
}
