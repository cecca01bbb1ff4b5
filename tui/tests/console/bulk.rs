//! One action on many callers.

use booth_proto::v1::{self, caller::State, resource::Resource};
use booth_tui::command::{Command, Effect};
use booth_tui::model::modal::Modal;
use booth_tui::msg::{LinkMsg, Msg};

use crate::props::{caller, everything, show};
use crate::stage::Stage;

/// A queue of `count` who wait, with Alpha on air.
fn crowd(count: usize) -> Stage {
    let mut stage = Stage::dark(100, 30);
    stage.connect(v1::Role::Operator);
    let ids: Vec<String> = (1..=count).map(|n| format!("q{n}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut snapshot = everything();
    snapshot.shows = vec![show(&names)];
    snapshot.callers.truncate(1);
    let waiting = ids
        .iter()
        .map(|id| caller(id, &format!("Person {id}"), State::Waiting));
    snapshot.callers.extend(waiting);
    stage.snapshot(snapshot);
    stage
}

/// By another desk.
fn bravo_is_taken(stage: &mut Stage) {
    let bravo = v1::Caller {
        slot: "slots/2".into(),
        revision: 60,
        ..caller("cb", "Bravo", State::OnAir)
    };
    let what = vec![Resource::Caller(bravo)];
    stage.change("operators/anna", "SLOT_TAKEN", "slots/2", "taken", what);
}

fn callers(stage: &mut Stage) -> Vec<String> {
    let sent = stage.sent();
    sent.iter()
        .map(|(_, c)| booth_tui::text::id(c.resource()).to_owned())
        .collect()
}

#[test]
fn an_action_on_those_who_are_marked_asks_for_what_and_how_many() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g q v v a");
    assert!(stage.sent().is_empty());
    assert!(
        stage.screen().contains("APPROVE Bravo and Charlie?"),
        "{}",
        stage.screen()
    );
    stage.typed("approve 3").keys("enter");
    assert!(
        stage.sent().is_empty() && stage.says().contains("approve 2"),
        "{}",
        stage.says()
    );
    let screen = stage.screen();
    assert!(screen.contains("that is not the name"), "{screen}");
    stage.keys("ctrl-u").typed("Approve 2").keys("enter");
    assert_eq!(callers(&mut stage), ["cb", "cc"]);
    assert!(stage.model.marked.is_empty(), "marks are for one action");
    assert!(
        stage.says().contains("approve: 0 of 2 done"),
        "{}",
        stage.says()
    );
}

#[test]
fn without_marks_and_on_a_card_an_action_is_for_one() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g q j a");
    assert_eq!(callers(&mut stage), ["cc"]);
    stage.keys("g q V 1 g g space a");
    assert_eq!(callers(&mut stage), ["cb"], "the card is Bravo's");
    assert_eq!(stage.model.marked.len(), 3);
}

#[test]
fn nobody_on_air_is_ever_among_many() {
    let mut stage = Stage::full(100, 30);
    // On air stands last in the Queue view.
    stage.keys("g q G v");
    assert!(stage.model.marked.is_empty());
    assert!(
        stage.says().contains("Alpha is not in the queue"),
        "{}",
        stage.says()
    );
    stage.keys("V");
    assert_eq!(stage.model.marked.len(), 3);
    // Bravo is taken by somebody else while the question stands.
    stage.keys("d");
    bravo_is_taken(&mut stage);
    stage.typed("end 3").keys("enter");
    assert_eq!(callers(&mut stage), ["cc", "cd"]);
    let logged = stage.model.log.entries.back().unwrap();
    assert!(
        logged.text.contains("NOT DONE: end Bravo (has changed)"),
        "{}",
        logged.text
    );
}

