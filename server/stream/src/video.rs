//! Video configurations out of records and parameter sets, what they are called and where they differ; and the pictures
//! that come with them, brought into booth's form whatever container they came in.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::nal::{self, NalError};
use crate::{VideoCodec, VideoConfig, h264, h265};

/// Parameter sets of one kind: encoders have one or two.
pub(crate) const MAX_SETS: usize = 16;
/// Level 6.2 of H.264 ends at 16 320 lines or columns, H.265 at 16 888.
pub(crate) const MAX_DIMENSION: u32 = 16_888;
/// What a record's lengths can say, well below what a process would mind.
const MAX_SET: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("there is no {0}")]
    Missing(&'static str),
    #[error("damaged {0}")]
    Damaged(&'static str),
    #[error("not a {0}")]
    NotA(&'static str),
    #[error("configuration record of version {0}")]
    Version(u8),
    #[error("more than {MAX_SETS} parameter sets of a kind, or one longer than {MAX_SET} bytes")]
    TooMany,
}

impl VideoConfig {
    /// From an AVCDecoderConfigurationRecord, as in FLV and MP4. Units that came with it have lengths of
    /// [`length_size`] bytes, and this config belongs to those normalised to 4.
    pub fn from_avcc(record: &[u8]) -> Result<Self, ConfigError> {
        Self::from_record(VideoCodec::H264, record)
    }

    /// From an HEVCDecoderConfigurationRecord; otherwise as [`Self::from_avcc`].
    pub fn from_hvcc(record: &[u8]) -> Result<Self, ConfigError> {
        Self::from_record(VideoCodec::H265, record)
    }

    pub fn from_record(codec: VideoCodec, record: &[u8]) -> Result<Self, ConfigError> {
        Self::from_sets(codec, &parse_record(codec, record)?.0)
    }

    /// Of H.264, from NAL units without start codes.
    pub fn from_parameter_sets(sps: &[Bytes], pps: &[Bytes]) -> Result<Self, ConfigError> {
        Self::from_sets(VideoCodec::H264, &[sps, pps].concat())
    }

    /// From all parameter sets of either codec in any order, NAL units without start codes. The first sequence parameter
    /// set is the one that describes the stream. The record is always built anew, so that the same sets make the same
    /// config wherever they came from.
    pub fn from_sets(codec: VideoCodec, sets: &[Bytes]) -> Result<Self, ConfigError> {
        let kinds: &[(u8, &'static str)] = match codec {
            VideoCodec::H264 => &[
                (h264::NAL_SPS, "sequence parameter set"),
                (h264::NAL_PPS, "picture parameter set"),
            ],
            VideoCodec::H265 => &[
                (h265::NAL_VPS, "video parameter set"),
                (h265::NAL_SPS, "sequence parameter set"),
                (h265::NAL_PPS, "picture parameter set"),
            ],
        };
        for (kind, name) in kinds {
            let count = sets
                .iter()
                .filter(|set| nal_type(codec, set) == *kind)
                .count();
            match count {
                0 => return Err(ConfigError::Missing(name)),
                1..=MAX_SETS => {}
                _ => return Err(ConfigError::TooMany),
            }
        }
        if sets.iter().any(|set| set.len() > MAX_SET) {
            return Err(ConfigError::TooMany);
        }
        let sps_kind = match codec {
            VideoCodec::H264 => h264::NAL_SPS,
            VideoCodec::H265 => h265::NAL_SPS,
        };
        let sps = sets
            .iter()
            .find(|set| nal_type(codec, set) == sps_kind)
            .ok_or(ConfigError::Missing("sequence parameter set"))?;
        Ok(match codec {
            VideoCodec::H264 => {
                let sps = h264::Sps::parse(sps)?;
                Self {
                    codec,
                    record: h264::build_record(&sps, sets),
                    width: sps.width,
                    height: sps.height,
                    profile: sps.profile,
                    level: sps.level,
                    fps_milli: sps.fps_milli,
                    bit_depth: sps.bit_depth_luma.max(sps.bit_depth_chroma),
                    chroma_420: sps.chroma_format == 1,
                }
            }
            VideoCodec::H265 => {
                let sps = h265::Sps::parse(sps)?;
                Self {
                    codec,
                    record: h265::build_record(&sps, sets),
                    width: sps.width,
                    height: sps.height,
                    profile: sps.profile.idc,
                    level: sps.profile.level,
                    fps_milli: sps.fps_milli,
                    bit_depth: sps.bit_depth_luma.max(sps.bit_depth_chroma),
                    chroma_420: sps.chroma_format == 1,
                }
            }
        })
    }

    /// The parameter sets in the order a decoder wants them; NAL units without start codes.
    #[must_use]
    pub fn sets(&self) -> Vec<Bytes> {
        parse_record(self.codec, &self.record).map_or_else(|_| Vec::new(), |(sets, _)| sets)
    }

    /// Pictures that may be decoded before and shown after one; none when the stream does not bound it.
    #[must_use]
    pub fn reorder(&self) -> Option<u32> {
        let sets = self.sets();
        match self.codec {
            VideoCodec::H264 => {
                sets.iter()
                    .find_map(|set| h264::Sps::parse(set).ok())?
                    .reorder
            }
            VideoCodec::H265 => Some(
                sets.iter()
                    .find_map(|set| h265::Sps::parse(set).ok())?
                    .reorder,
            ),
        }
    }

    /// As in "H.264 High 4.0".
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "{} {} {}",
            self.codec_name(),
            self.profile_name(),
            self.level_name()
        )
    }

    fn codec_name(&self) -> &'static str {
        match self.codec {
            VideoCodec::H264 => "H.264",
            VideoCodec::H265 => "H.265",
        }
    }

    fn profile_name(&self) -> String {
        match self.codec {
            VideoCodec::H264 => {
                let constraints = self.record.get(2).copied().unwrap_or_default();
                h264::profile_name(self.profile, constraints)
            }
            VideoCodec::H265 => h265::profile_name(self.profile),
        }
    }

    fn level_name(&self) -> String {
        match self.codec {
            VideoCodec::H264 => format!("{}.{}", self.level / 10, self.level % 10),
            VideoCodec::H265 => format!("{}.{}", self.level / 30, self.level % 30 / 3),
        }
    }

    /// What differs, by name and with both values, as in "size 1280x720 is not 1920x1080; profile High is not Main". None
    /// when a decoder need not be set up anew.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<String> {
        let fps = |milli: u32| match milli {
            0 => "unknown".to_owned(),
            _ => format!("{}.{:03}", milli / 1000, milli % 1000),
        };
        let chroma = |is_420: bool| if is_420 { "4:2:0" } else { "other than 4:2:0" };
        let fields = |config: &Self| {
            [
                ("codec", config.codec_name().to_owned()),
                ("size", format!("{}x{}", config.width, config.height)),
                ("profile", config.profile_name()),
                ("level", config.level_name()),
                ("frame rate", fps(config.fps_milli)),
                ("bit depth", config.bit_depth.to_string()),
                ("chroma", chroma(config.chroma_420).to_owned()),
            ]
        };
        let mut text = String::new();
        for ((name, mine), (_, theirs)) in fields(self).into_iter().zip(fields(other)) {
            if mine != theirs {
                let joint = if text.is_empty() { "" } else { "; " };
                let _ = write!(text, "{joint}{name} {mine} is not {theirs}");
            }
        }
        if text.is_empty() && self.record != other.record {
            text.push_str("the parameter sets differ in other fields");
        }
        (!text.is_empty()).then_some(text)
    }

    /// The `codecs` parameter of RFC 6381, as in "avc1.64001F" or "hvc1.1.6.L93.B0" (14496-15 annex E).
    #[must_use]
    pub fn codec_string(&self) -> String {
        let byte = |at: usize| self.record.get(at).copied().unwrap_or_default();
        match self.codec {
            VideoCodec::H264 => format!("avc1.{:02X}{:02X}{:02X}", byte(1), byte(2), byte(3)),
            VideoCodec::H265 => {
                let space = ["", "A", "B", "C"][usize::from(byte(1) >> 6)];
                let tier = if byte(1) & 0x20 == 0 { 'L' } else { 'H' };
                let flags = u32::from_be_bytes([byte(2), byte(3), byte(4), byte(5)]).reverse_bits();
                let mut text = format!("hvc1.{space}{}.{flags:X}.{tier}{}", byte(1) & 31, byte(12));
                let constraints = [6, 7, 8, 9, 10, 11].map(byte);
                let used = constraints.iter().rposition(|byte| *byte != 0);
                for byte in constraints.iter().take(used.map_or(0, |at| at + 1)) {
                    let _ = write!(text, ".{byte:X}");
                }
                text
            }
        }
    }
}

