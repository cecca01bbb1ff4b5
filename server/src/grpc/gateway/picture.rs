//! Pictures of 320x180: a decoded JPEG, lettered and framed, as PNG or JPEG. Pure; called where it may take its time.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 180;
const FRAME: usize = 8;
const LINE: usize = RasterHeight::Size32.val();
const BAR: usize = LINE + 8;
const WEIGHT: FontWeight = FontWeight::Bold;
const JPEG_QUALITY: u8 = 80;

pub type Rgb = [u8; 3];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

/// What is written on a picture, and in which colour it is framed. No meaning is in the colour alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lettering {
    pub title: String,
    pub state: String,
    /// Of whom; may be empty.
    pub who: String,
    pub colour: Rgb,
}

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("not a JPEG of at most 320x180: {0}")]
    Decode(String),
    #[error("the picture cannot be written: {0}")]
    Encode(String),
}

#[derive(Debug, Clone)]
pub struct Picture(Vec<u8>);

impl Picture {
    /// Words alone: title, state (large), who.
    pub fn of_words(words: &Lettering) -> Self {
        let mut picture = Self::plain([24, 24, 24]);
        picture.frame(words.colour);
        picture.write(&words.title, 16, 1, WHITE);
        let large = if width(&words.state) * 2 <= WIDTH - 2 * FRAME {
            2
        } else {
            1
        };
        let band = 16 + LINE + 6;
        picture.fill(FRAME, band, WIDTH - 2 * FRAME, 64 + 4, words.colour);
        let top = band + 2 + (64 - LINE * large) / 2;
        picture.write(&words.state, top, large, ink(words.colour));
        picture.write(&words.who, HEIGHT - FRAME - LINE - 6, 1, WHITE);
        picture
    }

    /// A picture with its state below it.
    pub fn of_jpeg(jpeg: &[u8], words: &Lettering) -> Result<Self, PictureError> {
        let mut picture = Self::plain(BLACK);
        picture.paste(jpeg)?;
        picture.frame(words.colour);
        picture.fill(0, HEIGHT - BAR, WIDTH, BAR, words.colour);
        let text = if words.who.is_empty() {
            format!("{} {}", words.title, words.state)
        } else {
            format!("{} {}", words.state, words.who)
        };
        picture.write(&text, HEIGHT - BAR + 4, 1, ink(words.colour));
        Ok(picture)
    }

    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        let failed = |e: png::EncodingError| PictureError::Encode(e.to_string());
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, WIDTH as u32, HEIGHT as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.0).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(out)
    }

    pub fn jpeg(&self) -> Result<Vec<u8>, PictureError> {
        let mut out = Vec::new();
        jpeg_encoder::Encoder::new(&mut out, JPEG_QUALITY)
            .encode(
                &self.0,
                WIDTH as u16,
                HEIGHT as u16,
                jpeg_encoder::ColorType::Rgb,
            )
            .map_err(|e| PictureError::Encode(e.to_string()))?;
        Ok(out)
    }

    fn plain(colour: Rgb) -> Self {
        Self(colour.repeat(WIDTH * HEIGHT))
    }

    /// Into the middle; nothing is scaled.
    fn paste(&mut self, jpeg: &[u8]) -> Result<(), PictureError> {
        let failed = |e: String| PictureError::Decode(e);
        let options = DecoderOptions::new_safe()
            .set_max_width(WIDTH)
            .set_max_height(HEIGHT)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let pixels = decoder.decode().map_err(|e| failed(format!("{e:?}")))?;
        let (across, down) = decoder
            .dimensions()
            .ok_or_else(|| failed("no size".into()))?;
        if across == 0 || across > WIDTH || down > HEIGHT || pixels.len() < across * down * 3 {
            return Err(failed(format!("{across}x{down}")));
        }
        let (left, top) = ((WIDTH - across) / 2, (HEIGHT - down) / 2);
        for (y, row) in pixels.chunks_exact(across * 3).take(down).enumerate() {
            let at = ((top + y) * WIDTH + left) * 3;
            self.0[at..at + row.len()].copy_from_slice(row);
        }
        Ok(())
    }

    fn frame(&mut self, colour: Rgb) {
        self.fill(0, 0, WIDTH, FRAME, colour);
        self.fill(0, HEIGHT - FRAME, WIDTH, FRAME, colour);
        self.fill(0, 0, FRAME, HEIGHT, colour);
        self.fill(WIDTH - FRAME, 0, FRAME, HEIGHT, colour);
    }

    fn fill(&mut self, left: usize, top: usize, across: usize, down: usize, colour: Rgb) {
        for y in top..(top + down).min(HEIGHT) {
            for x in left..(left + across).min(WIDTH) {
                self.0[(y * WIDTH + x) * 3..][..3].copy_from_slice(&colour);
            }
        }
    }

    /// One line in the middle, cut where it has no room.
    fn write(&mut self, text: &str, top: usize, scale: usize, ink: Rgb) {
        let room = (WIDTH - 2 * FRAME) / (advance() * scale);
        let text: Vec<char> = text.chars().take(room).collect();
        let mut left = (WIDTH - text.len() * advance() * scale) / 2;
        for letter in text {
            // What has no letter here is a gap of the same width.
            if let Some(raster) = get_raster(letter, WEIGHT, RasterHeight::Size32) {
                for (y, row) in raster.rows().enumerate() {
                    for (x, cover) in row.iter().enumerate() {
                        self.blend(left + x * scale, top + y * scale, scale, ink, *cover);
                    }
                }
            }
            left += advance() * scale;
        }
    }

    fn blend(&mut self, left: usize, top: usize, size: usize, ink: Rgb, cover: u8) {
        for y in top..(top + size).min(HEIGHT) {
            for x in left..(left + size).min(WIDTH) {
                let pixel = &mut self.0[(y * WIDTH + x) * 3..][..3];
                for (under, over) in pixel.iter_mut().zip(ink) {
                    let (cover, mixed) = (u32::from(cover), u32::from(*under));
                    *under = ((mixed * (255 - cover) + u32::from(over) * cover) / 255) as u8;
                }
            }
        }
    }
}

