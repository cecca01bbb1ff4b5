use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct ConsoleArgs {
    /// Whose queue and slots are shown.
    #[arg(long, default_value = "main", value_name = "SHOW")]
    pub show: String,
    /// Show everything, change nothing.
    #[arg(long)]
    pub read_only: bool,
    /// On-air keys act at once, without Enter.
    #[arg(long)]
    pub immediate: bool,
    /// Settings (else booth/config.toml in XDG_CONFIG_HOME or ~/.config).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write everything that happens to FILE: what callers wrote is in it, secrets are not.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Show a recorded session instead of a server.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// With --replay: print the last screen to stdout instead of opening the console.
    #[arg(long, value_enum, value_name = "FORMAT", requires = "replay")]
    pub snapshot: Option<SnapshotFormat>,
    /// With --snapshot: columns and rows.
    #[arg(long, value_name = "WxH", requires = "snapshot", value_parser = size)]
    pub size: Option<(u16, u16)>,
    /// With --snapshot: the screen at this time of the recording.
    #[arg(long, value_name = "TIME", requires = "snapshot", value_parser = super::parse::duration)]
    pub at: Option<std::time::Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SnapshotFormat {
    /// A picture.
    Svg,
    /// Characters alone.
    Text,
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parts = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parts
        .filter(|(w, h)| (1..=500).contains(w) && (1..=200).contains(h))
        .ok_or_else(|| "columns x rows, for example 100x30, at most 500x200".to_owned())
}
