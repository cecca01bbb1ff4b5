//! What the workers of channels say, and what is known while they are away.

use booth_core::*;

use crate::air24::*;
use crate::world::*;

#[test]
fn a_switch_is_recorded_with_its_cause_its_gap_and_how_long_the_source_before_was_on_air() {
    let mut world = World::radio();
    world.pass(61_000);
    world.ok(publish("radio", 1));
    world.fact(live("radio", LiveState::Settling));
    world.fact(live("radio", LiveState::Stable));
    world.fact(shows(
        "radio",
        ChannelShowing::Live,
        SwitchCause::LiveStable,
    ));
    assert_eq!(
        world.events(),
        [Event::ChannelSwitched {
            id: channel("radio"),
            from: ChannelShowing::Backup,
            to: ChannelShowing::Live,
            cause: SwitchCause::LiveStable,
            gap_ms: 33,
            before_ms: 61_000,
        }]
    );
    assert_eq!(world.effects, [], "the worker knows");
    let radio = world.channel("radio");
    assert_eq!(
        (radio.showing, radio.cause, radio.showing_since),
        (ChannelShowing::Live, SwitchCause::LiveStable, world.now)
    );
    world.ignored(shows("radio", ChannelShowing::Live, SwitchCause::Forced));
}

#[test]
fn who_is_not_there_or_off_says_nothing() {
    let mut world = World::empty();
    world.ok(create("radio", film()));
    world.ok(add("radio", "a"));
    let reports = || {
        [
            shows("radio", ChannelShowing::Backup, SwitchCause::Started),
            live("radio", LiveState::Settling),
            sends("radio", "a", DestinationState::Live, ""),
        ]
    };
    for fact in reports() {
        world.ignored(fact);
    }
    world.ignored(worker_up("radio"));
    assert_eq!(world.effects, [retire("radio")], "nobody wants that worker");
    world.ok(start("radio"));
    for fact in reports() {
        world.ignored(fact);
    }
    world.ignored(worker_up("no"));
    assert_eq!(world.effects, [retire("no")]);
    world.ignored(worker_down("no"));
    world.ignored(shows("no", ChannelShowing::Backup, SwitchCause::Started));
    world.ignored(live("no", LiveState::Stable));
    world.ignored(sends("no", "a", DestinationState::Live, ""));
}

#[test]
fn a_worker_that_comes_hears_everything_again() {
    let mut world = World::radio();
    world.ignored(worker_up("radio"));
    assert_eq!(world.effects, [reconcile("radio")]);
}

#[test]
fn a_lost_worker_leaves_the_output_off_and_its_destinations_down() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.pass(10_000);
    world.fact(worker_down("radio"));
    let radio = world.channel("radio");
    assert_eq!(radio.worker, WorkerState::Down);
    assert_eq!(
        (radio.showing, radio.cause),
        (ChannelShowing::Off, SwitchCause::WorkerLost)
    );
    assert_eq!(
        (&radio.live, &radio.live_format),
        (&LiveState::Absent, &None)
    );
    for to in ["a", "b"] {
        let to = world.radio_to(to);
        assert_eq!(to.state, DestinationState::Idle);
        assert_eq!(to.down_since, Some(world.now));
    }
    assert_eq!(world.effects, [reconcile("radio")]);
    world.ignored(worker_down("radio"));
    world.on_backup("radio");
    assert!(matches!(
        world.events(),
        [Event::ChannelSwitched {
            from: ChannelShowing::Off,
            to: ChannelShowing::Backup,
            cause: SwitchCause::Started,
            before_ms: 0,
            ..
        }]
    ));
}

#[test]
fn the_live_input_is_told_only_when_it_changes() {
    let mut world = World::radio();
    world.ok(publish("radio", 1));
    world.fact(live("radio", LiveState::Settling));
    let since = world.now;
    world.ignored(live("radio", LiveState::Settling));
    world.pass(100);
    let mut other = hd();
    other.width = 1_920;
    world.fact(Fact::ChannelLive {
        channel: channel("radio"),
        live: LiveState::Settling,
        format: Some(other.clone()),
    });
    let radio = world.channel("radio");
    assert_eq!(radio.live_since, since, "only its format is another");
    assert_eq!(radio.live_format, Some(other));
}