const fn advance() -> usize {
    get_raster_width(WEIGHT, RasterHeight::Size32)
}

fn width(text: &str) -> usize {
    text.chars().count() * advance()
}

/// Readable upon the colour.
fn ink(on: Rgb) -> Rgb {
    let light = u32::from(on[0]) * 299 + u32::from(on[1]) * 587 + u32::from(on[2]) * 114;
    if light > 140_000 { BLACK } else { WHITE }
}

/// Whether the letters here have every character of it.
pub fn can_write(text: &str) -> bool {
    text.chars()
        .all(|c| get_raster(c, WEIGHT, RasterHeight::Size32).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgb = [200, 0, 0];

    fn words(state: &str) -> Lettering {
        Lettering {
            title: "slot 1".into(),
            state: state.into(),
            who: "Åse Ødegård".into(),
            colour: RED,
        }
    }

    fn pixel(picture: &Picture, x: usize, y: usize) -> Rgb {
        picture.0[(y * WIDTH + x) * 3..][..3].try_into().unwrap()
    }

    /// How many pixels of these rows are about this colour.
    fn count(picture: &Picture, rows: std::ops::Range<usize>, colour: Rgb) -> usize {
        let near = |p: Rgb| p.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 40);
        rows.flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
            .filter(|(x, y)| near(pixel(picture, *x, *y)))
            .count()
    }

    fn read_png(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn words_are_a_picture_with_title_state_and_name_in_their_places() {
        let picture = Picture::of_words(&words("ON AIR"));
        assert_eq!(pixel(&picture, 0, 0), RED);
        assert_eq!(pixel(&picture, WIDTH - 1, HEIGHT - 1), RED);
        let lines = [16..16 + LINE, 56..122, 134..166];
        for rows in lines {
            let lettered = count(&picture, rows.clone(), WHITE);
            assert!(lettered > 300, "{rows:?}: {lettered}");
        }
        let (across, down, pixels) = read_png(&picture.png().unwrap());
        assert_eq!((across, down), (320, 180));
        assert_eq!(pixels, picture.0);
    }

    #[test]
    fn words_that_differ_look_different() {
        let of = |state| Picture::of_words(&words(state)).png().unwrap();
        assert_ne!(of("IDLE"), of("ARMED"));
    }

    #[test]
    fn a_picture_is_seen_above_its_state() {
        let blue = [20, 40, 220].repeat(160 * 90);
        let mut jpeg = Vec::new();
        jpeg_encoder::Encoder::new(&mut jpeg, 95)
            .encode(&blue, 160, 90, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        let picture = Picture::of_jpeg(&jpeg, &words("ON AIR")).unwrap();
        let blue = count(&picture, 45..130, [20, 40, 220]);
        assert!((13_000..=13_600).contains(&blue), "{blue}");
        assert!(count(&picture, HEIGHT - BAR..HEIGHT, WHITE) > 300);
        // What comes as JPEG again is the same picture.
        let again = Picture::of_jpeg(&picture.jpeg().unwrap(), &words("ON AIR")).unwrap();
        assert!(count(&again, 50..130, [20, 40, 220]) > 10_000);
    }

    #[test]
    fn what_is_no_small_jpeg_is_an_error() {
        let mut large = Vec::new();
        jpeg_encoder::Encoder::new(&mut large, 50)
            .encode(
                &vec![0; 640 * 360 * 3],
                640,
                360,
                jpeg_encoder::ColorType::Rgb,
            )
            .unwrap();
        let whole = Picture::of_words(&words("IDLE")).jpeg().unwrap();
        assert!(Picture::of_jpeg(&large, &words("IDLE")).is_err());
        assert!(Picture::of_jpeg(b"", &words("IDLE")).is_err());
        assert!(Picture::of_jpeg(b"\xff\xd8\xff\xe0", &words("IDLE")).is_err());
        assert!(Picture::of_jpeg(&whole, &words("IDLE")).is_ok());
        // Whatever is done to it, it is a picture or an error.
        for n in (0..whole.len()).step_by(101) {
            let mut broken = whole.clone();
            broken[n] ^= 0xff;
            let _ = Picture::of_jpeg(&broken, &words("IDLE"));
            let _ = Picture::of_jpeg(&whole[..n], &words("IDLE"));
        }
    }

    #[test]
    fn names_as_long_as_they_like_stay_within_the_frame() {
        let long = Lettering {
            title: "x".repeat(10_000),
            state: "y".repeat(10_000),
            who: "名".repeat(10_000),
            colour: [0, 200, 0],
        };
        let picture = Picture::of_words(&long);
        assert_eq!(pixel(&picture, 0, 90), [0, 200, 0]);
        assert!(can_write("Žižek, Łódź: 5 €?".trim_end_matches("€?")));
        assert!(!can_write("名"));
    }
}
