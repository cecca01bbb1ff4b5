//! Access units and what decoders need to know of them.

use std::sync::Arc;

use bytes::Bytes;

/// Stream time in nanoseconds. Where it begins is each source's own business; only differences mean something.
pub type Nanos = i64;

pub const SECOND: Nanos = 1_000_000_000;
pub const MILLISECOND: Nanos = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    Video,
    Audio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    H264,
    H265,
}

/// What a video decoder is set up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoConfig {
    pub codec: VideoCodec,
    /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3) or HEVCDecoderConfigurationRecord (§8.3.3). Units have
    /// NAL units behind 4-byte big-endian lengths: whoever makes a config normalises others to that.
    pub record: Bytes,
    /// In pixels, after cropping.
    pub width: u32,
    pub height: u32,
    /// `profile_idc` and `level_idc` of the sequence parameter set.
    pub profile: u8,
    pub level: u8,
    /// From the sequence parameter set's timing, times 1000; 0 when it says none.
    pub fps_milli: u32,
    /// Bits of a luma sample, and whether chroma is 4:2:0: platforms refuse anything but 8 and true.
    pub bit_depth: u8,
    pub chroma_420: bool,
}

/// What an AAC decoder is set up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioConfig {
    /// AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
    pub asc: Bytes,
    pub sample_rate: u32,
    pub channels: u8,
    /// Samples of one access unit: 1024, or 960.
    pub frame_samples: u32,
}

impl AudioConfig {
    /// Duration of one access unit.
    #[must_use]
    pub fn frame(&self) -> Nanos {
        let rate = i64::from(self.sample_rate.max(1));
        (i64::from(self.frame_samples) * SECOND + rate / 2) / rate
    }
}

/// One coded picture or one AAC frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    pub track: Track,
    /// When it is decoded; never falls within a track.
    pub dts: Nanos,
    /// When it is shown or heard; `pts >= dts`.
    pub pts: Nanos,
    /// A decoder can start here (IDR; every AAC frame).
    pub key: bool,
    /// Length-prefixed NAL units, or one raw AAC frame without ADTS.
    pub data: Bytes,
}

/// What flows from a source to an output, in order of decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// Holds for the units that follow.
    Video(Arc<VideoConfig>),
    Audio(Arc<AudioConfig>),
    Unit(AccessUnit),
}
