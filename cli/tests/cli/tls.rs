//! `https://`: whom the command line and the console's link believe, and what is said where they do not.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use booth_tui::door::Door;
use booth_tui::link;
use booth_tui::msg::LinkMsg;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tonic::metadata::AsciiMetadataValue;

use crate::fake::{Fake, Reply, Step};
use crate::run::{Done, booth, finish};

/// TLS in front of the fake server, with a certificate that signs itself.
struct Front {
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Front {
    async fn of(fake: &Fake, name: &str, alpn: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = door.local_addr().unwrap();
        let behind = fake.address;
        tokio::spawn(async move {
            while let Ok((outside, _)) = door.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(outside).await.ok()?;
                    let mut inside = TcpStream::connect(behind).await.ok()?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside)
                        .await
                        .ok()
                });
            }
        });
        Self { address, dir }
    }

    /// As a server should be: its address in the certificate, HTTP/2 offered.
    async fn good(fake: &Fake) -> Self {
        Self::of(fake, "127.0.0.1", &["h2"]).await
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

async fn run(server: &str, args: &[&str], env: &[(&str, &str)]) -> Done {
    let mut command = booth(args);
    command
        .env("BOOTH_SERVER", server)
        .env("BOOTH_TOKEN", "secret-token")
        .env_remove("BOOTH_CA_FILE")
        // Nothing of this machine's own authorities.
        .env("SSL_CERT_FILE", "/dev/null")
        .envs(env.iter().copied());
    finish(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_its_own_is_believed_once_it_is_named() {
    let fake = Fake::start().await;
    fake.with_callers();
    let front = Front::good(&fake).await;
    let (url, ca) = (front.url(), front.ca().display().to_string());
    let list = ["caller", "list", "-o", "json"];
    for (args, env) in [
        (&["--ca", ca.as_str()][..], &[][..]),
        (&[], &[("BOOTH_CA_FILE", ca.as_str())]),
    ] {
        let done = run(&url, &[&list[..], args].concat(), env).await.exits(0);
        assert_eq!(done.json()["callers"][0]["displayName"], "Anna");
        assert_eq!(done.stderr, "");
    }
    assert_eq!(fake.calls().last().unwrap().token, "Bearer secret-token");

    // The connection breaks under a call: the repeat is by TLS too.
    fake.once("hold_caller", Reply::Cut);
    let args = ["caller", "hold", "shows/main/callers/c1", "--ca", &ca];
    run(&url, &args, &[]).await.exits(0);
    assert_eq!(fake.calls_of("hold_caller").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tls_is_said_with_what_to_do() {
    let fake = Fake::start().await;
    let good = Front::good(&fake).await;
    let other = Front::of(&fake, "studio.example", &["h2"]).await;
    let web = Front::of(&fake, "127.0.0.1", &["http/1.1"]).await;
    let mute = Front::of(&fake, "127.0.0.1", &[]).await;
    let plain = |scheme: &str, at: SocketAddr| format!("{scheme}://{at}");
    for (server, ca, reason, words) in [
        (good.url(), None, "TLS_UNTRUSTED", "--ca FILE"),
        (
            other.url(),
            Some(other.ca()),
            "TLS_WRONG_NAME",
            "is for studio.example",
        ),
        (
            plain("https", fake.address),
            Some(good.ca()),
            "TLS_NOT_SPOKEN",
            "write http://127.0.0.1:",
        ),
        (
            plain("http", good.address),
            None,
            "TLS_EXPECTED",
            "write https://127.0.0.1:",
        ),
        (mute.url(), Some(mute.ca()), "TLS_WITHOUT_HTTP2", "ALPN h2"),
        (web.url(), Some(web.ca()), "TLS_WITHOUT_HTTP2", "ALPN h2"),
    ] {
        let ca = ca.map(|path| path.display().to_string());
        let env: Vec<_> = ca.iter().map(|ca| ("BOOTH_CA_FILE", ca.as_str())).collect();
        for args in [&["slot", "list"][..], &["watch"]] {
            let done = run(&server, args, &env).await.exits(6).says(words);
            assert!(done.stderr.contains(reason), "{server}: {}", done.stderr);
            assert!(!done.stderr.contains("secret-token"));
        }
    }
    assert!(fake.calls().is_empty(), "no token went anywhere");

    let missing = ["slot", "list", "--ca", "/nonexistent/ca.pem"];
    run(&good.url(), &missing, &[])
        .await
        .exits(2)
        .says("cannot use the CA file /nonexistent/ca.pem");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_remembers_whom_to_believe() {
    let fake = Fake::start().await;
    let who = json!({ "operator": { "name": "operators/anna", "role": "ROLE_OPERATOR" } });
    fake.always("who_am_i", Reply::Json(who));
    fake.with_callers();
    let front = Front::good(&fake).await;
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "secret-token\n").unwrap();
    let (url, token) = (front.url(), token.display().to_string());
    let at = async |args: &[&str]| {
        let mut command = booth(args);
        command
            .env("XDG_CONFIG_HOME", home.path())
            .env("SSL_CERT_FILE", "/dev/null")
            .env_remove("BOOTH_CA_FILE")
            // Relative files are those of where it is typed, now and then.
            .current_dir(front.dir.path());
        finish(command).await
    };
    let login = ["login", "studio", "--server", &url, "--token-file", &token];
    at(&login).await.exits(6).says("--ca FILE");
    at(&[&login[..], &["--ca", "ca.pem"]].concat())
        .await
        .exits(0);
    let done = at(&["caller", "list", "-o", "name"]).await.exits(0);
    assert!(done.stdout.contains("c7k2m9"), "{}", done.stdout);
    let words = [
        "context", "add", "second", "--server", &url, "--ca", "ca.pem",
    ];
    at(&[&words[..], &["--token-file", &token]].concat())
        .await
        .exits(0);
    at(&["context", "use", "second"]).await.exits(0);
    at(&["operator", "whoami"]).await.exits(0);
    let list = at(&["context", "list", "-o", "json"]).await.exits(0).json();
    let ca = front.ca().display().to_string();
    for n in 0..2 {
        assert_eq!(list["contexts"][n]["caFile"], ca, "{list}");
    }
    // A renewed sign-in keeps it.
    at(&["login", "second", "--token-file", &token])
        .await
        .exits(0);
    at(&["operator", "whoami"]).await.exits(0);
    // It vouches for the context's server and for no other.
    let third = Front::good(&fake).await;
    at(&[
        "slot",
        "list",
        "--server",
        &third.url(),
        "--token-file",
        &token,
    ])
    .await
    .exits(6)
    .says("TLS_UNTRUSTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_watch_and_completion_go_by_tls_too() {
    let fake = Fake::start().await;
    fake.with_callers();
    let version = json!({ "version": env!("CARGO_PKG_VERSION") });
    fake.always("get_status", Reply::Json(version));
    let front = Front::good(&fake).await;
    let (url, ca) = (front.url(), front.ca().display().to_string());
    let env = [("BOOTH_CA_FILE", ca.as_str())];
    let done = run(&url, &["doctor", "server", "version"], &env)
        .await
        .exits(0);
    assert!(
        done.stdout.contains(&format!("{url} answers")),
        "{}",
        done.stdout
    );

    fake.stream(vec![Step::Send(
        json!({ "revision": "41", "snapshot": {} }),
    )]);
    let mut command = booth(&["watch", "-o", "ndjson"]);
    command
        .env("BOOTH_SERVER", &url)
        .env("BOOTH_TOKEN", "t")
        .env("BOOTH_CA_FILE", &ca);
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let first = timeout(Duration::from_secs(30), lines.next_line()).await;
    assert!(first.unwrap().unwrap().unwrap().contains("\"41\""));
    child.kill().await.unwrap();

    let env = [
        ("BOOTH_COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", "3"),
        ("_CLAP_COMPLETE_COMP_TYPE", "9"),
        ("_CLAP_COMPLETE_SPACE", "true"),
        ("_CLAP_IFS", "\n"),
        ("BOOTH_COMPLETE_TIMEOUT", "30s"),
        ("BOOTH_CA_FILE", &ca),
    ];
    let done = run(&url, &["--", "booth", "caller", "get", ""], &env).await;
    assert!(
        done.stdout.contains("c7k2m9"),
        "{}{}",
        done.stdout,
        done.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_goes_out_unencrypted_is_warned_of_once_and_never_in_json() {
    let fake = Fake::start().await;
    fake.with_callers();
    // No loopback address by its name, though it leads there.
    let server = format!("http://0.0.0.0:{}", fake.address.port());
    let done = run(&server, &["caller", "hold", "Anna"], &[])
        .await
        .exits(0);
    assert_eq!(
        done.stderr.matches("unencrypted").count(),
        1,
        "{}",
        done.stderr
    );
    let done = run(&server, &["caller", "list", "-o", "json"], &[])
        .await
        .exits(0);
    assert!(!done.stderr.contains("unencrypted"), "{}", done.stderr);
    let done = fake.booth(&["caller", "list"]).await.exits(0);
    assert!(!done.stderr.contains("unencrypted"), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_s_link_comes_back_by_tls_and_says_what_is_wrong_with_it() {
    let fake = Fake::start().await;
    let front = Front::good(&fake).await;
    let linked = |address: String, ca: Option<PathBuf>| {
        let server = link::Server {
            door: Door::new(&address, ca.as_deref(), link::CONNECT).unwrap(),
            token: AsciiMetadataValue::from_static("Bearer t"),
        };
        let (asks, asked) = mpsc::channel(link::ASKS);
        let (out, messages) = mpsc::channel(link::QUEUE);
        tokio::spawn(link::run(server, asked, out));
        (asks, messages)
    };
    async fn up(messages: &mut mpsc::Receiver<LinkMsg>) {
        loop {
            let next = timeout(Duration::from_secs(30), messages.recv()).await;
            if let LinkMsg::Up { .. } = next.expect("the link comes up").unwrap() {
                return;
            }
        }
    }
    let (_asks, mut messages) = linked(front.url(), Some(front.ca()));
    up(&mut messages).await;
    fake.cut();
    up(&mut messages).await;

    for (address, words) in [
        (front.url(), "--ca FILE"),
        (format!("http://{}", front.address), "write https://"),
        (format!("https://{}", fake.address), "write http://"),
    ] {
        let (_asks, mut messages) = linked(address, None);
        let next = loop {
            let next = timeout(Duration::from_secs(30), messages.recv()).await;
            if let LinkMsg::Down { next, .. } = next.unwrap().unwrap() {
                break next;
            }
        };
        assert!(next.contains(words), "{next}");
    }
}
