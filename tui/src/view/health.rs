//! The server's health: version, ledger, workers, receivers, and the console's own connection.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::theme::Role;
use super::{Canvas, popup};
use crate::model::{LinkState, Model};
use crate::text;

/// One row: a label, what is said, and how it looks.
pub type Row = (String, String, Role);

pub fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.frame(
        area,
        Line::from(canvas.span(" health ", Role::Title)),
        false,
        Role::Frame,
    );
    let offset = canvas.model.health.offset;
    let rows = lines(canvas.model);
    if canvas.model.status.is_none() && !canvas.model.join_url.is_empty() {
        // Nothing but the way in is known: callers may be sent there already.
        let used = u16::try_from(rows.len() + 1)
            .unwrap_or(u16::MAX)
            .min(inner.height);
        let below = Rect {
            y: inner.y + used,
            height: inner.height - used,
            ..inner
        };
        let said = "The server does not answer here; its join page may.";
        popup::empty(canvas, below, said, &[]);
    }
    for (n, (label, said, role)) in rows
        .into_iter()
        .skip(offset)
        .take(usize::from(inner.height))
        .enumerate()
    {
        let heading = said.is_empty();
        let label = if heading {
            label
        } else {
            format!("  {}", text::pad(&label, 18))
        };
        let line = Line::from(vec![
            canvas.span(
                format!(" {label}"),
                if heading { Role::Accent } else { Role::Dim },
            ),
            canvas.span(format!(" {said}"), role),
        ]);
        canvas.line(inner, u16::try_from(n).unwrap_or(u16::MAX), line);
    }
}

/// Everything there is to say, whatever the height.
pub fn lines(model: &Model) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |label: &str, said: String, role| rows.push((label.to_owned(), said, role));
    row("server", String::new(), Role::Text);
    row("address", model.start.server.clone(), Role::Text);
    let Some(status) = &model.status else {
        row("state", "not connected yet".into(), Role::Bad);
        if let LinkState::Down { why, next, .. } = &model.link {
            for (label, said) in [("because", why), ("what to do", next)] {
                if !said.is_empty() {
                    row(label, text::clean(said).into_owned(), Role::Text);
                }
            }
        }
        return rows;
    };
    let differs = status.version != model.start.version;
    let version = match differs {
        true => format!(
            "{} (this console: {})",
            text::clean(&status.version),
            model.start.version
        ),
        false => text::clean(&status.version).into_owned(),
    };
    row(
        "version",
        version,
        if differs { Role::Warn } else { Role::Text },
    );
    if let Some(up) = model.since(status.start_time.as_ref()) {
        row("up for", text::clock(up), Role::Text);
    }
    row("revision", model.world.revision.to_string(), Role::Text);
    row(
        "can do",
        text::clean(&status.capabilities.join(" ")).into_owned(),
        Role::Text,
    );
    if let Some(cost) = cost(status.cpu_percent, status.memory_bytes) {
        row("takes", cost, Role::Text);
    }
    row(
        "sessions",
        format!("{} WebRTC", status.sessions),
        Role::Text,
    );
    row(
        "join page",
        text::clean(&status.join_base_url).into_owned(),
        Role::Text,
    );
    let who = match &model.operator {
        Some(_) => format!("{} ({})", text::clean(model.me()), model.right_name()),
        None => "nobody knows".into(),
    };
    row("signed in as", who, Role::Text);
    let slow = model.rtt_ms > 250;
    let answers = match model.rtt_ms {
        0 => "–".to_owned(),
        ms => format!("{ms} ms"),
    };
    row(
        "answers in",
        answers,
        if slow { Role::Warn } else { Role::Text },
    );

    row("ledger", String::new(), Role::Text);
    if let Some(ledger) = &status.ledger {
        let (said, role) = match ledger.writable {
            true => ("writes".to_owned(), Role::Good),
            false => (
                format!("DOES NOT WRITE: {}", text::clean(&ledger.problem)),
                Role::Bad,
            ),
        };
        row(
            "journal",
            format!("{said} · {:.1} MB", ledger.journal_bytes as f64 / 1e6),
            role,
        );
        for finding in &ledger.findings {
            row("found", text::clean(finding).into_owned(), Role::Warn);
        }
    }
    row("workers", String::new(), Role::Text);
    for unit in &status.units {
        let (state, role) = match (unit.attached, unit.restarts) {
            (false, _) => ("▲ NOT THERE", Role::Bad),
            (true, 0) => ("● up", Role::Good),
            (true, _) => ("● up, was restarted", Role::Warn),
        };
        let error = text::clean(&unit.last_error);
        let error = if error.is_empty() {
            String::new()
        } else {
            format!(" · {error}")
        };
        let said = format!(
            "{state} · pid {} · {}{}{error}",
            unit.pid,
            text::count(u64::from(unit.restarts), "restart"),
            cost(unit.cpu_percent, unit.memory_bytes)
                .map_or_else(String::new, |c| format!(" · {c}"))
        );
        row(&text::clean(&unit.name), said, role);
    }
    if status.units.is_empty() {
        row("", "none".into(), Role::Dim);
    }
    row("receivers", String::new(), Role::Text);
    for (name, level) in &model.meters.slots {
        let now = &level.now;
        let said = format!(
            "{} · {} · {} sent · {} lost · {:.0} ms",
            text::count(u64::from(now.clients), "client"),
            text::rate(now.send_rate_kbps),
            now.sent_packets,
            now.lost_packets,
            now.rtt_ms
        );
        row(&format!("slot {}", text::id(name)), said, Role::Text);
    }
    for (name, meters) in &model.meters.channels {
        let said = format!(
            "{} · {} watch",
            text::rate(meters.output_rate_kbps),
            meters.monitor_clients
        );
        row(&format!("channel {}", text::id(name)), said, Role::Text);
    }
    rows
}

/// Of one core, and resident; `None` when the server cannot say.
fn cost(cpu_percent: f64, memory_bytes: u64) -> Option<String> {
    let megabytes = memory_bytes as f64 / 1e6;
    (memory_bytes > 0).then(|| format!("{cpu_percent:.0}% cpu {megabytes:.0} MB"))
}
