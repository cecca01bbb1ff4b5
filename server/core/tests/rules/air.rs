//! Take, release and arm.

use booth_core::*;

use crate::world::*;

#[test]
fn a_take_puts_a_ready_caller_on_the_slot() {
    let mut world = World::new();
    world.ready("bo");
    let fade = Command::Take {
        slot: slot("1"),
        pick: Pick::Caller(caller("bo")),
        transition: Transition::Fade { ms: 500 },
        override_checks: false,
    };
    let answer = world.ok(fade);
    assert_eq!(
        answer,
        Answer {
            target: Target::Slot(slot("1")),
            revision: world.state.revision
        }
    );
    assert_eq!(world.state_of("bo"), CallerState::OnAir);
    assert_eq!(world.caller("bo").slot, Some(slot("1")));
    assert!(world.queue().is_empty());
    let assigned = world.slot("1").assigned.clone().unwrap();
    let transition = Transition::Fade { ms: 500 };
    assert_eq!(
        assigned,
        Assignment {
            caller: caller("bo"),
            since: NOW,
            transition
        }
    );
}

#[test]
fn a_take_orders_every_slot_whose_armed_caller_it_changes() {
    let mut world = World::new();
    world.ready("a");
    world.ready("b");
    assert_eq!(world.state.armed_for(&slot("2")), Some(&caller("a")));
    world.ok(take_next("1"));
    assert_eq!(world.state.armed_for(&slot("2")), Some(&caller("b")));
    let orders = [
        Effect::ReconcileSlot(slot("1")),
        Effect::ReconcileSlot(slot("2")),
        Effect::ReconcileCaller(caller("a")),
        // Armed now: asked for full video.
        Effect::ReconcileCaller(caller("b")),
    ];
    assert_eq!(world.effects, orders);
}

#[test]
fn next_takes_the_first_ready_caller_whose_media_arrives() {
    let mut world = World::new();
    world.waiting("a");
    for id in ["b", "c", "d", "e"] {
        world.ready(id);
    }
    world.ok(hold("b"));
    world.media_down("c", 1);
    world.ok(take_next("1"));
    assert_eq!(world.on("1"), Some("d"));
    world.ok(take_next("2"));
    assert_eq!(world.on("2"), Some("e"));
}

#[test]
fn next_with_nobody_ready_says_so() {
    let mut world = World::new();
    world.waiting("a");
    let denied = Denied::NoCallerReady { show: show("main") };
    assert_eq!(world.denied(take_next("1")), denied);
    assert_eq!(world.denied(overridden(take_next("1"))), denied);
}

#[test]
fn taking_who_is_on_that_slot_already_is_idempotent_success() {
    let mut world = World::new();
    world.on_air("bo", "1");
    world.no_change(take("1", "bo"));
    world.no_change(overridden(take("1", "bo")));
}

#[test]
fn a_take_checks_ready_connected_free_and_running() {
    let mut world = World::new();
    world.waiting("a");
    let state = CallerState::Waiting;
    assert_eq!(
        world.denied(take("1", "a")),
        Denied::CallerNotReady {
            caller: caller("a"),
            state
        }
    );
    world.ok(approve("a"));
    world.media_down("a", 1);
    assert_eq!(
        world.denied(take("1", "a")),
        Denied::CallerNotConnected {
            caller: caller("a")
        }
    );
    world.media_up("a", 2);
    world.fact(Fact::WorkerDown { slot: slot("1") });
    assert_eq!(
        world.denied(take("1", "a")),
        Denied::SlotOffline { slot: slot("1") }
    );
    world.worker_up("1");
    world.ok(take("1", "a"));
    world.ready("b");
    assert_eq!(
        world.denied(take("1", "b")),
        Denied::SlotOccupied {
            slot: slot("1"),
            by: caller("a")
        }
    );
    assert_eq!(
        world.denied(take_next("1")),
        Denied::SlotOccupied {
            slot: slot("1"),
            by: caller("a")
        }
    );
}

#[test]
fn an_override_passes_over_state_media_and_worker() {
    let mut world = World::new();
    world.join("a");
    world.fact(Fact::WorkerDown { slot: slot("1") });
    world.ok(overridden(take("1", "a")));
    assert_eq!(world.state_of("a"), CallerState::OnAir);
}

#[test]
fn an_override_puts_who_was_there_on_hold_at_the_head_of_the_queue() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.ready("b");
    world.ready("c");
    world.ok(overridden(take("1", "c")));
    assert_eq!(world.on("1"), Some("c"));
    assert_eq!(world.state_of("a"), CallerState::Held);
    assert_eq!(world.queue(), ["a", "b"]);
}

#[test]
fn an_override_does_not_move_a_caller_between_slots_or_shows() {
    let mut world = World::new();
    world.on_air("a", "2");
    let denied = world.denied(overridden(take("1", "a")));
    assert_eq!(
        denied,
        Denied::CallerOnAir {
            caller: caller("a"),
            slot: slot("2")
        }
    );

    world.ok(Command::CreateShow {
        id: show("late"),
        title: text("Late"),
    });
    world.ok(Command::StartShow { id: show("late") });
    world.ok(open_invite("late"));
    world.ok(join_by("late", "b"));
    let denied = world.denied(overridden(take("1", "b")));
    assert_eq!(
        denied,
        Denied::CallerOtherShow {
            caller: caller("b"),
            show: show("late")
        }
    );
}

