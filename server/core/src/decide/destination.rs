use crate::{
    ChannelId, Command, DESTINATIONS_MAX, Denied, DestinationId, DestinationSettings,
    DestinationState, Event, Target,
};

use super::draft::{Draft, invalid};
use super::settings;

/// `expected_revision` counts against the destination: one that changes does not get in the way of the channel's verbs.
pub(super) fn obey(draft: &mut Draft<'_>, command: &Command) -> Result<Target, Denied> {
    match command {
        Command::AddDestination {
            channel,
            id,
            settings,
            enabled,
        } => add(draft, channel, id, settings, *enabled),
        Command::UpdateDestination {
            channel,
            id,
            settings,
        } => update(draft, channel, id, settings),
        Command::SetDestinationEnabled {
            channel,
            id,
            enabled,
        } => enable(draft, channel, id, *enabled),
        Command::RemoveDestination { channel, id } => remove(draft, channel, id),
        _ => Err(invalid("command", "not about a channel")),
    }
}

fn add(
    draft: &mut Draft<'_>,
    channel: &ChannelId,
    id: &DestinationId,
    new: &DestinationSettings,
    enabled: bool,
) -> Result<Target, Denied> {
    let found = draft.channel(channel)?;
    if found.destinations.contains_key(id) {
        return Err(Denied::DestinationExists {
            channel: channel.clone(),
            destination: id.clone(),
        });
    }
    settings::destination(new)?;
    if found.destinations.len() >= DESTINATIONS_MAX {
        return Err(Denied::DestinationsFull {
            channel: channel.clone(),
            max: u32::try_from(DESTINATIONS_MAX).unwrap_or(u32::MAX),
        });
    }
    draft.emit(Event::DestinationAdded {
        channel: channel.clone(),
        id: id.clone(),
        settings: new.clone(),
        enabled,
    });
    Ok(Target::Destination(channel.clone(), id.clone()))
}

fn update(
    draft: &mut Draft<'_>,
    channel: &ChannelId,
    id: &DestinationId,
    new: &DestinationSettings,
) -> Result<Target, Denied> {
    let destination = draft.destination(channel, id)?;
    draft.fresh(destination.revision)?;
    settings::destination(new)?;
    if destination.settings != *new {
        draft.emit(Event::DestinationUpdated {
            channel: channel.clone(),
            id: id.clone(),
            settings: new.clone(),
        });
    }
    Ok(Target::Destination(channel.clone(), id.clone()))
}

/// Enabling one that FAILED is another try.
fn enable(
    draft: &mut Draft<'_>,
    channel: &ChannelId,
    id: &DestinationId,
    enabled: bool,
) -> Result<Target, Denied> {
    let destination = draft.destination(channel, id)?;
    draft.fresh(destination.revision)?;
    let again = enabled && destination.state == DestinationState::Failed;
    if destination.enabled != enabled || again {
        draft.emit(Event::DestinationEnabled {
            channel: channel.clone(),
            id: id.clone(),
            enabled,
        });
    }
    Ok(Target::Destination(channel.clone(), id.clone()))
}

fn remove(
    draft: &mut Draft<'_>,
    channel: &ChannelId,
    id: &DestinationId,
) -> Result<Target, Denied> {
    let destination = draft.destination(channel, id)?;
    draft.fresh(destination.revision)?;
    draft.emit(Event::DestinationRemoved {
        channel: channel.clone(),
        id: id.clone(),
    });
    Ok(Target::Destination(channel.clone(), id.clone()))
}
