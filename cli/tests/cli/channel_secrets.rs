//! Addresses and keys of channels: shown when asked for, masked otherwise, never typed.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tonic::Code;

use crate::channel::{RADIO, radio};
use crate::fake::{Fake, Reply, Step};
use crate::run::finish;

fn address(key: &str) -> Reply {
    Reply::Json(json!({
        "host": "192.0.2.5", "rtmpPort": 1935, "app": "live", "stream": format!("radio?token={key}"), "key": key,
        "srtPort": 9100, "srtStreamId": "radio", "srtLatencyMs": 200,
        "whipUrl": "http://192.0.2.5:8080/whip/channels/radio", "monitorPort": 9200,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_ready_to_paste_for_every_tool() {
    let fake = Fake::start().await;
    fake.always("get_channel_address", address("KEY"));
    let done = fake
        .booth(&["channel", "url", "radio", "--reveal"])
        .await
        .exits(0);
    for part in [
        "Server             rtmp://192.0.2.5:1935/live\n",
        "Stream Key         radio?token=KEY\n",
        "Stream Name or Key  radio?token=KEY\n",
        "'rtmp://192.0.2.5:1935/live/radio?token=KEY'\n",
        "srt://192.0.2.5:9100?mode=caller&latency=200000&streamid=radio",
        "Latency      200 ms\n",
        "http://192.0.2.5:8080/whip/channels/radio\n",
        "srt://192.0.2.5:9200\n",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part:?} is not in\n{}",
            done.stdout
        );
    }
    assert_eq!(fake.calls().last().unwrap().request["reveal"], true);
    let only = [
        "channel",
        "url",
        "radio",
        "--for",
        "vmix",
        "--host",
        "studio.example",
    ];
    let done = fake.booth(&only).await.exits(0).says("--reveal");
    assert!(
        !done.stdout.contains("ffmpeg") && done.stdout.contains("rtmp://studio.example:1935/live")
    );
    let name = fake
        .booth(&["channel", "url", "radio", "-o", "name"])
        .await
        .exits(0);
    assert_eq!(name.stdout, "rtmp://192.0.2.5:1935/live/radio?token=KEY\n");
    let json = fake
        .booth(&["channel", "url", "radio", "-o", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(json["ways"][0]["settings"]["Stream Key"], "radio?token=KEY");
    assert_eq!(json["address"]["srtPort"], 9100);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_only_when_asked_for_and_alone_on_their_line() {
    let fake = Fake::start().await;
    fake.always("get_channel_address", address("KEY"));
    fake.always(
        "reveal_destination_key",
        Reply::Json(json!({ "key": "STREAM-KEY" })),
    );
    let rotated = json!({ "channel": { "name": RADIO }, "key": "NEW" });
    fake.always("rotate_channel_key", Reply::Json(rotated));
    fake.booth(&["channel", "key", "radio"])
        .await
        .exits(2)
        .says("--reveal");
    fake.booth(&["destination", "key", "radio", "a"])
        .await
        .exits(2)
        .says("--reveal");
    assert!(fake.calls().is_empty());
    for (args, key) in [
        (&["channel", "key", "radio", "--reveal"][..], "KEY\n"),
        (
            &["destination", "key", "radio", "a", "--reveal"],
            "STREAM-KEY\n",
        ),
        (&["channel", "rotate-key", "radio"], "NEW\n"),
    ] {
        assert_eq!(fake.booth(args).await.exits(0).stdout, key);
    }
    let json = fake
        .booth(&["channel", "key", "radio", "--reveal", "-o", "json"])
        .await;
    assert_eq!(json.exits(0).json(), json!({ "key": "KEY" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_comes_from_a_file_or_stdin_and_is_no_argument() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "abcd-efgh\n").unwrap();
    let add = [
        "destination",
        "add",
        "radio",
        "yt",
        "--preset",
        "youtube",
        "--key-file",
    ];
    fake.booth(&[&add[..], &[file.to_str().unwrap()]].concat())
        .await
        .exits(0);
    let key = |fake: &Fake| fake.calls().last().unwrap().request["settings"]["key"].clone();
    assert_eq!(key(&fake), "abcd-efgh");

    let mut command = fake.command(&[&add[..], &["-"]].concat());
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from-stdin\n")
        .await
        .unwrap();
    assert!(child.wait().await.unwrap().success());
    assert_eq!(key(&fake), "from-stdin");

    let sent = fake.calls().len();
    for content in ["", "\n", "two\nlines\n"] {
        std::fs::write(&file, content).unwrap();
        let done = fake
            .booth(&[&add[..], &[file.to_str().unwrap()]].concat())
            .await;
        done.exits(2);
    }
    fake.booth(&[&add[..6], &["--key", "abcd"]].concat())
        .await
        .exits(2);
    fake.booth(&["destination", "add", "radio", "yt"])
        .await
        .exits(2);
    std::fs::write(&file, "a passphrase\n").unwrap();
    assert_eq!(fake.calls().len(), sent);
    let srt = ["channel", "update", "radio", "--srt-passphrase-file"];
    fake.booth(&[&srt[..], &[file.to_str().unwrap()]].concat())
        .await
        .exits(0);
    let request = fake.calls().last().unwrap().request.clone();
    assert_eq!(
        request["settings"]["srtInput"]["passphrase"],
        "a passphrase"
    );
}

/// A hostile name, error or key of a server cannot steer the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_scrubbed() {
    let fake = Fake::start().await;
    fake.always("get_channel_address", address("K\u{1b}[2J"));
    let mut hostile = radio("STATE_READY", "\u{1b}]52;c;x\u{7}");
    hostile["publisher"]["agent"] = json!("obs\u{1b}[2J");
    fake.always("get_channel", Reply::Json(json!({ "channel": hostile })));
    for args in [
        &["channel", "get", "radio"][..],
        &["channel", "key", "radio", "--reveal"],
        &["channel", "url", "radio"],
        &["channel", "url", "radio", "-o", "name"],
    ] {
        fake.stream(vec![Step::End(Code::Ok)]);
        let done = finish(fake.command(args)).await.exits(0);
        assert!(
            !done.stdout.contains(['\u{1b}', '\u{7}']),
            "{args:?}: {}",
            done.stdout
        );
    }
}
