//! Sessions over real sockets, from a real publisher to the hub.

mod churn;
mod fake;

use std::time::Duration;

use booth_core::{CallerId, Link, SessionId};
use booth_proto::worker::{Codec, Medium};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::demo::publisher::Publisher;
use crate::http::testing::{LOCAL, PATIENCE, Site, opus, picture, publish};

#[tokio::test(flavor = "multi_thread")]
async fn packets_reach_the_hub_as_they_were_sent_and_facts_follow_them() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let (caller, rejoin) = site.join(&invite, "Ann").await;
    let (publisher, location) = publish(&site, &rejoin, true, Some(Codec::Vp8)).await;
    let (unit, mut packets) = mpsc::channel(1_024);
    let mut up = None;
    let mut heard = publisher.heard();
    let (mut audio, mut video) = (Vec::new(), Vec::new());
    for n in 0..200_u32 {
        assert!(publisher.send(opus(n, 30)).await);
        assert!(publisher.send(picture(n)).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if up.is_none()
            && let Link::Up {
                session,
                audio: true,
                video: true,
                ..
            } = site.rooms.board.state().callers[&caller].link
        {
            up = Some(session);
            site.rooms.hub.subscribe("slot-1", &unit, &[session]);
        }
        while let Ok(packet) = packets.try_recv() {
            assert!(!packet.rtcp || packet.data[1] == 200);
            match (packet.rtcp, packet.medium) {
                (true, _) => {}
                (false, Medium::Video) => video.push(packet.data),
                (false, _) => audio.push(packet.data),
            }
        }
    }
    let session: SessionId = up.expect("media never came up");
    let source = site.rooms.hub.source(session).unwrap();
    assert_eq!(source.caller, caller.as_str());
    assert_eq!(source.audio.as_ref().unwrap().codec(), Codec::Opus);
    assert_eq!(source.video.as_ref().unwrap().codec(), Codec::Vp8);
    assert_eq!(source.video.as_ref().unwrap().clock_rate, 90_000);
    assert!(
        audio.len() > 50 && video.len() > 50,
        "{} {}",
        audio.len(),
        video.len()
    );
    for packets in [&audio, &video] {
        let numbers: Vec<u16> = packets
            .iter()
            .map(|p| u16::from_be_bytes([p[2], p[3]]))
            .collect();
        assert!(
            numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1)),
            "{numbers:?}"
        );
    }
    assert!(video.iter().all(|p| p.ends_with(&[0x10; 400])));
    let ssrc = u32::from_be_bytes([audio[0][8], audio[0][9], audio[0][10], audio[0][11]]);
    assert_eq!(ssrc, source.audio.unwrap().ssrc);
    // The level of RFC 6464 is read, and the return track is there.
    let meter = site.rooms.meters.update(|r| r.callers[&caller].clone());
    assert!((meter.level_dbfs + 30.0).abs() < 0.01, "{meter:?}");
    assert!(
        meter.receive_rate_kbps > 10.0 && meter.score >= 4 && meter.loss < 0.05,
        "{meter:?}"
    );
    tokio::time::timeout(PATIENCE, heard.wait_for(|count| *count > 2))
        .await
        .unwrap()
        .unwrap();
    // No packets any more: down by silence, with the place kept.
    let state = site.until(|s| !s.callers[&caller].link.is_up()).await;
    assert_eq!(state.position(&caller), Some(1));
    let reply = site
        .web
        .request(http::Method::DELETE, &location, &[], "")
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(site.rtc.count(), 0);
    assert!(site.rooms.hub.is_empty());
    publisher.close().await;
}

/// Sends sound and, if it has any, pictures until `so`.
async fn talk(publisher: &Publisher, mut n: u32, so: impl Fn() -> bool) -> u32 {
    let start = tokio::time::Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never so");
        publisher.send(opus(n, 40)).await;
        publisher.send(picture(n)).await;
        n += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    n
}

fn link(site: &Site, caller: &CallerId) -> Link {
    site.rooms.board.state().callers[caller].link
}

