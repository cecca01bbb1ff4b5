//! boothd: control and SFU edge. It parses no codec; media lives in workers.
//!
//! The way of a change: a door (`grpc`, `http`, `rtc`) → [`director`] → `booth_core::decide` → ledger → [`board`] →
//! watchers, and → [`reconcile`] → orders to workers. Facts come back the same way.

pub mod address;
pub mod board;
pub mod checks;
pub mod clock;
pub mod config;
pub mod demo;
pub mod director;
pub mod drills;
pub mod grpc;
pub mod http;
pub mod meters;
pub mod probe;
pub mod publish;
pub mod reconcile;
pub mod relay;
pub mod rtc;
pub mod secrets;
pub mod server;
pub mod sockets;
pub mod start;
pub mod supervise;
pub mod tls;
pub mod usage;
pub mod vmix;
