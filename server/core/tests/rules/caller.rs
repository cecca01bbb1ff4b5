use booth_core::*;

use crate::world::*;

#[test]
fn a_caller_goes_from_waiting_over_screening_to_ready() {
    let mut world = World::new();
    world.waiting("bo");
    world.ok(screen("bo"));
    assert_eq!(world.state_of("bo"), CallerState::Screening);
    assert_eq!(world.effects, [Effect::ReconcileCaller(caller("bo"))]);
    world.ok(approve("bo"));
    assert_eq!(world.state_of("bo"), CallerState::Ready);
}

#[test]
fn who_waits_may_be_approved_without_screening() {
    let mut world = World::new();
    world.ready("bo");
    assert_eq!(world.state_of("bo"), CallerState::Ready);
}

#[test]
fn who_is_held_may_be_screened_or_approved() {
    let mut world = World::new();
    world.ready("bo");
    world.ok(hold("bo"));
    world.ok(screen("bo"));
    world.ok(hold("bo"));
    world.ok(approve("bo"));
    assert_eq!(world.state_of("bo"), CallerState::Ready);
}

#[test]
fn repeating_a_verb_that_already_holds_is_idempotent_success_without_a_change() {
    let mut world = World::new();
    world.waiting("bo");
    for verb in [
        screen("bo"),
        approve("bo"),
        hold("bo"),
        mute("bo", true),
        move_to("bo", 1),
    ] {
        world.ok(verb.clone());
        world.no_change(verb);
    }
    for (id, verb) in [
        ("cy", reject("cy")),
        ("di", drop_call("di")),
        ("ed", leave("ed")),
    ] {
        world.waiting(id);
        world.ok(verb.clone());
        world.no_change(verb);
    }
}

#[test]
fn nobody_can_talk_to_a_caller_whose_media_never_came() {
    let mut world = World::new();
    world.join("bo");
    let denied = Denied::CallerNotConnected {
        caller: caller("bo"),
    };
    assert_eq!(world.denied(screen("bo")), denied);
    assert_eq!(world.denied(approve("bo")), denied);
}

#[test]
fn a_ready_caller_is_screened_again_only_after_hold() {
    let mut world = World::new();
    world.ready("bo");
    let denied = world.denied(screen("bo"));
    let state = CallerState::Ready;
    assert_eq!(
        denied,
        Denied::CallerWrongState {
            caller: caller("bo"),
            state
        }
    );
}

#[test]
fn verbs_of_the_queue_do_not_reach_who_is_on_air() {
    let mut world = World::new();
    world.on_air("bo", "1");
    for verb in [
        screen("bo"),
        approve("bo"),
        hold("bo"),
        reject("bo"),
        move_to("bo", 1),
    ] {
        let denied = world.denied(verb);
        assert_eq!(
            denied,
            Denied::CallerOnAir {
                caller: caller("bo"),
                slot: slot("1")
            }
        );
    }
}

#[test]
fn verbs_do_not_reach_an_ended_call_except_a_note() {
    let mut world = World::new();
    world.ended("bo");
    let chat = Command::Chat {
        id: caller("bo"),
        text: text("hello?"),
    };
    for verb in [
        screen("bo"),
        approve("bo"),
        hold("bo"),
        reject("bo"),
        leave("bo"),
        chat,
    ] {
        assert_eq!(
            world.denied(verb),
            Denied::CallerEnded {
                caller: caller("bo")
            }
        );
    }
    for verb in [
        move_to("bo", 1),
        mute("bo", true),
        rejoin("bo"),
        take("1", "bo"),
    ] {
        assert_eq!(
            world.denied(verb),
            Denied::CallerEnded {
                caller: caller("bo")
            }
        );
    }
    world.ok(Command::Note {
        id: caller("bo"),
        text: text("call again"),
    });
    assert_eq!(world.caller("bo").notes[0].by, Some(operator("anna")));
}

#[test]
fn verbs_name_a_caller_who_is_not_there() {
    let mut world = World::new();
    let note = Command::Note {
        id: caller("no"),
        text: text("x"),
    };
    let chat = Command::Chat {
        id: caller("no"),
        text: text("x"),
    };
    for verb in [
        screen("no"),
        approve("no"),
        hold("no"),
        reject("no"),
        drop_call("no"),
        note,
    ] {
        assert_eq!(
            world.denied(verb),
            Denied::CallerNotFound {
                caller: caller("no")
            }
        );
    }
    for verb in [
        leave("no"),
        move_to("no", 1),
        mute("no", true),
        take("1", "no"),
        chat,
    ] {
        assert_eq!(
            world.denied(verb),
            Denied::CallerNotFound {
                caller: caller("no")
            }
        );
    }
}

#[test]
fn a_rejection_says_why_and_closes_the_call() {
    let mut world = World::new();
    world.waiting("bo");
    world.ok(reject("bo"));
    assert_eq!(
        world.state_of("bo"),
        CallerState::Ended(EndReason::Rejected)
    );
    assert_eq!(world.caller("bo").end_note.as_str(), "off topic");
    assert_eq!(world.effects, [Effect::CloseCaller(caller("bo"))]);
    assert!(world.queue().is_empty());
}

