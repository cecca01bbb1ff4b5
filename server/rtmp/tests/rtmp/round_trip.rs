//! Publisher to server, in one process.

use std::io::Write;

use booth_rtmp::publisher::{Deadlines, PublishError, Publisher, Target, tls_config};
use booth_rtmp::server::{Ended, ListenerLimits};
use booth_stream::{AccessUnit, MediaEvent};

use crate::help::*;

async fn connect(server: &Server) -> Publisher {
    let target = Target::parse(&server.url("live"), KEY).unwrap();
    let tls = tls_config(None).unwrap();
    Publisher::connect(&target, &Deadlines::default(), &tls)
        .await
        .unwrap()
}

/// As the receiver counts: from 0.
fn from_zero(events: &[MediaEvent], begin_ms: i64) -> Vec<MediaEvent> {
    events
        .iter()
        .map(|event| match event {
            MediaEvent::Unit(unit) => MediaEvent::Unit(AccessUnit {
                dts: unit.dts - begin_ms * 1_000_000,
                pts: unit.pts - begin_ms * 1_000_000,
                ..unit.clone()
            }),
            config => config.clone(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_arrive_byte_for_byte_at_their_times_from_zero() {
    let mut server = Server::plain().await;
    let mut publisher = connect(&server).await;
    let begin = 987_654_321;
    let mut sent = vec![small(), aac()];
    for i in 0..200 {
        // From less than a chunk to a large key frame.
        let size = if i % 50 == 0 { 300_000 } else { 1 + 97 * i };
        let offset = if i % 3 == 0 { 80 } else { 0 };
        sent.push(picture(begin + 40 * i as i64, offset, i % 50 == 0, size));
        sent.push(sound(begin + 40 * i as i64));
    }
    for event in &sent {
        publisher.send(event).await.unwrap();
    }
    publisher.close().await;
    let (got, ended) = server.until_ended().await;
    assert_eq!(ended, Ended::Unpublished);
    let mut wanted = from_zero(&sent, begin);
    // Each config comes before the first unit of its track.
    wanted.swap(1, 2);
    assert_eq!(got, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_the_same_over_tls_with_a_certificate_of_ones_own() {
    let (tls, pem) = certificate();
    let mut server = Server::start(Some(tls), ListenerLimits::default()).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    let url = format!("rtmps://localhost:{}/live", server.address.port());
    let target = Target::parse(&url, KEY).unwrap();

    let trusting = tls_config(Some(file.path())).unwrap();
    let mut publisher = Publisher::connect(&target, &Deadlines::default(), &trusting)
        .await
        .unwrap();
    let sent = [
        small(),
        picture(0, 0, true, 200_000),
        picture(40, 0, false, 10),
    ];
    for event in &sent {
        publisher.send(event).await.unwrap();
    }
    publisher.close().await;
    assert_eq!(
        server.until_ended().await,
        (sent.to_vec(), Ended::Unpublished)
    );

    let strict = tls_config(None).unwrap();
    let refused = Publisher::connect(&target, &Deadlines::default(), &strict).await;
    let Err(error) = refused else {
        panic!("a certificate that nobody signed was accepted");
    };
    assert!(matches!(error, PublishError::Certificate(_)), "{error}");
    assert!(error.terminal());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_terminal_and_told_without_the_key() {
    let server = Server::plain().await;
    let target = Target::parse(&server.url("live"), "wrong-CANARY").unwrap();
    let refused =
        Publisher::connect(&target, &Deadlines::default(), &tls_config(None).unwrap()).await;
    let Err(error) = refused else {
        panic!("it was accepted");
    };
    assert!(error.terminal());
    assert_eq!(
        error.to_string(),
        "refused: NetStream.Publish.BadName: wrong key"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dismissed_publisher_is_told_why_even_when_it_sends_nothing() {
    let mut server = Server::plain().await;
    let mut publisher = connect(&server).await;
    server
        .kick
        .send(Some("the key was changed".to_owned()))
        .unwrap();
    let error = publisher.failed().await;
    assert!(error.to_string().contains("the key was changed"), "{error}");
    let (_, ended) = server.until_ended().await;
    assert_eq!(ended, Ended::Dismissed("the key was changed".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sequence_header_in_the_middle_comes_before_its_unit() {
    let mut server = Server::plain().await;
    let mut publisher = connect(&server).await;
    let sent = [
        small(),
        picture(0, 0, true, 10),
        large(),
        picture(40, 0, true, 10),
    ];
    for event in &sent {
        publisher.send(event).await.unwrap();
    }
    publisher.close().await;
    assert_eq!(server.until_ended().await.0, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_panics_ends_alone() {
    let mut server = Server::plain().await;
    let mut first = connect(&server).await;
    let mut second = connect(&server).await;
    let MediaEvent::Unit(mut unit) = sound(0) else {
        unreachable!()
    };
    unit.data = bytes::Bytes::from_static(b"PANIC");
    first.send(&aac()).await.unwrap();
    if first.send(&MediaEvent::Unit(unit)).await.is_ok() {
        first.failed().await;
    }
    second.send(&aac()).await.unwrap();
    second.send(&sound(0)).await.unwrap();
    loop {
        if let Told::Media(MediaEvent::Unit(unit)) = server.next().await {
            assert_ne!(&unit.data[..], b"PANIC");
            break;
        }
    }
    assert_eq!(server.listener.open(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hevc_goes_in_enhanced_tags_with_and_without_offsets() {
    let mut server = Server::plain().await;
    let mut publisher = connect(&server).await;
    let sent = [
        hevc(),
        slice(0, 0, true, 5000, 0x26),
        slice(33, 67, false, 100, 0x02),
        slice(67, 0, false, 100, 0x02),
    ];
    for event in &sent {
        publisher.send(event).await.unwrap();
    }
    publisher.close().await;
    assert_eq!(server.until_ended().await.0, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_before_a_key_frame_and_nothing_without_its_config() {
    let mut server = Server::plain().await;
    let mut publisher = connect(&server).await;
    for event in [
        picture(0, 0, true, 9),
        sound(0),
        small(),
        picture(40, 0, false, 9),
        picture(80, 0, true, 9),
        sound(81),
        aac(),
        // Before the first picture that was sent: there is no time for it.
        sound(60),
        sound(100),
    ] {
        publisher.send(&event).await.unwrap();
    }
    publisher.close().await;
    let wanted = [small(), picture(80, 0, true, 9), aac(), sound(100)];
    assert_eq!(server.until_ended().await.0, from_zero(&wanted, 80));
}
