//! Media in RTMP messages: FLV tag bodies (Adobe FLV 10.1 §E.4) and the enhanced ones of E-RTMP v1.

mod demux;
mod mux;
mod time;

pub(crate) use demux::{Demuxer, Unusable};
pub(crate) use mux::Muxer;

/// Video codecs of the first byte's low half.
const AVC: u8 = 7;
/// Frame types of its high half.
const KEY_FRAME: u8 = 1;
const INTER_FRAME: u8 = 2;
/// First byte of an enhanced video tag.
const ENHANCED: u8 = 0x80;
const HVC1: &[u8; 4] = b"hvc1";
/// What follows a tag's header.
const SEQUENCE_HEADER: u8 = 0;
const CODED: u8 = 1;
/// Coded frames whose composition time is 0, in enhanced tags.
const CODED_WITHOUT_OFFSET: u8 = 3;
/// AAC, 44 kHz, 16 bits, stereo: what FLV wants said of every AAC.
const AAC_HEADER: u8 = 0xAF;