/// How many bytes the lengths have in units that belong to this record.
pub fn length_size(codec: VideoCodec, record: &[u8]) -> Result<usize, ConfigError> {
    parse_record(codec, record).map(|(_, size)| size)
}

fn parse_record(codec: VideoCodec, record: &[u8]) -> Result<(Vec<Bytes>, usize), ConfigError> {
    match codec {
        VideoCodec::H264 => h264::parse_record(record),
        VideoCodec::H265 => h265::parse_record(record),
    }
}

fn nal_type(codec: VideoCodec, nal: &[u8]) -> u8 {
    match codec {
        VideoCodec::H264 => h264::nal_type(nal),
        VideoCodec::H265 => h265::nal_type(nal),
    }
}

/// `scale` ticks a second, and a picture every `units`.
pub(crate) fn fps_milli(scale: u32, units: u64) -> u32 {
    if units == 0 {
        return 0;
    }
    let milli = (u64::from(scale) * 1000 + units / 2) / units;
    // Faster than any: a time base, not a frame rate.
    u32::try_from(milli)
        .ok()
        .filter(|milli| *milli <= 1_000_000)
        .unwrap_or(0)
}

/// What a NAL unit is to booth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Picture {
        key: bool,
    },
    Set,
    /// Delimiters, ends of sequences and filler: outputs make their own.
    Frame,
    Other,
}

