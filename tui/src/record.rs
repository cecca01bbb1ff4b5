//! Sessions as files: a header, then one input a line. What is recorded can be replayed without a server.

use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::msg::{Input, Msg, Start};
use crate::update::update;

const FORMAT: &str = "booth-console-1";

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("cannot read {path}: {error}")]
    Read { path: String, error: io::Error },
    #[error("{path}:{line}: not a recorded input: {why}")]
    Line {
        path: String,
        line: usize,
        why: String,
    },
    #[error("{path} is no recording of this console (expected {FORMAT} in the first line)")]
    Format { path: String },
}

pub struct Recorder {
    file: BufWriter<File>,
}

impl Recorder {
    /// Readable by its owner alone: it holds what callers wrote.
    pub fn create(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        // One that was there keeps its mode otherwise.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut file = BufWriter::new(file);
        let header = Header {
            format: FORMAT.into(),
        };
        writeln!(file, "{}", serde_json::to_string(&header)?)?;
        Ok(Self { file })
    }

    pub fn write(&mut self, input: &Input) -> io::Result<()> {
        let safe = Input {
            at_ms: input.at_ms,
            msg: input.msg.for_record(),
        };
        writeln!(self.file, "{}", serde_json::to_string(&safe)?)?;
        // A crash is what recordings are for.
        self.file.flush()
    }
}

/// Everything in a recording, its start first.
pub fn read(path: &Path) -> Result<(Start, Vec<Input>), ReplayError> {
    let shown = path.display().to_string();
    let failed = |error| ReplayError::Read {
        path: shown.clone(),
        error,
    };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut start = None;
    let mut inputs = Vec::new();
    for (n, line) in file.lines().enumerate() {
        let line = line.map_err(failed)?;
        if n == 0 {
            let header = serde_json::from_str::<Header>(&line).ok();
            if header.is_none_or(|h| h.format != FORMAT) {
                return Err(ReplayError::Format { path: shown });
            }
            continue;
        }
        match serde_json::from_str::<Input>(&line) {
            Ok(Input {
                msg: Msg::Start(found),
                ..
            }) if start.is_none() => start = Some(*found),
            Ok(input) => inputs.push(input),
            // The last line of a session that was killed may be half.
            Err(error) if error.is_eof() => break,
            Err(error) => {
                return Err(ReplayError::Line {
                    path: shown,
                    line: n + 1,
                    why: error.to_string(),
                });
            }
        }
    }
    let start = start.ok_or(ReplayError::Format { path: shown })?;
    Ok((start, inputs))
}

/// The model at the end of a recording (or at `until_ms` of it), at the given size instead of the recorded one.
pub fn replay(
    start: Start,
    inputs: Vec<Input>,
    until_ms: Option<u64>,
    size: Option<(u16, u16)>,
) -> Model {
    let mut model = Model::new(start);
    if let Some((width, height)) = size {
        (model.width, model.height) = (width, height);
    }
    for input in inputs {
        if until_ms.is_some_and(|until| input.at_ms > until) {
            break;
        }
        if size.is_some() && matches!(input.msg, Msg::Resize { .. }) {
            continue;
        }
        // What was asked of the world is in the recording as its answers.
        let _ = update(&mut model, input);
    }
    model
}
