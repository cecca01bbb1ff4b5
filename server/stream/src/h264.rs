//! H.264: its NAL units, its sequence parameter set and its decoder configuration record.

use bytes::{BufMut, Bytes, BytesMut};

use crate::nal::{Bits, unescape};
use crate::video::{ConfigError, MAX_DIMENSION, MAX_SETS};

pub const NAL_SLICE: u8 = 1;
pub const NAL_IDR: u8 = 5;
pub const NAL_SEI: u8 = 6;
pub const NAL_SPS: u8 = 7;
pub const NAL_PPS: u8 = 8;
pub const NAL_AUD: u8 = 9;
pub const NAL_END_OF_SEQUENCE: u8 = 10;
pub const NAL_END_OF_STREAM: u8 = 11;
pub const NAL_FILLER: u8 = 12;
pub const NAL_SPS_EXTENSION: u8 = 13;

/// An access unit delimiter for any kind of picture (§7.3.2.4, primary_pic_type 7).
pub const AUD: [u8; 2] = [NAL_AUD, 0xF0];

/// `nal_unit_type` of a NAL unit (ISO/IEC 14496-10 §7.3.1).
#[must_use]
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first & 0x1F)
}

/// What a sequence parameter set says (§7.3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    pub id: u32,
    pub profile: u8,
    /// `constraint_set0_flag` is the highest bit.
    pub constraints: u8,
    pub level: u8,
    /// After cropping.
    pub width: u32,
    pub height: u32,
    pub chroma_format: u8,
    pub bit_depth_luma: u8,
    pub bit_depth_chroma: u8,
    /// Only whole pictures, no fields.
    pub progressive: bool,
    /// Pictures a second times 1000, from the VUI; 0 when it is silent.
    pub fps_milli: u32,
    /// Pictures that may precede one in decoding order and follow it in output order; none when nothing bounds it.
    pub reorder: Option<u32>,
}

impl Sps {
    pub fn parse(nal: &[u8]) -> Result<Self, ConfigError> {
        if nal_type(nal) != NAL_SPS {
            return Err(ConfigError::NotA("sequence parameter set"));
        }
        let payload = unescape(nal, 1);
        parse(&mut Bits::new(&payload)).ok_or(ConfigError::Damaged("sequence parameter set"))
    }
}

/// Profiles whose sets tell of chroma and depth.
fn is_high(profile: u8) -> bool {
    matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    )
}

