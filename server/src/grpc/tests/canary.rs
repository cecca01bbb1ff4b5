//! Known secrets are put in, and everything that comes out anywhere is searched for them.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use booth_proto::v1;
use prost::Message;
use tracing_subscriber::fmt::MakeWriter;

use super::channels::{create, srt, update};
use super::destinations::{add, custom};
use super::watch::watch;
use super::{ADMIN, Booth, admin};
use crate::config::Config;

const STREAM_KEY: &str = "canary-stream-key-4711";
const OTHER_KEY: &str = "canary-other-key-4712";
const PHRASE: &str = "canary-passphrase-4713";
const SRT_KEY: &str = "canary-srt-key-4714";

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn message(&mut self, what: &str, message: &impl Message) {
        self.0.push((what.to_owned(), message.encode_to_vec()));
    }

    fn files(&mut self, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                self.0.push((path.display().to_string(), bytes));
            }
        }
    }

    #[track_caller]
    fn must_not_have(&self, secrets: &[String]) {
        for (what, bytes) in &self.0 {
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
                assert!(!found, "{what} has {secret}");
            }
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[tokio::test]
async fn secrets_of_channels_are_in_no_answer_watch_log_debug_text_or_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // All of this server runs on this thread.
    let logging = tracing::subscriber::set_default(subscriber);
    let opened = booth_store::Ledger::open(dir.path(), booth_store::Options::default()).unwrap();
    let booth = Booth::upon(Config::default(), opened.ledger).await;
    let mut stream = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    let mut seen = Seen::default();
    let mut secrets: Vec<String> = [STREAM_KEY, OTHER_KEY, PHRASE, SRT_KEY]
        .map(str::to_owned)
        .into();

    // What makes a key gives it, and only there.
    let made = booth
        .channels()
        .create_channel(admin(create("radio")))
        .await;
    let made = made.unwrap().into_inner();
    seen.message("channel of create", &made.channel.unwrap());
    secrets.push(made.key);
    let rotate = v1::RotateChannelKeyRequest {
        name: "channels/radio".into(),
        ..Default::default()
    };
    let rotated = booth.channels().rotate_channel_key(admin(rotate)).await;
    let rotated = rotated.unwrap().into_inner();
    seen.message("channel of rotate", &rotated.channel.unwrap());
    secrets.push(rotated.key.clone());

    let input = v1::SrtInput {
        passphrase: Some(PHRASE.into()),
        ..Default::default()
    };
    let changed = booth
        .channels()
        .update_channel(admin(update("radio", srt(input))))
        .await;
    seen.message("update", &changed.unwrap().into_inner());
    for (id, url, key) in [
        ("own", "rtmp://10.0.0.1/live", STREAM_KEY),
        ("srt", "srt://10.0.0.1:9000", SRT_KEY),
    ] {
        let add = add(id, custom(url, key));
        let added = booth.destinations().create_destination(admin(add)).await;
        seen.message("create destination", &added.unwrap().into_inner());
    }
    let change = v1::UpdateDestinationRequest {
        name: "channels/radio/destinations/own".into(),
        settings: Some(v1::DestinationSettings {
            key: Some(OTHER_KEY.into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = booth.destinations().update_destination(admin(change)).await;
    seen.message("update destination", &changed.unwrap().into_inner());

    // Refusals do not repeat what they refuse.
    for bad in [
        custom(&format!("rtmp://u:{STREAM_KEY}@10.0.0.1/live"), STREAM_KEY),
        custom(&format!("srt://10.0.0.1:1?passphrase={PHRASE}"), PHRASE),
        custom("rtmp://10.0.0.1/live", &format!("{STREAM_KEY} {OTHER_KEY}")),
    ] {
        let refused = booth
            .destinations()
            .create_destination(admin(add("bad", bad)))
            .await;
        let text = format!("{:?}", refused.unwrap_err());
        seen.0.push(("refusal".into(), text.into_bytes()));
    }

    let get = v1::GetChannelRequest {
        name: "channels/radio".into(),
    };
    let got = booth.channels().get_channel(admin(get)).await;
    seen.message("get", &got.unwrap().into_inner());
    let list = booth
        .channels()
        .list_channels(admin(v1::ListChannelsRequest {}))
        .await;
    seen.message("list", &list.unwrap().into_inner());
    let list = v1::ListDestinationsRequest {
        parent: "channels/radio".into(),
    };
    let list = booth.destinations().list_destinations(admin(list)).await;
    seen.message("list destinations", &list.unwrap().into_inner());
    seen.message(
        "masked address",
        &booth.address("radio", ADMIN, false).await,
    );

    // The explicit ways do show them: the search would find them.
    let shown = booth.address("radio", ADMIN, true).await.encode_to_vec();
    assert!(holds(&shown, &rotated.key) && holds(&shown, PHRASE));
    for (id, key) in [("own", OTHER_KEY), ("srt", SRT_KEY)] {
        let reveal = v1::RevealDestinationKeyRequest {
            name: format!("channels/radio/destinations/{id}"),
        };
        let shown = booth
            .destinations()
            .reveal_destination_key(admin(reveal))
            .await;
        assert_eq!(shown.unwrap().into_inner().key, key);
    }

    let status = booth
        .system()
        .get_status(admin(v1::GetStatusRequest {}))
        .await;
    seen.message("status", &status.unwrap().into_inner());
    let end = booth.rooms.board.state().revision;
    loop {
        let told = stream.message().await.unwrap().unwrap();
        seen.message("watch", &told);
        if told.revision >= end {
            break;
        }
    }
    let mut late = watch(&booth, ADMIN, v1::WatchRequest::default()).await;
    seen.message("snapshot", &late.message().await.unwrap().unwrap());

    let debug = format!("{:?} {:?}", booth.rooms.board.state(), booth.rooms);
    seen.0.push(("debug text".into(), debug.into_bytes()));
    let tail = serde_json::to_vec(&booth.ledger.tail(100).unwrap()).unwrap();
    assert!(holds(&tail, "destination_added"), "the journal is searched");
    seen.0.push(("records".into(), tail));
    drop(logging);
    let logged = log.0.lock().unwrap().clone();
    assert!(!logged.is_empty());
    seen.0.push(("log".into(), logged));
    let before = seen.0.len();
    seen.files(dir.path());
    let journal = seen.0[before..]
        .iter()
        .any(|(_, bytes)| holds(bytes, "destination_added"));
    assert!(journal, "the journal's files are searched");
    seen.must_not_have(&secrets);
}
