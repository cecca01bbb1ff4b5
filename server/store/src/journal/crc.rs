//! CRC-32 turned round: from the difference between the checksum found and the one stored, the single byte that explains
//! it. Linear in the length, because a CRC can be run backwards over unknown bytes.

const POLYNOMIAL: u32 = 0xEDB8_8320;

const TABLE: [u32; 256] = table();
/// Index into [`TABLE`] by the top byte of its value (a bijection for this polynomial).
const BY_TOP: [u8; 256] = by_top();

const fn table() -> [u32; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ POLYNOMIAL
            } else {
                value >> 1
            };
            bit += 1;
        }
        out[i] = value;
        i += 1;
    }
    out
}

const fn by_top() -> [u8; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        out[(TABLE[i] >> 24) as usize] = i as u8;
        i += 1;
    }
    out
}

/// One byte that has to be XORed with `delta` to make the checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    pub offset: usize,
    pub delta: u8,
}

/// Every single-byte change to `data` that would give it the checksum `stored`. More than one is rare: confirm by other
/// means (the hash chain) before believing any.
pub fn single_byte_fixes(data: &[u8], stored: u32) -> Vec<Fix> {
    let mut difference = crc32fast::hash(data) ^ stored;
    let mut fixes = Vec::new();
    if difference == 0 {
        return fixes;
    }
    for offset in (0..data.len()).rev() {
        let delta = BY_TOP[(difference >> 24) as usize];
        if TABLE[delta as usize] == difference {
            fixes.push(Fix { offset, delta });
        }
        // One byte further back.
        difference = ((difference ^ TABLE[delta as usize]) << 8) | u32::from(delta);
    }
    fixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_found_again() {
        let good: Vec<u8> = (0..200_u32).map(|i| (i * 31 % 251) as u8).collect();
        let stored = crc32fast::hash(&good);
        for offset in 0..good.len() {
            for delta in [1_u8, 0x80, 0xff, 0x5a] {
                let mut bad = good.clone();
                bad[offset] ^= delta;
                assert!(single_byte_fixes(&bad, stored).contains(&Fix { offset, delta }));
            }
        }
    }

    #[test]
    fn sound_data_needs_no_fix() {
        assert!(single_byte_fixes(b"booth", crc32fast::hash(b"booth")).is_empty());
    }
}
