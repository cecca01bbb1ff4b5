//! AAC: its AudioSpecificConfig, its ADTS headers, and silence.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::AudioConfig;
use crate::nal::Bits;

/// ISO/IEC 14496-3 table 1.18.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// Table 1.19: channels of each configuration.
const CHANNELS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 8];

const AAC_MAIN: u32 = 1;
const AAC_LC: u32 = 2;
const SBR: u32 = 5;
const PS: u32 = 29;

/// An ADTS header without check sum.
pub const ADTS_HEADER: usize = 7;
/// An AudioSpecificConfig has at most this many bytes, a program config element's comment included.
const MAX_ASC: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AacError {
    #[error("there is no AAC configuration")]
    Missing,
    #[error("damaged {0}")]
    Damaged(&'static str),
    #[error("audio object type {0} is not of the AAC that is taken here (Main, LC, SSR, LTP, HE)")]
    ObjectType(u32),
    #[error("{0} cannot be said in ADTS")]
    NotInAdts(&'static str),
}

/// What an AudioSpecificConfig says (ISO/IEC 14496-3 §1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Specific {
    /// Of the core: 2 for AAC-LC, also below HE-AAC.
    object: u32,
    /// Of the core.
    rate: u32,
    channels: u8,
    /// `channelConfiguration`; 0 when a program config element says it.
    layout: u8,
    frame_samples: u32,
    /// The rate with spectral band replication, if it is signalled.
    sbr_rate: Option<u32>,
    /// Parametric stereo is signalled.
    ps: bool,
}

fn parse(asc: &[u8]) -> Result<Specific, AacError> {
    if asc.is_empty() {
        return Err(AacError::Missing);
    }
    if asc.len() > MAX_ASC {
        return Err(AacError::Damaged("AAC configuration"));
    }
    let damaged = AacError::Damaged("AAC configuration");
    let mut bits = Bits::new(asc);
    let mut object = object_type(&mut bits).ok_or(damaged)?;
    let rate = sample_rate(&mut bits).ok_or(damaged)?;
    let layout = bits.bits(4).ok_or(damaged)? as u8;
    let (mut sbr_rate, mut ps) = (None, false);
    if object == SBR || object == PS {
        ps = object == PS;
        sbr_rate = Some(sample_rate(&mut bits).ok_or(damaged)?);
        object = object_type(&mut bits).ok_or(damaged)?;
    }
    if !(1..=4).contains(&object) {
        return Err(AacError::ObjectType(object));
    }
    // GASpecificConfig (§4.4.1)
    let short = bits.bit().ok_or(damaged)?;
    if bits.bit().ok_or(damaged)? {
        bits.skip(14).ok_or(damaged)?;
    }
    bits.bit().ok_or(damaged)?;
    let channels = match layout {
        0 => program_config(&mut bits).ok_or(damaged)?,
        _ => *CHANNELS.get(usize::from(layout)).ok_or(damaged)?,
    };
    if channels == 0 || channels > 8 {
        return Err(AacError::Damaged("number of channels"));
    }
    if sbr_rate.is_none() {
        (sbr_rate, ps) = extension(&mut bits).unwrap_or((None, false));
    }
    Ok(Specific {
        object,
        rate,
        channels,
        layout,
        frame_samples: if short { 960 } else { 1024 },
        sbr_rate,
        ps,
    })
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.bits(5)? {
        31 => Some(32 + bits.bits(6)?),
        object => Some(object),
    }
}

fn sample_rate(bits: &mut Bits<'_>) -> Option<u32> {
    let rate = match bits.bits(4)? {
        15 => bits.bits(24)?,
        index => *RATES.get(index as usize)?,
    };
    // What nothing plays would make frames of no or of endless duration.
    (7_000..=192_000).contains(&rate).then_some(rate)
}

/// SBR and PS, signalled so that those who do not know them pass over it (§1.6.5).
fn extension(bits: &mut Bits<'_>) -> Option<(Option<u32>, bool)> {
    if bits.left() < 16 || bits.bits(11)? != 0x2B7 || object_type(bits)? != SBR || !bits.bit()? {
        return None;
    }
    let rate = sample_rate(bits)?;
    let ps = bits.bits(11) == Some(0x548) && bits.bit() == Some(true);
    Some((Some(rate), ps))
}

/// §4.4.1.1: how many channels.
fn program_config(bits: &mut Bits<'_>) -> Option<u8> {
    bits.skip(10)?;
    let pairs = bits.bits(4)? + bits.bits(4)? + bits.bits(4)?;
    let low = bits.bits(2)?;
    let data = bits.bits(3)?;
    let coupling = bits.bits(4)?;
    for size in [4, 4, 3] {
        if bits.bit()? {
            bits.skip(size)?;
        }
    }
    let mut channels = low;
    for _ in 0..pairs {
        channels += 1 + u32::from(bits.bit()?);
        bits.skip(4)?;
    }
    bits.skip((4 * low + 4 * data + 5 * coupling) as usize)?;
    bits.skip(bits.left() % 8)?;
    let comment = bits.bits(8)?;
    bits.skip(8 * comment as usize)?;
    u8::try_from(channels).ok()
}

impl AudioConfig {
    /// From an AudioSpecificConfig. Of HE-AAC, rate and samples are those of its core, which last as long as a unit does.
    pub fn from_asc(asc: &[u8]) -> Result<Self, AacError> {
        let specific = parse(asc)?;
        Ok(Self {
            asc: Bytes::copy_from_slice(asc),
            sample_rate: specific.rate,
            channels: specific.channels,
            frame_samples: specific.frame_samples,
        })
    }

    /// AAC-LC of 1024 samples with 1 to 8 channels (7 is none that AAC has).
    pub fn aac_lc(sample_rate: u32, channels: u8) -> Result<Self, AacError> {
        let layout = CHANNELS
            .iter()
            .position(|count| *count == channels && channels > 0)
            .ok_or(AacError::Damaged("number of channels"))? as u64;
        let object = u64::from(AAC_LC);
        let asc = match RATES.iter().position(|rate| *rate == sample_rate) {
            // 5, 4, 4 bits and GASpecificConfig's three zeros.
            Some(index) => {
                (object << 11 | (index as u64) << 7 | layout << 3).to_be_bytes()[6..].to_vec()
            }
            // 5, 4, 24, 4 and 3 make 40.
            None => (object << 35 | 15 << 31 | u64::from(sample_rate) << 7 | layout << 3)
                .to_be_bytes()[3..]
                .to_vec(),
        };
        Self::from_asc(&asc)
    }

    /// As in "AAC-LC 48000 Hz stereo" or "HE-AAC 48000 Hz stereo".
    #[must_use]
    pub fn describe(&self) -> String {
        let rate = match parse(&self.asc) {
            Ok(Specific {
                sbr_rate: Some(rate),
                ..
            }) => rate,
            _ => self.sample_rate,
        };
        format!("{} {rate} Hz {}", self.object_name(), self.layout_name())
    }

    fn object_name(&self) -> &'static str {
        match parse(&self.asc) {
            Ok(Specific { ps: true, .. }) => "HE-AAC v2",
            Ok(Specific {
                sbr_rate: Some(_), ..
            }) => "HE-AAC",
            Ok(Specific {
                object: AAC_MAIN, ..
            }) => "AAC Main",
            Ok(Specific { object: AAC_LC, .. }) => "AAC-LC",
            Ok(Specific { object: 3, .. }) => "AAC SSR",
            Ok(Specific { object: 4, .. }) => "AAC LTP",
            _ => "AAC",
        }
    }

    fn layout_name(&self) -> String {
        match self.channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            6 => "5.1".to_owned(),
            8 => "7.1".to_owned(),
            other => format!("{other} channels"),
        }
    }

    /// What differs, by name and with both values, as in "sample rate 44100 is not 48000". None when a decoder need not be
    /// set up anew.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<String> {
        let fields = |config: &Self| {
            [
                ("codec", config.object_name().to_owned()),
                ("sample rate", config.sample_rate.to_string()),
                ("channels", config.layout_name()),
                ("frame", format!("{} samples", config.frame_samples)),
            ]
        };
        let mut text = String::new();
        for ((name, mine), (_, theirs)) in fields(self).into_iter().zip(fields(other)) {
            if mine != theirs {
                let joint = if text.is_empty() { "" } else { "; " };
                let _ = write!(text, "{joint}{name} {mine} is not {theirs}");
            }
        }
        // The same said in another way (a rate by number or by index, extensions that are off) is no difference.
        let equal = || parse(&self.asc) == parse(&other.asc) || self.asc == other.asc;
        if text.is_empty() && !equal() {
            text.push_str("the AAC configurations differ in other fields");
        }
        (!text.is_empty()).then_some(text)
    }

    /// The `codecs` parameter of RFC 6381, as in "mp4a.40.2".
    #[must_use]
    pub fn codec_string(&self) -> String {
        let object = match parse(&self.asc) {
            Ok(Specific { ps: true, .. }) => PS,
            Ok(Specific {
                sbr_rate: Some(_), ..
            }) => SBR,
            Ok(specific) => specific.object,
            Err(_) => AAC_LC,
        };
        format!("mp4a.40.{object}")
    }

    /// The ADTS header of a frame of `length` bytes (ISO/IEC 14496-3 §1.A.3.2). HE-AAC goes by its core, as there it must.
    pub fn adts(&self, length: usize) -> Result<[u8; ADTS_HEADER], AacError> {
        let specific = parse(&self.asc)?;
        if specific.frame_samples != 1024 {
            return Err(AacError::NotInAdts("a frame of 960 samples"));
        }
        let index = RATES
            .iter()
            .position(|rate| *rate == specific.rate)
            .ok_or(AacError::NotInAdts("this sample rate"))? as u8;
        let layout = match (specific.layout, specific.channels) {
            // One or two channels are one element, whoever says so.
            (0, channels @ 1..=2) => channels,
            (0, _) => return Err(AacError::NotInAdts("this layout of channels")),
            (layout, _) => layout,
        };
        let length = length + ADTS_HEADER;
        if length >= 1 << 13 {
            return Err(AacError::NotInAdts("a frame of so many bytes"));
        }
        let profile = specific.object as u8 - 1;
        Ok([
            0xFF,
            // MPEG-4, layer 0, no check sum.
            0xF1,
            profile << 6 | index << 2 | layout >> 2,
            layout << 6 | (length >> 11) as u8,
            (length >> 3) as u8,
            // Buffer fullness of variable rate, one block.
            (length << 5) as u8 | 0x1F,
            0xFC,
        ])
    }
}

