use booth_core::{Link, SessionId};
use booth_proto::worker::{Codec, Medium};
use tokio::sync::mpsc;

use crate::http::testing::{PATIENCE, Site, opus, picture, publish};

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
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if up.is_none()
            && let Link::Up { session, audio: true, video: true, .. } = site.rooms.board.state().callers[&caller].link
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
    assert!(audio.len() > 50 && video.len() > 50, "{} {}", audio.len(), video.len());
    for packets in [&audio, &video] {
        let numbers: Vec<u16> = packets.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect();
        assert!(numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "{numbers:?}");
    }
    assert!(video.iter().all(|p| p.ends_with(&[0x10; 400])));
    let ssrc = u32::from_be_bytes([audio[0][8], audio[0][9], audio[0][10], audio[0][11]]);
    assert_eq!(ssrc, source.audio.unwrap().ssrc);
    // The level of RFC 6464 is read, and the return track is there.
    let meter = site.rooms.meters.update(|r| r.callers[&caller].clone());
    assert!((meter.level_dbfs + 30.0).abs() < 0.01, "{meter:?}");
    assert!(meter.receive_rate_kbps > 10.0 && meter.score >= 4 && meter.loss < 0.05, "{meter:?}");
    tokio::time::timeout(PATIENCE, heard.wait_for(|count| *count > 2)).await.unwrap().unwrap();
    // No packets any more: down by silence, with the place kept.
    let state = site.until(|s| !s.callers[&caller].link.is_up()).await;
    assert_eq!(state.position(&caller), Some(1));
    let reply = site.web.request(http::Method::DELETE, &location, &[], "").await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(site.rtc.count(), 0);
    assert!(site.rooms.hub.is_empty());
    publisher.close().await;
}
