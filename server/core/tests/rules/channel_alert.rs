//! What lasts too long.

use booth_core::*;

use crate::air24::*;
use crate::world::*;

const MINUTE: i64 = 60_000;

fn raised(world: &World) -> Vec<ChannelAlert> {
    world.channel("radio").alerts.iter().cloned().collect()
}

fn down(to: &str) -> ChannelAlert {
    ChannelAlert::DestinationDown(destination(to))
}

fn cleared(alert: ChannelAlert) -> Event {
    let id = channel("radio");
    Event::ChannelAlertCleared { id, alert }
}

#[test]
fn a_long_time_without_the_live_input_raises_one_alert() {
    let mut world = World::radio();
    let at = Timestamp(world.now.0 + 5 * MINUTE);
    let due = Due::ChannelAlert(channel("radio"), ChannelAlert::OnBackup);
    assert_eq!(world.state.poll_timeout(), Some((at, due)));
    world.pass(5 * MINUTE - 1);
    assert_eq!(raised(&world), []);
    world.pass(1);
    assert_eq!(raised(&world), [ChannelAlert::OnBackup]);
    let revision = world.state.revision;
    world.pass(24 * 60 * MINUTE);
    assert_eq!(world.state.revision, revision, "once");
    assert_eq!(world.state.poll_timeout(), None);
}

#[test]
fn it_ends_with_the_live_input_or_with_auto() {
    let mut world = World::radio();
    world.pass(5 * MINUTE);
    world.on_live("radio", 1);
    assert_eq!(
        world.events().last(),
        Some(&cleared(ChannelAlert::OnBackup))
    );
    assert_eq!(raised(&world), []);

    world.fact(shows(
        "radio",
        ChannelShowing::Slate,
        SwitchCause::LiveStalled,
    ));
    world.pass(5 * MINUTE);
    assert_eq!(raised(&world), [ChannelAlert::OnBackup]);
    world.ok(force("radio", Force::Backup));
    assert_eq!(
        world.events().last(),
        Some(&cleared(ChannelAlert::OnBackup))
    );
    world.pass(60 * MINUTE);
    assert_eq!(raised(&world), [], "somebody wants it so");
    world.ok(force("radio", Force::Auto));
    world.pass(5 * MINUTE - 1);
    assert_eq!(raised(&world), [], "counted from now");
    world.pass(1);
    assert_eq!(raised(&world), [ChannelAlert::OnBackup]);
}

#[test]
fn backup_slate_and_a_lost_worker_are_one_time_without_the_live_input() {
    let mut world = World::radio();
    world.pass(2 * MINUTE);
    world.fact(shows(
        "radio",
        ChannelShowing::Slate,
        SwitchCause::BackupChanged,
    ));
    world.pass(2 * MINUTE);
    world.fact(worker_down("radio"));
    world.on_backup("radio");
    world.pass(MINUTE - 1);
    assert_eq!(raised(&world), [down("a"), down("b")]);
    world.pass(1);
    assert!(raised(&world).contains(&ChannelAlert::OnBackup));
}

#[test]
fn a_destination_that_stays_down_raises_an_alert_until_it_is_live() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
    world.pass(15_000);
    world.fact(sends("radio", "b", DestinationState::Failed, "wrong key"));
    world.pass(14_999);
    assert_eq!(raised(&world), []);
    world.pass(1);
    assert_eq!(raised(&world), [down("a")]);
    world.fact(sends("radio", "a", DestinationState::Connecting, ""));
    assert_eq!(raised(&world), [down("a")]);
    world.pass(15_000);
    assert_eq!(raised(&world), [down("a"), down("b")]);
    world.fact(sends("radio", "a", DestinationState::Live, ""));
    assert_eq!(world.events().last(), Some(&cleared(down("a"))));
    assert_eq!(raised(&world), [down("b")]);
    world.ok(remove("radio", "b"));
    assert_eq!(world.events().last(), Some(&cleared(down("b"))));
    assert_eq!(raised(&world), []);
}

#[test]
fn a_short_failure_raises_nothing() {
    let mut world = World::radio();
    world.on_live("radio", 1);
    for _ in 0..10 {
        world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
        world.pass(29_999);
        world.fact(sends("radio", "a", DestinationState::Live, ""));
    }
    let raised = |record: &Record| {
        let alert = |event: &Event| matches!(event, Event::ChannelAlertRaised { .. });
        record.events.iter().any(alert)
    };
    assert!(!world.journal.iter().any(raised));
}

#[test]
fn zero_is_never_and_a_longer_time_takes_the_alert_back() {
    let mut world = World::radio();
    world.fact(sends("radio", "a", DestinationState::Retrying, "refused"));
    world.pass(5 * MINUTE);
    assert_eq!(raised(&world), [ChannelAlert::OnBackup, down("a")]);
    let mut settings = film();
    settings.policy.alert_backup_ms = 0;
    settings.policy.alert_destination_ms = 600_000;
    world.ok(update("radio", settings));
    assert_eq!(
        world.events()[1..],
        [cleared(ChannelAlert::OnBackup), cleared(down("a"))]
    );
    assert_eq!(raised(&world), []);
    world.pass(5 * MINUTE - 1);
    assert_eq!(raised(&world), []);
    world.pass(1);
    assert_eq!(raised(&world), [down("a")]);
    world.pass(24 * 60 * MINUTE);
    assert_eq!(raised(&world), [down("a")]);
}

#[test]
fn a_channel_that_is_off_alarms_nobody() {
    let mut world = World::radio();
    world.ok(stop("radio"));
    assert_eq!(world.state.poll_timeout(), None);
}
