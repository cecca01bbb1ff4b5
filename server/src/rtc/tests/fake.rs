//! The life of a session on a stack that stands in, with a clock that tests move.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use booth_core::{Actor, CallerId, Command, Link, SessionId, Text};
use booth_proto::worker::{Codec, Medium, Track};
use bytes::Bytes;
use tokio::time::sleep;

use crate::http::testing::{Site, config};
use crate::relay::VideoWant;
use crate::rtc::engine::{Answer, AudioPacket, Engine, EngineError, Offer, Peer, Rtp, Sink};
use crate::rtc::sdp;
use crate::secrets::token_hash;

#[derive(Default)]
struct Log {
    sinks: Vec<Arc<dyn Sink>>,
    limits: Vec<u64>,
    closed: usize,
    audio: Vec<AudioPacket>,
    /// Answers wait for this.
    gate: Option<Arc<tokio::sync::Notify>>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Log>>);

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

#[async_trait]
impl Engine for Fake {
    async fn answer(&self, _: Offer, sink: Arc<dyn Sink>) -> Result<Answer, EngineError> {
        let gate = {
            let mut log = self.0.lock().unwrap();
            log.sinks.push(sink);
            log.gate.clone()
        };
        if let Some(gate) = gate {
            gate.notified().await;
        }
        Ok(Answer {
            sdp: "v=0\r\n".into(),
            peer: Arc::new(self.clone()),
        })
    }
}

#[async_trait]
impl Peer for Fake {
    async fn add_candidate(&self, _: &str, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn restart(&self, offer: String) -> Result<String, EngineError> {
        Ok(offer)
    }
    async fn request_keyframe(&self) {}
    async fn limit_bitrate(&self, bits_per_s: u64) {
        self.0.lock().unwrap().limits.push(bits_per_s);
    }
    async fn send_audio(&self, packet: AudioPacket) -> bool {
        self.0.lock().unwrap().audio.push(packet);
        true
    }
    async fn rtt(&self) -> Option<Duration> {
        None
    }
    async fn close(&self) {
        self.0.lock().unwrap().closed += 1;
    }
}

impl Fake {
    fn last(&self) -> Arc<dyn Sink> {
        Arc::clone(self.0.lock().unwrap().sinks.last().unwrap())
    }
    fn closed(&self) -> usize {
        self.0.lock().unwrap().closed
    }
    fn limits(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().unwrap().limits)
    }
}

async fn site() -> (Site, Fake, CallerId) {
    let fake = Fake::default();
    let site = Site::with(config(), Some(Box::new(fake.clone()))).await;
    let invite = site.invite(None).await;
    let id = CallerId::new("c1").unwrap();
    let command = Command::Join {
        id: id.clone(),
        invite: token_hash(&invite),
        rejoin: token_hash("rejoin"),
        name: Text::name("Ann"),
        topic: Text::default(),
    };
    let meta = booth_core::Meta {
        actor: Actor::Caller(id.clone()),
        request_id: None,
        expected_revision: None,
    };
    site.rooms.director.command(meta, command).await.unwrap();
    (site, fake, id)
}

async fn open(site: &Site, caller: &CallerId) -> String {
    let offer = sdp::Checked {
        sdp: String::new(),
        audio: true,
        video: false,
    };
    site.rtc.open(caller, offer).await.unwrap().token
}

fn track(sink: &dyn Sink) {
    track_of(sink, 111);
}

fn track_of(sink: &dyn Sink, payload_type: u32) {
    let track = Track {
        codec: Codec::Opus.into(),
        clock_rate: 48_000,
        payload_type,
        ssrc: 7,
        fmtp: String::new(),
    };
    sink.track(Medium::Audio, track);
}

fn packet(sink: &dyn Sink, n: u32) {
    let bytes = || Some(Bytes::from_static(b"packet"));
    sink.rtp(&Rtp {
        medium: Medium::Audio,
        sequence: n as u16,
        timestamp: n.wrapping_mul(960),
        marker: false,
        ssrc: 7,
        payload_type: 111,
        size: 100,
        level: Some(0),
        bytes: &bytes,
    });
}

