//! Things that want an eye.

use booth_proto::v1;

use super::Model;
use crate::text;

impl Model {
    /// Things that want an eye, in words.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if let Some(ledger) = self.status.as_ref().and_then(|s| s.ledger.as_ref())
            && !ledger.writable
        {
            flags.push("the ledger does not write: commands are refused".to_owned());
        }
        for slot in self.world.slots.values().filter(|s| !s.online) {
            flags.push(format!("slot {} has no worker", text::id(&slot.name)));
        }
        for slot in self.world.slots.values() {
            if let Some(vmix) = slot.vmix.as_ref().filter(|v| !v.last_error.is_empty()) {
                let (id, why) = (text::id(&slot.name), text::clean(&vmix.last_error));
                flags.push(format!("vMix of slot {id}: {why}"));
            }
        }
        for channel in self.world.channels.values().filter(|c| c.running) {
            let id = text::id(&channel.name);
            if channel.showing() == v1::channel::Showing::Backup {
                flags.push(format!("channel {id} is on backup"));
            }
            flags.extend(
                channel
                    .alerts
                    .iter()
                    .map(|a| format!("{id}: {}", text::clean(a))),
            );
        }
        for name in &self.meters.clipped {
            flags.push(match self.world.callers.get(name) {
                Some(_) => format!("{} clipped", self.world.caller_name(name)),
                None => format!("slot {} clipped", text::id(name)),
            });
        }
        flags
    }
}
