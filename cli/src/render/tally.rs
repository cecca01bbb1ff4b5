//! What a slot's vMix says, and how it stands with it.

use booth_proto::v1::{Slot, slot, vmix_status};

use super::table::{Cell, Tone};

/// What the production does with the slot; empty when no vMix is set for it.
pub fn cell(slot: &Slot) -> Cell {
    use slot::Tally;
    match Tally::try_from(slot.tally) {
        Ok(Tally::Program) => Cell::toned("PROGRAM", Tone::OnAir),
        Ok(Tally::Preview) => Cell::toned("preview", Tone::Good),
        Ok(Tally::Off) => Cell::toned("off", Tone::Quiet),
        Ok(Tally::Unspecified) | Err(_) if slot.vmix.is_some() => {
            Cell::toned("unknown", Tone::Warning)
        }
        Ok(Tally::Unspecified) | Err(_) => Cell::new(""),
    }
}

/// Where it is, and how the link to it stands; nothing when no vMix is set.
pub fn page(slot: &Slot) -> Vec<(&'static str, Cell)> {
    use vmix_status::State;
    let settings = slot
        .settings
        .as_ref()
        .and_then(|settings| settings.vmix.as_ref());
    let Some(settings) = settings else {
        return Vec::new();
    };
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let (input, field) = (part(&settings.title_input), part(&settings.title_field));
    let title = match (input.is_empty(), field.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("{input}, its first field"),
        (false, false) => format!("{input}, field {field}"),
    };
    let status = slot.vmix.clone().unwrap_or_default();
    let state = match State::try_from(status.state) {
        Ok(State::Connected) if status.last_error.is_empty() => {
            Cell::toned("connected", Tone::Good)
        }
        Ok(State::Connected) => Cell::toned(
            format!("connected, but {}", status.last_error),
            Tone::Warning,
        ),
        _ if status.last_error.is_empty() => Cell::toned("connecting", Tone::Warning),
        _ => Cell::toned(format!("connecting: {}", status.last_error), Tone::Warning),
    };
    vec![
        ("vMix", Cell::new(part(&settings.address))),
        ("vMix input", Cell::new(part(&settings.input))),
        ("vMix title", Cell::new(title)),
        ("vMix link", state),
    ]
}
