//! Slots, big: who is on which output, what it sounds like, and who watches it.

use booth_proto::v1::{self, slot::Showing};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{Air, Density};
use super::theme::Role;
use super::{Canvas, meter};
use crate::command::Command;
use crate::model::Model;
use crate::text;

pub fn draw(canvas: &mut Canvas<'_>, air: &Air) {
    let slots: Vec<v1::Slot> = canvas.model.slots().into_iter().cloned().collect();
    if slots.is_empty() {
        let area = air.slots.first().copied().unwrap_or_default();
        let inner = canvas.frame(area, Line::from(" no slot "), false, Role::Frame);
        let lines = match canvas.model.heard {
            None => vec!["…".to_owned()],
            Some(_) => vec![
                "This show has no output yet.".into(),
                "booth slot create 1".into(),
            ],
        };
        return canvas.empty(inner, &lines);
    }
    for (area, slot) in air.slots.iter().zip(&slots) {
        one(canvas, *area, slot, air.density);
    }
}

/// What is on the output, in one word.
pub fn word(model: &Model, slot: &v1::Slot) -> &'static str {
    let taken = !slot.assigned_caller.is_empty();
    match (slot.showing(), taken) {
        _ if !slot.online => "NO OUTPUT",
        (Showing::Caller, true) if slot.showing_caller == slot.assigned_caller => "ON AIR",
        (Showing::Frozen, _) => "FROZEN",
        (_, true) => "GOING ON AIR",
        (Showing::Caller, false) => "GOING OFF",
        _ if model.pending_on(&slot.name).is_some() => "PENDING",
        _ => "idle",
    }
}

fn one(canvas: &mut Canvas<'_>, area: Rect, slot: &v1::Slot, density: Density) {
    let model = canvas.model;
    let selected = model.selected_slot().is_some_and(|s| s.name == slot.name);
    let word = word(model, slot);
    let on_air = matches!(word, "ON AIR" | "FROZEN" | "GOING OFF");
    let role = match word {
        "ON AIR" | "FROZEN" | "GOING OFF" => Role::OnAir,
        "GOING ON AIR" | "PENDING" => Role::Armed,
        "NO OUTPUT" => Role::Bad,
        _ => Role::Dim,
    };
    let id = text::fit(text::id(&slot.name), 12).into_owned();
    let mark = if selected { "▸" } else { " " };
    let mut title = vec![
        canvas.span(format!("{mark}{id} · "), Role::Title),
        canvas.span(format!(" {word} "), role),
    ];
    if word == "idle" {
        title.push(canvas.span(format!("· {} ", idle(slot)), Role::Dim));
    }
    // True tally: what vMix does with the input that shows this slot.
    let tally = match slot.tally() {
        v1::slot::Tally::Program => Some(("● PGM", Role::Bad)),
        v1::slot::Tally::Preview => Some(("○ PVW", Role::Ready)),
        v1::slot::Tally::Off => Some(("○ tally off", Role::Dim)),
        v1::slot::Tally::Unspecified => None,
    };
    if let Some((said, role)) = tally {
        title.push(canvas.span(format!(" {said} "), role));
    }
    if density == Density::Row {
        return row(canvas, area, slot, title);
    }
    let frame = if on_air {
        Role::OnAirFrame
    } else if selected {
        Role::Accent
    } else {
        Role::Frame
    };
    let inner = canvas.frame(area, Line::from(title), on_air, frame);
    // A frame that is red for a word's sake leaves the rest calm.
    let pad = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    if density == Density::Compact {
        head(canvas, pad, slot);
        let line = short_level(canvas, slot, usize::from(pad.width));
        return canvas.line(pad, 1, line);
    }
    head(canvas, pad, slot);
    let topic = model
        .world
        .callers
        .get(&slot.assigned_caller)
        .map(|c| text::clean(&c.topic).into_owned());
    if let Some(topic) = topic.filter(|t| !t.is_empty()) {
        let line = Line::from(canvas.span(
            format!(
                "“{}”",
                text::fit(&topic, usize::from(pad.width).saturating_sub(2))
            ),
            Role::Dim,
        ));
        canvas.line(pad, 1, line);
    }
    levels(canvas, pad, slot);
    let line = flows(canvas, slot, usize::from(pad.width));
    canvas.line(pad, 4, line);
}

