//! The two lowest lines: what Enter will do (or what happened, or what is typed), and the keys that matter here.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Canvas;
use super::theme::Role;
use crate::action::Action;
use crate::keymap::Found;
use crate::model::line::Line as Typed;
use crate::model::modal::Modal;
use crate::model::{Armed, Model, Tone, View};
use crate::text;

/// A key in the footer that can be clicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub action: Action,
    pub from: u16,
    pub to: u16,
    pub key: String,
    pub word: &'static str,
    pub enabled: bool,
}

/// The keys that are shown, most needed first; what does not fit is left out, help and command never.
pub fn hints(model: &Model) -> Vec<Hint> {
    use Action::*;
    let wanted: &[Action] = match model.view {
        View::Air => &[
            Take, Fade, Release, Undo, Approve, Reject, Hold, Screen, MoveDown, Chat, Card, Mute,
            Note, Invite, AckClip, Next,
        ],
        View::Queue => &[
            Approve,
            Reject,
            Hold,
            Screen,
            MoveDown,
            Take,
            Card,
            Chat,
            Note,
            Mark,
            Filter,
            SortPosition,
            Drop,
            Next,
        ],
        View::Caller => &[
            Chat, Note, Approve, Hold, Reject, Take, Mute, Drop, Back, Down, Next,
        ],
        View::Channels => &[
            Auto,
            ForceLive,
            Destination,
            StartChannel,
            StopChannel,
            Filter,
            Next,
        ],
        View::Log => &[Filter, Last, First, Next],
        View::Health => &[Down, Up, Redraw, Next],
    };
    // Where there is little room: what is rarer goes first.
    let narrow = model.width < 112 && model.view == View::Air;
    let wanted = wanted
        .iter()
        .filter(|action| !narrow || !matches!(action, Fade | MoveDown));
    let always = [Palette, Help];
    let mut hints = Vec::new();
    let mut at = 1;
    let width_of = |action: Action, key: &str| {
        u16::try_from(text::width(key) + 1 + text::width(word(action))).unwrap_or(u16::MAX)
    };
    let reserved: u16 = always
        .iter()
        .map(|a| width_of(*a, &key(model, *a)) + 2)
        .sum();
    for action in wanted.filter(|a| relevant(model, **a)).chain(&always) {
        let key = key(model, *action);
        if key.is_empty() {
            continue;
        }
        let wide = width_of(*action, &key);
        let kept = if always.contains(action) { 0 } else { reserved };
        if at + wide + kept > model.width {
            continue;
        }
        let enabled = crate::update::allowed(model, *action).is_ok();
        hints.push(Hint {
            action: *action,
            from: at,
            to: at + wide,
            key,
            word: word(*action),
            enabled,
        });
        at += wide + 2;
    }
    hints
}

/// What has a prefix is shown as the prefix: its pop-up shows the rest.
fn key(model: &Model, action: Action) -> String {
    let keys = model.settings.keymap.shown(action);
    match action {
        Action::ForceLive | Action::SortPosition => match model.settings.keymap.prefix(action) {
            Some(key) => key.to_string(),
            None => keys,
        },
        Action::Card if keys == "space" => "␣".to_owned(),
        // Both directions under one word.
        Action::MoveDown => format!("{keys}/{}", model.settings.keymap.shown(Action::MoveUp)),
        _ => keys,
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::ForceLive => "force",
        Action::SortPosition => "sort",
        Action::MoveDown => "move",
        _ => action.spec().short,
    }
}

fn relevant(model: &Model, action: Action) -> bool {
    let clipped = !model.meters.clipped.is_empty();
    model.works(action)
        && model.may(action)
        && match action {
            Action::Undo => model.undo.is_some(),
            Action::AckClip => clipped,
            Action::StartChannel => model.selected_channel().is_some_and(|c| !c.running),
            Action::StopChannel => model.selected_channel().is_some_and(|c| c.running),
            Action::Invite => model.queue_length() == 0,
            _ => true,
        }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    if !model.prefix.is_empty() {
        let typed = crate::key::show_sequence(&model.prefix);
        let line = Line::from(vec![
            canvas.span(format!(" {typed} …"), Role::Key),
            canvas.span("  Esc", Role::Dim),
        ]);
        return canvas.line(area, 0, line);
    }
    for hint in hints(model) {
        let (key, word) = if hint.enabled {
            (Role::Key, Role::Text)
        } else {
            (Role::Dim, Role::Dim)
        };
        let line = Line::from(vec![
            canvas.span(hint.key, key),
            Span::raw(" "),
            canvas.span(hint.word, word),
        ]);
        let place = Rect {
            x: area.x + hint.from,
            width: hint.to - hint.from,
            ..area
        };
        canvas.line(place, 0, line);
    }
}

