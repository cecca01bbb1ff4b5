//! A recorded session, played in the terminal at the speed it had; long silences are cut short.

use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::model::{Model, Tone};
use crate::msg::{Input, Msg, Start};
use crate::pictures::Pictures;
use crate::run::RunError;
use crate::terminal::{self, Screen};
use crate::update::{say, update};
use crate::view::view;

const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Space pauses, → goes on a step, q leaves.
pub async fn play(start: Start, inputs: Vec<Input>) -> Result<(), RunError> {
    if !terminal::is_there() {
        return Err(RunError::NoTerminal);
    }
    let mut screen = Screen::take(false)?;
    let mut pictures = Pictures::half_blocks();
    let mut events = EventStream::new();
    let mut hangup = signal(SignalKind::hangup())?;
    let mut model = Model::new(start);
    (model.width, model.height) = terminal::size();
    let mut left = inputs
        .into_iter()
        .filter(|i| !matches!(i.msg, Msg::Resize { .. }))
        .peekable();
    let mut paused = false;
    loop {
        if left.peek().is_none() && !paused {
            paused = true;
            say(&mut model, Tone::Plain, "the recording ends here: q leaves");
        }
        pictures.prepare(&model);
        screen.draw(|frame| view(&model, &pictures, frame))?;
        let wait = left.peek().map_or(LONGEST_WAIT, |next| {
            Duration::from_millis(next.at_ms.saturating_sub(model.now))
        });
        let mut step = false;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        KeyCode::Char('c') if ctrl => return Ok(()),
                        KeyCode::Char(' ') => paused = !paused,
                        KeyCode::Right | KeyCode::Char('l') => step = true,
                        _ => {}
                    }
                }
                Some(Ok(Event::Resize(..))) => {
                    (model.width, model.height) = terminal::size();
                    screen.resize(model.width, model.height)?;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            _ = hangup.recv() => return Ok(()),
            () = sleep(wait.min(LONGEST_WAIT)), if !paused => step = true,
        }
        if step && let Some(next) = left.next() {
            // Inputs of the same moment belong to one frame.
            let at = next.at_ms;
            let _ = update(&mut model, next);
            while let Some(same) = left.next_if(|i| i.at_ms <= at + 15) {
                let _ = update(&mut model, same);
            }
        }
    }
}
