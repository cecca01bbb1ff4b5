use std::sync::Arc;

use booth_core::{
    CallerId, Command, Denied, Disposition, Pick, Showing, Slot, SlotId, SlotOutput, State,
};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, slot_service_server::SlotService};
use tonic::{Request, Response, Status};

use super::api::{Answered, Api, asked, broken, invalid, opened, refused};
use super::status::Reason;
use super::tally;
use crate::address::reachable_host;
use crate::meters::Tile;
use crate::secrets::slot_passphrase_context;
use crate::server::Rooms;

fn slot_named(name: &str) -> Result<SlotId, Status> {
    names::parse_slot("name", name).map_err(refused)
}

fn missing(slot: &SlotId) -> Status {
    refused(Denied::SlotNotFound { slot: slot.clone() })
}

/// The newest picture of a caller. A worker makes one of who is armed; who is on air is what the output shows.
pub fn caller_picture(rooms: &Rooms, state: &State, id: &CallerId) -> Option<Tile> {
    let on_air =
        |slot: &&Arc<Slot>| matches!(&slot.showing, Showing::Caller { caller } if caller == id);
    let slot = state.slots.values().find(on_air);
    rooms.meters.update(|readings| {
        let armed = readings.caller_tiles.get(id);
        let output = slot.and_then(|slot| readings.slot_tiles.get(&slot.id));
        armed
            .into_iter()
            .chain(output)
            .max_by_key(|tile| tile.at)
            .cloned()
    })
}

/// The answer with a tile, or the word that there is none.
pub fn tile(found: Option<Tile>, noun: &str, id: &str) -> Result<v1::Tile, Status> {
    let tile = found.ok_or_else(|| {
        Reason::TileNotFound.status(format!(
            "there is no picture of {noun} {id} now: nothing of it is decoded"
        ))
    })?;
    Ok(v1::Tile {
        jpeg: tile.jpeg.to_vec(),
        at_ms: tile.at.0,
    })
}

#[tonic::async_trait]
impl SlotService for Api {
    async fn list_slots(
        &self,
        _request: Request<v1::ListSlotsRequest>,
    ) -> Result<Response<v1::ListSlotsResponse>, Status> {
        let (state, tallies) = (self.state(), self.rooms.tallies.now());
        let slots = state
            .slots
            .values()
            .map(|slot| tally::slot(slot, &state, &tallies))
            .collect();
        Ok(Response::new(v1::ListSlotsResponse {
            slots,
            revision: state.revision,
        }))
    }

    async fn get_slot(
        &self,
        request: Request<v1::GetSlotRequest>,
    ) -> Result<Response<v1::GetSlotResponse>, Status> {
        let id = slot_named(&request.get_ref().name)?;
        let state = self.state();
        let found = state.slots.get(&id).ok_or_else(|| missing(&id))?;
        let slot = Some(tally::slot(found, &state, &self.rooms.tallies.now()));
        Ok(Response::new(v1::GetSlotResponse {
            slot,
            revision: state.revision,
        }))
    }