fn session_of(site: &Site, caller: &CallerId) -> Option<SessionId> {
    match link(site, caller) {
        Link::Up { session, .. } => Some(session),
        Link::Down { .. } => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_frame_asked_for_reaches_the_sender_as_pli_at_most_twice_a_second() {
    let site = Site::start().await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, _) = publish(&site, &rejoin, true, Some(Codec::Vp8)).await;
    let n = talk(&publisher, 0, || session_of(&site, &caller).is_some()).await;
    let session = session_of(&site, &caller).unwrap();
    publisher.take_keyframe_wanted();
    let (start, mut seen) = (tokio::time::Instant::now(), 0_u32);
    let asked = std::cell::Cell::new(0_u32);
    talk(&publisher, n, || {
        site.rooms.hub.request_keyframe(session);
        asked.set(asked.get() + u32::from(publisher.take_keyframe_wanted()));
        asked.get() >= 3
    })
    .await;
    seen += asked.get();
    assert!(seen >= 3);
    // The first at once, then two a second.
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stops_is_a_change_of_the_same_session_and_one_that_comes_late_a_new_one() {
    let site = Site::start().await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, _) = publish(&site, &rejoin, true, Some(Codec::Vp8)).await;
    let mut n = 0;
    let sound = async |n: &mut u32, so: &dyn Fn(Link) -> bool| {
        let start = tokio::time::Instant::now();
        while !so(link(&site, &caller)) {
            assert!(
                start.elapsed() < PATIENCE,
                "never so: {:?}",
                link(&site, &caller)
            );
            publisher.send(opus(*n, 40)).await;
            *n += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    sound(&mut n, &|link| {
        matches!(
            link,
            Link::Up {
                audio: true,
                video: false,
                ..
            }
        )
    })
    .await;
    let first = session_of(&site, &caller).unwrap();
    assert!(site.rooms.hub.source(first).unwrap().video.is_none());
    n = talk(&publisher, n, || {
        matches!(
            link(&site, &caller),
            Link::Up {
                audio: true,
                video: true,
                ..
            }
        )
    })
    .await;
    let second = session_of(&site, &caller).unwrap();
    assert!(second > first);
    assert!(
        site.rooms.hub.source(first).is_none()
            && site.rooms.hub.source(second).unwrap().video.is_some()
    );
    sound(&mut n, &|link| {
        matches!(
            link,
            Link::Up {
                audio: true,
                video: false,
                ..
            }
        )
    })
    .await;
    assert_eq!(session_of(&site, &caller), Some(second));
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_the_wire_disturbs_nobody() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let (ann, ann_rejoin) = site.join(&invite, "Ann").await;
    let (bob, bob_rejoin) = site.join(&invite, "Bob").await;
    let (good, _) = publish(&site, &ann_rejoin, true, Some(Codec::Vp8)).await;
    let (bad, _) = publish(&site, &bob_rejoin, true, Some(Codec::Vp8)).await;
    let n = talk(&good, 0, || session_of(&site, &ann).is_some()).await;
    talk(&bad, 0, || session_of(&site, &bob).is_some()).await;
    // Inside the protection: reports that end too soon, blocks that claim more than there is (RFC 3611).
    let malformed: [&[u8]; 6] = [
        &[0x80, 207, 0, 1, 0, 0, 0, 1],
        &[0x80, 207, 0, 3, 0, 0, 0, 1, 4, 0, 0xff, 0xff, 0, 0, 0, 0],
        &[
            0x80, 207, 0, 4, 0, 0, 0, 1, 5, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[0x9f, 200, 0, 1, 0, 0, 0, 1],
        &[0x81, 202, 0, 1, 0, 0, 0, 1, 1, 0xff, b'x'],
        &[0x8f, 206, 0xff, 0xff, 0, 0, 0, 1],
    ];
    for packet in malformed {
        bad.send_raw_rtcp(Bytes::copy_from_slice(packet)).await;
    }
    // Outside of it, from a stranger, to every port in use.
    let stranger = std::net::UdpSocket::bind((LOCAL, 0)).unwrap();
    let mut x: u64 = 0x2545_f491_4f6c_dd1d;
    for port in site.rtc.ports_used() {
        for round in 0..500_usize {
            let mut packet = vec![0_u8; round % 120];
            for byte in &mut packet {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (x >> 33) as u8;
            }
            // Each class of RFC 7983 in turn: STUN, DTLS, RTP.
            if let Some(first) = packet.first_mut() {
                *first = [0, 1, 20, 22, 63, 128, 144, 191][round % 8];
            }
            let _ = stranger.send_to(&packet, (LOCAL, port));
        }
    }
    let (unit, mut packets) = mpsc::channel(1_024);
    site.rooms
        .hub
        .subscribe("slot-1", &unit, &[session_of(&site, &ann).unwrap()]);
    let got = std::cell::Cell::new(0);
    let packets = std::cell::RefCell::new(&mut packets);
    talk(&good, n, || {
        while packets.borrow_mut().try_recv().is_ok() {
            got.set(got.get() + 1);
        }
        got.get() > 40
    })
    .await;
    let (third, rejoin) = site.join(&invite, "Cid").await;
    let (late, _) = publish(&site, &rejoin, true, None).await;
    talk(&late, 0, || session_of(&site, &third).is_some()).await;
    for publisher in [good, bad, late] {
        publisher.close().await;
    }
}
