//! The terminal, taken and given back: after a return, an error, a panic, a hang-up and around a suspension alike.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// One frame is written at once.
const BUFFER: usize = 256 * 1024;
/// A terminal that says it is larger lies, or nobody can read it.
const LARGEST: (u16, u16) = (500, 200);
const UNKNOWN: (u16, u16) = (80, 24);

static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: bool,
}

impl Screen {
    pub fn take(mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            // What the panic says must be read on the real screen.
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        let backend = CrosstermBackend::new(BufWriter::with_capacity(BUFFER, io::stdout()));
        let (width, height) = size();
        // Fixed: the size is checked here, not taken from the terminal at each frame.
        let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        let mut screen = Self { terminal, mouse };
        screen.enter()?;
        Ok(screen)
    }

    /// Also after a suspension, when the shell has had the terminal.
    pub fn enter(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Hide
        )?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        self.redraw()
    }

    /// What is for the terminal alone, and for no cell.
    pub fn say(&mut self, codes: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        out.write_all(codes.as_bytes())?;
        out.flush()
    }

    pub fn leave(&self) {
        give_back();
    }

    pub fn resize(&mut self, width: u16, height: u16) -> io::Result<()> {
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    /// The next frame is drawn whole. Not by `clear`: that asks the terminal where its cursor is, and not every one answers.
    pub fn redraw(&mut self) -> io::Result<()> {
        let area = self.terminal.get_frame().area();
        self.terminal.resize(area)
    }

    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        crossterm::queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        crossterm::queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Once, however many ways lead here. Errors tell that the terminal is gone: then there is nothing to give back.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}

pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

pub fn size() -> (u16, u16) {
    crossterm::terminal::size().map_or(UNKNOWN, |(width, height)| honest(width, height))
}

/// A size one can draw at.
pub fn honest(width: u16, height: u16) -> (u16, u16) {
    match (width, height) {
        (0, _) | (_, 0) => UNKNOWN,
        (width, height) => (width.min(LARGEST.0), height.min(LARGEST.1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_lies_about_its_size_gets_one_that_can_be_drawn() {
        assert_eq!(honest(0, 0), UNKNOWN);
        assert_eq!(honest(u16::MAX, u16::MAX), LARGEST);
        assert_eq!(honest(100, 30), (100, 30));
    }
}
