//! Operators: who may sign in, and with what.

use booth_proto::v1::operator_service_client::OperatorServiceClient;
use booth_proto::v1::*;

use super::stakes;
use crate::app::Ctx;
use crate::args::{OperatorCommand, RoleArg};
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::Outcome;
use crate::hints::Subject;
use crate::names;

pub async fn run(ctx: &Ctx, command: OperatorCommand) -> Outcome {
    match command {
        OperatorCommand::List => ctx.out.answer(&rpc!(
            ctx,
            Subject::default(),
            OperatorServiceClient::list_operators,
            ListOperatorsRequest {}
        )?),
        OperatorCommand::Add {
            operator,
            role,
            display_name,
        } => {
            ctx.expects_nothing()?;
            let operator_id = names::new_id("operator", names::last_part(&operator))?;
            let role = match role {
                RoleArg::Viewer => Role::Viewer,
                RoleArg::Screener => Role::Screener,
                RoleArg::Operator => Role::Operator,
                RoleArg::Admin => Role::Admin,
            };
            let subject = Subject::operator(&operator_id);
            let request = CreateOperatorRequest {
                operator_id,
                display_name,
                role: role as i32,
                request_id: ctx.request_id(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                OperatorServiceClient::create_operator,
                request
            )?)?;
            ctx.out.say(SHOWN_ONCE);
            Ok(())
        }
        OperatorCommand::Token { operator } => {
            let name = names::operator(&operator)?;
            let subject = Subject::operator(&name);
            let request = CreateOperatorTokenRequest {
                name,
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                OperatorServiceClient::create_operator_token,
                request
            )?)?;
            ctx.out.say(SHOWN_ONCE);
            Ok(())
        }
        OperatorCommand::Revoke { operator } => {
            let name = names::operator(&operator)?;
            let asked = stakes::of_operator(ctx, &name);
            let expected_revision = confirm(ctx, Act::RevokeOperator, asked).await?;
            let request = RevokeOperatorRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::operator(&name),
                OperatorServiceClient::revoke_operator,
                request
            )?)?;
            ctx.out.say(&format!("revoked {name}"));
            Ok(())
        }
        OperatorCommand::Link { ttl } => ctx.out.answer(&rpc!(
            ctx,
            Subject::default(),
            OperatorServiceClient::get_link_token,
            GetLinkTokenRequest {
                ttl: ttl.map(Into::into)
            }
        )?),
        OperatorCommand::Whoami => ctx.out.answer(&rpc!(
            ctx,
            Subject::default(),
            OperatorServiceClient::who_am_i,
            WhoAmIRequest {}
        )?),
    }
}

const SHOWN_ONCE: &str = "this token is shown only now: keep it in a file that only its owner can read, for --token-file";
