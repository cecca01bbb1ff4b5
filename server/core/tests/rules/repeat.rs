//! Request ids: a repeat gets the first answer.

use booth_core::*;

use crate::world::*;

#[test]
fn a_repeat_gets_the_first_answer_and_changes_nothing() {
    let mut world = World::new();
    world.ready("a");
    let first = world.ask_as(requested("r1"), take("1", "a")).unwrap();
    world.ok(release("1", Disposition::Requeue));
    let before = world.state.clone();
    let again = world.ask_as(requested("r1"), take("1", "a"));
    assert_eq!(again, Ok(first));
    assert!(world.state == before);
    assert_eq!(world.effects, []);
    assert_eq!(world.on("1"), None, "not taken a second time");
}

#[test]
fn a_repeat_of_a_refusal_is_refused_though_it_would_work_now() {
    let mut world = World::new();
    world.waiting("a");
    let first = world.ask_as(requested("r1"), take("1", "a")).unwrap_err();
    world.ok(approve("a"));
    assert_eq!(world.ask_as(requested("r1"), take("1", "a")), Err(first));
}

#[test]
fn a_repeat_of_what_held_already_is_not_executed_later() {
    let mut world = World::new();
    world.ready("a");
    let first = world.ask_as(requested("r1"), approve("a")).unwrap();
    let record = world.journal.last().unwrap();
    assert!(record.events.is_empty() && record.answered.is_some());
    world.ok(hold("a"));
    assert_eq!(world.ask_as(requested("r1"), approve("a")), Ok(first));
    assert_eq!(world.state_of("a"), CallerState::Held);
}

#[test]
fn the_same_id_for_another_command_is_refused_and_not_remembered() {
    let mut world = World::new();
    world.waiting("a");
    let first = world.ask_as(requested("r1"), approve("a")).unwrap();
    let before = world.state.clone();
    assert_eq!(
        world.ask_as(requested("r1"), hold("a")),
        Err(Denied::RequestReused)
    );
    let other = Meta {
        actor: Actor::Operator(operator("eve")),
        ..requested("r1")
    };
    assert_eq!(
        world.ask_as(other, approve("a")),
        Err(Denied::RequestReused)
    );
    assert!(world.state == before);
    assert_eq!(world.ask_as(requested("r1"), approve("a")), Ok(first));
}

#[test]
fn a_stale_refusal_is_remembered_as_well() {
    let mut world = World::new();
    world.waiting("a");
    let stale = Meta {
        expected_revision: Some(1),
        ..requested("r1")
    };
    let first = world.ask_as(stale.clone(), approve("a")).unwrap_err();
    assert_eq!(first.kind(), DeniedKind::Conflict);
    assert_eq!(world.ask_as(stale, approve("a")), Err(first));
}

#[test]
fn what_the_edge_makes_anew_does_not_make_another_command() {
    let mut world = World::new();
    let join = |id: &str| Command::Join {
        id: caller(id),
        invite: token("main"),
        rejoin: token(id),
        name: text("Bo"),
        topic: text("cats"),
    };
    let as_caller = |id: &str| Meta {
        actor: Actor::Caller(caller(id)),
        ..requested("j")
    };
    let first = world.ask_as(as_caller("x1"), join("x1")).unwrap();
    assert_eq!(world.ask_as(as_caller("x2"), join("x2")), Ok(first));
    assert_eq!(world.queue(), ["x1"]);

    let invited = |id: &str, at: i64| Command::Invite {
        id: invite(id),
        show: show("main"),
        role: CallerRole::Caller,
        name: Text::default(),
        token: token(id),
        uses: Some(3),
        expires_at: Some(Timestamp(at)),
    };
    let first = world
        .ask_as(requested("i"), invited("i1", NOW.0 + 10))
        .unwrap();
    assert_eq!(
        world.ask_as(requested("i"), invited("i2", NOW.0 + 20)),
        Ok(first)
    );

    let sealed = |seal: &str, port: u16| Command::CreateSlot {
        id: slot("3"),
        show: show("main"),
        settings: SlotSettings {
            passphrase: Some(Sealed(seal.into())),
            ..SlotSettings::listening(port)
        },
    };
    let first = world.ask_as(requested("s"), sealed("one", 9_004)).unwrap();
    assert_eq!(
        world.ask_as(requested("s"), sealed("two", 9_005)),
        Ok(first)
    );

    let add = |t: &str| Command::AddOperatorToken {
        id: operator("admin"),
        token: token(t),
    };
    let first = world.ask_as(requested("t"), add("t1")).unwrap();
    assert_eq!(world.ask_as(requested("t"), add("t2")), Ok(first));
}

#[test]
fn digests_are_the_same_in_every_build() {
    let anna = Actor::Operator(operator("anna"));
    assert_eq!(approve("bo").digest(&anna), APPROVE_BO);
    assert_eq!(join("bo").digest(&Actor::System), JOIN_BO);
    assert_ne!(approve("bo").digest(&anna), hold("bo").digest(&anna));
    assert_ne!(
        approve("bo").digest(&anna),
        approve("bo").digest(&Actor::System)
    );
}
const APPROVE_BO: u64 = 14577762308019322197;
const JOIN_BO: u64 = 10167516613189390092;

#[test]
fn the_oldest_answers_make_room() {
    let mut world = World::new();
    world.waiting("a");
    for n in 0..=ANSWERS_KEPT {
        world
            .ask_as(requested(&format!("r{n}")), approve("a"))
            .unwrap();
    }
    assert_eq!(world.state.answers.len(), ANSWERS_KEPT);
    assert_eq!(world.state.answer_order[0].as_str(), "r1");
    // Forgotten: it is a new request now.
    world.ask_as(requested("r0"), hold("a")).unwrap();
}
