//! The picture of the caller whose card is open, made ready for the terminal. Outside of the model: it is made from what is
//! there, and what the terminal can show is not the model's business.

use image::DynamicImage;
use image::imageops::FilterType;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::{FontSize, Image, Resize};

use crate::ask::{self, Late};
use crate::model::Model;
use crate::model::modal::Modal;

/// Cells that a picture gets.
const SIZE: Size = Size::new(32, 9);
/// The server's pictures have 320x180; what is much larger is not a picture of its.
const MOST_PIXELS: u32 = 1_280;

pub struct Pictures {
    picker: Option<Picker>,
    /// Which one is ready: whose, and when it came.
    ready: Option<(String, u64)>,
    protocol: Option<Protocol>,
    /// Something lies over the view. Pictures of pixels lie over cells, not among them: they would be drawn over it.
    covered: bool,
    /// kitty's names for the picture that is shown and for the next one. Two and no more: the terminal keeps every picture
    /// that has a name, and shows of one name what was sent last.
    names: [u32; 2],
}

impl Pictures {
    /// None at all.
    pub fn off() -> Self {
        let first = rand::random::<u32>() | 1;
        Self {
            picker: None,
            ready: None,
            protocol: None,
            covered: false,
            names: [first, first ^ 2],
        }
    }

    /// Half-blocks: what every terminal with colours can show.
    pub fn half_blocks() -> Self {
        Self {
            picker: Some(Picker::halfblocks()),
            ..Self::off()
        }
    }

    /// Asks the terminal what it can (kitty, sixel; iTerm2 is known by its environment); half-blocks when it does not answer.
    /// The terminal must be in raw mode, and nobody else may be reading from it.
    pub fn ask_terminal() -> (Self, Late) {
        let pictures = Self::half_blocks();
        let tmux = pictures.picker.as_ref().is_some_and(Picker::tmux_detected);
        let kind = ask::kind(tmux, &|name| std::env::var(name).ok());
        // Also of one whose last answer came: nobody promises their order.
        let late = Late::expected(kind.way != Some(ProtocolType::Kitty));
        match kind.cell.filter(|_| kind.answered) {
            // Pixels need the size of a cell.
            Some(cell) => {
                let pictures = Self {
                    picker: Some(picker(cell, kind.way)),
                    ..pictures
                };
                (pictures, late)
            }
            None => (pictures, late),
        }
    }

    /// Makes the model's picture ready; before `view`, and only when it changed.
    pub fn prepare(&mut self, model: &Model) {
        let Some(picker) = &self.picker else { return };
        let over = match &model.modal {
            // On the line below the view.
            Some(Modal::Write { .. } | Modal::Filter { .. }) => false,
            Some(_) => true,
            None => !model.prefix.is_empty(),
        };
        self.covered = over && picker.protocol_type() != ProtocolType::Halfblocks;
        let wanted = model.picture.as_ref().map(|p| (p.caller.clone(), p.at));
        if wanted == self.ready {
            return;
        }
        self.ready = wanted;
        let picture = model.picture.as_ref().and_then(|p| decode(&p.jpeg));
        self.protocol = picture.and_then(|picture| match picker.protocol_type() {
            ProtocolType::Kitty => {
                self.names.swap(0, 1);
                kitty(picture, picker, self.names[0])
            }
            _ => picker.new_protocol(picture, SIZE, Resize::Fit(None)).ok(),
        });
    }

    /// False when there is nothing to draw.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> bool {
        let Some(protocol) = &self.protocol else {
            return false;
        };
        // Its room stays, so that nothing jumps.
        if !self.covered {
            Image::new(protocol).render(area, buf);
        }
        true
    }

    /// What gives the terminal its memory back; empty where it keeps nothing.
    pub fn forget(&self) -> String {
        match &self.picker {
            Some(picker) if picker.protocol_type() == ProtocolType::Kitty => self
                .names
                .map(|name| format!("\x1b_Ga=d,d=I,i={name},q=2\x1b\\"))
                .concat(),
            _ => String::new(),
        }
    }
}

#[allow(
    deprecated,
    reason = "the other way to give a picker its cells is the library's own query; see ask.rs"
)]
fn picker(cell: FontSize, way: Option<ProtocolType>) -> Picker {
    // iTerm2's way where the environment tells so; half-blocks elsewhere.
    let mut picker = Picker::from_fontsize(cell);
    if let Some(way) = way {
        picker.set_protocol_type(way);
    }
    picker
}

/// As the library makes it, but under this name.
fn kitty(picture: DynamicImage, picker: &Picker, name: u32) -> Option<Protocol> {
    let cell = picker.font_size();
    let (width, height) = (u32::from(cell.width), u32::from(cell.height));
    let most = (
        u32::from(SIZE.width) * width,
        u32::from(SIZE.height) * height,
    );
    let picture = match picture.width() > most.0 || picture.height() > most.1 {
        true => picture.resize(most.0, most.1, FilterType::Triangle),
        false => picture,
    };
    let cells = |pixels: u32, cell: u32| u16::try_from(pixels.div_ceil(cell)).ok();
    let size = Size::new(
        cells(picture.width(), width)?,
        cells(picture.height(), height)?,
    );
    let made = Kitty::new(picture, size, name, picker.tmux_detected(), false);
    made.ok().map(Protocol::Kitty)
}

/// Within limits: a server may be anybody's.
fn decode(jpeg: &[u8]) -> Option<DynamicImage> {
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(16 << 20);
    reader.limits(limits);
    reader.decode().ok()
}
