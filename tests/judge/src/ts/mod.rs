//! MPEG transport stream (ISO/IEC 13818-1): packets, tables, PES, and a small writer that feeds decoders and tests.

pub mod packet;
pub mod pes;
pub mod psi;
pub mod sync;
pub mod write;

/// Length of a transport packet.
pub const PACKET_LEN: usize = 188;
/// First byte of every packet.
pub const SYNC_BYTE: u8 = 0x47;
/// Packets of this PID are stuffing.
pub const NULL_PID: u16 = 0x1fff;
/// Ticks per second of PTS and DTS.
pub const CLOCK_HZ: i64 = 90_000;

/// Milliseconds of a number of 90 kHz ticks.
pub fn ticks_to_ms(ticks: i64) -> f64 {
    ticks as f64 / 90.0
}
