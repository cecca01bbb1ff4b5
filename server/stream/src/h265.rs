//! H.265: its NAL units, its sequence parameter set and its decoder configuration record.

use bytes::{BufMut, Bytes, BytesMut};

use crate::nal::{Bits, unescape};
use crate::video::{ConfigError, MAX_DIMENSION, MAX_SETS};

pub const NAL_BLA_W_LP: u8 = 16;
pub const NAL_IDR_N_LP: u8 = 20;
pub const NAL_VPS: u8 = 32;
pub const NAL_SPS: u8 = 33;
pub const NAL_PPS: u8 = 34;
pub const NAL_AUD: u8 = 35;
pub const NAL_END_OF_SEQUENCE: u8 = 36;
pub const NAL_END_OF_STREAM: u8 = 37;
pub const NAL_FILLER: u8 = 38;

/// An access unit delimiter for any kind of picture (§7.3.2.5, pic_type 2).
pub const AUD: [u8; 3] = [NAL_AUD << 1, 1, 0x50];

/// `nal_unit_type` of a NAL unit (ISO/IEC 23008-2 §7.3.1.2).
#[must_use]
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first >> 1 & 0x3F)
}

/// Whether decoding can start here without a trace of what was before: IDR and BLA. A CRA is none, since pictures that
/// follow it may lean on what precedes it, as after every key picture of an open GOP.
#[must_use]
pub fn is_key(nal_type: u8) -> bool {
    (NAL_BLA_W_LP..=NAL_IDR_N_LP).contains(&nal_type)
}

/// `profile_tier_level` without sub-layers (§7.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    pub space: u8,
    pub high_tier: bool,
    pub idc: u8,
    pub compatibility: u32,
    /// 48 bits.
    pub constraints: u64,
    /// 30 times the level's number.
    pub level: u8,
}

/// What a sequence parameter set says (§7.3.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    pub id: u32,
    pub profile: Profile,
    pub temporal_layers: u8,
    pub temporal_nesting: bool,
    /// After cropping.
    pub width: u32,
    pub height: u32,
    pub chroma_format: u8,
    pub bit_depth_luma: u8,
    pub bit_depth_chroma: u8,
    /// Pictures a second times 1000, from the VUI; 0 when it is silent.
    pub fps_milli: u32,
    /// Pictures that may precede one in decoding order and follow it in output order.
    pub reorder: u32,
}

impl Sps {
    pub fn parse(nal: &[u8]) -> Result<Self, ConfigError> {
        if nal_type(nal) != NAL_SPS {
            return Err(ConfigError::NotA("sequence parameter set"));
        }
        let payload = unescape(nal, 2);
        parse(&mut Bits::new(&payload)).ok_or(ConfigError::Damaged("sequence parameter set"))
    }
}

fn parse(bits: &mut Bits<'_>) -> Option<Sps> {
    bits.skip(4)?;
    let sub_layers = bits.bits(3)?;
    let temporal_nesting = bits.bit()?;
    let profile = profile_tier_level(bits, sub_layers)?;
    let id = bits.ue_to(15)?;
    let chroma_format = bits.ue_to(3)?;
    let separate_planes = chroma_format == 3 && bits.bit()?;
    let width = bits.ue_to(MAX_DIMENSION)?;
    let height = bits.ue_to(MAX_DIMENSION)?;
    let (unit_x, unit_y) = match (chroma_format, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    let (mut crop_x, mut crop_y) = (0u64, 0u64);
    if bits.bit()? {
        crop_x = (u64::from(bits.ue()?) + u64::from(bits.ue()?)) * unit_x;
        crop_y = (u64::from(bits.ue()?) + u64::from(bits.ue()?)) * unit_y;
    }
    let cropped = |whole: u32, crop: u64| {
        let left = u64::from(whole).checked_sub(crop)?;
        u32::try_from(left).ok().filter(|left| *left > 0)
    };
    let bit_depth_luma = bits.ue_to(8)? as u8 + 8;
    let bit_depth_chroma = bits.ue_to(8)? as u8 + 8;
    let order_bits = bits.ue_to(12)? + 4;
    let first = if bits.bit()? { 0 } else { sub_layers };
    let mut reorder = 0;
    for _ in first..=sub_layers {
        bits.ue_to(16)?;
        reorder = bits.ue_to(16)?;
        bits.ue()?;
    }
    Some(Sps {
        id,
        profile,
        temporal_layers: sub_layers as u8 + 1,
        temporal_nesting,
        width: cropped(width, crop_x)?,
        height: cropped(height, crop_y)?,
        chroma_format: chroma_format as u8,
        bit_depth_luma,
        bit_depth_chroma,
        // Damage in what is optional does not make the rest unknown.
        fps_milli: frame_rate(bits, order_bits).unwrap_or(0),
        reorder,
    })
}

fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<Profile> {
    let profile = Profile {
        space: bits.bits(2)? as u8,
        high_tier: bits.bit()?,
        idc: bits.bits(5)? as u8,
        compatibility: bits.bits(32)?,
        constraints: u64::from(bits.bits(16)?) << 32 | u64::from(bits.bits(32)?),
        level: bits.bits(8)? as u8,
    };
    let mut present = [(false, false); 8];
    for flags in present.iter_mut().take(sub_layers as usize) {
        *flags = (bits.bit()?, bits.bit()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(profile)
}

/// The rest of the set up to the VUI's timing.
fn frame_rate(bits: &mut Bits<'_>, order_bits: u32) -> Option<u32> {
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.bit()? && bits.bit()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.bit()?;
    }
    let mut before = 0;
    for index in 0..bits.ue_to(64)? {
        before = reference_set(bits, index, before)?;
    }
    if bits.bit()? {
        for _ in 0..bits.ue_to(32)? {
            bits.skip(order_bits as usize + 1)?;
        }
    }
    bits.skip(2)?;
    if !bits.bit()? {
        return None;
    }
    // §E.2.1
    if bits.bit()? && bits.bits(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.bit()? {
        bits.bit()?;
    }
    if bits.bit()? {
        bits.skip(4)?;
        if bits.bit()? {
            bits.skip(24)?;
        }
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    bits.skip(3)?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    if !bits.bit()? {
        return None;
    }
    let (units, scale) = (bits.bits(32)?, bits.bits(32)?);
    Some(crate::video::fps_milli(scale, units.into()))
}

/// §7.3.4
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.bit()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                bits.se()?;
            }
        }
    }
    Some(())
}

