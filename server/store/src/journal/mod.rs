//! The journal: the truth. Append-only segment files of checksummed, chained frames.
//!
//! `scan` reads and judges what is there, `heal` writes the judgement down, `disk` appends.

mod crc;
pub mod disk;
pub mod frame;
pub mod heal;
pub mod scan;
pub mod segment;

pub use frame::Chain;

/// Version of the JSON in a record's payload.
pub const RECORD_VERSION: u16 = 1;
