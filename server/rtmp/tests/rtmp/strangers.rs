//! Those who mean ill, or do not know better.

use std::time::Duration;

use booth_rtmp::server::{Ended, Limits, ListenerLimits, serve};
use booth_stream::{MediaEvent, Track};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::help::*;

const PEER: &str = "192.0.2.1:5000";

/// Serves what one end of a pipe sends, on a paused clock: how it ended, and after how long.
async fn served(bytes: Vec<u8>, pause: Option<Duration>) -> (Ended, Duration) {
    let (desk, _told, _kick) = desk();
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        for piece in bytes.chunks(if pause.is_some() { 1 } else { usize::MAX }) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        said
    });
    let ended = serve(
        server,
        PEER.parse().unwrap(),
        false,
        &Limits::default(),
        &desk,
    )
    .await;
    let took = begin.elapsed();
    sending.abort();
    (ended, took)
}

/// C0, C1 and C2.
fn hello() -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.extend([0; 3072]);
    bytes
}

/// A message in chunks of 128.
fn message(kind: u8, stream: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let mut bytes = vec![3];
    bytes.extend(&timestamp.min(0xFF_FFFF).to_be_bytes()[1..]);
    bytes.extend(&length[1..]);
    bytes.extend([kind, stream, 0, 0, 0]);
    let extended = (timestamp >= 0xFF_FFFF).then_some(timestamp.to_be_bytes());
    bytes.extend(extended.iter().flatten());
    for (i, piece) in body.chunks(128).enumerate() {
        if i > 0 {
            bytes.push(0xC3);
            bytes.extend(extended.iter().flatten());
        }
        bytes.extend(piece);
    }
    bytes
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn number(number: f64) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(number.to_be_bytes());
    bytes
}

/// Everything that leads to a publish on message stream 1.
pub fn introduction(stream: &str) -> Vec<u8> {
    let connect = [
        string("connect"),
        number(1.0),
        vec![3, 0, 3],
        b"app".to_vec(),
        string("live"),
        vec![0, 0, 9],
    ]
    .concat();
    let create = [string("createStream"), number(2.0), vec![5]].concat();
    let publish = [
        string("publish"),
        number(3.0),
        vec![5],
        string(stream),
        string("live"),
    ]
    .concat();
    [
        hello(),
        message(20, 0, 0, &connect),
        message(20, 0, 0, &create),
        message(20, 1, 0, &publish),
    ]
    .concat()
}

