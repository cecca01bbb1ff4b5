//! Looks at files as preparing them would, and tells what would be done: backs `boothd check-files` and CheckBackup.

use serde::Serialize;

use super::error::PrepareError;
use super::job::look;
use super::plan::{Plan, Target, checked};

/// The channel's format: `1280x720@30`, or `1280x720@30/encode` when nothing is to be passed on undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFormat {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    /// Files may be passed on undecoded where they fit (copy mode).
    pub copy: bool,
}

impl Default for CheckFormat {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
            copy: true,
        }
    }
}

impl std::str::FromStr for CheckFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no format: 1280x720@30 is one");
        let (numbers, copy) = match text.strip_suffix("/encode") {
            Some(numbers) => (numbers, false),
            None => (text, true),
        };
        let (size, fps) = numbers.split_once('@').ok_or_else(wrong)?;
        let (width, height) = size.split_once('x').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        Ok(Self {
            width: number(width)?,
            height: number(height)?,
            fps: number(fps)?,
            copy,
        })
    }
}

/// All files can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub files: Vec<CheckedFile>,
    pub duration_ms: u64,
}

/// As `CheckedFile` of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedFile {
    pub path: String,
    pub duration_ms: u64,
    /// `H.264 High 1920x1080 25 fps`.
    pub video: String,
    /// Empty without sound.
    pub audio: String,
    /// What preparing will do; empty when it is copied as it is.
    pub changes: Vec<String>,
}

/// The first file that cannot be used, or what keeps all from being looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{text}")]
pub struct CheckError {
    /// Empty when it is not about one file.
    pub path: String,
    /// In words for people, the path included.
    pub text: String,
}

/// Looks at files. Blocks, for some seconds per file at most; starts GStreamer.
///
/// # Errors
/// [`CheckError`] for the first file that cannot be used.
pub fn prepare_check(files: &[String], format: CheckFormat) -> Result<Checked, CheckError> {
    let general = |text: String| CheckError {
        path: String::new(),
        text,
    };
    gst::init().map_err(|error| general(error.to_string()))?;
    let target = Target {
        width: format.width,
        height: format.height,
        fps: format.fps,
        copy: format.copy,
    };
    let probes = look(files, &|| false).map_err(|error| match &error {
        PrepareError::File { path, .. } => CheckError {
            path: path.clone(),
            text: error.to_string(),
        },
        _ => general(error.to_string()),
    })?;
    let plan = Plan::of(&probes, target);
    let files: Vec<CheckedFile> = probes
        .iter()
        .map(|probe| {
            let file = checked(probe, plan, target);
            CheckedFile {
                path: file.path,
                duration_ms: file.duration_ms,
                video: file.video,
                audio: file.audio,
                changes: file.changes,
            }
        })
        .collect();
    let duration_ms = files.iter().map(|file| file.duration_ms).sum();
    Ok(Checked { files, duration_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_read_as_it_is_written() {
        assert_eq!("1280x720@30".parse(), Ok(CheckFormat::default()));
        let encode: CheckFormat = "640x360@25/encode".parse().unwrap();
        assert_eq!(
            (encode.width, encode.height, encode.fps, encode.copy),
            (640, 360, 25, false)
        );
        for wrong in ["", "1280x720", "1280@30", "axb@c", "1280x720@30/copy"] {
            assert!(wrong.parse::<CheckFormat>().is_err(), "{wrong}");
        }
    }
}
