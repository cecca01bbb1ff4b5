//! Completion scripts, made from the command tree itself.

use clap::CommandFactory;

use crate::app::Ctx;
use crate::args::{Cli, CompletionsArgs};
use crate::errors::Outcome;

pub fn run(ctx: &Ctx, args: CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "booth", &mut script);
    ctx.out.bytes(&script)
}
