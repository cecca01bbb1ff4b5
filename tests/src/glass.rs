//! What a terminal shows after the bytes of a full-screen program: characters, and pictures of the three kinds with what is
//! left of them. As much of a terminal as the console uses.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{DynamicImage, RgbImage, RgbaImage};
use unicode_width::UnicodeWidthChar;

/// kitty's placeholder (graphics protocol, "Unicode placeholders").
const PLACEHOLDER: char = '\u{10EEEE}';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Kitty,
    Sixel,
    Iterm2,
}

#[derive(Debug, Clone)]
struct Cell {
    sign: char,
    /// Pixels lie over it.
    picture: bool,
}

const EMPTY: Cell = Cell {
    sign: ' ',
    picture: false,
};

/// A cell is 10x20 pixels.
pub const CELL: (u32, u32) = (10, 20);

#[derive(Debug)]
pub struct Glass {
    width: usize,
    cells: Vec<Cell>,
    at: (usize, usize),
    rest: Vec<u8>,
    kitty: (String, Vec<u8>),
    /// The last one that was drawn whole.
    pub last: Option<(Way, DynamicImage)>,
    /// How many came.
    pub pictures: usize,
    /// kitty's names that are in its memory.
    pub names: std::collections::BTreeSet<u32>,
}

impl Glass {
    pub fn new(width: u16, height: u16) -> Self {
        Self {
            width: usize::from(width),
            cells: vec![EMPTY; usize::from(width) * usize::from(height)],
            at: (0, 0),
            rest: Vec::new(),
            kitty: Default::default(),
            last: None,
            pictures: 0,
            names: Default::default(),
        }
    }

    pub fn text(&self) -> String {
        let rows = self.cells.chunks(self.width);
        rows.map(|row| row.iter().map(|c| c.sign).collect::<String>() + "\n")
            .collect()
    }

    /// Cells that still show a part of a picture.
    pub fn pictured(&self) -> usize {
        let shows = |c: &&Cell| c.picture || c.sign == PLACEHOLDER;
        self.cells.iter().filter(shows).count()
    }

