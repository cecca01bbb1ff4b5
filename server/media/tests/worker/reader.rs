//! A receiver of the tests: pulls the slot by SRT, decodes it, and tells what is seen and heard.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use crate::boothd::PATIENCE;

/// What has been received so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub pictures: u64,
    /// Mean luma of the whole picture, of its left twelfth, and of its middle.
    pub luma: u8,
    pub luma_left: u8,
    /// The synthetic caller in the picture.
    pub id: Option<u8>,
    /// The loudest synthetic caller's tone, and the level of everything.
    pub tone: Option<u8>,
    pub level_dbfs: f32,
    pub video_pts: Option<u64>,
    pub audio_pts: Option<u64>,
    /// Largest step between the PTS of two pictures, in 1/90000 s.
    pub video_step_max: u64,
    pub backwards: u64,
    /// Largest time between two arrivals, after the first second.
    pub gap_max: Duration,
    pub failed: bool,
    first_arrival: Option<Instant>,
    last_arrival: Option<Instant>,
    /// For a fade: ids or darkness in the order in which they were seen.
    pub lumas: Vec<u8>,
    /// PTS of the first picture of each flash, and of each beep's first block, in ms.
    pub flashes: Vec<f64>,
    pub beeps: Vec<f64>,
    flash: bool,
    beep: bool,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// One SRT receiver.
pub struct Reader {
    pipeline: gst::Pipeline,
    seen: Shared,
}

impl Reader {
    pub fn open(port: u16) -> Self {
        Self::open_with(port, "", "")
    }

    pub fn open_with(port: u16, stream_id: &str, passphrase: &str) -> Self {
        Self::call(port, stream_id, passphrase, true)
    }

    /// Fails when it is refused, or when the connection ends, instead of connecting again.
    pub fn open_once_with(port: u16, stream_id: &str, passphrase: &str) -> Self {
        Self::call(port, stream_id, passphrase, false)
    }

    fn call(port: u16, stream_id: &str, passphrase: &str, again: bool) -> Self {
        let source = srt_source(&format!("srt://127.0.0.1:{port}?mode=caller"));
        source.set_property("auto-reconnect", again);
        if !stream_id.is_empty() {
            source.set_property("streamid", stream_id);
        }
        if !passphrase.is_empty() {
            source.set_property("passphrase", passphrase);
        }
        Self::start(gst::Pipeline::new(), source)
    }

    /// Fails when the connection ends, instead of connecting again.
    pub fn open_once(port: u16) -> Self {
        Self::open_once_with(port, "", "")
    }

    /// A receiver that listens, for slots that push.
    pub fn listen(port: u16) -> Self {
        let source = srt_source(&format!("srt://127.0.0.1:{port}?mode=listener"));
        source.set_property("keep-listening", true);
        Self::start(gst::Pipeline::new(), source)
    }

    fn start(pipeline: gst::Pipeline, source: gst::Element) -> Self {
        let seen: Shared = Shared::default();
        let demux = gst::ElementFactory::make("tsdemux")
            .property("latency", 0i32)
            .build()
            .unwrap();
        pipeline.add_many([&source, &demux]).unwrap();
        source.link(&demux).unwrap();
        let arrivals = Arc::clone(&seen);
        source
            .static_pad("src")
            .unwrap()
            .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let map = info.buffer().unwrap().map_readable().unwrap();
                let mut seen = arrivals.0.lock().unwrap();
                seen.arrive();
                map.chunks(188).for_each(|packet| seen.stamp(packet));
                gst::PadProbeReturn::Ok
            });
        let weak = pipeline.downgrade();
        let plugged = Arc::clone(&seen);
        demux.connect_pad_added(move |_, pad| plug(&weak.upgrade().unwrap(), pad, &plugged));
        let errors = Arc::clone(&seen);
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(_) | gst::MessageView::Eos(_) = message.view() {
                errors.0.lock().unwrap().failed = true;
                errors.1.notify_all();
            }
            gst::BusSyncReply::Drop
        });
        let running = pipeline.clone();
        std::thread::spawn(move || running.set_state(gst::State::Playing));
        Self { pipeline, seen }
    }

    /// Waits until what is received satisfies `wanted`.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        while !wanted(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never received {what}: {seen:?}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen.clone()
    }

    /// Waits for `pictures` more.
    #[track_caller]
    pub fn more(&self, pictures: u64) -> Seen {
        let from = self.now().pictures;
        self.wait("more pictures", |seen| seen.pictures >= from + pictures)
    }

    pub fn now(&self) -> Seen {
        self.seen.0.lock().unwrap().clone()
    }

    /// Forgets extremes, to look at what comes from here on.
    pub fn reset(&self) {
        let mut seen = self.seen.0.lock().unwrap();
        seen.lumas.clear();
        seen.gap_max = Duration::ZERO;
    }
}