fn parse(bits: &mut Bits<'_>) -> Option<Sps> {
    let profile = bits.bits(8)? as u8;
    let constraints = bits.bits(8)? as u8;
    let level = bits.bits(8)? as u8;
    let id = bits.ue_to(31)?;
    let (mut chroma_format, mut separate_planes) = (1, false);
    let (mut bit_depth_luma, mut bit_depth_chroma) = (8, 8);
    if is_high(profile) {
        chroma_format = bits.ue_to(3)?;
        if chroma_format == 3 {
            separate_planes = bits.bit()?;
        }
        bit_depth_luma = bits.ue_to(6)? as u8 + 8;
        bit_depth_chroma = bits.ue_to(6)? as u8 + 8;
        bits.bit()?;
        if bits.bit()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue_to(12)?;
    let order_type = bits.ue_to(2)?;
    match order_type {
        0 => {
            bits.ue_to(12)?;
        }
        1 => {
            bits.bit()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue_to(255)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue_to(16)?;
    bits.bit()?;
    let width = (bits.ue_to(MAX_DIMENSION / 16)? + 1) * 16;
    let map_units = bits.ue_to(MAX_DIMENSION / 16)? + 1;
    let progressive = bits.bit()?;
    if !progressive {
        bits.bit()?;
    }
    bits.bit()?;
    let height = map_units * 16 * if progressive { 1 } else { 2 };
    // §7.4.2.1.1: crop units are chroma samples, and pairs of lines where there are fields.
    let (unit_x, unit_y) = match (chroma_format, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    let unit_y = unit_y * if progressive { 1 } else { 2 };
    let (mut crop_x, mut crop_y) = (0u64, 0u64);
    if bits.bit()? {
        crop_x = (u64::from(bits.ue()?) + u64::from(bits.ue()?)) * unit_x;
        crop_y = (u64::from(bits.ue()?) + u64::from(bits.ue()?)) * unit_y;
    }
    let cropped = |whole: u32, crop: u64| {
        let left = u64::from(whole).checked_sub(crop)?;
        u32::try_from(left).ok().filter(|left| *left > 0)
    };
    let (width, height) = (cropped(width, crop_x)?, cropped(height, crop_y)?);
    // Damage in what is optional does not make the rest unknown.
    let (fps_milli, reorder) = match bits.bit() {
        Some(true) => vui(bits),
        _ => (0, None),
    };
    // §A.2.1, §8.2.1.3: no B pictures in Baseline, and none where output order is decoding order.
    let reorder = if profile == 66 || order_type == 2 {
        Some(0)
    } else {
        reorder
    };
    Some(Sps {
        id,
        profile,
        constraints,
        level,
        width,
        height,
        chroma_format: chroma_format as u8,
        bit_depth_luma,
        bit_depth_chroma,
        progressive,
        fps_milli,
        reorder,
    })
}

/// §7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(bits.se()?)) & 0xFF;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Pictures a second times 1000, and the reorder depth (§E.1.1); of each as far as the bits reach.
fn vui(bits: &mut Bits<'_>) -> (u32, Option<u32>) {
    let fps_milli = vui_timing(bits);
    let reorder = fps_milli.and_then(|_| vui_reorder(bits)).flatten();
    (fps_milli.unwrap_or(0), reorder)
}

fn vui_timing(bits: &mut Bits<'_>) -> Option<u32> {
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
    if !bits.bit()? {
        return Some(0);
    }
    let (units, scale) = (bits.bits(32)?, bits.bits(32)?);
    bits.bit()?;
    // A tick is that of a field (§E.2.1).
    Some(crate::video::fps_milli(scale, u64::from(units) * 2))
}

fn vui_reorder(bits: &mut Bits<'_>) -> Option<Option<u32>> {
    let nal_hrd = bits.bit()?;
    if nal_hrd {
        skip_hrd(bits)?;
    }
    let vcl_hrd = bits.bit()?;
    if vcl_hrd {
        skip_hrd(bits)?;
    }
    if nal_hrd || vcl_hrd {
        bits.bit()?;
    }
    bits.bit()?;
    if !bits.bit()? {
        return Some(None);
    }
    bits.bit()?;
    for _ in 0..4 {
        bits.ue()?;
    }
    Some(Some(bits.ue_to(16)?))
}

/// §E.1.2
fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue_to(31)? + 1;
    bits.skip(8)?;
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.bit()?;
    }
    bits.skip(20)
}

/// `seq_parameter_set_id` or `pic_parameter_set_id` of a parameter set.
pub(crate) fn set_id(nal: &[u8]) -> Option<u32> {
    // Ids are near the beginning.
    let payload = unescape(&nal[..nal.len().min(32)], 1);
    let mut bits = Bits::new(&payload);
    if nal_type(nal) == NAL_SPS {
        bits.skip(24)?;
    }
    bits.ue_to(255)
}

/// Parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1), and how many bytes lengths have in the
/// units that belong to it.
pub(crate) fn parse_record(record: &[u8]) -> Result<(Vec<Bytes>, usize), ConfigError> {
    let cut = ConfigError::Damaged("AVC configuration record");
    let Some(([version, _, _, _, lengths, count], mut rest)) = record.split_first_chunk::<6>()
    else {
        return Err(ConfigError::Missing("AVC configuration record"));
    };
    if *version != 1 {
        return Err(ConfigError::Version(*version));
    }
    let mut sets = Vec::new();
    let mut take = |rest: &mut &[u8], count: u8| {
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (set, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            *rest = after;
            sets.push(Bytes::copy_from_slice(set));
        }
        Some(())
    };
    take(&mut rest, count & 0x1F).ok_or(cut)?;
    let (count, mut rest) = rest.split_first().ok_or(cut)?;
    take(&mut rest, *count).ok_or(cut)?;
    // What follows repeats what the sets say.
    if sets.len() > 2 * MAX_SETS {
        return Err(cut);
    }
    Ok((sets, usize::from(lengths & 3) + 1))
}

/// The record of these sets, with lengths of 4 bytes.
pub(crate) fn build_record(sps: &Sps, sets: &[Bytes]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(&[1, sps.profile, sps.constraints, sps.level, 0xFF]);
    for (kind, marker) in [(NAL_SPS, 0xE0), (NAL_PPS, 0)] {
        let sets = || sets.iter().filter(|set| nal_type(set) == kind);
        out.put_u8(marker | sets().count() as u8);
        for set in sets() {
            out.put_u16(set.len() as u16);
            out.put_slice(set);
        }
    }
    if is_high(sps.profile) {
        out.put_slice(&[
            0xFC | sps.chroma_format,
            0xF8 | (sps.bit_depth_luma - 8),
            0xF8 | (sps.bit_depth_chroma - 8),
            0,
        ]);
    }
    out.freeze()
}

/// As in "High".
pub(crate) fn profile_name(profile: u8, constraints: u8) -> String {
    let name = match (profile, constraints & 0x40 != 0) {
        (66, true) => "Constrained Baseline",
        (66, false) => "Baseline",
        (77, _) => "Main",
        (88, _) => "Extended",
        (100, _) if constraints & 0x0C == 0x0C => "Constrained High",
        (100, _) => "High",
        (110, _) => "High 10",
        (122, _) => "High 4:2:2",
        (244, _) => "High 4:4:4 Predictive",
        (44, _) => "CAVLC 4:4:4 Intra",
        (other, _) => return format!("profile {other}"),
    };
    name.to_owned()
}