    /// Bytes in any portions.
    pub fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut all = std::mem::take(&mut self.rest);
        let mut from = 0;
        while let Some(used) = self.one(&all[from..]) {
            from += used;
        }
        self.rest = all.split_off(from);
    }

    /// One character or sequence; `None` when it is not whole yet.
    fn one(&mut self, bytes: &[u8]) -> Option<usize> {
        match bytes {
            [] | [0x1b] => None,
            [0x1b, b'[', ..] => {
                let end = bytes[2..].iter().position(|b| (0x40..=0x7e).contains(b))? + 2;
                let params = String::from_utf8_lossy(&bytes[2..end]).into_owned();
                self.control(&params, bytes[end]);
                Some(end + 1)
            }
            [0x1b, kind @ (b']' | b'P' | b'_' | b'X' | b'^'), ..] => {
                let bell = bytes.iter().position(|b| *b == 7);
                let st = bytes[2..].windows(2).position(|w| w == b"\x1b\\");
                let (end, used) = match (bell.filter(|_| *kind == b']'), st) {
                    (Some(bell), st) if st.is_none_or(|st| bell < st + 2) => (bell, bell + 1),
                    (_, st) => (st? + 2, st? + 4),
                };
                self.string(*kind, &bytes[2..end]);
                Some(used)
            }
            [0x1b, ..] => Some(2),
            [b'\r', ..] => {
                self.at.0 = 0;
                Some(1)
            }
            [b'\n', ..] => {
                self.at.1 += 1;
                Some(1)
            }
            [0..0x20, ..] => Some(1),
            [first, ..] => {
                let long = match first {
                    0..0x80 => 1,
                    0x80..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    _ => 4,
                };
                let sign = std::str::from_utf8(bytes.get(..long)?).unwrap();
                self.put(sign.chars().next().unwrap());
                Some(long)
            }
        }
    }

    fn put(&mut self, sign: char) {
        // Marks on the character before.
        if sign != PLACEHOLDER && sign.width() == Some(0) {
            return;
        }
        let (x, y) = self.at;
        if let Some(cell) = self.cells.get_mut(y * self.width + x) {
            *cell = Cell { sign, ..EMPTY };
        }
        self.at.0 = (x + 1).min(self.width);
    }

    fn control(&mut self, params: &str, last: u8) {
        let mut numbers = params.split(';').map(|p| p.parse::<usize>().unwrap_or(0));
        let first = numbers.next().unwrap_or(0);
        let second = numbers.next().unwrap_or(0);
        let (x, y) = self.at;
        match last {
            b'H' => self.at = (second.max(1) - 1, first.max(1) - 1),
            b'G' => self.at.0 = first.max(1) - 1,
            b'A' => self.at.1 = y.saturating_sub(first.max(1)),
            b'B' => self.at.1 = y + first.max(1),
            b'C' => self.at.0 = x + first.max(1),
            b'D' => self.at.0 = x.saturating_sub(first.max(1)),
            b'J' => self.cells.fill(EMPTY),
            b'X' => {
                let from = y * self.width + x;
                let to = (from + first.max(1)).min((y + 1) * self.width);
                if let Some(cells) = self.cells.get_mut(from..to) {
                    cells.fill(EMPTY);
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, kind: u8, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match kind {
            b']' => {
                if let Some(file) = text.strip_prefix("1337;File=") {
                    let (_, data) = file.split_once(':').unwrap();
                    let png = BASE64_STANDARD.decode(data).unwrap();
                    self.pixels(Way::Iterm2, image::load_from_memory(&png).unwrap());
                }
            }
            b'P' if text.contains('q') => self.pixels(Way::Sixel, sixel(&text)),
            b'_' => {
                if let Some(kitty) = text.strip_prefix('G') {
                    self.kitty(kitty);
                }
            }
            _ => {}
        }
    }

    /// Over the cells from the cursor on.
    fn pixels(&mut self, way: Way, picture: DynamicImage) {
        let (x, y) = self.at;
        let columns = picture.width().div_ceil(CELL.0) as usize;
        let rows = picture.height().div_ceil(CELL.1) as usize;
        for row in y..y + rows {
            let cells = self.cells[row * self.width..].iter_mut();
            for cell in cells.skip(x).take(columns) {
                cell.picture = true;
            }
        }
        self.pictures += 1;
        self.last = Some((way, picture));
    }

    /// Keys and values, `;`, base64; in parts of which the first has the keys.
    fn kitty(&mut self, said: &str) {
        let (keys, data) = said.split_once(';').unwrap_or((said, ""));
        let find = |keys: &str, key: &str| {
            let found = keys.split(',').find_map(|k| k.strip_prefix(key));
            found.and_then(|v| v.strip_prefix('=')).map(str::to_owned)
        };
        if find(keys, "a").as_deref() == Some("q") {
            return;
        }
        if find(keys, "a").as_deref() == Some("d") {
            let name = find(keys, "i").unwrap().parse().unwrap();
            self.names.remove(&name);
            return;
        }
        if find(keys, "s").is_some() {
            self.kitty = (keys.to_owned(), Vec::new());
        }
        self.kitty.1.extend(BASE64_STANDARD.decode(data).unwrap());
        if find(keys, "m").as_deref() == Some("1") {
            return;
        }
        let (keys, data) = std::mem::take(&mut self.kitty);
        let number = |key| find(&keys, key).unwrap().parse::<u32>().unwrap();
        assert_eq!((number("f"), number("U")), (32, 1), "{keys}");
        let picture = RgbaImage::from_raw(number("s"), number("v"), data);
        self.names.insert(number("i"));
        self.pictures += 1;
        self.last = Some((Way::Kitty, picture.unwrap().into()));
    }
}

/// DEC's sixels (VT330/VT340 Programmer Reference Manual, chapter 14): colours in RGB, no aspect but 1:1.
fn sixel(text: &str) -> DynamicImage {
    let bytes = text.split_once('q').unwrap().1.as_bytes();
    let mut colours = vec![[0u8; 3]; 1_024];
    let (mut colour, mut x, mut y, mut at) = (0, 0u32, 0u32, 0);
    let mut dots: Vec<(u32, u32, [u8; 3])> = Vec::new();
    let numbers = |at: &mut usize| {
        let from = *at;
        while bytes
            .get(*at)
            .is_some_and(|b| b.is_ascii_digit() || *b == b';')
        {
            *at += 1;
        }
        let text = std::str::from_utf8(&bytes[from..*at]).unwrap();
        text.split(';')
            .filter_map(|n| n.parse::<u32>().ok())
            .collect::<Vec<_>>()
    };
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        let mut times = 1;
        let mut column = None;
        match byte {
            b'"' => drop(numbers(&mut at)),
            b'#' => {
                let found = numbers(&mut at);
                colour = found[0] as usize;
                if let [_, 2, r, g, b] = found[..] {
                    colours[colour] = [r, g, b].map(|c| (c * 255 / 100) as u8);
                }
            }
            b'$' => x = 0,
            b'-' => (x, y) = (0, y + 6),
            b'!' => {
                times = numbers(&mut at)[0];
                column = bytes.get(at).copied();
                at += 1;
            }
            b'?'..=b'~' => column = Some(byte),
            _ => {}
        }
        if let Some(column) = column {
            for dot in (0..6).filter(|dot| (column - b'?') >> dot & 1 == 1) {
                dots.extend((0..times).map(|n| (x + n, y + dot, colours[colour])));
            }
            x += times;
        }
    }
    let width = dots.iter().map(|d| d.0).max().unwrap_or(0) + 1;
    let height = dots.iter().map(|d| d.1).max().unwrap_or(0) + 1;
    let mut picture = RgbImage::new(width, height);
    for (x, y, rgb) in dots {
        picture.put_pixel(x, y, image::Rgb(rgb));
    }
    picture.into()
}

/// Average colours of a picture's parts, row by row: 4 in each of 3.
pub fn averages(picture: &DynamicImage) -> Vec<[f64; 3]> {
    let picture = picture.to_rgb8();
    let (width, height) = (picture.width() / 4, picture.height() / 3);
    let mut all = Vec::new();
    for part in 0..12 {
        let (left, top) = (part % 4 * width, part / 4 * height);
        let mut sum = [0.0; 3];
        for y in top..top + height {
            for x in left..left + width {
                for (sum, value) in sum.iter_mut().zip(picture.get_pixel(x, y).0) {
                    *sum += f64::from(value);
                }
            }
        }
        all.push(sum.map(|s| s / f64::from(width * height)));
    }
    all
}

/// The greatest difference of any of the averages' values.
pub fn differ(a: &DynamicImage, b: &DynamicImage) -> f64 {
    let pairs = averages(a).into_iter().zip(averages(b));
    let values = pairs.flat_map(|(a, b)| (0..3).map(move |n| (a[n] - b[n]).abs()));
    values.fold(0.0, f64::max)
}
