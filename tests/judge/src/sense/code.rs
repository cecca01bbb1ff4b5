//! The code strip of a synthetic caller: 24 cells, white is 1, over the whole width between 80 % and 95 % of the
//! height: sync `1010`, 6 bits id, 10 bits counter (30 Hz), 4 bits check; most significant bit first.

/// Cells of the strip.
pub const CELLS: usize = 24;
/// Luma that divides black (16) from white (235).
const MIDDLE: f64 = 125.5;
/// A cell closer to the middle than this is not read: the picture is in a fade, or not a code.
const CLEAR: f64 = 40.0;

/// The strip's cells for an id (0–63) and a counter (0–1023).
pub fn encode(id: u8, counter: u16) -> u32 {
    let (id, counter) = (u32::from(id & 63), u32::from(counter & 1023));
    0b1010 << 20 | id << 14 | counter << 4 | check(id, counter)
}

/// Id and counter, when sync and check are right.
pub fn decode(cells: u32) -> Option<(u8, u16)> {
    let (id, counter) = (cells >> 14 & 63, cells >> 4 & 1023);
    (cells >> 20 == 0b1010 && cells & 15 == check(id, counter))
        .then_some((id as u8, counter as u16))
}

fn check(id: u32, counter: u32) -> u32 {
    (id >> 4) ^ (id & 15) ^ (counter >> 8) ^ (counter >> 4 & 15) ^ (counter & 15) ^ 5
}

/// Reads the strip from a luma plane.
pub fn read(luma: &[u8], width: usize, height: usize) -> Option<(u8, u16)> {
    // The middle of the strip and of each cell: edges are smeared by scaling and coding.
    let (top, bottom) = (height * 83 / 100, height * 92 / 100);
    let mut cells = 0;
    for cell in 0..CELLS {
        let (left, right) = (
            (width * (4 * cell + 1)).div_ceil(4 * CELLS),
            width * (4 * cell + 3) / (4 * CELLS),
        );
        let (mut sum, mut count) = (0u64, 0u64);
        for row in top..bottom {
            for &pixel in luma.get(row * width + left..row * width + right)? {
                sum += u64::from(pixel);
                count += 1;
            }
        }
        let mean = sum as f64 / count.max(1) as f64;
        if (mean - MIDDLE).abs() < CLEAR {
            return None;
        }
        cells = cells << 1 | u32::from(mean > MIDDLE);
    }
    decode(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_no_single_flipped_cell_passes() {
        for id in 0..64 {
            for counter in (0..1024).step_by(7) {
                let cells = encode(id, counter);
                assert_eq!(decode(cells), Some((id, counter)));
                for bit in 0..24 {
                    assert_eq!(
                        decode(cells ^ 1 << bit),
                        None,
                        "id {id} counter {counter} bit {bit}"
                    );
                }
            }
        }
    }
}
