//! Why a file cannot be prepared, in words that somebody can act on.

use booth_stream::loopfile::LoopError;

use crate::error::MediaError;
use crate::settings::SettingsError;

/// What is wrong with one file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    #[error("there is no such file: give its path on the server")]
    NotFound,
    #[error("this is a directory: name the files in it")]
    Directory,
    #[error("cannot be opened ({0}): let the server's user read it")]
    Unreadable(std::io::Error),
    #[error("the file is empty: copy it to the server anew")]
    Empty,
    #[error("the path is not absolute: begin it with /")]
    Relative,
    #[error("a still picture: set it as the channel's slate instead")]
    Still,
    #[error(
        "not a media file, or of a kind that is not known here: convert it to MP4 with H.264 and AAC"
    )]
    NotMedia,
    #[error("there is no video in it: choose a file with a picture")]
    NoVideo,
    #[error("it is encrypted: use a copy without protection")]
    Encrypted,
    #[error("it is damaged or cut short ({0}): copy or export it anew")]
    Damaged(String),
    #[error("there is no decoder for it ({0}): convert it to MP4 with H.264 and AAC")]
    NoDecoder(String),
    #[error(
        "it did not answer within {0} s: see whether the disk or network share it lies on does"
    )]
    TimedOut(u64),
}

/// Why preparing ended without a loop.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("{path}: {problem}")]
    File { path: String, problem: FileProblem },
    #[error("{}", loop_text(.0))]
    Loop(#[from] LoopError),
    #[error("{0}")]
    Settings(#[from] SettingsError),
    #[error("{0}")]
    Media(#[from] MediaError),
    #[error("{0}")]
    Glib(#[from] gst::glib::BoolError),
    #[error("the encoder failed: {0}")]
    Encoder(String),
    #[error("there is nothing to prepare")]
    Nothing,
    /// Somebody asked for something else meanwhile.
    #[error("it was called off")]
    Cancelled,
    /// Undecoded, it would not play without a seam: it has to be encoded. Never told to people.
    #[error("{0:?} cannot be passed on: {1}")]
    NotCopyable(booth_stream::Track, String),
}

impl PrepareError {
    pub(super) fn file(path: &str, problem: FileProblem) -> Self {
        Self::File {
            path: path.to_owned(),
            problem,
        }
    }
}

fn loop_text(error: &LoopError) -> String {
    match error {
        LoopError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            "the disk is full: free some space, then set the backup again".to_owned()
        }
        LoopError::Io(error) => format!("the prepared loop cannot be written: {error}"),
        other => format!("the prepared loop was refused: {other}"),
    }
}
