//! Facts about media and workers.

use booth_core::*;

use crate::world::*;

#[test]
fn a_newer_session_takes_over_and_the_older_one_has_no_say() {
    let mut world = World::new();
    world.ready("bo");
    world.media_up("bo", 2);
    let before = world.state.clone();
    world.media_down("bo", 1);
    world.media_up("bo", 1);
    assert!(world.state == before, "the older session changed something");
    world.media_down("bo", 2);
    assert!(!world.caller("bo").link.is_up());
}

#[test]
fn the_same_media_again_is_no_news_and_another_kind_is() {
    let mut world = World::new();
    world.ready("bo");
    let (revision, since) = (world.state.revision, world.now);
    world.connect("bo");
    assert_eq!(world.state.revision, revision);
    world.pass(1_000);
    let muted_camera = Fact::MediaUp {
        caller: caller("bo"),
        session: SessionId(1),
        audio: true,
        video: false,
    };
    world.fact(muted_camera);
    let session = SessionId(1);
    let link = Link::Up {
        session,
        since,
        audio: true,
        video: false,
    };
    assert_eq!(world.caller("bo").link, link);
    assert!(
        world.effects.contains(&Effect::ReconcileSlot(slot("1"))),
        "armed there"
    );
}

#[test]
fn facts_about_the_unknown_change_nothing() {
    let mut world = World::new();
    let before = world.state.clone();
    world.media_up("no", 1);
    world.media_down("no", 1);
    for fact in [
        Fact::WorkerUp {
            slot: slot("9"),
            showing: Showing::Idle,
        },
        Fact::WorkerDown { slot: slot("9") },
        Fact::SlotShowing {
            slot: slot("9"),
            showing: Showing::Idle,
        },
    ] {
        world.fact(fact);
        assert_eq!(world.effects, []);
    }
    assert!(world.state == before);
}

#[test]
fn media_of_an_ended_call_is_closed_again() {
    let mut world = World::new();
    world.ended("bo");
    let before = world.state.clone();
    world.connect("bo");
    assert_eq!(world.effects, [Effect::CloseCaller(caller("bo"))]);
    assert!(world.state == before);
}

#[test]
fn a_held_caller_who_connects_late_stays_held() {
    let mut world = World::new();
    world.join("bo");
    world.ok(hold("bo"));
    world.connect("bo");
    assert_eq!(world.state_of("bo"), CallerState::Held);
}

#[test]
fn a_worker_says_what_it_shows() {
    let mut world = World::new();
    world.on_air("bo", "1");
    let showing = Showing::Caller {
        caller: caller("bo"),
    };
    let fact = Fact::SlotShowing {
        slot: slot("1"),
        showing: showing.clone(),
    };
    world.fact(fact.clone());
    assert_eq!(world.slot("1").showing, showing);
    let revision = world.state.revision;
    world.fact(fact);
    assert_eq!(world.state.revision, revision);
    world.fact(Fact::WorkerDown { slot: slot("1") });
    assert_eq!(world.slot("1").showing, Showing::Idle);
    assert_eq!(world.on("1"), Some("bo"), "what is wanted stays");
}

#[test]
fn a_worker_that_is_gone_has_no_say() {
    let mut world = World::new();
    world.fact(Fact::WorkerDown { slot: slot("1") });
    let revision = world.state.revision;
    let showing = Showing::Armed {
        caller: caller("bo"),
    };
    world.fact(Fact::SlotShowing {
        slot: slot("1"),
        showing,
    });
    assert_eq!(world.state.revision, revision);
}

#[test]
fn a_worker_that_attaches_hears_everything_again() {
    let mut world = World::new();
    let revision = world.state.revision;
    world.worker_up("1");
    assert_eq!(world.state.revision, revision, "nothing new");
    assert_eq!(world.effects, [Effect::ReconcileSlot(slot("1"))]);
}

#[test]
fn a_start_finds_nobody_connected_and_looks_at_every_slot() {
    let mut world = World::new();
    world.on_air("a", "1");
    world.waiting("b");
    world.media_down("b", 1);
    let gone = world.now;
    world.pass(5_000);
    world.fact(Fact::Started);
    assert_eq!(world.caller("a").link, Link::Down { since: world.now });
    assert_eq!(world.caller("b").link, Link::Down { since: gone });
    assert_eq!(world.slot("1").worker, WorkerState::Down);
    assert_eq!(world.on("1"), Some("a"));
    for id in ["1", "2"] {
        assert!(world.effects.contains(&Effect::ReconcileSlot(slot(id))));
    }
    let revision = world.state.revision;
    world.fact(Fact::Started);
    assert_eq!(
        world.state.revision, revision,
        "the second start has nothing to say"
    );
}
