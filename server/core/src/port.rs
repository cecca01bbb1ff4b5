use std::fmt;

use crate::{ChannelId, SlotId, SlotOutput, State};

/// Whose listener a UDP port belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortUser {
    Slot(SlotId),
    Channel(ChannelId),
}

impl fmt::Display for PortUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(id) => write!(f, "slot {id}"),
            Self::Channel(id) => write!(f, "channel {id}"),
        }
    }
}

impl State {
    /// Every UDP port that a slot or a channel listens on, whether it runs or not.
    pub fn ports(&self) -> impl Iterator<Item = (u16, PortUser)> + '_ {
        let slots = self.slots.values().filter_map(|slot| {
            let SlotOutput::Listen { port } = slot.settings.output else {
                return None;
            };
            Some((port, PortUser::Slot(slot.id.clone())))
        });
        let channels = self.channels.values().flat_map(|channel| {
            let ports = channel.settings.ports();
            ports.map(|port| (port, PortUser::Channel(channel.id.clone())))
        });
        slots.chain(channels)
    }
}
