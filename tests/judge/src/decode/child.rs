//! One `ffmpeg` child: a writer thread, a thread that reads labels, a thread that reads frames.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{
    sense::{HEIGHT, WIDTH},
    timeline::Stamp,
};

/// Frames that may wait for the decoder: several seconds of video, ten of sound.
const QUEUE: usize = 512;
/// Stamps that may wait for their frame to come out; far more than any decoder holds.
const PENDING: usize = 4096;
/// How long a child may take to decode what it holds when its input ends.
const DRAIN: Duration = Duration::from_secs(20);

/// What is decoded to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Luma of [`WIDTH`] × [`HEIGHT`].
    Picture = 0,
    /// Interleaved 16-bit samples.
    Sound = 1,
}

/// What a child gives.
pub enum Event<'a> {
    Picture {
        stamp: Stamp,
        luma: &'a [u8],
    },
    Sound {
        stamp: Stamp,
        samples: &'a [i16],
        channels: usize,
        rate: u32,
    },
    /// Frames that went in and did not come out.
    Lost(u64),
}

/// The receiver of what a child gives; called from the child's own thread.
pub type Decoded = Box<dyn FnMut(Event<'_>) + Send>;

type Pending = Arc<Mutex<BTreeMap<i64, Stamp>>>;

/// A running child. Dropping it kills the process.
pub struct Child {
    process: std::process::Child,
    feed: Option<SyncSender<Vec<u8>>>,
    pending: Pending,
    done: Receiver<()>,
}

#[derive(Debug)]
struct Line {
    label: i64,
    samples: usize,
    bytes: usize,
    rate: u32,
}

impl Child {
    pub fn start(output: Output, decoded: Decoded) -> io::Result<Self> {
        let mut process = command(output).spawn()?;
        let missing = || io::Error::other("a pipe to ffmpeg is missing");
        let mut stdin = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let stderr = process.stderr.take().ok_or_else(missing)?;
        let (feed, input) = sync_channel::<Vec<u8>>(QUEUE);
        // Labels are a few bytes each and never ahead of the frames by more than the pipe holds.
        let (lines_in, lines) = channel();
        let (done_in, done) = channel();
        let pending = Pending::default();
        thread::Builder::new()
            .name("judge-feed".into())
            .spawn(move || {
                for bytes in input {
                    if stdin.write_all(&bytes).is_err() {
                        break;
                    }
                }
            })?;
        thread::Builder::new()
            .name("judge-labels".into())
            .spawn(move || {
                let mut scale = None;
                for text in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let text = String::from_utf8_lossy(&text);
                    if let Some(base) = parse_time_base(&text) {
                        scale = Some(base);
                    } else if let Some(line) = scale.and_then(|s| parse_line(&text, s))
                        && lines_in.send(line).is_err()
                    {
                        break;
                    }
                }
            })?;
        let stamps = Arc::clone(&pending);
        thread::Builder::new()
            .name("judge-frames".into())
            .spawn(move || {
                read_frames(output, stdout, &lines, &stamps, decoded);
                // Nobody waiting is fine: the child was abandoned.
                let _ = done_in.send(());
            })?;
        Ok(Self {
            process,
            feed: Some(feed),
            pending,
            done,
        })
    }

    /// False when the queue is full (and nobody wants to wait) or the child is gone.
    pub fn push(&self, label: i64, stamp: Stamp, bytes: Vec<u8>, wait: bool) -> bool {
        let Some(feed) = &self.feed else { return false };
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.insert(label, stamp);
            if pending.len() > PENDING {
                pending.pop_first();
            }
        }
        let sent = if wait {
            feed.send(bytes).is_ok()
        } else {
            !matches!(
                feed.try_send(bytes),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
            )
        };
        if !sent {
            self.pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&label);
        }
        sent
    }

    /// The process is gone.
    pub fn ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Ends the input and waits until everything came out.
    pub fn finish(mut self) {
        self.feed = None;
        if self.done.recv_timeout(DRAIN) == Err(RecvTimeoutError::Timeout) {
            // A child that hangs is killed by the drop.
            let _ = self.process.kill();
            let _ = self.done.recv_timeout(DRAIN);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.feed = None;
        // Both fail only when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(output: Output) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Quiet: standard error carries the labels. Labels are written before their frame, so that waiting for a label
    // never leaves the child blocked on a frame.
    command.args([
        "-nostdin",
        "-v",
        "quiet",
        "-threads",
        "1",
        "-probesize",
        "2048",
        "-analyzeduration",
        "0",
    ]);
    command.args([
        "-fpsprobesize",
        "0",
        "-copyts",
        "-f",
        "mpegts",
        "-i",
        "pipe:0",
    ]);
    let tail = ["-flush_packets", "1", "-f"];
    match output {
        Output::Picture => {
            let filter = format!(
                "[0:v:0]scale={WIDTH}:{HEIGHT}:flags=area,format=yuv420p,extractplanes=y,split[all][part];\
                 [part]crop=16:16:0:0[mark]"
            );
            let common = [
                "-c:v",
                "rawvideo",
                "-fps_mode",
                "passthrough",
                "-enc_time_base",
                "1:90000",
            ];
            command.args(["-filter_complex", &filter]);
            command
                .args(["-map", "[mark]"])
                .args(common)
                .args(tail)
                .args(["framecrc", "pipe:2"]);
            command
                .args(["-map", "[all]"])
                .args(common)
                .args(tail)
                .args(["rawvideo", "pipe:1"]);
        }
        Output::Sound => {
            let common = ["-map", "0:a:0", "-c:a", "pcm_s16le"];
            command.args(common).args(tail).args(["framecrc", "pipe:2"]);
            command.args(common).args(tail).args(["s16le", "pipe:1"]);
        }
    }
    command
}

/// `#tb 0: 1/48000`.
fn parse_time_base(text: &str) -> Option<(i64, i64)> {
    let (number, base) = text.strip_prefix("#tb 0:")?.trim().split_once('/')?;
    Some((
        number.parse().ok()?,
        base.parse().ok().filter(|&b: &i64| b > 0)?,
    ))
}

/// `stream, dts, pts, duration, size, checksum`.
fn parse_line(text: &str, (number, base): (i64, i64)) -> Option<Line> {
    let mut fields = text.split(',').map(str::trim);
    fields.next().filter(|&stream| stream == "0")?;
    let pts: i64 = fields.nth(1)?.parse().ok()?;
    let samples = fields.next()?.parse().ok()?;
    let bytes = fields.next()?.parse().ok()?;
    let label = i128::from(pts) * i128::from(number) * 90_000 / i128::from(base);
    Some(Line {
        label: i64::try_from(label).ok()?,
        samples,
        bytes,
        rate: u32::try_from(base).ok()?,
    })
}

fn read_frames(
    output: Output,
    mut stdout: impl Read,
    lines: &Receiver<Line>,
    pending: &Pending,
    mut decoded: Decoded,
) {
    let mut raw = vec![0; WIDTH * HEIGHT];
    let mut samples: Vec<i16> = Vec::new();
    for line in lines {
        if output == Output::Sound {
            raw.resize(line.bytes, 0);
        }
        if stdout.read_exact(&mut raw).is_err() {
            break;
        }
        let (found, lost) = claim(pending, line.label);
        if lost > 0 {
            decoded(Event::Lost(lost));
        }
        let Some(stamp) = found else { continue };
        match output {
            Output::Picture => decoded(Event::Picture { stamp, luma: &raw }),
            Output::Sound => {
                samples.clear();
                samples.extend(
                    raw.chunks_exact(2)
                        .map(|b| i16::from_le_bytes([b[0], b[1]])),
                );
                let channels = samples.len() / line.samples.max(1);
                decoded(Event::Sound {
                    stamp,
                    samples: &samples,
                    channels,
                    rate: line.rate,
                });
            }
        }
    }
    let left =
        std::mem::take(&mut *pending.lock().unwrap_or_else(PoisonError::into_inner)).len() as u64;
    if left > 0 {
        decoded(Event::Lost(left));
    }
}

/// The stamp behind a label, which may be rounded to a sample, and how many earlier ones came to nothing.
fn claim(pending: &Pending, label: i64) -> (Option<Stamp>, u64) {
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(key) = pending.range(label - 20..=label + 20).next().map(|e| *e.0) else {
        return (None, 0);
    };
    let later = pending.split_off(&key);
    let lost = std::mem::replace(&mut *pending, later).len() as u64;
    (pending.remove(&key), lost)
}
