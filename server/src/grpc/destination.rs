use booth_core::{ChannelId, Command, DestinationId};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, destination_service_server::DestinationService};
use tonic::{Request, Response, Status};

use super::api::{Answered, Api, asked, broken, invalid, opened, refused};
use super::channel::{channel_named, missing};
use super::merge::channel::found;
use crate::secrets::destination_key_context;

fn destination_named(name: &str) -> Result<(ChannelId, DestinationId), Status> {
    names::parse_destination("name", name).map_err(refused)
}

#[tonic::async_trait]
impl DestinationService for Api {
    async fn list_destinations(
        &self,
        request: Request<v1::ListDestinationsRequest>,
    ) -> Result<Response<v1::ListDestinationsResponse>, Status> {
        let id = channel_named("parent", &request.get_ref().parent)?;
        let state = self.state();
        let channel = state.channels.get(&id).ok_or_else(|| missing(&id))?;
        let destinations = channel.destinations.values();
        Ok(Response::new(v1::ListDestinationsResponse {
            destinations: destinations
                .map(|found| convert::destination::destination(&id, found))
                .collect(),
            revision: state.revision,
        }))
    }

    async fn get_destination(
        &self,
        request: Request<v1::GetDestinationRequest>,
    ) -> Result<Response<v1::GetDestinationResponse>, Status> {
        let (channel, id) = destination_named(&request.get_ref().name)?;
        let state = self.state();
        let found = found(&state, &channel, &id).map_err(refused)?;
        Ok(Response::new(v1::GetDestinationResponse {
            destination: Some(convert::destination::destination(&channel, found)),
            revision: state.revision,
        }))
    }

    async fn create_destination(
        &self,
        request: Request<v1::CreateDestinationRequest>,
    ) -> Result<Response<v1::CreateDestinationResponse>, Status> {
        let (by, r) = opened(request)?;
        let channel = channel_named("parent", &r.parent)?;
        let id = names::parse_id("destination_id", &r.destination_id, DestinationId::new)
            .map_err(refused)?;
        let asked = asked(by, &r.request_id, 0);
        let settings = r.settings.unwrap_or_default();
        let of = (channel, id);
        let done = Self::create_destination(self, asked, of, settings, !r.disabled).await?;
        Ok(Response::new(v1::CreateDestinationResponse {
            destination: done.destination(),
            revision: done.revision(),
        }))
    }

    async fn update_destination(
        &self,
        request: Request<v1::UpdateDestinationRequest>,
    ) -> Result<Response<v1::UpdateDestinationResponse>, Status> {
        let (by, r) = opened(request)?;
        let of = destination_named(&r.name)?;
        let patch = r
            .settings
            .ok_or_else(|| invalid("settings", "missing: give what is to change"))?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = Self::update_destination(self, asked, of, patch).await?;
        Ok(Response::new(v1::UpdateDestinationResponse {
            destination: done.destination(),
            revision: done.revision(),
        }))
    }

    async fn enable_destination(
        &self,
        request: Request<v1::EnableDestinationRequest>,
    ) -> Result<Response<v1::EnableDestinationResponse>, Status> {
        let (by, r) = opened(request)?;
        let (channel, id) = destination_named(&r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let enable = Command::SetDestinationEnabled {
            channel,
            id,
            enabled: true,
        };
        let done = self.command(&asked, enable).await?;
        Ok(Response::new(v1::EnableDestinationResponse {
            destination: done.destination(),
            revision: done.revision(),
        }))
    }

    async fn disable_destination(
        &self,
        request: Request<v1::DisableDestinationRequest>,
    ) -> Result<Response<v1::DisableDestinationResponse>, Status> {
        let (by, r) = opened(request)?;
        let (channel, id) = destination_named(&r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let disable = Command::SetDestinationEnabled {
            channel,
            id,
            enabled: false,
        };
        let done = self.command(&asked, disable).await?;
        Ok(Response::new(v1::DisableDestinationResponse {
            destination: done.destination(),
            revision: done.revision(),
        }))
    }

    async fn delete_destination(
        &self,
        request: Request<v1::DeleteDestinationRequest>,
    ) -> Result<Response<v1::DeleteDestinationResponse>, Status> {
        let (by, r) = opened(request)?;
        let (channel, id) = destination_named(&r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let remove = Command::RemoveDestination { channel, id };
        let done = self.command(&asked, remove).await?;
        Ok(Response::new(v1::DeleteDestinationResponse {
            revision: done.revision(),
        }))
    }

    async fn reveal_destination_key(
        &self,
        request: Request<v1::RevealDestinationKeyRequest>,
    ) -> Result<Response<v1::RevealDestinationKeyResponse>, Status> {
        let (by, r) = opened(request)?;
        let (channel, id) = destination_named(&r.name)?;
        let reveal = Command::RevealKey {
            id: channel.clone(),
            destination: Some(id.clone()),
        };
        // For the record first: what cannot be recorded is not shown.
        let state = self.command(&asked(by, "", 0), reveal).await?.state;
        let found = found(&state, &channel, &id).map_err(refused)?;
        let key = match &found.settings.key {
            Some(sealed) => {
                let context = destination_key_context(&channel, &id);
                let opened = self.rooms.keys.open(&context, sealed);
                // Exposed to an operator who asked for it.
                opened.map_err(broken)?.expose().clone()
            }
            None => String::new(),
        };
        Ok(Response::new(v1::RevealDestinationKeyResponse { key }))
    }
}
