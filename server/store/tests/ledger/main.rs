//! The ledger from outside: everything a crash, a bad disk or a full one may do to it.
// Helpers of tests, outside of `#[test]` functions, may stop at the first surprise too, and say what they saw.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod copies;
mod crash;
mod damage;
mod full;
mod house;
mod ordinary;