    async fn create_slot(
        &self,
        request: Request<v1::CreateSlotRequest>,
    ) -> Result<Response<v1::CreateSlotResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = convert::slot::parse_slot_id("slot_id", &r.slot_id).map_err(refused)?;
        let show = convert::slot::parse_show_or_main("show", &r.show).map_err(refused)?;
        let asked = asked(by, &r.request_id, 0);
        let done = Self::create_slot(self, asked, id, show, r.settings.unwrap_or_default()).await?;
        Ok(Response::new(v1::CreateSlotResponse {
            slot: done.slot(&self.rooms.tallies.now()),
            revision: done.revision(),
        }))
    }

    async fn update_slot(
        &self,
        request: Request<v1::UpdateSlotRequest>,
    ) -> Result<Response<v1::UpdateSlotResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = slot_named(&r.name)?;
        let patch = r
            .settings
            .ok_or_else(|| invalid("settings", "missing: give what is to change"))?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = Self::update_slot(self, asked, id, patch).await?;
        Ok(Response::new(v1::UpdateSlotResponse {
            slot: done.slot(&self.rooms.tallies.now()),
            revision: done.revision(),
        }))
    }

    async fn delete_slot(
        &self,
        request: Request<v1::DeleteSlotRequest>,
    ) -> Result<Response<v1::DeleteSlotResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = slot_named(&r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::DeleteSlot { id }).await?;
        Ok(Response::new(v1::DeleteSlotResponse {
            revision: done.revision(),
        }))
    }

    async fn take_slot(
        &self,
        request: Request<v1::TakeSlotRequest>,
    ) -> Result<Response<v1::TakeSlotResponse>, Status> {
        let (by, r) = opened(request)?;
        let slot = slot_named(&r.name)?;
        let pick = match &r.pick {
            Some(v1::take_slot_request::Pick::Caller(name)) => {
                Pick::Caller(self.caller_named("caller", name)?)
            }
            Some(v1::take_slot_request::Pick::Next(true)) => Pick::Next,
            Some(v1::take_slot_request::Pick::Next(false)) => {
                return Err(invalid(
                    "next",
                    "only true says something; or give a caller",
                ));
            }
            None => return Err(invalid("pick", "missing: give a caller, or next: true")),
        };
        let transition = convert::transition(r.transition.as_ref());
        let asked = asked(by, &r.request_id, r.expected_revision);
        let take = Command::Take {
            slot,
            pick,
            transition,
            override_checks: r.r#override,
        };
        let done = self.command(&asked, take).await?;
        Ok(Response::new(v1::TakeSlotResponse {
            slot: done.slot(&self.rooms.tallies.now()),
            revision: done.revision(),
        }))
    }

    async fn release_slot(
        &self,
        request: Request<v1::ReleaseSlotRequest>,
    ) -> Result<Response<v1::ReleaseSlotResponse>, Status> {
        use v1::release_slot_request::Disposition as Wire;
        let (by, r) = opened(request)?;
        let slot = slot_named(&r.name)?;
        let disposition = match Wire::try_from(r.disposition) {
            Ok(Wire::Unspecified | Wire::Hold) => Disposition::Hold,
            Ok(Wire::Requeue) => Disposition::Requeue,
            Ok(Wire::Drop) => Disposition::Drop,
            Err(_) => {
                return Err(invalid(
                    "disposition",
                    "DISPOSITION_HOLD, DISPOSITION_REQUEUE or DISPOSITION_DROP",
                ));
            }
        };
        let transition = convert::transition(r.transition.as_ref());
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self
            .command(
                &asked,
                Command::Release {
                    slot,
                    disposition,
                    transition,
                },
            )
            .await?;
        Ok(Response::new(v1::ReleaseSlotResponse {
            slot: done.slot(&self.rooms.tallies.now()),
            revision: done.revision(),
        }))
    }

    async fn arm_slot(
        &self,
        request: Request<v1::ArmSlotRequest>,
    ) -> Result<Response<v1::ArmSlotResponse>, Status> {
        let (by, r) = opened(request)?;
        let slot = slot_named(&r.name)?;
        let caller = match r.caller.as_str() {
            "" => None,
            name => Some(self.caller_named("caller", name)?),
        };
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::Arm { slot, caller }).await?;
        Ok(Response::new(v1::ArmSlotResponse {
            slot: done.slot(&self.rooms.tallies.now()),
            revision: done.revision(),
        }))
    }

    async fn get_slot_tile(
        &self,
        request: Request<v1::GetSlotTileRequest>,
    ) -> Result<Response<v1::GetSlotTileResponse>, Status> {
        let id = slot_named(&request.get_ref().name)?;
        if !self.state().slots.contains_key(&id) {
            return Err(missing(&id));
        }
        let found = self
            .rooms
            .meters
            .update(|readings| readings.slot_tiles.get(&id).cloned());
        let tile = Some(tile(found, "slot", id.as_str())?);
        Ok(Response::new(v1::GetSlotTileResponse { tile }))
    }

    async fn get_slot_address(
        &self,
        request: Request<v1::GetSlotAddressRequest>,
    ) -> Result<Response<v1::GetSlotAddressResponse>, Status> {
        let id = slot_named(&request.get_ref().name)?;
        let state = self.state();
        let settings = &state.slots.get(&id).ok_or_else(|| missing(&id))?.settings;
        let passphrase = match &settings.passphrase {
            // Exposed to an operator who needs it for a receiver.
            Some(sealed) => {
                let opened = self.rooms.keys.open(&slot_passphrase_context(&id), sealed);
                opened.map_err(broken)?.expose().clone()
            }
            None => String::new(),
        };
        let (port, push_url) = match &settings.output {
            SlotOutput::Listen { port } => (*port, None),
            SlotOutput::Push { url } => (0, Some(url.clone())),
        };
        Ok(Response::new(v1::GetSlotAddressResponse {
            host: reachable_host(self.rooms.config.slots.bind),
            port: u32::from(port),
            stream_id: settings.stream_id.clone().unwrap_or_default(),
            passphrase,
            latency_ms: settings.latency_ms,
            push: push_url.is_some(),
            push_url: push_url.unwrap_or_default(),
        }))
    }
}
