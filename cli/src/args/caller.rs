use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A caller by id, unique start of an id, exact name, or full resource name.
#[derive(Debug, Clone, Args)]
pub struct CallerRef {
    /// Caller: id (c7k2m9), unique start of an id, exact name ("Anna"), or shows/main/callers/c7k2m9.
    #[arg(value_name = "CALLER")]
    pub caller: String,
}

#[derive(Debug, Subcommand)]
pub enum CallerCommand {
    /// Everybody on the line, in queue order.
    List {
        /// Only this show.
        #[arg(long, value_name = "SHOW")]
        show: Option<String>,
        /// Those whose call has ended too.
        #[arg(long)]
        ended: bool,
    },
    /// One caller with notes and messages.
    Get(CallerRef),
    /// Mark as being screened.
    Screen(CallerRef),
    /// Make READY for air.
    Approve(CallerRef),
    /// End the call with a reason the caller is told.
    Reject {
        #[command(flatten)]
        who: CallerRef,
        /// What the caller is told.
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
    /// Keep on the line, passed over by `next`.
    Hold(CallerRef),
    /// Move to another place in the queue.
    Move {
        #[command(flatten)]
        who: CallerRef,
        /// New place; 1 is the head of the queue.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        to: u32,
    },
    /// Add a note that operators see.
    Note {
        #[command(flatten)]
        who: CallerRef,
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
    },
    /// End the call.
    #[command(override_usage = "booth caller drop [OPTIONS] (CALLER | --all [--show SHOW])")]
    Drop {
        #[command(flatten)]
        who: DropRef,
        /// Only this show (with --all).
        #[arg(long, value_name = "SHOW", conflicts_with = "caller")]
        show: Option<String>,
    },
    /// Silence in the slot.
    Mute(CallerRef),
    /// Let be heard again.
    Unmute(CallerRef),
    /// Send a message, or show the messages when no text is given.
    Chat {
        #[command(flatten)]
        who: CallerRef,
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Save the latest picture (JPEG) of a caller who is armed or on air.
    Tile {
        #[command(flatten)]
        who: CallerRef,
        /// Where to write it; stdout when that is not a terminal.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct DropRef {
    /// Caller: id, unique start of an id, exact name, or full resource name.
    #[arg(value_name = "CALLER")]
    pub caller: Option<String>,
    /// Everybody on the line.
    #[arg(long)]
    pub all: bool,
}
