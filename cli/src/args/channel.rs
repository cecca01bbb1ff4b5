use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::parse::{self, Size};
use super::slot::EncoderArg;

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Every channel: what it shows, who feeds it, where it goes.
    List,
    /// Make a 24x7 output. Its backup is checked at once and prepared then.
    Create {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        settings: Box<ChannelSettingsArgs>,
        /// Put it on air once its backup is prepared.
        #[arg(long)]
        start: bool,
        /// Do not wait until backup and slate are prepared.
        #[arg(long)]
        no_wait: bool,
    },
    /// One channel with its settings and destinations.
    Get {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// Change settings; what is not named stays. The old backup is on air until the new one is prepared.
    Update {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        settings: Box<ChannelSettingsArgs>,
        /// Do not wait until backup and slate are prepared.
        #[arg(long)]
        no_wait: bool,
    },
    /// Remove a channel that is off, with its destinations.
    Delete {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// Put the channel on air.
    Start {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Wait until something is on its output (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Take the channel off air: its publisher is disconnected, its destinations end.
    Stop {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Wait until nothing goes out any more (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Insist on the live input or the backup, or go back to automatic.
    Force {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// What to show.
        #[arg(value_enum, value_name = "live|backup|auto")]
        to: ForceArg,
        /// Wait until viewers see it; automatic is not waited for (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Make a new live key and print it; whoever publishes with the old one is disconnected.
    RotateKey {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// Print the live key.
    #[command(override_usage = "booth channel key CHANNEL --reveal")]
    Key {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Yes, show it; who was shown it is recorded.
        #[arg(long, required = true)]
        reveal: bool,
    },
    /// Disconnect the publisher, who may come back.
    Kick {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// What to enter in OBS, vMix or ffmpeg to publish to the channel, by RTMP, SRT or WHIP.
    Url {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Only for this tool.
        #[arg(long = "for", value_enum, value_name = "TOOL")]
        tool: Option<PublishTool>,
        /// Address of the server as publishers see it.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Show the key and the passphrase; who was shown them is recorded.
        #[arg(long)]
        reveal: bool,
    },
    /// Look at files as a backup: how long they are, and what preparing them would do.
    Check {
        /// Files on the server.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,
        /// Check against the format of this channel instead of the default one.
        #[arg(long = "for", value_name = "CHANNEL")]
        channel: Option<String>,
    },
    /// Rehearse failover and failback on a shadow of the channel; what is on air is untouched.
    Drill {
        /// Channel: radio or channels/radio.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForceArg {
    Live,
    Backup,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PublishTool {
    Obs,
    Ffmpeg,
    Vmix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Pass packets on undecoded; sources change at key frames.
    Copy,
    /// Decode and encode everything; sources change at any frame.
    Transcode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackupStartArg {
    /// From its beginning.
    Beginning,
    /// Where it left the air.
    Resume,
    /// Where it would be had it played all the time.
    Running,
}

#[derive(Debug, Clone, Args)]
pub struct ChannelSettingsArgs {
    /// For people; the id stays.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// How the output is made.
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Files on the server that loop while there is no live input, one after the other.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "no_backup")]
    pub backup: Vec<String>,
    /// Have none: the slate is shown instead.
    #[arg(long)]
    pub no_backup: bool,
    /// Picture on the server (PNG or JPEG) for when there is neither live input nor backup.
    #[arg(long, value_name = "FILE", conflicts_with = "no_slate")]
    pub slate: Option<String>,
    /// Black instead of a slate.
    #[arg(long)]
    pub no_slate: bool,
    /// Size of the backup, and of the output when it is transcoded.
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// 24, 25, 30, 50 or 60.
    #[arg(long, value_name = "N")]
    pub fps: Option<u32>,
    #[arg(long, value_name = "KBPS")]
    pub video_bitrate: Option<u32>,
    #[arg(long, value_name = "KBPS")]
    pub audio_bitrate: Option<u32>,
    #[arg(long, value_enum)]
    pub encoder: Option<EncoderArg>,
    /// x264 speed preset, ultrafast to medium.
    #[arg(long, value_name = "PRESET")]
    pub preset: Option<String>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Also take the live input by SRT on this UDP port; 0 takes the next free one.
    #[arg(long, value_name = "P", conflicts_with = "no_srt")]
    pub srt_port: Option<u16>,
    /// Take no live input by SRT any more.
    #[arg(long)]
    pub no_srt: bool,
    /// Latency of the SRT input in milliseconds, 20 to 8000.
    #[arg(long, value_parser = parse::milliseconds, value_name = "MS")]
    pub srt_latency: Option<u32>,
    /// Stream id that SRT publishers must send; empty for the channel's id.
    #[arg(long, value_name = "ID")]
    pub srt_stream_id: Option<String>,
    /// File with the passphrase of the SRT input (10 to 64 characters); - reads stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "no_srt_passphrase")]
    pub srt_passphrase_file: Option<PathBuf>,
    /// Take SRT without encryption.
    #[arg(long)]
    pub no_srt_passphrase: bool,
    /// Give the output to watch by SRT on this UDP port; 0 for none.
    #[arg(long, value_name = "P")]
    pub monitor_port: Option<u16>,
    /// Give the output to watch as HLS.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub hls: Option<bool>,
}

/// When sources change. A bare number counts milliseconds; 500ms, 5s and 10m are understood.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "When sources change (milliseconds, or with a unit: 300ms, 5s, 10m)")]
pub struct PolicyArgs {
    /// The live input has to be without a gap for this long to be taken (5s).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub stable: Option<u32>,
    /// No video frame for this long: it is lost (300ms).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub lost: Option<u32>,
    /// How far the output is behind the live input; more than --lost hides a loss. Transcoding uses 400ms of it at most
    /// (600ms).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub delay: Option<u32>,
    /// A live input that comes and goes has to be stable for ever longer, up to this (60s).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub stable_max: Option<u32>,
    /// Lost as well when the picture stands still for this long; 0 for never.
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub frozen: Option<u32>,
    /// Lost as well when the picture is black for this long; 0 for never.
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub black: Option<u32>,
    /// Lost as well when the sound is silent for this long; 0 for never.
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub silent: Option<u32>,
    /// A second publisher is let in once the first has been LOST, see --lost, for this long (1s).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub takeover: Option<u32>,
    /// Where the backup goes on when it comes to air.
    #[arg(long, value_enum)]
    pub backup_start: Option<BackupStartArg>,
    /// Crossfade between sources when the channel is transcoded; 0 for a cut.
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub fade: Option<u32>,
    /// Alert when a channel that is not forced shows no live input for this long; 0 for never (5m).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub alert_backup: Option<u32>,
    /// Alert when a destination is down for this long; 0 for never (30s).
    #[arg(long, value_parser = parse::milliseconds, value_name = "TIME")]
    pub alert_destination: Option<u32>,
}
