use std::time::Duration;

use clap::{Args, Subcommand};

use super::parse;

#[derive(Debug, Subcommand)]
pub enum ShowCommand {
    /// Every show and its state.
    List,
    /// Make a show; it starts stopped.
    Create {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "SHOW")]
        show: String,
        /// For people; the id stays.
        #[arg(long, default_value = "", value_name = "TEXT")]
        title: String,
    },
    /// One show with its queue.
    Get {
        /// Show: its id, for example main.
        #[arg(value_name = "SHOW")]
        show: String,
    },
    /// Change title or settings; what is not named stays.
    Update {
        /// Show: its id, for example main.
        #[arg(value_name = "SHOW")]
        show: String,
        /// For people; the id stays.
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,
        #[command(flatten)]
        settings: ShowSettingsArgs,
    },
    /// Open a show for callers.
    Start {
        /// Show: its id, for example main.
        #[arg(value_name = "SHOW")]
        show: String,
    },
    /// Start a show that is in ERROR again.
    Retry {
        /// Show: its id, for example main.
        #[arg(value_name = "SHOW")]
        show: String,
    },
    /// Take no more callers; who is there stays.
    Stop {
        /// Show: its id, for example main.
        #[arg(value_name = "SHOW")]
        show: String,
    },
    /// Remove a stopped show without callers and slots.
    Delete {
        /// Show: its id, for example main.
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
