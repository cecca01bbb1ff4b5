//! Settings are changed field by field on the wire and as a whole in the core: here they are merged.

pub mod channel;

use std::collections::BTreeSet;

use booth_core::{
    ChannelSettings, Command, DestinationSettings, Event, RequestId, ShowId, ShowSettings, SlotId,
    SlotSettings, Target,
};
use booth_proto::{convert, v1};
use tonic::Status;

use super::api::{Api, Asked, broken, refused};
use super::status::Reason;
use crate::board::Resume;
use crate::director::Accepted;
use crate::secrets::slot_passphrase_context;

impl Api {
    pub async fn update_slot(
        &self,
        asked: Asked,
        id: SlotId,
        patch: v1::SlotSettings,
    ) -> Result<Accepted, Status> {
        let api = self.clone();
        self.alone(async move {
            let target = Target::Slot(id.clone());
            let settings = match api.settings_of_repeat(&asked, &target) {
                Some(Made::Slot(first)) if api.is_already(&id, &first, &patch)? => first,
                _ => {
                    let slot = api.state().slots.get(&id).cloned();
                    // That there is no such slot is for the core to say: it may be a repeat.
                    let base = slot.map_or_else(
                        || SlotSettings::listening(api.rooms.config.slots.first_port),
                        |slot| slot.settings.clone(),
                    );
                    api.sealed_patch(&id, &base, &patch)?
                }
            };
            api.command(&asked, Command::UpdateSlot { id, settings })
                .await
        })
        .await
    }

    pub async fn update_show(
        &self,
        asked: Asked,
        id: ShowId,
        title: Option<booth_core::Text>,
        patch: Option<v1::ShowSettings>,
    ) -> Result<Accepted, Status> {
        let api = self.clone();
        self.alone(async move {
            let made = api.settings_of_repeat(&asked, &Target::Show(id.clone()));
            let settings = patch.map(|patch| match made {
                Some(Made::Show(settings))
                    if convert::show::patched(&settings, &patch) == settings =>
                {
                    settings
                }
                _ => {
                    let now = api
                        .state()
                        .shows
                        .get(&id)
                        .map_or_else(ShowSettings::default, |show| show.settings);
                    convert::show::patched(&now, &patch)
                }
            });
            api.command(
                &asked,
                Command::UpdateShow {
                    id,
                    title,
                    settings,
                },
            )
            .await
        })
        .await
    }

    /// Settings for a new slot, with `patch` on top of the defaults.
    pub async fn create_slot(
        &self,
        asked: Asked,
        id: SlotId,
        show: ShowId,
        patch: v1::SlotSettings,
    ) -> Result<Accepted, Status> {
        let api = self.clone();
        self.alone(async move {
            let port = match &patch.output {
                Some(_) => api.rooms.config.slots.first_port,
                None => api.free_port()?,
            };
            let settings = api.sealed_patch(&id, &SlotSettings::listening(port), &patch)?;
            api.command(&asked, Command::CreateSlot { id, show, settings })
                .await
        })
        .await
    }

    fn free_port(&self) -> Result<u16, Status> {
        let first = self.rooms.config.slots.first_port;
        self.free_port_from(first).ok_or_else(|| {
            super::api::invalid("settings.port", "no port is free from slots.first_port on")
        })
    }

    fn free_port_from(&self, first: u16) -> Option<u16> {
        let state = self.state();
        let taken: BTreeSet<u16> = state.ports().map(|(port, _)| port).collect();
        (first..=u16::MAX).find(|port| !taken.contains(port))
    }

    fn sealed_patch(
        &self,
        id: &SlotId,
        base: &SlotSettings,
        patch: &v1::SlotSettings,
    ) -> Result<SlotSettings, Status> {
        let mut trouble = None;
        let seal = |secret: &str| {
            self.rooms
                .keys
                .seal(&slot_passphrase_context(id), secret)
                .map_err(|e| {
                    trouble = Some(e);
                    convert::invalid("settings.passphrase", "it could not be sealed")
                })
        };
        let new = convert::slot::patched(base, patch, seal);
        match trouble {
            Some(error) => Err(broken(error)),
            None => new.map_err(refused),
        }
    }

    /// Whether `patch` changes nothing of `settings`. A seal differs each time it is made, so it is not compared.
    fn is_already(
        &self,
        id: &SlotId,
        settings: &SlotSettings,
        patch: &v1::SlotSettings,
    ) -> Result<bool, Status> {
        let mut patched = self.sealed_patch(id, settings, patch)?;
        if settings.passphrase.is_some() && patched.passphrase.is_some() {
            patched.passphrase.clone_from(&settings.passphrase);
        }
        Ok(patched == *settings)
    }

    /// What the first attempt of this request made, as long as the journal's end remembers it: a repeat is merged into
    /// the same settings again, whatever has changed since, so that the core knows it for a repeat.
    fn settings_of_repeat(&self, asked: &Asked, target: &Target) -> Option<Made> {
        let id = RequestId::new(&asked.request_id).ok()?;
        let first = self.state().answers.get(&id)?.result.clone().ok()?;
        if first.target != *target {
            return None;
        }
        let Resume::Missed(records) = self.rooms.board.resume(first.revision.checked_sub(1)?)
        else {
            return None;
        };
        let (record, _) = records.into_iter().next()?;
        record.events.iter().find_map(|event| match event {
            Event::SlotUpdated { settings, .. } => Some(Made::Slot(settings.clone())),
            Event::ShowUpdated { settings, .. } => Some(Made::Show(*settings)),
            Event::ChannelUpdated { settings, .. } => Some(Made::Channel(settings.clone())),
            Event::DestinationUpdated { settings, .. } => Some(Made::Destination(settings.clone())),
            _ => None,
        })
    }

    /// Runs one change of settings at a time, to its end even when its client goes away: the next one has to see it.
    async fn alone(
        &self,
        change: impl Future<Output = Result<Accepted, Status>> + Send + 'static,
    ) -> Result<Accepted, Status> {
        let settings = std::sync::Arc::clone(&self.settings);
        let task = tokio::spawn(async move {
            let _turn = settings.lock().await;
            change.await
        });
        task.await
            .unwrap_or_else(|_| Err(Reason::Internal.status("the change was given up")))
    }
}

enum Made {
    Slot(SlotSettings),
    Show(ShowSettings),
    Channel(ChannelSettings),
    Destination(DestinationSettings),
}
