//! Tiles: a small JPEG a second, made on a thread of its own.

use std::sync::mpsc::{SyncSender, sync_channel};

use crate::error::MediaError;
use crate::facts::{Fact, Facts};
use crate::picture::{Format, Frame};
use crate::switcher::SourceId;

/// Tiles fit in this.
const TILE: (usize, usize) = (320, 180);
const QUALITY: u8 = 70;
/// The output's and the armed caller's.
const QUEUE: usize = 2;

/// A picture to be made a tile of.
#[derive(Debug)]
pub struct TileRequest {
    /// Absent for the output.
    pub source: Option<SourceId>,
    /// The picture.
    pub frame: Frame,
}

/// Starts the tile maker; it ends when the sender is dropped.
///
/// # Errors
/// When no thread can be made.
pub fn start(format: Format, facts: Facts) -> Result<SyncSender<TileRequest>, MediaError> {
    let (sender, requests) = sync_channel::<TileRequest>(QUEUE);
    std::thread::Builder::new()
        .name("tiles".to_owned())
        .spawn(move || {
            while let Ok(request) = requests.recv() {
                if let Some(jpeg) = jpeg(&format, &request.frame) {
                    facts.post(Fact::Tile {
                        source: request.source,
                        jpeg,
                    });
                }
            }
        })?;
    Ok(sender)
}

/// The picture as a JPEG of at most 320x180.
#[must_use]
pub fn jpeg(format: &Format, frame: &Frame) -> Option<Vec<u8>> {
    let (width, height) = fit(format.width(), format.height());
    let rgb = format.read(frame, |planes| {
        let mut rgb = Vec::with_capacity(width * height * 3);
        for row in 0..height {
            for column in 0..width {
                rgb.extend(pixel(format, planes, (column, row), (width, height)));
            }
        }
        rgb
    })?;
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, QUALITY);
    let size = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    encoder
        .encode(&rgb, size.0, size.1, jpeg_encoder::ColorType::Rgb)
        .ok()?;
    Some(jpeg)
}

fn fit(width: usize, height: usize) -> (usize, usize) {
    let (width, height) = (width.max(1), height.max(1));
    let across = TILE.0.min(width);
    if across * height <= TILE.1.min(height) * width {
        (across, (across * height / width).max(1))
    } else {
        let down = TILE.1.min(height);
        ((down * width / height).max(1), down)
    }
}

/// The mean of the luma under a tile's pixel, with the nearest chroma, from limited range.
fn pixel(
    format: &Format,
    planes: [(&[u8], usize); 3],
    (column, row): (usize, usize),
    (width, height): (usize, usize),
) -> [u8; 3] {
    let left = column * format.width() / width;
    let right = ((column + 1) * format.width() / width).max(left + 1);
    let top = row * format.height() / height;
    let bottom = ((row + 1) * format.height() / height).max(top + 1);
    let (luma, stride) = planes[0];
    let (mut sum, mut count) = (0u32, 0u32);
    for line in top..bottom {
        for sample in luma
            .get(line * stride + left..line * stride + right)
            .unwrap_or_default()
        {
            sum += u32::from(*sample);
            count += 1;
        }
    }
    let chroma = |plane: usize| -> f32 {
        let (data, stride) = planes[plane];
        let sample = data
            .get(top / 2 * stride + left / 2)
            .copied()
            .unwrap_or(128);
        f32::from(sample) - 128.0
    };
    let y = 1.164 * (sum as f32 / count.max(1) as f32 - 16.0);
    let (u, v) = (chroma(1), chroma(2));
    // BT.709 for HD pictures, BT.601 below.
    let (rv, gu, gv, bu) = if format.height() >= 720 {
        (1.793, 0.213, 0.533, 2.112)
    } else {
        (1.596, 0.392, 0.813, 2.017)
    };
    [y + rv * v, y - gu * u - gv * v, y + bu * u].map(|value| value.clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_keeps_the_shape_and_fits() {
        assert_eq!(fit(1280, 720), (320, 180));
        assert_eq!(fit(720, 1280), (101, 180));
        assert_eq!(fit(160, 90), (160, 90));
        assert_eq!(fit(1920, 800), (320, 133));
    }

    #[test]
    fn a_tile_is_a_jpeg_of_the_picture() {
        gst::init().unwrap();
        let format = Format::new(1280, 720, 30).unwrap();
        let frame = format.plain([235, 128, 128]).unwrap();
        let jpeg = jpeg(&format, &frame).unwrap();
        assert_eq!(&jpeg[..3], [0xFF, 0xD8, 0xFF]);
        assert!(jpeg.len() < 20_000);
    }
}
