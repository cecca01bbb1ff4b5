//! The ledger from outside: everything a crash, a bad disk or a full one may do to it.

mod damage;
mod house;
mod ordinary;
