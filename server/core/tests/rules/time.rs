use booth_core::*;

use crate::world::*;

const GRACE_MS: i64 = 300_000;

#[test]
fn nothing_is_due_while_everybody_is_connected() {
    let mut world = World::new();
    assert_eq!(world.state.poll_timeout(), None);
    world.waiting("bo");
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn a_caller_is_lost_when_the_grace_period_is_over() {
    let mut world = World::new();
    world.ready("bo");
    world.media_down("bo", 1);
    let at = Timestamp(NOW.0 + GRACE_MS);
    assert_eq!(
        world.state.poll_timeout(),
        Some((at, Due::GraceOver(caller("bo"))))
    );
    world.pass(GRACE_MS - 1);
    world.tick();
    assert_eq!(world.state_of("bo"), CallerState::Ready);
    world.pass(1);
    assert_eq!(world.state_of("bo"), CallerState::Ended(EndReason::Lost));
    assert_eq!(world.effects, [Effect::CloseCaller(caller("bo"))]);
}

#[test]
fn a_caller_whose_media_never_came_is_lost_as_well() {
    let mut world = World::new();
    world.join("bo");
    world.pass(GRACE_MS);
    assert_eq!(world.state_of("bo"), CallerState::Ended(EndReason::Lost));
}

#[test]
fn on_air_without_media_the_slot_is_kept_for_a_while_and_then_given_free() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.ready("b");
    world.media_down("a", 1);
    let at = Timestamp(NOW.0 + 10_000);
    assert_eq!(
        world.state.poll_timeout(),
        Some((at, Due::OnAirGraceOver(caller("a"))))
    );
    world.pass(9_999);
    assert_eq!(world.on("1"), Some("a"));
    world.pass(1);
    assert_eq!(world.on("1"), None);
    assert_eq!(world.state_of("a"), CallerState::Ready);
    assert_eq!(world.queue(), ["a", "b"], "at the head");
    assert_eq!(
        world.state.next_ready(&show("main")),
        Some(&caller("b")),
        "but not connected"
    );
    // The general grace goes on from the moment of the disconnect.
    let at = Timestamp(NOW.0 + GRACE_MS);
    assert_eq!(
        world.state.poll_timeout(),
        Some((at, Due::GraceOver(caller("a"))))
    );
}

#[test]
fn who_returns_in_time_stays_on_air() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.media_down("a", 1);
    world.pass(9_999);
    world.media_up("a", 2);
    world.pass(60_000);
    assert_eq!(world.on("1"), Some("a"));
}

#[test]
fn a_grace_shorter_than_that_on_air_ends_the_call_on_air() {
    let mut world = World::new();
    let settings = Some(ShowSettings {
        grace_ms: 1_000,
        ..ShowSettings::default()
    });
    world.ok(Command::UpdateShow {
        id: show("main"),
        title: None,
        settings,
    });
    world.on_air("a", "1");
    world.media_down("a", 1);
    world.pass(1_000);
    assert_eq!(world.state_of("a"), CallerState::Ended(EndReason::Lost));
    assert_eq!(world.on("1"), None);
}

#[test]
fn one_late_tick_does_what_several_on_time_would_have_done() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.on_air("b", "2");
    world.waiting("c");
    world.media_down("b", 1);
    world.pass(1);
    world.media_down("a", 1);
    world.now = Timestamp(NOW.0 + 20_000);
    world.tick();
    assert_eq!(
        world.queue(),
        ["a", "b", "c"],
        "each went to the head in turn"
    );
    world.now = Timestamp(NOW.0 + 2 * GRACE_MS);
    world.tick();
    assert_eq!(world.queue(), ["c"]);
    let last = world.journal.last().unwrap();
    assert_eq!(last.actor, Actor::System);
}

#[test]
fn ended_callers_are_forgotten_after_hours() {
    let mut world = World::new();
    world.ended("bo");
    let kept = i64::try_from(ENDED_KEPT_MS).unwrap();
    world.pass(kept - 1);
    assert!(world.state.callers.contains_key(&caller("bo")));
    world.pass(1);
    assert!(!world.state.callers.contains_key(&caller("bo")));
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn ended_callers_beyond_the_limit_are_forgotten_oldest_first() {
    let mut world = World::new();
    for n in 0..ENDED_KEPT + 2 {
        world.ended(&format!("c{n}"));
        world.now = Timestamp(world.now.0 + 1);
    }
    let (at, due) = world.state.poll_timeout().unwrap();
    assert!(at <= world.now, "due at once");
    assert!(matches!(due, Due::Forget(_)));
    world.tick();
    assert_eq!(world.state.callers.len(), ENDED_KEPT);
    assert!(!world.state.callers.contains_key(&caller("c1")));
    assert!(world.state.callers.contains_key(&caller("c2")));
}

#[test]
fn a_tick_with_nothing_due_changes_nothing() {
    let mut world = World::new();
    world.join("bo");
    let before = world.state.clone();
    world.tick();
    assert!(world.state == before);
}

/// Bounds the work, not the time: every caller is touched once by each of the two.
#[test]
fn a_start_with_many_callers_and_all_of_them_lost_are_one_record_each() {
    let mut world = World::new();
    for n in 0..500 {
        world.ready(&format!("c{n}"));
    }
    let revision = world.state.revision;
    world.fact(Fact::Started);
    assert_eq!(world.state.revision, revision + 1);
    world.now = Timestamp(world.now.0 + GRACE_MS);
    world.tick();
    assert_eq!(world.state.revision, revision + 2);
    let closed = |effect: &&Effect| matches!(effect, Effect::CloseCaller(_));
    assert_eq!(world.effects.iter().filter(closed).count(), 500);
    assert!(world.queue().is_empty());
}
