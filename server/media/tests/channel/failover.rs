//! What destinations see of the live input's comings and goings.

use booth_judge::clock;
use booth_proto::worker::{ChannelShowing, DestinationState, SwitchCause};

use crate::receiver::{Receiver, assert_untouched, seen_since};
use crate::rig::{BACKUP, LIVE, Rig};

#[test]
fn a_channel_without_publisher_plays_its_backup_to_its_destination() {
    let receiver = Receiver::start();
    let rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    rig.shows(ChannelShowing::Backup);
    assert_eq!(
        rig.switched(ChannelShowing::Backup).cause(),
        SwitchCause::Started
    );
    receiver.wait_for_picture(2);
    rig.destination("a", DestinationState::Live);
    let from = clock::monotonic_ns();
    let report = receiver.more(180);
    let seen = seen_since(&report, from);
    assert!(seen.step_ms < 35.0 && seen.back == 0, "{seen:?}");
}

#[test]
fn a_killed_publisher_is_replaced_by_the_backup_without_a_freeze_and_comes_back() {
    let _ = (&*BACKUP, &*LIVE);
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    receiver.wait_for_picture(2);
    let publisher = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    let from = clock::monotonic_ns();
    rig.boothd().forget();
    publisher.kill();
    receiver.wait_for_picture(2);
    let switch = rig.switched(ChannelShowing::Backup);
    assert_eq!(switch.cause(), SwitchCause::LiveEnded);
    rig.boothd().forget();
    let _publisher = rig.publish(8, &LIVE);
    receiver.wait_for_picture(1);
    assert_eq!(
        rig.switched(ChannelShowing::Live).cause(),
        SwitchCause::LiveStable
    );
    assert_untouched(&receiver, from);
}

#[test]
fn a_stalled_publisher_is_replaced_by_the_backup_without_a_freeze() {
    let _ = (&*BACKUP, &*LIVE);
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    let publisher = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    rig.boothd().forget();
    let from = clock::monotonic_ns();
    publisher.stall();
    receiver.wait_for_picture(2);
    assert_eq!(
        rig.switched(ChannelShowing::Backup).cause(),
        SwitchCause::LiveStalled
    );
    publisher.go_on();
    receiver.wait_for_picture(1);
    assert_untouched(&receiver, from);
}

#[test]
fn a_publisher_that_ends_in_good_order_is_replaced_at_once() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    let publisher = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    rig.boothd().forget();
    let from = clock::monotonic_ns();
    publisher.end();
    receiver.wait_for_picture(2);
    assert_eq!(
        rig.switched(ChannelShowing::Backup).cause(),
        SwitchCause::LiveEnded
    );
    assert_untouched(&receiver, from);
}
