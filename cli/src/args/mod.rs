//! What can be typed: the command tree, one file per noun. No behaviour lives here.

mod caller;
mod channel;
mod console;
mod context;
mod destination;
mod invite;
mod operator;
mod parse;
mod show;
mod slot;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use caller::CallerCommand;
pub use channel::{
    BackupStartArg, ChannelCommand, ChannelSettingsArgs, ForceArg, ModeArg, PolicyArgs, PublishTool,
};
pub use console::{ConsoleArgs, SnapshotFormat};
pub use context::{ContextCommand, LoginArgs};
pub use destination::{DestinationCommand, DestinationSettingsArgs, PresetArg};
pub use invite::{InviteCommand, KindArg};
pub use operator::{OperatorCommand, RoleArg};
pub use parse::{IdleKind, duration};
pub use show::{ShowCommand, ShowSettingsArgs};
pub use slot::{EncoderArg, SlotCommand, SlotSettingsArgs, Tool, TransitionArgs};
pub use system::{
    BackupArgs, CompletionsArgs, DemoArgs, DoctorArgs, ManArgs, RestoreArgs, ShellArg, WatchArgs,
};

/// Puts remote callers on air.
#[derive(Debug, Parser)]
#[command(name = "booth", version, about, after_help = crate::errors::EXIT_CODES_HELP, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct Global {
    /// Where boothd listens for gRPC, http:// or https:// (port 7400 when none is named); comes before the context in use.
    #[arg(
        long,
        global = true,
        env = "BOOTH_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:7400",
        value_name = "URL"
    )]
    pub server: String,
    /// File with the bearer token (else BOOTH_TOKEN, the context's, or admin.token of a server on this machine).
    #[arg(
        long,
        global = true,
        env = "BOOTH_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub token_file: Option<PathBuf>,
    /// Certificate (PEM) that an https server's own may be signed with, beside those that the system trusts.
    #[arg(
        long,
        global = true,
        env = "BOOTH_CA_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub ca: Option<PathBuf>,
    /// Talk to this server of `booth context list` instead of the one in use.
    #[arg(
        long,
        global = true,
        env = "BOOTH_CONTEXT",
        hide_env_values = true,
        value_name = "CONTEXT"
    )]
    pub context: Option<String>,
    /// How to print the answer.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
    /// Do not ask before a call ends, an output goes off air, or something is destroyed.
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Name of this attempt: the server answers a repeat with the first answer. Random when not given.
    #[arg(long, global = true, value_name = "ID", value_parser = parse::request_id)]
    pub request_id: Option<String>,
    /// Refuse if the resource is not at this revision any more.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub expect_revision: Option<u64>,
    /// How long to wait for an answer (500ms, 10s, 2m).
    #[arg(long, global = true, default_value = "10s", value_parser = parse::duration, value_name = "TIME")]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// The answer as one JSON document.
    Json,
    /// One JSON document per line and item.
    Ndjson,
    /// Resource names, one per line.
    Name,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// How the server is, who is on which slot, and what channels show.
    Status,
    /// Run the show: slots, queue, channels and log in one terminal.
    Console(ConsoleArgs),
    /// Follow what happens, live.
    Watch(WatchArgs),
    /// Links that let callers in.
    #[command(subcommand)]
    Invite(InviteCommand),
    /// People in the queue and on air.
    #[command(subcommand)]
    Caller(CallerCommand),
    /// Always-on outputs.
    #[command(subcommand)]
    Slot(SlotCommand),
    /// 24x7 outputs: a live input, a backup that loops, and where they go.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Places a channel is restreamed to.
    #[command(subcommand)]
    Destination(DestinationCommand),
    /// Live programmes.
    #[command(subcommand)]
    Show(ShowCommand),
    /// Who may sign in.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Servers by name, and which one commands go to.
    #[command(subcommand)]
    Context(ContextCommand),
    /// Sign in at a server with a token, and remember both.
    Login(LoginArgs),
    /// Look for what is wrong, and say how to mend it.
    Doctor(DoctorArgs),
    /// Copy the ledger of the running server to a file.
    Backup(BackupArgs),
    /// Put a backup in place, with the server stopped.
    Restore(RestoreArgs),
    /// Join a show with synthetic callers.
    Demo(DemoArgs),
    /// Completion script for a shell; ids come from the server.
    Completions(CompletionsArgs),
    /// Manual pages.
    Man(ManArgs),
    /// The version of this command.
    Version,
}
