//! The ledger from outside: everything a crash, a bad disk or a full one may do to it.

mod crash;
mod damage;
mod full;
mod house;
mod ordinary;
