//! Both ends against real encoders and players, against each other, and against those who mean ill.

// Clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod help;
mod interop;
mod peers;
mod round_trip;
mod strangers;
