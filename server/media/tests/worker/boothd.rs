//! A boothd of the tests: the socket, the frames, and what the worker said.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use booth_proto::worker::from_worker::Message as Said;
use booth_proto::worker::to_worker::Message as Say;
use booth_proto::worker::{FromWorker, ToWorker};
use prost::Message;

/// Long enough for a busy machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Default)]
struct State {
    stream: Option<UnixStream>,
    said: Vec<Said>,
}

/// One listening boothd. Dropping it closes the socket and the connection, as a killed boothd would.
pub struct Boothd {
    path: PathBuf,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Boothd {
    pub fn listen(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let weak = Arc::downgrade(&state);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(state) = weak.upgrade() else { return };
                state.0.lock().unwrap().stream = Some(stream.try_clone().unwrap());
                state.1.notify_all();
                let weak = Arc::downgrade(&state);
                std::thread::spawn(move || read(stream, &weak));
            }
        });
        Self {
            path: path.to_owned(),
            state,
        }
    }

    pub fn say(&self, message: Say) {
        let bytes = ToWorker {
            message: Some(message),
        }
        .encode_to_vec();
        let mut framed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        framed.extend(bytes);
        self.say_raw(&framed);
    }

    pub fn say_raw(&self, framed: &[u8]) {
        let mut state = self.state.0.lock().unwrap();
        // A worker that is being restarted hears nothing, as in life.
        if let Some(stream) = &mut state.stream {
            let _ = stream.write_all(framed);
        }
    }

    /// The first thing said, since the last [`Boothd::forget`], that `pick` wants.
    #[track_caller]
    pub fn hear<T>(&self, what: &str, mut pick: impl FnMut(&Said) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.0.lock().unwrap();
        loop {
            if let Some(found) = state.said.iter().find_map(&mut pick) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let heard = format!("{:?}", talk(&state.said));
                // Its holder's panic would poison it for those who end the test.
                drop(state);
                panic!("never heard {what}; heard {heard}");
            }
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// How much of what was said since the last [`Boothd::forget`] is wanted by `pick`.
    pub fn count(&self, pick: impl Fn(&Said) -> bool) -> usize {
        self.state
            .0
            .lock()
            .unwrap()
            .said
            .iter()
            .filter(|said| pick(said))
            .count()
    }

    pub fn forget(&self) {
        self.state.0.lock().unwrap().said.clear();
    }
}

impl Drop for Boothd {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        if let Some(stream) = self.state.0.lock().unwrap().stream.take() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Without the levels and tiles, which say nothing about a failure.
fn talk(said: &[Said]) -> Vec<&Said> {
    said.iter()
        .filter(|said| {
            !matches!(
                said,
                Said::Meters(_) | Said::Tile(_) | Said::ChannelFigures(_)
            )
        })
        .collect()
}

fn read(mut stream: UnixStream, state: &std::sync::Weak<(Mutex<State>, Condvar)>) {
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        let Some(state) = state.upgrade() else { return };
        let message = FromWorker::decode(&frame[..]).unwrap().message.unwrap();
        state.0.lock().unwrap().said.push(message);
        state.1.notify_all();
    }
}
