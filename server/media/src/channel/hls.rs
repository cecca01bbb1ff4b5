//! The programme as HLS files, for a web server to hand out. Each file gets its name only when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booth_stream::hls::{Segment, Segmenter};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fanout::Queue;
use crate::hls::{PLAYLIST, PREFIX, segment as number};

/// A disk that does not take files is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);

/// The hand of the task that writes. Its directory is emptied when it ends.
pub struct Hls {
    dir: PathBuf,
    error: Arc<Mutex<Option<String>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Hls {
    pub fn start(dir: PathBuf, queue: Queue) -> Self {
        let stop = CancellationToken::new();
        let error = Arc::new(Mutex::new(None));
        let writing = Writing {
            dir: dir.clone(),
            queue,
            error: Arc::clone(&error),
            next: 0,
        };
        let task = tokio::spawn(writing.run(stop.clone()));
        Self {
            dir,
            error,
            stop,
            task,
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What went wrong since it was asked last.
    pub fn problem(&self) -> Option<String> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Does not wait.
    pub fn end(self) -> JoinHandle<()> {
        self.stop.cancel();
        self.task
    }
}

struct Writing {
    dir: PathBuf,
    queue: Queue,
    error: Arc<Mutex<Option<String>>>,
    /// The number of the next segment: the directory may lose its playlist, and numbers never fall.
    next: u64,
}

impl Writing {
    async fn run(mut self, stop: CancellationToken) {
        let ended = stop.cancelled();
        tokio::select! {
            () = ended => {}
            () = self.write() => {}
        }
        let dir = self.dir;
        let emptied = tokio::task::spawn_blocking(move || empty(&dir)).await;
        if let Ok(Err(error)) = emptied {
            tracing::warn!(%error, "HLS files are left behind");
        }
    }

    /// For ever.
    async fn write(&mut self) {
        loop {
            self.queue.pause();
            let Err(error) = self.serve().await;
            let text = format!("{}: {error}", self.dir.display());
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn serve(&mut self) -> io::Result<std::convert::Infallible> {
        let dir = self.dir.clone();
        let at_least = self.next;
        self.next = blocking(move || begin(&dir, at_least)).await?;
        let mut segmenter = Segmenter::new(PREFIX, self.next);
        self.queue.resume();
        loop {
            self.queue.filled().await;
            let Some(event) = self.queue.take() else {
                continue;
            };
            let segment = match segmenter.push(&event, None) {
                Ok(Some(segment)) => segment,
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(%error, "a unit is not in HLS");
                    continue;
                }
            };
            if let Some(number) = number(&segment.name) {
                self.next = number + 1;
            }
            let (dir, playlist) = (self.dir.clone(), segmenter.playlist());
            blocking(move || put(&dir, &segment, playlist.as_deref())).await?;
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// Makes the directory; the number of the next segment, which is `at_least` that. What a worker that was lost left there is taken up: a playlist's
/// numbers never fall.
fn begin(dir: &Path, at_least: u64) -> io::Result<u64> {
    fs::create_dir_all(dir)?;
    let next = match fs::read_to_string(dir.join(PLAYLIST)) {
        Ok(playlist) => after(&playlist),
        Err(_) => 0,
    };
    empty(dir)?;
    Ok(next.max(at_least))
}

/// The number that follows a playlist's last segment.
fn after(playlist: &str) -> u64 {
    playlist
        .lines()
        .filter_map(number)
        .max()
        .map_or(0, |last| last + 1)
}

fn put(dir: &Path, segment: &Segment, playlist: Option<&str>) -> io::Result<()> {
    whole(dir, &segment.name, &segment.data)?;
    if let Some(playlist) = playlist {
        whole(dir, PLAYLIST, playlist.as_bytes())?;
    }
    for name in &segment.delete {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn whole(dir: &Path, name: &str, data: &[u8]) -> io::Result<()> {
    let part = dir.join(format!(".{name}.part"));
    fs::write(&part, data)?;
    fs::rename(part, dir.join(name))
}

/// Removes what was written here, and nothing else.
fn empty(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text == PLAYLIST || text.ends_with(".ts") || text.ends_with(".part") {
            fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_where_a_lost_worker_stopped() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(begin(dir.path(), 0).unwrap(), 0);
        let playlist =
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:8\n#EXTINF:2.0,\nseg8.ts\n#EXTINF:2.0,\nseg9.ts\n";
        whole(dir.path(), PLAYLIST, playlist.as_bytes()).unwrap();
        whole(dir.path(), "seg9.ts", b"x").unwrap();
        assert_eq!(begin(dir.path(), 0).unwrap(), 10);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn numbers_go_on_where_the_playlist_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(begin(dir.path(), 10).unwrap(), 10);
        whole(dir.path(), PLAYLIST, b"seg19.ts\n").unwrap();
        assert_eq!(begin(dir.path(), 10).unwrap(), 20);
    }

    #[test]
    fn files_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.txt"), "x").unwrap();
        whole(dir.path(), "seg1.ts", b"x").unwrap();
        empty(dir.path()).unwrap();
        assert!(dir.path().join("mine.txt").exists());
        assert!(!dir.path().join("seg1.ts").exists());
    }
}