fn srt_source(uri: &str) -> gst::Element {
    gst::ElementFactory::make("srtsrc")
        .property("uri", uri)
        .property("latency", 20i32)
        .property("poll-timeout", 200i32)
        .build()
        .unwrap()
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipeline.bus().unwrap().unset_sync_handler();
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Seen {
    /// Not even a packet that could not be decoded.
    pub fn received_nothing(&self) -> bool {
        self.first_arrival.is_none() && self.pictures == 0
    }

    /// Timestamps went on without a hole and never back.
    #[track_caller]
    pub fn assert_steady(&self, fps: u64) {
        assert_eq!(self.backwards, 0, "{self:?}");
        assert!(self.video_step_max <= 90_000 / fps, "{self:?}");
    }

    fn arrive(&mut self) {
        let now = Instant::now();
        let first = *self.first_arrival.get_or_insert(now);
        if let Some(last) = self.last_arrival
            && now - first > Duration::from_secs(1)
        {
            self.gap_max = self.gap_max.max(now - last);
        }
        self.last_arrival = Some(now);
    }

    /// Reads the PTS of a packet that begins a PES packet; as sent, in 1/90000 s.
    fn stamp(&mut self, packet: &[u8]) {
        let payload = match packet[3] >> 4 & 3 {
            1 => &packet[4..],
            3 => &packet[5 + usize::from(packet[4])..],
            _ => return,
        };
        if packet[1] & 0x40 == 0 || payload.len() < 14 || payload[..3] != [0, 0, 1] {
            return;
        }
        let p = |n: usize| u64::from(payload[9 + n]);
        let pts = (p(0) >> 1 & 7) << 30 | p(1) << 22 | (p(2) >> 1) << 15 | p(3) << 7 | p(4) >> 1;
        let video = payload[3] == 0xE0;
        let last = if video {
            &mut self.video_pts
        } else {
            &mut self.audio_pts
        };
        match last.replace(pts) {
            Some(last) if pts <= last => self.backwards += 1,
            Some(last) if video => self.video_step_max = self.video_step_max.max(pts - last),
            _ => {}
        }
    }
}

fn plug(pipeline: &gst::Pipeline, pad: &gst::Pad, seen: &Shared) {
    let caps = pad
        .current_caps()
        .unwrap()
        .structure(0)
        .unwrap()
        .name()
        .to_string();
    let video = caps.starts_with("video/");
    let (elements, caps): (&[&str], _) = if video {
        (
            &["queue", "h264parse", "avdec_h264", "videoconvert"],
            gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .build(),
        )
    } else {
        (
            &["queue", "aacparse", "avdec_aac", "audioconvert"],
            gst::Caps::builder("audio/x-raw")
                .field("format", "F32LE")
                .field("channels", 1i32)
                .field("layout", "interleaved")
                .build(),
        )
    };
    let sink = AppSink::builder()
        .caps(&caps)
        .sync(false)
        .async_(false)
        .build();
    let shared = Arc::clone(seen);
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().unwrap();
                if video {
                    look(&sample, &shared)
                } else {
                    listen(&sample, &shared)
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    let mut chain: Vec<gst::Element> = elements
        .iter()
        .map(|name| gst::ElementFactory::make(name).build().unwrap())
        .collect();
    chain.push(sink.upcast());
    for element in &chain {
        pipeline.add(element).unwrap();
    }
    gst::Element::link_many(&chain).unwrap();
    for element in chain.iter().rev() {
        element.sync_state_with_parent().unwrap();
    }
    pad.link(&chain[0].static_pad("sink").unwrap()).unwrap();
}

fn look(sample: &gst::Sample, seen: &Shared) {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let map = sample.buffer().unwrap().map_readable().unwrap();
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = usize::try_from(info.stride()[0]).unwrap();
    let mean = |left: usize, right: usize| {
        let mut sum = 0;
        let mut count = 0;
        for row in (0..height).step_by(4) {
            for column in (left..right).step_by(4) {
                sum += u64::from(map[row * stride + column]);
                count += 1;
            }
        }
        u8::try_from(sum / count).unwrap()
    };
    let strip = &map[height * 87 / 100 * stride..][..width];
    let bits = (0..24).fold(0u32, |bits, cell| {
        bits << 1 | u32::from(strip[(2 * cell + 1) * width / 48] > 128)
    });
    let mut seen_now = seen.0.lock().unwrap();
    seen_now.pictures += 1;
    seen_now.luma = mean(0, width);
    seen_now.luma_left = mean(0, width / 12);
    seen_now.id = id_of(bits);
    let luma = seen_now.luma;
    seen_now.lumas.push(luma);
    let top = map[height / 16 * stride..][..width]
        .iter()
        .map(|l| u64::from(*l))
        .sum::<u64>()
        / width as u64;
    let (flash, before) = (top > 128, seen_now.flash);
    seen_now.flash = flash;
    if flash && !before {
        seen_now
            .flashes
            .push(sample.buffer().unwrap().pts().unwrap().nseconds() as f64 / 1e6);
    }
    seen.1.notify_all();
}

fn id_of(bits: u32) -> Option<u8> {
    let (id, counter) = (bits >> 14 & 63, bits >> 4 & 1023);
    let check = (id >> 4) ^ (id & 15) ^ (counter >> 8) ^ (counter >> 4 & 15) ^ (counter & 15) ^ 5;
    (bits >> 20 == 0b1010 && bits & 15 == check).then(|| u8::try_from(id).unwrap())
}

fn listen(sample: &gst::Sample, seen: &Shared) {
    let map = sample.buffer().unwrap().map_readable().unwrap();
    let samples: Vec<f32> = map
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let mean = samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
    let level = if mean > 0.0 {
        10.0 * mean.log10()
    } else {
        -200.0
    };
    let loudest = (1..12u8)
        .map(|id| (id, power(&samples, 400.0 + 50.0 * f32::from(id))))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let mut seen_now = seen.0.lock().unwrap();
    seen_now.level_dbfs = level;
    let loud = samples.iter().position(|s| s.abs() > 0.25);
    if let Some(at) = loud
        && !seen_now.beep
    {
        let pts = sample.buffer().unwrap().pts().unwrap().nseconds() as f64 / 1e6;
        seen_now.beeps.push(pts + at as f64 / 48.0);
    }
    seen_now.beep = loud.is_some();
    seen_now.tone = (level > -40.0).then_some(loudest.0);
    seen.1.notify_all();
}

/// Goertzel's algorithm.
fn power(samples: &[f32], hz: f32) -> f32 {
    let step = 2.0 * (std::f32::consts::TAU * hz / 48_000.0).cos();
    let (mut a, mut b) = (0.0f32, 0.0f32);
    for sample in samples {
        (a, b) = (sample + step * a - b, a);
    }
    a * a + b * b - step * a * b
}
