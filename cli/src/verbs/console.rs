//! The console: what the command line knows (server, token, where boothd is) handed to the terminal program.

use std::io::Write;
use std::process::{Command, Stdio};

use booth_tui::door::Door;
use booth_tui::run::{Options, Practise, RunError};
use booth_tui::{config, detect, link, play, record, run, snapshot};
use tonic::metadata::AsciiMetadataValue;

use crate::app::Ctx;
use crate::args::{ConsoleArgs, SnapshotFormat};
use crate::client;
use crate::errors::{Failure, Outcome};
use crate::{names, sibling, token};

pub async fn run(ctx: &Ctx, args: ConsoleArgs) -> Outcome {
    let get = |name: &str| std::env::var(name).ok();
    if let Some(path) = &args.replay {
        let (mut start, inputs) = record::read(path).map_err(|e| Failure::error(e.to_string()))?;
        if let Some(format) = args.snapshot {
            // The picture is for a document, not for this terminal.
            let until = args
                .at
                .map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            let model = record::replay(start, inputs, until, args.size);
            let cells = snapshot::cells(&model);
            let shown = match format {
                SnapshotFormat::Svg => snapshot::svg(&cells, model.settings.light),
                SnapshotFormat::Text => snapshot::text(&cells),
            };
            return print(&shown);
        }
        start.settings.colors = detect::colors(&get);
        return play::play(start, inputs).await.map_err(failure);
    }

    let path = args.config.clone().or_else(|| config::default_path(&get));
    let mut settings = config::load(path.as_deref(), args.config.is_some(), &get)
        .map_err(|e| Failure::usage(e.to_string()))?;
    settings.read_only = args.read_only;
    settings.immediate |= args.immediate;
    let door = Door::new(&ctx.global.server, ctx.global.ca.as_deref(), link::CONNECT)
        .map_err(client::bad_door)?;
    ctx.warn_if_open(&door);
    let found = token::discover(&ctx.global)?;
    let mut token = AsciiMetadataValue::try_from(found.as_str()).map_err(|_| {
        Failure::not_allowed("the token has characters that cannot be sent")
            .reason("TOKEN_MALFORMED")
    })?;
    token.set_sensitive(true);
    let show = names::show(&args.show)?;
    let options = Options {
        practise: sibling::boothd().is_ok().then(|| practise(ctx, door.url())),
        door,
        token,
        show: names::last_part(&show).to_owned(),
        ask_pictures: detect::asks_for_pictures(&get),
        settings,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        record: args.record,
        // By the environment: arguments are readable by every user of the machine.
        join_url: get("BOOTH_JOIN_URL").unwrap_or_default(),
    };
    run::run(options).await.map_err(failure)
}

/// `booth demo` of this same program, against the same server with the same token.
fn practise(ctx: &Ctx, server: &str) -> Practise {
    let server = server.to_owned();
    let (token_file, ca) = (ctx.global.token_file.clone(), ctx.global.ca.clone());
    Box::new(move |show, callers| {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(own);
        command.args([
            "demo",
            "--callers",
            &callers.to_string(),
            "--show",
            names::last_part(show),
        ]);
        command.args(["--server", &server]);
        if let Some(file) = &token_file {
            command.arg("--token-file").arg(file);
        }
        if let Some(file) = &ca {
            command.arg("--ca").arg(file);
        }
        command.stdin(Stdio::null());
        Ok(command.into())
    })
}

fn print(text: &str) -> Outcome {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn failure(error: RunError) -> Failure {
    match error {
        RunError::NoTerminal => Failure::usage(error.to_string())
            .next("booth watch follows what happens without a terminal"),
        _ => Failure::error(error.to_string()),
    }
}
