//! Whatever is typed, clicked, resized and heard: no panic, no take without its Enter, and the model stays whole.

use booth_proto::v1::{self, resource::Resource};
use booth_tui::command::{Command, Effect};
use booth_tui::key::{Code, Key};
use booth_tui::model::Model;
use booth_tui::model::modal::Modal;
use booth_tui::msg::{LinkMsg, Msg};
use booth_tui::snapshot;
use proptest::prelude::*;

use crate::props::{caller, readings, show, slot};
use crate::stage::Stage;

#[derive(Debug, Clone)]
enum Step {
    Key(Key),
    Click(u16, u16),
    Wheel(bool),
    Resize(u16, u16),
    Beat,
    Wait(u64),
    Meters,
    Down,
    Accept,
    Refuse,
    Conflict,
    Paste(String),
    /// A question that wants a name.
    Ask(&'static str),
    /// The name an open question wants, and Enter.
    Name,
    Change(u8),
}

fn key() -> impl Strategy<Value = Key> {
    let plain = prop_oneof![
        8 => proptest::char::range('!', '~').prop_map(Key::char),
        // What matters is pressed often.
        6 => proptest::sample::select("trTfuamdgoRFDJKx12:/?".chars().collect::<Vec<_>>()).prop_map(Key::char),
        4 => Just(Key::plain(Code::Enter)),
        2 => Just(Key::plain(Code::Esc)),
        1 => proptest::sample::select(vec![Code::Tab, Code::Up, Code::Down, Code::Backspace, Code::End, Code::PageDown, Code::F(1)]).prop_map(Key::plain),
    ];
    (plain, proptest::bool::weighted(0.05)).prop_map(|(key, ctrl)| Key { ctrl, ..key })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => key().prop_map(Step::Key),
        2 => (0u16..220, 0u16..70).prop_map(|(x, y)| Step::Click(x, y)),
        1 => any::<bool>().prop_map(Step::Wheel),
        1 => (0u16..220, 0u16..70).prop_map(|(w, h)| Step::Resize(w, h)),
        3 => Just(Step::Beat),
        2 => (0u64..5_000).prop_map(Step::Wait),
        2 => Just(Step::Meters),
        1 => Just(Step::Down),
        2 => Just(Step::Accept),
        1 => Just(Step::Refuse),
        1 => Just(Step::Conflict),
        3 => proptest::sample::select(vec!["1 R d", "d", "g c F x", "g q V d", "g q v v d"]).prop_map(Step::Ask),
        4 => Just(Step::Name),
        1 => "\\PC{0,12}".prop_map(Step::Paste),
        3 => any::<u8>().prop_map(Step::Change),
    ]
}

fn change(stage: &mut Stage, n: u8) {
    use v1::caller::State;
    let revision = stage.model.world.revision + 1;
    let resource = match n % 8 {
        0 => Resource::Show(show(&["cc", "cb"])),
        1 => Resource::Show(show(&[])),
        2 => Resource::Caller(v1::Caller {
            revision,
            ..caller("cb", "Bravo", State::Ended)
        }),
        3 => Resource::Deleted("slots/2".into()),
        4 => Resource::Slot(v1::Slot {
            revision,
            assigned_caller: "shows/main/callers/cc".into(),
            ..slot("2", 9002)
        }),
        5 => Resource::Slot(v1::Slot {
            revision,
            ..slot("1", 9001)
        }),
        6 => Resource::Slot(v1::Slot {
            revision,
            assigned_caller: "shows/main/callers/cc".into(),
            ..slot("1", 9001)
        }),
        _ => Resource::Deleted("shows/main/callers/cb".into()),
    };
    stage.change(
        "operators/anna",
        "X",
        "slots/2",
        "something by anna",
        vec![resource],
    );
}

