//! Drawing of the synthetic callers' picture.

use crate::picture::{Format, Frame};

const WHITE: u8 = 235;
const BLACK: u8 = 16;
const GREY: u8 = 128;
const CELLS: usize = 24;

/// What the code strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The caller's number, 0 to 63.
    pub id: u8,
    /// Time on the 30 Hz grid, modulo 1024.
    pub counter: u16,
}

impl Code {
    /// The 24 cells, left to right as most to least significant bit.
    #[must_use]
    pub fn bits(self) -> u32 {
        let (id, counter) = (u32::from(self.id & 63), u32::from(self.counter & 1023));
        0b1010 << 20 | id << 14 | counter << 4 | check_of(self)
    }

    /// Whether the flash is on, and with it the beep.
    #[must_use]
    pub fn flash(self) -> bool {
        self.counter % 60 < 3
    }
}

/// The check cells.
#[must_use]
pub fn check_of(code: Code) -> u32 {
    let (id, counter) = (u32::from(code.id & 63), u32::from(code.counter & 1023));
    (id >> 4) ^ (id & 15) ^ (counter >> 8) ^ ((counter >> 4) & 15) ^ (counter & 15) ^ 5
}

/// Segments a to g of each digit, from the most significant bit of seven.
const DIGITS: [u8; 10] = [
    0b111_1110, 0b011_0000, 0b110_1101, 0b111_1001, 0b011_0011, 0b101_1011, 0b101_1111, 0b111_0000,
    0b111_1111, 0b111_1011,
];

/// Each segment as a box in a digit of 4 x 7: left, top, right, bottom.
const SEGMENTS: [[usize; 4]; 7] = [
    [0, 0, 4, 1],
    [3, 0, 4, 4],
    [3, 3, 4, 7],
    [0, 6, 4, 7],
    [0, 3, 1, 7],
    [0, 0, 1, 4],
    [0, 3, 4, 4],
];

/// Draws the picture of one instant.
#[must_use]
pub fn draw_frame(format: &Format, code: Code) -> Option<Frame> {
    let (width, height) = (format.width(), format.height());
    let bits = code.bits();
    let hue = [96 + (code.id % 8) * 8, 160 - (code.id / 8 % 8) * 8];
    let band = |fraction: usize| height * fraction / 100;
    format.draw(|plane, row, pixels| {
        let columns = pixels.len();
        if plane > 0 {
            let row = row * 2;
            let coloured = row >= band(15) && row < band(78);
            pixels.fill(if coloured { hue[plane - 1] } else { 128 });
            return;
        }
        if row < band(15) {
            pixels.fill(if code.flash() { WHITE } else { BLACK });
        } else if row < band(78) {
            pixels.fill(100);
            middle(pixels, row - band(15), (width, band(78) - band(15)), code);
        } else if row < band(80) || row >= band(95) {
            pixels.fill(GREY);
        } else {
            for cell in 0..CELLS {
                let on = bits >> (CELLS - 1 - cell) & 1 == 1;
                let (from, to) = (cell * columns / CELLS, (cell + 1) * columns / CELLS);
                pixels[from..to].fill(if on { WHITE } else { BLACK });
            }
        }
    })
}

/// One line of the middle: two digits, and a mark that crosses once in 2 s.
fn middle(pixels: &mut [u8], row: usize, (width, height): (usize, usize), code: Code) {
    let unit = height / 9;
    if unit == 0 {
        return;
    }
    let at = usize::from(code.counter % 60) * (width - width / 12) / 60;
    if row >= height - unit {
        pixels[at..at + width / 12].fill(WHITE);
    }
    let left = (width / 2).saturating_sub(unit * 9 / 2);
    for (place, digit) in [code.id / 10 % 10, code.id % 10].into_iter().enumerate() {
        let segments = DIGITS[usize::from(digit)];
        for (index, [x0, y0, x1, y1]) in SEGMENTS.into_iter().enumerate() {
            let lit = segments >> (6 - index) & 1 == 1;
            if lit && (unit / 2 + y0 * unit..unit / 2 + y1 * unit).contains(&row) {
                let start = left + place * 5 * unit;
                if let Some(box_) = pixels.get_mut(start + x0 * unit..start + x1 * unit) {
                    box_.fill(210);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strip_carries_sync_id_counter_and_check() {
        let code = Code {
            id: 0b10_0111,
            counter: 0b11_0101_1001,
        };
        assert_eq!(code.bits() >> 20, 0b1010);
        assert_eq!(code.bits() >> 14 & 63, 0b10_0111);
        assert_eq!(code.bits() >> 4 & 1023, 0b11_0101_1001);
        assert_eq!(
            code.bits() & 15,
            0b10 ^ 0b0111 ^ 0b11 ^ 0b0101 ^ 0b1001 ^ 0b0101
        );
    }

    #[test]
    fn the_flash_lasts_the_first_three_of_sixty_counts() {
        let on: Vec<u16> = (0..120)
            .filter(|counter| {
                Code {
                    id: 1,
                    counter: *counter,
                }
                .flash()
            })
            .collect();
        assert_eq!(on, [0, 1, 2, 60, 61, 62]);
    }

    #[test]
    fn a_drawn_picture_reads_back_as_its_code() {
        gst::init().unwrap();
        for (width, height) in [(640, 360), (320, 180), (1280, 720), (426, 240)] {
            let format = Format::new(width, height, 30).unwrap();
            let code = Code {
                id: 42,
                counter: 777,
            };
            let frame = draw_frame(&format, code).unwrap();
            let bits = format
                .read(&frame, |planes| {
                    let (luma, stride) = planes[0];
                    let row = &luma[format.height() * 87 / 100 * stride..];
                    (0..CELLS).fold(0u32, |bits, cell| {
                        let middle = (2 * cell + 1) * format.width() / (2 * CELLS);
                        bits << 1 | u32::from(row[middle] > 128)
                    })
                })
                .unwrap();
            assert_eq!(bits, code.bits(), "{width}x{height}");
        }
    }
}