fn role(codec: VideoCodec, nal: &[u8]) -> Role {
    let kind = nal_type(codec, nal);
    match codec {
        VideoCodec::H264 => match kind {
            h264::NAL_SLICE..=h264::NAL_IDR => Role::Picture {
                key: kind == h264::NAL_IDR,
            },
            h264::NAL_SPS | h264::NAL_PPS => Role::Set,
            h264::NAL_AUD..=h264::NAL_FILLER => Role::Frame,
            _ => Role::Other,
        },
        VideoCodec::H265 => match kind {
            0..=31 => Role::Picture {
                key: h265::is_key(kind),
            },
            h265::NAL_VPS..=h265::NAL_PPS => Role::Set,
            h265::NAL_AUD..=h265::NAL_FILLER => Role::Frame,
            _ => Role::Other,
        },
    }
}

/// Whether a decoder can start at this access unit: it has an IDR slice. Recovery points do not count.
#[must_use]
pub fn is_key(codec: VideoCodec, unit: &[u8]) -> bool {
    nal::split(unit)
        .map_while(Result::ok)
        .any(|nal| role(codec, nal) == Role::Picture { key: true })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error(transparent)]
    Nal(#[from] NalError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// An access unit in booth's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Set when it holds from this unit on.
    pub config: Option<Arc<VideoConfig>>,
    pub key: bool,
    pub data: Bytes,
}

/// Brings the pictures of one source into booth's form: lengths of 4 bytes; no delimiters and filler; parameter sets in the
/// configuration and not in the stream. Sets that come in-band and say something new are a new configuration.
#[derive(Debug)]
pub struct Pictures {
    codec: VideoCodec,
    length_size: usize,
    sets: Vec<Bytes>,
    config: Option<Arc<VideoConfig>>,
}