/// What a question relies on: who is meant by it.
fn relied_on(model: &Model, command: &Command) -> String {
    let world = &model.world;
    match command {
        Command::Release { slot, .. } => {
            format!("{:?}", world.slots.get(slot).map(|s| &s.assigned_caller))
        }
        Command::Drop { caller, .. } => {
            let found = world.callers.get(caller);
            format!("{:?}", found.map(|c| (&c.slot, c.state)))
        }
        Command::Run { channel, .. } => {
            format!("{:?}", world.channels.get(channel).map(|c| c.running))
        }
        Command::RunShow { show, .. } => format!("{:?}", world.shows.get(show).map(|s| s.state)),
        other => panic!("{other:?} is not asked for by name"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_goes_on_air_without_its_enter(steps in proptest::collection::vec(step(), 1..80)) {
        let mut stage = Stage::full(100, 30);
        let mut calls: Vec<String> = Vec::new();
        // The question that is open, and what it relied on when it was opened.
        let mut asked: Option<(Command, String)> = None;
        // The same for an action on many.
        let mut many: Vec<(Command, String)> = Vec::new();
        for step in steps {
            let armed = stage.model.armed.clone();
            let stale = stage.model.stale();
            let enter = matches!(step, Step::Key(Key { code: Code::Enter, .. }) | Step::Name);
            let accepting = matches!(step, Step::Accept);
            stage.effects.clear();
            match step {
                Step::Key(key) => stage.feed(Msg::Key(key)),
                Step::Click(x, y) => stage.feed(Msg::Click { x, y }),
                Step::Wheel(down) => stage.feed(Msg::Wheel { x: 1, y: 1, down }),
                Step::Resize(width, height) => stage.feed(Msg::Resize { width, height }),
                Step::Beat => stage.beat(),
                Step::Wait(ms) => stage.silence(ms),
                Step::Meters => stage.meters(readings()),
                Step::Down => stage.link(LinkMsg::Down { why: "x".into(), next: String::new(), retry_ms: 100 }),
                Step::Accept => if let Some(id) = calls.pop() {
                    let revision = stage.model.world.revision;
                    stage.accept(&id, revision);
                },
                Step::Refuse => if let Some(id) = calls.pop() { stage.refuse(&id, "FAILED_PRECONDITION", "X", "no") },
                Step::Conflict => if let Some(id) = calls.pop() { stage.refuse(&id, "ABORTED", "REVISION_MISMATCH", "no") },
                Step::Paste(text) => stage.feed(Msg::Paste(text)),
                Step::Name => {
                    let name = match &stage.model.modal {
                        Some(Modal::Confirm { names, .. }) => Some(names[0].clone()),
                        Some(Modal::Many { bulk, .. }) => Some(bulk.name()),
                        _ => None,
                    };
                    if let Some(name) = name {
                        stage.keys("ctrl-u");
                        stage.feed(Msg::Paste(name));
                        stage.keys("enter");
                    }
                }
                Step::Ask(keys) => { stage.keys(keys); },
                Step::Change(n) => change(&mut stage, n),
            }
            for effect in &stage.effects {
                let Effect::Call { request_id, command } = effect else { continue };
                calls.push(request_id.clone());
                let follows = accepting && matches!(command, Command::Move { .. } | Command::Approve { .. });
                prop_assert!(!stale || follows, "sent while stale: {command:?}");
                let harmless = matches!(command, Command::Mute { muted: true, .. });
                // The palette switches it on by typing; then it is the operator's own wish.
                if command.on_air() && !harmless && !stage.model.settings.immediate {
                    let same = armed.as_ref().is_some_and(|a| a.command.clone().at_revision(0) == command.clone().at_revision(0));
                    let confirmed = asked.as_ref().is_some_and(|(asked, relied)| {
                        asked.clone().at_revision(0) == command.clone().at_revision(0)
                            && *relied == relied_on(&stage.model, command)
                    });
                    // Of a bulk, each once, and only what it was asked for.
                    let before = many.len();
                    many.retain(|(asked, relied)| asked.clone().at_revision(0) != command.clone().at_revision(0)
                        || *relied != relied_on(&stage.model, command));
                    let of_many = many.len() + 1 == before;
                    prop_assert!(of_many || (enter && (same || confirmed)), "{command:?} without its Enter");
                }
            }
            let model = &stage.model;
            match &model.modal {
                Some(Modal::Many { bulk, .. }) => {
                    let now: Vec<_> = bulk.waiting.iter().map(|s| s.command.clone()).collect();
                    if many.iter().map(|(c, _)| c).ne(now.iter()) {
                        let on_air = now.into_iter().filter(Command::on_air);
                        many = on_air.map(|c| (c.clone(), relied_on(model, &c))).collect();
                    }
                }
                _ if model.bulk.is_none() => many.clear(),
                _ => {}
            }
            asked = match &model.modal {
                Some(Modal::Confirm { command, .. }) => match asked {
                    Some((before, relied)) if before == *command => Some((before, relied)),
                    _ => Some((command.clone(), relied_on(model, command))),
                },
                _ => None,
            };
            if let Some(selected) = model.queue.selected.as_ref().filter(|_| model.view != booth_tui::model::View::Caller) {
                prop_assert!(model.queue.rows.contains(selected));
            }
            prop_assert!(model.log.entries.len() <= 2_000);
            // Drawing never fails, whatever the size.
            let _ = snapshot::cells(model);
        }
    }
}
