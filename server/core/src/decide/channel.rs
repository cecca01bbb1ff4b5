//! Channels and their destinations.

use crate::{Command, Denied, Target};

use super::draft::{Draft, invalid};

pub(super) fn obey(_draft: &mut Draft<'_>, _command: &Command) -> Result<Target, Denied> {
    Err(invalid("command", "channels are being built"))
}
