//! What operators do with channels; who feeds them see `publisher`, where they go see `destination`.

use crate::{
    Channel, ChannelId, ChannelSettings, ChannelShowing, Command, Denied, DestinationId, Event,
    Force, PortUser, Prepared, Sealed, SwitchCause, Target,
};

use super::draft::{Draft, invalid};
use super::{destination, publisher, settings};

pub(super) fn obey(draft: &mut Draft<'_>, command: &Command) -> Result<Target, Denied> {
    match command {
        Command::CreateChannel { id, settings, key } => create(draft, id, settings, key),
        Command::UpdateChannel { id, settings } => update(draft, id, settings),
        Command::DeleteChannel { id } => delete(draft, id),
        Command::StartChannel { id } => start(draft, id),
        Command::StopChannel { id } => stop(draft, id),
        Command::ForceChannel { id, force } => pin(draft, id, *force),
        Command::RevealKey { id, destination } => reveal(draft, id, destination.as_ref()),
        Command::RotateChannelKey { id, key } => publisher::rotate_key(draft, id, key),
        Command::Publish {
            channel,
            publisher,
            key,
        } => publisher::publish(draft, channel, publisher, key),
        Command::KickPublisher { id } => publisher::kick(draft, id),
        other => destination::obey(draft, other),
    }
}

/// A new channel is off: its loops are prepared, and nothing is sent until it is started.
fn create(
    draft: &mut Draft<'_>,
    id: &ChannelId,
    new: &ChannelSettings,
    key: &Sealed,
) -> Result<Target, Denied> {
    if draft.state().channels.contains_key(id) {
        let channel = id.clone();
        return Err(Denied::ChannelExists { channel });
    }
    settings::channel(new)?;
    ports_are_free(draft, id, new)?;
    draft.emit(Event::ChannelCreated {
        id: id.clone(),
        settings: new.clone(),
        key: key.clone(),
    });
    Ok(Target::Channel(id.clone()))
}

fn update(draft: &mut Draft<'_>, id: &ChannelId, new: &ChannelSettings) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    settings::channel(new)?;
    ports_are_free(draft, id, new)?;
    // What failed with the same settings is tried again: its files may have been mended since.
    let again = matches!(channel.prepared, Some(Prepared::Failed { .. }))
        && (new.backup.is_some() || new.slate.is_some());
    if channel.settings != *new || again {
        draft.emit(Event::ChannelUpdated {
            id: id.clone(),
            settings: new.clone(),
        });
    }
    Ok(Target::Channel(id.clone()))
}

/// Its destinations go with it.
fn delete(draft: &mut Draft<'_>, id: &ChannelId) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    if channel.running {
        let channel = id.clone();
        return Err(Denied::ChannelRunning { channel });
    }
    draft.emit(Event::ChannelDeleted { id: id.clone() });
    Ok(Target::Channel(id.clone()))
}

fn start(draft: &mut Draft<'_>, id: &ChannelId) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    if !channel.running {
        draft.emit(Event::ChannelStarted { id: id.clone() });
    }
    Ok(Target::Channel(id.clone()))
}

fn stop(draft: &mut Draft<'_>, id: &ChannelId) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    if channel.running {
        draft.emit(Event::ChannelStopped { id: id.clone() });
        // The state is off with that; these are for the record.
        switched(
            draft,
            &channel,
            ChannelShowing::Off,
            SwitchCause::Stopped,
            0,
        );
        publisher::disconnect(draft, &channel, "channel stopped");
    }
    Ok(Target::Channel(id.clone()))
}

fn pin(draft: &mut Draft<'_>, id: &ChannelId, force: Force) -> Result<Target, Denied> {
    let channel = draft.channel(id)?;
    draft.fresh(channel.revision)?;
    if channel.force != force {
        let id = id.clone();
        draft.emit(Event::ChannelForced { id, force });
    }
    Ok(Target::Channel(id.clone()))
}

fn reveal(
    draft: &mut Draft<'_>,
    id: &ChannelId,
    destination: Option<&DestinationId>,
) -> Result<Target, Denied> {
    draft.channel(id)?;
    let target = match destination {
        Some(destination) => {
            draft.destination(id, destination)?;
            Target::Destination(id.clone(), destination.clone())
        }
        None => Target::Channel(id.clone()),
    };
    draft.emit(Event::ChannelKeyRevealed {
        id: id.clone(),
        destination: destination.cloned(),
    });
    Ok(target)
}

/// The as-run record of a switch away from what `before` shows; nothing when that is `to` already.
pub(super) fn switched(
    draft: &mut Draft<'_>,
    before: &Channel,
    to: ChannelShowing,
    cause: SwitchCause,
    gap_ms: u32,
) {
    if before.showing != to {
        let span = draft.now.since(before.showing_since);
        draft.emit(Event::ChannelSwitched {
            id: before.id.clone(),
            from: before.showing,
            to,
            cause,
            gap_ms,
            before_ms: u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        });
    }
}

fn ports_are_free(draft: &Draft<'_>, id: &ChannelId, new: &ChannelSettings) -> Result<(), Denied> {
    let input = new.srt_input.as_ref().map(|input| input.port);
    if input.is_some() && input == new.monitor_port {
        let why = "another port than that of the SRT input";
        return Err(invalid("monitor_port", why));
    }
    let own = PortUser::Channel(id.clone());
    let mut others = draft.state().ports().filter(|(_, user)| *user != own);
    match others.find(|(port, _)| new.ports().any(|new| new == *port)) {
        Some((port, user)) => Err(Denied::PortTaken {
            port,
            by: user.to_string(),
        }),
        None => Ok(()),
    }
}
