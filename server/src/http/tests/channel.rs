//! Channels at the callers' door: WHIP in, HLS out.

use booth_core::{
    Channel, ChannelId, ChannelSettings, Command, Fact, LiveState, PublishProtocol, State,
};
use booth_proto::worker::{Codec, Medium};
use http::Method;
use tokio::sync::mpsc;

use super::{SDP, refused};
use crate::demo::publisher::Publisher;
use crate::demo::web::Reply;
use crate::http::testing::{LOCAL, PATIENCE, Site, config, opus, picture};
use crate::relay::UNIT_QUEUE;
use crate::secrets::channel_key_context;

const KEY: &str = "the-live-key-of-this-channel";

fn radio() -> ChannelId {
    ChannelId::new("radio").unwrap()
}

fn channel(state: &State) -> &Channel {
    &state.channels[&radio()]
}

async fn site() -> Site {
    let site = Site::start().await;
    let key = site.rooms.keys.seal(&channel_key_context(&radio()), KEY);
    let create = Command::CreateChannel {
        id: radio(),
        settings: ChannelSettings::default(),
        key: key.unwrap(),
    };
    site.system(create).await;
    site
}

async fn on_air() -> Site {
    let site = site().await;
    site.system(Command::StartChannel { id: radio() }).await;
    let up = Fact::ChannelWorkerUp { channel: radio() };
    site.rooms.director.fact(up).await;
    site
}

async fn offer(video: Option<Codec>) -> (Publisher, String) {
    Publisher::offer(&[LOCAL], true, video).await.unwrap()
}

async fn whip(site: &Site, channel: &str, key: &str, offer: &str) -> Reply {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("user-agent", "encoder/1"),
        SDP,
    ];
    let path = format!("/whip/channels/{channel}");
    site.post(&path, &headers, offer.to_owned()).await
}

/// A connected publisher and its session's path.
async fn feed(site: &Site) -> (Publisher, String) {
    let (publisher, offer) = offer(Some(Codec::H264)).await;
    let reply = whip(site, "radio", KEY, &offer).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let location = reply.header("location").unwrap().to_owned();
    let answer = String::from_utf8(reply.body.to_vec()).unwrap();
    publisher.accept(answer).await.unwrap();
    (publisher, location)
}

