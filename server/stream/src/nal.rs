//! NAL units: in and out of their two containers, and the bits within their parameter sets.
//!
//! Byte streams have start codes (ISO/IEC 14496-10 and 23008-2, annex B); units in files and RTMP have lengths before them
//! (14496-15 §5.3.2). Within booth the lengths have 4 bytes, always.

use bytes::{BufMut, Bytes, BytesMut};

/// A picture has at most this many NAL units: slices, SEI and parameter sets of any real encoder are far below. It bounds
/// what a unit made of empty ones costs.
pub const MAX_NALS: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NalError {
    #[error("a NAL unit ends after its access unit does")]
    Cut,
    #[error("an access unit has more than {MAX_NALS} NAL units")]
    TooMany,
    #[error("lengths of NAL units have 1, 2 or 4 bytes, not {0}")]
    LengthSize(usize),
    #[error("an access unit is longer than any")]
    TooLong,
}

/// The NAL units of a byte stream, without start codes and the zeros around them. What comes before the first start code
/// is none. Empty ones are passed over.
pub fn split_annex_b(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = match find_start_code(data) {
        Some((_, after)) => &data[after..],
        None => &[],
    };
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (nal, next) = match find_start_code(rest) {
                Some((at, after)) => (&rest[..at], &rest[after..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = next;
            // trailing_zero_8bits: a NAL unit never ends with a zero itself (14496-10 §7.4.1).
            let end = nal
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at + 1);
            if end > 0 {
                return Some(&nal[..end]);
            }
        }
        None
    })
}

/// Where the next start code of three bytes is, and where it ends.
fn find_start_code(data: &[u8]) -> Option<(usize, usize)> {
    let mut at = 2;
    while let Some(byte) = data.get(at) {
        match byte {
            0 => at += 1,
            1 if data[at - 1] == 0 && data[at - 2] == 0 => return Some((at - 2, at + 1)),
            // Neither this byte nor the two before it can be of the next one.
            _ => at += 3,
        }
    }
    None
}

/// The NAL units of an access unit in booth's form. Empty ones are passed over; an error ends it.
pub fn split(data: &[u8]) -> impl Iterator<Item = Result<&[u8], NalError>> {
    split_sized(data, 4)
}

/// As [`split`], with lengths of 1 to 4 bytes.
fn split_sized(data: &[u8], size: usize) -> impl Iterator<Item = Result<&[u8], NalError>> {
    let mut rest = data;
    let mut count = 0;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let taken = take_nal(rest, size);
            count += 1;
            let (nal, next) = match taken {
                Some(_) if count > MAX_NALS => {
                    rest = &[];
                    return Some(Err(NalError::TooMany));
                }
                Some(taken) => taken,
                None => {
                    rest = &[];
                    return Some(Err(NalError::Cut));
                }
            };
            rest = next;
            if !nal.is_empty() {
                return Some(Ok(nal));
            }
        }
        None
    })
}

