//! A worker with everything around it.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use booth_media::WorkerArgs;
use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{IngestDesired, IngestPublisher, PublishAsk, PublishReply, Shutdown};
use booth_rtmp::publisher::{Deadlines, PublishError, Publisher, Target, tls_config};
use booth_stream::wire::{Decoder, Frame};
use booth_stream::{AccessUnit, AudioConfig, MediaEvent, Track, VideoConfig};
use bytes::BytesMut;
use tokio::runtime::Runtime;

use crate::boothd::{Boothd, PATIENCE};

pub struct Rig {
    dir: tempfile::TempDir,
    pub boothd: Boothd,
    pub port: u16,
    worker: Option<JoinHandle<u8>>,
    runtime: Arc<Runtime>,
}

impl Rig {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let boothd = Boothd::listen(&dir.path().join("workers.sock"));
        let args = WorkerArgs {
            unit: "ingest".to_owned(),
            socket: dir.path().join("workers.sock"),
            lock: dir.path().join("ingest.lock"),
            orphan_timeout: Duration::from_secs(60),
        };
        let worker = std::thread::spawn(move || booth_media::run_worker(args));
        boothd.hear("a greeting", |said| {
            matches!(said, Said::Hello(hello) if hello.unit == "ingest").then_some(())
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            dir,
            boothd,
            port: free_port(),
            worker: Some(worker),
            runtime: Arc::new(runtime),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("workers.sock")
    }

    pub fn media_socket(&self) -> PathBuf {
        self.dir.path().join("channel-radio.media")
    }

    /// As a killed boothd would.
    pub fn kill_boothd(&mut self) {
        let nobody = Boothd::listen(&self.dir.path().join("nobody.sock"));
        drop(std::mem::replace(&mut self.boothd, nobody));
    }

    /// boothd's order.
    pub fn listens(&self, publishers: &[u64]) {
        self.boothd.say(Say::Ingest(IngestDesired {
            rtmp_listen: format!("127.0.0.1:{}", self.port),
            publishers: publishers
                .iter()
                .map(|id| IngestPublisher {
                    id: *id,
                    media_socket: self.media_socket().to_string_lossy().into_owned(),
                })
                .collect(),
            ..IngestDesired::default()
        }));
    }

    #[track_caller]
    pub fn asked(&self) -> PublishAsk {
        self.boothd.hear("somebody who asks", |said| match said {
            Said::Publish(ask) => Some(ask.clone()),
            _ => None,
        })
    }

    pub fn lets_in(&self, nonce: u64, publisher: u64) {
        self.boothd.say(Say::Publish(PublishReply {
            nonce,
            publisher,
            media_socket: self.media_socket().to_string_lossy().into_owned(),
            reason: String::new(),
        }));
    }

    pub fn refuses(&self, nonce: u64, reason: &str) {
        self.boothd.say(Say::Publish(PublishReply {
            nonce,
            reason: reason.to_owned(),
            ..PublishReply::default()
        }));
    }

    /// Somebody who begins to publish; boothd has not answered yet.
    pub fn encoder(&self, name: &str) -> Encoder {
        let target = Target::parse(&format!("rtmp://127.0.0.1:{}/live", self.port), name).unwrap();
        let connecting = self.runtime.spawn(async move {
            let tls = tls_config(None).unwrap();
            let begin = Instant::now();
            loop {
                let connected = Publisher::connect(&target, &Deadlines::default(), &tls).await;
                match connected {
                    // The worker opens its port in its own time.
                    Err(PublishError::Connect(_)) if begin.elapsed() < PATIENCE => {
                        tokio::task::yield_now().await;
                    }
                    connected => return connected,
                }
            }
        });
        Encoder {
            runtime: self.runtime.clone(),
            connecting: Some(connecting),
            publisher: None,
        }
    }

    /// An encoder that was let in.
    #[track_caller]
    pub fn publishing(&self, publisher: u64) -> Encoder {
        self.listens(&[publisher]);
        let mut encoder = self.encoder("radio?token=CANARY");
        self.lets_in(self.asked().nonce, publisher);
        encoder.connected().unwrap();
        self.boothd.forget();
        encoder
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.boothd.say(Say::Shutdown(Shutdown {}));
        if let Some(worker) = self.worker.take()
            && !std::thread::panicking()
        {
            assert_eq!(worker.join().unwrap(), booth_media::exit::SHUTDOWN);
        }
    }
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub struct Encoder {
    runtime: Arc<Runtime>,
    connecting: Option<tokio::task::JoinHandle<Result<Publisher, PublishError>>>,
    publisher: Option<Publisher>,
}

impl Encoder {
    /// Waits for the answer.
    pub fn connected(&mut self) -> Result<(), PublishError> {
        let connecting = self.connecting.take().unwrap();
        self.publisher = Some(self.runtime.block_on(connecting).unwrap()?);
        Ok(())
    }

    pub fn send(&mut self, event: &MediaEvent) -> Result<(), PublishError> {
        let publisher = self.publisher.as_mut().unwrap();
        self.runtime.block_on(publisher.send(event))
    }

    #[track_caller]
    pub fn failed(&mut self) -> PublishError {
        let publisher = self.publisher.as_mut().unwrap();
        let failed = async { tokio::time::timeout(PATIENCE, publisher.failed()).await };
        self.runtime.block_on(failed).unwrap()
    }

    pub fn close(mut self) {
        let publisher = self.publisher.take().unwrap();
        self.runtime.block_on(publisher.close());
    }
}

/// The socket of a channel's worker.
pub struct Channel(UnixListener);

impl Channel {
    pub fn listen(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        Self(UnixListener::bind(path).unwrap())
    }

    pub fn accept(&self) -> Worker {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Worker {
            stream,
            decoder: Decoder::default(),
            buffer: BytesMut::new(),
        }
    }
}

/// One connection to it.
pub struct Worker {
    stream: UnixStream,
    decoder: Decoder,
    buffer: BytesMut,
}

impl Worker {
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.buffer).unwrap() {
                return frame;
            }
            let mut bytes = [0; 65_536];
            let n = self.stream.read(&mut bytes).unwrap();
            assert!(n > 0, "it hung up");
            self.buffer.extend_from_slice(&bytes[..n]);
        }
    }

    /// Reads up to this event.
    #[track_caller]
    pub fn until(&mut self, event: &MediaEvent) {
        while self.frame() != Frame::Event(event.clone()) {}
    }
}

/// Of x264: 320x180 at 30 fps.
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41,
    0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42,
    0x99, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];

pub fn small() -> MediaEvent {
    MediaEvent::Video(Arc::new(VideoConfig::from_avcc(AVCC).unwrap()))
}

pub fn aac() -> MediaEvent {
    MediaEvent::Audio(Arc::new(AudioConfig::aac_lc(48_000, 2).unwrap()))
}

/// 20 KB.
pub fn picture(dts_ms: i64, key: bool) -> MediaEvent {
    const SIZE: u32 = 20_000;
    let mut data = SIZE.to_be_bytes().to_vec();
    data.push(if key { 0x65 } else { 0x41 });
    data.resize(4 + SIZE as usize, 0x11);
    MediaEvent::Unit(AccessUnit {
        track: Track::Video,
        dts: dts_ms * 1_000_000,
        pts: dts_ms * 1_000_000,
        key,
        data: data.into(),
    })
}

pub fn sound(dts_ms: i64) -> MediaEvent {
    MediaEvent::Unit(AccessUnit {
        track: Track::Audio,
        dts: dts_ms * 1_000_000,
        pts: dts_ms * 1_000_000,
        key: true,
        data: vec![0x21; 200].into(),
    })
}
