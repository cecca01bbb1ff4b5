use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// The servers that are known, and which is in use.
    List,
    /// Talk to this server from now on.
    Use {
        /// Context, as the list names it.
        #[arg(value_name = "CONTEXT")]
        context: String,
    },
    /// Remember a server (--server) and, if there are any, the files of its token (--token-file) and of its CA (--ca).
    #[command(
        override_usage = "booth context add CONTEXT --server URL [--token-file FILE] [--ca FILE]"
    )]
    Add {
        /// New name: a-z, 0-9, -.
        #[arg(value_name = "CONTEXT")]
        context: String,
    },
    /// Forget a server, and the token that `booth login` stored for it.
    Remove {
        /// Context, as the list names it.
        #[arg(value_name = "CONTEXT")]
        context: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// Context to make or to renew; the one in use when not given.
    #[arg(value_name = "CONTEXT")]
    pub context: Option<String>,
}
