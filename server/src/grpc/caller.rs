use booth_core::{Command, Denied, MESSAGE_MAX};
use booth_proto::convert;
use booth_proto::v1::{self, caller_service_server::CallerService};
use tonic::{Request, Response, Status};

use super::api::{Answered, Api, asked, invalid, opened, refused};
use super::slot::{caller_picture, tile};

/// A verb on one caller, with nothing but the conditions every mutation has.
macro_rules! verb {
    ($api:ident, $request:ident, $response:ident, $command:expr) => {{
        let (by, r) = opened($request)?;
        let id = $api.caller_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let command = $command(&r, id)?;
        let done = $api.command(&asked, command).await?;
        Ok(Response::new(v1::$response {
            caller: done.caller(),
            revision: done.revision(),
        }))
    }};
}

#[tonic::async_trait]
impl CallerService for Api {
    async fn list_callers(
        &self,
        request: Request<v1::ListCallersRequest>,
    ) -> Result<Response<v1::ListCallersResponse>, Status> {
        let r = request.get_ref();
        let show = self.show_filter("parent", &r.parent)?;
        let state = self.state();
        let wanted =
            |caller: &booth_core::Caller| show.as_ref().is_none_or(|show| caller.show == *show);
        let callers = convert::caller::in_order(&state, r.include_ended, wanted);
        let callers = convert::caller::list(&callers, &state);
        Ok(Response::new(v1::ListCallersResponse {
            callers,
            revision: state.revision,
        }))
    }

    async fn get_caller(
        &self,
        request: Request<v1::GetCallerRequest>,
    ) -> Result<Response<v1::GetCallerResponse>, Status> {
        let caller = self.caller_named("name", &request.get_ref().name)?;
        let state = self.state();
        let found = state
            .callers
            .get(&caller)
            .ok_or_else(|| refused(Denied::CallerNotFound { caller }))?;
        let caller = Some(convert::caller::caller(found, &state));
        Ok(Response::new(v1::GetCallerResponse {
            caller,
            revision: state.revision,
        }))
    }

    async fn screen_caller(
        &self,
        request: Request<v1::ScreenCallerRequest>,
    ) -> Result<Response<v1::ScreenCallerResponse>, Status> {
        verb!(self, request, ScreenCallerResponse, |_: &_, id| Ok::<
            _,
            Status,
        >(
            Command::Screen { id }
        ))
    }

    async fn approve_caller(
        &self,
        request: Request<v1::ApproveCallerRequest>,
    ) -> Result<Response<v1::ApproveCallerResponse>, Status> {
        verb!(self, request, ApproveCallerResponse, |_: &_, id| Ok::<
            _,
            Status,
        >(
            Command::Approve { id }
        ))
    }

    async fn reject_caller(
        &self,
        request: Request<v1::RejectCallerRequest>,
    ) -> Result<Response<v1::RejectCallerResponse>, Status> {
        verb!(
            self,
            request,
            RejectCallerResponse,
            |r: &v1::RejectCallerRequest, id| {
                let reason =
                    convert::optional_message("reason", &r.reason, MESSAGE_MAX).map_err(refused)?;
                Ok::<_, Status>(Command::Reject { id, reason })
            }
        )
    }

    async fn hold_caller(
        &self,
        request: Request<v1::HoldCallerRequest>,
    ) -> Result<Response<v1::HoldCallerResponse>, Status> {
        verb!(
            self,
            request,
            HoldCallerResponse,
            |_: &_, id| Ok::<_, Status>(Command::Hold { id })
        )
    }

    async fn move_caller(
        &self,
        request: Request<v1::MoveCallerRequest>,
    ) -> Result<Response<v1::MoveCallerResponse>, Status> {
        verb!(
            self,
            request,
            MoveCallerResponse,
            |r: &v1::MoveCallerRequest, id| {
                if r.position == 0 {
                    return Err(invalid("position", "1 is the head of the queue"));
                }
                Ok(Command::Move { id, to: r.position })
            }
        )
    }

    async fn note_caller(
        &self,
        request: Request<v1::NoteCallerRequest>,
    ) -> Result<Response<v1::NoteCallerResponse>, Status> {
        verb!(
            self,
            request,
            NoteCallerResponse,
            |r: &v1::NoteCallerRequest, id| {
                let text = convert::message("text", &r.text, MESSAGE_MAX).map_err(refused)?;
                Ok::<_, Status>(Command::Note { id, text })
            }
        )
    }

    async fn chat_caller(
        &self,
        request: Request<v1::ChatCallerRequest>,
    ) -> Result<Response<v1::ChatCallerResponse>, Status> {
        verb!(
            self,
            request,
            ChatCallerResponse,
            |r: &v1::ChatCallerRequest, id| {
                let text = convert::message("text", &r.text, MESSAGE_MAX).map_err(refused)?;
                Ok::<_, Status>(Command::Chat { id, text })
            }
        )
    }

    async fn drop_caller(
        &self,
        request: Request<v1::DropCallerRequest>,
    ) -> Result<Response<v1::DropCallerResponse>, Status> {
        verb!(
            self,
            request,
            DropCallerResponse,
            |_: &_, id| Ok::<_, Status>(Command::Drop { id })
        )
    }

    async fn mute_caller(
        &self,
        request: Request<v1::MuteCallerRequest>,
    ) -> Result<Response<v1::MuteCallerResponse>, Status> {
        verb!(
            self,
            request,
            MuteCallerResponse,
            |_: &_, id| Ok::<_, Status>(Command::SetMuted { id, muted: true })
        )
    }

    async fn unmute_caller(
        &self,
        request: Request<v1::UnmuteCallerRequest>,
    ) -> Result<Response<v1::UnmuteCallerResponse>, Status> {
        verb!(self, request, UnmuteCallerResponse, |_: &_, id| Ok::<
            _,
            Status,
        >(
            Command::SetMuted { id, muted: false }
        ))
    }

    async fn get_caller_tile(
        &self,
        request: Request<v1::GetCallerTileRequest>,
    ) -> Result<Response<v1::GetCallerTileResponse>, Status> {
        let caller = self.caller_named("name", &request.get_ref().name)?;
        let state = self.state();
        if !state.callers.contains_key(&caller) {
            return Err(refused(Denied::CallerNotFound { caller }));
        }
        let found = caller_picture(&self.rooms, &state, &caller);
        let tile = Some(tile(found, "caller", caller.as_str())?);
        Ok(Response::new(v1::GetCallerTileResponse { tile }))
    }

    async fn create_invite(
        &self,
        request: Request<v1::CreateInviteRequest>,
    ) -> Result<Response<v1::CreateInviteResponse>, Status> {
        let (by, r) = opened(request)?;
        self.make_invite(by, r).await.map(Response::new)
    }

    async fn list_invites(
        &self,
        request: Request<v1::ListInvitesRequest>,
    ) -> Result<Response<v1::ListInvitesResponse>, Status> {
        let show = self.show_filter("parent", &request.get_ref().parent)?;
        let state = self.state();
        let invites = state
            .invites
            .values()
            .filter(|invite| show.as_ref().is_none_or(|show| invite.show == *show));
        let invites = invites
            .map(|invite| convert::caller::invite(invite))
            .collect();
        Ok(Response::new(v1::ListInvitesResponse {
            invites,
            revision: state.revision,
        }))
    }

    async fn delete_invite(
        &self,
        request: Request<v1::DeleteInviteRequest>,
    ) -> Result<Response<v1::DeleteInviteResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = self.invite_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::RevokeInvite { id }).await?;
        Ok(Response::new(v1::DeleteInviteResponse {
            revision: done.revision(),
        }))
    }
}
