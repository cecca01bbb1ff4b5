//! Callers: the queue's work, from list to drop.

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::*;

use super::{stakes, tile};
use crate::app::Ctx;
use crate::args::CallerCommand;
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::render::View;
use crate::render::rows;
use crate::render::table::Table;
use crate::{names, resolve};

/// A verb that takes only the caller.
macro_rules! plain {
    ($ctx:expr, $who:expr, $method:ident, $request:ident) => {{
        let name = resolve::caller($ctx, &$who.caller).await?;
        let subject = Subject::caller(&name);
        let request = $request {
            name,
            request_id: $ctx.request_id(),
            expected_revision: $ctx.expected_revision(),
        };
        let answer = rpc!($ctx, subject, CallerServiceClient::$method, request)?;
        $ctx.out.answer(&answer)
    }};
}

pub async fn run(ctx: &Ctx, command: CallerCommand) -> Outcome {
    match command {
        CallerCommand::List { show, ended } => {
            let parent = show.map_or(Ok(String::new()), |show| names::show(&show))?;
            let subject = Subject::show(&parent);
            let query = ListCallersRequest {
                parent,
                include_ended: ended,
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::list_callers,
                query
            )?)
        }
        CallerCommand::Get(who) => ctx.out.answer(&get(ctx, &who.caller).await?),
        CallerCommand::Screen(who) => plain!(ctx, who, screen_caller, ScreenCallerRequest),
        CallerCommand::Approve(who) => plain!(ctx, who, approve_caller, ApproveCallerRequest),
        CallerCommand::Hold(who) => plain!(ctx, who, hold_caller, HoldCallerRequest),
        CallerCommand::Mute(who) => plain!(ctx, who, mute_caller, MuteCallerRequest),
        CallerCommand::Unmute(who) => plain!(ctx, who, unmute_caller, UnmuteCallerRequest),
        CallerCommand::Reject { who, reason } => {
            let name = resolve::caller(ctx, &who.caller).await?;
            let asked = stakes::of_reject(ctx, &name);
            let expected_revision = confirm(ctx, Act::RejectCaller, asked).await?;
            let subject = Subject::caller(&name);
            let request = RejectCallerRequest {
                name,
                reason,
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::reject_caller,
                request
            )?)
        }
        CallerCommand::Move { who, to } => {
            let name = resolve::caller(ctx, &who.caller).await?;
            let subject = Subject::caller(&name);
            let request = MoveCallerRequest {
                name,
                position: to,
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::move_caller,
                request
            )?)
        }
        CallerCommand::Note { who, text } => {
            let name = resolve::caller(ctx, &who.caller).await?;
            let subject = Subject::caller(&name);
            let request = NoteCallerRequest {
                name,
                text: text.join(" "),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::note_caller,
                request
            )?)
        }
        CallerCommand::Chat { who, text } if text.is_empty() => show_chat(ctx, &who.caller).await,
        CallerCommand::Chat { who, text } => {
            let name = resolve::caller(ctx, &who.caller).await?;
            let subject = Subject::caller(&name);
            let request = ChatCallerRequest {
                name,
                text: text.join(" "),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                CallerServiceClient::chat_caller,
                request
            )?)
        }
        CallerCommand::Drop { who, show } => match who.caller {
            Some(caller) => {
                let name = resolve::caller(ctx, &caller).await?;
                let asked = stakes::of_drop(ctx, &name);
                let expected = confirm(ctx, Act::DropCaller, asked).await?;
                let answer = drop_one(ctx, name, ctx.request_id(), expected).await?;
                ctx.out.answer(&answer)
            }
            None => drop_all(ctx, show).await,
        },
        CallerCommand::Tile { who, out } => {
            let name = resolve::caller(ctx, &who.caller).await?;
            let subject = Subject::caller(&name);
            let answer = rpc!(
                ctx,
                subject,
                CallerServiceClient::get_caller_tile,
                GetCallerTileRequest { name: name.clone() }
            )?;
            tile::save(ctx, &name, &answer, answer.tile.as_ref(), out.as_deref())
        }
    }
}

async fn get(ctx: &Ctx, text: &str) -> Outcome<GetCallerResponse> {
    // The server itself looks in every show.
    let name = match names::full_caller(text) {
        Some(full) => full.to_owned(),
        None => resolve::caller(ctx, text).await?,
    };
    rpc!(
        ctx,
        Subject::caller(&name),
        CallerServiceClient::get_caller,
        GetCallerRequest { name: name.clone() }
    )
}

async fn show_chat(ctx: &Ctx, text: &str) -> Outcome {
    let answer = get(ctx, text).await?;
    if !ctx.out.is_table() {
        return ctx.out.answer(&answer);
    }
    let lines = answer.caller.as_ref().map(rows::chat).unwrap_or_default();
    if lines.is_empty() {
        ctx.out.say("no messages yet");
    }
    lines
        .into_iter()
        .try_for_each(|line| ctx.out.view(&View::Line(line)))
}

async fn drop_one(
    ctx: &Ctx,
    name: String,
    request_id: String,
    expected_revision: u64,
) -> Outcome<DropCallerResponse> {
    let subject = Subject::caller(&name);
    let request = DropCallerRequest {
        name,
        request_id,
        expected_revision,
    };
    rpc!(ctx, subject, CallerServiceClient::drop_caller, request)
}

/// Everybody at this moment; who joins meanwhile stays.
async fn drop_all(ctx: &Ctx, show: Option<String>) -> Outcome {
    if ctx.global.expect_revision.is_some() {
        return Err(Failure::usage(
            "--expect-revision belongs to one caller: it cannot be used with --all",
        ));
    }
    let parent = show.map_or(Ok(String::new()), |show| names::show(&show))?;
    let query = ListCallersRequest {
        parent: parent.clone(),
        include_ended: false,
    };
    let list = rpc!(
        ctx,
        Subject::show(&parent),
        CallerServiceClient::list_callers,
        query
    )?;
    if !list.callers.is_empty() {
        let asked = async { Ok(stakes::of_drop_all(&list.callers)) };
        confirm(ctx, Act::DropAllCallers, asked).await?;
    }
    // Each call is its own command: a repeat of the whole line must not meet the answers of other callers.
    let request_id = ctx.request_id();
    let mut ended = ListCallersResponse {
        revision: list.revision,
        callers: Vec::new(),
    };
    for caller in &list.callers {
        let own_id: String = format!("{}.{request_id}", names::last_part(&caller.name))
            .chars()
            .take(128)
            .collect();
        match drop_one(ctx, caller.name.clone(), own_id, 0).await {
            Ok(answer) => {
                ended.revision = answer.revision;
                ended.callers.extend(answer.caller);
            }
            // Gone by themselves: that is what was wanted.
            Err(failure)
                if matches!(
                    failure.reason.as_deref(),
                    Some("CALLER_ENDED" | "CALLER_NOT_FOUND")
                ) => {}
            Err(failure) => {
                ctx.out.say(&format!(
                    "{} of {} calls were ended",
                    ended.callers.len(),
                    list.callers.len()
                ));
                return Err(failure);
            }
        }
    }
    if ctx.out.is_table() && ended.callers.is_empty() {
        return ctx.out.view(&View::Table(Table::default()));
    }
    ctx.out.answer(&ended)
}
