//! A bit reader with Exp-Golomb codes that ends instead of failing.

/// Reads bits from the most significant end.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
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
    pub fn read(&mut self, count: u32) -> Option<u32> {
        (0..count.min(32)).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    /// `ue(v)` of H.264 §9.1.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.read(zeros)?)
    }

    /// `se(v)` of H.264 §9.1.1.
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        Some(
            (if code % 2 == 0 {
                -(code / 2)
            } else {
                code / 2 + 1
            }) as i32,
        )
    }
}
