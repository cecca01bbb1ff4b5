//! A channel's other doors, each with a real peer on the other side: RTMPS in and out, and WHIP.

use std::path::Path;
use std::process::{Command, Stdio};

use booth_tests::rtmp::{Process, Receiver, publish};
use booth_tests::{bin, tcp_port, wait_for};

use crate::radio::*;

/// A certificate for `localhost` of its own authority, in two files.
struct Certificate {
    dir: tempfile::TempDir,
}

impl Certificate {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Two channels of one server: what the first sends by RTMPS is the live input of the second.
#[test]
fn channels_are_fed_and_restreamed_over_tls() {
    let (certificate, port) = (Certificate::make(), tcp_port());
    let server = [
        format!("rtmp.tls_listen=127.0.0.1:{port}"),
        format!("rtmp.tls_cert={}", certificate.path("cert.pem")),
        format!("rtmp.tls_key={}", certificate.path("key.pem")),
    ];
    let server: Vec<&str> = server.iter().map(String::as_str).collect();
    // As on a machine whose authorities include this one.
    let trust = certificate.path("cert.pem");
    let radio = Radio::start_with(&[], &server, &[("SSL_CERT_FILE", &trust)]);
    let booth = &radio.booth;
    let dir = booth.dir.path();

    let backup = backup_film();
    let relay = booth.cli(&[
        "channel",
        "create",
        "relay",
        "--backup",
        backup.to_str().unwrap(),
        "--start",
    ]);
    let key = dir.join("relay.key");
    std::fs::write(
        &key,
        format!("relay?token={}", relay["key"].as_str().unwrap()),
    )
    .unwrap();
    let viewer = Receiver::listen(dir, "viewer");
    let viewer_key = dir.join("viewer.key");
    std::fs::write(&viewer_key, "viewer").unwrap();
    for (channel, name, url, key) in [
        ("relay", "viewer", viewer.url(), &viewer_key),
        (
            "radio",
            "relay",
            format!("rtmps://localhost:{port}/live"),
            &key,
        ),
        // Its name is not in the certificate.
        (
            "radio",
            "impostor",
            format!("rtmps://127.0.0.1:{port}/live"),
            &key,
        ),
    ] {
        let key = key.to_str().unwrap();
        booth.cli(&[
            "destination",
            "add",
            channel,
            name,
            "--url",
            &url,
            "--key-file",
            key,
        ]);
    }

    let url = format!("rtmps://localhost:{port}/live/radio?token={}", radio.key);
    let mut encoder = publish(&live_film(), &url, dir.join("encoder.log"));
    let publisher = wait_for("an RTMPS publisher", SOON, || {
        assert!(!encoder.ended(), "{}", encoder.log());
        let publisher = radio.channel()["publisher"].clone();
        (!publisher.is_null()).then_some(publisher)
    });
    assert_eq!(publisher["protocol"], "rtmps");
    // The encoder's picture, through two channels.
    one_stream(&shows(&viewer, LIVE));
    let relay = booth.cli(&["channel", "get", "relay"])["channel"].clone();
    assert_eq!(relay["publisher"]["protocol"], "rtmps", "{relay}");
    assert_eq!(radio.destination_state("relay"), "STATE_LIVE");
    let impostor = booth.cli(&["destination", "get", "radio", "impostor"])["destination"].clone();
    assert_ne!(impostor["state"], "STATE_LIVE", "{impostor}");
    let said = impostor["lastError"].as_str().unwrap_or_default();
    assert!(said.to_lowercase().contains("cert"), "{impostor}");
}

/// The built-in WebRTC publisher, as a browser or OBS would.
fn whip(radio: &Radio, key: &str, log: &Path) -> Process {
    let mut command = Command::new(bin("boothd"));
    command.args(["demo", "--channel", "radio", "--first-id", "1"]);
    command.args([
        "--url",
        &format!("http://127.0.0.1:{}", radio.booth.setup.http),
    ]);
    command.args(["--bind", "127.0.0.1", "--width", "1280", "--height", "720"]);
    command.env("BOOTH_STREAM_KEY", key).stdout(Stdio::null());
    Process::start(&mut command, log.to_owned())
}

#[test]
fn a_browser_feeds_a_channel_by_whip_and_another_takes_over_from_one_that_is_silent() {
    let radio = Radio::start(&["--stable", "1s", "--stable-max", "1s"]);
    let viewer = radio.destination("viewer");
    shows(&viewer, BACKUP);
    let log = radio.booth.dir.path().join("encoder.log");

    let mut wrong = whip(&radio, "not-the-key-at-all", &log);
    wait_for("a refused publisher", SOON, || wrong.ended().then_some(()));
    assert!(radio.channel()["publisher"].is_null());

    let mut first = whip(&radio, &radio.key, &log);
    shows(&viewer, LIVE);
    assert_eq!(radio.channel()["publisher"]["protocol"], "whip");
    // While it is healthy there is no place for another.
    let mut second = whip(&radio, &radio.key, &log);
    wait_for("a refused publisher", SOON, || second.ended().then_some(()));
    assert!(!first.ended(), "{}", first.log());

    first.stall();
    shows(&viewer, BACKUP);
    let mut second = whip(&radio, &radio.key, &log);
    wait_for("a takeover", SOON, || {
        if second.ended() {
            second = whip(&radio, &radio.key, &log);
        }
        (radio.channel()["live"] == "LIVE_STATE_SETTLING").then_some(())
    });
    shows(&viewer, LIVE);
    // Lost without a word: nothing is torn, and the loop follows.
    second.kill();
    one_stream(&shows(&viewer, BACKUP));
}