#[test]
fn marks_go_with_their_callers_and_with_esc() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g q V");
    bravo_is_taken(&mut stage);
    let gone = "shows/main/callers/cc".to_owned();
    stage.change(
        "system",
        "CALLER_FORGOTTEN",
        &gone.clone(),
        "gone",
        vec![Resource::Deleted(gone)],
    );
    assert_eq!(
        stage.model.marked.iter().collect::<Vec<_>>(),
        ["shows/main/callers/cd"]
    );
    stage.keys("/ z z enter esc");
    assert!(stage.model.marked.is_empty() && stage.model.queue.filter == "zz");
    stage.keys("esc");
    assert!(stage.model.queue.filter.is_empty());
}

#[test]
fn all_is_all_that_is_shown() {
    let mut stage = Stage::full(100, 30);
    // A mark that the filter hides is gone then.
    stage.keys("g q v / c h a r enter V");
    assert_eq!(
        stage.model.marked.iter().collect::<Vec<_>>(),
        ["shows/main/callers/cc"]
    );
    assert!(
        stage.screen().contains("1 caller marked"),
        "{}",
        stage.screen()
    );
    stage.keys("V");
    assert!(stage.model.marked.is_empty());
}

#[test]
fn many_go_a_few_at_a_time_and_the_end_says_how_it_went() {
    let mut stage = crowd(40);
    stage.keys("g q V h").typed("hold 40").keys("enter");
    let mut asked = 0;
    let mut flying = stage.sent();
    assert_eq!(flying.len(), 16);
    while let Some((id, command)) = flying.pop() {
        asked += 1;
        assert!(matches!(command, Command::Hold { .. }));
        if asked == 7 {
            stage.refuse(
                &id,
                "FAILED_PRECONDITION",
                "CALLER_STATE",
                "the call has ended",
            );
        } else {
            stage.accept(&id, 41);
        }
        flying.extend(stage.sent());
        assert!(flying.len() <= 16);
    }
    assert_eq!(asked, 40);
    assert_eq!(stage.model.bulk, None);
    let says = stage.says();
    assert!(
        says.contains("hold: 39 of 40 done; 1 NOT: Person q"),
        "{says}"
    );
    assert!(says.contains("the call has ended"), "{says}");
}

#[test]
fn esc_stops_what_is_not_sent_yet() {
    let mut stage = crowd(40);
    stage.keys("g q V a").typed("approve 40").keys("enter");
    assert!(
        stage.says().contains("Esc stops the rest"),
        "{}",
        stage.says()
    );
    let flying = stage.sent();
    stage.keys("esc");
    for (id, _) in flying {
        stage.accept(&id, 41);
    }
    assert!(stage.sent().is_empty());
    let says = stage.says();
    assert!(
        says.contains("16 of 40 done; 24 NOT: 24 callers (stopped; still marked)"),
        "{says}"
    );
}

#[test]
fn a_lost_server_ends_it_and_nothing_is_sent_when_it_is_back() {
    let mut stage = crowd(40);
    stage
        .keys("g q V x")
        .typed("spam")
        .keys("enter")
        .typed("reject 40")
        .keys("enter");
    let flying = stage.sent();
    assert!(
        flying
            .iter()
            .all(|(_, c)| matches!(c, Command::Reject { reason, .. } if reason == "spam"))
    );
    stage.link(LinkMsg::Down {
        why: "broken pipe".into(),
        next: String::new(),
        retry_ms: 100,
    });
    assert!(stage.model.bulk.as_ref().unwrap().waiting.is_empty());
    for (id, _) in &flying[1..] {
        stage.accept(id, 41);
    }
    // One answer never comes.
    stage.silence(20_000);
    assert_eq!(stage.model.bulk, None);
    let says = stage.says();
    assert!(
        says.contains("15 of 40 done; NOBODY KNOWS of 1; 24 NOT: 24 callers"),
        "{says}"
    );
    assert_eq!(stage.model.marked.len(), 24, "still marked");
    stage.connect(v1::Role::Operator);
    stage.snapshot(everything());
    assert!(stage.sent().is_empty());
}

