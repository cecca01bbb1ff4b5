//! Tells the repeat of a command from another command that came with the same request id.

use std::io;

use serde::Serialize;

use crate::{
    Actor, ChannelSettings, Command, DestinationSettings, Sealed, SlotOutput, SlotSettings,
};

impl Command {
    /// Digest of who asks for what: FNV-1a 64 over JSON, so that it is the same after a restart and with another
    /// compiler, and may stand in the journal.
    ///
    /// What the edge makes anew at every attempt is left out: ids and token hashes of what is created, an expiry counted
    /// from now, the seal around a passphrase or a key, the free port that is chosen, what a backup's files are at the
    /// moment, the caller's own id on joining.
    pub fn digest(&self, actor: &Actor) -> u64 {
        match self {
            Self::Invite {
                id: _,
                show,
                role,
                name,
                token: _,
                uses,
                expires_at: _,
            } => fnv(&("invite", actor, show, role, name, uses)),
            Self::Join {
                id: _,
                invite,
                rejoin: _,
                name,
                topic,
            } => fnv(&("join", invite, name, topic)),
            Self::CreateSlot { id, show, settings } => {
                let mut settings = unsealed(settings);
                if let SlotOutput::Listen { port } = &mut settings.output {
                    *port = 0;
                }
                fnv(&("create_slot", actor, id, show, settings))
            }
            Self::UpdateSlot { id, settings } => {
                fnv(&("update_slot", actor, id, unsealed(settings)))
            }
            Self::CreateChannel {
                id,
                settings,
                key: _,
            } => fnv(&("create_channel", actor, id, channel(settings))),
            Self::UpdateChannel { id, settings } => {
                fnv(&("update_channel", actor, id, channel(settings)))
            }
            Self::RotateChannelKey { id, key: _ } => fnv(&("rotate_channel_key", actor, id)),
            Self::Publish {
                channel,
                publisher,
                key: _,
            } => {
                let (protocol, peer) = (publisher.protocol, &publisher.peer);
                fnv(&("publish", actor, channel, protocol, peer, &publisher.agent))
            }
            Self::AddDestination {
                channel,
                id,
                settings,
                enabled,
            } => {
                let settings = destination(settings);
                fnv(&("add_destination", actor, channel, id, settings, enabled))
            }
            Self::UpdateDestination {
                channel,
                id,
                settings,
            } => {
                let settings = destination(settings);
                fnv(&("update_destination", actor, channel, id, settings))
            }
            Self::CreateOperator {
                id,
                name,
                role,
                token: _,
            } => fnv(&("create_operator", actor, id, name, role)),
            Self::AddOperatorToken { id, token: _ } => fnv(&("add_operator_token", actor, id)),
            other => fnv(&("command", actor, other)),
        }
    }
}

/// Whether there is a passphrase counts; a seal differs each time it is made.
fn unsealed(settings: &SlotSettings) -> SlotSettings {
    let mut settings = settings.clone();
    unseal(&mut settings.passphrase);
    settings
}

fn channel(settings: &ChannelSettings) -> ChannelSettings {
    let mut settings = settings.clone();
    if let Some(input) = &mut settings.srt_input {
        input.port = 0;
        unseal(&mut input.passphrase);
    }
    if let Some(backup) = &mut settings.backup {
        backup.digest = String::new();
    }
    settings
}

fn destination(settings: &DestinationSettings) -> DestinationSettings {
    let mut settings = settings.clone();
    unseal(&mut settings.key);
    settings
}

fn unseal(secret: &mut Option<Sealed>) {
    if let Some(secret) = secret {
        *secret = Sealed(String::new());
    }
}

struct Fnv(u64);

impl io::Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn fnv(value: &impl Serialize) -> u64 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    // Neither the writer nor any of these types can fail; if one did, the digest would still be the same each time.
    let _ = serde_json::to_writer(&mut fnv, value);
    fnv.0
}