/// Who is on it and for how long, or who is next.
fn head(canvas: &mut Canvas<'_>, area: Rect, slot: &v1::Slot) {
    let model = canvas.model;
    if slot.assigned_caller.is_empty() {
        let (who, more) = next(canvas, slot);
        let together = who.width() + more.width() <= usize::from(area.width);
        if together || area.height < 3 {
            let spans: Vec<Span<'_>> = who.spans.into_iter().chain(more.spans).collect();
            return canvas.line(area, 0, Line::from(spans));
        }
        canvas.line(area, 0, who);
        return canvas.line(area, 1, more);
    }
    let who = model.world.caller_name(&slot.assigned_caller);
    let caller = model.world.callers.get(&slot.assigned_caller);
    let mut spans = Vec::new();
    let mut room = usize::from(area.width).saturating_sub(9);
    let mut signs = Vec::new();
    if let Some(caller) = caller {
        if caller.muted {
            signs.push(" MUTED");
        }
        if !caller.connected {
            signs.push(" NO CONNECTION");
        }
    }
    room = room.saturating_sub(signs.iter().map(|s| s.len()).sum());
    spans.push(canvas.span(text::fit(&who, room).into_owned(), Role::Title));
    spans.extend(signs.into_iter().map(|s| canvas.span(s, Role::Bad)));
    canvas.line(area, 0, Line::from(spans));
    let since = model
        .since(slot.assign_time.as_ref())
        .map(text::clock)
        .unwrap_or_default();
    let since = Line::from(canvas.span(since, Role::Title));
    canvas.right(area, 0, since);
}

/// Who is next, and what is known of them.
fn next<'t>(canvas: &Canvas<'_>, slot: &v1::Slot) -> (Line<'t>, Line<'t>) {
    let model = canvas.model;
    let going = model.pending.values().find_map(|p| match &p.command {
        Command::Take {
            slot: to, caller, ..
        } if *to == slot.name => Some(caller),
        _ => None,
    });
    if let Some(caller) = going {
        let who = model.world.caller_name(caller);
        let said = canvas.span(format!("… {who} is on the way"), Role::Warn);
        return (Line::from(said), Line::default());
    }
    let armed = slot.showing() == Showing::Armed;
    let ready = |c: &&v1::Caller| c.state() == v1::caller::State::Ready && c.connected;
    let next = match armed {
        true => model.world.callers.get(&slot.showing_caller),
        false => model.in_queue().find(ready),
    };
    let Some(next) = next else {
        return (
            Line::from(canvas.span("nobody is ready", Role::Dim)),
            Line::default(),
        );
    };
    let who = text::fit(&model.world.caller_name(&next.name), 20).into_owned();
    let who = Line::from(vec![
        canvas.span("next: ", Role::Dim),
        canvas.span(who, Role::Text),
    ]);
    let mut spans = Vec::new();
    if armed {
        spans.push(canvas.span(" armed ✓", Role::Ready));
    }
    let level = model.meters.callers.get(&next.name);
    if let Some(level) = level {
        let (picture, heard) = (
            level.now.width > 0,
            level.trail.iter().any(|db| *db > -50.0),
        );
        if armed && picture {
            spans.push(canvas.span(" picture ✓", Role::Ready));
        }
        if heard {
            spans.push(canvas.span(" level ✓", Role::Ready));
        }
        if level.now.rtt_ms > 0.0 {
            spans.push(canvas.span(format!(" rtt {:.0}", level.now.rtt_ms), Role::Dim));
        }
    }
    (who, Line::from(spans))
}

fn levels(canvas: &mut Canvas<'_>, area: Rect, slot: &v1::Slot) {
    let model = canvas.model;
    let level = model.meters.slots.get(&slot.name);
    let clipped = model.meters.clipped.contains(&slot.name);
    for (side, name) in ["L", "R"].into_iter().enumerate() {
        let rms = level
            .and_then(|l| l.now.rms_dbfs.get(side))
            .copied()
            .unwrap_or(-120.0);
        let hold = level.map_or(-120.0, |l| l.hold[side]);
        let numbers = format!(" {:>3}  pk {:>3}", meter::number(rms), meter::number(hold));
        let clip = if clipped && side == 0 {
            " CLIP"
        } else {
            "     "
        };
        let cells =
            usize::from(area.width).saturating_sub(2 + numbers.chars().count() + clip.len());
        let mut spans = vec![canvas.span(format!("{name} "), Role::Dim)];
        spans.extend(meter::bar(canvas, rms, hold, cells, model.levels_stale()));
        let role = if model.levels_stale() {
            Role::Dim
        } else {
            Role::Text
        };
        spans.push(canvas.span(numbers, role));
        spans.push(canvas.span(clip, Role::Bad));
        let row = 2 + u16::try_from(side).unwrap_or(0);
        canvas.line(area, row, Line::from(spans));
    }
}

fn short_level<'t>(canvas: &Canvas<'_>, slot: &v1::Slot, width: usize) -> Line<'t> {
    let level = canvas.model.meters.slots.get(&slot.name);
    let loudest =
        |of: &dyn Fn(usize) -> Option<f32>| (0..2).filter_map(of).fold(-120.0_f32, f32::max);
    let rms = level.map_or(-120.0, |l| loudest(&|n| l.now.rms_dbfs.get(n).copied()));
    let hold = level.map_or(-120.0, |l| l.hold[0].max(l.hold[1]));
    let clients = level.map_or(0, |l| l.now.clients);
    let clip = if canvas.model.meters.clipped.contains(&slot.name) {
        " CLIP"
    } else {
        ""
    };
    let tail = format!(" {:>3}  srt {clients}", meter::number(rms));
    let cells = width.saturating_sub(tail.chars().count() + clip.len());
    let mut spans = meter::bar(canvas, rms, hold, cells, canvas.model.levels_stale());
    spans.push(canvas.span(tail, Role::Text));
    spans.push(canvas.span(clip, Role::Bad));
    Line::from(spans)
}

