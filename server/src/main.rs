//! The `boothd` binary: the server, and the units it starts.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "`ready` and errors of the start are for people and scripts"
)]

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use boothd::config::Config;
use boothd::start::Server;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "boothd",
    version,
    about = "The booth server: puts remote callers on air"
)]
struct Cli {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<Unit>,
}

#[derive(Args)]
struct Serve {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory (data.dir)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Sets one key, for example grpc.listen=127.0.0.1:7400
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

#[derive(Subcommand)]
enum Unit {
    /// Runs one media unit; boothd starts these itself
    Worker(Worker),
    /// Looks into media files and answers in JSON; boothd starts this itself
    CheckFiles(CheckFiles),
    /// Looks at GStreamer, libsrt and the clock of this machine and answers in JSON; boothd starts this itself
    CheckMedia,
    /// Prints every key of booth.toml: default, what it takes, what it is
    Settings {
        /// Only keys that have to do with this word
        #[arg(default_value = "")]
        word: String,
    },
    /// Publishes synthetic callers (see `booth demo`)
    Demo(boothd::demo::Args),
    /// Puts a backup in place of the state of a stopped server
    Restore {
        /// Data directory
        #[arg(long, default_value = "data")]
        data: PathBuf,
        /// File written by `booth backup`
        file: PathBuf,
    },
}

#[derive(Args)]
struct Worker {
    /// For example slot-1
    unit: String,
    #[arg(long)]
    socket: PathBuf,
    #[arg(long)]
    lock: PathBuf,
    #[arg(long, default_value_t = 86_400)]
    orphan_timeout_s: u64,
}

#[derive(Args)]
struct CheckFiles {
    /// What they are to be brought to: 1280x720@30, or 1280x720@30/encode when nothing is to be copied
    #[arg(long, default_value = "1280x720@30")]
    format: booth_media::CheckFormat,
    /// Absolute paths
    #[arg(required = true)]
    files: Vec<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => serve(cli.serve),
        Some(Unit::Worker(worker)) => {
            log("info", false);
            booth_media::leave(booth_media::run_worker(booth_media::WorkerArgs {
                unit: worker.unit,
                socket: worker.socket,
                lock: worker.lock,
                orphan_timeout: Duration::from_secs(worker.orphan_timeout_s),
            }))
        }
        Some(Unit::CheckFiles(args)) => {
            log("warn", false);
            // A decoder that hangs in a file does not turn the answer into a crash.
            booth_media::leave(check_files(&args))
        }
        Some(Unit::CheckMedia) => {
            log("warn", false);
            booth_media::leave(check_media())
        }
        Some(Unit::Demo(args)) => {
            log("warn", false);
            boothd::demo::run(args)
        }
        Some(Unit::Settings { word }) => settings(&word),
        Some(Unit::Restore { data, file }) => restore(&data, &file),
    }
}

fn log(filter: &str, json: bool) {
    let filter = EnvFilter::try_from_env("BOOTH_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    if json {
        builder.json().init();
    } else {
        builder.init();
    }
}

fn serve(args: Serve) -> ExitCode {
    let mut sets = Vec::new();
    if let Some(dir) = &args.data {
        // As text, whatever it looks like.
        sets.push(format!("data.dir={:?}", dir.to_string_lossy()));
    }
    sets.extend(args.sets);
    let env = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let config = match Config::load(args.config.as_deref(), env, &sets) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("boothd: {error}");
            return ExitCode::from(2);
        }
    };
    log(&config.log.filter, config.log.json);
    // At least three threads: on one CPU a busy one must not hold up the rest.
    let threads = std::thread::available_parallelism().map_or(3, |n| n.get().max(3));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(config)),
        Err(error) => {
            eprintln!("boothd: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> ExitCode {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        eprintln!("boothd: cannot handle signals");
        return ExitCode::FAILURE;
    };
    let tls = match config.grpc.tls_cert {
        Some(_) => " grpc_tls=on",
        None => "",
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("boothd: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("ready grpc={} http={}{tls}", server.grpc, server.http);
    notify_systemd();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = server.failed() => {
            eprintln!("boothd: a part of the server has ended (see the log); outputs go on, start it again");
            return ExitCode::FAILURE;
        }
    }
    tracing::info!("stopping");
    server.stop().await;
    ExitCode::SUCCESS
}

/// Tells systemd (`Type=notify`) that all listeners are open.
fn notify_systemd() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let path = path.to_string_lossy();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&*path),
    };
    let sent = address.and_then(|a| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &a));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd could not be told");
    }
}

fn check_files(args: &CheckFiles) -> u8 {
    answer(&boothd::probe::answer(&args.files, args.format))
}

fn check_media() -> u8 {
    match booth_media::survey() {
        Ok(survey) => answer(&survey),
        Err(error) => {
            eprintln!("boothd check-media: {error}");
            1
        }
    }
}

fn answer(answer: &impl serde::Serialize) -> u8 {
    match serde_json::to_string(answer) {
        // On a line of its own, whatever libraries have printed before.
        Ok(json) => {
            println!("\n{json}");
            0
        }
        Err(error) => {
            eprintln!("boothd: {error}");
            1
        }
    }
}

fn settings(word: &str) -> ExitCode {
    let text = boothd::config::reference::text(word);
    if text.is_empty() {
        eprintln!(
            "boothd settings: nothing has to do with {word:?}; without a word all are printed"
        );
        return ExitCode::FAILURE;
    }
    // A pager that has seen enough closes the pipe.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("boothd settings: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn restore(data: &std::path::Path, file: &std::path::Path) -> ExitCode {
    let done = std::fs::File::open(file)
        .map_err(|e| format!("{}: {e}", file.display()))
        .and_then(|mut f| booth_store::restore(&mut f, data).map_err(|e| e.to_string()));
    match done {
        Ok(_) => {
            println!("restored {} into {}", file.display(), data.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("boothd restore: {error}");
            ExitCode::FAILURE
        }
    }
}
