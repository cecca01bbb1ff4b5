//! boothd goes and comes, workers are lost, publishers are exchanged, settings change.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use booth_judge::clock;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{
    ChannelMode, ChannelShowing, DestinationState, Force, LiveState, Shutdown, SwitchCause,
};

use crate::publisher::Publisher;
use crate::receiver::{Receiver, assert_untouched};
use crate::rig::{LIVE, REORDERED, Rig};

#[test]
fn boothd_that_goes_and_comes_is_not_noticed_and_hears_everything_anew() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    let _publisher = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    let from = clock::monotonic_ns();
    rig.boothd_dies();
    receiver.more(60);
    let hello = rig.boothd_returns();
    let report = hello.channel.unwrap();
    assert_eq!(report.showing(), ChannelShowing::Live);
    assert_eq!(report.live(), LiveState::Stable);
    assert_eq!(report.publisher, 7);
    assert_eq!(report.destinations[0].state(), DestinationState::Live);
    assert_eq!(report.live_format.unwrap().differs, "");
    assert_ne!(hello.settings_digest, 0);
    rig.report("the answer", |report| {
        report.generation == rig.desired.generation
    });
    assert_untouched(&receiver, from);
}

#[test]
fn a_worker_that_was_killed_is_on_air_again_within_two_seconds() {
    let first = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![first.destination("a")]);
    first.wait_for_picture(2);
    let port = first.port;
    rig.signal(rustix::process::Signal::KILL);
    rig.ended();
    drop(first);
    let second = Receiver::start_at(port);
    let from = clock::monotonic_ns();
    let hello = rig.restart();
    assert_eq!(
        hello.settings_digest, 0,
        "nothing runs before the order comes"
    );
    let report = second.wait_for_picture(2);
    let picture = report
        .picture
        .unwrap()
        .recent
        .front()
        .unwrap()
        .stamp
        .first_packet_at_ns;
    let back = Duration::from_nanos(picture.saturating_sub(from));
    assert!(back < Duration::from_secs(2), "{back:?}");
}

#[test]
fn a_worker_without_boothd_ends_in_the_end() {
    let mut rig = Rig::start_with(Duration::from_millis(500), |_| {});
    rig.shows(ChannelShowing::Backup);
    rig.boothd_dies();
    assert_eq!(rig.ended(), Some(4));
}

#[test]
fn a_worker_told_to_end_says_goodbye_to_its_destinations() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    receiver.wait_for_picture(2);
    rig.boothd().say(Say::Shutdown(Shutdown {}));
    assert_eq!(rig.ended(), Some(0));
    let judge = receiver.judge.as_ref().unwrap();
    judge.wait_for_end(crate::boothd::PATIENCE).unwrap();
}

#[test]
fn another_mode_needs_another_worker() {
    let mut rig = Rig::start(|_| {});
    rig.shows(ChannelShowing::Backup);
    rig.want(|desired| {
        let settings = desired.settings.as_mut().unwrap();
        settings.mode = ChannelMode::Transcode.into();
    });
    assert_eq!(rig.ended(), Some(3));
}

#[test]
fn the_policy_changes_while_the_channel_is_on_air() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| {
        desired.destinations = vec![receiver.destination("a")];
        desired.settings.as_mut().unwrap().stable_ms = 600_000;
        desired.settings.as_mut().unwrap().stable_max_ms = 600_000;
    });
    let _publisher = rig.publish(7, &LIVE);
    rig.report("live that settles", |report| {
        report.live() == LiveState::Settling
    });
    receiver.wait_for_picture(2);
    let from = clock::monotonic_ns();
    rig.want(|desired| {
        desired.settings.as_mut().unwrap().stable_ms = 500;
        desired.settings.as_mut().unwrap().stable_max_ms = 500;
    });
    receiver.wait_for_picture(1);
    rig.boothd().forget();
    rig.want(|desired| desired.force = Force::Backup.into());
    receiver.wait_for_picture(2);
    assert_eq!(
        rig.switched(ChannelShowing::Backup).cause(),
        SwitchCause::Forced
    );
    assert_untouched(&receiver, from);
}

#[test]
fn media_that_comes_before_its_order_waits_and_a_publisher_nobody_named_is_hung_up_on() {
    let mut rig = Rig::start(|_| {});
    rig.shows(ChannelShowing::Backup);
    let stranger = Publisher::start(&rig.socket(), 6, &LIVE);
    let _publisher = rig.publish(7, &LIVE);
    rig.shows(ChannelShowing::Live);
    let deadline = std::time::Instant::now() + crate::boothd::PATIENCE;
    while !stranger.ended() {
        assert!(
            std::time::Instant::now() < deadline,
            "the stranger is still there"
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_publisher_whose_key_was_rotated_is_hung_up_on_at_once() {
    let mut rig = Rig::start(|_| {});
    let publisher = rig.publish(7, &LIVE);
    rig.shows(ChannelShowing::Live);
    rig.boothd().forget();
    rig.want(|desired| desired.publisher = 0);
    assert_eq!(
        rig.switched(ChannelShowing::Backup).cause(),
        SwitchCause::LiveEnded
    );
    let report = rig.report("nobody", |report| report.publisher == 0);
    assert_eq!(report.live(), LiveState::Absent);
    drop(publisher);
}

#[test]
fn a_publisher_with_b_frames_takes_over_from_another_one_in_order() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    let first = rig.publish(7, &LIVE);
    receiver.wait_for_picture(1);
    let from = clock::monotonic_ns();
    let _second = rig.publish(8, &REORDERED);
    receiver.wait_for_picture(3);
    drop(first);
    assert_untouched(&receiver, from);
}

#[test]
fn the_media_socket_is_for_this_user_alone_and_replaces_one_that_was_left() {
    let rig = Rig::start(|desired| {
        let path = &desired.settings.as_ref().unwrap().media_socket;
        std::fs::write(path, "left by somebody").unwrap();
    });
    rig.shows(ChannelShowing::Backup);
    let mode = std::fs::metadata(rig.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_loop_that_is_damaged_is_told_and_a_mended_one_is_taken() {
    let mut rig = Rig::start(|desired| {
        std::fs::write(&desired.backup_path, "no loop").unwrap();
    });
    let text = rig.boothd().hear("a problem", |said| match said {
        Said::Problem(problem) if problem.reason == "LOOP_UNREADABLE" => Some(problem.text.clone()),
        _ => None,
    });
    assert!(text.contains("backup.loop"), "{text}");
    crate::rig::BACKUP.write_loop(std::path::Path::new(&rig.desired.backup_path));
    rig.want(|desired| desired.prepared_key = "2".to_owned());
    rig.shows(ChannelShowing::Backup);
}
