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
    );
    let channels = match channels {
        Ok(list) => list.channels,
        // A server from before there were channels has none.
        Err(failure) if failure.code == "UNIMPLEMENTED" => Vec::new(),
        Err(failure) => return Err(failure),
    };
    ctx.out
        .view(&View::Fields(server(&ctx.global.server, &status)))?;
    ctx.out.line("")?;
    if !status.units.is_empty() {
        ctx.out.view(&View::Table(units(&status.units)))?;
        ctx.out.line("")?;
    }
    ctx.out.view(&View::Table(on_air(&slots, &callers)))?;
    if channels.is_empty() {
        return Ok(());
    }
    ctx.out.line("")?;
    ctx.out.view(&View::Table(channels::table(&channels, None)))
}

fn server(address: &str, status: &GetStatusResponse) -> Vec<(&'static str, Cell)> {
    let mut page = vec![
        ("Server", version(address, &status.version)),
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
    if status.memory_bytes > 0 {
        page.push((
            "boothd",
            Cell::new(format!(
                "{:.0} % CPU, {}",
                status.cpu_percent,
                text::bytes(status.memory_bytes)
            )),
        ));
    }
    page
}

/// Another version than this one still works, as far as both know the same.
fn version(address: &str, theirs: &str) -> Cell {
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours || theirs.is_empty() {
        return Cell::new(format!("{address}, version {theirs}"));
    }
    Cell::toned(
        format!("{address}, version {theirs}; this command line is {ours}"),
        Tone::Warning,
    )
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

/// Workers, and what they use.
fn units(units: &[Unit]) -> Table {
    let row = |unit: &Unit| {
        let state = if unit.attached {
            Cell::new("running")
        } else {
            Cell::toned("NOT RUNNING", Tone::OnAir)
        };
        let number = |n: u32| if n == 0 { String::new() } else { n.to_string() };
        let known = unit.memory_bytes > 0;
        vec![
            Cell::new(&unit.name),
            state,
            Cell::new(number(unit.pid)),
            Cell::new(if known {
                format!("{:.0} %", unit.cpu_percent)
            } else {
                String::new()
            }),
            Cell::new(if known {
                text::bytes(unit.memory_bytes)
            } else {
                String::new()
            }),
            Cell::toned(number(unit.restarts), Tone::Warning),
            Cell::toned(&unit.last_error, Tone::Warning),
        ]
    };
    Table {
        headings: vec![
            "UNIT",
            "STATE",
            "PID",
            "CPU",
            "MEMORY",
            "RESTARTS",
            "LAST ERROR",
        ],
        rows: units.iter().map(row).collect(),
    }
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
