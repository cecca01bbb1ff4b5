//! Shows: live programmes with their queue.

use booth_proto::v1::show_service_client::ShowServiceClient;
use booth_proto::v1::*;

use super::stakes;
use crate::app::Ctx;
use crate::args::{ShowCommand, ShowSettingsArgs};
use crate::client::rpc;
use crate::confirm::{Act, confirm};
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names;
use crate::render::text;

pub async fn run(ctx: &Ctx, command: ShowCommand) -> Outcome {
    match command {
        ShowCommand::List => ctx.out.answer(&rpc!(
            ctx,
            Subject::default(),
            ShowServiceClient::list_shows,
            ListShowsRequest {}
        )?),
        ShowCommand::Create { show, title } => {
            ctx.expects_nothing()?;
            let show_id = names::new_id("show", names::last_part(&show))?;
            let subject = Subject::show(&show_id);
            let request = CreateShowRequest {
                show_id,
                title,
                request_id: ctx.request_id(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                ShowServiceClient::create_show,
                request
            )?)
        }
        ShowCommand::Get { show } => {
            let name = names::show(&show)?;
            let subject = Subject::show(&name);
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                ShowServiceClient::get_show,
                GetShowRequest { name }
            )?)
        }
        ShowCommand::Update {
            show,
            title,
            settings,
        } => {
            let name = names::show(&show)?;
            let subject = Subject::show(&name);
            let settings = changed(&settings);
            if title.is_none() && settings == ShowSettings::default() {
                return Err(
                    Failure::usage("nothing to change was named").next("booth show update --help")
                );
            }
            let request = UpdateShowRequest {
                name,
                title,
                settings: Some(settings),
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out.answer(&rpc!(
                ctx,
                subject,
                ShowServiceClient::update_show,
                request
            )?)
        }
        ShowCommand::Start { show } => {
            start(ctx, names::show(&show)?, ctx.expected_revision()).await
        }
        ShowCommand::Retry { show } => retry(ctx, names::show(&show)?).await,
        ShowCommand::Stop { show } => {
            let name = names::show(&show)?;
            let subject = Subject::show(&name);
            let request = StopShowRequest {
                name,
                request_id: ctx.request_id(),
                expected_revision: ctx.expected_revision(),
            };
            ctx.out
                .answer(&rpc!(ctx, subject, ShowServiceClient::stop_show, request)?)
        }
        ShowCommand::Delete { show } => {
            let name = names::show(&show)?;
            let asked = stakes::of_show(ctx, &name);
            let expected_revision = confirm(ctx, Act::DeleteShow, asked).await?;
            let request = DeleteShowRequest {
                name: name.clone(),
                request_id: ctx.request_id(),
                expected_revision,
            };
            ctx.out.answer(&rpc!(
                ctx,
                Subject::show(&name),
                ShowServiceClient::delete_show,
                request
            )?)?;
            ctx.out.say(&format!("deleted {name}"));
            Ok(())
        }
    }
}

async fn start(ctx: &Ctx, name: String, expected_revision: u64) -> Outcome {
    let subject = Subject::show(&name);
    let request = StartShowRequest {
        name,
        request_id: ctx.request_id(),
        expected_revision,
    };
    ctx.out
        .answer(&rpc!(ctx, subject, ShowServiceClient::start_show, request)?)
}

/// A start for a show that failed, and for no other: of the very show that was seen in ERROR.
async fn retry(ctx: &Ctx, name: String) -> Outcome {
    let found = rpc!(
        ctx,
        Subject::show(&name),
        ShowServiceClient::get_show,
        GetShowRequest { name: name.clone() }
    )?;
    let show = found.show.unwrap_or_default();
    if show.state != show::State::Error as i32 {
        let state = show::State::try_from(show.state).ok();
        let state = text::enum_text(state.map(|state| state.as_str_name()), "STATE_");
        return Err(
            Failure::refused(format!("it is {state}, and has not failed"))
                .reason("SHOW_WRONG_STATE")
                .next(format!("booth show get {}", names::last_part(&name))),
        );
    }
    let expected = match ctx.expected_revision() {
        0 => show.revision,
        given => given,
    };
    start(ctx, name, expected).await
}

fn changed(args: &ShowSettingsArgs) -> ShowSettings {
    let ms = |time: Option<std::time::Duration>| {
        time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    };
    ShowSettings {
        grace_ms: ms(args.grace),
        on_air_grace_ms: ms(args.on_air_grace),
        max_callers: args.max_callers,
        open: args.open,
    }
}
