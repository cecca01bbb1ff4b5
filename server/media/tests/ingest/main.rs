//! The ingest worker between encoders, a boothd and channels' workers of the tests.

// Clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../worker/boothd.rs"]
#[allow(dead_code, reason = "not every worker's tests count what was said")]
mod boothd;
mod rig;

use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_rtmp::publisher::PublishError;
use booth_stream::wire::Frame;
use booth_stream::{MediaEvent, Track};

use boothd::{Boothd, PATIENCE};
use rig::{Channel, Rig, aac, picture, small, sound};

/// Configs and some pictures with sound: two key frames.
fn stream() -> Vec<MediaEvent> {
    let mut events = vec![small(), aac()];
    for i in 0..60 {
        events.push(picture(i * 33, i % 30 == 0));
        events.push(sound(i * 33));
    }
    events
}

#[test]
fn media_reaches_the_channel_and_its_end_is_told() {
    let rig = Rig::start();
    let channel = Channel::listen(&rig.media_socket());
    rig.listens(&[7]);
    let mut encoder = rig.encoder("radio?token=CANARY");
    let ask = rig.asked();
    assert_eq!(
        (ask.channel.as_str(), ask.key.as_str()),
        ("radio", "CANARY")
    );
    assert_eq!(ask.protocol, "rtmp");
    assert!(ask.peer.starts_with("127.0.0.1:"));
    rig.lets_in(ask.nonce, 7);
    encoder.connected().unwrap();
    for event in stream() {
        encoder.send(&event).unwrap();
    }
    encoder.close();
    let mut worker = channel.accept();
    assert_eq!(worker.frame(), Frame::Hello { publisher: 7 });
    let mut events = Vec::new();
    let reason = loop {
        match worker.frame() {
            Frame::Event(event) => events.push(event),
            Frame::End { reason } => break reason,
            Frame::Hello { .. } => panic!("it greeted twice"),
        }
    };
    assert_eq!(reason, "the encoder ended the stream");
    let mut wanted = stream();
    wanted.swap(1, 2);
    assert_eq!(events, wanted);
    rig.boothd.hear("the end", |said| match said {
        Said::PublishEnd(end) if end.publisher == 7 => {
            assert_eq!(end.reason, "the encoder ended the stream");
            Some(())
        }
        _ => None,
    });
}

#[test]
fn a_refusal_is_told_to_the_encoder_in_boothds_words() {
    let rig = Rig::start();
    rig.listens(&[]);
    let mut encoder = rig.encoder("CANARY");
    let ask = rig.asked();
    assert_eq!((ask.channel.as_str(), ask.key.as_str()), ("", "CANARY"));
    rig.refuses(ask.nonce, "the stream key is wrong");
    let error = encoder.connected().unwrap_err();
    assert!(
        error.to_string().contains("the stream key is wrong"),
        "{error}"
    );
    assert!(error.terminal());
}

#[test]
fn a_channel_that_restarts_begins_with_configs_and_a_key_frame_and_the_encoder_does_not_notice() {
    let rig = Rig::start();
    let channel = Channel::listen(&rig.media_socket());
    let mut encoder = rig.publishing(7);
    encoder.send(&small()).unwrap();
    encoder.send(&aac()).unwrap();
    encoder.send(&picture(0, true)).unwrap();
    let mut worker = channel.accept();
    assert_eq!(worker.frame(), Frame::Hello { publisher: 7 });
    drop((worker, channel));
    // The first of these find out that it is gone.
    for i in 1..20 {
        encoder.send(&picture(i * 33, false)).unwrap();
    }
    let channel = Channel::listen(&rig.media_socket());
    let mut worker = channel.accept();
    encoder.send(&picture(700, false)).unwrap();
    encoder.send(&sound(700)).unwrap();
    encoder.send(&picture(733, true)).unwrap();
    encoder.send(&picture(767, false)).unwrap();
    assert_eq!(worker.frame(), Frame::Hello { publisher: 7 });
    let mut events = Vec::new();
    while events.last() != Some(&picture(767, false)) {
        let Frame::Event(event) = worker.frame() else {
            panic!("it ended");
        };
        events.push(event);
    }
    assert_eq!(events[..1], [small()]);
    let video = events.iter().find(|e| is_video_unit(e)).unwrap();
    assert_eq!(*video, picture(733, true));
}

fn is_video_unit(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Unit(unit) if unit.track == Track::Video)
}

