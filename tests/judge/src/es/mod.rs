//! Elementary streams: H.264 parameter sets and slices, ADTS frames.

pub mod adts;
pub mod bits;
pub mod h264;
