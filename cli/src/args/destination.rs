use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::parse;

#[derive(Debug, Subcommand)]
pub enum DestinationCommand {
    /// Where a channel is restreamed to, and how that goes.
    List {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// Restream to one more place.
    #[command(group = clap::ArgGroup::new("place").required(true).multiple(true).args(["url", "preset"]))]
    Add {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "NAME")]
        destination: String,
        #[command(flatten)]
        settings: DestinationSettingsArgs,
        /// Do not connect yet.
        #[arg(long)]
        disabled: bool,
    },
    /// One destination with its settings.
    Get {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
    },
    /// Change settings; what is not named stays. It reconnects.
    Update {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
        #[command(flatten)]
        settings: DestinationSettingsArgs,
    },
    /// Connect; one that failed for good is tried again.
    Enable {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
        /// Wait until it is LIVE (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Disconnect, and stay so.
    Disable {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
        /// Wait until it is disconnected (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Disconnect and forget it, with its key.
    Remove {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
    },
    /// Print its key.
    #[command(override_usage = "booth destination key CHANNEL NAME --reveal")]
    Key {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Destination, as the list names it.
        #[arg(value_name = "NAME")]
        destination: String,
        /// Yes, show it; who was shown it is recorded.
        #[arg(long, required = true)]
        reveal: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PresetArg {
    Custom,
    Youtube,
    YoutubeBackup,
    Facebook,
    Twitch,
}

#[derive(Debug, Clone, Args)]
pub struct DestinationSettingsArgs {
    /// Brings the address, and what else the place needs.
    #[arg(long, value_enum)]
    pub preset: Option<PresetArg>,
    /// rtmp://, rtmps:// or srt://, without the key.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// File with the stream key (RTMP) or passphrase (SRT); - reads stdin. Never on the command line, where others see it.
    #[arg(long, value_name = "FILE", conflicts_with = "no_key")]
    pub key_file: Option<PathBuf>,
    /// Send without a key.
    #[arg(long)]
    pub no_key: bool,
    /// Reconnect by plan after this long, for places that end long sessions; 0 for never (0; preset facebook 7h55m).
    #[arg(long, value_parser = parse::seconds, value_name = "TIME")]
    pub session_max: Option<u32>,
    /// SRT latency in milliseconds, 20 to 8000.
    #[arg(long, value_parser = parse::milliseconds, value_name = "MS")]
    pub latency: Option<u32>,
    /// SRT stream id; empty for none.
    #[arg(long, value_name = "ID")]
    pub stream_id: Option<String>,
}