/// Sends until the state is so.
async fn send(site: &Site, publisher: &Publisher, so: impl Fn() -> bool) {
    let start = tokio::time::Instant::now();
    let mut n = 0;
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never so");
        publisher.send(opus(n, 40)).await;
        publisher.send(picture(n)).await;
        n += 1;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let _ = site;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_feeds_a_channel_by_whip_until_it_deletes_its_session() {
    let site = on_air().await;
    let (publisher, offer) = offer(Some(Codec::H264)).await;
    let reply = whip(&site, "radio", KEY, &offer).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/sdp"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert!(reply.header("etag").is_some() && reply.header("booth-rejoin").is_none());
    let session = reply.header("location").unwrap().to_owned();
    assert!(session.starts_with("/whip/sessions/"));
    let answer = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(answer.contains("H264/90000") && answer.contains("opus/48000"));
    assert!(
        !answer.contains("VP8") && !answer.contains("a=sendrecv"),
        "{answer}"
    );
    publisher.accept(answer).await.unwrap();

    let state = site.rooms.board.state();
    let known = channel(&state).publisher.clone().unwrap();
    assert_eq!(known.protocol, PublishProtocol::Whip);
    assert_eq!(
        (known.peer.as_str(), known.agent.as_str()),
        ("127.0.0.1", "encoder/1")
    );

    let (unit, mut packets) = mpsc::channel(UNIT_QUEUE);
    let hub = &site.rooms.hub;
    send(&site, &publisher, || {
        hub.published(known.id)
            .is_some_and(|s| s.audio.is_some() && s.video.is_some())
    })
    .await;
    let source = hub.published(known.id).unwrap();
    assert_eq!(source.video.as_ref().unwrap().codec(), Codec::H264);
    assert_eq!(source.audio.as_ref().unwrap().codec(), Codec::Opus);
    let id = booth_core::SessionId(source.session);
    hub.subscribe("channel-radio", &unit, &[id]);
    let got = std::cell::RefCell::new((0, 0));
    let inbox = std::cell::RefCell::new(&mut packets);
    send(&site, &publisher, || {
        while let Ok(packet) = inbox.borrow_mut().try_recv() {
            assert_eq!(packet.session, id);
            let mut got = got.borrow_mut();
            match packet.medium {
                Medium::Video => got.0 += 1,
                _ => got.1 += 1,
            }
        }
        let got = got.borrow();
        got.0 > 10 && got.1 > 10
    })
    .await;
    // A worker that needs a picture asks the encoder for it.
    publisher.take_keyframe_wanted();
    send(&site, &publisher, || {
        hub.request_keyframe(id);
        publisher.take_keyframe_wanted()
    })
    .await;

    let delete = site.web.request(Method::DELETE, &session, &[], "").await;
    assert_eq!(delete.unwrap().status, 200);
    site.until(|s| channel(s).publisher.is_none()).await;
    assert!(site.rooms.hub.published(known.id).is_none());
    site.sessions(0).await;
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_live_key_opens_a_channel_and_only_one_at_a_time() {
    let site = site().await;
    let (first, offer_of_first) = offer(Some(Codec::H264)).await;
    for (channel, key) in [("radio", "wrong"), ("nobody", KEY), ("Radio", KEY)] {
        let reply = whip(&site, channel, key, &offer_of_first).await;
        refused(&reply, 401, "STREAM_KEY_INVALID");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        let told: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(told["detail"], "this stream key is not valid");
    }
    let nothing = site
        .post("/whip/channels/radio", &[SDP], offer_of_first.clone())
        .await;
    refused(&nothing, 401, "STREAM_KEY_INVALID");
    refused(
        &whip(&site, "radio", KEY, &offer_of_first).await,
        409,
        "CHANNEL_OFF",
    );
    site.system(Command::StartChannel { id: radio() }).await;
    let up = Fact::ChannelWorkerUp { channel: radio() };
    site.rooms.director.fact(up).await;
    // What no channel could pass on.
    let (vp8, offer_of_vp8) = offer(Some(Codec::Vp8)).await;
    refused(
        &whip(&site, "radio", KEY, &offer_of_vp8).await,
        400,
        "BAD_REQUEST",
    );
    let (mute, offer_of_mute) = offer(None).await;
    refused(
        &whip(&site, "radio", KEY, &offer_of_mute).await,
        400,
        "BAD_REQUEST",
    );
    site.sessions(0).await;

    assert_eq!(whip(&site, "radio", KEY, &offer_of_first).await.status, 201);
    let live = Fact::ChannelLive {
        channel: radio(),
        live: LiveState::Stable,
        format: None,
    };
    site.rooms.director.fact(live).await;
    site.until(|s| channel(s).live == LiveState::Stable).await;
    let (second, offer_of_second) = offer(Some(Codec::H264)).await;
    refused(
        &whip(&site, "radio", KEY, &offer_of_second).await,
        409,
        "CHANNEL_BUSY",
    );
    site.sessions(1).await;
    for publisher in [first, vp8, mute, second] {
        publisher.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_a_new_key_and_a_stop_close_the_session() {
    let site = on_air().await;
    for command in [
        Command::KickPublisher { id: radio() },
        Command::RotateChannelKey {
            id: radio(),
            key: site
                .rooms
                .keys
                .seal(&channel_key_context(&radio()), KEY)
                .unwrap(),
        },
        Command::StopChannel { id: radio() },
    ] {
        let (publisher, session) = feed(&site).await;
        assert!(site.rtc.count() > 0);
        site.system(command).await;
        site.sessions(0).await;
        let gone = site.web.request(Method::DELETE, &session, &[], "").await;
        refused(&gone.unwrap(), 404, "NOT_FOUND");
        publisher.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_is_there_as_hls_while_the_channel_is_on_air() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.data.dir = dir.path().to_owned();
    let site = Site::with(config, None).await;
    let settings = ChannelSettings {
        hls: true,
        ..ChannelSettings::default()
    };
    let key = site.rooms.keys.seal(&channel_key_context(&radio()), KEY);
    let create = Command::CreateChannel {
        id: radio(),
        settings,
        key: key.unwrap(),
    };
    site.system(create).await;
    let place = dir.path().join("run/hls/radio");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("index.m3u8"), "#EXTM3U\n").unwrap();
    std::fs::write(place.join("seg1.ts"), [0x47; 188]).unwrap();
    std::fs::write(place.join("secret.txt"), "no").unwrap();
    let get = |path: &'static str| {
        let web = site.web.clone();
        async move { web.request(Method::GET, path, &[], "").await.unwrap() }
    };
    refused(
        &get("/hls/channels/radio/index.m3u8").await,
        404,
        "NOT_FOUND",
    );
    site.system(Command::StartChannel { id: radio() }).await;
    let playlist = get("/hls/channels/radio/index.m3u8").await;
    assert_eq!(
        (playlist.status.as_u16(), playlist.body.as_ref()),
        (200, b"#EXTM3U\n".as_slice())
    );
    assert_eq!(
        playlist.header("content-type"),
        Some("application/vnd.apple.mpegurl")
    );
    assert_eq!(playlist.header("cache-control"), Some("no-cache"));
    assert_eq!(playlist.header("access-control-allow-origin"), Some("*"));
    let segment = get("/hls/channels/radio/seg1.ts").await;
    assert_eq!((segment.status.as_u16(), segment.body.len()), (200, 188));
    assert_eq!(segment.header("content-type"), Some("video/mp2t"));
    for path in [
        "/hls/channels/radio/seg2.ts",
        "/hls/channels/radio/secret.txt",
        "/hls/channels/radio/..%2f..%2fkey",
        "/hls/channels/radio%2f..%2fradio/seg1.ts",
        "/hls/channels/tv/index.m3u8",
    ] {
        refused(&get(path).await, 404, "NOT_FOUND");
    }
}
