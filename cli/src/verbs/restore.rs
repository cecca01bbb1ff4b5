//! Puts a backup in place of a stopped server's ledger, by the server's own program.

use std::process::Command;

use crate::app::Ctx;
use crate::args::RestoreArgs;
use crate::confirm::{Act, Question, confirm};
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
    let (ledger, file) = (data.display(), args.file.display());
    let asked = async {
        let text = format!("Replace everything that the ledger in {ledger} knows by {file}?");
        Ok(Some(Question::new(text)))
    };
    confirm(ctx, Act::Restore, asked).await?;
    let mut command = Command::new(boothd);
    command
        .arg("restore")
        .arg("--data")
        .arg(&data)
        .arg(&args.file);
    Err(sibling::become_it(command))
}
