//! The API in TLS, on a real socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use booth_proto::v1;
use http::Method;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use v1::system_service_client::SystemServiceClient;
use v1::watch_service_client::WatchServiceClient;

use super::super::{listen, serve_connections};
use super::watch::next_snapshot;
use super::{ADMIN, Booth, admin};
use crate::config::Config;
use crate::demo::web::Web;
use crate::tls::Tls;

/// Only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    /// Its end stops the server.
    _booth: Booth,
    address: SocketAddr,
    tls: Tls,
    dir: tempfile::TempDir,
}

/// Puts a new pair for 127.0.0.1 into `cert.pem` and `key.pem`; the key first, so that the pair is whole when it is seen.
fn renew(dir: &Path) -> CertificateDer<'static> {
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    for (name, pem) in [("key.pem", key.serialize_pem()), ("cert.pem", cert.pem())] {
        std::fs::write(dir.join("new"), pem).unwrap();
        std::fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
    cert.der().clone()
}

impl Served {
    /// With so many places for connections.
    async fn with_places(places: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        renew(dir.path());
        let mut config = Config::default();
        config.grpc.tls_cert = Some(dir.path().join("cert.pem"));
        config.grpc.tls_key = Some(dir.path().join("key.pem"));
        let booth = Booth::with(config).await;
        let tls = Tls::api(&booth.rooms.config, booth.rooms.clock);
        let tls = tls.unwrap().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_connections(
            booth.rooms.clone(),
            listen::accepted(listener, Some(tls.clone()), places),
            booth.stop.clone(),
        ));
        Self {
            _booth: booth,
            address,
            tls,
            dir,
        }
    }

    async fn dial(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        dial(self.address, &self.dir.path().join("cert.pem"), alpn).await
    }

    fn channel(&self) -> Channel {
        let (address, ca) = (self.address, self.dir.path().join("cert.pem"));
        Endpoint::from_static("http://booth").connect_with_connector_lazy(tower::service_fn(
            move |_: Uri| {
                let ca = ca.clone();
                async move { Ok::<_, std::io::Error>(TokioIo::new(dial(address, &ca, &["h2"]).await?)) }
            },
        ))
    }
}

async fn dial(
    address: SocketAddr,
    ca: &Path,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::from(address.ip());
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_streams_and_json_are_served_in_tls_and_nothing_is_outside_of_it() {
    let served = Served::with_places(16).await;
    for (offered, chosen) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let stream = served.dial(offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
    }

    let status = SystemServiceClient::new(served.channel())
        .get_status(admin(v1::GetStatusRequest::default()))
        .await
        .unwrap();
    assert_eq!(status.into_inner().version, env!("CARGO_PKG_VERSION"));
    let mut watch = WatchServiceClient::new(served.channel())
        .watch(admin(v1::WatchRequest::default()))
        .await
        .unwrap()
        .into_inner();
    next_snapshot(&mut watch).await;

    let ca = served.dir.path().join("cert.pem");
    let (bearer, json) = (format!("Bearer {ADMIN}"), "application/json");
    let headers = [("authorization", bearer.as_str()), ("content-type", json)];
    let call = "/booth.v1.SystemService/GetStatus";
    let web = Web::new(&format!("https://{}", served.address), Some(&ca)).unwrap();
    let reply = web.request(Method::POST, call, &headers, "{}").await;
    let reply = reply.unwrap();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let tile = web.request(Method::GET, "/tiles/slots/1.png", &headers, "");
    assert_eq!(tile.await.unwrap().status, 200);
    let events = "/booth.v1.WatchService/Watch";
    let mut events = web.stream(events, &headers).await.unwrap();
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("event: snapshot") {
        let frame = http_body_util::BodyExt::frame(&mut events).await;
        told.extend(frame.unwrap().unwrap().into_data().unwrap());
    }

    let plain = Web::new(&format!("http://{}", served.address), None).unwrap();
    let outside = plain.request(Method::POST, call, &headers, "{}").await;
    assert!(outside.is_err(), "{outside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_trusts_the_certificate_it_is_given_and_no_other() {
    let served = Served::with_places(16).await;
    let curl = async |extra: &[&str]| {
        let url = format!(
            "https://{}/booth.v1.SystemService/GetStatus",
            served.address
        );
        let bearer = format!("Authorization: Bearer {ADMIN}");
        let json = ["-H", "Content-Type: application/json", "-d", "{}", &url];
        tokio::process::Command::new("curl")
            .args(["-s", "-S", "--max-time", "30", "-H", &bearer])
            .args(json)
            .args(extra)
            .output()
            .await
            .unwrap()
    };
    let ca = served.dir.path().join("cert.pem");
    let ca = ca.to_str().unwrap();
    for version in ["--http1.1", "--http2"] {
        let told = curl(&["--cacert", ca, version]).await;
        let status: serde_json::Value =
            serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{version}: {told:?}"));
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(curl(&[]).await.status.code(), Some(60), "an unknown issuer");
}

/// One place: who comes after a silent peer is served when that one has been dropped.
#[tokio::test]
async fn one_who_makes_no_handshake_is_dropped_and_leaves_the_place_to_others() {
    let served = Served::with_places(1).await;
    let dropped = async |stream: &mut (dyn AsyncRead + Unpin)| {
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open");
        // Some of the ten seconds may have passed before the pause.
        let seconds = begun.elapsed().as_secs();
        assert!((5..25).contains(&seconds), "{seconds}");
        tokio::time::resume();
    };
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut silent = TcpStream::connect(served.address).await.unwrap();
        silent.write_all(begun).await.unwrap();
        dropped(&mut silent).await;
        let next = tokio::time::timeout(PATIENCE, served.dial(&["h2"])).await;
        next.expect("the place is still held").unwrap();
    }
    // A handshake alone is not enough.
    let mut idle = served.dial(&["h2"]).await.unwrap();
    dropped(&mut idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart_and_open_connections_go_on() {
    let mut served = Served::with_places(16).await;
    let mut old = SystemServiceClient::new(served.channel());
    let ask = || admin(v1::GetStatusRequest::default());
    old.get_status(ask()).await.unwrap();
    let der = renew(served.dir.path());
    tokio::time::timeout(PATIENCE, served.tls.renewed())
        .await
        .expect("the files were not read again");
    let stream = served.dial(&["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], der);
    old.get_status(ask()).await.unwrap();
}

#[test]
fn only_a_plain_listener_for_other_machines_is_warned_of() {
    let mut config = Config::default().grpc;
    assert_eq!(config.exposed(), None);
    config.listen = "0.0.0.0:7400".parse().unwrap();
    let told = config.exposed().unwrap();
    assert!(told.contains("grpc.tls_cert") && told.contains("0.0.0.0:7400"));
    config.tls_cert = Some("cert.pem".into());
    assert_eq!(config.exposed(), None);
}
