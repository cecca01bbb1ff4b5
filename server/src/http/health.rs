//! For monitors: is it well, and in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use booth_core::Showing;
use http::{StatusCode, header};
use serde_json::json;

use super::Door;
use super::view::state_name;

/// 200 while changes can be saved; what is on air does not depend on it.
pub(super) async fn healthz(State(door): State<Door>) -> Response {
    let ledger = door.rooms.system.ledger();
    let status = if ledger.writable {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if ledger.writable { "ok" } else { "read-only" },
        "ledger": { "writable": ledger.writable },
        "revision": door.rooms.board.state().revision,
        "version": env!("CARGO_PKG_VERSION"),
    });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Prometheus text format 0.0.4. Names of people are not in it.
pub(super) async fn metrics(State(door): State<Door>) -> Response {
    let state = door.rooms.board.state();
    let ledger = door.rooms.system.ledger();
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, rows: Vec<(String, f64)>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let mut by_state: BTreeMap<&str, u32> = [
        "joining",
        "waiting",
        "screening",
        "ready",
        "held",
        "on_air",
        "ended",
    ]
    .map(|name| (name, 0))
    .into();
    for caller in state.callers.values() {
        *by_state.entry(state_name(caller.state)).or_default() += 1;
    }
    let plain = |value: f64| vec![(String::new(), value)];
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    gauge(
        "booth_rtc_sessions",
        "WebRTC sessions.",
        plain(count(door.rtc.count())),
    );
    gauge(
        "booth_http_connections",
        "Connections of callers.",
        plain(count(door.connections())),
    );
    let rows = by_state
        .iter()
        .map(|(name, n)| (format!("{{state=\"{name}\"}}"), f64::from(*n)))
        .collect();
    gauge("booth_callers", "Callers by state.", rows);
    let on_air = |showing: &Showing| matches!(showing, Showing::Caller { .. });
    let rows = state
        .slots
        .values()
        .map(|slot| {
            (
                format!("{{slot=\"{}\"}}", slot.id),
                f64::from(u8::from(on_air(&slot.showing))),
            )
        })
        .collect();
    gauge(
        "booth_slot_on_air",
        "Whether the slot shows a caller.",
        rows,
    );
    let units = door.rooms.system.units();
    let label = |name: &str| format!("{{unit=\"{}\"}}", name.replace(['"', '\\', '\n'], "_"));
    let rows = units
        .iter()
        .map(|u| (label(&u.name), f64::from(u8::from(u.attached))))
        .collect();
    gauge(
        "booth_unit_attached",
        "Whether the worker is attached.",
        rows,
    );
    let rows = units
        .iter()
        .map(|u| (label(&u.name), f64::from(u.restarts)))
        .collect();
    gauge(
        "booth_unit_restarts",
        "Restarts of the worker since start.",
        rows,
    );
    gauge(
        "booth_ledger_writable",
        "Whether changes can be saved.",
        plain(f64::from(u8::from(ledger.writable))),
    );
    #[allow(clippy::cast_precision_loss, reason = "a size to look at")]
    gauge(
        "booth_ledger_journal_bytes",
        "Size of the journal.",
        plain(ledger.journal_bytes as f64),
    );
    #[allow(clippy::cast_precision_loss, reason = "53 bits of revisions")]
    gauge(
        "booth_revision",
        "Revision of the state.",
        plain(state.revision as f64),
    );
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        out,
    )
        .into_response()
}
