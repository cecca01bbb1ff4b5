//! What is done with channels and their destinations.

use booth_proto::v1;

use crate::action::Action;
use crate::command::{Command, Effect, Force};
use crate::model::modal::{Choice, Does, Modal};
use crate::model::{Model, Tone};
use crate::text;

use super::send::{Intent, arm, ask, notice};

pub fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let Some(channel) = model.selected_channel().cloned() else {
        return notice(model, Tone::Plain, "no channel is selected".into());
    };
    let id = text::id(&channel.name).to_owned();
    let (name, revision) = (channel.name.clone(), channel.revision);
    let force = |force| Command::Force {
        channel: name.clone(),
        force,
        revision,
    };
    let intent = match action {
        Action::Auto => Intent::new(
            force(Force::Auto),
            format!("CHANNEL {id} chooses by itself"),
        ),
        Action::ForceLive => Intent::new(force(Force::Live), format!("CHANNEL {id} HELD ON LIVE")),
        Action::ForceBackup => {
            Intent::new(force(Force::Backup), format!("CHANNEL {id} HELD ON BACKUP"))
        }
        Action::StartChannel => {
            if channel.running {
                return notice(
                    model,
                    Tone::Plain,
                    format!("channel {id} is on air already"),
                );
            }
            let command = Command::Run {
                channel: name,
                run: true,
                revision,
            };
            Intent::new(command, format!("START channel {id}"))
        }
        Action::StopChannel => {
            if !channel.running {
                return notice(model, Tone::Plain, format!("channel {id} is off already"));
            }
            let command = Command::Run {
                channel: name,
                run: false,
                revision,
            };
            return ask(
                model,
                command,
                format!("TAKE channel {id} OFF AIR"),
                vec![id],
            );
        }
        Action::Destination => return destinations(model, &channel),
        _ => return,
    };
    if !channel.running
        && matches!(
            action,
            Action::Auto | Action::ForceLive | Action::ForceBackup
        )
    {
        return notice(
            model,
            Tone::Plain,
            format!("channel {id} is off: start it first"),
        );
    }
    arm(model, intent, effects);
}

fn destinations(model: &mut Model, channel: &v1::Channel) {
    let id = text::id(&channel.name);
    if channel.destinations.is_empty() {
        let text = format!("channel {id} has no destination: booth destination add {id} …");
        return notice(model, Tone::Plain, text);
    }
    let choice = |(key, destination): (char, &v1::Destination)| {
        let to = text::id(&destination.name);
        let (verb, now) = match destination.enabled {
            true => ("off", "on"),
            false => ("on", "off"),
        };
        Choice {
            key,
            label: format!("{to} (is {now}) {verb}"),
            does: Does::Command {
                command: Command::Destination {
                    destination: destination.name.clone(),
                    enabled: !destination.enabled,
                    revision: destination.revision,
                },
                sentence: format!("Switch {to} of {id} {}", verb.to_uppercase()),
            },
        }
    };
    // The server has no more than 50 for a channel, and there are 61 keys.
    let keys = ('1'..='9').chain('a'..='z').chain('A'..='Z');
    let items = keys.zip(&channel.destinations).map(choice).collect();
    model.modal = Some(Modal::Choose {
        title: format!("destinations of {id}"),
        items,
    });
}
