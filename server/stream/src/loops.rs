//! What plays while there is no live input: a prepared file that is played again and again. Bytes and index stay where
//! they are, and what is asked for is read. Read by [`crate::Playout`], implemented by the loop file
//! ([`crate::loopfile::LoopFile`]) and by tests.

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
///
/// There is no slice of all units on purpose: 10 hours are 2.8 million of them, and a channel has 30 MB in all. Units
/// that are asked for one after the other, in either direction, cost a read of the file every hundred or so; two places
/// (a cursor per track) can be followed at a time.
pub trait LoopSource: Send + Sync {
    fn video(&self) -> &Arc<VideoConfig>;
    fn audio(&self) -> &Arc<AudioConfig>;
    /// Of one pass: the sum of its pictures.
    fn duration(&self) -> Nanos;
    /// Units of one pass, both tracks; at least one.
    fn count(&self) -> usize;
    /// Unit `index` in order of decoding: DTS never fall over both tracks, and rise within each. None past the end, or
    /// when the file cannot be read any more.
    fn unit(&self, index: usize) -> Option<LoopUnit>;
    /// The bytes of unit `index`; none when they cannot be read any more.
    fn read(&self, index: usize) -> Option<Bytes>;
    /// The last IDR shown at `pts` or before, else the first.
    fn key_before(&self, pts: Nanos) -> Option<usize>;
    /// Hint, about once a second: unit `index` is next, and the seconds after it should be in memory when they are due.
    fn ahead(&self, _index: usize) {}
}
