//! H.264 byte streams (ITU-T H.264): NAL units, the sequence parameter set, slice types. Nothing is decoded.

use super::bits::Bits;

/// NAL unit types that matter here (table 7-1).
pub mod nal {
    pub const SLICE: u8 = 1;
    pub const IDR: u8 = 5;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = next_start(data, 0);
    std::iter::from_fn(move || {
        let begin = at?;
        let next = next_start(data, begin);
        let end = next.map_or(data.len(), |n| n - 3);
        at = next;
        let unit = data.get(begin..end).unwrap_or(&[]);
        let zeros = unit.iter().rev().take_while(|&&b| b == 0).count();
        Some(&unit[..unit.len() - zeros])
    })
    .filter(|unit| !unit.is_empty())
}

/// The position after the next `00 00 01`.
fn next_start(data: &[u8], from: usize) -> Option<usize> {
    data.get(from..)?
        .windows(3)
        .position(|w| w == [0, 0, 1])
        .map(|p| from + p + 3)
}

/// Takes the emulation prevention bytes out (§7.4.1.1). At most `limit` bytes are looked at.
fn unescape(unit: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len().min(limit));
    let mut zeros = 0;
    for &byte in unit.iter().take(limit) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// What a sequence parameter set says (§7.3.2.1.1, Annex E).
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Sps {
    pub id: u32,
    pub profile_idc: u8,
    pub constraints: u8,
    pub level_idc: u8,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u32,
    pub bit_depth: u32,
    pub width: u32,
    pub height: u32,
    pub progressive: bool,
    pub max_ref_frames: u32,
    /// From VUI timing, when present and fixed or not.
    pub frame_rate: Option<f64>,
    /// From the VUI's bitstream restriction: 0 promises that pictures come out in decoding order.
    pub max_reorder_frames: Option<u32>,
    pub full_range: Option<bool>,
}

impl Sps {
    /// `unit` starts with the NAL header.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let raw = unescape(unit.get(1..)?, 1024);
        let mut bits = Bits::new(&raw);
        let mut sps = Self {
            profile_idc: bits.read(8)? as u8,
            constraints: bits.read(8)? as u8,
            level_idc: bits.read(8)? as u8,
            id: bits.ue()?,
            chroma_format_idc: 1,
            bit_depth: 8,
            ..Self::default()
        };
        let mut separate_planes = false;
        if matches!(
            sps.profile_idc,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        ) {
            sps.chroma_format_idc = bits.ue()?;
            if sps.chroma_format_idc > 3 {
                return None;
            }
            if sps.chroma_format_idc == 3 {
                separate_planes = bits.bit()?;
            }
            let (luma, chroma) = (bits.ue()?, bits.ue()?);
            if luma > 6 || chroma > 6 {
                return None;
            }
            sps.bit_depth = 8 + luma.max(chroma);
            bits.bit()?;
            if bits.bit()? {
                skip_scaling_lists(&mut bits, if sps.chroma_format_idc == 3 { 12 } else { 8 })?;
            }
        }
        bits.ue()?; // log2_max_frame_num_minus4
        match bits.ue()? {
            0 => _ = bits.ue()?,
            1 => {
                bits.bit()?;
                bits.se()?;
                bits.se()?;
                let cycle = bits.ue()?;
                if cycle > 255 {
                    return None;
                }
                for _ in 0..cycle {
                    bits.se()?;
                }
            }
            2 => {}
            _ => return None,
        }
        sps.max_ref_frames = bits.ue()?;
        bits.bit()?;
        let (mbs_wide, units_high) = (bits.ue()?.checked_add(1)?, bits.ue()?.checked_add(1)?);
        if mbs_wide > 1024 || units_high > 1024 {
            return None;
        }
        sps.progressive = bits.bit()?;
        if !sps.progressive {
            bits.bit()?;
        }
        bits.bit()?;
        let field_factor = if sps.progressive { 1 } else { 2 };
        let (mut width, mut height) = (mbs_wide * 16, units_high * 16 * field_factor);
        if bits.bit()? {
            let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
            let (unit_x, unit_y) = match sps.chroma_format_idc {
                _ if separate_planes => (1, 1),
                1 => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
            height = height.checked_sub(
                top.checked_add(bottom)?
                    .checked_mul(unit_y * field_factor)?,
            )?;
        }
        (sps.width, sps.height) = (width, height);
        if bits.bit()? {
            // A cut-off VUI does not take away what was read before it.
            sps.read_vui(&mut bits);
        }
        Some(sps)
    }

