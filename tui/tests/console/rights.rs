//! Settings, names, roles and versions: what may be done at all.

use booth_proto::v1::{self, resource::Resource};
use booth_tui::command::Command;
use booth_tui::model::View;
use booth_tui::msg::LinkMsg;

use crate::props::{caller, everything};
use crate::stage::{Stage, start};

fn alpha_on_one() -> v1::Slot {
    everything().slots.remove(0)
}

#[test]
fn immediate_acts_at_once_by_the_operators_own_setting() {
    let mut start = start(100, 30);
    start.settings.immediate = true;
    let mut stage = Stage::with(start);
    stage.connect(v1::Role::Operator);
    stage.begin();
    stage.keys("t");
    assert!(matches!(stage.sent_one().1, Command::Take { .. }));
    assert!(stage.screen().contains("IMMEDIATE"));
}

#[test]
fn a_call_is_ended_by_its_name_only() {
    let mut stage = Stage::full(100, 30);
    stage.keys("d").typed("Alpha").keys("enter");
    assert!(stage.sent().is_empty(), "the selected one is Bravo");
    assert!(stage.says().contains("type Bravo"), "{}", stage.says());
    stage.keys("ctrl-u").typed("bravo").keys("enter");
    assert!(matches!(stage.sent_one().1, Command::Drop { caller, .. } if caller.ends_with("/cb")));
}

#[test]
fn a_channel_is_stopped_by_its_name_only_and_forced_by_enter() {
    let mut stage = Stage::full(100, 30);
    stage.keys("g c F x enter");
    assert!(stage.sent().is_empty());
    stage.typed("krishna").keys("enter");
    assert!(matches!(
        stage.sent_one().1,
        Command::Run {
            run: false,
            revision: 12,
            ..
        }
    ));
    let mut stage = Stage::full(100, 30);
    stage.keys("g c F b");
    assert!(
        stage.says().contains("CHANNEL krishna HELD ON BACKUP"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    assert!(matches!(
        stage.sent_one().1,
        Command::Force { revision: 12, .. }
    ));
    let mut stage = Stage::full(100, 30);
    stage.keys("g c D 2");
    assert!(
        stage.says().contains("Switch fb of krishna OFF"),
        "{}",
        stage.says()
    );
    stage.keys("enter");
    assert!(matches!(
        stage.sent_one().1,
        Command::Destination {
            enabled: false,
            revision: 8,
            ..
        }
    ));
}

#[test]
fn silence_is_one_key_and_sound_needs_enter() {
    let mut stage = Stage::full(100, 30);
    stage.keys("1 m");
    assert!(
        matches!(stage.sent_one().1, Command::Mute { muted: true, caller, .. } if caller.ends_with("/ca"))
    );
    let mut stage = Stage::full(100, 30);
    let alpha = v1::Caller {
        muted: true,
        slot: "slots/1".into(),
        ..caller("ca", "Alpha", v1::caller::State::OnAir)
    };
    stage.change(
        "operators/op1",
        "CALLER_MUTED",
        "shows/main/callers/ca",
        "muted",
        vec![Resource::Caller(alpha), Resource::Slot(alpha_on_one())],
    );
    stage.keys("1 m");
    assert!(stage.sent().is_empty());
    stage.keys("enter");
    assert!(matches!(
        stage.sent_one().1,
        Command::Mute { muted: false, .. }
    ));
}

#[test]
fn a_console_that_only_looks_sends_nothing_whatever_is_typed() {
    let mut start = start(100, 30);
    start.settings.read_only = true;
    let mut stage = Stage::with(start);
    stage.connect(v1::Role::Operator);
    stage.begin();
    for key in "t f r u a x h s J K n c m d i P T".split(' ') {
        stage.keys(key).keys("enter");
        stage.keys("esc esc g a");
    }
    assert!(stage.sent().is_empty());
    assert!(stage.screen().contains("READ-ONLY"));
}

#[test]
fn a_role_that_may_not_is_told_which_one_may() {
    let mut stage = Stage::dark(100, 30);
    stage.connect(v1::Role::Screener);
    stage.begin();
    stage.keys("t");
    assert!(
        stage
            .says()
            .contains("needs the role OPERATOR; yours is SCREENER"),
        "{}",
        stage.says()
    );
    stage.keys("j a");
    assert!(matches!(stage.sent_one().1, Command::Approve { .. }));
    let footer = stage.screen().lines().last().unwrap().to_owned();
    assert!(
        !footer.contains("take") && footer.contains("approve"),
        "{footer}"
    );
}

#[test]
fn what_the_server_cannot_do_is_not_offered() {
    let mut stage = Stage::dark(120, 30);
    let status = v1::GetStatusResponse {
        version: "0.0.9".into(),
        capabilities: vec!["callers".into(), "slots".into()],
        ..Default::default()
    };
    stage.link(LinkMsg::Up {
        status: Box::new(status),
        operator: None,
    });
    let mut everything = everything();
    everything.channels.clear();
    stage.snapshot(everything);
    assert!(!stage.screen().contains("Channels"), "{}", stage.screen());
    stage.keys("g c");
    assert_ne!(stage.model.view, View::Channels);
    assert!(
        stage
            .model
            .notice
            .as_ref()
            .unwrap()
            .text
            .contains("g c means nothing")
    );
    stage.keys("?");
    assert!(!stage.screen().contains("CHANNEL"), "{}", stage.screen());
}

#[test]
fn a_server_of_another_version_is_told_and_kept_working_with() {
    let mut stage = Stage::dark(100, 30);
    let status = v1::GetStatusResponse {
        version: "0.9.0".into(),
        capabilities: vec!["callers".into(), "slots".into()],
        ..Default::default()
    };
    stage.link(LinkMsg::Up {
        status: Box::new(status),
        operator: None,
    });
    assert!(
        stage.says().contains("server 0.9.0, console 0.1.0"),
        "{}",
        stage.says()
    );
    stage.snapshot(everything());
    stage.keys("t enter");
    assert!(matches!(stage.sent_one().1, Command::Take { .. }));
}
