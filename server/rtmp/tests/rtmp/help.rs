//! An authority that knows one key, what was published, and real programs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use booth_rtmp::server::{
    Authority, Ended, Listener, ListenerLimits, Publication, PublishRequest, ServerTls,
};
use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Track, VideoConfig};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Real programs on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

pub const KEY: &str = "canary-key";

/// What happened to one publisher.
#[derive(Debug)]
pub enum Told {
    Asked(PublishRequest),
    Media(MediaEvent),
    Encoder(String),
    Ended(Ended),
}

/// Lets whoever knows the key publish, and tells of everything.
pub struct Desk {
    told: mpsc::UnboundedSender<Told>,
    dismiss: watch::Receiver<Option<String>>,
}

pub struct Sink {
    told: mpsc::UnboundedSender<Told>,
    dismiss: watch::Receiver<Option<String>>,
}

impl Authority for Desk {
    type Publication = Sink;

    async fn authorise(&self, request: PublishRequest) -> Result<Sink, String> {
        let right = request.key == KEY;
        let _ = self.told.send(Told::Asked(request));
        if !right {
            return Err("wrong key".to_owned());
        }
        Ok(Sink {
            told: self.told.clone(),
            dismiss: self.dismiss.clone(),
        })
    }
}

impl Publication for Sink {
    fn media(&mut self, event: MediaEvent) {
        if let MediaEvent::Unit(unit) = &event {
            assert_ne!(&unit.data[..], b"PANIC", "asked for by a test");
        }
        let _ = self.told.send(Told::Media(event));
    }

    fn encoder(&mut self, name: &str) {
        let _ = self.told.send(Told::Encoder(name.to_owned()));
    }

    async fn dismissed(&mut self) -> String {
        loop {
            if let Some(reason) = self.dismiss.borrow_and_update().clone() {
                return reason;
            }
            if self.dismiss.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn ended(self, why: &Ended) {
        let _ = self.told.send(Told::Ended(why.clone()));
    }
}

pub fn desk() -> (
    Desk,
    mpsc::UnboundedReceiver<Told>,
    watch::Sender<Option<String>>,
) {
    let (told, heard) = mpsc::unbounded_channel();
    let (kick, dismiss) = watch::channel(None);
    (Desk { told, dismiss }, heard, kick)
}

/// A server on a port of its own; ends when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub told: mpsc::UnboundedReceiver<Told>,
    pub kick: watch::Sender<Option<String>>,
    pub listener: Listener,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(tls: Option<ServerTls>, limits: ListenerLimits) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let (desk, told, kick) = desk();
        let listener = Listener::default();
        let task = tokio::spawn(listener.clone().run(tcp, tls, limits, Arc::new(desk)));
        Self {
            address,
            told,
            kick,
            listener,
            task,
        }
    }

    pub async fn plain() -> Self {
        Self::start(None, ListenerLimits::default()).await
    }

    pub fn url(&self, rest: &str) -> String {
        format!("rtmp://{}/{rest}", self.address)
    }

    pub async fn next(&mut self) -> Told {
        timeout(SOON, self.told.recv()).await.unwrap().unwrap()
    }

    /// Everything up to the end of the publisher.
    pub async fn until_ended(&mut self) -> (Vec<MediaEvent>, Ended) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Told::Media(event) => events.push(event),
                Told::Ended(ended) => return (events, ended),
                Told::Asked(_) | Told::Encoder(_) => {}
            }
        }
    }
}

pub fn ffmpeg(arguments: &str) -> Child {
    program(
        "ffmpeg",
        &format!("-hide_banner -nostdin -loglevel warning {arguments}"),
    )
}

pub fn program(name: &str, arguments: &str) -> Child {
    Command::new(name)
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What ffprobe says of a file, as text.
pub async fn ffprobe(path: &Path, arguments: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-loglevel", "error"])
        .args(arguments.split_whitespace())
        .arg(path)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Of x264: 320x180 at 30 fps.
const AVCC_SMALL: &[u8] = &[
    0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41,
    0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42,
    0x99, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
/// Of x264: 640x360 at 30 fps.
const AVCC_LARGE: &[u8] = &[
    0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0,
    0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2d, 0x96, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
/// Of x265: 320x180 at 30 fps.
const HVCC: &[u8] = &[
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x94, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x3c, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
];

pub fn small() -> MediaEvent {
    MediaEvent::Video(Arc::new(VideoConfig::from_avcc(AVCC_SMALL).unwrap()))
}

pub fn large() -> MediaEvent {
    MediaEvent::Video(Arc::new(VideoConfig::from_avcc(AVCC_LARGE).unwrap()))
}

pub fn hevc() -> MediaEvent {
    MediaEvent::Video(Arc::new(VideoConfig::from_hvcc(HVCC).unwrap()))
}

pub fn aac() -> MediaEvent {
    MediaEvent::Audio(Arc::new(AudioConfig::aac_lc(48_000, 2).unwrap()))
}

/// One slice of H.264 of `size` bytes that says which it is.
pub fn picture(dts_ms: i64, offset_ms: i64, key: bool, size: usize) -> MediaEvent {
    slice(dts_ms, offset_ms, key, size, if key { 0x65 } else { 0x41 })
}

/// One slice, that begins with `first`.
pub fn slice(dts_ms: i64, offset_ms: i64, key: bool, size: usize, first: u8) -> MediaEvent {
    let mut data = Vec::new();
    data.extend(u32::try_from(size).unwrap().to_be_bytes());
    data.push(first);
    data.extend((1..size).map(|i| (i as i64 * 31 + dts_ms) as u8));
    MediaEvent::Unit(AccessUnit {
        track: Track::Video,
        dts: dts_ms * 1_000_000,
        pts: (dts_ms + offset_ms) * 1_000_000,
        key,
        data: data.into(),
    })
}

pub fn sound(dts_ms: i64) -> MediaEvent {
    let data: Vec<u8> = (0..200).map(|i| (i + dts_ms) as u8).collect();
    MediaEvent::Unit(AccessUnit {
        track: Track::Audio,
        dts: dts_ms * 1_000_000,
        pts: dts_ms * 1_000_000,
        key: true,
        data: data.into(),
    })
}

pub fn units(events: &[MediaEvent], track: Track) -> Vec<&AccessUnit> {
    events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Unit(unit) if unit.track == track => Some(unit),
            _ => None,
        })
        .collect()
}

/// A certificate for `localhost` that nobody signed, and as PEM.
pub fn certificate() -> (ServerTls, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::from_pem_files(&certificate, &key).unwrap();
    (tls, made.cert.pem())
}