/// Sound for a while, a packet each 20 ms.
async fn sound(sink: &dyn Sink, from: u32, span: Duration) -> u32 {
    let packets = u32::try_from(span.as_millis() / 20).unwrap();
    for n in from..from + packets {
        packet(sink, n);
        sleep(Duration::from_millis(20)).await;
    }
    from + packets
}

/// Holds the tests' clock for a moment.
async fn hold() {
    let held = tokio::task::spawn_blocking(|| {
        let (_tx, rx) = std::sync::mpsc::channel::<()>();
        let _ = rx.recv_timeout(Duration::from_millis(2));
    });
    held.await.unwrap();
}

/// Waits until the director has seen that the media is there, or gone. The ledger's thread does not live on the tests'
/// clock, so that clock is held while it works.
async fn until_up(site: &Site, caller: &CallerId, up: bool) {
    for _ in 0..2_000 {
        let link = site.rooms.board.state().callers[caller].link;
        if matches!(link, Link::Up { .. }) == up {
            return;
        }
        hold().await;
    }
    panic!("never so");
}

/// Waits until the director knows of the source that is open now.
async fn until_heard(site: &Site, caller: &CallerId) {
    for _ in 0..2_000 {
        if let Link::Up { session, .. } = site.rooms.board.state().callers[caller].link
            && site.rooms.hub.source(session).is_some()
        {
            return;
        }
        hold().await;
    }
    panic!("never so");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_sends_gives_its_place_back() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    sleep(Duration::from_secs(29)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (1, 0));
    sleep(Duration::from_secs(3)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (0, 1));
    assert!(site.rtc.ports_used().is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_is_down_at_once_and_the_end_only_later() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let sink = fake.last();
    track(sink.as_ref());
    let n = sound(sink.as_ref(), 0, Duration::from_secs(2)).await;
    until_up(&site, &caller, true).await;
    let clipping = site.rooms.meters.update(|r| r.callers[&caller].clipping);
    assert!(clipping, "a level of 0 dBov is at the limit");
    sleep(Duration::from_millis(2_600)).await;
    until_up(&site, &caller, false).await;
    let meter = site.rooms.meters.update(|r| r.callers[&caller].clone());
    assert_eq!((meter.level_dbfs, meter.clipping), (-127.0, false));
    sleep(Duration::from_secs(20)).await;
    // The same connection comes back, as after a network's change.
    let session = site.rooms.hub.len();
    sound(sink.as_ref(), n, Duration::from_secs(1)).await;
    until_up(&site, &caller, true).await;
    assert_eq!(session, 1);
    sleep(Duration::from_secs(62)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (0, 1));
    assert!(
        !site
            .rooms
            .meters
            .update(|r| r.callers.contains_key(&caller))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_connection_is_closed_at_once() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let sink = fake.last();
    track(sink.as_ref());
    sound(sink.as_ref(), 0, Duration::from_secs(1)).await;
    sink.failed();
    sleep(Duration::from_millis(300)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (0, 1));
    until_up(&site, &caller, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_stream_is_limited_by_rtcp_and_one_with_it_is_not() {
    let (site, fake, caller) = site().await;
    let steering = site.rtc.steer(&caller);
    open(&site, &caller).await;
    let sink = fake.last();
    track(sink.as_ref());
    let n = sound(sink.as_ref(), 0, Duration::from_secs(15)).await;
    assert_eq!(fake.limits(), Vec::<u64>::new());
    assert_eq!(
        site.rtc.wants().borrow().get(&caller),
        Some(&VideoWant::Low)
    );
    drop(steering);
    let n = sound(sink.as_ref(), n, Duration::from_secs(9)).await;
    assert_eq!(fake.limits(), Vec::<u64>::new());
    let n = sound(sink.as_ref(), n, Duration::from_secs(4)).await;
    let low = fake.limits();
    assert!(
        (2..=5).contains(&low.len()) && low.iter().all(|bits| *bits < 500_000),
        "{low:?}"
    );
    let Link::Up { session, .. } = site.rooms.board.state().callers[&caller].link else {
        panic!("down")
    };
    site.rooms.hub.set_want(session, VideoWant::Full);
    sound(sink.as_ref(), n, Duration::from_secs(1)).await;
    assert!(fake.limits().iter().any(|bits| *bits > 2_000_000));
    assert_eq!(
        site.rtc.wants().borrow().get(&caller),
        Some(&VideoWant::Full)
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waits_for_is_closed_and_the_session_before_it_stays() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    fake.0.lock().unwrap().gate = Some(Arc::clone(&gate));
    let given_up = tokio::time::timeout(Duration::from_secs(1), open(&site, &caller)).await;
    assert!(given_up.is_err());
    // The connection may have its port still, so nobody else gets it.
    assert_eq!((site.rtc.count(), site.rtc.ports_used().len()), (2, 2));
    gate.notify_one();
    sleep(Duration::from_secs(1)).await;
    assert_eq!((site.rtc.count(), site.rtc.ports_used().len()), (1, 1));
    assert_eq!(fake.closed(), 1);
}

/// The source that is open now, and its payload type.
fn source(site: &Site, caller: &CallerId) -> (SessionId, u32) {
    let Link::Up { session, .. } = site.rooms.board.state().callers[caller].link else {
        panic!("down")
    };
    let source = site.rooms.hub.source(session).unwrap();
    (session, source.audio.unwrap().payload_type)
}

#[tokio::test(start_paused = true)]
async fn tracks_that_change_are_a_new_source_at_most_once_a_second_and_the_last_one_counts() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let sink = fake.last();
    track(sink.as_ref());
    let mut n = sound(sink.as_ref(), 0, Duration::from_secs(1)).await;
    until_up(&site, &caller, true).await;
    let mut sources = std::collections::BTreeSet::from([source(&site, &caller).0]);
    for change in 0..24 {
        track_of(sink.as_ref(), 96 + change % 2);
        n = sound(sink.as_ref(), n, Duration::from_millis(100)).await;
        // The director may be a step behind; a source that has gone was seen before.
        until_heard(&site, &caller).await;
        sources.insert(source(&site, &caller).0);
    }
    assert!((2..=4).contains(&sources.len()), "{sources:?}");
    track_of(sink.as_ref(), 98);
    sound(sink.as_ref(), n, Duration::from_millis(1_500)).await;
    until_heard(&site, &caller).await;
    assert_eq!(source(&site, &caller).1, 98);
    assert_eq!((site.rtc.count(), fake.closed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn tracks_that_change_all_the_time_end_the_session_and_seldom_changes_do_not() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let sink = fake.last();
    track(sink.as_ref());
    let mut n = 0;
    for change in 0..70 {
        track_of(sink.as_ref(), 96 + change % 2);
        n = sound(sink.as_ref(), n, Duration::from_secs(3)).await;
    }
    assert_eq!((site.rtc.count(), fake.closed()), (1, 0));
    for change in 0..32 {
        track_of(sink.as_ref(), 98 + change % 2);
        n = sound(sink.as_ref(), n, Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_return_track_keeps_time() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    sleep(Duration::from_secs(5)).await;
    let audio = std::mem::take(&mut fake.0.lock().unwrap().audio);
    assert!((24..=27).contains(&audio.len()), "{}", audio.len());
    for pair in audio.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(9_600));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_word_of_a_replaced_session_changes_nothing() {
    let (site, fake, caller) = site().await;
    open(&site, &caller).await;
    let old = fake.last();
    track(old.as_ref());
    let n = sound(old.as_ref(), 0, Duration::from_secs(1)).await;
    open(&site, &caller).await;
    let new = fake.last();
    track(new.as_ref());
    let n = sound(new.as_ref(), n, Duration::from_secs(3)).await;
    assert_eq!((site.rtc.count(), fake.closed()), (1, 1));
    old.failed();
    packet(old.as_ref(), n);
    sound(new.as_ref(), n, Duration::from_secs(1)).await;
    until_up(&site, &caller, true).await;
    assert_eq!(site.rtc.count(), 1);
    // Its level is still measured.
    assert!(
        site.rooms
            .meters
            .update(|r| r.callers.contains_key(&caller))
    );
}
