//! How the server is: one page that answers "are we good to go".

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::slot_service_client::SlotServiceClient;
use booth_proto::v1::system_service_client::SystemServiceClient;
use booth_proto::v1::*;

use crate::app::Ctx;
use crate::client::rpc;
use crate::errors::Outcome;
use crate::hints::Subject;
use crate::names::last_part;
use crate::render::table::{Cell, Table, Tone};
use crate::render::{View, channels, rows, tally, text};

pub async fn run(ctx: &Ctx) -> Outcome {
    let status = rpc!(
        ctx,
        Subject::default(),
        SystemServiceClient::get_status,
        GetStatusRequest {}
    )?;
    if !ctx.out.is_table() {
        return ctx.out.answer(&status);
    }
    let slots = rpc!(
        ctx,
        Subject::default(),
        SlotServiceClient::list_slots,
        ListSlotsRequest {}
    )?
    .slots;
    let query = ListCallersRequest {
        parent: String::new(),
        include_ended: false,
    };
    let callers = rpc!(
        ctx,
        Subject::default(),
        CallerServiceClient::list_callers,
        query
    )?
    .callers;
    let channels = rpc!(
        ctx,
        Subject::default(),
        ChannelServiceClient::list_channels,
        ListChannelsRequest {}
    )?
    .channels;
    ctx.out
        .view(&View::Fields(server(&ctx.global.server, &status)))?;
    ctx.out.line("")?;
    ctx.out.view(&View::Table(on_air(&slots, &callers)))?;
    if channels.is_empty() {
        return Ok(());
    }
    ctx.out.line("")?;
    ctx.out.view(&View::Table(channels::table(&channels, None)))
}

fn server(address: &str, status: &GetStatusResponse) -> Vec<(&'static str, Cell)> {
    let mut page = vec![
        (
            "Server",
            Cell::new(format!("{address}, version {}", status.version)),
        ),
        (
            "Running since",
            Cell::new(text::time(status.start_time.as_ref())),
        ),
        ("Revision", Cell::new(status.revision.to_string())),
        ("Ledger", ledger(status.ledger.as_ref())),
    ];
    for finding in status.ledger.iter().flat_map(|ledger| &ledger.findings) {
        page.push(("Repaired", Cell::toned(finding, Tone::Warning)));
    }
    let callers = format!(
        "{} waiting, {} ready, {} held, {} on air; {} connected",
        status.callers_waiting,
        status.callers_ready,
        status.callers_held,
        status.callers_on_air,
        status.sessions
    );
    page.push(("Callers", Cell::new(callers)));
    page.push((
        "Join links",
        Cell::new(format!(
            "{}/join/main",
            status.join_base_url.trim_end_matches('/')
        )),
    ));
    page.extend(status.units.iter().map(|unit| ("Unit", self::unit(unit))));
    page
}

fn ledger(ledger: Option<&Ledger>) -> Cell {
    match ledger {
        None => Cell::new(""),
        Some(ledger) if ledger.writable => Cell::toned(
            format!("writable, {}", text::bytes(ledger.journal_bytes)),
            Tone::Good,
        ),
        Some(ledger) => Cell::toned(
            format!("COMMANDS ARE REFUSED: {}", ledger.problem),
            Tone::OnAir,
        ),
    }
}

fn unit(unit: &Unit) -> Cell {
    let mut words = format!(
        "{} {}",
        unit.name,
        if unit.attached {
            "running"
        } else {
            "NOT RUNNING"
        }
    );
    if unit.pid != 0 {
        words.push_str(&format!(", pid {}", unit.pid));
    }
    if unit.restarts > 0 {
        words.push_str(&format!(", {} restarts", unit.restarts));
    }
    if !unit.last_error.is_empty() {
        words.push_str(&format!(", last error: {}", unit.last_error));
    }
    Cell::toned(
        words,
        if unit.attached {
            Tone::Plain
        } else {
            Tone::Warning
        },
    )
}

/// Slots with the names of those on them.
fn on_air(slots: &[Slot], callers: &[Caller]) -> Table {
    let row = |slot: &Slot| {
        let shown = if slot.showing_caller.is_empty() {
            &slot.assigned_caller
        } else {
            &slot.showing_caller
        };
        let caller = callers
            .iter()
            .find(|caller| !shown.is_empty() && caller.name == *shown);
        vec![
            Cell::new(last_part(&slot.name)),
            rows::on_air_of(slot),
            Cell::new(last_part(shown)),
            Cell::new(
                caller
                    .map(|caller| caller.display_name.as_str())
                    .unwrap_or_default(),
            ),
            Cell::new(rows::output_of(slot.settings.as_ref())),
        ]
    };
    let mut table = Table {
        headings: vec!["SLOT", "SHOWING", "CALLER", "NAME", "OUTPUT"],
        rows: slots.iter().map(row).collect(),
    };
    // Only where there is a vMix to tell it.
    if slots.iter().any(|slot| slot.vmix.is_some()) {
        table.headings.insert(2, "TALLY");
        for (row, slot) in table.rows.iter_mut().zip(slots) {
            row.insert(2, tally::cell(slot));
        }
    }
    table
}
