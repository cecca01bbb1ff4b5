//! The plain RTMP handshake (Adobe RTMP 1.0 §5.2): 1,536 bytes each way, echoed. What encoders and platforms use today.

use std::hash::{BuildHasher, RandomState};

pub(crate) const VERSION: u8 = 3;
pub(crate) const PART: usize = 1536;

/// C1 or S1: time 0, four zero bytes (no digest), and filling that differs from session to session.
pub(crate) fn part() -> [u8; PART] {
    let mut part = [0; PART];
    // Nothing is kept secret by it: peers only echo it.
    let seed = RandomState::new();
    for (i, eight) in part[8..].chunks_exact_mut(8).enumerate() {
        eight.copy_from_slice(&seed.hash_one(i).to_be_bytes());
    }
    part
}
