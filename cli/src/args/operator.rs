use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::parse;

#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Everybody who may sign in.
    List,
    /// Add somebody; the token is printed once.
    Add {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "NAME")]
        operator: String,
        #[arg(long, value_enum)]
        role: RoleArg,
        /// Name shown to others.
        #[arg(long, default_value = "", value_name = "TEXT")]
        display_name: String,
    },
    /// One more token for the same operator, printed once.
    Token {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "NAME")]
        operator: String,
    },
    /// Take back every token and remove the operator.
    Revoke {
        /// Id: a-z, 0-9, -.
        #[arg(value_name = "NAME")]
        operator: String,
    },
    /// A token of minutes or hours for addresses (`?token=`): opens tiles and event streams, changes nothing.
    Link {
        /// How long it opens them, up to 24h (default 15m).
        #[arg(long, value_parser = parse::duration, value_name = "TIME")]
        ttl: Option<Duration>,
    },
    /// Whose token this is.
    Whoami,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Reads everything but secrets.
    Viewer,
    /// Also works the queue and talks with callers.
    Screener,
    /// Also takes callers to air and changes shows and slots.
    Operator,
    /// Also manages operators and backups.
    Admin,
}
