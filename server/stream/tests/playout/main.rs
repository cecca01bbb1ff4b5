//! Copy playout against simulated publishers, on a clock that runs as fast as the machine does. Everything that goes out
//! passes the oracle.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod failover;
mod inputs;
mod loops;
mod oracle;
mod random;
mod sim;
mod sources;
