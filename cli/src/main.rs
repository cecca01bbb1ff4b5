//! The `booth` binary: one command, one answer, one exit code.

// The command line is the one place that prints: data on stdout, talk on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod args;
mod client;
mod complete;
mod config;
mod confirm;
mod errors;
mod hints;
mod names;
mod progress;
mod render;
mod resolve;
mod sibling;
mod token;
mod tree;
mod verbs;

fn main() {
    // Ends here when a shell asks for completions.
    complete::answer();
    let code = app::main();
    // Not a return: a blocked read of the terminal must not keep an interrupted command alive.
    std::process::exit(code);
}