/// §7.3.7: how many pictures the set names; `before` is how many the last one did.
fn reference_set(bits: &mut Bits<'_>, index: u32, before: u32) -> Option<u32> {
    if index > 0 && bits.bit()? {
        bits.bit()?;
        bits.ue()?;
        let mut count = 0;
        for _ in 0..=before {
            let used = bits.bit()?;
            if used || bits.bit()? {
                count += 1;
            }
        }
        return Some(count).filter(|count| *count <= 32);
    }
    let count = bits.ue_to(16)? + bits.ue_to(16)?;
    for _ in 0..count {
        bits.ue()?;
        bits.bit()?;
    }
    Some(count)
}

/// The id of a parameter set.
pub(crate) fn set_id(nal: &[u8]) -> Option<u32> {
    // Sub-layers take the most room: 7 times 12 bytes.
    let payload = unescape(&nal[..nal.len().min(160)], 2);
    let mut bits = Bits::new(&payload);
    match nal_type(nal) {
        NAL_VPS => bits.bits(4),
        NAL_SPS => {
            bits.skip(4)?;
            let sub_layers = bits.bits(3)?;
            bits.bit()?;
            profile_tier_level(&mut bits, sub_layers)?;
            bits.ue_to(15)
        }
        _ => bits.ue_to(63),
    }
}

/// Parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1), and how many bytes lengths have in the
/// units that belong to it.
pub(crate) fn parse_record(record: &[u8]) -> Result<(Vec<Bytes>, usize), ConfigError> {
    let cut = ConfigError::Damaged("HEVC configuration record");
    let Some((head, mut rest)) = record.split_first_chunk::<23>() else {
        return Err(ConfigError::Missing("HEVC configuration record"));
    };
    // Early writers left the version at 0.
    if head[0] > 1 {
        return Err(ConfigError::Version(head[0]));
    }
    let mut sets = Vec::new();
    let mut array = |rest: &mut &[u8]| {
        let ([kind, high, low], mut after) = rest.split_first_chunk::<3>()?;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (length, behind) = after.split_first_chunk::<2>()?;
            let (set, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
            after = behind;
            // SEI may be here too; it is for the stream, not for the decoder's set-up.
            if (NAL_VPS..=NAL_PPS).contains(&(kind & 0x3F)) && sets.len() <= 3 * MAX_SETS {
                sets.push(Bytes::copy_from_slice(set));
            }
        }
        *rest = after;
        Some(())
    };
    for _ in 0..head[22] {
        array(&mut rest).ok_or(cut)?;
    }
    if sets.len() > 3 * MAX_SETS {
        return Err(cut);
    }
    Ok((sets, usize::from(head[21] & 3) + 1))
}

/// The record of these sets, with lengths of 4 bytes.
pub(crate) fn build_record(sps: &Sps, sets: &[Bytes]) -> Bytes {
    let profile = &sps.profile;
    let mut out = BytesMut::new();
    out.put_u8(1);
    out.put_u8(profile.space << 6 | u8::from(profile.high_tier) << 5 | profile.idc);
    out.put_u32(profile.compatibility);
    out.put_uint(profile.constraints, 6);
    out.put_u8(profile.level);
    // Segmentation and parallelism unknown.
    out.put_slice(&[0xF0, 0, 0xFC]);
    out.put_u8(0xFC | sps.chroma_format);
    out.put_u8(0xF8 | (sps.bit_depth_luma - 8));
    out.put_u8(0xF8 | (sps.bit_depth_chroma - 8));
    out.put_u16(0);
    out.put_u8(sps.temporal_layers << 3 | u8::from(sps.temporal_nesting) << 2 | 3);
    out.put_u8(3);
    for kind in [NAL_VPS, NAL_SPS, NAL_PPS] {
        let sets = || sets.iter().filter(|set| nal_type(set) == kind);
        out.put_u8(0x80 | kind);
        out.put_u16(sets().count() as u16);
        for set in sets() {
            out.put_u16(set.len() as u16);
            out.put_slice(set);
        }
    }
    out.freeze()
}

/// As in "Main 10".
pub(crate) fn profile_name(profile: u8) -> String {
    match profile {
        1 => "Main".to_owned(),
        2 => "Main 10".to_owned(),
        3 => "Main Still Picture".to_owned(),
        4 => "Range Extensions".to_owned(),
        other => format!("profile {other}"),
    }
}