    fn read_vui(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        if bits.bit()? && bits.read(8)? == 255 {
            bits.read(32)?;
        }
        if bits.bit()? {
            bits.bit()?;
        }
        if bits.bit()? {
            bits.read(3)?;
            self.full_range = Some(bits.bit()?);
            if bits.bit()? {
                bits.read(24)?;
            }
        }
        if bits.bit()? {
            bits.ue()?;
            bits.ue()?;
        }
        if bits.bit()? {
            let (units, scale) = (bits.read(32)?, bits.read(32)?);
            bits.bit()?;
            if units > 0 {
                self.frame_rate = Some(f64::from(scale) / (2.0 * f64::from(units)));
            }
        }
        let mut hrd = false;
        for _ in 0..2 {
            if bits.bit()? {
                hrd = true;
                skip_hrd(bits)?;
            }
        }
        if hrd {
            bits.bit()?;
        }
        bits.bit()?;
        if bits.bit()? {
            bits.bit()?;
            for _ in 0..4 {
                bits.ue()?;
            }
            self.max_reorder_frames = Some(bits.ue()?);
        }
        Some(())
    }

    /// The profile's name.
    pub fn profile(&self) -> &'static str {
        match self.profile_idc {
            66 if self.constraints & 0x40 != 0 => "Constrained Baseline",
            66 => "Baseline",
            77 => "Main",
            88 => "Extended",
            100 if self.constraints & 0x0c == 0x0c => "Constrained High",
            100 => "High",
            110 => "High 10",
            122 => "High 4:2:2",
            244 => "High 4:4:4 Predictive",
            44 => "CAVLC 4:4:4 Intra",
            _ => "unknown",
        }
    }

    /// The level as people write it: 3.1, 4, 1b.
    pub fn level(&self) -> String {
        match (self.level_idc, self.profile_idc) {
            (9, _) => "1b".into(),
            (11, 66 | 77 | 88) if self.constraints & 0x10 != 0 => "1b".into(),
            (level, _) if level % 10 == 0 => format!("{}", level / 10),
            (level, _) => format!("{}.{}", level / 10, level % 10),
        }
    }

    pub fn chroma(&self) -> &'static str {
        ["4:0:0", "4:2:0", "4:2:2", "4:4:4"]
            .get(self.chroma_format_idc as usize)
            .copied()
            .unwrap_or("unknown")
    }
}

fn skip_scaling_lists(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    for list in 0..count {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + i64::from(bits.se()?)).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue()?;
    if count > 31 {
        return None;
    }
    bits.read(8)?;
    for _ in 0..=count {
        bits.ue()?;
        bits.ue()?;
        bits.bit()?;
    }
    bits.read(20)?;
    Some(())
}

/// What one access unit contains.
#[derive(Debug, Default, PartialEq)]
pub struct AccessUnit<'a> {
    pub sps: Vec<&'a [u8]>,
    pub pps: Vec<&'a [u8]>,
    pub idr: bool,
    pub b_slices: bool,
    /// Slices whose first macroblock is 0: coded pictures.
    pub pictures: u32,
}

impl<'a> AccessUnit<'a> {
    pub fn scan(data: &'a [u8]) -> Self {
        let mut unit = Self::default();
        for nal_unit in nal_units(data) {
            match nal_unit[0] & 0x1f {
                nal::SPS => unit.sps.push(nal_unit),
                nal::PPS => unit.pps.push(nal_unit),
                kind @ (nal::SLICE | nal::IDR) => {
                    unit.idr |= kind == nal::IDR;
                    unit.read_slice(nal_unit);
                }
                _ => {}
            }
        }
        unit
    }

    fn read_slice(&mut self, nal_unit: &[u8]) {
        let raw = unescape(nal_unit.get(1..).unwrap_or(&[]), 16);
        let mut bits = Bits::new(&raw);
        let (Some(first), Some(kind)) = (bits.ue(), bits.ue()) else {
            return;
        };
        self.pictures += u32::from(first == 0);
        self.b_slices |= kind % 5 == 1;
    }
}

/// The id of a picture parameter set.
pub fn pps_id(unit: &[u8]) -> Option<u32> {
    Bits::new(&unescape(unit.get(1..)?, 16)).ue()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_come_without_start_codes_and_trailing_zeros() {
        let stream = [
            9, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 0, 1, 0x68, 2, 3, 0, 0, 1, 0x65,
        ];
        let units: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2, 3], &[0x65]]);
    }

    #[test]
    fn a_parameter_set_of_720p_is_read_with_its_cropping_and_timing() {
        // x264, 1280x720, High, level 3.1, 30 fps, no reordering.
        let sps: Vec<u8> = [
            0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00,
            0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
        ]
        .into();
        let sps = Sps::parse(&sps).unwrap();
        assert_eq!(
            (sps.width, sps.height, sps.profile(), sps.level()),
            (1280, 720, "High", "3.1".to_owned())
        );
        assert_eq!(
            (sps.chroma(), sps.bit_depth, sps.progressive),
            ("4:2:0", 8, true)
        );
        assert_eq!(sps.frame_rate, Some(30.0));
    }

    #[test]
    fn a_cut_parameter_set_is_refused_without_a_fault() {
        let whole = [
            0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01,
        ];
        for length in 0..6 {
            assert_eq!(Sps::parse(&whole[..length]), None);
        }
    }
}
