//! The picture of the caller whose card is open, made ready for the terminal. Outside of the model: it is made from what is
//! there, and what the terminal can show is not the model's business.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;
use ratatui_image::picker::Picker;
use ratatui_image::protocol::Protocol;
use ratatui_image::{Image, Resize};

use crate::model::Model;

/// Cells that a picture gets.
const SIZE: Size = Size::new(32, 9);
/// The server's pictures have 320x180; what is much larger is not a picture of its.
const MOST_PIXELS: u32 = 1_280;

pub struct Pictures {
    picker: Option<Picker>,
    /// Which one is ready: whose, and when it came.
    ready: Option<(String, u64)>,
    protocol: Option<Protocol>,
}

impl Pictures {
    /// None at all.
    pub fn off() -> Self {
        Self {
            picker: None,
            ready: None,
            protocol: None,
        }
    }

    /// Half-blocks: what every terminal with colours can show.
    pub fn half_blocks() -> Self {
        Self {
            picker: Some(Picker::halfblocks()),
            ..Self::off()
        }
    }

    /// Asks the terminal what it can (kitty, sixel, iTerm2); half-blocks when it does not answer. The terminal must be in raw
    /// mode, and nobody else may be reading from it.
    pub fn ask_terminal() -> Self {
        match Picker::from_query_stdio() {
            Ok(picker) => Self {
                picker: Some(picker),
                ..Self::off()
            },
            Err(_) => Self::half_blocks(),
        }
    }

    /// Makes the model's picture ready; before `view`, and only when it changed.
    pub fn prepare(&mut self, model: &Model) {
        let Some(picker) = &self.picker else { return };
        let wanted = model.picture.as_ref().map(|p| (p.caller.clone(), p.at));
        if wanted == self.ready {
            return;
        }
        self.ready = wanted;
        let made = model.picture.as_ref().and_then(|p| {
            let picture = decode(&p.jpeg)?;
            picker.new_protocol(picture, SIZE, Resize::Fit(None)).ok()
        });
        self.protocol = made;
    }

    /// False when there is nothing to draw.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> bool {
        let Some(protocol) = &self.protocol else {
            return false;
        };
        Image::new(protocol).render(area, buf);
        true
    }
}

/// Within limits: a server may be anybody's.
fn decode(jpeg: &[u8]) -> Option<image::DynamicImage> {
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(16 << 20);
    reader.limits(limits);
    reader.decode().ok()
}
