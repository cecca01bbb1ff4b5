use booth_core::{Command, Denied, ShowId, Text};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, show_service_server::ShowService};
use tonic::{Request, Response, Status};

use super::api::{Answered, Api, asked, opened, refused};

#[tonic::async_trait]
impl ShowService for Api {
    async fn list_shows(
        &self,
        _request: Request<v1::ListShowsRequest>,
    ) -> Result<Response<v1::ListShowsResponse>, Status> {
        let state = self.state();
        let shows = state
            .shows
            .values()
            .map(|show| convert::show::show(show))
            .collect();
        Ok(Response::new(v1::ListShowsResponse {
            shows,
            revision: state.revision,
        }))
    }

    async fn get_show(
        &self,
        request: Request<v1::GetShowRequest>,
    ) -> Result<Response<v1::GetShowResponse>, Status> {
        let show = names::parse_show("name", &request.get_ref().name).map_err(refused)?;
        let state = self.state();
        let found = state
            .shows
            .get(&show)
            .ok_or_else(|| refused(Denied::ShowNotFound { show: show.clone() }))?;
        let show = Some(convert::show::show(found));
        Ok(Response::new(v1::GetShowResponse {
            show,
            revision: state.revision,
        }))
    }

    async fn create_show(
        &self,
        request: Request<v1::CreateShowRequest>,
    ) -> Result<Response<v1::CreateShowResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_id("show_id", &r.show_id, ShowId::new).map_err(refused)?;
        let create = Command::CreateShow {
            id,
            title: Text::name(&r.title),
        };
        let done = self.command(&asked(by, &r.request_id, 0), create).await?;
        Ok(Response::new(v1::CreateShowResponse {
            show: done.show(),
            revision: done.revision(),
        }))
    }

    async fn update_show(
        &self,
        request: Request<v1::UpdateShowRequest>,
    ) -> Result<Response<v1::UpdateShowResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_show("name", &r.name).map_err(refused)?;
        let title = r.title.as_deref().map(Text::name);
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = Self::update_show(self, asked, id, title, r.settings).await?;
        Ok(Response::new(v1::UpdateShowResponse {
            show: done.show(),
            revision: done.revision(),
        }))
    }

    async fn start_show(
        &self,
        request: Request<v1::StartShowRequest>,
    ) -> Result<Response<v1::StartShowResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_show("name", &r.name).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::StartShow { id }).await?;
        Ok(Response::new(v1::StartShowResponse {
            show: done.show(),
            revision: done.revision(),
        }))
    }

    async fn stop_show(
        &self,
        request: Request<v1::StopShowRequest>,
    ) -> Result<Response<v1::StopShowResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_show("name", &r.name).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::StopShow { id }).await?;
        Ok(Response::new(v1::StopShowResponse {
            show: done.show(),
            revision: done.revision(),
        }))
    }

    async fn delete_show(
        &self,
        request: Request<v1::DeleteShowRequest>,
    ) -> Result<Response<v1::DeleteShowResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_show("name", &r.name).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::DeleteShow { id }).await?;
        Ok(Response::new(v1::DeleteShowResponse {
            revision: done.revision(),
        }))
    }
}
