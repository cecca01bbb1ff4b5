//! Looks at media files before they become a backup: boothd parses no container, so a short-lived child does it
//! (`boothd check-files`, a subcommand of the same binary) and answers in JSON.
//!
//! ```text
//!  grpc ─▶ look (length, time, readable) ─▶ check (child process, at most 2, ≤ 20 s) ─▶ INVALID_ARGUMENT | settings
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use booth_core::{ChannelMode, VideoSettings};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tracing::warn;

/// A check takes no longer, waiting for its turn included.
pub const CHECK_WITHIN: Duration = Duration::from_secs(20);
/// Looking at names, lengths and times of files; a network share may hang.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Children at a time: each decodes the head of a file.
const CHECKS: usize = 2;
/// Most of a child's answer; a hundred files need some tens of KiB.
const ANSWER_MAX: u64 = 1 << 20;
/// What is kept of a child's complaints.
const STDERR_MAX: u64 = 8 << 10;

/// What files are brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pub mode: ChannelMode,
    pub video: VideoSettings,
}

impl Format {
    /// As the child takes it.
    fn argument(&self) -> String {
        let video = &self.video;
        let encode = match self.mode {
            ChannelMode::Copy => "",
            ChannelMode::Transcode => "/encode",
        };
        format!("{}x{}@{}{encode}", video.width, video.height, video.fps)
    }
}

/// What is known of a file that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedFile {
    pub path: String,
    pub duration_ms: u64,
    /// `H.264 High 1920x1080 25 fps`.
    pub video: String,
    /// Empty without sound.
    pub audio: String,
    /// What preparing it will do; empty when it is copied as it is.
    pub changes: Vec<String>,
}

/// What the child prints: one object on its last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Files(Vec<CheckedFile>),
    Refused {
        path: String,
        why: String,
    },
    /// Not about a file.
    Failed(String),
}

/// The child's part: looks into files, in this process.
pub fn answer(files: &[String], format: booth_media::CheckFormat) -> Answer {
    match booth_media::prepare_check(files, format) {
        Ok(checked) => {
            let files = checked.files.into_iter();
            let files = files.map(|file| CheckedFile {
                path: file.path,
                duration_ms: file.duration_ms,
                video: file.video,
                audio: file.audio,
                changes: file.changes,
            });
            Answer::Files(files.collect())
        }
        Err(error) if error.path.is_empty() => Answer::Failed(error.text),
        Err(error) => {
            let said = error.text.strip_prefix(&format!("{}: ", error.path));
            let why = said.unwrap_or(&error.text).to_owned();
            Answer::Refused {
                path: error.path,
                why,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The file's fault: which one, and what to do.
    #[error("{path:?}: {why}")]
    File { path: String, why: String },
    #[error("no answer within {} s: is the disk that the files are on well?", CHECK_WITHIN.as_secs())]
    TimedOut,
    /// The server's fault.
    #[error("files cannot be checked: {0}")]
    Failed(String),
}

/// Who looks into files.
#[tonic::async_trait]
pub trait Probe: Send + Sync + std::fmt::Debug {
    async fn check(
        &self,
        files: &[String],
        format: &Format,
    ) -> Result<Vec<CheckedFile>, ProbeError>;
}

/// By child processes of this binary.
#[derive(Debug, Clone)]
pub struct Children {
    binary: PathBuf,
    turns: Arc<Semaphore>,
    within: Duration,
}

impl Children {
    pub fn new(binary: PathBuf) -> Self {
        Self {
            binary,
            turns: Arc::new(Semaphore::new(CHECKS)),
            within: CHECK_WITHIN,
        }
    }

    async fn ask(&self, files: &[String], format: &Format) -> Result<Answer, ProbeError> {
        let failed = |what: &str| ProbeError::Failed(what.to_owned());
        let _turn = self.turns.acquire().await;
        let mut child = Command::new(&self.binary)
            .args(["check-files", "--format", &format.argument(), "--"])
            .args(files)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            // A caller that goes away, or a time-out, ends it.
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(&e.to_string()))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed("no pipe to the child"));
        };
        let (answer, complaints, status) = tokio::join!(
            head(stdout, ANSWER_MAX),
            head(stderr, STDERR_MAX),
            child.wait()
        );
        let status = status.map_err(|e| failed(&e.to_string()))?;
        // Libraries may have their say before it.
        let mut lines = answer.rsplit(|byte| *byte == b'\n');
        let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
        serde_json::from_slice(last).map_err(|error| {
            let complaints = String::from_utf8_lossy(&complaints);
            warn!(%status, %error, stderr = %complaints.trim_end(), "check-files");
            match std::os::unix::process::ExitStatusExt::signal(&status) {
                // What crashes the child would crash whoever plays it.
                Some(_) => failed("the check crashed (see the log)"),
                None => failed("the check gave no answer (see the log)"),
            }
        })
    }
}