/// `in 2.4M 0.1% 38ms ●●●●●   out srt 2 clients`; in fewer words where there is less room.
fn flows<'t>(canvas: &Canvas<'_>, slot: &v1::Slot, width: usize) -> Line<'t> {
    let model = canvas.model;
    let mut spans: Vec<Span<'t>> = Vec::new();
    let input = model.meters.callers.get(&slot.assigned_caller);
    if let Some(level) = input.map(|l| &l.now) {
        let (rate, loss, rtt) = (
            text::rate(level.receive_rate_kbps),
            level.loss * 100.0,
            level.rtt_ms,
        );
        let said = match width {
            0..44 => format!("in {rate} {loss:.0}% "),
            _ => format!("in {rate} {loss:.1}% {rtt:.0}ms "),
        };
        spans.push(canvas.span(said, Role::Text));
        spans.extend(meter::dots(canvas, level.score, model.levels_stale()).spans);
        spans.push(Span::raw("  "));
    }
    let level = model.meters.slots.get(&slot.name);
    let clients = level.map_or(0, |l| l.now.clients);
    let output = slot.settings.as_ref().and_then(|s| s.output.as_ref());
    let out = match output {
        Some(v1::slot_settings::Output::PushUrl(_)) if clients > 0 => "out push ✓".to_owned(),
        Some(v1::slot_settings::Output::PushUrl(_)) => "out push NOT CONNECTED".to_owned(),
        _ if width < 44 && input.is_some() => format!("out srt {clients}"),
        _ if clients == 1 => "out srt 1 client".to_owned(),
        _ => format!("out srt {clients} clients"),
    };
    let unseen = clients == 0 && !slot.assigned_caller.is_empty();
    spans.push(canvas.span(out, if unseen { Role::Warn } else { Role::Text }));
    let mut more = Vec::new();
    if let Some(level) = level.filter(|_| clients > 0) {
        let lost = level.now.lost_packets.saturating_sub(level.lost_before);
        let role = if lost > 0 { Role::Warn } else { Role::Dim };
        more.push(canvas.span(format!(" {lost} lost"), role));
        if level.now.rtt_ms > 0.0 {
            more.push(canvas.span(format!(" {:.0}ms", level.now.rtt_ms), Role::Dim));
        }
    }
    if let Some(v1::slot_settings::Output::Port(port)) = output {
        more.push(canvas.span(format!("  :{port}"), Role::Dim));
    }
    let mut used: usize = spans.iter().map(Span::width).sum();
    for span in more {
        used += span.width();
        if used > width {
            break;
        }
        spans.push(span);
    }
    Line::from(spans)
}

fn row(canvas: &mut Canvas<'_>, area: Rect, slot: &v1::Slot, mut title: Vec<Span<'_>>) {
    let model = canvas.model;
    if !slot.assigned_caller.is_empty() {
        let who = model.world.caller_name(&slot.assigned_caller);
        title.push(canvas.span(
            format!(" {}", text::fit(&who, usize::from(area.width / 2))),
            Role::Title,
        ));
    }
    canvas.line(area, 0, Line::from(title));
    let level = model.meters.slots.get(&slot.name);
    let rms = level.map_or(-120.0, |l| {
        l.now.rms_dbfs.iter().copied().fold(-120.0, f32::max)
    });
    let since = model
        .since(slot.assign_time.as_ref())
        .filter(|_| !slot.assigned_caller.is_empty());
    let since = since.map(text::clock).unwrap_or_default();
    let clip = if model.meters.clipped.contains(&slot.name) {
        "CLIP "
    } else {
        ""
    };
    let right = Line::from(vec![
        canvas.span(format!(" {clip}"), Role::Bad),
        canvas.span(format!("{since} {:>3} ", meter::number(rms)), Role::Text),
    ]);
    canvas.right(area, 0, right);
}

fn idle(slot: &v1::Slot) -> String {
    use v1::idle_source::Kind;
    let idle = slot.settings.as_ref().and_then(|s| s.idle.as_ref());
    let Some(idle) = idle else {
        return "black".into();
    };
    match idle.kind() {
        Kind::Unspecified | Kind::Black => "black".into(),
        Kind::TestPattern => "test pattern".into(),
        Kind::Image | Kind::Video => {
            let file = text::id(&idle.path);
            text::fit(&text::clean(file), 24).into_owned()
        }
    }
}
