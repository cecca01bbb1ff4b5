//! Pictures in the output's one format: I420, fixed size and rate. Frames are shared; only a blend makes new pixels.

use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};

/// A frame in the output's format. Cloning shares the pixels.
#[derive(Debug, Clone)]
pub struct Frame(pub gst::Buffer);

impl PartialEq for Frame {
    /// The same picture, not an equal one.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }
}

/// Size, rate and colours of every picture of one output.
#[derive(Debug, Clone)]
pub struct Format {
    info: VideoInfo,
}

impl Format {
    /// # Errors
    /// When GStreamer refuses the size or rate.
    pub fn new(width: u32, height: u32, fps: u32) -> Result<Self, gst::glib::BoolError> {
        let colorimetry = if height >= 720 { "bt709" } else { "bt601" };
        let colorimetry: gst_video::VideoColorimetry = colorimetry.parse()?;
        let info = VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(gst::Fraction::new(i32::try_from(fps).unwrap_or(30), 1))
            .par(gst::Fraction::new(1, 1))
            .interlace_mode(gst_video::VideoInterlaceMode::Progressive)
            .colorimetry(&colorimetry)
            .build()?;
        Ok(Self { info })
    }

    /// The caps that the encoder gets, rate included.
    ///
    /// # Errors
    /// When GStreamer cannot express the format.
    pub fn caps(&self) -> Result<gst::Caps, gst::glib::BoolError> {
        self.info.to_caps()
    }

    /// The caps that inputs are brought to; their rate is their own.
    ///
    /// # Errors
    /// When GStreamer cannot express the format.
    pub fn input_caps(&self) -> Result<gst::Caps, gst::glib::BoolError> {
        let mut caps = self.caps()?;
        caps.make_mut()
            .iter_mut()
            .for_each(|structure| structure.remove_field("framerate"));
        Ok(caps)
    }

    /// Colours as GStreamer writes them.
    #[must_use]
    pub fn colorimetry(&self) -> String {
        self.info.colorimetry().to_string()
    }

    /// Pixels across.
    #[must_use]
    pub fn width(&self) -> usize {
        self.info.width() as usize
    }

    /// Pixels down.
    #[must_use]
    pub fn height(&self) -> usize {
        self.info.height() as usize
    }

    /// Reads planes Y, U, V with their strides; nothing if the buffer is not what it should be.
    pub fn read<T>(&self, frame: &Frame, see: impl FnOnce([(&[u8], usize); 3]) -> T) -> Option<T> {
        let mapped = VideoFrameRef::from_buffer_ref_readable(&frame.0, &self.info).ok()?;
        let strides = mapped.plane_stride();
        let stride = |plane: usize| usize::try_from(strides[plane]).unwrap_or(0);
        let plane = |index: u32| mapped.plane_data(index).ok();
        Some(see([
            (plane(0)?, stride(0)),
            (plane(1)?, stride(1)),
            (plane(2)?, stride(2)),
        ]))
    }

    /// A new frame, drawn plane by plane: `draw(plane, row, pixels)` with plane 0 (Y), 1 (U), 2 (V).
    pub fn draw(&self, mut draw: impl FnMut(usize, usize, &mut [u8])) -> Option<Frame> {
        let mut buffer = gst::Buffer::with_size(self.info.size()).ok()?;
        {
            let mut mapped =
                VideoFrameRef::from_buffer_ref_writable(buffer.get_mut()?, &self.info).ok()?;
            for plane in 0..3usize {
                let stride = usize::try_from(mapped.plane_stride()[plane]).ok()?;
                let (columns, rows) = self.plane_size(plane);
                let data = mapped.plane_data_mut(u32::try_from(plane).ok()?).ok()?;
                for (row, pixels) in data.chunks_mut(stride).take(rows).enumerate() {
                    draw(plane, row, pixels.get_mut(..columns)?);
                }
            }
        }
        Some(Frame(buffer))
    }

    /// A frame of one colour.
    pub fn plain(&self, yuv: [u8; 3]) -> Option<Frame> {
        self.draw(|plane, _, pixels| pixels.fill(yuv[plane]))
    }

    /// `progress` (0 to 1) of the way from one frame to the other.
    pub fn blend(&self, from: &Frame, to: &Frame, progress: f32) -> Option<Frame> {
        let weight = (progress.clamp(0.0, 1.0) * 256.0) as u16;
        self.read(from, |from| {
            self.read(to, |to| {
                self.draw(|plane, row, pixels| {
                    let line = |(data, stride): (&'_ [u8], usize)| -> usize {
                        data.len().min(row * stride)
                    };
                    let a = &from[plane].0[line(from[plane])..];
                    let b = &to[plane].0[line(to[plane])..];
                    for ((pixel, a), b) in pixels.iter_mut().zip(a).zip(b) {
                        let mixed = u16::from(*a) * (256 - weight) + u16::from(*b) * weight + 128;
                        *pixel = (mixed >> 8) as u8;
                    }
                })
            })
        })??
    }

    fn plane_size(&self, plane: usize) -> (usize, usize) {
        if plane == 0 {
            (self.width(), self.height())
        } else {
            (self.width().div_ceil(2), self.height().div_ceil(2))
        }
    }
}

/// Black in limited range.
pub const BLACK: [u8; 3] = [16, 128, 128];

#[cfg(test)]
mod tests {
    use super::*;

    fn format() -> Format {
        gst::init().unwrap();
        Format::new(64, 36, 30).unwrap()
    }

    #[test]
    fn a_blend_half_way_is_the_mean_of_both() {
        let format = format();
        let from = format.plain([16, 128, 128]).unwrap();
        let to = format.plain([236, 28, 228]).unwrap();
        let mixed = format.blend(&from, &to, 0.5).unwrap();
        let seen = format
            .read(&mixed, |planes| planes.map(|(data, _)| data[0]))
            .unwrap();
        assert_eq!(seen, [126, 78, 178]);
    }

    #[test]
    fn the_ends_of_a_blend_are_the_pictures_themselves() {
        let format = format();
        let from = format.plain([20, 30, 40]).unwrap();
        let to = format.plain([200, 210, 220]).unwrap();
        for (progress, expected) in [(0.0, [20, 30, 40]), (1.0, [200, 210, 220])] {
            let mixed = format.blend(&from, &to, progress).unwrap();
            let seen = format
                .read(&mixed, |planes| planes.map(|(data, _)| data[0]))
                .unwrap();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn caps_name_every_property_of_the_format() {
        let caps = format().caps().unwrap().to_string();
        for part in [
            "I420",
            "width=(int)64",
            "framerate=(fraction)30/1",
            "pixel-aspect-ratio=(fraction)1/1",
            "bt601",
        ] {
            assert!(caps.contains(part), "{part} in {caps}");
        }
    }
}
