//! Destinations that refuse, die, hang or come and go, while others see nothing of it.

use std::net::TcpListener;
use std::time::Instant;

use booth_judge::clock;
use booth_judge::report::SeenFrame;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::{ChannelFigures, ChannelShowing, DestinationFigures, DestinationState};

use crate::film::PICTURES;
use crate::receiver::{Narrow, Receiver, assert_untouched, destination, free_tcp_port};
use crate::rig::{LIVE, Rig};

fn figures_of(figures: &ChannelFigures, id: &str) -> DestinationFigures {
    let found = figures.destinations.iter().find(|d| d.id == id);
    found.cloned().unwrap_or_default()
}

#[test]
fn a_destination_that_is_not_there_is_tried_again_and_taken_when_it_comes() {
    let good = Receiver::start();
    let port = free_tcp_port();
    let rig = Rig::start(|desired| {
        desired.destinations = vec![good.destination("good"), destination("late", port)];
    });
    let error = rig.destination("late", DestinationState::Retrying);
    assert!(error.contains("no connection"), "{error}");
    good.wait_for_picture(2);
    let from = clock::monotonic_ns();
    rig.boothd().forget();
    let late = Receiver::start_at(port);
    late.wait_for_picture(2);
    assert_eq!(rig.destination("late", DestinationState::Live), "");
    assert_untouched(&good, from);
}

#[test]
fn a_destination_that_dies_is_reconnected_and_the_other_sees_nothing() {
    let (good, mortal) = (Receiver::start(), Receiver::start());
    let port = mortal.port;
    let rig = Rig::start(|desired| {
        desired.destinations = vec![good.destination("good"), mortal.destination("mortal")];
    });
    mortal.wait_for_picture(2);
    good.wait_for_picture(2);
    rig.destination("mortal", DestinationState::Live);
    let from = clock::monotonic_ns();
    rig.boothd().forget();
    drop(mortal);
    rig.destination("mortal", DestinationState::Retrying);
    let again = Receiver::start_at(port);
    again.wait_for_picture(2);
    rig.destination("mortal", DestinationState::Live);
    assert_untouched(&good, from);
}

#[test]
fn a_destination_that_stops_reading_is_found_within_ten_seconds() {
    let (good, behind) = (Receiver::start(), Receiver::start());
    let stuck = Narrow::start(&[behind.port]);
    let rig = Rig::start(|desired| {
        desired.destinations = vec![good.destination("good"), destination("stuck", stuck.port)];
    });
    behind.wait_for_picture(2);
    good.wait_for_picture(2);
    rig.destination("stuck", DestinationState::Live);
    let from = clock::monotonic_ns();
    rig.boothd().forget();
    stuck.stop_reading();
    let stopped = Instant::now();
    let error = rig.destination("stuck", DestinationState::Retrying);
    assert!(error.contains("stuck"), "{error}");
    assert!(
        stopped.elapsed().as_secs_f64() < 10.0,
        "{:?}",
        stopped.elapsed()
    );
    assert_untouched(&good, from);
}

#[test]
fn a_silent_server_is_given_up_and_tried_again() {
    // The kernel accepts; nobody answers the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let good = Receiver::start();
    let rig = Rig::start(|desired| {
        desired.destinations = vec![destination("silent", port), good.destination("good")];
    });
    good.wait_for_picture(2);
    let error = rig.destination("silent", DestinationState::Retrying);
    assert!(error.contains("no answer"), "{error}");
}

#[test]
fn an_address_that_can_never_work_has_failed_until_it_is_changed() {
    let good = Receiver::start();
    let mut rig = Rig::start(|desired| {
        let mut bad = good.destination("a");
        bad.url = "rtmp://127.0.0.1".to_owned();
        desired.destinations = vec![bad];
    });
    let error = rig.destination("a", DestinationState::Failed);
    assert!(error.contains("no path"), "{error}");
    rig.boothd().forget();
    rig.want(|desired| desired.destinations = vec![good.destination("a")]);
    rig.destination("a", DestinationState::Live);
}

#[test]
fn destinations_are_enabled_and_disabled_without_anybody_else_noticing() {
    let (first, second) = (Receiver::start(), Receiver::start());
    let mut rig = Rig::start(|desired| desired.destinations = vec![first.destination("a")]);
    first.wait_for_picture(2);
    let from = clock::monotonic_ns();
    rig.want(|desired| desired.destinations.push(second.destination("b")));
    let report = second.wait_for_picture(2);
    let video = report.video.unwrap();
    assert!(video.sps.is_some(), "configurations come first");
    rig.boothd().forget();
    rig.want(|desired| desired.destinations.truncate(1));
    // It is told that the stream is over, and does not have to find out.
    let judge = second.judge.as_ref().unwrap();
    judge.wait_for_end(crate::boothd::PATIENCE).unwrap();
    let generation = rig.desired.generation;
    let report = rig.report("one destination", |report| report.generation == generation);
    assert_eq!(report.destinations.len(), 1);
    assert_untouched(&first, from);
}

#[test]
fn another_attempt_restarts_a_destination() {
    // The kernel accepts; nobody answers the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut rig = Rig::start(|desired| desired.destinations = vec![destination("a", port)]);
    let (mut first, _) = silent.accept().unwrap();
    rig.want(|desired| desired.destinations[0].attempt += 1);
    let (_second, _) = silent.accept().unwrap();
    // Its handshake, and then the end.
    std::io::copy(&mut first, &mut std::io::sink()).unwrap();
}

#[test]
fn a_session_that_lasted_as_long_as_it_may_is_followed_by_another_one_without_a_lost_picture() {
    let (first, second) = (Receiver::start(), Receiver::start());
    let server = Narrow::start(&[first.port, second.port]);
    let rig = Rig::start(|desired| {
        let mut short = destination("a", server.port);
        short.session_max_s = 4;
        desired.destinations = vec![short];
    });
    first.wait_for_picture(2);
    rig.destination("a", DestinationState::Live);
    rig.boothd().forget();
    let begin = second.more(10).picture.unwrap();
    let end = first.report().picture.unwrap();
    let counter = |shown: Option<&SeenFrame>| usize::from(shown.unwrap().code.unwrap().1);
    let (last, next) = (counter(end.recent.back()), counter(begin.recent.front()));
    assert_eq!((last + 1) % PICTURES, next);
    let told = |said: &Said| matches!(said, Said::Channel(_));
    assert_eq!(rig.boothd().count(told), 0, "a planned end is no news");
}

#[test]
fn figures_are_told_twice_a_second() {
    let receiver = Receiver::start();
    let mut rig = Rig::start(|desired| desired.destinations = vec![receiver.destination("a")]);
    let _publisher = rig.publish(7, &LIVE);
    rig.shows(ChannelShowing::Live);
    rig.boothd().hear("figures", |said| match said {
        Said::ChannelFigures(figures) => (figures.live_rate_kbps > 100.0
            && figures.output_rate_kbps > 100.0
            && figures_of(figures, "a").rate_kbps > 100.0)
            .then_some(()),
        _ => None,
    });
}
