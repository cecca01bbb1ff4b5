//! Which worker: the names of units, as they stand in processes, lock files and greetings.

use std::fmt;
use std::str::FromStr;

use booth_core::{ChannelId, SlotId};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitId {
    /// One slot's output.
    Slot(SlotId),
    /// One channel's output.
    Channel(ChannelId),
    /// The RTMP server of all channels.
    Ingest,
    /// Brings a channel's backup and slate to its format, once.
    Prepare(ChannelId),
    /// A rehearsal of a channel, once.
    Drill(ChannelId),
}

impl UnitId {
    /// Whether its work has an end: a worker that ended as asked is not started again.
    pub fn is_one_shot(&self) -> bool {
        matches!(self, Self::Prepare(_) | Self::Drill(_))
    }
}

/// What is no unit's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no unit has this name")]
pub struct BadUnit;

impl FromStr for UnitId {
    type Err = BadUnit;

    fn from_str(name: &str) -> Result<Self, BadUnit> {
        if name == "ingest" {
            return Ok(Self::Ingest);
        }
        let (kind, id) = name.split_once('-').ok_or(BadUnit)?;
        let channel = || ChannelId::new(id).map_err(|_| BadUnit);
        match kind {
            "slot" => SlotId::new(id).map(Self::Slot).map_err(|_| BadUnit),
            "channel" => channel().map(Self::Channel),
            "prepare" => channel().map(Self::Prepare),
            "drill" => channel().map(Self::Drill),
            _ => Err(BadUnit),
        }
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(id) => write!(f, "slot-{id}"),
            Self::Channel(id) => write!(f, "channel-{id}"),
            Self::Ingest => f.write_str("ingest"),
            Self::Prepare(id) => write!(f, "prepare-{id}"),
            Self::Drill(id) => write!(f, "drill-{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_as_it_is_written() {
        let channel = || ChannelId::new("slot-radio-1").unwrap();
        let all = [
            UnitId::Slot(SlotId::new("a-1").unwrap()),
            UnitId::Channel(channel()),
            UnitId::Ingest,
            UnitId::Prepare(channel()),
            UnitId::Drill(channel()),
        ];
        for unit in all {
            assert_eq!(unit.to_string().parse(), Ok(unit));
        }
    }

    #[test]
    fn a_name_that_could_leave_its_directory_or_take_anothers_place_is_no_unit() {
        let long = format!("slot-{}", "a".repeat(64));
        let hostile = [
            "",
            "slot",
            "slot-",
            "slot--",
            "slot-1/../2",
            "slot-../x",
            "channel-a.lock",
            "channel-\0",
            "Channel-a",
            "channel-A",
            "channel -a",
            "ingest-",
            "ingest-1",
            "ingest\n",
            "prepare",
            "drill-a b",
            "drill-ä",
            "desk-main",
            &long,
        ];
        for name in hostile {
            assert_eq!(name.parse::<UnitId>(), Err(BadUnit), "{name:?}");
        }
    }
}
