//! Puts a backup in place of a stopped server's ledger, by the server's own program.

use std::process::Command;

use crate::app::Ctx;
use crate::args::RestoreArgs;
use crate::confirm::confirm;
use crate::errors::{Failure, Outcome};
use crate::{sibling, token};

pub async fn run(ctx: &Ctx, args: RestoreArgs) -> Outcome {
    if !args.file.is_file() {
        return Err(
            Failure::not_found(format!("there is no backup file {}", args.file.display()))
                .next("make one with booth backup FILE"),
        );
    }
    let boothd = sibling::boothd()?;
    let data = args.data.unwrap_or_else(token::data_dir);
    confirm(
        ctx,
        &format!(
            "replace the ledger in {} by {}",
            data.display(),
            args.file.display()
        ),
    )
    .await?;
    let mut command = Command::new(boothd);
    command
        .arg("restore")
        .arg("--data")
        .arg(&data)
        .arg(&args.file);
    Err(sibling::become_it(command))
}