/// What an ADTS header says of the frame it stands before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adts {
    pub config: AudioConfig,
    /// Of the header, check sum and all.
    pub header: usize,
    /// Of header and frame.
    pub length: usize,
}

impl Adts {
    /// None when the header is not all there yet.
    pub fn parse(data: &[u8]) -> Result<Option<Self>, AacError> {
        let Some(head) = data.first_chunk::<ADTS_HEADER>() else {
            return Ok(None);
        };
        if head[0] != 0xFF || head[1] & 0xF6 != 0xF0 {
            return Err(AacError::Damaged("ADTS sync word"));
        }
        let mut bits = Bits::new(&head[2..]);
        let mut take = |count| bits.bits(count).unwrap_or_default();
        let (object, index) = (take(2) + 1, take(4));
        take(1);
        let layout = take(3);
        take(4);
        let length = take(13) as usize;
        take(11);
        let blocks = take(2) + 1;
        let header = if head[1] & 1 == 0 { 9 } else { 7 };
        if length <= header {
            return Err(AacError::Damaged("ADTS length"));
        }
        if blocks != 1 {
            return Err(AacError::Damaged("ADTS frame of several blocks"));
        }
        if index as usize >= RATES.len() || layout == 0 {
            return Err(AacError::Damaged("ADTS sample rate or channels"));
        }
        let asc = (object << 11 | index << 7 | layout << 3) as u16;
        Ok(Some(Self {
            config: AudioConfig::from_asc(&asc.to_be_bytes())?,
            header,
            length,
        }))
    }
}

/// A frame of silence for AAC-LC, mono or stereo, at any sample rate and of either frame length: no scale factor band has
/// anything in it (`max_sfb` 0), so that nothing depends on the rate's tables (§4.4.2.1).
///
/// ```text
/// mono:   SCE 000 · tag 0000 · gain 8 · ics 0 00 0 000000 0 · pulse, TNS, gain control 000 · END 111
/// stereo: CPE 001 · tag 0000 · common 1 · ics as above · ms 00 · 2 × (gain 8 · 000) · END 111
/// ```
#[must_use]
pub fn silence(channels: u8) -> Option<Bytes> {
    const MONO: [u8; 4] = [0x00, 0x00, 0x00, 0x07];
    const STEREO: [u8; 6] = [0x21, 0x00, 0x00, 0x00, 0x00, 0x1C];
    match channels {
        1 => Some(Bytes::from_static(&MONO)),
        2 => Some(Bytes::from_static(&STEREO)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "aac_tests.rs"]
mod tests;
