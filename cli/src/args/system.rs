use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Go on after this revision instead of starting with a snapshot.
    #[arg(
        long,
        value_name = "REVISION",
        default_value_t = 0,
        conflicts_with = "meters"
    )]
    pub since: u64,
    /// Only what belongs to this show.
    #[arg(long, value_name = "SHOW", conflicts_with = "meters")]
    pub show: Option<String>,
    /// Levels and quality instead of events.
    #[arg(long)]
    pub meters: bool,
    /// Most meter readings a second, 1 to 15.
    #[arg(long, value_name = "N", default_value_t = 2, requires = "meters", value_parser = clap::value_parser!(u32).range(1..=15))]
    pub rate: u32,
}

#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// Written as FILE.part first, so that FILE is always whole.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// File.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The stopped server's data directory (else BOOTH_DATA, else BOOTH_DATA_DIR, else ./data).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub callers: u32,
    #[arg(long, default_value = "main", value_name = "SHOW")]
    pub show: String,
    /// Base of join links; the server's own when not given.
    #[arg(long, value_name = "URL")]
    pub base: Option<String>,
    /// How long they stay; until interrupted when not given.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u32>,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: ShellArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    Bash,
    Zsh,
    Fish,
    Elvish,
    #[value(name = "powershell")]
    PowerShell,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write one page per command into this directory; else one page goes to stdout.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The command whose page is printed, for example `slot take`.
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub page: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Only these checks; all when none is named.
    #[arg(value_name = "CHECK", value_parser = checks())]
    pub checks: Vec<String>,
}

fn checks() -> PossibleValuesParser {
    use booth_proto::checks::{CLIENT, SERVER};
    PossibleValuesParser::new(CLIENT.into_iter().chain(SERVER))
}
