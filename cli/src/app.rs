//! From the typed line to the exit code: parse, run, say what went wrong.

use booth_tui::door::Door;
use clap::FromArgMatches;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OnceCell;

use crate::args::{Cli, Command, Global};
use crate::client::{Client, fresh_request_id};
use crate::config::{self, Given};
use crate::errors::{Failure, INTERRUPTED, Outcome};
use crate::render::Out;
use crate::{tree, verbs};

/// What every verb gets: the flags, the way out, and the connection once it is needed.
pub struct Ctx {
    pub global: Global,
    /// What of it was typed.
    pub given: Given,
    pub out: Out,
    client: OnceCell<Client>,
}

impl Ctx {
    pub async fn client(&self) -> Outcome<&Client> {
        self.client
            .get_or_try_init(|| async {
                let client = Client::connect(&self.global).await?;
                self.warn_if_open(client.door());
                Ok(client)
            })
            .await
    }

    /// Whoever is on the way to another machine reads a token that is sent without TLS.
    pub fn warn_if_open(&self, door: &Door) {
        if door.is_open() {
            self.out.say(&format!(
                "warning: the token goes to {} unencrypted; use https:// or an SSH tunnel",
                door.url()
            ));
        }
    }

    /// The given request id, or a fresh one.
    pub fn request_id(&self) -> String {
        self.global
            .request_id
            .clone()
            .unwrap_or_else(fresh_request_id)
    }

    /// The given revision; 0 expects nothing.
    pub fn expected_revision(&self) -> u64 {
        self.global.expect_revision.unwrap_or(0)
    }

    /// A new resource has no revision to expect.
    pub fn expects_nothing(&self) -> Outcome {
        match self.global.expect_revision {
            None => Ok(()),
            Some(_) => Err(Failure::usage(
                "--expect-revision has no meaning here: nothing exists yet that could have changed",
            )),
        }
    }
}

/// Runs the command that was typed and returns its exit code.
pub fn main() -> i32 {
    let parsed = tree::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((matches, cli))
    });
    let (matches, mut cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A closed pipe is no reason to fail.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let format = cli.global.output;
    let given = Given::of(&matches, &cli.global);
    if needs_server(&cli.command)
        && let Err(failure) = config::apply(&matches, &mut cli.global)
    {
        eprintln_quietly(&failure.to_text(format));
        return failure.exit_code();
    }
    let outcome = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(until_signalled(cli, given));
            // Dropped it would wait for a read of the terminal that nobody ends.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Ended::Done(Err(Failure::error(format!("cannot start: {error}")))),
    };
    match outcome {
        Ended::Done(Ok(())) => 0,
        Ended::Done(Err(failure)) => {
            if !failure.closed_pipe {
                eprintln_quietly(&failure.to_text(format));
            }
            failure.exit_code()
        }
        Ended::Signalled(code) => code,
    }
}

enum Ended {
    Done(Outcome),
    Signalled(i32),
}

/// A signal drops the command's future, so that half-written files are cleaned up, and becomes the shell's exit code.
async fn until_signalled(cli: Cli, given: Given) -> Ended {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return Ended::Done(Err(Failure::error("cannot listen for signals")));
    };
    tokio::select! {
        outcome = run(cli, given) => Ended::Done(outcome),
        _ = interrupt.recv() => Ended::Signalled(INTERRUPTED),
        _ = terminate.recv() => Ended::Signalled(143),
    }
}

/// The others work without a configuration, whatever state it is in, or read it themselves.
fn needs_server(command: &Command) -> bool {
    !matches!(
        command,
        Command::Context(_)
            | Command::Login(_)
            | Command::Restore(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::Version
    )
}

async fn run(cli: Cli, given: Given) -> Outcome {
    let ctx = Ctx {
        out: Out::new(cli.global.output),
        global: cli.global,
        given,
        client: OnceCell::new(),
    };
    match cli.command {
        Command::Status => verbs::status::run(&ctx).await,
        Command::Console(args) => verbs::console::run(&ctx, args).await,
        Command::Watch(args) => verbs::watch::run(&ctx, args).await,
        Command::Invite(command) => verbs::invite::run(&ctx, command).await,
        Command::Caller(command) => verbs::caller::run(&ctx, command).await,
        Command::Slot(command) => verbs::slot::run(&ctx, command).await,
        Command::Channel(command) => verbs::channel::run(&ctx, command).await,
        Command::Destination(command) => verbs::destination::run(&ctx, command).await,
        Command::Show(command) => verbs::show::run(&ctx, command).await,
        Command::Operator(command) => verbs::operator::run(&ctx, command).await,
        Command::Context(command) => verbs::context::run(&ctx, command).await,
        Command::Login(args) => verbs::login::run(&ctx, args).await,
        Command::Doctor(args) => verbs::doctor::run(&ctx, args).await,
        Command::Backup(args) => verbs::backup::run(&ctx, args).await,
        Command::Restore(args) => verbs::restore::run(&ctx, args).await,
        Command::Demo(args) => verbs::demo::run(&ctx, args).await,
        Command::Completions(args) => verbs::completions::run(&ctx, args),
        Command::Man(args) => verbs::man::run(&ctx, args),
        Command::Version => ctx
            .out
            .line(&format!("booth {}", env!("CARGO_PKG_VERSION"))),
    }
}

/// stderr may be closed too; there is nobody left to tell.
pub fn eprintln_quietly(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}
