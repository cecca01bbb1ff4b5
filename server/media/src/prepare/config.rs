//! Decoders' configurations out of GStreamer's caps.

use booth_stream::AudioConfig;
use bytes::Bytes;

/// `codec_data`: the decoder configuration record of H.264, the AudioSpecificConfig of AAC.
pub fn codec_data(caps: &gst::CapsRef) -> Option<Bytes> {
    let buffer = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let map = buffer.map_readable().ok()?;
    Some(Bytes::copy_from_slice(map.as_slice()))
}

/// Of raw AAC.
pub fn audio(caps: &gst::CapsRef) -> Result<AudioConfig, String> {
    let asc = codec_data(caps).ok_or("no decoder configuration")?;
    AudioConfig::from_asc(&asc).map_err(|error| error.to_string())
}
