//! Asks before something is destroyed: a person at a terminal is asked, a script has to say `--yes`.

use std::io::{IsTerminal, Write};

use crate::app::Ctx;
use crate::errors::{Failure, Outcome};

pub async fn confirm(ctx: &Ctx, what: &str) -> Outcome {
    if ctx.global.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("this would {what}, and there is nobody to ask"))
                .reason("CONFIRMATION_NEEDED")
                .next("repeat with --yes"),
        );
    }
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "This will {what}. Go on? [y/N] ");
    let _ = stderr.flush();
    // Off the main task, so that ctrl-c is heard while it waits.
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await;
    match answer {
        Ok(Ok(line)) if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
        Ok(Ok(_)) => Err(Failure::error("nothing was done")),
        _ => {
            Err(Failure::error("cannot read an answer from the terminal").next("repeat with --yes"))
        }
    }
}
