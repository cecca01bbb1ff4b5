//! Where bytes come from: a thread that reads, stamps each arrival, and passes it on through a bounded queue.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{
    clock::monotonic_ns,
    flv::FlvToTs,
    options::SrtInput,
    srt::{MAX_MESSAGE, Received, SrtSocket},
};

/// Messages that may wait for the analysis: about 20 s of a 5 Mb/s stream, 11 MB at most.
const QUEUE: usize = 8192;
/// A read of a file or pipe.
const READ: usize = 188 * 64;
/// Between two calls of a listener that is not there.
const RETRY: Duration = Duration::from_millis(50);

/// What is judged.
pub enum JudgeInput {
    Srt(SrtInput),
    File(PathBuf),
    Stdin,
    /// Anything that can be read, with its name.
    Reader(String, Box<dyn Read + Send>),
    /// FLV as an RTMP puller writes it, live.
    Flv(String, Box<dyn Read + Send>),
}

impl JudgeInput {
    /// Arrival times mean something.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Srt(_) | Self::Flv(..))
    }

    pub fn name(&self) -> String {
        match self {
            Self::Srt(input) => format!("{input:?}"),
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
            Self::Reader(name, _) | Self::Flv(name, _) => name.clone(),
        }
    }
}

/// What the reading thread tells.
#[derive(Debug)]
pub enum Arrival {
    Connected(u64),
    Data(Vec<u8>, u64),
    Disconnected(u64, String),
    Failed(String),
    End,
}

/// The stop sign that a waiting thread sees at once.
#[derive(Debug, Default)]
pub struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when stopped within `time`.
    fn wait(&self, time: Duration) -> bool {
        let guard = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(guard, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running reader.
pub struct Source {
    pub arrivals: Receiver<Arrival>,
    /// Messages thrown away because the queue was full; live only.
    pub dropped: Arc<AtomicU64>,
}

impl Source {
    pub fn start(input: JudgeInput, wait: bool, stop: Arc<Stop>) -> io::Result<Self> {
        let (sender, arrivals) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let outlet = Outlet {
            sender,
            dropped: Arc::clone(&dropped),
            wait,
        };
        let read: Box<dyn FnOnce() + Send> = match input {
            JudgeInput::Srt(srt) => Box::new(move || read_srt(&srt, &outlet, &stop)),
            JudgeInput::File(path) => {
                let file = File::open(path)?;
                Box::new(move || read_all(file, None, &outlet, &stop))
            }
            JudgeInput::Stdin => Box::new(move || read_all(io::stdin(), None, &outlet, &stop)),
            JudgeInput::Reader(_, reader) => {
                Box::new(move || read_all(reader, None, &outlet, &stop))
            }
            JudgeInput::Flv(_, reader) => {
                Box::new(move || read_all(reader, Some(FlvToTs::default()), &outlet, &stop))
            }
        };
        thread::Builder::new()
            .name("judge-read".into())
            .spawn(read)?;
        Ok(Self { arrivals, dropped })
    }
}

struct Outlet {
    sender: SyncSender<Arrival>,
    dropped: Arc<AtomicU64>,
    wait: bool,
}

impl Outlet {
    /// False when nobody listens any more.
    fn data(&self, bytes: &[u8]) -> bool {
        let arrival = Arrival::Data(bytes.to_vec(), monotonic_ns());
        if self.wait {
            return self.sender.send(arrival).is_ok();
        }
        match self.sender.try_send(arrival) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    fn tell(&self, arrival: Arrival) -> bool {
        self.sender.send(arrival).is_ok()
    }
}

fn read_all(mut reader: impl Read, mut flv: Option<FlvToTs>, outlet: &Outlet, stop: &Stop) {
    outlet.tell(Arrival::Connected(monotonic_ns()));
    let mut buffer = vec![0; READ];
    let reason = loop {
        if stop.is_set() {
            break "stopped".to_owned();
        }
        match reader.read(&mut buffer) {
            Ok(0) => break "end of input".to_owned(),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or(&[]);
                let heard = match &mut flv {
                    None => outlet.data(bytes),
                    Some(flv) => {
                        let packets = flv.push(bytes);
                        packets.is_empty() || outlet.data(&packets)
                    }
                };
                if !heard {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error.to_string(),
        }
    };
    outlet.tell(Arrival::Disconnected(monotonic_ns(), reason));
    outlet.tell(Arrival::End);
}

fn read_srt(input: &SrtInput, outlet: &Outlet, stop: &Stop) {
    let mut buffer = [0; MAX_MESSAGE];
    while !stop.is_set() {
        let socket = match SrtSocket::connect(input) {
            Ok(socket) => socket,
            Err(error) => {
                if !outlet.tell(Arrival::Failed(error.to_string()))
                    || !input.reconnect
                    || stop.wait(RETRY)
                {
                    break;
                }
                continue;
            }
        };
        outlet.tell(Arrival::Connected(monotonic_ns()));
        let reason = loop {
            if stop.is_set() {
                break "stopped".to_owned();
            }
            match socket.receive(&mut buffer) {
                Received::Nothing => {}
                Received::Message(length) => {
                    if !outlet.data(buffer.get(..length).unwrap_or(&[])) {
                        return;
                    }
                }
                Received::Lost(reason) => break reason,
            }
        };
        drop(socket);
        if !outlet.tell(Arrival::Disconnected(monotonic_ns(), reason)) || !input.reconnect {
            break;
        }
    }
    outlet.tell(Arrival::End);
}
