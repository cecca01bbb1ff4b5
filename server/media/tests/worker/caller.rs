//! A caller of the tests: loops of synthetic media, cut into RTP and sent to the worker in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use booth_media::demo::{DemoCodec, DemoProfile, EncodedLoop, encode_loop};
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{Codec, Medium, Packets, Source, Track};
use bytes::Bytes;

use crate::boothd::Boothd;

const PAYLOAD_MAX: usize = 1100;

/// Media of one caller, encoded once and shared by all tests that want it.
pub struct Media {
    pub codec: DemoCodec,
    pub made: EncodedLoop,
}

impl Media {
    pub fn make(id: u8, width: u32, height: u32, codec: DemoCodec) -> Arc<Self> {
        let profile = DemoProfile {
            width,
            height,
            seconds: 2,
            codec,
            ..DemoProfile::default()
        };
        Arc::new(Self {
            codec,
            made: encode_loop(id, profile).unwrap(),
        })
    }
}

/// Names a session of `media` for the worker.
pub fn source(caller: &str, session: u64, media: &Media, video: bool) -> Source {
    let codec = if media.codec == DemoCodec::Vp8 {
        Codec::Vp8
    } else {
        Codec::H264
    };
    Source {
        caller: caller.to_owned(),
        session,
        audio: Some(Track {
            codec: Codec::Opus.into(),
            clock_rate: 48_000,
            payload_type: 111,
            ssrc: 1,
            fmtp: "minptime=10;useinbandfec=1".to_owned(),
        }),
        video: video.then(|| Track {
            codec: codec.into(),
            clock_rate: 90_000,
            payload_type: 96,
            ssrc: 2,
            fmtp: if codec == Codec::H264 {
                "packetization-mode=1".to_owned()
            } else {
                String::new()
            },
        }),
    }
}

/// What happens to the packets on their way.
#[derive(Default)]
struct Way {
    stopped: AtomicBool,
    paused: AtomicBool,
    /// Every n-th packet is lost; 0 for none.
    lose_every: AtomicU32,
}

/// Sends until it is dropped.
pub struct Sending {
    way: Arc<Way>,
    thread: Option<JoinHandle<()>>,
}

impl Sending {
    pub fn start(boothd: &Arc<Boothd>, session: u64, media: &Arc<Media>) -> Self {
        Self::start_all(boothd, session, vec![Arc::clone(media)])
    }

    /// Sends the loops of `media` one after the other, the last for ever: changes of size in one RTP stream.
    pub fn start_all(boothd: &Arc<Boothd>, session: u64, media: Vec<Arc<Media>>) -> Self {
        let way = Arc::new(Way::default());
        let (on_way, boothd) = (Arc::clone(&way), Arc::clone(boothd));
        let thread = std::thread::spawn(move || run(&boothd, session, &media, &on_way));
        Self {
            way,
            thread: Some(thread),
        }
    }

    /// Sends nothing for a while, as a muted browser does: its clock goes on.
    pub fn pause(&self, paused: bool) {
        self.way.paused.store(paused, Ordering::Relaxed);
    }

