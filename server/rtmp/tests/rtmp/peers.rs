//! Destinations that refuse, fall silent or talk nonsense.

use std::time::Duration;

use booth_rtmp::publisher::{Deadlines, PublishError, Publisher, Target, tls_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::help::*;

async fn publish(url: &str, deadlines: &Deadlines) -> Result<Publisher, PublishError> {
    let target = Target::parse(url, "CANARY-key").unwrap();
    Publisher::connect(&target, deadlines, &tls_config(None).unwrap()).await
}

#[track_caller]
fn failed(result: Result<Publisher, PublishError>) -> PublishError {
    match result {
        Ok(_) => panic!("it was taken"),
        Err(error) => {
            assert!(!error.to_string().contains("CANARY"), "{error}");
            error
        }
    }
}

fn hasty() -> Deadlines {
    Deadlines {
        connect: Duration::from_millis(300),
        total: Duration::from_millis(300),
        ..Deadlines::default()
    }
}

/// A peer that does `act` with the first who connects.
async fn peer<F, R>(act: F) -> String
where
    F: FnOnce(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = tcp.accept().await.unwrap();
        act(stream).await;
    });
    format!("rtmp://{address}/live")
}

#[tokio::test]
async fn a_closed_port_may_open_again() {
    let url = format!("rtmp://127.0.0.1:{}/live", free_port());
    let error = failed(publish(&url, &Deadlines::default()).await);
    assert_eq!(
        error,
        PublishError::Connect("connection refused".to_owned())
    );
    assert!(!error.terminal());
}

#[tokio::test]
async fn a_name_that_does_not_resolve_may_do_so_later() {
    let error = failed(publish("rtmp://nowhere.invalid/live", &Deadlines::default()).await);
    assert!(
        matches!(
            error,
            PublishError::Resolve(_) | PublishError::TimedOut { .. }
        ),
        "{error}"
    );
    assert!(!error.terminal());
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_given_up() {
    let url = peer(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let error = failed(publish(&url, &hasty()).await);
    assert!(matches!(error, PublishError::TimedOut { .. }), "{error}");
    assert!(!error.terminal());
}

#[tokio::test]
async fn a_peer_that_closes_in_the_handshake_may_be_tried_again() {
    let url = peer(|mut stream| async move {
        let mut c0c1 = [0; 1537];
        stream.read_exact(&mut c0c1).await.unwrap();
        stream.write_all(&[3; 700]).await.unwrap();
    })
    .await;
    let error = failed(publish(&url, &Deadlines::default()).await);
    assert!(matches!(error, PublishError::Broken(_)), "{error}");
    assert!(!error.terminal());
}

#[tokio::test]
async fn a_web_server_is_named_as_what_it_is_not() {
    let url = peer(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let error = failed(publish(&url, &Deadlines::default()).await);
    assert!(matches!(error, PublishError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn plain_rtmp_on_a_tls_address_is_told() {
    let url = peer(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let error = failed(publish(&url.replace("rtmp:", "rtmps:"), &Deadlines::default()).await);
    assert!(matches!(error, PublishError::Tls(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_repeats_the_key_is_told_without_it() {
    let url = peer(|mut stream| async move {
        let mut c0c1 = [0; 1537];
        stream.read_exact(&mut c0c1).await.unwrap();
        stream.write_all(&[3]).await.unwrap();
        stream.write_all(&c0c1[1..]).await.unwrap();
        stream.write_all(&c0c1[1..]).await.unwrap();
        let refusal = [
            &[2u8, 0, 6][..],
            b"_error",
            &[0, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 5, 3, 0, 11],
            b"description",
            &[2, 0, 17],
            b"no CANARY-key her",
            &[0, 0, 9],
        ]
        .concat();
        let header = [
            3,
            0,
            0,
            0,
            0,
            0,
            u8::try_from(refusal.len()).unwrap(),
            20,
            0,
            0,
            0,
            0,
        ];
        stream.write_all(&header).await.unwrap();
        stream.write_all(&refusal).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let error = failed(publish(&url, &Deadlines::default()).await);
    assert_eq!(error, PublishError::Refused("no … her".to_owned()));
    assert!(error.terminal());
}

/// Takes the stream as booth's server does, and stops to read once media comes.
async fn stopped() -> (String, Server) {
    let server = Server::plain().await;
    let address = server.address;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = tcp.accept().await.unwrap();
        let behind = TcpStream::connect(address).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = behind.into_split();
        tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            std::future::pending::<()>().await;
        });
        // The introduction is passed on; of the media nothing is read any more.
        let mut introduction = (&mut from_client).take(3800);
        let _ = tokio::io::copy(&mut introduction, &mut to_server).await;
        std::future::pending::<()>().await;
    });
    (format!("rtmp://{front}/live"), server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_reading_is_found_stuck_within_ten_seconds() {
    let (url, _server) = stopped().await;
    let target = Target::parse(&url, KEY).unwrap();
    let mut publisher =
        Publisher::connect(&target, &Deadlines::default(), &tls_config(None).unwrap())
            .await
            .unwrap();
    publisher.send(&small()).await.unwrap();
    let begin = Instant::now();
    let error = loop {
        // 2.5 Mb/s.
        let at = i64::try_from(begin.elapsed().as_millis()).unwrap();
        if let Err(error) = publisher.send(&picture(at, 0, true, 10_400)).await {
            break error;
        }
        if let Ok(error) = timeout(Duration::from_millis(33), publisher.failed()).await {
            break error;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "it was never found"
        );
    };
    assert!(matches!(error, PublishError::Stuck { .. }), "{error}");
    assert!(!error.terminal());
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert!(publisher.stats().unsent_bytes > 100_000);
    // And its end does not wait for it.
    let begin = Instant::now();
    publisher.close().await;
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_peer_is_found_while_nothing_is_sent() {
    let (url, _server) = stopped().await;
    let deadlines = Deadlines {
        write: Duration::from_millis(200),
        stuck: Duration::from_secs(1),
        ..Deadlines::default()
    };
    let target = Target::parse(&url, KEY).unwrap();
    let mut publisher = Publisher::connect(&target, &deadlines, &tls_config(None).unwrap())
        .await
        .unwrap();
    publisher.send(&small()).await.unwrap();
    // More than the buffers of both machines hold, or until it does not go on.
    for i in 0..200 {
        if publisher.send(&picture(i, 0, true, 100_000)).await.is_err() {
            break;
        }
        if publisher.stats().unsent_bytes > 200_000 {
            break;
        }
    }
    let error = timeout(SOON, publisher.failed()).await.unwrap();
    assert!(matches!(error, PublishError::Stuck { .. }), "{error}");
}
