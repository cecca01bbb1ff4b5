//! Completion scripts: each asks this program while the shell waits, see `complete`.

use clap_complete::env::Shells;

use crate::app::Ctx;
use crate::args::{CompletionsArgs, ShellArg};
use crate::complete::VARIABLE;
use crate::errors::{Failure, Outcome};

pub fn run(ctx: &Ctx, args: CompletionsArgs) -> Outcome {
    let shell = match args.shell {
        ShellArg::Bash => "bash",
        ShellArg::Zsh => "zsh",
        ShellArg::Fish => "fish",
        ShellArg::Elvish => "elvish",
        ShellArg::PowerShell => "powershell",
    };
    let mut script = Vec::new();
    let written = match Shells::builtins().completer(shell) {
        Some(completer) => {
            completer.write_registration(VARIABLE, "booth", "booth", "booth", &mut script)
        }
        None => Err(std::io::Error::other("this shell is not known")),
    };
    written.map_err(|error| Failure::error(format!("cannot write the script: {error}")))?;
    ctx.out.bytes(&script)
}