#[tonic::async_trait]
impl Probe for Children {
    async fn check(
        &self,
        files: &[String],
        format: &Format,
    ) -> Result<Vec<CheckedFile>, ProbeError> {
        let answer = tokio::time::timeout(self.within, self.ask(files, format)).await;
        match answer.map_err(|_| ProbeError::TimedOut)?? {
            Answer::Files(found) => Ok(found),
            Answer::Refused { path, why } => Err(ProbeError::File { path, why }),
            Answer::Failed(why) => Err(ProbeError::Failed(why)),
        }
    }
}

/// The first `max` bytes; the rest is read and thrown away, so that the writer is never held up.
async fn head(mut from: impl AsyncRead + Unpin, max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is as good as any.
    let _ = (&mut from).take(max).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    bytes
}

/// Looks at files without reading them: there, ordinary, readable. The digest changes when a path, a length or a time
/// of change does.
pub async fn look(files: Vec<String>) -> Result<String, ProbeError> {
    off_the_loop(move || {
        let mut hasher = blake3::Hasher::new();
        for path in &files {
            let found = ordinary(path)?;
            let metadata = found.metadata().map_err(|e| unreadable(path, &e))?;
            use std::os::unix::fs::MetadataExt;
            // Lengths before contents, so that no two lists look the same.
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            hasher.update(&metadata.len().to_le_bytes());
            hasher.update(&metadata.mtime().to_le_bytes());
            hasher.update(&metadata.mtime_nsec().to_le_bytes());
        }
        Ok(hasher.finalize().to_hex().as_str().to_owned())
    })
    .await
}

/// Looks whether a file is a PNG or a JPEG by its first bytes.
pub async fn look_at_picture(path: String) -> Result<(), ProbeError> {
    off_the_loop(move || {
        use std::io::Read;
        let mut first = Vec::new();
        let read = ordinary(&path)?.take(8).read_to_end(&mut first);
        read.map_err(|e| unreadable(&path, &e))?;
        if first.starts_with(b"\x89PNG\r\n\x1a\n") || first.starts_with(b"\xff\xd8\xff") {
            Ok(())
        } else {
            let why = "it is neither a PNG nor a JPEG: give one of these".to_owned();
            Err(ProbeError::File { path, why })
        }
    })
    .await
}

fn ordinary(path: &str) -> Result<File, ProbeError> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(Path::new(path)).map_err(|e| unreadable(path, &e))?;
    let why = if metadata.is_dir() {
        "it is a directory: name the files in it"
    } else if !metadata.is_file() {
        "it is no ordinary file"
    } else if metadata.len() == 0 {
        "it is empty"
    } else {
        return File::open(Path::new(path)).map_err(|e| unreadable(path, &e));
    };
    Err(ProbeError::File {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}

fn unreadable(path: &str, error: &std::io::Error) -> ProbeError {
    use std::io::ErrorKind;
    let why = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "there is no such file on the server: give the absolute path of a file there".to_owned()
        }
        ErrorKind::PermissionDenied => {
            "the server may not read it: let its user read the file and enter the directories above"
                .to_owned()
        }
        _ => format!("it cannot be read: {error}"),
    };
    ProbeError::File {
        path: path.to_owned(),
        why,
    }
}

/// Runs blocking work where it holds nobody up, at most a few at a time even if none of them ever ends.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProbeError> + Send + 'static,
) -> Result<T, ProbeError> {
    static LOOKS: Semaphore = Semaphore::const_new(8);
    let look = async {
        let turn = LOOKS
            .acquire()
            .await
            .map_err(|e| ProbeError::Failed(e.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        task.await
            .unwrap_or_else(|e| Err(ProbeError::Failed(e.to_string())))
    };
    let looked = tokio::time::timeout(LOOK_WITHIN, look).await;
    looked.unwrap_or(Err(ProbeError::TimedOut))
}

#[cfg(test)]
mod tests;
