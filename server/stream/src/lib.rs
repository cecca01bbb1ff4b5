//! Streams of access units, without clock, network, threads or GStreamer: what live inputs, loops and outputs of channels
//! are made of, when a channel changes from one to the other, and the containers they travel in. Only loop files do I/O.
//!
//! ```text
//!  RTMP, SRT, WHIP ─▶ MediaEvent ─▶ live (delay line) ─┐
//!                                                      ├─▶ playout (policy, one clock) ─▶ MediaEvent ─▶ FLV, TS, HLS
//!  prepared loop file ─▶ loops ────────────────────────┘
//! ```

pub mod aac;
pub mod demux;
pub mod h264;
pub mod h265;
pub mod hls;
mod live;
pub mod loopfile;
mod loops;
pub mod nal;
mod playout;
mod policy;
pub mod ts;
mod unit;
pub mod video;
pub mod wire;

pub use loops::*;
pub use playout::*;
pub use policy::*;
pub use unit::*;