#[tokio::test(start_paused = true)]
async fn garbage_is_hung_up_on_at_its_first_byte() {
    let (ended, took) = served(b"GET / HTTP/1.1\r\n\r\n".to_vec(), None).await;
    assert!(matches!(ended, Ended::Damaged(_)), "{ended}");
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn garbage_behind_the_handshake_ends_the_session() {
    let mut bytes = hello();
    bytes.extend([0xFF; 400]);
    let (ended, _) = served(bytes, None).await;
    assert!(matches!(ended, Ended::Damaged(_)), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_ends_after_ten_seconds_and_not_never() {
    let (ended, took) = served(introduction(KEY), Some(Duration::from_secs(1))).await;
    assert_eq!((ended, took), (Ended::Late, Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_ten_seconds() {
    let (ended, took) = served(Vec::new(), None).await;
    assert_eq!((ended, took), (Ended::Late, Duration::from_secs(10)));
}

/// 80 KB of nested objects: it overflowed the stack of other servers.
fn bomb() -> Vec<u8> {
    let mut body = [string("connect"), number(1.0)].concat();
    for _ in 0..20_000 {
        body.extend([3, 0, 1, b'a']);
    }
    body
}

#[tokio::test(start_paused = true)]
async fn a_connect_bomb_is_refused_by_its_length() {
    let bytes = [hello(), message(20, 0, 0, &bomb())].concat();
    let (ended, took) = served(bytes, None).await;
    assert!(matches!(ended, Ended::Damaged(_)), "{ended}");
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_connect_bomb_that_fits_the_budget_is_refused_by_its_depth() {
    let bytes = [hello(), message(20, 0, 0, &bomb()[..12_000])].concat();
    let (ended, _) = served(bytes, None).await;
    assert_eq!(ended, Ended::Damaged("AMF0 nested too deep".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn many_small_messages_end_with_the_budget() {
    let mut bytes = hello();
    for _ in 0..2000 {
        bytes.extend(message(9, 0, 0, &[0; 8]));
    }
    let (ended, _) = served(bytes, None).await;
    assert_eq!(ended, Ended::TooMuch);
}

#[tokio::test(start_paused = true)]
async fn claims_of_size_cost_nothing() {
    let huge = [3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 20, 0, 0, 0, 0];
    let (ended, took) = served([&hello()[..], &huge].concat(), None).await;
    assert!(matches!(ended, Ended::Damaged(_)), "{ended}");
    assert_eq!(took, Duration::ZERO);
    // A chunk size of 2 GiB is anybody's right.
    let size = message(1, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF]);
    let (ended, took) = served([hello(), size].concat(), None).await;
    assert_eq!((ended, took), (Ended::Late, Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn publishing_without_a_key_is_refused() {
    for name in ["", "?token=", "x?token="] {
        let (ended, _) = served(introduction(name), None).await;
        assert!(matches!(ended, Ended::Refused(_)), "{name}: {ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_falls_silent_is_let_go_after_thirty_seconds() {
    let (ended, took) = served(introduction(KEY), None).await;
    assert_eq!(ended, Ended::Idle);
    assert_eq!(took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_does_not_answer_costs_the_strangers_time_only() {
    struct Mute;
    impl booth_rtmp::server::Authority for Mute {
        type Publication = Sink;
        async fn authorise(
            &self,
            _request: booth_rtmp::server::PublishRequest,
        ) -> Result<Sink, String> {
            std::future::pending().await
        }
    }
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(&introduction(KEY)).await.unwrap();
    let begin = Instant::now();
    let ended = serve(
        server,
        PEER.parse().unwrap(),
        false,
        &Limits::default(),
        &Mute,
    )
    .await;
    assert_eq!(
        (ended, begin.elapsed()),
        (Ended::Late, Duration::from_secs(10))
    );
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("Publish.Start"));
}

#[tokio::test(start_paused = true)]
async fn codecs_that_are_not_taken_are_named() {
    for (kind, first, name) in [
        (9, 0x14, "VP6 video"),
        (8, 0x2F, "MP3 audio"),
        (9, 0x12, "Sorenson H.263 video"),
    ] {
        let bytes = [
            introduction(KEY),
            message(kind, 1, 0, &[first, 0, 0, 0, 0, 0]),
        ]
        .concat();
        let (ended, _) = served(bytes, None).await;
        assert_eq!(ended, Ended::Unusable(name.to_owned()));
    }
    let av1 = [&[0x90][..], b"av01", &[0; 10]].concat();
    let bytes = [introduction(KEY), message(9, 1, 0, &av1)].concat();
    assert_eq!(
        served(bytes, None).await.0,
        Ended::Unusable("av01 video".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_from_one_address_leave_the_server_whole() {
    let limits = ListenerLimits {
        per_address: 20,
        ..ListenerLimits::default()
    };
    let server = Server::start(None, limits).await;
    let mut most = 0;
    for _ in 0..100 {
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(TcpStream::connect(server.address).await.unwrap());
            most = most.max(server.listener.open());
        }
        // Those beyond the limit are hung up on at once.
        for stream in open.iter_mut().skip(60) {
            let _ = timeout(SOON, stream.read(&mut [0; 1])).await.unwrap();
        }
    }
    assert!(most <= 20, "{most}");
    // Those who were let in and have gone leave their places.
    let served = async {
        loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let mut answer = [0; 1];
            if stream.write_all(&hello()).await.is_ok()
                && stream.read_exact(&mut answer).await.is_ok()
            {
                return answer;
            }
        }
    };
    assert_eq!(timeout(SOON, served).await.unwrap(), [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_of_one_address_leave_room_for_its_next_connection() {
    let limits = ListenerLimits {
        per_address: 1,
        ..ListenerLimits::default()
    };
    let mut server = Server::start(None, limits).await;
    let mut publishers = Vec::new();
    for open in 1..=3 {
        // The one before may still be a stranger for a moment after its key was looked at.
        let publisher = loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let mut answer = [0; 1];
            if stream.write_all(&introduction(KEY)).await.is_ok()
                && matches!(timeout(SOON, stream.read(&mut answer)).await, Ok(Ok(1)))
            {
                break stream;
            }
        };
        publishers.push(publisher);
        assert!(matches!(server.next().await, Told::Asked(_)));
        assert_eq!(server.listener.open(), open);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_handshake_that_does_not_come_ends() {
    let (tls, _) = certificate();
    let limits = ListenerLimits {
        tls_time: Duration::from_millis(100),
        ..ListenerLimits::default()
    };
    let server = Server::start(Some(tls), limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let ended = timeout(SOON, stream.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)));
}

const VIDEO: u8 = 9;
const AUDIO: u8 = 8;

/// What an authorised publisher's messages become, and how many of its units were asked for by nobody.
async fn published(messages: &[Vec<u8>]) -> Vec<MediaEvent> {
    let (desk, mut told, _kick) = desk();
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let bytes = [&[introduction(KEY)], messages].concat().concat();
    client.write_all(&bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let ended = serve(
        server,
        PEER.parse().unwrap(),
        false,
        &Limits::default(),
        &desk,
    )
    .await;
    assert_eq!(ended, Ended::Closed);
    let mut events = Vec::new();
    while let Ok(told) = told.try_recv() {
        if let Told::Media(event) = told {
            events.push(event);
        }
    }
    events
}

fn record(length_size: u8) -> Vec<u8> {
    let MediaEvent::Video(config) = small() else {
        unreachable!()
    };
    let mut record = config.record.to_vec();
    record[4] = 0xFC | (length_size - 1);
    [&[0x17, 0, 0, 0, 0], &record[..]].concat()
}

/// A key picture of one slice of three bytes, behind lengths of this size.
fn key_picture(length_size: usize) -> Vec<u8> {
    let length = [0, 0, 0, 3];
    [
        &[0x17, 1, 0, 0, 0],
        &length[4 - length_size..],
        &[0x65, 1, 2],
    ]
    .concat()
}

#[tokio::test(start_paused = true)]
async fn units_before_their_sequence_header_are_left_out() {
    let events = published(&[
        message(VIDEO, 1, 0, &key_picture(4)),
        message(AUDIO, 1, 0, &[0xAF, 1, 7, 7]),
        // An empty sequence header is none.
        message(VIDEO, 1, 10, &[0x17, 0, 0, 0, 0]),
        message(VIDEO, 1, 20, &key_picture(4)),
        message(VIDEO, 1, 30, &record(4)),
        // Damaged: it is shorter than it says.
        message(VIDEO, 1, 40, &[0x17, 1, 0, 0, 0, 0, 0, 0, 9, 0x65]),
        message(VIDEO, 1, 50, &key_picture(4)),
    ])
    .await;
    let video = units(&events, Track::Video);
    assert_eq!((events.len(), video.len()), (2, 1));
    assert_eq!(events[0], small());
    assert_eq!(video[0].dts, 50_000_000);
}

#[tokio::test(start_paused = true)]
async fn lengths_of_one_and_two_bytes_become_four() {
    for length_size in [1, 2, 4] {
        let events = published(&[
            message(VIDEO, 1, 0, &record(length_size)),
            message(VIDEO, 1, 0, &key_picture(usize::from(length_size))),
        ])
        .await;
        assert_eq!(events[0], small(), "{length_size}");
        let video = units(&events, Track::Video);
        assert_eq!(video[0].data[..], [0, 0, 0, 3, 0x65, 1, 2], "{length_size}");
        assert!(video[0].key);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_frame_is_what_a_decoder_can_start_at_and_not_what_says_so() {
    let mut says_so = key_picture(4);
    says_so[9] = 0x41;
    let mut hides = key_picture(4);
    hides[0] = 0x27;
    let events = published(&[
        message(VIDEO, 1, 0, &record(4)),
        message(VIDEO, 1, 0, &hides),
        message(VIDEO, 1, 40, &says_so),
    ])
    .await;
    let keys: Vec<bool> = units(&events, Track::Video).iter().map(|u| u.key).collect();
    assert_eq!(keys, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn timestamps_that_jump_back_and_forth_become_time_that_goes_on() {
    let mut messages = vec![message(VIDEO, 1, 0, &record(4))];
    for stamp in [
        0,
        33,
        67,
        5_000_000,
        5_000_033,
        100,
        133,
        u32::MAX - 5_000,
        u32::MAX - 4_967,
    ] {
        messages.push(message(VIDEO, 1, stamp, &key_picture(4)));
    }
    let events = published(&messages).await;
    let times: Vec<i64> = units(&events, Track::Video)
        .iter()
        .map(|unit| unit.dts / 1_000_000)
        .collect();
    assert_eq!(times.len(), 9);
    for two in times.windows(2) {
        assert!((33..=34).contains(&(two[1] - two[0])), "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn media_of_other_message_streams_is_nobodys() {
    let events = published(&[
        message(VIDEO, 2, 0, &record(4)),
        message(VIDEO, 2, 0, &key_picture(4)),
    ])
    .await;
    assert!(events.is_empty());
}
