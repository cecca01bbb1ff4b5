use std::time::Duration;

use clap::{Args, Subcommand};

use super::parse;

#[derive(Debug, Subcommand)]
pub enum ShowCommand {
    List,
    Create {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "SHOW")]
        show: String,
        #[arg(long, default_value = "", value_name = "TEXT")]
        title: String,
    },
    Get {
        #[arg(value_name = "SHOW")]
        show: String,
    },
    /// Change title or settings; what is not named stays.
    Update {
        #[arg(value_name = "SHOW")]
        show: String,
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,
        #[command(flatten)]
        settings: ShowSettingsArgs,
    },
    Start {
        #[arg(value_name = "SHOW")]
        show: String,
    },
    Stop {
        #[arg(value_name = "SHOW")]
        show: String,
    },
    Delete {
        #[arg(value_name = "SHOW")]
        show: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ShowSettingsArgs {
    /// How long a caller without media keeps the place.
    #[arg(long, value_parser = parse::duration, value_name = "TIME")]
    pub grace: Option<Duration>,
    /// How long a caller on air keeps the slot without media.
    #[arg(long, value_parser = parse::duration, value_name = "TIME")]
    pub on_air_grace: Option<Duration>,
    /// Most callers at a time.
    #[arg(long, value_name = "N")]
    pub max_callers: Option<u32>,
    /// Whether new callers may join.
    #[arg(long, value_name = "true|false")]
    pub open: Option<bool>,
}