fn take_nal(data: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_at_checked(size)?;
    let length = length
        .iter()
        .fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// Appends a NAL unit in booth's form.
pub fn put(nal: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
    out.put_slice(nal);
}

/// An access unit of a byte stream in booth's form.
pub fn from_annex_b(data: &[u8]) -> Result<Bytes, NalError> {
    let mut out = BytesMut::with_capacity(data.len() + 16);
    for (count, nal) in split_annex_b(data).enumerate() {
        if count >= MAX_NALS {
            return Err(NalError::TooMany);
        }
        put(nal, &mut out);
    }
    Ok(out.freeze())
}

/// An access unit whose lengths have `size` bytes, in booth's form. With 4 bytes it is the same one, checked.
pub fn normalise(data: Bytes, size: usize) -> Result<Bytes, NalError> {
    match size {
        4 => {
            for nal in split(&data) {
                nal?;
            }
            Ok(data)
        }
        1..=3 => {
            let mut out = BytesMut::with_capacity(data.len() + 16);
            for nal in split_sized(&data, size) {
                put(nal?, &mut out);
            }
            Ok(out.freeze())
        }
        other => Err(NalError::LengthSize(other)),
    }
}

/// Appends a NAL unit with a start code of four bytes, as the first of an access unit and parameter sets must have.
pub fn put_annex_b(nal: &[u8], out: &mut Vec<u8>) {
    out.extend([0, 0, 0, 1]);
    out.extend(nal);
}

/// The payload of a NAL unit without its emulation prevention bytes (14496-10 §7.3.1), `header` bytes of it left out.
#[must_use]
pub fn unescape(nal: &[u8], header: usize) -> Vec<u8> {
    let payload = nal.get(header..).unwrap_or_default();
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// Bits from the first on. Past the end there are none.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.data.len() * 8).then_some(())
    }

    #[must_use]
    pub fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.at)
    }

    /// Exp-Golomb, `ue(v)` (14496-10 §9.1).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1 + u64::from(rest)) as u32)
    }

    /// `ue(v)` that is at most `most`; more is damage, not a value.
    pub fn ue_to(&mut self, most: u32) -> Option<u32> {
        self.ue().filter(|value| *value <= most)
    }

    /// `se(v)` (14496-10 §9.1.1).
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let value = (code + 1) / 2;
        Some(if code % 2 == 0 { -value } else { value } as i32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_split_and_zeros_around_them_go() {
        let stream = [
            9, 9, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 0, 5, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0,
            0,
        ];
        let nals: Vec<&[u8]> = split_annex_b(&stream).collect();
        assert_eq!(
            nals,
            [&[0x67, 1, 2][..], &[0x68, 0, 5], &[0x65, 0, 0, 3, 1]]
        );
        assert_eq!(split_annex_b(&[0, 0, 1]).count(), 0);
        assert_eq!(split_annex_b(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn lengths_of_any_size_become_four_bytes() {
        let four = Bytes::from_static(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9]);
        assert_eq!(normalise(four.clone(), 4).unwrap().as_ptr(), four.as_ptr());
        for (size, data) in [
            (1, &[2, 7, 8, 1, 9][..]),
            (2, &[0, 2, 7, 8, 0, 1, 9]),
            (3, &[0, 0, 2, 7, 8, 0, 0, 1, 9]),
        ] {
            assert_eq!(normalise(Bytes::copy_from_slice(data), size).unwrap(), four);
        }
        assert_eq!(normalise(four.slice(..10), 4).unwrap_err(), NalError::Cut);
        assert_eq!(normalise(four, 5).unwrap_err(), NalError::LengthSize(5));
    }

    #[test]
    fn a_unit_of_nothing_but_empty_nals_is_refused() {
        let data = Bytes::from(vec![0; 4 * (MAX_NALS + 1)]);
        assert_eq!(normalise(data, 4).unwrap_err(), NalError::TooMany);
    }

    #[test]
    fn golomb_codes_are_those_of_the_table_in_the_standard() {
        // 1, 010, 011, 00100, 00101 are 0, 1, 2, 3, 4, and signed 0, 1, −1, 2, −2.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.ue().unwrap()), [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.se().unwrap()), [0, 1, -1, 2, -2]);
        assert_eq!(Bits::new(&[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]).ue(), None);
        let long = [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE];
        assert_eq!(Bits::new(&long).ue(), Some(u32::MAX - 1));
    }

    #[test]
    fn emulation_prevention_goes_and_other_threes_stay() {
        assert_eq!(
            unescape(&[0x67, 0, 0, 3, 1, 3, 0, 3, 0, 0, 3], 1),
            [0, 0, 1, 3, 0, 3, 0, 0]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nal_units_pass_both_containers_unchanged(
            // No zeros: those are what encoders escape.
            nals in proptest::collection::vec(proptest::collection::vec(1u8.., 1..50), 1..20),
        ) {
            let mut stream = Vec::new();
            for (n, nal) in nals.iter().enumerate() {
                stream.extend(if n % 2 == 0 { &[0, 0, 0, 1][..] } else { &[0, 0, 1] });
                stream.extend(nal);
            }
            let unit = from_annex_b(&stream).unwrap();
            let back: Vec<Vec<u8>> = split(&unit).map(|nal| nal.unwrap().to_vec()).collect();
            prop_assert_eq!(back, nals);
        }

        #[test]
        fn random_bytes_never_panic(data in proptest::collection::vec(0u8..4, 0..400), size in 0usize..6) {
            let _ = from_annex_b(&data);
            let _ = normalise(Bytes::from(data.clone()), size);
            let unescaped = unescape(&data, 1);
            let mut bits = Bits::new(&unescaped);
            while bits.ue().is_some() && bits.se().is_some() {}
            // Nothing is lost: what is not a start code or a zero is in some unit.
            let whole: usize = split_annex_b(&data).map(<[u8]>::len).sum();
            prop_assert!(whole <= data.len());
        }
    }
}
