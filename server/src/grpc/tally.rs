//! A slot as the wire has it: the state's part, and what its vMix tells.

use booth_core::{Slot, State};
use booth_proto::{convert, v1};

use crate::vmix::{SlotVmix, Tally, TallyMap};

pub fn slot(slot: &Slot, state: &State, tallies: &TallyMap) -> v1::Slot {
    let mut wire = convert::slot::slot(slot, state);
    if let Some(told) = tallies.of(&slot.id) {
        observed(&mut wire, told);
    }
    wire
}

fn observed(wire: &mut v1::Slot, told: &SlotVmix) {
    use v1::slot::Tally as Wire;
    use v1::vmix_status::State;
    wire.tally = match told.tally {
        None => Wire::Unspecified,
        Some(Tally::Off) => Wire::Off,
        Some(Tally::Preview) => Wire::Preview,
        Some(Tally::Program) => Wire::Program,
    }
    .into();
    let state = if told.connected {
        State::Connected
    } else {
        State::Connecting
    };
    wire.vmix = Some(v1::VmixStatus {
        state: state.into(),
        last_error: told.error.clone(),
    });
}
