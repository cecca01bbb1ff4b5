//! Folding and rows on their own, with journals that nobody decided.

use std::sync::Arc;

use booth_core::*;

use crate::air24::*;
use crate::world::*;

fn record(revision: u64, events: Vec<Event>) -> Record {
    Record {
        revision,
        at: NOW,
        actor: Actor::System,
        answered: None,
        events,
    }
}

#[test]
fn a_journal_with_a_lost_record_still_folds() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.ready("b");
    world.ok(overridden(take("1", "b")));
    world.ok(release("1", Disposition::Requeue));
    world.ok(drop_call("a"));
    for lost in 0..world.journal.len() {
        let mut state = State::default();
        for (n, record) in world.journal.iter().enumerate() {
            if n != lost {
                state.fold(record);
                assert_eq!(
                    state.invariants(),
                    Ok(()),
                    "without record {lost}, after {n}"
                );
            }
        }
    }
}

#[test]
fn a_fold_names_every_row_it_changed() {
    let mut world = World::new();
    world.ready("a");
    let before: Vec<_> = world.state.rows().collect();
    let mut copy = world.state.clone();
    world.ask_as(requested("r1"), take("1", "a")).unwrap();
    let touched = copy.fold(world.journal.last().unwrap());
    let request = RequestId::new("r1").unwrap();
    let keys = [
        Key::Show(show("main")),
        Key::Caller(caller("a")),
        Key::Slot(slot("1")),
        Key::Answer(request),
    ];
    assert_eq!(touched, keys.into());
    for (key, row) in before {
        let same = copy.row(&key) == Some(row);
        assert!(same || touched.contains(&key), "{key:?} changed unsaid");
    }
}

#[test]
fn a_row_that_is_gone_is_none() {
    let mut world = World::new();
    world.ok(Command::RevokeInvite { id: invite("main") });
    assert_eq!(world.state.row(&Key::Invite(invite("main"))), None);
}

#[test]
fn rows_build_the_same_state_in_any_order() {
    let mut world = World::new();
    for n in 0..20 {
        // Names sort another way than revisions.
        let id = format!("r{}", (n * 7) % 20);
        world
            .ask_as(requested(&id), join(&format!("c{n}")))
            .unwrap();
    }
    let mut rows: Vec<Row> = world.state.rows().map(|(_, row)| row).collect();
    assert!(State::from_rows(world.state.revision, rows.clone()) == world.state);
    rows.reverse();
    assert!(State::from_rows(world.state.revision, rows) == world.state);
}

#[test]
fn a_row_may_be_set_twice() {
    let mut world = World::new();
    for id in ["r1", "r2"] {
        world
            .ask_as(requested(id), Command::StartShow { id: show("main") })
            .unwrap();
    }
    let mut state = world.state.clone();
    for (_, row) in world.state.rows() {
        state.insert_row(row);
    }
    assert!(state == world.state);
}

#[test]
fn rows_and_records_survive_json() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.ask_as(requested("r1"), mute("a", true)).unwrap();
    world.ask_as(requested("r2"), approve("a")).unwrap_err();
    let rows = world.state.rows().map(|(_, row)| {
        let json = serde_json::to_string(&row).unwrap();
        serde_json::from_str::<Row>(&json).unwrap()
    });
    assert!(State::from_rows(world.state.revision, rows) == world.state);
    for record in &world.journal {
        let json = serde_json::to_string(record).unwrap();
        assert_eq!(&serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}

#[test]
fn broken_channels_are_named() {
    let world = World::radio();
    let break_with = |change: fn(&mut Channel)| {
        let mut state = world.state.clone();
        let mut radio = world.channel("radio").clone();
        change(&mut radio);
        state.insert_row(Row::Channel(Arc::new(radio)));
        let broken = state.invariants().unwrap_err();
        assert!(broken.starts_with("channel radio"), "{broken}");
        broken
    };
    assert!(break_with(|radio| radio.running = false).contains("off and shows"));
    let down = break_with(|radio| {
        let to = radio.destinations.values_mut().next().unwrap();
        to.down_since = Some(NOW);
    });
    assert!(down.contains("wrongly down"));
    let alert = break_with(|radio| {
        let alert = ChannelAlert::DestinationDown(destination("a"));
        radio.alerts.insert(alert);
    });
    assert!(alert.contains("no cause"));
}

#[test]
fn broken_rows_are_named() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.join("b");
    let break_with = |row: Row| {
        let mut state = world.state.clone();
        state.insert_row(row);
        state.invariants().unwrap_err()
    };
    let mut slot = world.slot("1").clone();
    slot.assigned = None;
    assert!(break_with(Row::Slot(Arc::new(slot))).contains("slot 1"));
    let mut b = world.caller("b").clone();
    b.state = CallerState::OnAir;
    assert!(break_with(Row::Caller(Arc::new(b))).contains("caller b"));
    let mut main = world.state.shows[&show("main")].as_ref().clone();
    main.queue.push(caller("b"));
    assert!(break_with(Row::Show(Arc::new(main))).contains("queued twice"));
}

#[test]
fn events_about_the_unknown_change_nothing() {
    let state = State::default();
    let text = Text::default;
    let (id, slot) = (caller("no"), slot("9"));
    let events = vec![
        Event::ShowStateChanged {
            id: show("no"),
            state: ShowState::Live,
        },
        Event::ShowDeleted { id: show("no") },
        Event::InviteUsed { id: invite("no") },
        Event::CallerRenamed {
            id: id.clone(),
            name: text(),
            topic: text(),
        },
        Event::CallerDisconnected { id: id.clone() },
        Event::CallerStateChanged {
            id: id.clone(),
            state: CallerState::Ready,
            note: text(),
        },
        Event::CallerMoved {
            id: id.clone(),
            to: 7,
        },
        Event::CallerForgotten { id: id.clone() },
        Event::SlotDeleted { id: slot.clone() },
        Event::SlotArmed {
            id: slot.clone(),
            caller: Some(id.clone()),
        },
        Event::SlotWorker {
            id: slot,
            worker: WorkerState::Up,
        },
        Event::ChannelUpdated {
            id: channel("no"),
            settings: film(),
        },
        Event::ChannelStarted { id: channel("no") },
        Event::ChannelDeleted { id: channel("no") },
        Event::PublisherDisconnected {
            id: channel("no"),
            publisher: PublisherId(1),
            reason: text(),
        },
        Event::DestinationEnabled {
            channel: channel("no"),
            id: destination("a"),
            enabled: true,
        },
        Event::DestinationRemoved {
            channel: channel("no"),
            id: destination("a"),
        },
        Event::OperatorTokenAdded {
            id: operator("no"),
            token: token("x"),
        },
        Event::OperatorRevoked { id: operator("no") },
    ];
    let mut folded = state.clone();
    let touched = folded.fold(&record(1, events));
    assert!(touched.is_empty());
    assert_eq!(folded.revision, 1);
    assert!(
        folded
            == State {
                revision: 1,
                ..state
            }
    );
}
