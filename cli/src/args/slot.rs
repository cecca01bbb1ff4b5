use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::parse::{self, Idle, Size};

#[derive(Debug, Subcommand)]
pub enum SlotCommand {
    /// Every slot and who is on it.
    List,
    /// Make an output.
    Create {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Whose queue `--next` takes from.
        #[arg(long, default_value = "main", value_name = "SHOW")]
        show: String,
        #[command(flatten)]
        settings: SlotSettingsArgs,
    },
    /// One slot with its settings.
    Get {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
    },
    /// Change settings; what is not named stays. Most restart the slot's output.
    Update {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        #[command(flatten)]
        settings: SlotSettingsArgs,
    },
    /// Remove an output; who is on it goes on hold.
    Delete {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
    },
    /// Put a caller on air.
    #[command(override_usage = "booth slot take [OPTIONS] SLOT (CALLER | --next)")]
    #[command(group = clap::ArgGroup::new("pick").required(true).args(["caller", "next"]))]
    Take {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Caller: id, unique start of an id, exact name, or full resource name.
        #[arg(value_name = "CALLER")]
        caller: Option<String>,
        /// The first READY caller of the queue.
        #[arg(long)]
        next: bool,
        #[command(flatten)]
        transition: TransitionArgs,
        /// Even if the caller is not READY or not connected, and replacing whoever is on the slot.
        #[arg(long = "override")]
        force: bool,
        /// Wait until the caller is on the output (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Take whoever is on the slot off air; they stay on the line, on hold.
    Release {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Back to READY, at the end of the queue.
        #[arg(long, conflicts_with = "drop")]
        requeue: bool,
        /// End the call.
        #[arg(long)]
        drop: bool,
        #[command(flatten)]
        transition: TransitionArgs,
        /// Wait until they are off the output (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// Get a caller's picture and sound ready ahead of a take.
    #[command(override_usage = "booth slot arm [OPTIONS] SLOT (CALLER | --auto)")]
    #[command(group = clap::ArgGroup::new("arm").required(true).args(["caller", "auto"]))]
    Arm {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Caller: id, unique start of an id, exact name, or full resource name.
        #[arg(value_name = "CALLER")]
        caller: Option<String>,
        /// Go back to whoever is next.
        #[arg(long, conflicts_with = "wait")]
        auto: bool,
        /// Wait until the caller is decoded and ready (at most --timeout).
        #[arg(long)]
        wait: bool,
    },
    /// What to enter in vMix, OBS, ffmpeg or GStreamer to receive the slot.
    Url {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Tool that receives it; each counts latency its own way.
        #[arg(long = "for", value_enum, value_name = "TOOL")]
        tool: Tool,
        /// Address of the server as that tool sees it.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// Save the latest picture (JPEG) of the output.
    Tile {
        /// Slot: 1, 2, … or slots/1.
        #[arg(value_name = "SLOT")]
        slot: String,
        /// Where to write it; stdout when that is not a terminal.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    Vmix,
    Obs,
    Ffmpeg,
    Gst,
}

#[derive(Debug, Clone, Args)]
pub struct TransitionArgs {
    /// Switch within one frame (what happens without --fade).
    #[arg(long, conflicts_with = "fade")]
    pub cut: bool,
    /// Crossfade of this many milliseconds.
    #[arg(long, value_parser = parse::milliseconds, value_name = "MS")]
    pub fade: Option<u32>,
}

impl TransitionArgs {
    pub const CUT: Self = Self {
        cut: true,
        fade: None,
    };
}

#[derive(Debug, Clone, Args)]
pub struct SlotSettingsArgs {
    /// For people; the id stays.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Listen for SRT on this UDP port (the next free one when nothing is said).
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "push")]
    pub port: Option<u16>,
    /// Connect to an SRT listener instead (srt://host:port).
    #[arg(long, value_name = "URL")]
    pub push: Option<String>,
    /// Stream id that receivers must send; empty accepts any.
    #[arg(long, value_name = "ID")]
    pub stream_id: Option<String>,
    /// File with the AES passphrase (10 to 64 characters); - reads stdin. Never on the command line, where others see it.
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Send without encryption.
    #[arg(long)]
    pub no_passphrase: bool,
    /// SRT latency in milliseconds, 20 to 8000.
    #[arg(long, value_parser = parse::milliseconds, value_name = "MS")]
    pub latency: Option<u32>,
    /// Shown when nobody is on: black, test, image:/path, video:/path (on the server).
    #[arg(long, value_name = "SOURCE")]
    pub idle: Option<Idle>,
    /// No picture at all.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = ArgAction::Set)]
    pub audio_only: Option<bool>,
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
    /// The vMix that receives the slot tells its tally (TCP API, port 8099 when none is given); changes restart no output.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub vmix: Option<String>,
    /// The input that shows the slot there: number, key or full name.
    #[arg(long, value_name = "N|KEY|NAME")]
    pub vmix_input: Option<String>,
    /// A title there that gets the caller's name, and its field (the first one when not named): 12/Headline.Text; empty
    /// for none.
    #[arg(long, value_name = "INPUT[/FIELD]")]
    pub vmix_title: Option<String>,
    /// No vMix any more.
    #[arg(long, conflicts_with_all = ["vmix", "vmix_input", "vmix_title"])]
    pub no_vmix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncoderArg {
    X264,
    Openh264,
}
