//! The mouse: rows, slots, tabs, hints. Never Enter: nothing goes on air by a click.

use crate::command::Effect;
use crate::model::modal::Modal;
use crate::model::{Model, View};
use crate::view::layout::{self, Spot};

use super::{keys, modal};

pub fn click(model: &mut Model, x: u16, y: u16, effects: &mut Vec<Effect>) {
    let spot = layout::spot(model, x, y);
    if let Some(Modal::Choose { items, .. }) = &model.modal {
        if let Some(Spot::Choice(n)) = spot
            && let Some(item) = items.get(n).cloned()
        {
            model.modal = None;
            modal::chosen(model, item.does, effects);
        }
        return;
    }
    if model.modal.is_some() {
        return;
    }
    // What is armed, or half typed, was meant for another place.
    model.armed = None;
    model.prefix.clear();
    match spot {
        Some(Spot::Slot(name)) => model.slot = Some(name),
        Some(Spot::Row(at)) => {
            let again = model.list().index() == Some(at);
            model.list_mut().pick(at);
            if again && matches!(model.view, View::Air | View::Queue) {
                keys::act(model, crate::action::Action::Card, effects);
            }
        }
        Some(Spot::Channel(name)) => {
            model.channels.choose(&name);
            model.view = View::Channels;
        }
        Some(Spot::View(view)) => model.view = view,
        // What stands for a whole group opens it.
        Some(Spot::Action(action)) => match model.settings.keymap.prefix(action) {
            Some(key) => model.prefix = vec![key],
            None => keys::act(model, action, effects),
        },
        Some(Spot::Log) => model.view = View::Log,
        Some(Spot::Choice(_)) | None => {}
    }
}

pub fn wheel(model: &mut Model, _x: u16, _y: u16, down: bool) {
    match &mut model.modal {
        Some(Modal::Help { offset }) => {
            *offset = if down {
                *offset + 3
            } else {
                offset.saturating_sub(3)
            };
            let wanted = *offset;
            let last = crate::view::help::last_offset(model);
            model.modal = Some(Modal::Help {
                offset: wanted.min(last),
            });
        }
        Some(_) => {}
        None => {
            model.armed = None;
            model.list_mut().step(if down { 3 } else { -3 });
        }
    }
}