impl Pictures {
    #[must_use]
    pub fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            length_size: 4,
            sets: Vec::new(),
            config: None,
        }
    }

    #[must_use]
    pub fn config(&self) -> Option<&Arc<VideoConfig>> {
        self.config.as_ref()
    }

    /// Takes a configuration record for the units to come; what it makes, if that is new. On an error the old one stays.
    pub fn record(&mut self, record: &[u8]) -> Result<Option<Arc<VideoConfig>>, ConfigError> {
        let (sets, size) = parse_record(self.codec, record)?;
        if size == 3 {
            return Err(ConfigError::Damaged("length size of NAL units"));
        }
        let config = VideoConfig::from_sets(self.codec, &sets)?;
        self.length_size = size;
        self.sets = sets;
        if self.config.as_deref() == Some(&config) {
            return Ok(None);
        }
        let config = Arc::new(config);
        self.config = Some(config.clone());
        Ok(Some(config))
    }

    /// A unit with lengths, as the record announced them. None when there is no picture in it, or nothing is known yet of
    /// how to decode it. Units that need no change are handed on as they are.
    pub fn unit(&mut self, data: Bytes) -> Result<Option<Picture>, PictureError> {
        let data = nal::normalise(data, self.length_size)?;
        let (mut found, mut key, mut clean) = (false, false, true);
        let mut sets = Vec::new();
        for nal in nal::split(&data) {
            let nal = nal?;
            match role(self.codec, nal) {
                Role::Picture { key: is_key } => {
                    found = true;
                    key |= is_key;
                }
                Role::Set => {
                    clean = false;
                    sets.push(data.slice_ref(nal));
                }
                Role::Frame => clean = false,
                Role::Other => {}
            }
        }
        let config = self.take_sets(&sets)?;
        if !found || self.config.is_none() {
            // Said with the next picture.
            if config.is_some() {
                self.config = None;
            }
            return Ok(None);
        }
        let data = if clean { data } else { self.strip(&data)? };
        Ok(Some(Picture { config, key, data }))
    }

    /// An access unit of a byte stream; otherwise as [`Self::unit`].
    pub fn annex_b(&mut self, data: &[u8]) -> Result<Option<Picture>, PictureError> {
        let data = nal::from_annex_b(data)?;
        self.length_size = 4;
        self.unit(data)
    }

    fn strip(&self, data: &[u8]) -> Result<Bytes, NalError> {
        let mut out = BytesMut::with_capacity(data.len());
        for nal in nal::split(data) {
            let nal = nal?;
            if matches!(role(self.codec, nal), Role::Picture { .. } | Role::Other) {
                nal::put(nal, &mut out);
            }
        }
        Ok(out.freeze())
    }

    /// Merges in-band parameter sets: one of the same kind and id takes the place of the old.
    fn take_sets(&mut self, new: &[Bytes]) -> Result<Option<Arc<VideoConfig>>, ConfigError> {
        if self.config.is_some() && new.iter().all(|set| self.sets.contains(set)) {
            return Ok(None);
        }
        let mut sets = self.sets.clone();
        for set in new {
            let place = |known: &Bytes| {
                nal_type(self.codec, known) == nal_type(self.codec, set)
                    && self.set_id(known) == self.set_id(set)
            };
            // Copied, so as not to hold the unit's buffer for as long as the stream lasts.
            let set_bytes = Bytes::copy_from_slice(set);
            match sets.iter().position(place) {
                Some(at) => sets[at] = set_bytes,
                None if sets.len() < 3 * MAX_SETS => sets.push(set_bytes),
                None => return Err(ConfigError::TooMany),
            }
        }
        let config = match VideoConfig::from_sets(self.codec, &sets) {
            Ok(config) => config,
            // They may come one at a time at the beginning.
            Err(ConfigError::Missing(_)) if self.config.is_none() => {
                self.sets = sets;
                return Ok(None);
            }
            Err(error) => {
                if self.config.is_none() {
                    self.sets.clear();
                }
                return Err(error);
            }
        };
        self.sets = sets;
        let config = Arc::new(config);
        self.config = Some(config.clone());
        Ok(Some(config))
    }

    fn set_id(&self, set: &[u8]) -> Option<u32> {
        match self.codec {
            VideoCodec::H264 => h264::set_id(set),
            VideoCodec::H265 => h265::set_id(set),
        }
    }
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
