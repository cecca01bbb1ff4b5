//! Where the live input comes from: the ingest worker's socket, an SRT listener of our own, or RTP over boothd's link.
//! All end in the same way: `live_begin`, events and `live_end` at the program.

mod socket;
mod srt;
mod whip;

pub use socket::{MediaSocket, SocketEvent};
pub use srt::{Door, SrtEvent, SrtInput, SrtListen};
pub use whip::{WhipEvent, WhipInput};
