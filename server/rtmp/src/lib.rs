//! RTMP at both ends: the guarded [`server`] that encoders publish to, and the [`publisher`] that feeds destinations.
//!
//! ```text
//!  amf, chunk, handshake, flv   bytes in, values out: no I/O, no clock; bounded, never recursing deeper than they say
//!        │
//!        ├─▶ server     one session per encoder: nothing is believed until its publish is authorised
//!        └─▶ publisher  one session per destination: a peer that is stuck is found, and told apart from one that refuses
//! ```

mod amf;
mod chunk;
mod flv;
mod handshake;
pub mod publisher;
pub mod server;