#[test]
fn a_restart_of_boothd_is_not_seen_on_air() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.pass(3_600_000);
    let mut before = world.channel("radio").clone();
    world.fact(Fact::Started);
    assert!(world.effects.contains(&reconcile("radio")));
    let radio = world.channel("radio");
    assert_eq!(radio.worker, WorkerState::Down);
    assert_eq!(radio.showing, ChannelShowing::Live, "as last known");
    world.pass(4_999);
    world.fact(worker_up("radio"));
    world.ignored(shows("radio", ChannelShowing::Live, SwitchCause::Started));
    world.ignored(live("radio", LiveState::Stable));
    world.ignored(sends("radio", "a", DestinationState::Live, ""));
    let radio = world.channel("radio").clone();
    before.revision = radio.revision;
    before.worker_since = radio.worker_since;
    assert_eq!(radio, before);
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn a_worker_that_does_not_come_back_after_a_restart_is_lost() {
    let mut world = World::radio();
    world.fact(publisher_up("radio", 5));
    world.fact(live("radio", LiveState::Settling));
    world.fact(Fact::Started);
    world.pass(4_000);
    // Another restart gives it the same time again.
    world.fact(Fact::Started);
    let gone = Due::ChannelGone(channel("radio"));
    let at = Timestamp(world.now.0 + 5_000);
    assert_eq!(world.state.poll_timeout(), Some((at, gone)));
    world.pass(5_000);
    let radio = world.channel("radio");
    assert_eq!(
        (radio.showing, radio.cause),
        (ChannelShowing::Off, SwitchCause::WorkerLost)
    );
    assert_eq!(radio.live, LiveState::Absent);
    assert_eq!(world.publisher("radio"), None, "it came by SRT");
    assert_eq!(world.radio_to("a").state, DestinationState::Idle);
    assert_eq!(world.radio_to("a").down_since, Some(world.now));
}

#[test]
fn a_worker_that_was_lost_with_boothd_shows_what_the_new_one_says() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.fact(Fact::Started);
    world.on_backup("radio");
    assert!(matches!(
        world.events(),
        [Event::ChannelSwitched {
            from: ChannelShowing::Live,
            to: ChannelShowing::Backup,
            cause: SwitchCause::Started,
            ..
        }]
    ));
}

#[test]
fn a_restart_does_not_wait_for_channels_that_are_off() {
    let mut world = World::radio();
    world.ok(stop("radio"));
    world.fact(Fact::Started);
    assert_eq!(world.state.poll_timeout(), None);
    world.ignored(Fact::Started);
    assert_eq!(world.effects, [reconcile("radio")], "loops may be missing");
}

fn ready(settings: &ChannelSettings) -> Fact {
    Fact::ChannelPrepared {
        channel: channel("radio"),
        prepared: Prepared::Ready {
            key: settings.loop_key(),
            duration_ms: 60_000,
            note: text("copied"),
        },
    }
}

fn failed(settings: &ChannelSettings) -> Fact {
    Fact::ChannelPrepared {
        channel: channel("radio"),
        prepared: Prepared::Failed {
            key: settings.loop_key(),
            reason: text("no video"),
        },
    }
}

#[test]
fn loops_in_use_stay_until_others_come_out_well() {
    let mut world = World::radio();
    world.fact(ready(&film()));
    assert_eq!(world.effects, [reconcile("radio")]);
    world.ignored(ready(&film()));
    let first = Some(film().loop_key());
    assert_eq!(world.channel("radio").loops, first);

    let mut other = film();
    other.backup.as_mut().unwrap().files = vec!["/srv/other.mp4".into()];
    world.ok(update("radio", other.clone()));
    let radio = world.channel("radio");
    assert_eq!((&radio.prepared, &radio.loops), (&None, &first));
    world.ignored(ready(&film()));
    world.fact(failed(&other));
    assert_eq!(world.effects, [reconcile("radio")]);
    let radio = world.channel("radio");
    assert!(matches!(radio.prepared, Some(Prepared::Failed { .. })));
    assert_eq!(radio.loops, first, "still on air");
    world.fact(ready(&other));
    assert_eq!(world.channel("radio").loops, Some(other.loop_key()));

    let mut titled = other;
    titled.title = text("Radio");
    world.ok(update("radio", titled));
    assert!(
        world.channel("radio").prepared.is_some(),
        "made of the same"
    );
}

#[test]
fn what_failed_is_tried_again_when_the_same_is_asked_for_once_more() {
    let mut world = World::radio();
    world.fact(failed(&film()));
    world.ok(update("radio", film()));
    assert_eq!(world.channel("radio").prepared, None);
    assert_eq!(world.effects, [reconcile("radio")]);
    world.no_change(update("radio", film()));
    world.fact(ready(&film()));
    world.no_change(update("radio", film()));
    assert!(world.channel("radio").prepared.is_some());
}

#[test]
fn loops_are_prepared_for_a_channel_that_is_off() {
    let mut world = World::empty();
    world.ok(create("radio", film()));
    world.fact(ready(&film()));
    assert!(world.channel("radio").prepared.is_some());
}