    pub fn lose_every(&self, packets: u32) {
        self.way.lose_every.store(packets, Ordering::Relaxed);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.way.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One RTP stream; it begins just before its numbers wrap, where others have fallen.
struct Stream {
    medium: Medium,
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    base: u32,
}

impl Stream {
    fn new(medium: Medium, payload_type: u8, ssrc: u32) -> Self {
        Self {
            medium,
            payload_type,
            ssrc,
            sequence: 65_530,
            base: u32::MAX - 10,
        }
    }

    fn send(&mut self, boothd: &Boothd, session: u64, at: u32, payloads: Vec<Vec<u8>>, way: &Way) {
        let lose_every = way.lose_every.load(Ordering::Relaxed);
        let last = payloads.len() - 1;
        let data: Vec<Bytes> = payloads
            .into_iter()
            .enumerate()
            .map(|(n, payload)| {
                let marker = if n == last && self.medium == Medium::Video {
                    0x80
                } else {
                    0
                };
                let mut packet = vec![0x80, marker | self.payload_type];
                packet.extend(self.sequence.to_be_bytes());
                packet.extend(self.base.wrapping_add(at).to_be_bytes());
                packet.extend(self.ssrc.to_be_bytes());
                packet.extend(payload);
                self.sequence = self.sequence.wrapping_add(1);
                (self.sequence, packet.into())
            })
            .filter(|(sequence, _)| lose_every == 0 || u32::from(*sequence) % lose_every != 0)
            .map(|(_, packet)| packet)
            .collect();
        boothd.say(Say::Packets(Packets {
            session,
            medium: self.medium.into(),
            rtcp: false,
            data,
        }));
    }
}

fn run(boothd: &Boothd, session: u64, media: &[Arc<Media>], way: &Way) {
    let start = Instant::now();
    let mut pictures = Stream::new(Medium::Video, 96, 2);
    let mut sound = Stream::new(Medium::Audio, 111, 1);
    let mut offset_90k = 0u32;
    for round in 0.. {
        let now = &media[round.min(media.len() - 1)];
        // Sound goes out when its 20 ms are over, as a microphone's would.
        let mut events: Vec<(u32, Option<usize>, Option<usize>)> = Vec::new();
        events.extend(
            now.made
                .video
                .iter()
                .enumerate()
                .map(|(n, frame)| (frame.at_90k, Some(n), None)),
        );
        events.extend((0..now.made.audio.len()).map(|n| (n as u32 * 1800 + 1800, None, Some(n))));
        events.sort_by_key(|(at, _, _)| *at);
        for (at, picture, packet) in events {
            let due = start + Duration::from_micros(u64::from(offset_90k + at) * 100 / 9);
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            if way.stopped.load(Ordering::Relaxed) {
                return;
            }
            if way.paused.load(Ordering::Relaxed) {
                continue;
            }
            if let Some(n) = picture {
                let frame = &now.made.video[n].data;
                let payloads = if now.codec == DemoCodec::Vp8 {
                    vp8(frame)
                } else {
                    h264(frame)
                };
                pictures.send(boothd, session, offset_90k + at, payloads, way);
            }
            if let Some(n) = packet {
                let at_48k = (offset_90k / 15 * 8).wrapping_add(n as u32 * 960);
                sound.send(
                    boothd,
                    session,
                    at_48k,
                    vec![now.made.audio[n].to_vec()],
                    way,
                );
            }
        }
        offset_90k += now.made.length_90k;
    }
}

/// RFC 7741 with the shortest descriptor.
fn vp8(frame: &[u8]) -> Vec<Vec<u8>> {
    frame
        .chunks(PAYLOAD_MAX)
        .enumerate()
        .map(|(n, part)| [&[if n == 0 { 0x10 } else { 0x00 }], part].concat())
        .collect()
}

/// RFC 6184: single NAL units and FU-A.
fn h264(unit: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for nal in nal_units(unit) {
        if nal.len() <= PAYLOAD_MAX {
            payloads.push(nal.to_vec());
            continue;
        }
        let parts: Vec<&[u8]> = nal[1..].chunks(PAYLOAD_MAX).collect();
        for (n, part) in parts.iter().enumerate() {
            let start = if n == 0 { 0x80 } else { 0 };
            let end = if n == parts.len() - 1 { 0x40 } else { 0 };
            payloads.push([&[nal[0] & 0x60 | 28, start | end | nal[0] & 0x1F], *part].concat());
        }
    }
    payloads
}

fn nal_units(unit: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..unit.len().saturating_sub(3))
        .filter(|at| unit[*at..].starts_with(&[0, 0, 1]))
        .collect();
    starts
        .iter()
        .enumerate()
        .map(|(n, at)| {
            let end = starts.get(n + 1).copied().unwrap_or(unit.len());
            let nal = &unit[at + 3..end];
            // A four-byte start code leaves its first zero behind.
            nal.strip_suffix(&[0])
                .filter(|_| n + 1 < starts.len())
                .unwrap_or(nal)
        })
        .collect()
}
