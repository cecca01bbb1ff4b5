//! What the server knows of itself: workers, ledger, sealed secrets.

use booth_core::{Sealed, State};

use super::Found;
use crate::secrets::{
    Keyring, channel_key_context, channel_passphrase_context, destination_key_context,
    slot_passphrase_context,
};
use crate::server::{LedgerStatus, UnitStatus};

pub fn workers(units: &[UnitStatus]) -> Vec<Found> {
    let trouble: Vec<Found> = units.iter().filter_map(worker).collect();
    if trouble.is_empty() {
        vec![Found::ok(format!(
            "all {} run and have never been restarted",
            units.len()
        ))]
    } else {
        trouble
    }
}

fn worker(unit: &UnitStatus) -> Option<Found> {
    let why = if unit.last_error.is_empty() {
        String::new()
    } else {
        format!("; last error: {}", unit.last_error)
    };
    let mend = format!(
        "data/run/{}.log on the server says why; a port that is taken, a missing plug-in and a full disk are the usual reasons",
        unit.name
    );
    let found = if !unit.attached {
        Found::failed(
            format!("it does not run, after {} restarts{why}", unit.restarts),
            mend,
        )
    } else if unit.restarts > 0 {
        Found::warning(
            format!(
                "it runs, but had to be restarted {} times{why}",
                unit.restarts
            ),
            mend,
        )
    } else {
        return None;
    };
    Some(found.about(format!("units/{}", unit.name)))
}

pub fn ledger(ledger: &LedgerStatus) -> Vec<Found> {
    let mut found = Vec::new();
    if ledger.writable {
        found.push(Found::ok(format!(
            "writable, {:.1} MB of journal",
            ledger.journal_bytes as f64 / 1e6
        )));
    } else {
        found.push(Found::failed(
            format!("commands are refused (media goes on): {}", ledger.problem),
            "free space on the disk of data.dir, or replace it; commands work again by themselves, or after a restart of boothd",
        ));
    }
    found.extend(ledger.findings.iter().map(|finding| {
        Found::warning(
            format!("at the last start: {finding}"),
            "look whether anything is missing; what was damaged is kept in data/quarantine. Make a backup now (booth backup FILE), and have an eye on the disk",
        )
    }));
    found
}

/// Whether everything that is sealed opens with this server's key.
pub fn keys(state: &State, keys: &Keyring) -> Vec<Found> {
    let mut opened = 0;
    let mut closed = Vec::new();
    let mut look = |subject: String, context: String, sealed: Option<&Sealed>, again: String| {
        let Some(sealed) = sealed else { return };
        if keys.open(&context, sealed).is_ok() {
            opened += 1;
        } else {
            let text = "its secret does not open with this server's key";
            let mend = format!(
                "put the data/key back that belongs to this ledger (a backup does not hold it), or set the secret again: {again}"
            );
            closed.push(Found::failed(text, mend).about(subject));
        }
    };
    for (id, slot) in &state.slots {
        look(
            format!("slots/{id}"),
            slot_passphrase_context(id),
            slot.settings.passphrase.as_ref(),
            format!("booth slot update {id} --passphrase-file FILE"),
        );
    }
    for (id, channel) in &state.channels {
        let name = format!("channels/{id}");
        look(
            name.clone(),
            channel_key_context(id),
            Some(&channel.key),
            format!("booth channel rotate-key {id}"),
        );
        let srt = channel.settings.srt_input.as_ref();
        look(
            name.clone(),
            channel_passphrase_context(id),
            srt.and_then(|srt| srt.passphrase.as_ref()),
            format!("booth channel update {id} --srt-passphrase-file FILE"),
        );
        for (to, destination) in &channel.destinations {
            look(
                format!("{name}/destinations/{to}"),
                destination_key_context(id, to),
                destination.settings.key.as_ref(),
                format!("booth destination update {id} {to} --key-file FILE"),
            );
        }
    }
    if closed.is_empty() {
        vec![Found::ok(format!("all {opened} sealed secrets open"))]
    } else {
        closed
    }
}