/// The line above the keys.
pub fn says(canvas: &mut Canvas<'_>, area: Rect) {
    let model = canvas.model;
    if let Some(armed) = &model.armed {
        return arm(canvas, area, armed);
    }
    match &model.modal {
        Some(Modal::Write {
            what,
            callers,
            marked,
            line,
        }) => {
            let who = match callers.as_slice() {
                [caller] if !marked => model.who(caller),
                many => text::count(many.len() as u64, "marked caller"),
            };
            let hint = match what {
                crate::model::modal::Write::Reject if *marked => format!("reject {who}, reason"),
                // The name is a reason to nobody: none is given then.
                crate::model::modal::Write::Reject => format!("reject {who}, reason or name"),
                _ => format!("{} to {who}", what.name()),
            };
            return typed(canvas, area, &hint, line, "Enter sends · Esc");
        }
        Some(Modal::Filter { line, .. }) => {
            return typed(canvas, area, "filter", line, "Enter keeps · Esc");
        }
        Some(Modal::Confirm { line, names, .. }) => {
            let name = names.first().map_or("", String::as_str);
            let hint = format!("type {} and Enter", text::fit(name, 30));
            return typed(canvas, area, &hint, line, "Esc leaves");
        }
        Some(Modal::Many { line, bulk, .. }) => {
            let hint = format!("type {} and Enter", bulk.name());
            return typed(canvas, area, &hint, line, "Esc leaves");
        }
        _ => {}
    }
    if let Some(notice) = &model.notice {
        let (role, mark) = match notice.tone {
            Tone::Good => (Role::Good, "✓"),
            Tone::Plain => (Role::Text, "·"),
            Tone::Bad => (Role::Bad, "✕"),
        };
        let said = text::clean(&notice.text).into_owned();
        let line = Line::from(canvas.span(format!(" {mark} {said}"), role));
        return canvas.line(area, 0, line);
    }
    if let Some(bulk) = &model.bulk {
        let stops = match bulk.waiting.is_empty() {
            true => "",
            false => " · Esc stops the rest",
        };
        let said = format!(" … {}{stops}", bulk.progress());
        return canvas.line(area, 0, Line::from(canvas.span(said, Role::Warn)));
    }
    if let Some(pending) = model.pending.values().next() {
        let seconds = model.now.saturating_sub(pending.since) / 1_000;
        use crate::command::Command;
        let state = match (&pending.accepted, &pending.command) {
            (None, _) => "sent",
            (Some(_), Command::Take { .. } | Command::Release { .. }) => {
                "accepted, waiting for the output"
            }
            (Some(_), _) => "accepted",
        };
        let late = if seconds > 0 {
            format!(" {seconds} s")
        } else {
            String::new()
        };
        let line =
            Line::from(canvas.span(format!(" … {}: {state}{late}", pending.what), Role::Warn));
        return canvas.line(area, 0, line);
    }
    let flags = model.flags();
    if let Some(flag) = flags.first() {
        let more = if flags.len() > 1 {
            format!(" (and {} more)", flags.len() - 1)
        } else {
            String::new()
        };
        let line = Line::from(canvas.span(format!(" ⚑ {flag}{more}"), Role::Warn));
        canvas.line(area, 0, line);
    }
}

fn arm(canvas: &mut Canvas<'_>, area: Rect, armed: &Armed) {
    canvas.fill(area, canvas.style(Role::Armed));
    let left_ms = armed.until.saturating_sub(canvas.model.now);
    let left = format!("{:.1} s ▐", left_ms as f64 / 1_000.0);
    let to_air = ["TAKE", "FADE", "UNDO: TAKE"]
        .iter()
        .any(|verb| armed.sentence.starts_with(verb));
    let ask = if to_air {
        "?  Enter to air · Esc"
    } else {
        "?  Enter does it · Esc"
    };
    // The words about the keys give way first, then the names: what else is said must be seen.
    let short = if armed.short.is_empty() {
        &armed.sentence
    } else {
        &armed.short
    };
    let tight = "? Enter/Esc";
    let room = |ask: &str| {
        usize::from(area.width).saturating_sub(text::width(ask) + text::width(&left) + 4)
    };
    let ways = [(&armed.sentence, ask), (&armed.sentence, tight)];
    let fits = |(sentence, ask): &(&String, &str)| text::width(sentence) <= room(ask);
    let (sentence, ask) = ways.into_iter().find(fits).unwrap_or((short, tight));
    let sentence = text::fit(sentence, room(ask)).into_owned();
    let line = Line::from(canvas.span(format!(" ▌{sentence}{ask}"), Role::Armed));
    canvas.line(area, 0, line);
    let left = Line::from(canvas.span(left, Role::Armed));
    canvas.right(area, 0, left);
}

fn typed(canvas: &mut Canvas<'_>, area: Rect, label: &str, line: &Typed, help: &str) {
    let label = format!(" {label}: ");
    let wide = usize::from(area.width).saturating_sub(text::width(&label) + text::width(help) + 3);
    let (before, after) = line.text.split_at(line.at);
    // The end that is typed at stays in sight.
    let mut shown = before;
    while text::width(shown) + 1 > wide {
        let Some(c) = shown.chars().next() else { break };
        shown = &shown[c.len_utf8()..];
    }
    let rest = wide.saturating_sub(text::width(shown) + 1);
    let cursor = canvas
        .style(Role::Text)
        .add_modifier(ratatui::style::Modifier::REVERSED);
    let mut after_it = after.chars();
    let under: String = after_it.next().map_or(" ".to_owned(), String::from);
    let line = Line::from(vec![
        canvas.span(label, Role::Accent),
        canvas.span(text::clean(shown).into_owned(), Role::Text),
        Span::styled(under, cursor),
        canvas.span(text::fit(after_it.as_str(), rest).into_owned(), Role::Text),
    ]);
    canvas.line(area, 0, line);
    let help = Line::from(canvas.span(format!("{help} "), Role::Dim));
    canvas.right(area, 0, help);
}

/// What may follow the keys typed so far.
pub fn following(model: &Model) -> Vec<(String, Action)> {
    let found = model
        .settings
        .keymap
        .find(&model.prefix, |a| model.works(a) && model.may(a));
    match found {
        Found::Prefix(next) if !model.prefix.is_empty() => next
            .into_iter()
            .map(|(key, action)| (key.to_string(), action))
            .collect(),
        _ => Vec::new(),
    }
}