#[test]
fn a_channel_that_does_not_read_never_holds_the_encoder_up() {
    let rig = Rig::start();
    let channel = Channel::listen(&rig.media_socket());
    let mut encoder = rig.publishing(7);
    encoder.send(&small()).unwrap();
    encoder.send(&picture(0, true)).unwrap();
    let mut worker = channel.accept();
    assert_eq!(worker.frame(), Frame::Hello { publisher: 7 });
    // Many times what the queue and the sockets hold.
    for i in 1..1500 {
        let begin = Instant::now();
        encoder.send(&picture(i * 33, i % 50 == 0)).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    // What is left out, is left out up to a key frame; what is sent now that it reads again, comes.
    let reading = std::thread::spawn(move || {
        let mut left_out = 0;
        let mut last = 0;
        loop {
            let Frame::Event(event) = worker.frame() else {
                panic!("it ended");
            };
            let MediaEvent::Unit(unit) = event else {
                continue;
            };
            let number = unit.dts / 33_000_000;
            assert!(unit.key || number == last + 1, "{number} behind {last}");
            left_out += (number - last - 1).max(0);
            last = number;
            if number >= 2000 {
                return left_out;
            }
        }
    });
    let mut next = 1500;
    while !reading.is_finished() {
        encoder.send(&picture(next * 33, next % 50 == 0)).unwrap();
        next += 1;
    }
    assert!(reading.join().unwrap() > 100);
}

#[test]
fn publishers_go_on_while_boothd_is_away_and_are_named_when_it_is_back() {
    let mut rig = Rig::start();
    let channel = Channel::listen(&rig.media_socket());
    let mut encoder = rig.publishing(7);
    encoder.send(&small()).unwrap();
    encoder.send(&picture(0, true)).unwrap();
    let mut worker = channel.accept();
    rig.kill_boothd();
    encoder.send(&picture(33, false)).unwrap();
    worker.until(&picture(33, false));
    // Whoever comes now waits.
    let mut late = rig.encoder("CANARY");
    rig.boothd = Boothd::listen(&rig.socket());
    let publishers = rig.boothd.hear("a greeting", |said| match said {
        Said::Hello(hello) => Some(hello.publishers.clone()),
        _ => None,
    });
    assert_eq!(publishers, [7]);
    let ask = rig.asked();
    rig.refuses(ask.nonce, "no");
    assert!(late.connected().unwrap_err().terminal());
    rig.listens(&[7]);
    encoder.send(&picture(67, false)).unwrap();
    worker.until(&picture(67, false));
    // Its key was changed.
    rig.listens(&[]);
    let error = encoder.failed();
    assert!(matches!(error, PublishError::Ended(_)), "{error}");
    rig.boothd.hear("the end", |said| match said {
        Said::PublishEnd(end) => {
            assert_eq!(end.publisher, 7);
            Some(())
        }
        _ => None,
    });
}

#[test]
fn a_publisher_that_boothd_never_names_is_hung_up_on() {
    let rig = Rig::start();
    rig.listens(&[]);
    let mut encoder = rig.encoder("CANARY");
    let ask = rig.asked();
    rig.lets_in(ask.nonce, 7);
    encoder.connected().unwrap();
    let begin = Instant::now();
    let error = encoder.failed();
    assert!(error.to_string().contains("does not take it"), "{error}");
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn a_busy_port_is_a_problem_that_passes() {
    let rig = Rig::start();
    let busy = std::net::TcpListener::bind(("127.0.0.1", rig.port)).unwrap();
    rig.listens(&[]);
    rig.boothd.hear("the problem", |said| match said {
        Said::Problem(problem) => {
            assert_eq!(problem.reason, "RTMP_NOT_OPEN");
            assert!(!problem.fatal);
            Some(())
        }
        _ => None,
    });
    drop(busy);
    let _encoder = rig.encoder("CANARY");
    rig.asked();
}

#[test]
fn listeners_change_below_a_publisher() {
    let mut rig = Rig::start();
    let channel = Channel::listen(&rig.media_socket());
    let mut encoder = rig.publishing(7);
    encoder.send(&small()).unwrap();
    encoder.send(&picture(0, true)).unwrap();
    let mut worker = channel.accept();
    rig.port = rig::free_port();
    rig.listens(&[7]);
    let _other = rig.encoder("CANARY");
    rig.asked();
    encoder.send(&picture(33, false)).unwrap();
    worker.until(&picture(33, false));
}
