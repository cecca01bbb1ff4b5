//! AAC in ADTS frames (ISO/IEC 13818-7 §6.2, 14496-3 §1.A.2.2).

/// Samples per channel of one raw data block.
pub const SAMPLES: u32 = 1024;

const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    /// MPEG-4 audio object type: 2 is AAC-LC.
    pub object_type: u8,
    pub sample_rate: u32,
    pub channels: u8,
    pub frame_length: usize,
    pub samples: u32,
}

impl AdtsHeader {
    pub fn parse(data: &[u8]) -> Option<Self> {
        let &[sync, second, third, fourth, fifth, sixth, seventh] = data.first_chunk::<7>()?;
        if sync != 0xff || second & 0xf6 != 0xf0 {
            return None;
        }
        let frame_length =
            usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let header_length = if second & 1 == 0 { 9 } else { 7 };
        if frame_length < header_length {
            return None;
        }
        Some(Self {
            object_type: (third >> 6) + 1,
            sample_rate: *RATES.get(usize::from(third >> 2 & 0x0f))?,
            channels: (third & 1) << 2 | fourth >> 6,
            frame_length,
            samples: SAMPLES * (u32::from(seventh & 3) + 1),
        })
    }

    /// Duration in 90 kHz ticks.
    pub fn ticks(&self) -> f64 {
        f64::from(self.samples) * 90_000.0 / f64::from(self.sample_rate)
    }
}

/// The next whole frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Garbage before a frame: so many bytes to pass over.
    Skip(usize),
    Frame(AdtsHeader),
    /// More bytes are needed.
    Short,
}

/// Looks at the start of `data`.
pub fn next_frame(data: &[u8]) -> Next {
    if data.len() < 7 {
        return Next::Short;
    }
    match AdtsHeader::parse(data) {
        Some(header) if header.frame_length <= data.len() => Next::Frame(header),
        Some(_) => Next::Short,
        None => {
            let sync = data[1..]
                .windows(2)
                .position(|w| w[0] == 0xff && w[1] & 0xf6 == 0xf0);
            Next::Skip(sync.map_or(data.len() - 1, |p| p + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stereo_48k_frame_is_read_and_garbage_before_it_passed_over() {
        let header = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x7f, 0xfc];
        let mut frame = header.to_vec();
        frame.resize(11, 0);
        let Next::Frame(read) = next_frame(&frame) else {
            panic!("no frame")
        };
        assert_eq!(
            (
                read.object_type,
                read.sample_rate,
                read.channels,
                read.frame_length
            ),
            (2, 48_000, 2, 11)
        );
        assert_eq!(read.ticks(), 1920.0);
        let mut dirty = vec![1, 2, 3];
        dirty.extend(&frame);
        assert_eq!(next_frame(&dirty), Next::Skip(3));
        assert_eq!(next_frame(&frame[..10]), Next::Short);
    }
}
