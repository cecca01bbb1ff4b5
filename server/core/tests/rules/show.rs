use booth_core::*;

use crate::world::*;

fn create(id: &str) -> Command {
    Command::CreateShow {
        id: show(id),
        title: Text::default(),
    }
}

#[test]
fn a_bare_start_makes_show_main_live_with_its_slots_and_an_admin() {
    let world = World::new();
    let main = &world.state.shows[&show("main")];
    assert_eq!((main.state, main.title.as_str()), (ShowState::Live, "main"));
    assert_eq!(
        world.slot("2").settings.output,
        SlotOutput::Listen { port: 9002 }
    );
    let admin = world.state.operator_by_token(&token("admin")).unwrap();
    assert_eq!((admin.id.as_str(), admin.role), ("admin", Role::Admin));
}

#[test]
fn a_new_show_is_stopped_until_started() {
    let mut world = World::new();
    world.ok(create("late"));
    let late = |world: &World| world.state.shows[&show("late")].state;
    assert_eq!(late(&world), ShowState::Stopped);
    world.ok(Command::StartShow { id: show("late") });
    world.no_change(Command::StartShow { id: show("late") });
    assert_eq!(late(&world), ShowState::Live);
    world.ok(Command::StopShow { id: show("late") });
    world.no_change(Command::StopShow { id: show("late") });
    assert_eq!(
        world.denied(create("late")),
        Denied::ShowExists { show: show("late") }
    );
}

#[test]
fn a_show_between_states_is_left_alone() {
    let mut world = World::new();
    let record = Record {
        revision: world.state.revision + 1,
        at: NOW,
        actor: Actor::System,
        answered: None,
        events: vec![Event::ShowStateChanged {
            id: show("main"),
            state: ShowState::Stopping,
        }],
    };
    world.state.fold(&record);
    let state = ShowState::Stopping;
    let denied = Denied::ShowNotIn {
        show: show("main"),
        state,
    };
    assert_eq!(
        world.denied(Command::StartShow { id: show("main") }),
        denied
    );
    assert_eq!(world.denied(Command::StopShow { id: show("main") }), denied);
    assert_eq!(
        world.denied(Command::DeleteShow { id: show("main") }),
        denied
    );
}

#[test]
fn verbs_name_a_show_that_is_not_there() {
    let mut world = World::new();
    let id = show("no");
    let update = Command::UpdateShow {
        id: id.clone(),
        title: None,
        settings: None,
    };
    for verb in [
        Command::StartShow { id: id.clone() },
        Command::StopShow { id: id.clone() },
        Command::DeleteShow { id: id.clone() },
        update,
    ] {
        assert_eq!(
            world.denied(verb),
            Denied::ShowNotFound { show: show("no") }
        );
    }
}

#[test]
fn settings_of_a_show_have_ranges() {
    let mut world = World::new();
    let good = ShowSettings::default();
    let day = 24 * 3_600_000;
    for bad in [
        ShowSettings {
            max_callers: 0,
            ..good
        },
        ShowSettings {
            max_callers: 5_001,
            ..good
        },
        ShowSettings {
            grace_ms: day + 1,
            ..good
        },
        ShowSettings {
            on_air_grace_ms: day + 1,
            ..good
        },
    ] {
        let update = Command::UpdateShow {
            id: show("main"),
            title: None,
            settings: Some(bad),
        };
        assert_eq!(world.denied(update).kind(), DeniedKind::Invalid);
    }
    world.no_change(Command::UpdateShow {
        id: show("main"),
        title: None,
        settings: Some(good),
    });
    let title = Some(text("Night talk"));
    world.ok(Command::UpdateShow {
        id: show("main"),
        title,
        settings: None,
    });
    assert_eq!(
        world.state.shows[&show("main")].title.as_str(),
        "Night talk"
    );
    assert_eq!(world.state.shows[&show("main")].settings, good);
}

#[test]
fn a_show_in_use_is_not_deleted() {
    let mut world = World::new();
    world.ok(create("late"));
    world.ok(open_invite("late"));
    world.ok(Command::StartShow { id: show("late") });
    world.ok(join_by("late", "bo"));
    let delete = Command::DeleteShow { id: show("late") };
    let state = ShowState::Live;
    assert_eq!(
        world.denied(delete.clone()),
        Denied::ShowNotIn {
            show: show("late"),
            state
        }
    );
    world.ok(Command::StopShow { id: show("late") });
    let in_use = Denied::ShowInUse { show: show("late") };
    assert_eq!(world.denied(delete.clone()), in_use);
    world.ok(leave("bo"));
    let settings = SlotSettings::listening(9_009);
    world.ok(Command::CreateSlot {
        id: slot("9"),
        show: show("late"),
        settings,
    });
    assert_eq!(world.denied(delete.clone()), in_use);
    world.ok(Command::DeleteSlot { id: slot("9") });

    world.ok(delete);
    assert!(!world.state.callers.contains_key(&caller("bo")));
    assert!(!world.state.invites.contains_key(&invite("late")));
}

#[test]
fn a_change_of_the_queue_is_a_change_of_the_show() {
    let mut world = World::new();
    let seen = world.state.shows[&show("main")].revision;
    world.join("bo");
    let update = Command::UpdateShow {
        id: show("main"),
        title: Some(text("x")),
        settings: None,
    };
    let denied = world.ask_as(expecting(seen), update).unwrap_err();
    assert_eq!(denied.kind(), DeniedKind::Conflict);
}