#[test]
fn a_take_of_an_unknown_slot_or_an_endless_fade_is_refused() {
    let mut world = World::new();
    world.ready("a");
    assert_eq!(
        world.denied(take("9", "a")),
        Denied::SlotNotFound { slot: slot("9") }
    );
    for ms in [0, FADE_MAX_MS + 1] {
        let fade = Command::Take {
            slot: slot("1"),
            pick: Pick::Next,
            transition: Transition::Fade { ms },
            override_checks: true,
        };
        assert_eq!(world.denied(fade).kind(), DeniedKind::Invalid);
    }
}

#[test]
fn a_take_is_stale_by_the_slot_and_not_by_the_caller() {
    let mut world = World::new();
    world.ready("a");
    let seen = world.slot("1").revision;
    world.ok(Command::Note {
        id: caller("a"),
        text: text("shy"),
    });
    world.ask_as(expecting(seen), take("1", "a")).unwrap();
    let revision = world.slot("1").revision;
    let stale = Err(Denied::Stale {
        expected: seen,
        revision,
    });
    assert_eq!(
        world.ask_as(expecting(seen), release("1", Disposition::Hold)),
        stale
    );
}

#[test]
fn a_release_says_what_becomes_of_the_caller() {
    let cases = [
        (Disposition::Hold, CallerState::Held),
        (Disposition::Requeue, CallerState::Ready),
        (Disposition::Drop, CallerState::Ended(EndReason::Completed)),
    ];
    for (disposition, state) in cases {
        let mut world = World::new();
        world.on_air("a", "1");
        world.waiting("b");
        world.ok(release("1", disposition));
        assert_eq!(world.state_of("a"), state);
        assert_eq!(world.on("1"), None);
        let queue: &[&str] = if state.is_ended() {
            &["b"]
        } else {
            &["b", "a"]
        };
        assert_eq!(world.queue(), queue);
    }
}

#[test]
fn a_release_keeps_its_transition_for_the_way_back_to_idle() {
    let mut world = World::new();
    world.on_air("a", "1");
    let transition = Transition::Fade { ms: 2_000 };
    world.ok(Command::Release {
        slot: slot("1"),
        disposition: Disposition::Hold,
        transition,
    });
    assert_eq!(world.slot("1").release_transition, transition);
}

#[test]
fn releasing_a_free_slot_is_refused() {
    let mut world = World::new();
    let denied = world.denied(release("1", Disposition::Hold));
    assert_eq!(denied, Denied::SlotFree { slot: slot("1") });
}

#[test]
fn a_slot_is_armed_with_the_next_ready_caller_or_on_request() {
    let mut world = World::new();
    world.ready("a");
    world.waiting("b");
    let armed = |world: &World| {
        world
            .state
            .armed_for(&slot("1"))
            .map(|id| id.as_str().to_owned())
    };
    assert_eq!(armed(&world).as_deref(), Some("a"));
    world.ok(arm("1", Some("b")));
    assert_eq!(armed(&world).as_deref(), Some("b"));
    assert!(world.effects.contains(&Effect::ReconcileSlot(slot("1"))));
    world.no_change(arm("1", Some("b")));
    // While their media is away, the next one is.
    world.media_down("b", 1);
    assert_eq!(armed(&world).as_deref(), Some("a"));
    world.media_up("b", 2);
    world.ok(arm("1", None));
    assert_eq!(armed(&world).as_deref(), Some("a"));
}

#[test]
fn an_occupied_slot_is_armed_only_on_request() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.ready("b");
    assert_eq!(world.state.armed_for(&slot("1")), None);
    world.ok(arm("1", Some("b")));
    assert_eq!(world.state.armed_for(&slot("1")), Some(&caller("b")));
}

#[test]
fn who_goes_on_air_or_ends_is_armed_nowhere() {
    let mut world = World::new();
    world.ready("a");
    world.ready("b");
    world.ok(arm("1", Some("a")));
    world.ok(arm("2", Some("b")));
    world.ok(take("2", "a"));
    assert_eq!(world.slot("1").armed, None);
    world.ok(leave("b"));
    assert_eq!(world.slot("2").armed, None);
}

#[test]
fn who_cannot_be_shown_is_not_armed() {
    let mut world = World::new();
    world.join("a");
    let denied = Denied::CallerNotConnected {
        caller: caller("a"),
    };
    assert_eq!(world.denied(arm("1", Some("a"))), denied);
    world.on_air("b", "2");
    let denied = Denied::CallerOnAir {
        caller: caller("b"),
        slot: slot("2"),
    };
    assert_eq!(world.denied(arm("1", Some("b"))), denied);
    assert_eq!(
        world.denied(arm("9", None)),
        Denied::SlotNotFound { slot: slot("9") }
    );
}
