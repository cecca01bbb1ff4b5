//! Level bars and the little signs for links: numbers beside them, never colour alone.

use ratatui::text::{Line, Span};

use super::Canvas;
use super::theme::Role;
use crate::model::meters::{FLOOR_DB, finite};

const BLOCKS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const SPARKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const WARN_DB: f32 = -20.0;
const ERROR_DB: f32 = -9.0;

/// `cells` wide, from −60 to 0 dBFS, with a tick at the held peak.
pub fn bar<'t>(
    canvas: &Canvas<'_>,
    rms: f32,
    hold: f32,
    cells: usize,
    stale: bool,
) -> Vec<Span<'t>> {
    let place = |db: f32| (finite(Some(db)).min(0.0) - FLOOR_DB) / -FLOOR_DB * cells as f32;
    let filled = place(rms);
    let tick = (place(hold).ceil() as usize).saturating_sub(1);
    let show_tick = hold > FLOOR_DB;
    let mut spans: Vec<Span<'t>> = Vec::new();
    for cell in 0..cells {
        let db = FLOOR_DB + (cell as f32 + 0.5) / cells as f32 * -FLOOR_DB;
        let role = match (stale, db) {
            (true, _) => Role::Dim,
            (_, db) if db >= ERROR_DB => Role::High,
            (_, db) if db >= WARN_DB => Role::Mid,
            _ => Role::Low,
        };
        let part = (filled - cell as f32).clamp(0.0, 1.0);
        let glyph = match (part * 8.0) as usize {
            0 if show_tick && cell == tick => canvas.theme.sign("│", "|"),
            0 => canvas.theme.sign(" ", " "),
            eighths @ 1..=7 => canvas
                .theme
                .sign(BLOCKS[eighths], if eighths >= 4 { "#" } else { "-" }),
            _ if show_tick && cell == tick && hold > rms + 0.5 => canvas.theme.sign("│", "|"),
            _ => canvas.theme.sign("█", "#"),
        };
        let style = canvas.style(role);
        match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(glyph),
            _ => spans.push(Span::styled(glyph.to_owned(), style)),
        }
    }
    spans
}

/// `-14`, `-∞` for silence.
pub fn number(db: f32) -> String {
    match finite(Some(db)) {
        db if db <= FLOOR_DB => "-∞".to_owned(),
        db => format!("{db:.0}"),
    }
}

/// Four bars and a number: `▂▅▃▁ -22`.
pub fn trail(trail: &[f32]) -> String {
    let mut graph: String = " ".repeat(4_usize.saturating_sub(trail.len()));
    graph.extend(trail.iter().rev().take(4).rev().map(|db| spark(*db)));
    let now = trail.last().copied().unwrap_or(FLOOR_DB);
    format!("{graph} {:>3}", number(now))
}

fn spark(db: f32) -> &'static str {
    let part = (finite(Some(db)) - FLOOR_DB) / -FLOOR_DB;
    SPARKS[((part * 8.0) as usize).min(7)]
}

/// Quality as a row of bars, newest at the right.
pub fn history(scores: &[u32], cells: usize) -> String {
    let from = scores.len().saturating_sub(cells);
    scores[from..]
        .iter()
        .map(|s| SPARKS[((*s as usize) * 7 / 5).min(7)])
        .collect()
}

/// Five dots: filled as the score.
pub fn dots<'t>(canvas: &Canvas<'_>, score: u32, stale: bool) -> Line<'t> {
    let score = score.min(5) as usize;
    let role = match (stale, score) {
        (true, _) => Role::Dim,
        (_, 0..=1) => Role::Bad,
        (_, 2..=3) => Role::Warn,
        _ => Role::Good,
    };
    Line::from(canvas.span(
        format!("{}{}", "●".repeat(score), "○".repeat(5 - score)),
        role,
    ))
}
