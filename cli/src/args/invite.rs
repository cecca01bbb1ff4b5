use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::parse;

#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make a link; it is printed once.
    Create {
        /// Show that it leads to.
        #[arg(long, default_value = "main", value_name = "SHOW")]
        show: String,
        /// Who joins by it.
        #[arg(long, value_enum, default_value_t = KindArg::Caller)]
        role: KindArg,
        /// Name of whoever joins; they choose when not given.
        #[arg(long, default_value = "", value_name = "NAME")]
        name: String,
        /// How many may join by it; 0 is without limit.
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u32,
        /// How long it works (2h, 7d); 24 hours when not given, 30 days at most.
        #[arg(long, value_parser = parse::duration, value_name = "TIME")]
        ttl: Option<Duration>,
        /// Show it as a QR code on stderr too.
        #[arg(long)]
        qr: bool,
    },
    /// Links that were made.
    List {
        #[arg(long, default_value = "main", value_name = "SHOW")]
        show: String,
    },
    /// Take a link back; callers who joined by it stay.
    Delete {
        /// Id (i9f3) or shows/main/invites/i9f3.
        #[arg(value_name = "INVITE")]
        invite: String,
        /// Show of a short id.
        #[arg(long, default_value = "main", value_name = "SHOW")]
        show: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Caller,
    Host,
}
