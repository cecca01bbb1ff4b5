use std::time::Duration;

use booth_core::{Command, Denied, OperatorId, Text};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, operator_service_server::OperatorService};
use tonic::{Request, Response, Status};

use super::api::{Answered, Api, asked, invalid, opened, refused};
use crate::secrets::token_hash;

const LINK_TTL_DEFAULT: Duration = Duration::from_secs(15 * 60);
const LINK_TTL_MIN: Duration = Duration::from_secs(1);
const LINK_TTL_MAX: Duration = Duration::from_secs(24 * 3_600);

#[tonic::async_trait]
impl OperatorService for Api {
    async fn list_operators(
        &self,
        _request: Request<v1::ListOperatorsRequest>,
    ) -> Result<Response<v1::ListOperatorsResponse>, Status> {
        let state = self.state();
        let operators = state
            .operators
            .values()
            .map(|o| convert::operator::operator(o))
            .collect();
        Ok(Response::new(v1::ListOperatorsResponse {
            operators,
            revision: state.revision,
        }))
    }

    async fn create_operator(
        &self,
        request: Request<v1::CreateOperatorRequest>,
    ) -> Result<Response<v1::CreateOperatorResponse>, Status> {
        let (by, r) = opened(request)?;
        let id =
            names::parse_id("operator_id", &r.operator_id, OperatorId::new).map_err(refused)?;
        let role = convert::operator::parse_role("role", r.role).map_err(refused)?;
        let asked = asked(by, &r.request_id, 0);
        let token = self.token_for(&asked, &format!("operator\0{id}"))?;
        let hash = token_hash(token.expose());
        let create = Command::CreateOperator {
            id,
            name: Text::name(&r.display_name),
            role,
            token: hash,
        };
        let done = self.command(&asked, create).await?;
        Ok(Response::new(v1::CreateOperatorResponse {
            operator: done.operator(),
            // Exposed to the admin who asked for it.
            token: token.expose().clone(),
            revision: done.revision(),
        }))
    }

    async fn create_operator_token(
        &self,
        request: Request<v1::CreateOperatorTokenRequest>,
    ) -> Result<Response<v1::CreateOperatorTokenResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_operator("name", &r.name).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let token = self.token_for(&asked, &format!("operator token\0{id}"))?;
        let add = Command::AddOperatorToken {
            id,
            token: token_hash(token.expose()),
        };
        let done = self.command(&asked, add).await?;
        Ok(Response::new(v1::CreateOperatorTokenResponse {
            operator: done.operator(),
            // Exposed to the admin who asked for it.
            token: token.expose().clone(),
            revision: done.revision(),
        }))
    }

    async fn revoke_operator(
        &self,
        request: Request<v1::RevokeOperatorRequest>,
    ) -> Result<Response<v1::RevokeOperatorResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_operator("name", &r.name).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::RevokeOperator { id }).await?;
        Ok(Response::new(v1::RevokeOperatorResponse {
            revision: done.revision(),
        }))
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let (by, _) = opened(request)?;
        let state = self.state();
        let operator = state.operators.get(&by.id).ok_or_else(|| {
            refused(Denied::OperatorNotFound {
                operator: by.id.clone(),
            })
        })?;
        let operator = Some(convert::operator::operator(operator));
        Ok(Response::new(v1::WhoAmIResponse { operator }))
    }

    async fn get_link_token(
        &self,
        request: Request<v1::GetLinkTokenRequest>,
    ) -> Result<Response<v1::GetLinkTokenResponse>, Status> {
        let (by, r) = opened(request)?;
        let ttl = convert::duration("ttl", r.ttl.as_ref()).map_err(refused)?;
        let ttl = ttl.unwrap_or(LINK_TTL_DEFAULT);
        if !(LINK_TTL_MIN..=LINK_TTL_MAX).contains(&ttl) {
            return Err(invalid("ttl", "1 second to 24 hours"));
        }
        let expires = self.rooms.clock.now().plus(ttl);
        let token = self.rooms.keys.link_token(&by.token, expires);
        Ok(Response::new(v1::GetLinkTokenResponse {
            // Exposed to the operator who asked for it.
            token: token.expose().clone(),
            expire_time: Some(convert::time(expires)),
        }))
    }
}
