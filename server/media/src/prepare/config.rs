//! Decoders' configurations out of GStreamer's caps.

use booth_stream::{AudioConfig, VideoCodec, VideoConfig};
use bytes::Bytes;

/// Of H.264 with length-prefixed units.
pub fn video(caps: &gst::CapsRef) -> Result<VideoConfig, &'static str> {
    let structure = caps.structure(0).ok_or("no format")?;
    let record = codec_data(structure).ok_or("no decoder configuration")?;
    if record.len() < 7 || record[0] != 1 {
        return Err("a damaged decoder configuration");
    }
    if record[4] & 3 != 3 {
        return Err("length prefixes that are not of 4 bytes");
    }
    let number = |field| {
        structure
            .get::<i32>(field)
            .ok()
            .and_then(|value| u32::try_from(value).ok())
    };
    let (width, height) = number("width").zip(number("height")).ok_or("no size")?;
    let fps_milli = structure
        .get::<gst::Fraction>("framerate")
        .map_or(0, |rate| {
            let milli = i64::from(rate.numer()) * 1000 / i64::from(rate.denom().max(1));
            u32::try_from(milli).unwrap_or(0)
        });
    let (profile, level) = (record[1], record[3]);
    Ok(VideoConfig {
        codec: VideoCodec::H264,
        record,
        width,
        height,
        profile,
        level,
        fps_milli,
        bit_depth: structure
            .get::<u32>("bit-depth-luma")
            .map_or(8, |depth| depth as u8),
        chroma_420: structure
            .get::<&str>("chroma-format")
            .map_or(true, |chroma| chroma == "4:2:0"),
    })
}

/// Of raw AAC.
pub fn audio(caps: &gst::CapsRef) -> Result<AudioConfig, &'static str> {
    let structure = caps.structure(0).ok_or("no format")?;
    let asc = codec_data(structure).ok_or("no decoder configuration")?;
    let number = |field| structure.get::<i32>(field).ok();
    let sample_rate = number("rate").and_then(|rate| u32::try_from(rate).ok());
    let channels = number("channels").and_then(|count| u8::try_from(count).ok());
    // The flag behind type, rate and channels: 960 samples instead of 1024.
    let short = asc.get(1).is_some_and(|byte| byte & 0b100 != 0);
    Ok(AudioConfig {
        asc,
        sample_rate: sample_rate.ok_or("no sample rate")?,
        channels: channels.ok_or("no channels")?,
        frame_samples: if short { 960 } else { 1024 },
    })
}

fn codec_data(structure: &gst::StructureRef) -> Option<Bytes> {
    let buffer = structure.get::<gst::Buffer>("codec_data").ok()?;
    let map = buffer.map_readable().ok()?;
    Some(Bytes::copy_from_slice(map.as_slice()))
}