#[test]
fn dropping_or_leaving_on_air_frees_the_slot() {
    for (verb, reason) in [
        (drop_call("bo"), EndReason::Dropped),
        (leave("bo"), EndReason::Left),
    ] {
        let mut world = World::new();
        world.on_air("bo", "1");
        world.ok(verb);
        assert_eq!(world.state_of("bo"), CallerState::Ended(reason));
        assert_eq!(world.on("1"), None);
        let orders = [
            Effect::ReconcileSlot(slot("1")),
            Effect::CloseCaller(caller("bo")),
        ];
        assert_eq!(world.effects, orders);
        let cause = ReleaseCause::Ended;
        let released = Event::SlotReleased {
            id: slot("1"),
            caller: caller("bo"),
            transition: Transition::Cut,
            cause,
        };
        assert_eq!(world.journal.last().unwrap().events[0], released);
    }
}

#[test]
fn moving_counts_from_one_and_stays_within_the_queue() {
    let mut world = World::new();
    for id in ["a", "b", "c", "d"] {
        world.join(id);
    }
    world.ok(move_to("d", 2));
    assert_eq!(world.queue(), ["a", "d", "b", "c"]);
    world.ok(move_to("a", 4));
    assert_eq!(world.queue(), ["d", "b", "c", "a"]);
    assert_eq!(world.state.position(&caller("a")), Some(4));
    for to in [0, 5, u32::MAX] {
        let denied = world.denied(move_to("a", to));
        assert_eq!(denied.reason(), "INVALID_ARGUMENT");
    }
}

#[test]
fn a_hold_keeps_the_place_and_next_passes_over_it() {
    let mut world = World::new();
    world.ready("a");
    world.ready("b");
    world.ok(hold("a"));
    assert_eq!(world.queue(), ["a", "b"]);
    assert_eq!(world.state.next_ready(&show("main")), Some(&caller("b")));
}

#[test]
fn chat_says_who_wrote() {
    let mut world = World::new();
    world.join("bo");
    let chat = |line: &str| Command::Chat {
        id: caller("bo"),
        text: text(line),
    };
    world.ok(chat("you are next"));
    let own = Meta {
        actor: Actor::Caller(caller("bo")),
        ..meta()
    };
    world.ask_as(own, chat("thank you")).unwrap();
    let from: Vec<_> = world
        .caller("bo")
        .chat
        .iter()
        .map(|line| line.from.clone())
        .collect();
    assert_eq!(from, [Some(operator("anna")), None]);

    let other = Meta {
        actor: Actor::Caller(caller("cy")),
        ..meta()
    };
    assert_eq!(
        world.ask_as(other, chat("hi")).unwrap_err().kind(),
        DeniedKind::Invalid
    );
    assert_eq!(world.denied(chat("")).kind(), DeniedKind::Invalid);
}

#[test]
fn notes_and_chat_keep_the_newest() {
    let mut world = World::new();
    world.join("bo");
    for n in 0..=CHAT_KEPT {
        world.ok(Command::Chat {
            id: caller("bo"),
            text: text(&format!("line {n}")),
        });
        world.ok(Command::Note {
            id: caller("bo"),
            text: text(&format!("note {n}")),
        });
    }
    let bo = world.caller("bo");
    assert_eq!((bo.chat.len(), bo.notes.len()), (CHAT_KEPT, NOTES_KEPT));
    assert_eq!(bo.chat[0].text.as_str(), "line 1");
    assert_eq!(
        bo.notes.last().unwrap().text.as_str(),
        format!("note {CHAT_KEPT}")
    );
}

#[test]
fn an_empty_note_is_refused() {
    let mut world = World::new();
    world.join("bo");
    let note = Command::Note {
        id: caller("bo"),
        text: Text::default(),
    };
    assert_eq!(world.denied(note).kind(), DeniedKind::Invalid);
}

#[test]
fn muting_who_is_on_air_reaches_the_slot() {
    let mut world = World::new();
    world.on_air("bo", "1");
    world.ok(mute("bo", true));
    assert!(world.caller("bo").muted);
    let orders = [
        Effect::ReconcileSlot(slot("1")),
        Effect::ReconcileCaller(caller("bo")),
    ];
    assert_eq!(world.effects, orders);
}

#[test]
fn a_verb_that_saw_an_older_caller_is_stale() {
    let mut world = World::new();
    world.waiting("bo");
    let seen = world.caller("bo").revision;
    world.ask_as(expecting(seen), screen("bo")).unwrap();
    let revision = world.caller("bo").revision;
    let stale = Denied::Stale {
        expected: seen,
        revision,
    };
    assert_eq!(world.ask_as(expecting(seen), approve("bo")), Err(stale));
    world.ask_as(expecting(revision), approve("bo")).unwrap();
}

#[test]
fn other_callers_do_not_make_a_verb_stale() {
    let mut world = World::new();
    world.waiting("bo");
    let seen = world.caller("bo").revision;
    world.waiting("cy");
    world.ok(move_to("cy", 1));
    world.ask_as(expecting(seen), approve("bo")).unwrap();
}
