//! Streams a backup to FILE.part and renames it once it is whole and on disk: FILE is never half a backup.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use booth_proto::v1::BackupRequest;
use booth_proto::v1::system_service_client::SystemServiceClient;
use serde_json::json;
use tokio::time::timeout_at;

use crate::app::Ctx;
use crate::args::{BackupArgs, Format};
use crate::client::LARGEST_ANSWER;
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::progress::{self, Line};
use crate::render::text;

pub async fn run(ctx: &Ctx, args: BackupArgs) -> Outcome {
    let client = ctx.client().await?;
    let refused = |status: tonic::Status| Failure::from_status(&status, &Subject::default());
    let mut service =
        SystemServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    let opened = timeout_at(client.deadline(), service.backup(BackupRequest {}))
        .await
        .map_err(|_| client.late())?;
    let mut stream = opened.map_err(refused)?.into_inner();

    let mut part = Part::create(&args.file)?;
    let mut line = Line::new(ctx);
    let (mut written, mut total) = (0u64, 0u64);
    // The deadline is for silence, not for the size.
    while let Some(chunk) = timeout_at(client.deadline(), stream.message())
        .await
        .map_err(|_| client.late())?
        .map_err(refused)?
    {
        part.write(&chunk.chunk)?;
        written += u64::try_from(chunk.chunk.len()).unwrap_or(0);
        total = total.max(chunk.total_bytes);
        #[allow(clippy::cast_precision_loss, reason = "a share for people")]
        let percent = written as f64 / total.max(1) as f64 * 100.0;
        line.show(&format!(
            "{} of {}",
            progress::bar("copying the ledger", percent),
            text::bytes(total)
        ));
    }
    line.clear();
    // The total is an estimate for the progress bar; a stream that breaks off ends with an error of its own.
    if written < total.max(1) {
        return Err(Failure::error(format!(
            "the backup ended after {written} of {total} bytes: nothing was kept"
        ))
        .next("run it again"));
    }
    part.finish()?;

    let file = args.file.display();
    match ctx.out.format {
        Format::Table => ctx
            .out
            .say(&format!("wrote {file}, {}", text::bytes(written))),
        Format::Name => ctx.out.line(&file.to_string())?,
        Format::Json | Format::Ndjson => ctx
            .out
            .json_line(&json!({ "file": file.to_string(), "bytes": written.to_string() }))?,
    }
    Ok(())
}

/// The unfinished file; removed unless it is finished.
struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl Part {
    fn create(target: &Path) -> Outcome<Self> {
        if target.is_dir() {
            return Err(
                Failure::usage(format!("{} is a directory", target.display()))
                    .next("name a file in it"),
            );
        }
        let mut path = target.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        // Only for its owner: a backup holds all that the ledger holds.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(cannot_write(&path))?;
        Ok(Self {
            file,
            path,
            target: target.to_owned(),
            finished: false,
        })
    }

    fn write(&mut self, chunk: &[u8]) -> Outcome {
        self.file.write_all(chunk).map_err(cannot_write(&self.path))
    }

    fn finish(mut self) -> Outcome {
        self.file.sync_all().map_err(cannot_write(&self.path))?;
        std::fs::rename(&self.path, &self.target).map_err(cannot_write(&self.target))?;
        self.finished = true;
        // The new name too has to survive a power cut.
        let parent = self
            .target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(parent)
            .and_then(|dir| dir.sync_all())
            .map_err(cannot_write(parent))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::error(format!("cannot write {path}: {error}"))
}