#[test]
fn of_two_bulk_actions_the_second_waits_for_the_first() {
    let mut stage = crowd(20);
    stage
        .keys("g q V a")
        .typed("approve 20")
        .keys("enter")
        .keys("V h");
    assert!(stage.model.modal.is_none());
    assert!(
        stage.says().contains("still on its way"),
        "{}",
        stage.says()
    );
}

#[test]
fn a_message_to_many_is_written_once() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g q V c").typed("Back in five.").keys("enter");
    assert!(matches!(stage.model.modal, Some(Modal::Many { .. })));
    stage.typed("message 3").keys("enter");
    let sent = stage.sent();
    assert_eq!(sent.len(), 3);
    assert!(
        sent.iter()
            .all(|(_, c)| matches!(c, Command::Chat { text, .. } if text == "Back in five."))
    );
}

#[test]
fn one_mark_is_asked_for_like_many() {
    let mut stage = Stage::full(100, 30);
    // The cursor is on the next one by then.
    stage.keys("g q v x").typed("spam").keys("enter");
    assert!(stage.sent().is_empty());
    assert!(
        stage.screen().contains("calls of Bravo?"),
        "{}",
        stage.screen()
    );
    stage.typed("reject 1").keys("enter");
    assert_eq!(callers(&mut stage), ["cb"]);
    assert!(stage.model.marked.is_empty());
}

#[test]
fn who_goes_on_air_while_a_message_is_typed_does_not_get_it() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g q V c").typed("Back in five.");
    bravo_is_taken(&mut stage);
    stage.keys("enter").typed("message 2").keys("enter");
    assert_eq!(callers(&mut stage), ["cc", "cd"]);
}

#[test]
fn nothing_is_sent_that_a_small_terminal_does_not_show() {
    for script in ["g q V h", "x"] {
        let mut stage = Stage::full(100, 30);
        stage.keys(script);
        stage.typed(if script == "x" { "spam" } else { "hold 3" });
        stage.feed(Msg::Resize {
            width: 50,
            height: 10,
        });
        stage.keys("enter");
        assert!(stage.sent().is_empty(), "{script}");
    }
}

#[test]
fn leaving_while_it_goes_on_is_asked_for() {
    let mut stage = crowd(40);
    stage.keys("g q V h").typed("hold 40").keys("enter q");
    assert!(
        stage.screen().contains("hold: 0 of 40 done"),
        "{}",
        stage.screen()
    );
    assert!(!stage.effects.contains(&Effect::Quit));
    stage.keys("q");
    assert!(stage.effects.contains(&Effect::Quit));
}

#[test]
fn a_reject_needs_a_reason_or_the_name() {
    let mut stage = Stage::full(100, 30);
    stage.keys("x enter enter");
    assert!(stage.sent().is_empty(), "an Enter too many ends no call");
    assert!(
        stage.says().contains("reject Bravo, reason or name:"),
        "{}",
        stage.says()
    );
    stage.typed("bravo").keys("enter");
    let (_, command) = stage.sent_one();
    assert!(matches!(command, Command::Reject { reason, .. } if reason.is_empty()));
    stage.keys("j x").typed("no such topic").keys("enter");
    let (_, command) = stage.sent_one();
    assert!(matches!(command, Command::Reject { reason, .. } if reason == "no such topic"));
}

#[test]
fn a_screener_marks_and_a_viewer_does_not() {
    let mut stage = Stage::dark(100, 30);
    stage.connect(v1::Role::Viewer);
    stage.begin();
    stage.keys("g q V");
    assert!(stage.model.marked.is_empty());
    let mut stage = Stage::dark(100, 30);
    stage.connect(v1::Role::Screener);
    stage.begin();
    stage.keys("g q V d");
    assert!(
        stage.says().contains("needs the role OPERATOR"),
        "{}",
        stage.says()
    );
    stage.keys("h").typed("hold 3").keys("enter");
    assert_eq!(
        stage
            .effects
            .iter()
            .filter(|e| matches!(e, Effect::Call { .. }))
            .count(),
        3
    );
}
