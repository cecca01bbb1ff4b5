//! The real binary against a fake server: what it sends, prints, says and returns.

mod backup;
mod exits;
mod fake;
mod help;
mod output;
mod pictures;
mod retry;
mod rpcs;
mod run;
mod siblings;
mod wait;
mod watch;
