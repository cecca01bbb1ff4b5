//! What sequence headers say.

use booth_stream::{AudioConfig, VideoCodec, VideoConfig};
use bytes::{Bytes, BytesMut};

/// Shortest records: up to the count of parameter sets.
const AVCC_MIN: usize = 7;
const HVCC_MIN: usize = 23;
/// Where the size of lengths is, in the two lowest bits, less one.
const AVCC_LENGTH_SIZE: usize = 4;
const HVCC_LENGTH_SIZE: usize = 21;

/// The config with lengths of 4 bytes, and the size of lengths as the encoder sends them.
pub(super) fn video(codec: VideoCodec, record: &Bytes) -> Option<(VideoConfig, usize)> {
    let (min, at) = match codec {
        VideoCodec::H264 => (AVCC_MIN, AVCC_LENGTH_SIZE),
        VideoCodec::H265 => (HVCC_MIN, HVCC_LENGTH_SIZE),
    };
    if record.len() < min || record[0] != 1 {
        return None;
    }
    let length_size = usize::from(record[at] & 3) + 1;
    let record = if length_size == 4 {
        record.clone()
    } else {
        let mut patched = BytesMut::from(&record[..]);
        patched[at] |= 3;
        patched.freeze()
    };
    let (profile, level) = match codec {
        VideoCodec::H264 => (record[1], record[3]),
        VideoCodec::H265 => (record[1] & 0x1F, record[12]),
    };
    let config = VideoConfig {
        codec,
        record,
        width: 0,
        height: 0,
        profile,
        level,
        fps_milli: 0,
        bit_depth: 8,
        chroma_420: true,
    };
    Some((config, length_size))
}

/// Sampling rates by their index (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// `None` if it is no AudioSpecificConfig of a kind of AAC.
pub(super) fn audio(asc: &Bytes) -> Option<AudioConfig> {
    let mut bits = Bits { data: asc, at: 0 };
    let object = bits.take(5)?;
    // Main, LC, SSR, LTP, and LC with spectral band replication or parametric stereo.
    if !matches!(object, 1..=5 | 29) {
        return None;
    }
    let rate = bits.rate()?;
    let channels = bits.take(4)?;
    if matches!(object, 5 | 29) {
        bits.rate()?;
        bits.take(5)?;
    }
    let short = bits.take(1)? == 1;
    Some(AudioConfig {
        asc: asc.clone(),
        sample_rate: rate,
        channels: match channels {
            7 => 8,
            n => u8::try_from(n).ok()?,
        },
        frame_samples: if short { 960 } else { 1024 },
    })
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            let byte = *self.data.get(self.at / 8)?;
            value = (value << 1) | u32::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24).filter(|rate| *rate > 0),
            index => RATES.get(usize::try_from(index).ok()?).copied(),
        }
    }
}
