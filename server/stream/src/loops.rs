//! What plays while there is no live input: a prepared file that is played again and again. The bytes stay where they
//! are; only the index is in memory. Read by [`crate::Playout`], implemented by the loop file and by tests.

use std::sync::Arc;

use bytes::Bytes;

use crate::{AudioConfig, Nanos, Track, VideoConfig};

/// Where one access unit is, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopUnit {
    pub track: Track,
    pub key: bool,
    /// From the beginning of a pass. A first picture that is reordered has `dts < 0`, so that its `pts` is 0.
    pub dts: Nanos,
    pub pts: Nanos,
    /// Where the bytes are; the playout passes over it.
    pub offset: u64,
    pub size: u32,
}

/// One picture and one sound track that end together and begin again without a seam: the first video unit is an IDR at
/// `pts` 0, the last one ends at `duration`, and audio starts within one AAC frame of 0.
pub trait LoopSource: Send + Sync {
    fn video(&self) -> &Arc<VideoConfig>;
    fn audio(&self) -> &Arc<AudioConfig>;
    /// Of one pass: the sum of its pictures.
    fn duration(&self) -> Nanos;
    /// In order of decoding within each track.
    fn units(&self) -> &[LoopUnit];
    /// The bytes of unit `index`; none when they cannot be read any more.
    fn read(&self, index: usize) -> Option<Bytes>;
}
