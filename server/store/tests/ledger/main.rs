//! The ledger from outside: everything a crash, a bad disk or a full one may do to it.

mod house;
mod ordinary;
